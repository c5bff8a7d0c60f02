//! GitHub: a client for the part of its REST API that psk uses, over octocrab.

mod client;
mod error;
mod model;
mod releases;
mod settings;

pub use client::GitHub;
pub use error::{Cause, GitHubError};
pub use model::{CommitStatus, NewStatus, NoRepository, Repository, StatusState};
pub use releases::{NewRelease, NotedCommit, Release};
pub use settings::{NotConfigured, Settings};
