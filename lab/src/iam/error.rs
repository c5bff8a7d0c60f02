//! The error codes of IAM, with the HTTP status that the API reference gives each.

use http::StatusCode;

use crate::call::ServiceError;

/// The thing doesn't exist.
pub(super) fn no_such_entity(message: impl Into<String>) -> ServiceError {
    ServiceError::new(StatusCode::NOT_FOUND, "NoSuchEntity", message)
}

/// There is one of that name.
pub(super) fn already_exists(message: impl Into<String>) -> ServiceError {
    ServiceError::new(StatusCode::CONFLICT, "EntityAlreadyExists", message)
}

/// Something else hangs on it.
pub(super) fn delete_conflict(message: impl Into<String>) -> ServiceError {
    ServiceError::new(StatusCode::CONFLICT, "DeleteConflict", message)
}

/// A quota is used up.
pub(super) fn limit_exceeded(message: impl Into<String>) -> ServiceError {
    ServiceError::new(StatusCode::CONFLICT, "LimitExceeded", message)
}

/// A parameter makes no sense.
pub(super) fn invalid_input(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("InvalidInput", message)
}

/// A policy document isn't one that IAM takes.
pub(super) fn malformed_document(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("MalformedPolicyDocument", message)
}

/// The role is a service's own.
pub(super) fn unmodifiable(role: &str) -> ServiceError {
    ServiceError::bad_request(
        "UnmodifiableEntity",
        format!(
            "Cannot perform the operation on the protected role '{role}' - this role is only \
             modifiable by AWS"
        ),
    )
}

/// A parameter breaks a constraint of the API's model.
pub(super) fn validation(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("ValidationError", message)
}
