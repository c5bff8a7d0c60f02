//! The error codes of EC2, as the EC2 API reference's page "Error codes" lists them.

use http::StatusCode;

use crate::call::ServiceError;

/// An error with status 400, which all but one here have.
pub(super) fn refusal(code: &str, message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request(code, message)
}

/// What a request that only asks whether it might is told if it may.
pub(super) fn dry_run() -> ServiceError {
    ServiceError::new(
        StatusCode::PRECONDITION_FAILED,
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
}

/// A parameter is missing.
pub(super) fn missing(parameter: &str) -> ServiceError {
    refusal(
        "MissingParameter",
        format!("The request must contain the parameter {parameter}"),
    )
}

/// A parameter's value isn't valid.
pub(super) fn invalid_value(message: impl Into<String>) -> ServiceError {
    refusal("InvalidParameterValue", message)
}

/// No VPC has that id.
pub(super) fn no_vpc(id: &str) -> ServiceError {
    refusal(
        "InvalidVpcID.NotFound",
        format!("The vpc ID '{id}' does not exist"),
    )
}

/// No subnet has that id.
pub(super) fn no_subnet(id: &str) -> ServiceError {
    refusal(
        "InvalidSubnetID.NotFound",
        format!("The subnet ID '{id}' does not exist"),
    )
}

/// No security group has that id.
pub(super) fn no_group(id: &str) -> ServiceError {
    if id.starts_with("sg-") {
        refusal(
            "InvalidGroup.NotFound",
            format!("The security group '{id}' does not exist"),
        )
    } else {
        refusal(
            "InvalidGroupId.Malformed",
            format!("Invalid id: \"{id}\" (expecting \"sg-...\")"),
        )
    }
}

/// No network interface has that id.
pub(super) fn no_interface(id: &str) -> ServiceError {
    refusal(
        "InvalidNetworkInterfaceID.NotFound",
        format!("The networkInterface ID '{id}' does not exist"),
    )
}

/// No launch template has that id.
pub(super) fn no_template(id: &str) -> ServiceError {
    if id.starts_with("lt-") {
        refusal(
            "InvalidLaunchTemplateId.NotFound",
            format!("The specified launch template, with template ID {id}, does not exist."),
        )
    } else {
        refusal(
            "InvalidLaunchTemplateId.Malformed",
            format!("Invalid id: \"{id}\" (expecting \"lt-...\")"),
        )
    }
}
