//! The error codes of KMS. All of a client's have status 400.

use crate::call::ServiceError;

/// The thing doesn't exist.
pub(super) fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("NotFoundException", message)
}

/// The key's state doesn't allow it.
pub(super) fn invalid_state(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("KMSInvalidStateException", message)
}

/// The key is disabled.
pub(super) fn disabled(arn: &str) -> ServiceError {
    ServiceError::bad_request("DisabledException", format!("{arn} is disabled."))
}

/// The lab, or a key of this kind, doesn't do that.
pub(super) fn unsupported(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("UnsupportedOperationException", message)
}

/// A parameter breaks a constraint.
pub(super) fn validation(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("ValidationException", message)
}

/// A quota is used up.
pub(super) fn limit_exceeded(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("LimitExceededException", message)
}
