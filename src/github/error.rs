//! What goes wrong with GitHub.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap};

use super::NotConfigured;

/// How long to wait where GitHub says that it was asked too often, and not for how long.
/// Source: GitHub docs, "Exceeding the rate limit".
const UNSAID: Duration = Duration::from_secs(60);

/// A request that GitHub refused, or that never reached it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: GitHub at {host} {cause}")]
pub struct GitHubError {
    /// What was being done.
    pub doing: String,
    /// The server.
    pub host: String,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// It answered with an error.
    #[error("answered {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// It was asked too often.
    #[error("wants to be asked again in {} s: {message}", .wait.as_secs())]
    Limited {
        /// For how long to wait.
        wait: Duration,
        /// Its own words.
        message: String,
    },
    /// No answer came.
    #[error("can't be reached: {0}")]
    Away(String),
    /// An answer came that isn't GitHub's.
    #[error("answered something that psk can't read: {0}")]
    Unreadable(String),
    /// psk can't even ask.
    #[error("can't be asked: {0}")]
    NotConfigured(NotConfigured),
}

impl GitHubError {
    /// Whether there is no such thing: unknown, or not to be seen by psk.
    pub fn is_not_found(&self) -> bool {
        matches!(self.cause, Cause::Refused { status: 404, .. })
    }

    /// Whether the same request may do better later.
    pub fn may_pass(&self) -> bool {
        match &self.cause {
            Cause::Refused { status, .. } => *status >= 500,
            Cause::Limited { .. } | Cause::Away(_) => true,
            Cause::Unreadable(_) | Cause::NotConfigured(_) => false,
        }
    }

    /// For how long GitHub wants to be left alone.
    pub fn wait(&self) -> Option<Duration> {
        match &self.cause {
            Cause::Limited { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// What to do next.
    pub fn next(&self) -> &'static str {
        match &self.cause {
            Cause::Refused { status: 401, .. } => {
                "set GITHUB_TOKEN to a token that GitHub knows and that has not expired"
            }
            Cause::Refused { status: 403, .. } => {
                "give the token access: contents read, commit statuses write"
            }
            Cause::Refused { status: 404, .. } => {
                "check the repository's name, and that the token may see it"
            }
            Cause::Refused { .. } | Cause::Unreadable(_) => "see what GitHub says, then run again",
            Cause::Limited { .. } => "run again when that time has passed",
            Cause::Away(_) => "check GITHUB_API_URL and GitHub's state, then run again",
            Cause::NotConfigured(error) => error.next(),
        }
    }
}

impl Cause {
    /// What an answer that isn't a success means.
    pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap, message: String) -> Self {
        match wait(status, headers, &message) {
            Some(wait) => Self::Limited { wait, message },
            None => Self::Refused {
                status: status.as_u16(),
                message,
            },
        }
    }
}

/// For how long GitHub wants to be left alone, if that is what an answer says.
fn wait(status: StatusCode, headers: &HeaderMap, message: &str) -> Option<Duration> {
    if !matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    ) {
        return None;
    }
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<i64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(Duration::from_secs(seconds.try_into().unwrap_or(0)));
    }
    if number("x-ratelimit-remaining") == Some(0)
        && let Some(reset) = number("x-ratelimit-reset")
    {
        // By GitHub's own clock: the one here may be off.
        let now = date(headers).map(Timestamp::as_second);
        let left = now.map(|now| u64::try_from(reset - now).unwrap_or(0));
        return Some(left.map_or(UNSAID, Duration::from_secs));
    }
    let secondary = message.contains("secondary rate limit");
    (secondary || status == StatusCode::TOO_MANY_REQUESTS).then_some(UNSAID)
}

/// When an answer was given, by the server's clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_zoned(text)
        .ok()?;
    Some(date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(status: u16, headers: &[(&'static str, &str)], message: &str) -> Cause {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Cause::of_answer(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            message.into(),
        )
    }

    fn waits(cause: Cause) -> Option<u64> {
        match cause {
            Cause::Limited { wait, .. } => Some(wait.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn github_is_left_alone_for_as_long_as_it_asks() {
        assert_eq!(waits(cause(403, &[("retry-after", "7")], "")), Some(7));
        let reset = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795694460"),
            ("date", "Thu, 26 Nov 2026 12:00:00 GMT"),
        ];
        assert_eq!(waits(cause(429, &reset, "")), Some(60));
        assert_eq!(
            waits(cause(403, &reset[..2], "")),
            Some(60),
            "no clock to go by"
        );
        assert_eq!(waits(cause(429, &[], "")), Some(60));
        let told = "You have exceeded a secondary rate limit.";
        assert_eq!(
            waits(cause(403, &[("x-ratelimit-remaining", "9")], told)),
            Some(60)
        );
    }

    #[test]
    fn what_is_forbidden_for_good_is_not_waited_for() {
        let told = "Resource not accessible by integration";
        let error = GitHubError {
            doing: "writing status psk/qa".into(),
            host: "https://api.github.com".into(),
            cause: cause(403, &[("x-ratelimit-remaining", "9")], told),
        };
        assert!(!error.may_pass());
        assert_eq!(
            error.to_string(),
            "writing status psk/qa: GitHub at https://api.github.com answered 403: \
             Resource not accessible by integration"
        );
        assert_eq!(waits(cause(503, &[("retry-after", "7")], "")), None);
    }
}
