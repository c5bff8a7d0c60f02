//! What a cluster's AWS side is made of: one file per kind of resource, each implementing
//! [`crate::reconcile::Resource`], and the list of them in [`Base`].

pub mod access_entries;
pub mod addon;
pub mod addon_versions;
pub mod adoption;
pub mod ami;
pub mod cluster;
pub mod discovery;
pub mod event_rules;
pub mod file_system;
pub mod iam_role;
pub mod identity_provider_config;
pub mod kms_key;
pub mod launch_template;
pub mod log_group;
pub mod mount_targets;
pub mod network;
pub mod node_group;
pub mod oidc_provider;
pub mod pod_identity;
pub mod policy;
pub mod policy_document;
pub mod queue;
pub mod roles;
pub mod security_group;
pub mod stamp;

mod addon_defaults;
mod base;
mod eventual;
mod grants;
mod karpenter_policy;
mod place;
mod shared;
mod tags;
mod token;
mod updates;
mod wanted;

pub use addon_defaults::addon_configuration;
pub use base::{Base, Intent};
pub use grants::grants;
pub use place::Place;
pub use shared::Shared;
pub use tags::Tags;
pub use wanted::{karpenter_policies, tags};
