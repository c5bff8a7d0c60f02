//! The inside of a cluster: its Kubernetes API, and what psk keeps there.

pub mod baseline;
pub mod drains;
pub mod helm;

mod access;
mod applied_set;
mod compare;
mod compatibility;
mod connect;
mod connection;
mod endpoint;
mod error;
mod karpenter;
mod karpenter_nodes;
mod kind;
mod kubeconfig;
mod late;
mod manifest;
mod object;
mod owned;
mod proxy;
mod token;
mod watch;

pub use access::{Access, Apply, List, Selection};
pub use connection::{Connection, Shared};
pub use endpoint::Endpoint;
pub use error::{Conflict, Error};
pub use karpenter_nodes::KarpenterNodes;
pub use kind::{Kind, kinds};
pub use kubeconfig::{Subject, TokenMaker, kubeconfig, merged};
pub use late::Late;
pub use manifest::{Manifest, Templates, check_teams, of_teams};
pub use token::{Token, Tokens};
pub use watch::{Objects, Waited, Watched, key, typed};

/// The name under which psk owns fields.
pub const MANAGER: &str = "psk";
