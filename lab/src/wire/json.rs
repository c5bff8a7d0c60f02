//! AWS JSON 1.0 and 1.1: every request is a POST whose header `X-Amz-Target` names the operation.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{Answer, Call, Reply, ServiceError};

/// Content type of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// The same in version 1.0, which differs in nothing else.
pub const CONTENT_TYPE_1_0: &str = "application/x-amz-json-1.0";

/// Reads a request's parameters.
///
/// # Errors
/// `SerializationException`, as the services answer to what isn't JSON or has a wrong type.
pub fn parameters<T: DeserializeOwned>(call: &Call) -> Result<T, ServiceError> {
    let body: &[u8] = if call.body.is_empty() {
        b"{}"
    } else {
        &call.body
    };
    serde_json::from_slice(body)
        .map_err(|e| ServiceError::bad_request("SerializationException", e.to_string()))
}

/// Writes an answer.
///
/// # Errors
/// As [`Reply::json`].
pub fn answer<T: Serialize + ?Sized>(value: &T) -> Answer {
    Reply::json_as(CONTENT_TYPE, value)
}

/// Answers an operation that has nothing to tell. Such answers have no body.
pub fn done() -> Answer {
    Ok(Reply {
        status: http::StatusCode::OK,
        content_type: CONTENT_TYPE,
        headers: http::HeaderMap::new(),
        body: Vec::new(),
    })
}

/// A time as JSON services write it: seconds since the epoch, with the milliseconds as a fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit a double's 53 bits"
)]
pub fn epoch(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

/// Writes an answer in version 1.0.
///
/// # Errors
/// As [`Reply::json`].
pub fn answer_1_0<T: Serialize + ?Sized>(value: &T) -> Answer {
    Reply::json_as(CONTENT_TYPE_1_0, value)
}
