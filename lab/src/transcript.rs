//! Every request that the lab was sent and what it answered, word for word, as a file of JSON objects, one a
//! line: for those who want to see what a client says, and for checks against the services' own descriptions.
//!
//! It holds all that was sent, credentials included; in a lab these are made up.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use http::request::Parts;
use http::{HeaderMap, Response};
use serde::Serialize;
use thiserror::Error;

use crate::front::service::Service;

/// The file can't be made.
#[derive(Debug, Error)]
#[error("the lab can't write its transcript to {path}: {source}")]
pub struct TranscriptError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Transcript(Mutex<File>);

/// A request as it was sent.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sent {
    method: String,
    /// Path and query, as encoded.
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    pub(crate) fn new(parts: &Parts, body: &[u8]) -> Self {
        Self {
            method: parts.method.to_string(),
            target: parts
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            headers: pairs(&parts.headers),
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }
}

/// A response as it was sent.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    /// None where it is sent bit by bit, as a watch is.
    body: Option<String>,
}

impl Answered {
    pub(crate) fn new<B>(response: &Response<B>, body: Option<&[u8]>) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: pairs(response.headers()),
            body: body.map(|body| String::from_utf8_lossy(body).into_owned()),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    /// The service's name in credential scopes, `connect`, …; null if no service claims the request.
    service: Option<&'static str>,
    /// Empty if the request names none that the lab knows.
    operation: &'a str,
    request: &'a Sent,
    /// Null if the connection was closed without one.
    response: Option<&'a Answered>,
}

impl Transcript {
    /// Begins a transcript, in the place of one that was there.
    pub(crate) fn create(path: &Path) -> Result<Self, TranscriptError> {
        let file = File::create(path).map_err(|source| TranscriptError {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self(Mutex::new(file)))
    }

    /// Adds a request and its answer.
    pub(crate) fn add(
        &self,
        service: Option<Service>,
        operation: &str,
        request: &Sent,
        response: Option<&Answered>,
    ) {
        let line = Line {
            service: service.map(Service::name),
            operation,
            request,
            response,
        };
        let written = serde_json::to_string(&line).map(|line| line + "\n");
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line: a reader never sees half of one for long.
        let written = written
            .map_err(std::io::Error::from)
            .and_then(|line| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            tracing::warn!(%error, "the lab could not write its transcript");
        }
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use http::{Request, StatusCode};

    use super::*;

    #[test]
    fn a_line_tells_what_was_asked_and_answered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("transcript");
        let transcript = Transcript::create(&path).unwrap();
        let request = Request::post("/clusters?x=a%20b").header("a", "1");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::NOT_FOUND;
        let sent = Sent::new(&parts, b"{}");
        let answered = Answered::new(&response, Some(b"no"));
        transcript.add(Some(Service::Eks), "CreateCluster", &sent, Some(&answered));
        transcript.add(None, "", &sent, None);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"service":"eks","operation":"CreateCluster","request":{"method":"POST","target":"/clusters?x=a%20b","headers":[["a","1"]],"body":"{}"},"response":{"status":404,"headers":[],"body":"no"}}"#
        );
        assert!(lines[1].ends_with(r#""response":null}"#), "{}", lines[1]);
    }

    #[test]
    fn a_file_that_can_not_be_made_is_named() {
        let error = Transcript::create(Path::new("/no/such/directory/t")).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("/no/such/directory/t"), "{told}");
    }
}
