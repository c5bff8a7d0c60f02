//! psk takes one release through a fleet of EKS clusters, tier by tier.
//!
//! The flow: inventory → gate → schedule → engine → resources → reports.

pub mod aws;
pub mod calls;
pub mod cli;
pub mod control_plane;
pub mod env;
pub mod event;
pub mod exit;
pub mod fanout;
pub mod github;
pub mod inventory;
pub mod kubernetes;
pub mod logging;
pub mod onepassword;
pub mod open_files;
pub mod pipeline;
pub mod process;
pub mod proxy;
pub mod reconcile;
pub mod release;
pub mod report;
pub mod rollout;
pub mod slack;
pub mod style;
pub mod text;
pub mod verify;
pub mod web;
