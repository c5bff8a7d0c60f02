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

/// What failed: the message at the bottom of the chain of sources names the cause ("Connection refused"),
/// where the top only says that something failed, or holds the URL.
pub fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}
