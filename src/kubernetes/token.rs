//! Tokens for a cluster's Kubernetes API: a presigned GetCallerIdentity, which the cluster's
//! authenticator sends to STS to learn who asks.

use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::Error;
use crate::aws::Session;

/// What a token begins with. Source: aws-iam-authenticator, "API Authorization from Outside a
/// Cluster"; the AWS CLI's `eks get-token` makes the same.
const PREFIX: &str = "k8s-aws-v1.";

/// The header by which the cluster is signed into the URL, so that it is good for that one alone.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";

/// For how long STS may be sent the URL. The authenticator sends it at once.
const URL_VALID: Duration = Duration::from_secs(60);

/// For how long the authenticator takes a token, counted from its signing.
const TOKEN_VALID: Duration = Duration::from_secs(15 * 60);

/// A token is told to expire this much earlier, because clocks differ.
const MARGIN: Duration = Duration::from_secs(60);

/// A token with less time left than this is made anew, so that none expires under way.
const RENEWED_BEFORE: Duration = Duration::from_secs(120);

/// A token, and when it expires.
#[derive(Debug, Clone)]
pub struct Token {
    /// The bearer token.
    pub secret: SecretString,
    /// When it expires.
    pub expires: SystemTime,
}

/// Makes tokens for one cluster, and keeps the last one as long as it is good.
#[derive(Debug)]
pub struct Tokens {
    session: Session,
    cluster: String,
    kept: Mutex<Option<Token>>,
}

impl Tokens {
    /// Tokens by which `session` is known to `cluster`.
    pub fn new(session: Session, cluster: impl Into<String>) -> Self {
        Self {
            session,
            cluster: cluster.into(),
            kept: Mutex::default(),
        }
    }

    /// A token that is good for two minutes at least.
    ///
    /// # Errors
    /// There are no credentials to sign it with.
    pub async fn token(&self) -> Result<Token, Error> {
        let mut kept = self.kept.lock().await;
        let now = self.session.identity().now();
        if let Some(token) = kept
            .as_ref()
            .filter(|token| token.expires > now + RENEWED_BEFORE)
        {
            return Ok(token.clone());
        }
        let header = (CLUSTER_HEADER, self.cluster.as_str());
        let signer = self.session.identity();
        let url = signer
            .caller_identity(self.session.target(), header, URL_VALID)
            .await?;
        let encoded = BASE64URL_NOPAD.encode(url.expose_secret().as_bytes());
        let token = Token {
            secret: format!("{PREFIX}{encoded}").into(),
            expires: now + TOKEN_VALID - MARGIN,
        };
        *kept = Some(token.clone());
        Ok(token)
    }

    /// Forgets a token that the API server refused, so that the next is made anew.
    pub async fn refused(&self, token: &Token) {
        let mut kept = self.kept.lock().await;
        if kept
            .as_ref()
            .is_some_and(|kept| kept.expires == token.expires)
        {
            *kept = None;
        }
    }
}
