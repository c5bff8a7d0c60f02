//! A client for the part of Connect's API that psk uses.

use std::time::Duration;

use rand::RngExt;
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::model::{Item, ItemSummary, Vault};
use crate::env::Env;

/// How often a request is sent at most, and how long the first pause between two is.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A Connect server and the token that psk shows it.
#[derive(Debug, Clone)]
pub struct Connect {
    http: Client,
    host: Url,
    token: SecretString,
}

/// A request that Connect refused, or that never reached it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The environment doesn't name a server and a token.
    #[error(
        "{variable} is not set; 1Password Connect is reached by OP_CONNECT_HOST and OP_CONNECT_TOKEN"
    )]
    NotConfigured {
        /// The variable that is missing.
        variable: &'static str,
    },
    /// The host isn't a URL.
    #[error("OP_CONNECT_HOST is {host:?}, which is no URL: {cause}")]
    BadHost {
        /// What it is.
        host: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The server answered with an error.
    #[error("{doing}: 1Password Connect at {host} answered {status}: {message}")]
    Refused {
        /// What was being done.
        doing: String,
        /// The server.
        host: String,
        /// HTTP status.
        status: u16,
        /// The message in its error body.
        message: String,
    },
    /// No answer came.
    #[error("{doing}: 1Password Connect at {host} can't be reached: {cause}")]
    Unreachable {
        /// What was being done.
        doing: String,
        /// The server.
        host: String,
        /// What the network said.
        cause: String,
    },
    /// An answer came that isn't Connect's.
    #[error("{doing}: 1Password Connect at {host} answered something that psk can't read: {cause}")]
    Unreadable {
        /// What was being done.
        doing: String,
        /// The server.
        host: String,
        /// What is wrong with it. Names positions, never values.
        cause: String,
    },
}

impl ConnectError {
    /// Whether Connect says that what was asked for doesn't exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// What to do next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::NotConfigured { .. } => "set both variables, or rehearse with --lab",
            Self::BadHost { .. } => {
                "set OP_CONNECT_HOST to the server's URL (http://localhost:8080)"
            }
            Self::Refused { status: 401, .. } => {
                "set OP_CONNECT_TOKEN to a token of this Connect server"
            }
            Self::Refused { status: 403, .. } => "give the token access to the vault",
            Self::Refused { .. } | Self::Unreadable { .. } => {
                "see the Connect server's log, then run again"
            }
            Self::Unreachable { .. } => {
                "check OP_CONNECT_HOST and that the server runs, then run again"
            }
        }
    }
}

impl Connect {
    /// The server that the environment names.
    ///
    /// # Errors
    /// A variable that is missing, or a host that is no URL.
    pub fn from_env(env: &Env) -> Result<Self, ConnectError> {
        let need = |variable| {
            env.get(variable)
                .ok_or(ConnectError::NotConfigured { variable })
        };
        let (host, token) = (need("OP_CONNECT_HOST")?, need("OP_CONNECT_TOKEN")?);
        let bad_host = |cause: String| ConnectError::BadHost {
            host: host.to_owned(),
            cause,
        };
        let url: Url = host.parse().map_err(|error| bad_host(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad_host("it doesn't begin with http:// or https://".into()));
        }
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| bad_host(innermost(&error)))?;
        Ok(Self {
            http,
            host: url,
            token: token.into(),
        })
    }

    /// The vaults of that name: none, one, or several, as names needn't be unique.
    ///
    /// # Errors
    /// Connect's own.
    pub async fn vaults_named(&self, name: &str) -> Result<Vec<Vault>, ConnectError> {
        let doing = || format!("looking for vault {name:?}");
        self.get(&["v1", "vaults"], Some(("name", name)), &doing)
            .await
    }

    /// The vault of that id.
    ///
    /// # Errors
    /// Connect's own.
    pub async fn vault(&self, id: &str) -> Result<Vault, ConnectError> {
        self.get(&["v1", "vaults", id], None, &|| {
            format!("reading vault {id}")
        })
        .await
    }

    /// The items of that title in a vault.
    ///
    /// # Errors
    /// Connect's own.
    pub async fn items_titled(
        &self,
        vault: &str,
        title: &str,
    ) -> Result<Vec<ItemSummary>, ConnectError> {
        let doing = || format!("looking for item {title:?}");
        self.get(
            &["v1", "vaults", vault, "items"],
            Some(("title", title)),
            &doing,
        )
        .await
    }

    /// The item of that id, with its fields.
    ///
    /// # Errors
    /// Connect's own.
    pub async fn item(&self, vault: &str, id: &str) -> Result<Item, ConnectError> {
        self.get(&["v1", "vaults", vault, "items", id], None, &|| {
            format!("reading item {id}")
        })
        .await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        equals: Option<(&str, &str)>,
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<T, ConnectError> {
        let mut url = self.host.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if let Some((attribute, value)) = equals {
            url.query_pairs_mut()
                .append_pair("filter", &scim_equals(attribute, value));
        }
        let response = self.send(url, doing).await?;
        let unreadable = |cause| ConnectError::Unreadable {
            doing: doing(),
            host: self.host(),
            cause,
        };
        let body = response
            .bytes()
            .await
            .map_err(|error| unreadable(innermost(&error)))?;
        // serde_json's message may quote a value; its place in the text can't.
        serde_json::from_slice(&body).map_err(|error| {
            unreadable(format!(
                "no valid answer at line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    }

    /// Sends a request, again after a pause where Connect is busy, failing or away.
    async fn send(
        &self,
        url: Url,
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<Response, ConnectError> {
        let mut attempt = 1;
        loop {
            let sent = self
                .http
                .get(url.clone())
                .bearer_auth(self.token.expose_secret())
                .send()
                .await;
            let (error, wait) = match sent {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status();
                    let wait = (status == StatusCode::TOO_MANY_REQUESTS
                        || status.is_server_error())
                    .then(|| retry_after(&response).unwrap_or_default());
                    (self.refused(response, doing()).await, wait)
                }
                Err(error) => {
                    let cause = innermost(&error);
                    let error = ConnectError::Unreachable {
                        doing: doing(),
                        host: self.host(),
                        cause,
                    };
                    (error, Some(Duration::ZERO))
                }
            };
            match wait {
                Some(asked) if attempt < ATTEMPTS => {
                    tokio::time::sleep(asked.max(pause(attempt))).await;
                    attempt += 1;
                }
                _ => return Err(error),
            }
        }
    }

    async fn refused(&self, response: Response, doing: String) -> ConnectError {
        #[derive(Deserialize)]
        struct ErrorResponse {
            message: String,
        }
        let status = response.status();
        let message = match response.json::<ErrorResponse>().await {
            Ok(body) => body.message,
            Err(_) => status
                .canonical_reason()
                .unwrap_or("no reason given")
                .to_owned(),
        };
        ConnectError::Refused {
            doing,
            host: self.host(),
            status: status.as_u16(),
            message,
        }
    }

    /// The server for messages, without anything that the URL may carry besides.
    fn host(&self) -> String {
        self.host.origin().ascii_serialization()
    }
}

/// An equality filter in SCIM's form, in which a quote or backslash in the value is escaped as in
/// JSON. Source: RFC 7644, section 3.4.2.2.
fn scim_equals(attribute: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{attribute} eq \"{value}\"")
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(reqwest::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(Duration::from_secs(60)))
}

/// Twice as long after each attempt, spread over half of it so that many don't come back at once.
fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE * 2u32.pow(attempt - 1);
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// reqwest's own message holds the URL; what failed stands at the bottom.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn names_with_quotes_and_backslashes_are_escaped_in_filters() {
        assert_eq!(
            scim_equals("title", r#"a "b" \c"#),
            r#"title eq "a \"b\" \\c""#
        );
    }

    #[test]
    fn what_is_missing_or_wrong_in_the_environment_is_named() {
        let error = Connect::from_env(&env(&[("OP_CONNECT_HOST", "http://x")])).unwrap_err();
        assert_eq!(
            error,
            ConnectError::NotConfigured {
                variable: "OP_CONNECT_TOKEN"
            }
        );
        for host in ["localhost", "ftp://x"] {
            let error = Connect::from_env(&env(&[
                ("OP_CONNECT_HOST", host),
                ("OP_CONNECT_TOKEN", "t"),
            ]));
            assert!(matches!(error, Err(ConnectError::BadHost { .. })), "{host}");
        }
    }

    #[test]
    fn the_token_is_in_no_debug_output() {
        let connect = Connect::from_env(&env(&[
            ("OP_CONNECT_HOST", "http://x"),
            ("OP_CONNECT_TOKEN", "canary"),
        ]));
        assert!(!format!("{connect:?}").contains("canary"));
    }
}
