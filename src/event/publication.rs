//! What GitHub took in of what a run says of itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::github::StatusState;

/// What became of a run's statuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Publication {
    /// The role's context.
    pub context: String,
    /// Whether the run was over all clusters of the role, so that it says something of the role.
    pub whole: bool,
    /// What the role's status says; null where GitHub didn't take it in.
    pub state: Option<StatusState>,
    /// The text of the role's status, whether GitHub took it in or not.
    pub description: String,
    /// Statuses that GitHub didn't take in.
    pub undelivered: Vec<Undelivered>,
    /// Why the role's status, though taken in, will not be believed; null where nothing speaks
    /// against it.
    pub disbelieved: Option<String>,
}

/// A status that GitHub didn't take in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undelivered {
    /// What it was about.
    pub context: String,
    /// Its state.
    pub state: StatusState,
    /// Its text.
    pub description: String,
    /// Why it wasn't taken in.
    pub cause: String,
}

impl Publication {
    /// Whether everything that a successful run has to say is there and will be believed.
    pub fn is_complete(&self) -> bool {
        if self.whole {
            self.proves()
        } else {
            self.undelivered.is_empty() && self.disbelieved.is_none()
        }
    }

    /// Whether the role's status is there, a success, and will be believed.
    pub fn proves(&self) -> bool {
        self.state == Some(StatusState::Success) && self.disbelieved.is_none()
    }
}
