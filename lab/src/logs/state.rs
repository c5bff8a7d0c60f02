//! What CloudWatch Logs keeps of one account in one region.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::not_found;
use crate::call::ServiceError;

/// What CloudWatch Logs keeps of one account in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Region {
    /// Log groups by name.
    pub groups: BTreeMap<String, LogGroup>,
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// For how many days events are kept; none for ever.
    pub retention_days: Option<u32>,
    /// What can be done with its events.
    pub class: LogGroupClass,
    /// ARN of the key that its events are encrypted with, if one of the account's is.
    pub key: Option<String>,
    /// Whether it can't be deleted.
    pub deletion_protection: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What can be done with a log group's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogGroupClass {
    /// Everything.
    #[default]
    Standard,
    /// A part, for less.
    InfrequentAccess,
    /// They are delivered elsewhere.
    Delivery,
}

impl LogGroup {
    /// A group as a service makes it that finds none to write to: without retention and tags.
    pub fn new(name: &str, created: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            created,
            retention_days: None,
            class: LogGroupClass::default(),
            key: None,
            deletion_protection: false,
            tags: BTreeMap::new(),
        }
    }
}

impl Region {
    /// The group of that name, to be changed.
    pub(super) fn find(&mut self, name: &str) -> Result<&mut LogGroup, ServiceError> {
        self.groups
            .get_mut(name)
            .ok_or_else(|| not_found("The specified log group does not exist."))
    }
}
