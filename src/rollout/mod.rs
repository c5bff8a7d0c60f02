//! One role's run: every cluster of it, each from session to plan and on.

pub mod outputs;
pub mod saved;

mod apply;
mod cluster;
mod destroy;
mod drift;
mod failure;
mod inside;
mod mode;
mod verify;

pub use cluster::{ClusterWork, Found};
pub use mode::{Destroy, Mode};
