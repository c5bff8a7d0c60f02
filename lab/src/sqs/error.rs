//! The error codes of SQS. Some had another name in the Query protocol, and clients still match on
//! that.

use crate::call::ServiceError;

pub(super) fn no_queue() -> ServiceError {
    ServiceError {
        query_code: Some("AWS.SimpleQueueService.NonExistentQueue"),
        ..ServiceError::bad_request("QueueDoesNotExist", "The specified queue does not exist.")
    }
}

/// There is a queue of that name with another value of that attribute.
pub(super) fn queue_exists(attribute: &str) -> ServiceError {
    ServiceError {
        query_code: Some("QueueAlreadyExists"),
        ..ServiceError::bad_request(
            "QueueNameExists",
            format!(
                "A queue already exists with the same name and a different value for attribute \
                 {attribute}"
            ),
        )
    }
}

pub(super) fn deleted_recently() -> ServiceError {
    ServiceError {
        query_code: Some("AWS.SimpleQueueService.QueueDeletedRecently"),
        ..ServiceError::bad_request(
            "QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with \
             the same name.",
        )
    }
}

pub(super) fn unknown_attribute(name: &str) -> ServiceError {
    ServiceError::bad_request("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(super) fn invalid_attribute(name: &str) -> ServiceError {
    ServiceError::bad_request(
        "InvalidAttributeValue",
        format!("Invalid value for the parameter {name}."),
    )
}

/// Two attributes can't both be set.
pub(super) fn contradiction(message: &str) -> ServiceError {
    ServiceError::bad_request("InvalidAttributeName", message)
}

pub(super) fn invalid_parameter(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("InvalidParameterValue", message)
}

pub(super) fn missing(parameter: &str) -> ServiceError {
    ServiceError::bad_request(
        "MissingParameter",
        format!("The request must contain the parameter {parameter}."),
    )
}

/// The URL isn't one of a queue of this region.
pub(super) fn invalid_address(url: &str) -> ServiceError {
    ServiceError::bad_request(
        "InvalidAddress",
        format!("The address {url} is not valid for this endpoint."),
    )
}
