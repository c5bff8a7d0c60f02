//! Amazon EventBridge, as its API reference describes it (AWS JSON 1.1): the rules of the default
//! event bus and their targets. No event is ever sent here.

mod error;
mod needs;
mod pattern;
mod rules;
mod schedule;
mod tags;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::{Answer, Call};
use crate::front::service::unknown_operation;
use crate::operations::Operations;
use crate::world::World;

pub use targets::Target;

pub(crate) use needs::needs;

/// The event bus that every account has, and the only one here.
const DEFAULT_BUS: &str = "default";

/// What EventBridge keeps of one account in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Region {
    /// Rules of the default event bus by name.
    pub rules: BTreeMap<String, Rule>,
    /// Targets that PutTargets will not take.
    pub failures: Vec<TargetFailure>,
    /// How many there may be.
    pub quotas: Quotas,
}

/// How many of each there may be. The defaults are the service's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// Rules of one event bus.
    pub rules: usize,
    /// Targets of one rule.
    pub targets: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            rules: 300,
            targets: 5,
        }
    }
}

/// A target that PutTargets will not take, for rehearsals: it is told among `FailedEntries`, and
/// the others of the request are put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFailure {
    /// Part of the name of the rule that it befalls; empty for any.
    pub rule_contains: String,
    /// The error code that is told (`ConcurrentModificationException`).
    pub code: String,
    /// How often it happens yet; `None` for always.
    pub times: Option<u32>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Which events it is for: a document, as it was written.
    pub pattern: Option<String>,
    /// When it acts on its own.
    pub schedule: Option<String>,
    /// `ENABLED`, `DISABLED` or `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`.
    pub state: String,
    /// What it is for, in words.
    pub description: Option<String>,
    /// The role that it acts in.
    pub role_arn: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its targets by id.
    pub targets: BTreeMap<String, Target>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// ARN of a rule of the default event bus.
pub fn rule_arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:aws:events:{region}:{account}:rule/{name}")
}

type Serve = fn(&mut Region, &Call) -> Answer;

/// Every operation, and what answers it.
const OPERATIONS: Operations<Serve> = Operations(&[
    ("PutRule", rules::put),
    ("DescribeRule", rules::describe),
    ("ListRules", rules::list),
    ("EnableRule", rules::enable),
    ("DisableRule", rules::disable),
    ("DeleteRule", rules::delete),
    ("PutTargets", targets::put),
    ("ListTargetsByRule", targets::list),
    ("ListRuleNamesByTarget", targets::rule_names),
    ("RemoveTargets", targets::remove),
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
/// The service's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let here = &mut world.region(&call.account, &call.region).events;
    let serve = OPERATIONS
        .find(&call.operation)
        .ok_or_else(|| unknown_operation("EventBridge", call))?;
    serve(here, call)
}
