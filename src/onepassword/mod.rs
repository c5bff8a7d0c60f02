//! 1Password through a Connect server: a small typed client, and the resolving of `op://`
//! references with it.

mod connect;
mod model;
mod resolve;

pub use connect::{Connect, ConnectError};
pub use model::{Field, Item, ItemSummary, Section, Vault};
pub use resolve::{Resolved, resolve};
