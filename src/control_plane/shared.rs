//! What one run has asked already: answers that are the same for every cluster of an account and
//! region, and those of a cluster that several of its resources look at.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{LaunchTemplateVersion, SecurityGroup};
use aws_sdk_efs::types::FileSystemDescription;
use aws_sdk_eks::types::{Cluster, Nodegroup};
use aws_sdk_eventbridge::types::Rule;

use super::addon_versions::Catalog;
use super::iam_role::Roles;
use super::log_group::Retentions;
use super::network::{NamedVpc, TieredSubnet};
use super::pod_identity;
use crate::aws::{Memo, Target};
use crate::inventory::EksVersion;

/// How long a list is good for whoever comes next. Clusters of one wave are read within seconds; a
/// wave that starts after another was changed reads again.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// What a run has asked already.
#[derive(Debug)]
pub struct Shared {
    /// What AWS offers, which no change of psk's alters.
    pub offers: Arc<Offers>,
    /// IAM roles, by account: IAM is the same in all regions.
    pub roles: Memo<String, Roles>,
    /// Clusters, by name.
    pub clusters: Memo<(Target, String), Option<Arc<Cluster>>>,
    /// Node groups, by cluster and by the name that they have or begin with.
    pub node_groups: Memo<(Target, String, String), Option<Arc<Nodegroup>>>,
    /// Pod identity associations, by cluster and service account (`kube-system/karpenter`).
    pub pod_identities: Memo<(Target, String, String), Option<pod_identity::Observed>>,
    /// VPCs that are named as clusters' are.
    pub vpcs: Memo<Target, Arc<Vec<NamedVpc>>>,
    /// Subnets that have a tier.
    pub subnets: Memo<Target, Arc<Vec<TieredSubnet>>>,
    /// Security groups that are named as those of clusters' file systems are.
    pub security_groups: Memo<Target, Arc<Vec<SecurityGroup>>>,
    /// The newest version of every launch template.
    pub launch_templates: Memo<Target, Arc<Vec<LaunchTemplateVersion>>>,
    /// File systems.
    pub file_systems: Memo<Target, Arc<Vec<FileSystemDescription>>>,
    /// Event rules.
    pub rules: Memo<Target, Arc<Vec<Rule>>>,
    /// Log groups of clusters.
    pub log_groups: Memo<Target, Retentions>,
}

/// What AWS offers.
#[derive(Debug, Default)]
pub struct Offers {
    /// Kubernetes versions that EKS offers.
    pub kubernetes_versions: Memo<Target, Vec<EksVersion>>,
    /// Newest AMI release, by SSM parameter.
    pub releases: Memo<(Target, String), Option<String>>,
    /// Configuration schema, by add-on and version.
    pub addon_schemas: Memo<(Target, String, String), Option<String>>,
    /// Compatible add-on versions, by Kubernetes version, and by add-on for those not of AWS.
    pub addon_versions: Memo<(Target, String, Option<String>), Catalog>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::with(Arc::default())
    }
}

impl Shared {
    fn with(offers: Arc<Offers>) -> Self {
        Self {
            offers,
            roles: Memo::fresh_for(FRESH),
            clusters: Memo::fresh_for(FRESH),
            node_groups: Memo::fresh_for(FRESH),
            pod_identities: Memo::fresh_for(FRESH),
            vpcs: Memo::fresh_for(FRESH),
            subnets: Memo::fresh_for(FRESH),
            security_groups: Memo::fresh_for(FRESH),
            launch_templates: Memo::fresh_for(FRESH),
            file_systems: Memo::fresh_for(FRESH),
            rules: Memo::fresh_for(FRESH),
            log_groups: Memo::fresh_for(FRESH),
        }
    }

    /// For reading again after a change: only what AWS offers is still known.
    #[must_use]
    pub fn after_a_change(&self) -> Self {
        Self::with(self.offers.clone())
    }
}
