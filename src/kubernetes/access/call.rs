//! One call to a cluster's API server: sent as often as it takes, and counted.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request};
use kube::client::Body;
use rand::RngExt;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Access;
use crate::calls;
use crate::kubernetes::Error;
use crate::kubernetes::token::Token;
use crate::web::innermost;

/// For how long a call that gets no answer, or one that may pass, is repeated. An API server that is
/// scaled or replaced is away for less.
const PATIENCE: Duration = Duration::from_secs(45);

/// The longest pause between two attempts of a call, unless the API server asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// An answer takes no longer than this; the API server itself gives up after a minute.
const ANSWER: Duration = Duration::from_secs(65);

/// One call.
pub(in crate::kubernetes) struct Call {
    pub(in crate::kubernetes) method: Method,
    /// What is done, as audit logs have it: `list`, `patch`, …
    pub(in crate::kubernetes) verb: &'static str,
    /// To what (`pods`).
    pub(in crate::kubernetes) resource: String,
    /// Path and query.
    pub(in crate::kubernetes) target: String,
    pub(in crate::kubernetes) content_type: Option<&'static str>,
    pub(in crate::kubernetes) body: Vec<u8>,
    /// What is being done, for messages.
    pub(in crate::kubernetes) doing: String,
}

impl Access {
    pub(super) async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let doing = call.doing.clone();
        let body = self.send(call).await?;
        serde_json::from_slice(&body).map_err(|error| unreadable(&doing, &error))
    }

    /// Sends a call as often as it takes, within bounds, and counts it.
    pub(super) async fn send(&self, call: Call) -> Result<Vec<u8>, Error> {
        // The semaphore is never closed, so there always comes a place.
        let _place = self.0.places.acquire().await;
        let began = calls::begin();
        let deadline = Instant::now() + PATIENCE;
        let (mut attempts, mut throttles, mut renewed) = (0, 0, false);
        let outcome = loop {
            attempts += 1;
            let token = match self.token().await {
                Ok(token) => token,
                Err(error) => break Err(error),
            };
            let (error, asked) = match self.attempt(&call, &token).await {
                Attempt::Answered(body) => break Ok(body),
                Attempt::Refused(error, _) if error.is_unauthorized() && !renewed => {
                    // Clocks differ, and STS forgets sessions that were revoked: one new token may
                    // help, a second can't.
                    renewed = true;
                    self.0.tokens.refused(&token).await;
                    continue;
                }
                Attempt::Refused(error, _) if !error.may_pass() => break Err(error),
                Attempt::Refused(error, asked) => (error, asked),
                Attempt::Unreached(error) => (error, None),
            };
            throttles += u64::from(error.code == Some(429));
            let pause = pause(attempts, asked);
            if Instant::now() + pause > deadline {
                break Err(error);
            }
            tokio::time::sleep(pause).await;
        };
        let operation = format!("kubernetes:{} {}", call.verb, call.resource);
        calls::record(&operation, began, attempts, throttles);
        outcome
    }

    async fn attempt(&self, call: &Call, token: &Token) -> Attempt {
        let request = match request(&self.0.base, call, token) {
            Ok(request) => request.map(Body::from),
            Err(error) => {
                let error = Error::new(call.doing.clone(), error, "report this as a bug");
                return Attempt::Refused(error, None);
            }
        };
        let exchange = async {
            let answer = self.0.client.send(request).await?;
            let (parts, body) = answer.into_parts();
            Ok::<_, kube::Error>((parts, body.collect_bytes().await?))
        };
        let doing = || call.doing.clone();
        match tokio::time::timeout(ANSWER, exchange).await {
            Err(_) => {
                let cause = format!("no answer came within {} s", ANSWER.as_secs());
                Attempt::Unreached(Error::unreached(doing(), cause))
            }
            Ok(Err(error)) => Attempt::Unreached(Error::unreached(doing(), innermost(&error))),
            Ok(Ok((parts, body))) if parts.status.is_success() => Attempt::Answered(body.to_vec()),
            Ok(Ok((parts, body))) => {
                let error = Error::answered(doing(), parts.status.as_u16(), &body);
                Attempt::Refused(error, retry_after(&parts.headers))
            }
        }
    }

    /// The client and a request that it sends by itself, for a watch.
    pub(in crate::kubernetes) async fn streamed(
        &self,
        call: &Call,
    ) -> Result<(kube::Client, Request<Vec<u8>>, Token), Error> {
        let token = self.token().await?;
        let request = request(&self.0.base, call, &token)
            .map_err(|error| Error::new(call.doing.clone(), error, "report this as a bug"))?;
        Ok((self.0.client.clone(), request, token))
    }

    /// Forgets a token that the API server refused.
    pub(in crate::kubernetes) async fn refused(&self, token: &Token) {
        self.0.tokens.refused(token).await;
    }
}

/// How one attempt of a call ended.
enum Attempt {
    Answered(Vec<u8>),
    /// The API server said no, and perhaps when to ask again.
    Refused(Error, Option<Duration>),
    /// There was no answer.
    Unreached(Error),
}

/// How long to wait before the next attempt: as long as the API server asks, else ever longer, with
/// jitter.
fn pause(attempts: u32, asked: Option<Duration>) -> Duration {
    let own = Duration::from_millis(100)
        .saturating_mul(2_u32.saturating_pow(attempts))
        .min(LONGEST_PAUSE);
    asked.unwrap_or_else(|| own.mul_f64(rand::rng().random_range(0.75..=1.0)))
}

/// The API server gives `Retry-After` in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn request(base: &str, call: &Call, token: &Token) -> Result<Request<Vec<u8>>, String> {
    let mut request = Request::builder()
        .method(&call.method)
        .uri(format!("{base}{}", call.target))
        .header(ACCEPT, "application/json")
        .body(call.body.clone())
        .map_err(|error| error.to_string())?;
    let bearer = format!("Bearer {}", token.secret.expose_secret());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|_| "the token is no header")?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    if let Some(content_type) = call.content_type {
        let value = HeaderValue::from_static(content_type);
        request.headers_mut().insert(CONTENT_TYPE, value);
    }
    Ok(request)
}

fn unreadable(doing: &str, error: &serde_json::Error) -> Error {
    Error::new(
        doing,
        format!("the answer can't be read: {error}"),
        "check that the endpoint is a Kubernetes API server; if it is, report this as a bug",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_what_the_server_asks_for_is_obeyed() {
        let asked = Some(Duration::from_secs(7));
        assert_eq!(pause(1, asked), Duration::from_secs(7));
        for attempts in 1..12 {
            let longest = Duration::from_millis(100 << attempts).min(LONGEST_PAUSE);
            let pause = pause(attempts, None);
            assert!(
                pause <= longest && pause >= longest.mul_f64(0.7),
                "{attempts}: {pause:?}"
            );
        }
    }
}
