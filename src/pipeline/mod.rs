//! Generated pipelines: what CircleCI and GitHub Actions run, made from the inventory or from a circlepipe
//! repository.
//!
//! The promotion graph becomes one graph of jobs ([`graph`]), which is written for either CI system. What CircleCI
//! is told over its API is in [`api`].

pub mod api;
mod circleci;
pub mod circlepipe;
mod generate;
mod github;
mod go;
pub mod graph;
mod shard;
mod timetable;
mod yaml;

pub use generate::{Ci, Options, Pipeline, Schedule, schedules};
pub use graph::Per;
pub use shard::Shard;
pub use timetable::Timetable;

#[cfg(test)]
mod tests;
