//! Amazon CloudWatch Logs: log groups with their retention and tags, as its API reference describes
//! them (JSON 1.1). Nothing is logged.

mod groups;
mod needs;
mod state;
mod tags;
#[cfg(test)]
mod tests;

use crate::call::{Answer, Call, ServiceError};
use crate::front::service::unknown_operation;
use crate::operations::Operations;
use crate::world::World;

pub use state::{LogGroup, LogGroupClass, Region};

pub(crate) use needs::needs;

type Serve = fn(&mut World, &Call) -> Answer;

/// Every operation, and what answers it.
const OPERATIONS: Operations<Serve> = Operations(&[
    ("CreateLogGroup", groups::create),
    ("DescribeLogGroups", groups::describe),
    ("DeleteLogGroup", groups::delete),
    ("PutRetentionPolicy", groups::put_retention),
    ("DeleteRetentionPolicy", groups::delete_retention),
    (
        "PutLogGroupDeletionProtection",
        groups::put_deletion_protection,
    ),
    ("AssociateKmsKey", groups::associate_key),
    ("DisassociateKmsKey", groups::disassociate_key),
    ("TagResource", tags::tag),
    ("UntagResource", tags::untag),
    ("ListTagsForResource", tags::list),
]);

/// Every operation's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.names()
}

/// Answers one request.
///
/// # Errors
/// CloudWatch Logs' own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let serve = OPERATIONS
        .find(&call.operation)
        .ok_or_else(|| unknown_operation("CloudWatch Logs", call))?;
    serve(world, call)
}

/// A parameter isn't valid.
fn invalid_parameter(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("InvalidParameterException", message)
}

/// The thing doesn't exist.
fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("ResourceNotFoundException", message)
}
