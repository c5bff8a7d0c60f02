//! Amazon CloudWatch Logs: log groups with their retention and tags, as its API reference describes
//! them (JSON 1.1). Nothing is logged.

mod groups;
mod needs;
mod state;
mod tags;
#[cfg(test)]
mod tests;

use crate::call::{Answer, Call, ServiceError};
use crate::world::World;

pub use state::{LogGroup, LogGroupClass, Region};

pub(crate) use needs::needs;

/// Answers one request.
///
/// # Errors
/// CloudWatch Logs' own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let serve: fn(&mut World, &Call) -> Answer = match call.operation.as_str() {
        "CreateLogGroup" => groups::create,
        "DescribeLogGroups" => groups::describe,
        "DeleteLogGroup" => groups::delete,
        "PutRetentionPolicy" => groups::put_retention,
        "DeleteRetentionPolicy" => groups::delete_retention,
        "PutLogGroupDeletionProtection" => groups::put_deletion_protection,
        "AssociateKmsKey" => groups::associate_key,
        "DisassociateKmsKey" => groups::disassociate_key,
        "TagResource" => tags::tag,
        "UntagResource" => tags::untag,
        "ListTagsForResource" => tags::list,
        other => {
            return Err(ServiceError::bad_request(
                "UnknownOperationException",
                format!("The lab's CloudWatch Logs has no operation {other}."),
            ));
        }
    };
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
