//! `psk.yaml`, `roles/` and `environments/` → [`Inventory`]. Files in, typed settings or located
//! problems out; nothing else is read and nothing is called.
//!
//! It goes in two steps. [`Inventory::load`] reads the files, merges each cluster's layers
//! (psk's own defaults < default < role < cluster < the cluster's own keys in its role's file) and
//! checks all that can be checked without secrets. [`Inventory::references`] then says which
//! `op://` references the run needs, and [`Inventory::resolve`] takes their values and gives typed
//! [`Cluster`]s.

mod addons;
mod choice;
mod decode;
mod digest;
mod eks;
mod files;
mod fleet;
mod identity;
mod kubernetes;
mod load;
mod locate;
mod merge;
mod nearest;
mod node;
mod node_group;
mod order;
mod parse;
mod pipeline;
mod problem;
mod reference;
mod render;
mod repository;
mod resolve;
mod role;
mod rollout;
mod schedule;
mod schema;
mod settings;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod verify;
mod view;
mod window;

pub use addons::{Addon, AddonVersion, ResolveConflicts};
pub use decode::Invalid;
pub use eks::{
    ChartVersion, EksVersion, IssuerUrl, LogRetention, LogType, ProviderConfigName, UpgradePolicy,
    WorkloadIdentity,
};
pub use fleet::{Inventory, Selection, Unknown};
pub use identity::{AccountId, ClusterName, Region, RolePath, partition};
pub use kubernetes::{
    BasePath, ChartRepository, DirectoryMode, EbsParameters, EfsParameters, KarpenterSettings,
    StorageClasses,
};
pub(crate) use nearest::did_you_mean;
pub use node_group::{
    AmiType, CapacityType, DiskSize, InstanceType, MaxUnavailable, NodeCount, NodeGroupName,
};
pub(crate) use parse::parse;
pub use pipeline::{
    ItemTitle, Notify, Outputs, Pipeline, Promotion, ReleaseSettings, Schedules, StatusPer,
    Statuses,
};
pub use problem::{Problem, Problems};
pub use reference::{MalformedReference, Reference, ReferenceUse};
pub use repository::RepositoryName;
pub use resolve::{Cluster, Secrets};
pub use role::{Approval, Role, Trigger};
pub use rollout::{Mode, Quantity, Rollout};
pub use schedule::CronExpression;
pub use schema::FileKind;
pub use settings::Settings;
pub use source::Location;
pub(crate) use source::Source;
pub use verify::{BlockWrite, CHECK_NAMES, CheckName, Deadline, Storage, VerifySettings};
pub use view::ClusterView;
pub use window::{Day, Freeze, TimeOfDay, Window, Zone};
