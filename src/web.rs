//! What psk's clients of web APIs have in common.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest that a server's wish to be left alone is taken for.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a server asks to be left alone, if it says so in seconds.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// What failed. reqwest's own message holds the URL; the cause stands at the bottom.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
