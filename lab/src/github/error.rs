//! GitHub's refusals.

use http::StatusCode;
use serde_json::{Value, json};

use crate::call::ServiceError;

fn error(status: StatusCode, message: impl Into<String>) -> ServiceError {
    ServiceError::new(status, status.as_str(), message)
}

/// The token isn't known, or has expired.
pub(super) fn bad_credentials() -> ServiceError {
    error(StatusCode::UNAUTHORIZED, "Bad credentials")
}

/// The operation takes a token and there is none.
pub(super) fn requires_authentication() -> ServiceError {
    error(StatusCode::UNAUTHORIZED, "Requires authentication")
}

/// There is no such thing, or the caller may not know of it.
pub(super) fn not_found() -> ServiceError {
    error(StatusCode::NOT_FOUND, "Not Found")
}

/// The token may not do that: `integration` or `personal access token`.
pub(super) fn not_accessible(by: &str) -> ServiceError {
    error(
        StatusCode::FORBIDDEN,
        format!("Resource not accessible by {by}"),
    )
}

/// The repository has no such commit.
pub(super) fn no_commit(sha: &str) -> ServiceError {
    error(
        StatusCode::UNPROCESSABLE_ENTITY,
        format!("No commit found for SHA: {sha}"),
    )
}

/// The body isn't JSON, or a member has the wrong type.
pub(super) fn problems_parsing(cause: &serde_json::Error) -> ServiceError {
    tracing::debug!(%cause, "a body that GitHub couldn't read");
    error(StatusCode::BAD_REQUEST, "Problems parsing JSON")
}

/// A member's value can't be.
pub(super) fn validation(resource: &str, field: Option<&str>, message: &str) -> ServiceError {
    let mut detail = json!({ "resource": resource, "code": "custom", "message": message });
    if let (Some(field), Some(detail)) = (field, detail.as_object_mut()) {
        detail.insert("field".to_owned(), json!(field));
    }
    error(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed")
        .with("errors", Value::Array(vec![detail]))
}

/// There is one already.
pub(super) fn already_exists(resource: &str, field: &str) -> ServiceError {
    let detail = json!({ "resource": resource, "code": "already_exists", "field": field });
    error(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed")
        .with("errors", Value::Array(vec![detail]))
}

/// Too much was written in too short a time.
pub(super) fn secondary(status: StatusCode) -> ServiceError {
    error(
        status,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    )
}

/// The hour's requests are used up.
pub(super) fn primary(login: &str) -> ServiceError {
    error(
        StatusCode::FORBIDDEN,
        format!("API rate limit exceeded for {login}."),
    )
}
