//! The parts of GitHub's data that psk reads and writes.

mod repository;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use repository::{NoRepository, Repository};

/// The state of a commit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    /// Under way.
    Pending,
    /// Done, and right.
    Success,
    /// Done, and wrong.
    Failure,
    /// It could not be told.
    Error,
}

impl StatusState {
    /// The word that GitHub's API has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

/// A commit status as GitHub has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus {
    /// What it is about (`psk/qa`).
    pub context: String,
    /// Its state.
    pub state: StatusState,
    /// Its text.
    pub description: String,
    /// The login of who made it; `None` where the account is gone or isn't told.
    pub creator: Option<String>,
    /// When GitHub took it in.
    pub created: Timestamp,
    /// The page that it is linked to.
    pub url: Option<String>,
}

/// A commit status to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewStatus {
    /// What it is about.
    pub context: String,
    /// Its state.
    pub state: StatusState,
    /// Its text, at most 140 characters.
    pub description: String,
    /// The page that it is linked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}
