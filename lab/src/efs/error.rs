//! The error codes of EFS, with the HTTP status that the API reference gives each.
//!
//! Its errors spell their members `ErrorCode` and `Message`.

use http::StatusCode;

use crate::call::ServiceError;

fn refusal(status: StatusCode, code: &str, message: impl Into<String>) -> ServiceError {
    let message = message.into();
    ServiceError::new(status, code, message.clone())
        .with("ErrorCode", code)
        .with("Message", message)
}

/// A parameter isn't valid, or one is missing.
pub(super) fn bad_request(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::BAD_REQUEST, "BadRequest", message)
}

pub(super) fn no_file_system(id: &str) -> ServiceError {
    refusal(
        StatusCode::NOT_FOUND,
        "FileSystemNotFound",
        format!("File system '{id}' does not exist."),
    )
}

pub(super) fn no_mount_target(id: &str) -> ServiceError {
    refusal(
        StatusCode::NOT_FOUND,
        "MountTargetNotFound",
        format!("Mount target '{id}' does not exist."),
    )
}

pub(super) fn no_access_point(id: &str) -> ServiceError {
    refusal(
        StatusCode::NOT_FOUND,
        "AccessPointNotFound",
        format!("Access Point {id} does not exist."),
    )
}

/// No policy of that kind is set.
pub(super) fn no_policy(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::NOT_FOUND, "PolicyNotFound", message)
}

/// A policy document isn't one.
pub(super) fn invalid_policy(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::BAD_REQUEST, "InvalidPolicyException", message)
}

/// The creation token was used before.
pub(super) fn file_system_exists(id: &str, token: &str) -> ServiceError {
    refusal(
        StatusCode::CONFLICT,
        "FileSystemAlreadyExists",
        format!("File system '{id}' already exists with creation token '{token}'"),
    )
    .with("FileSystemId", id)
}

/// The client token was used before.
pub(super) fn access_point_exists(id: &str, token: &str) -> ServiceError {
    refusal(
        StatusCode::CONFLICT,
        "AccessPointAlreadyExists",
        format!("Access point '{id}' already exists with client token '{token}'"),
    )
    .with("AccessPointId", id)
}

/// The account may not have more of these.
pub(super) fn limit_exceeded(code: &str, message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::FORBIDDEN, code, message)
}

/// There are mount targets or access points.
pub(super) fn file_system_in_use(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::CONFLICT, "FileSystemInUse", message)
}

/// The file system isn't `available`.
pub(super) fn file_system_state(id: &str, state: &str) -> ServiceError {
    refusal(
        StatusCode::CONFLICT,
        "IncorrectFileSystemLifeCycleState",
        format!("File system '{id}' is not in the state 'available': it is '{state}'."),
    )
}

/// The mount target is `creating` or `deleting`.
pub(super) fn mount_target_state(id: &str, state: &str) -> ServiceError {
    refusal(
        StatusCode::CONFLICT,
        "IncorrectMountTargetState",
        format!("Mount target '{id}' is in the state '{state}'."),
    )
}

/// The throughput was changed less than a day ago.
pub(super) fn too_many_requests(message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
}

/// A mount target can't be where it is asked for because of the others or the address.
pub(super) fn mount_target_conflict(code: &str, message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::CONFLICT, code, message)
}

/// Where a mount target or file system is asked for doesn't exist or doesn't fit.
pub(super) fn no_place(code: &str, message: impl Into<String>) -> ServiceError {
    refusal(StatusCode::BAD_REQUEST, code, message)
}
