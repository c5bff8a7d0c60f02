//! One role's run: every cluster of it, each from session to plan and on.

pub mod outputs;
pub mod saved;

mod cluster;
mod destroy;
mod drift;
mod inside;
mod verify;

pub use cluster::{ClusterWork, Destroy, Found, Mode};
