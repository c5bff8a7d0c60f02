//! One run over many clusters: in which order, how many at once, and when to stop.
//!
//! [`Schedule`] puts the clusters in order, [`Dispatch`] decides which may start now (both pure),
//! [`Engine`] runs them as tasks and emits what happens. What is done with a cluster is a [`Work`];
//! nothing here knows what that is.

mod dispatch;
mod engine;
mod interrupt;
mod rollout;
mod schedule;
mod summary;
mod words;
mod work;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulation;

pub use dispatch::Dispatch;
pub use engine::Engine;
pub use interrupt::{Stop, stop_on_signals};
pub use rollout::{Mode, Rollout};
pub use schedule::{Order, Schedule, Wave};
pub use summary::{OutcomeCounts, Summary};
pub use work::{Turn, Work, WorkOutcome};
