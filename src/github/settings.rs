//! Where GitHub is and who psk is there, from the environment.

use octocrab::Octocrab;
use octocrab::models::AppId;
use reqwest::Client;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

use crate::env::Env;
use crate::proxy;

/// GitHub's own API.
const PUBLIC: &str = "https://api.github.com";
/// The path under which GitHub Enterprise Server has its REST API.
const ENTERPRISE: &str = "/api/v3";

/// Where GitHub is and who psk is there.
#[derive(Clone)]
pub struct Settings {
    /// The REST API's address.
    pub(super) api: String,
    pub(super) credentials: Credentials,
    http: Client,
}

/// Who psk is.
#[derive(Debug, Clone)]
pub(super) enum Credentials {
    /// Whom the token speaks for.
    Token(SecretString),
    /// An app, by its id and private key (PEM).
    App(u64, SecretString),
}

/// The environment doesn't say, or not rightly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotConfigured {
    /// Nothing says who psk is.
    #[error(
        "no token for GitHub: neither GITHUB_TOKEN nor GH_TOKEN is set, nor GITHUB_APP_ID with GITHUB_APP_PRIVATE_KEY"
    )]
    NoToken,
    /// One half of an app's credentials is missing.
    #[error("{0} is not set, and the other half of the app's credentials is")]
    HalfAnApp(&'static str),
    /// A variable has a value that it can't have. The value isn't repeated: it may be a secret.
    #[error("{variable} {problem}")]
    Invalid {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl NotConfigured {
    /// What to do about it.
    pub fn next(&self) -> &'static str {
        match self {
            Self::NoToken => {
                "set GITHUB_TOKEN to a token that may read the repository and write commit statuses, \
                 or rehearse with --lab"
            }
            Self::HalfAnApp(_) => "set both, or neither",
            Self::Invalid { .. } => "set it right",
        }
    }
}

impl Settings {
    /// What the environment says. An app's id and key come before a token.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn from_env(env: &Env) -> Result<Self, NotConfigured> {
        let api = env.get("GITHUB_API_URL").unwrap_or(PUBLIC);
        let invalid = |variable, problem: &str| NotConfigured::Invalid {
            variable,
            problem: problem.to_owned(),
        };
        let url: url::Url = api
            .parse()
            .map_err(|error| invalid("GITHUB_API_URL", &format!("is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(invalid(
                "GITHUB_API_URL",
                "doesn't begin with http:// or https://",
            ));
        }
        let credentials = match (env.get("GITHUB_APP_ID"), env.get("GITHUB_APP_PRIVATE_KEY")) {
            (Some(id), Some(key)) => {
                let id = id
                    .parse()
                    .map_err(|_| invalid("GITHUB_APP_ID", "is not a number"))?;
                // A variable of one line has its line breaks written out.
                Credentials::App(id, key.replace("\\n", "\n").into())
            }
            (Some(_), None) => return Err(NotConfigured::HalfAnApp("GITHUB_APP_PRIVATE_KEY")),
            (None, Some(_)) => return Err(NotConfigured::HalfAnApp("GITHUB_APP_ID")),
            (None, None) => {
                let token = env.get("GITHUB_TOKEN").or_else(|| env.get("GH_TOKEN"));
                Credentials::Token(token.ok_or(NotConfigured::NoToken)?.to_owned().into())
            }
        };
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(30))
            // octocrab follows redirects by itself: it knows what may be sent where.
            .redirect(Policy::none());
        let http = proxy::through(http, env).map_err(|bad| {
            let problem = "is no proxy's address";
            invalid(bad.variable, problem)
        })?;
        let http = http
            .build()
            .map_err(|error| invalid("GITHUB_API_URL", &format!("can't be reached: {error}")))?;
        Ok(Self {
            api: api.trim_end_matches('/').to_owned(),
            credentials,
            http,
        })
    }

    /// The server's name, for messages.
    pub(super) fn host(&self) -> String {
        let url = self.api.parse::<url::Url>();
        url.map_or_else(
            |_| self.api.clone(),
            |url| url.origin().ascii_serialization(),
        )
    }

    /// The GraphQL API's address. GitHub Enterprise Server has it beside the REST API.
    pub(super) fn graphql(&self) -> String {
        match self.api.strip_suffix(ENTERPRISE) {
            Some(server) => format!("{server}/api"),
            None => self.api.clone(),
        }
    }

    /// A client of that address, by these credentials.
    ///
    /// # Errors
    /// If the app's key can't be used.
    pub(super) fn client(&self, address: &str) -> Result<Octocrab, NotConfigured> {
        let invalid = |variable, error: &dyn std::fmt::Display| NotConfigured::Invalid {
            variable,
            problem: format!("can't be used: {error}"),
        };
        let builder = Octocrab::builder()
            .base_uri(address)
            .map_err(|error| invalid("GITHUB_API_URL", &error))?
            // psk retries by itself: it knows what may wait.
            .add_retry_config(octocrab::service::middleware::retry::RetryConfig::None);
        let builder = match &self.credentials {
            Credentials::Token(token) => builder.personal_token(token.clone()),
            Credentials::App(id, key) => builder
                .app_from_rsa_pem(AppId(*id), key.expose_secret())
                .map_err(|_| invalid("GITHUB_APP_PRIVATE_KEY", &"it is no RSA key in PEM"))?,
        };
        builder
            .build_with_reqwest(self.http.clone())
            .map_err(|error| invalid("GITHUB_API_URL", &error))
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("api", &self.api)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let env: Env = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Settings::from_env(&env).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_is_taken_from_either_variable_and_an_app_comes_first() {
        let is_token = |found: Settings, text: &str| matches!(found.credentials, Credentials::Token(token) if token.expose_secret() == text);
        assert!(is_token(settings(&[("GH_TOKEN", "b")]).unwrap(), "b"));
        assert!(is_token(
            settings(&[("GH_TOKEN", "b"), ("GITHUB_TOKEN", "a")]).unwrap(),
            "a"
        ));
        let app = [
            ("GITHUB_APP_ID", "7"),
            ("GITHUB_APP_PRIVATE_KEY", "a\\nb"),
            ("GITHUB_TOKEN", "a"),
        ];
        let Credentials::App(7, key) = settings(&app).unwrap().credentials else {
            panic!("no app")
        };
        assert_eq!(key.expose_secret(), "a\nb");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_no_secret_is() {
        assert!(
            settings(&[])
                .unwrap_err()
                .starts_with("no token for GitHub: ")
        );
        assert_eq!(
            settings(&[("GITHUB_APP_ID", "7")]).unwrap_err(),
            "GITHUB_APP_PRIVATE_KEY is not set, and the other half of the app's credentials is"
        );
        assert_eq!(
            settings(&[("GITHUB_APP_ID", "x"), ("GITHUB_APP_PRIVATE_KEY", "canary")]).unwrap_err(),
            "GITHUB_APP_ID is not a number"
        );
        assert_eq!(
            settings(&[("GITHUB_API_URL", "ftp://x"), ("GITHUB_TOKEN", "canary")]).unwrap_err(),
            "GITHUB_API_URL doesn't begin with http:// or https://"
        );
        let app = [("GITHUB_APP_ID", "7"), ("GITHUB_APP_PRIVATE_KEY", "canary")];
        let app = settings(&app).unwrap();
        assert!(!format!("{app:?}").contains("canary"));
    }

    #[tokio::test]
    async fn a_key_that_is_none_is_told_without_it() {
        let app = [("GITHUB_APP_ID", "7"), ("GITHUB_APP_PRIVATE_KEY", "canary")];
        let told = settings(&app)
            .unwrap()
            .client(PUBLIC)
            .unwrap_err()
            .to_string();
        assert_eq!(
            told,
            "GITHUB_APP_PRIVATE_KEY can't be used: it is no RSA key in PEM"
        );
    }

    #[test]
    fn an_enterprise_server_has_graphql_beside_rest() {
        let graphql = |api| {
            settings(&[("GITHUB_API_URL", api), ("GH_TOKEN", "t")])
                .unwrap()
                .graphql()
        };
        assert_eq!(graphql("https://api.github.com/"), "https://api.github.com");
        assert_eq!(
            graphql("https://git.acme.example/api/v3"),
            "https://git.acme.example/api"
        );
    }
}
