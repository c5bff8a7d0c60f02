//! AWS Key Management Service: symmetric keys with their aliases, policies, rotation, deletion,
//! grants and tags, as its API reference describes them (JSON 1.1).
//!
//! Keys exist, but nothing is encrypted with them.

mod aliases;
mod deletion;
mod error;
mod grants;
mod keys;
mod needs;
mod page;
mod policies;
mod rotation;
mod state;
mod tags;
#[cfg(test)]
mod tests;

use crate::call::{Answer, Call};
use crate::front::service::unknown_operation;
use crate::operations::Operations;
use crate::world::World;

pub(crate) use needs::needs;
pub(crate) use policies::default as default_policy;
pub use state::{Alias, Grant, Key, KeyState, Region, Rotation};

type Serve = fn(&mut World, &Call) -> Answer;

/// Every operation, and what answers it.
const OPERATIONS: Operations<Serve> = Operations(&[
    ("CreateKey", keys::create),
    ("DescribeKey", keys::describe),
    ("ListKeys", keys::list),
    ("EnableKey", keys::enable),
    ("DisableKey", keys::disable),
    ("UpdateKeyDescription", keys::update_description),
    ("CreateAlias", aliases::create),
    ("UpdateAlias", aliases::update),
    ("DeleteAlias", aliases::delete),
    ("ListAliases", aliases::list),
    ("EnableKeyRotation", rotation::enable),
    ("DisableKeyRotation", rotation::disable),
    ("GetKeyRotationStatus", rotation::status),
    ("ScheduleKeyDeletion", deletion::schedule),
    ("CancelKeyDeletion", deletion::cancel),
    ("PutKeyPolicy", policies::put),
    ("GetKeyPolicy", policies::get),
    ("ListKeyPolicies", policies::list),
    ("CreateGrant", grants::create),
    ("ListGrants", grants::list),
    ("RevokeGrant", grants::revoke),
    ("TagResource", tags::tag),
    ("UntagResource", tags::untag),
    ("ListResourceTags", tags::list),
]);

/// Every operation's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.names()
}

/// Answers one request.
///
/// # Errors
/// KMS's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    world
        .kms(&call.account, &call.region)
        .forget_deleted(call.now);
    let serve = OPERATIONS
        .find(&call.operation)
        .ok_or_else(|| unknown_operation("KMS", call))?;
    serve(world, call)
}
