//! How much a caller may ask and write.
//!
//! Source: GitHub docs, "Rate limits for the REST API": 5000 requests an hour; 80 requests that make
//! content in a minute, 500 in an hour.

use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::error;
use super::state::{GitHub, Usage};
use crate::call::ServiceError;

/// Requests in an hour.
const PRIMARY: u32 = 5000;
/// Requests that make content in a minute.
pub const PER_MINUTE: usize = 80;
/// Requests that make content in an hour.
pub const PER_HOUR: usize = 500;

/// What a caller has used of its hour.
pub(super) struct Spent {
    used: u32,
    resets: Timestamp,
}

/// Counts a request.
///
/// # Errors
/// If the caller has none left.
pub(super) fn spend(
    github: &mut GitHub,
    login: &str,
    reads: bool,
    now: Timestamp,
) -> Result<Spent, ServiceError> {
    let usage = github.usage.entry(login.to_owned()).or_default();
    let hour = SignedDuration::from_hours(1);
    let begun = usage.hour.filter(|begun| now.duration_since(*begun) < hour);
    if begun.is_none() {
        usage.hour = Some(now);
        usage.requests = 0;
    }
    let resets = usage
        .hour
        .unwrap_or(now)
        .saturating_add(hour)
        .unwrap_or(now);
    if usage.requests >= PRIMARY {
        let mut error = error::primary(login);
        tell(
            &mut error.headers,
            &Spent {
                used: PRIMARY,
                resets,
            },
            now,
        );
        return Err(error);
    }
    usage.requests += 1;
    let spent = Spent {
        used: usage.requests,
        resets,
    };
    if !reads && let Err(mut error) = write(usage, now) {
        tell(&mut error.headers, &spent, now);
        return Err(error);
    }
    Ok(spent)
}

/// Counts a request that makes content.
fn write(usage: &mut Usage, now: Timestamp) -> Result<(), ServiceError> {
    let within = |span: SignedDuration| {
        let mut recent = usage
            .writes
            .iter()
            .filter(|at| now.duration_since(**at) < span);
        let oldest = recent.next().copied();
        (oldest, recent.count() + usize::from(oldest.is_some()))
    };
    let limits = [
        (
            SignedDuration::from_mins(1),
            PER_MINUTE,
            StatusCode::FORBIDDEN,
        ),
        (
            SignedDuration::from_hours(1),
            PER_HOUR,
            StatusCode::TOO_MANY_REQUESTS,
        ),
    ];
    for (span, limit, status) in limits {
        if let (Some(oldest), count) = within(span)
            && count >= limit
        {
            let left = span - now.duration_since(oldest);
            return Err(secondary(status, left));
        }
    }
    usage.writes.push_back(now);
    let hour = SignedDuration::from_hours(1);
    while usage
        .writes
        .front()
        .is_some_and(|at| now.duration_since(*at) >= hour)
    {
        usage.writes.pop_front();
    }
    Ok(())
}

/// The refusal of one who wrote too much, to be asked again after that long.
pub fn secondary(status: StatusCode, wait: SignedDuration) -> ServiceError {
    let mut error = error::secondary(status);
    let seconds = wait.as_secs().max(0) + i64::from(wait.subsec_nanos() > 0);
    error
        .headers
        .insert("retry-after", HeaderValue::from(seconds.max(1)));
    error
}

/// Tells a caller what it has left, and what time it is.
pub(super) fn tell(headers: &mut HeaderMap, spent: &Spent, now: Timestamp) {
    let told = [
        ("x-ratelimit-limit", i64::from(PRIMARY)),
        (
            "x-ratelimit-remaining",
            i64::from(PRIMARY.saturating_sub(spent.used)),
        ),
        ("x-ratelimit-used", i64::from(spent.used)),
        ("x-ratelimit-reset", spent.resets.as_second()),
    ];
    for (name, value) in told {
        headers.insert(name, HeaderValue::from(value));
    }
    headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        headers.insert(http::header::DATE, date);
    }
}
