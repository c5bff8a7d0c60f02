//! What EKS has on offer: Kubernetes versions, add-on releases and node images.
//!
//! The catalogue is a snapshot of one day, 2026-11-23. It doesn't age with the world's clock, so
//! that a rehearsal gives the same answer next year. Versions, dates and support windows follow
//! the cadence that AWS publishes; releases that weren't out yet are plausible ones.

mod addons;
mod images;
mod versions;

pub use addons::{Addon, AddonRelease, ServiceAccount, addon, addons};
pub use images::{is_ami_type, is_arm, latest_release, releases};
pub use versions::{
    KubernetesVersion, Support, VERSION_SKEW, VersionInfo, default_version, version, versions,
};
