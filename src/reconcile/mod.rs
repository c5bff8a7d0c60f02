//! The resource graph: observe → diff → plan → apply → settle. Knows no particular resource.
//!
//! A [`Resource`] says how to read itself, how to compare what was read with what is wanted, and how
//! to make the change. A [`Graph`] holds the resources of one cluster in the order in which they are
//! made; plan and apply walk that same graph, and a destroy walks it in reverse. What one resource needs to know of another it reads
//! through the [`Handle`] that adding the other gave, so the order is written nowhere else.

pub mod plan;
pub mod render;

mod climb;
mod diff;
mod error;
mod fingerprint;
mod graph;
mod handle;
mod progress;
mod resource;
mod wait;

pub use climb::climb;
pub use diff::{Diff, DiffBuilder};
pub use error::Error;
pub use fingerprint::{Fingerprint, Intended};
pub use graph::{Applied, Graph, Removal};
pub use handle::{Fact, Handle};
pub use progress::Progress;
pub use resource::{Condition, Fate, Grant, Lookup, Resource};
pub use wait::{Polling, State};
