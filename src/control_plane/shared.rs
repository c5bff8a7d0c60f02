//! Answers that are the same for every cluster of an account and region, so one run asks once.

use std::sync::Arc;

use super::addon_versions::Catalog;
use super::iam_role::Roles;
use super::network::Networks;
use super::pod_identity;
use crate::aws::{Memo, Target};
use crate::inventory::EksVersion;

/// What a run has asked already.
#[derive(Debug, Default)]
pub struct Shared {
    /// VPCs and subnets.
    pub networks: Memo<Target, Arc<Networks>>,
    /// Kubernetes versions that EKS offers.
    pub kubernetes_versions: Memo<Target, Vec<EksVersion>>,
    /// Newest AMI release, by SSM parameter.
    pub releases: Memo<(Target, String), Option<String>>,
    /// Configuration schema, by add-on and version.
    pub addon_schemas: Memo<(Target, String, String), Option<String>>,
    /// Compatible add-on versions, by Kubernetes version, and by add-on for those not of AWS.
    pub addon_versions: Memo<(Target, String, Option<String>), Catalog>,
    /// IAM roles, by account: IAM is the same in all regions.
    pub roles: Memo<String, Roles>,
    /// Pod identity associations, by cluster and service account (`kube-system/karpenter`).
    pub pod_identities: Memo<(Target, String, String), Option<pod_identity::Observed>>,
}
