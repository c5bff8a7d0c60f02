//! The error codes of EventBridge, all of them told with status 400.

use super::DEFAULT_BUS;
use crate::call::{Call, ServiceError};

/// A parameter isn't valid, or one is missing.
pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("ValidationException", message)
}

pub(super) fn invalid_pattern(reason: &str) -> ServiceError {
    ServiceError::bad_request(
        "InvalidEventPatternException",
        format!("Event pattern is not valid. Reason: {reason}"),
    )
}

pub(super) fn limit_exceeded() -> ServiceError {
    ServiceError::bad_request(
        "LimitExceededException",
        "The requested resource exceeds the maximum number allowed.",
    )
}

pub(super) fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("ResourceNotFoundException", message)
}

pub(super) fn no_rule(name: &str) -> ServiceError {
    not_found(format!(
        "Rule {name} does not exist on EventBus {DEFAULT_BUS}."
    ))
}

/// Checks that a request means the default event bus, by name or ARN or by naming none.
pub(super) fn check_bus(call: &Call, bus: Option<&str>) -> Result<(), ServiceError> {
    let Call {
        account, region, ..
    } = call;
    match bus {
        None | Some(DEFAULT_BUS) => Ok(()),
        Some(arn)
            if arn == format!("arn:aws:events:{region}:{account}:event-bus/{DEFAULT_BUS}") =>
        {
            Ok(())
        }
        Some(other) => Err(not_found(format!("Event bus {other} does not exist."))),
    }
}

/// Checks the length of a text in characters.
pub(super) fn check_length(member: &str, text: &str, most: usize) -> Result<(), ServiceError> {
    if text.chars().count() <= most {
        Ok(())
    } else {
        Err(invalid(format!(
            "1 validation error detected: Value '{text}' at '{member}' failed to satisfy \
             constraint: Member must have length less than or equal to {most}"
        )))
    }
}

/// Checks a name of a rule or an id of a target: 1 to 64 letters, digits, dots, hyphens and
/// underscores.
pub(super) fn check_name(member: &str, name: &str) -> Result<(), ServiceError> {
    let is_fine = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if is_fine {
        Ok(())
    } else {
        Err(invalid(format!(
            "1 validation error detected: Value '{name}' at '{member}' failed to satisfy \
             constraint: Member must have 1 to 64 characters and satisfy regular expression \
             pattern: [\\.\\-_A-Za-z0-9]+"
        )))
    }
}
