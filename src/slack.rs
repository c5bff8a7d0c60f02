//! Slack: a client for the two methods of its Web API that psk calls.

use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::env::Env;
use crate::proxy::{self, BadProxy};
use crate::web::{innermost, retry_after};

/// Where Slack's Web API is, unless `SLACK_API_URL` says otherwise.
const API: &str = "https://slack.com/api";

/// How often a call is made at most, and the first pause between two.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A Slack workspace, as a bot sees it.
#[derive(Debug, Clone)]
pub struct Slack {
    http: Client,
    api: Url,
    token: SecretString,
}

/// A message that has been posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Id of its channel.
    channel: String,
    /// Its timestamp, which names it there.
    ts: String,
}

/// A call that Slack refused, or that never reached it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlackError {
    /// `SLACK_API_URL` isn't a URL.
    #[error("SLACK_API_URL is no URL: {0}")]
    BadUrl(String),
    /// It can't be asked through what the environment names as a proxy.
    #[error(transparent)]
    Proxy(#[from] BadProxy),
    /// Slack refused; its own word for why.
    #[error("{method}: Slack answered {error}")]
    Refused {
        /// The method.
        method: &'static str,
        /// Slack's error (`channel_not_found`), or the HTTP status.
        error: String,
    },
    /// No answer came that can be read.
    #[error("{method}: Slack can't be reached: {cause}")]
    Unreachable {
        /// The method.
        method: &'static str,
        /// What the network said.
        cause: String,
    },
}

impl SlackError {
    /// What to do next.
    pub fn next(&self) -> &'static str {
        let Self::Refused { error, .. } = self else {
            return "check that Slack can be reached from here";
        };
        match error.as_str() {
            "channel_not_found" | "not_in_channel" | "is_archived" => {
                "invite the bot into the channel that notify.slack_channel of psk.yaml names"
            }
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired"
            | "account_inactive" | "missing_scope" => {
                "put a bot token with the scope chat:write where notify.slack_token of psk.yaml points"
            }
            _ => "see what Slack's reference says of that error",
        }
    }
}

/// How one attempt went.
enum Attempt {
    Answered(Value),
    Failed(SlackError),
    /// Another may help, after this long at least.
    Again(SlackError, Duration),
}

impl Slack {
    /// The workspace of that bot token, where the environment says that Slack is.
    ///
    /// # Errors
    /// `SLACK_API_URL` isn't a URL.
    pub fn new(env: &Env, token: SecretString) -> Result<Self, SlackError> {
        let bad = |error: &dyn std::fmt::Display| SlackError::BadUrl(error.to_string());
        let api = env.get("SLACK_API_URL").unwrap_or(API);
        let api: Url = api.parse().map_err(|error: url::ParseError| bad(&error))?;
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(15));
        let http = proxy::through(client, env)?
            .build()
            .map_err(|error| bad(&error))?;
        Ok(Self { http, api, token })
    }

    /// Posts a message. Links in it aren't shown as previews.
    ///
    /// # Errors
    /// Slack's own.
    pub async fn post(&self, channel: &str, text: &str) -> Result<Posted, SlackError> {
        #[derive(Deserialize)]
        struct Answer {
            channel: String,
            ts: String,
        }
        let method = "chat.postMessage";
        let body = json!({
            "channel": channel, "text": text, "unfurl_links": false, "unfurl_media": false,
        });
        let answer = self.call(method, &body).await?;
        let Answer { channel, ts } =
            serde_json::from_value(answer).map_err(|_| SlackError::Unreachable {
                method,
                cause: "the answer names no message".to_owned(),
            })?;
        Ok(Posted { channel, ts })
    }

    /// Changes a message.
    ///
    /// # Errors
    /// Slack's own.
    pub async fn update(&self, posted: &Posted, text: &str) -> Result<(), SlackError> {
        let Posted { channel, ts } = posted;
        let body = json!({ "channel": channel, "ts": ts, "text": text });
        self.call("chat.update", &body).await.map(drop)
    }

    /// Calls a method, again after a pause where Slack asks for one, fails or is away. A message may
    /// be posted twice so, where only the answer was lost: Slack knows no token to prevent it.
    async fn call(&self, method: &'static str, body: &Value) -> Result<Value, SlackError> {
        let mut attempt = 1;
        loop {
            let (error, asked) = match self.attempt(method, body).await {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again(error, asked) => (error, asked),
            };
            let wait = asked.max(FIRST_PAUSE * 2u32.pow(attempt - 1));
            if attempt == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, method: &'static str, body: &Value) -> Attempt {
        let mut url = self.api.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(method);
        }
        let unreachable = |cause: reqwest::Error| SlackError::Unreachable {
            method,
            cause: innermost(&cause),
        };
        let sent = self
            .http
            .post(url)
            .bearer_auth(self.token.expose_secret())
            .header("content-type", "application/json; charset=utf-8")
            .body(body.to_string())
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return Attempt::Again(unreachable(error), Duration::ZERO),
        };
        let status = response.status();
        let asked = retry_after(response.headers()).unwrap_or_default();
        let answer: Option<Value> = response.json().await.ok();
        let refused = |error: String| SlackError::Refused { method, error };
        let said = answer
            .as_ref()
            .and_then(|answer| answer.get("error")?.as_str());
        let error = said.map_or_else(|| status.as_u16().to_string(), str::to_owned);
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Attempt::Again(refused(error), asked);
        }
        match answer {
            Some(answer) if answer.get("ok") == Some(&Value::Bool(true)) => {
                Attempt::Answered(answer)
            }
            _ => Attempt::Failed(refused(error)),
        }
    }
}

/// Text as Slack shows it unchanged. Source: Slack's reference, "Formatting text for app surfaces".
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_messages_is_escaped() {
        assert_eq!(escaped("<a&b>"), "&lt;a&amp;b&gt;");
    }

    #[test]
    fn the_token_is_in_no_debug_output() {
        let slack = Slack::new(&Env::default(), "canary".into());
        assert!(!format!("{slack:?}").contains("canary"));
    }
}
