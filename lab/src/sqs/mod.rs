//! Amazon SQS, as its API reference describes it (AWS JSON 1.0): queues with their attributes and
//! tags. Nothing is ever sent to them here.

mod attributes;
mod error;
mod needs;
mod queues;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::call::{Answer, Call};
use crate::front::service::unknown_operation;
use crate::operations::Operations;
use crate::world::World;

pub(crate) use needs::needs;

/// Namespace of the types that its errors name.
pub const NAMESPACE: &str = "com.amazonaws.sqs";

/// How long the name of a deleted queue can't be had again.
pub const AFTER_DELETION: SignedDuration = SignedDuration::from_secs(60);

/// What SQS keeps of one account in one region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Region {
    /// Queues by name.
    pub queues: BTreeMap<String, Queue>,
    /// When queues were deleted, by the name that they had.
    pub deleted: BTreeMap<String, Timestamp>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Attributes that were set; the others have their defaults.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an attribute was last set.
    pub modified_at: Timestamp,
}

/// The URL of a queue.
pub fn url(account: &str, region: &str, name: &str) -> String {
    format!("https://sqs.{region}.amazonaws.com/{account}/{name}")
}

/// The ARN of a queue.
pub fn arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:aws:sqs:{region}:{account}:{name}")
}

type Serve = fn(&mut Region, &Call) -> Answer;

/// Every operation, and what answers it.
const OPERATIONS: Operations<Serve> = Operations(&[
    ("CreateQueue", queues::create),
    ("GetQueueUrl", queues::find_url),
    ("ListQueues", queues::list),
    ("GetQueueAttributes", queues::attributes),
    ("SetQueueAttributes", queues::set_attributes),
    ("DeleteQueue", queues::delete),
    ("ListQueueTags", tags::list),
    ("TagQueue", tags::tag),
    ("UntagQueue", tags::untag),
]);

/// Every operation's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.names()
}

/// Answers one request.
///
/// # Errors
/// The service's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let here = &mut world.region(&call.account, &call.region).sqs;
    let serve = OPERATIONS
        .find(&call.operation)
        .ok_or_else(|| unknown_operation("SQS", call))?;
    serve(here, call)
}
