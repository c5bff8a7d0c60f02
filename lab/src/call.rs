//! One request as a simulated service sees it, after the front door has checked its signature, and
//! what the service answers.
//!
//! A service is a function from `(&mut World, &Call)` to [`Answer`]: no I/O, no waiting, no clock
//! of its own. Latency, faults, authentication and the wire format of errors are the front door's.

use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::eks::Issue;

/// A request that was let in.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The operation's name as the service's API reference writes it (`DescribeCluster`), or empty
    /// if the request names none that the lab knows.
    pub operation: String,
    /// The account whose credentials signed the request. For an unsigned STS request it is the
    /// account of the role that the request names; for Connect and GitHub it is empty.
    pub account: String,
    /// The region in the credential scope.
    pub region: String,
    /// ARN of the caller (`arn:aws:sts::111122223333:assumed-role/Name/session`), empty if the
    /// request isn't signed. For Connect, the name of the access token; for GitHub, what
    /// [`crate::github::authenticate`] found.
    pub principal: String,
    /// Id of the access key that signed the request, if it is signed.
    pub access_key: Option<String>,
    /// The cluster whose Kubernetes API the request was sent to; empty for other services.
    pub about: String,
    /// HTTP method.
    pub method: Method,
    /// Path without query, still percent-encoded (a segment may hold `%2F`).
    pub path: String,
    /// Decoded query parameters in the order sent.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Id of this request, which the XML protocols repeat in the body.
    pub request_id: String,
    /// The world's time, which may run faster than real time.
    pub now: Timestamp,
    /// The version of what a call changes, as it was when the call arrived, where the service writes
    /// against a version.
    pub basis: Option<u64>,
    /// What becomes of what the call begins, if the lab was told that it fails.
    pub fate: Option<Issue>,
    /// Real time. Credentials are signed with and expire by the client's clock, so only STS and the
    /// front door look at it.
    pub received: Timestamp,
}

impl Call {
    /// The path's segments, each percent-decoded.
    pub fn segments(&self) -> Vec<String> {
        self.path
            .trim_matches('/')
            .split('/')
            .map(|s| {
                percent_encoding::percent_decode_str(s)
                    .decode_utf8_lossy()
                    .into_owned()
            })
            .collect()
    }

    /// Whether it may change what is kept. Sessions aren't: a client gets new ones.
    pub fn writes(&self) -> bool {
        const READS: [&str; 8] = [
            "Describe",
            "Get",
            "List",
            "AssumeRole",
            // Kubernetes' verbs.
            "get ",
            "list ",
            "watch ",
            "log ",
        ];
        let operation = &self.operation;
        let is_tried = self.query("dryRun").is_some();
        !operation.is_empty()
            && !is_tried
            && !crate::github::reads(operation)
            && !READS.iter().any(|prefix| operation.starts_with(prefix))
    }

    /// Method, path, query and body as one text.
    pub fn as_sent(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(&self.query).finish();
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {}?{query}\n{body}", self.method, self.path)
    }

    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first query parameter of that name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.as_str())
    }
}

/// What a service answers.
pub type Answer = Result<Reply, ServiceError>;

/// A successful answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status, usually 200.
    pub status: StatusCode,
    /// Content type of the body.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// No body, the answer of REST operations that return nothing.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: HeaderMap::new(),
            body: Vec::new(),
        }
    }

    /// 200 with a JSON body, the answer of the REST JSON protocol.
    ///
    /// # Errors
    /// Only if the value can't be written as JSON (a map with keys that aren't strings).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Answer {
        Self::json_as("application/json", value)
    }

    /// 200 with a JSON body under another content type (`application/x-amz-json-1.1`).
    ///
    /// # Errors
    /// As [`Reply::json`].
    pub fn json_as<T: Serialize + ?Sized>(content_type: &'static str, value: &T) -> Answer {
        let body = serde_json::to_vec(value).map_err(|e| ServiceError::internal(&e))?;
        Ok(Self {
            status: StatusCode::OK,
            content_type,
            headers: HeaderMap::new(),
            body,
        })
    }
}

/// A refusal in the service's own terms. The front door writes it in the service's error format.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceError {
    /// HTTP status that the service documents for this code.
    pub status: StatusCode,
    /// The error code that clients match on (`ResourceNotFoundException`).
    pub code: String,
    /// The message for people.
    pub message: String,
    /// Further members of the modelled error shape (`clusterName`), where the protocol has them.
    pub fields: Box<Map<String, Value>>,
    /// The code that the error had when the service spoke the Query protocol, if it was another.
    pub query_code: Option<&'static str>,
    /// Further headers of the answer.
    pub headers: Box<HeaderMap>,
}

impl ServiceError {
    /// An error with that status, code and message.
    pub fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            fields: Box::default(),
            query_code: None,
            headers: Box::default(),
        }
    }

    /// The same for status 400, which most refusals have.
    pub fn bad_request(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The same error with one more member of its shape.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(member.to_owned(), value.into());
        self
    }

    /// A failure of the lab itself, told as the services tell theirs.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            format!("the lab could not write its answer: {cause}"),
        )
    }
}
