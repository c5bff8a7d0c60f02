//! The error codes of EKS, with the HTTP status and the members that the API reference gives each.

use http::StatusCode;

use crate::call::ServiceError;

fn refusal(status: StatusCode, code: &str, message: impl Into<String>) -> ServiceError {
    ServiceError::new(status, code, message)
}

/// A parameter isn't valid, whatever the state of things.
pub(super) fn invalid_parameter(message: impl Into<String>) -> ServiceError {
    refusal(
        StatusCode::BAD_REQUEST,
        "InvalidParameterException",
        message,
    )
}

/// The request isn't valid given the state that things are in.
pub(super) fn invalid_request(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::BAD_REQUEST, "InvalidRequestException", message)
}

/// Readiness insights stand against the update.
pub(super) fn invalid_state(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::BAD_REQUEST, "InvalidStateException", message)
}

/// The thing doesn't exist.
pub(super) fn not_found(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

/// The thing exists already, or something else is being done to it.
pub(super) fn in_use(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::CONFLICT, "ResourceInUseException", message)
}

/// A service quota is used up.
pub(super) fn limit_exceeded(message: impl Into<String>) -> ServiceError {
    refusal(
        StatusCode::BAD_REQUEST,
        "ResourceLimitExceededException",
        message,
    )
}

/// The tagging operations' word for a request that isn't valid.
pub(super) fn bad_request(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::BAD_REQUEST, "BadRequestException", message)
}

/// The tagging operations' word for a resource that doesn't exist.
pub(super) fn tagged_not_found(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::NOT_FOUND, "NotFoundException", message)
}

/// The members by which EKS's errors name what they are about.
pub(super) trait About {
    /// About this cluster.
    fn cluster(self, name: &str) -> Self;
    /// About this node group.
    fn nodegroup(self, name: &str) -> Self;
    /// About this add-on.
    fn addon(self, name: &str) -> Self;
}

impl About for ServiceError {
    fn cluster(self, name: &str) -> Self {
        self.with("clusterName", name)
    }

    fn nodegroup(self, name: &str) -> Self {
        self.with("nodegroupName", name)
    }

    fn addon(self, name: &str) -> Self {
        self.with("addonName", name)
    }
}
