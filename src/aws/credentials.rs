//! Where credentials come from: first psk's own identity, then the role that it assumes in each
//! account.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_sdk_sts::config::Region;
use aws_sdk_sts::types::Tag;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::error::{CallError, Doing};
use super::pace::Pacer;
use super::recorder::Recorder;
use super::session::TimeSource;
use crate::env::Env;

/// A session by role chaining lasts an hour at most.
/// Source: IAM User Guide, "Roles terms and concepts", role chaining.
const SESSION_LENGTH: Duration = Duration::from_secs(3600);

/// Credentials with less time left than this are renewed.
pub(super) const EXPIRES_SOON: Duration = Duration::from_secs(300);

/// psk's own identity: keys in the environment, else a CI job's identity token for `AWS_ROLE_ARN`,
/// else whatever the SDK's default chain finds (profile, SSO, container, instance).
pub(super) async fn base(env: &Env, config: &SdkConfig) -> SharedCredentialsProvider {
    if let (Some(key), Some(secret)) = (
        env.get("AWS_ACCESS_KEY_ID"),
        env.get("AWS_SECRET_ACCESS_KEY"),
    ) {
        let token = env.get("AWS_SESSION_TOKEN").map(str::to_owned);
        return SharedCredentialsProvider::new(Credentials::new(
            key,
            secret,
            token,
            None,
            "environment",
        ));
    }
    if let (Some(role_arn), Some(source)) = (env.get("AWS_ROLE_ARN"), TokenSource::of(env)) {
        return SharedCredentialsProvider::new(WebIdentity {
            sts: sts(config, None),
            role_arn: role_arn.to_owned(),
            session_name: env.get("AWS_ROLE_SESSION_NAME").unwrap_or("psk").to_owned(),
            source,
        });
    }
    let mut chain = aws_config::default_provider::credentials::DefaultCredentialsChain::builder()
        .region(config.region().cloned());
    if let Some(profile) = env.get("AWS_PROFILE") {
        chain = chain.profile_name(profile);
    }
    SharedCredentialsProvider::new(chain.build().await)
}

/// A client of STS, with these credentials or none.
pub(super) fn sts(
    config: &SdkConfig,
    credentials: Option<SharedCredentialsProvider>,
) -> aws_sdk_sts::Client {
    let pacer = Arc::new(Pacer::for_service("sts"));
    let mut builder =
        aws_sdk_sts::config::Builder::from(config).interceptor(Recorder::new("sts", pacer));
    builder.set_credentials_provider(credentials);
    aws_sdk_sts::Client::from_conf(builder.build())
}

/// Where a CI job's identity token comes from.
#[derive(Debug, Clone)]
enum TokenSource {
    /// CircleCI puts it into the environment once, good for an hour.
    /// Source: CircleCI docs, "Using OpenID Connect tokens in jobs".
    Value(SecretString),
    /// GitHub Actions issues one on request, good for minutes, as often as asked.
    /// Source: GitHub docs, "OpenID Connect reference", requesting the JWT.
    Request { url: String, bearer: SecretString },
}

impl TokenSource {
    fn of(env: &Env) -> Option<Self> {
        if let Some(token) = env
            .get("CIRCLE_OIDC_TOKEN_V2")
            .or_else(|| env.get("CIRCLE_OIDC_TOKEN"))
        {
            return Some(Self::Value(token.into()));
        }
        let url = env.get("ACTIONS_ID_TOKEN_REQUEST_URL")?;
        let bearer = env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?;
        Some(Self::Request {
            url: url.to_owned(),
            bearer: bearer.into(),
        })
    }

    async fn token(&self) -> Result<SecretString, CallError> {
        match self {
            Self::Value(token) => Ok(token.clone()),
            Self::Request { url, bearer } => {
                request_token(url, bearer).await.map_err(|error| {
                    CallError::new(
                        "asking GitHub Actions for the job's identity token",
                        // The URL in reqwest's message is the runner's own; it holds no secret.
                        error.to_string(),
                        "give the job `permissions: id-token: write`, then run again",
                    )
                })
            }
        }
    }
}

async fn request_token(url: &str, bearer: &SecretString) -> Result<SecretString, reqwest::Error> {
    #[derive(serde::Deserialize)]
    struct Answer {
        value: String,
    }
    let answer: Answer = reqwest::Client::new()
        .get(url)
        .query(&[("audience", "sts.amazonaws.com")])
        .bearer_auth(bearer.expose_secret())
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    Ok(answer.value.into())
}

/// Credentials for a CI job's identity token.
#[derive(Debug)]
struct WebIdentity {
    sts: aws_sdk_sts::Client,
    role_arn: String,
    session_name: String,
    source: TokenSource,
}

impl WebIdentity {
    async fn load(&self) -> Result<Credentials, CallError> {
        let doing = || {
            format!(
                "assuming {} with the CI job's identity token",
                self.role_arn
            )
        };
        let token = self.source.token().await?;
        let answer = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(&self.role_arn)
            .role_session_name(&self.session_name)
            .web_identity_token(token.expose_secret())
            .send()
            .await
            .doing(doing)?;
        from_sts(answer.credentials, doing)
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.load().await.map_err(CredentialsError::provider_error)
        })
    }
}

/// The role that psk assumes in one account. What STS gave is kept until shortly before it expires,
/// because it is asked for by more than the SDK's clients, which have a cache of their own: tokens
/// for Kubernetes are signed with it too.
#[derive(Debug, Clone)]
pub(super) struct AssumedRole {
    sts: aws_sdk_sts::Client,
    role_arn: String,
    session_name: String,
    tags: Arc<[Tag]>,
    now: TimeSource,
    kept: Arc<Mutex<Option<Credentials>>>,
}

impl AssumedRole {
    /// Assumes `role_arn` with the `base` credentials; every session carries `tags`.
    pub(super) fn new(
        config: &SdkConfig,
        region: &str,
        base: SharedCredentialsProvider,
        role_arn: String,
        session_name: String,
        tags: Arc<[Tag]>,
        now: TimeSource,
    ) -> Self {
        let config = config
            .to_builder()
            .region(Region::new(region.to_owned()))
            .build();
        Self {
            sts: sts(&config, Some(base)),
            role_arn,
            session_name,
            tags,
            now,
            kept: Arc::default(),
        }
    }

    /// What is kept, or new credentials where it expires soon.
    async fn fresh(&self) -> Result<Credentials, CallError> {
        let mut kept = self.kept.lock().await;
        let soon = self.now.now() + EXPIRES_SOON;
        if let Some(kept) = kept.as_ref().filter(|c| c.expiry() > Some(soon)) {
            return Ok(kept.clone());
        }
        let credentials = self.load().await?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }

    async fn load(&self) -> Result<Credentials, CallError> {
        let doing = || format!("assuming {}", self.role_arn);
        let answer = self
            .sts
            .assume_role()
            .role_arn(&self.role_arn)
            .role_session_name(&self.session_name)
            .duration_seconds(i32::try_from(SESSION_LENGTH.as_secs()).unwrap_or(i32::MAX))
            .set_tags(Some(self.tags.to_vec()))
            .send()
            .await
            .doing(doing)?;
        from_sts(answer.credentials, doing)
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.fresh().await.map_err(CredentialsError::provider_error)
        })
    }
}

fn from_sts(
    credentials: Option<aws_sdk_sts::types::Credentials>,
    doing: impl FnOnce() -> String,
) -> Result<Credentials, CallError> {
    let Some(given) = credentials else {
        return Err(CallError::new(
            doing(),
            "STS answered without credentials",
            "run again",
        ));
    };
    let expires = std::time::SystemTime::try_from(given.expiration).map_err(|error| {
        CallError::new(
            "reading the session's expiry",
            error.to_string(),
            "run again",
        )
    })?;
    Ok(Credentials::new(
        given.access_key_id,
        given.secret_access_key,
        Some(given.session_token),
        Some(expires),
        "psk",
    ))
}
