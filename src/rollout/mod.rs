//! One role's run: every cluster of it, each from session to plan and on.

mod cluster;

pub use cluster::{ClusterWork, Mode};
