//! What a new world is made from: the fleet that the lab's user has, told in plain values.
//!
//! [`Seed::build`] makes the world, [`Seed::extend`] adds to one that was kept what the fleet has
//! gained since.

use std::collections::BTreeMap;

use serde_json::Value;

mod accounts;
pub(crate) mod blueprint;
mod build;
mod foundation;
mod github;
mod identity;
mod inside;
mod instances;
mod interruptions;
pub(crate) mod network;
pub(crate) mod pipeline;
mod slack;
mod storage;
mod terraform;
mod vaults;

pub use accounts::circleci_organization;
pub use github::{CommitSeed, RepositorySeed};
pub use inside::FILE_SYSTEM as SEEDED_FILE_SYSTEM;
pub use slack::SlackSeed;

use crate::eks::Condition;

/// The account of the lab's identity if the seed doesn't say another: the number that AWS's
/// documentation uses most.
pub const DEFAULT_HOME: &str = "123456789012";

/// Path and name of the role that a CI job assumes with its identity token, in the home account.
pub const CI_ROLE: &str = "PSKRoles/psk-ci";

/// How far the world is from what the fleet's settings ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Accounts, pipeline roles, VPCs and the vault exist, but no cluster.
    Fresh,
    /// Clusters one minor version behind with old add-ons and AMI releases; of every role with
    /// three clusters or more, the second is already right and the last is missing.
    #[default]
    Behind,
    /// Every cluster is what its settings ask for.
    Current,
    /// Every cluster is there as Terraform made it before there was the pipeline: of the version
    /// that the settings ask for, with names that have suffixes and with Terraform's tags.
    Adopted,
}

/// Who made a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    /// The pipeline.
    Pipeline(Condition),
    /// Terraform, before there was the pipeline.
    Terraform,
}

impl Start {
    /// Who made each cluster and how far it is, told by its place among the clusters of its role;
    /// none if it doesn't exist.
    fn maker(self, place: usize, of: usize) -> Option<Maker> {
        match self {
            Self::Fresh => None,
            Self::Current => Some(Maker::Pipeline(Condition::Right)),
            Self::Adopted => Some(Maker::Terraform),
            Self::Behind if of >= 3 && place == 1 => Some(Maker::Pipeline(Condition::Right)),
            Self::Behind if of >= 3 && place + 1 == of => None,
            Self::Behind => Some(Maker::Pipeline(Condition::Behind)),
        }
    }
}

/// A fleet to simulate.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// The account of the identity that the lab hands out, which every pipeline role trusts: the
    /// fleet's shared services. If it isn't said, [`DEFAULT_HOME`].
    pub home: Option<String>,
    /// How far the clusters are from their settings.
    pub start: Start,
    /// Every cluster that the inventory names.
    pub clusters: Vec<ClusterSeed>,
    /// What the 1Password vaults hold.
    pub secrets: Vec<Secret>,
    /// The repository at GitHub that the fleet is rolled out from, if there is one.
    pub repository: Option<RepositorySeed>,
    /// Where rollouts are told of in Slack, if they are.
    pub slack: Option<SlackSeed>,
}

/// One field of an item in a 1Password vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The vault's name.
    pub vault: String,
    /// The item's title.
    pub item: String,
    /// The label of the section that the field is in, if in one.
    pub section: Option<String>,
    /// The field's label.
    pub field: String,
    /// Its value.
    pub value: String,
}

/// One cluster of the fleet, as its settings describe it.
#[derive(Debug, Clone, Default)]
pub struct ClusterSeed {
    /// The cluster's name.
    pub name: String,
    /// The role (release tier) that it belongs to.
    pub role: String,
    /// AWS account, twelve digits.
    pub account: String,
    /// AWS region.
    pub region: String,
    /// Path and name of the role that a pipeline assumes (`PSKRoles/PSKControlPlaneBaseRole`).
    pub assume_role: String,
    /// Kubernetes version that the settings ask for (`1.35`).
    pub eks_version: String,
    /// Control plane log types that the settings ask for.
    pub log_types: Vec<String>,
    /// Value of the `Tier` tag of the nodes' subnets.
    pub node_tier: String,
    /// Value of the `Tier` tag of the control plane's subnets.
    pub intra_tier: String,
    /// The management node group that the settings ask for.
    pub node_group: NodeGroupSeed,
    /// `STANDARD` or `EXTENDED`; empty for what EKS defaults to.
    pub support_type: String,
    /// Whether the API can be reached from inside the VPC only.
    pub private_only: bool,
    /// Whether EKS would delete it when asked.
    pub deletable: bool,
    /// Names of the add-ons that the settings ask for.
    pub addons: Vec<String>,
    /// Configuration of those add-ons that have one.
    pub addon_configuration: BTreeMap<String, Value>,
    /// Value of the tag `pipeline`.
    pub pipeline: String,
    /// For how many days the control plane's logs are kept.
    pub log_retention_days: u32,
    /// Whether add-ons' pods get their roles by EKS Pod Identity instead of the IAM OIDC provider.
    pub pod_identity: bool,
    /// The issuer by whose tokens people use the cluster, if the settings name one.
    pub identity_provider: Option<IdentityProviderSeed>,
    /// What Karpenter's controller may do: inline policies of its role by name.
    pub karpenter_policies: BTreeMap<String, Value>,
    /// What the settings ask for inside the cluster. In any text, [`SEEDED_FILE_SYSTEM`] stands for the
    /// id of the cluster's file system.
    pub objects: Vec<Value>,
    /// Karpenter as the settings ask for it, if they do.
    pub karpenter: Option<KarpenterSeed>,
    /// Further tags that the settings ask for on everything.
    pub tags: Vec<(String, String)>,
}

/// Karpenter's charts as the settings describe them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KarpenterSeed {
    /// Version of both charts.
    pub version: String,
    /// What the controller's chart is given.
    pub values: Value,
}

/// An OpenID Connect issuer of people's tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityProviderSeed {
    /// Name of the configuration.
    pub name: String,
    /// The issuer's URL.
    pub issuer_url: String,
    /// Whom the tokens are for.
    pub client_id: String,
    /// The claim that holds a person's groups.
    pub groups_claim: String,
}

/// A managed node group as the settings describe it.
#[derive(Debug, Clone, Default)]
pub struct NodeGroupSeed {
    /// Its name.
    pub name: String,
    /// Value of the label `node.kubernetes.io/role`.
    pub role: String,
    /// EKS AMI type (`BOTTLEROCKET_ARM_64`).
    pub ami_type: String,
    /// EC2 instance types, most wanted first.
    pub instance_types: Vec<String>,
    /// `ON_DEMAND` or `SPOT`.
    pub capacity_type: String,
    /// Disk in GiB.
    pub disk_size: i32,
    /// Nodes to have.
    pub desired_size: i32,
    /// Fewest nodes.
    pub min_size: i32,
    /// Most nodes.
    pub max_size: i32,
    /// How many nodes may be away during an update: a count (`1`) or a percentage (`33%`); empty
    /// for what EKS defaults to.
    pub max_unavailable: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_is_behind_shows_every_condition_once_it_has_three_clusters() {
        let conditions = |start: Start, of: usize| -> Vec<Option<Maker>> {
            (0..of).map(|place| start.maker(place, of)).collect()
        };
        let behind = Some(Maker::Pipeline(Condition::Behind));
        let right = Some(Maker::Pipeline(Condition::Right));
        assert_eq!(conditions(Start::Behind, 1), [behind]);
        assert_eq!(conditions(Start::Behind, 2), [behind, behind]);
        assert_eq!(conditions(Start::Behind, 4), [behind, right, behind, None]);
        assert_eq!(conditions(Start::Current, 3), [right; 3]);
        assert_eq!(conditions(Start::Fresh, 3), [None; 3]);
        assert_eq!(conditions(Start::Adopted, 2), [Some(Maker::Terraform); 2]);
    }
}
