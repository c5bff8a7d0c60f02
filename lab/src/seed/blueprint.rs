//! What a cluster's base is made of, told in plain values: what [`super::pipeline`] and
//! [`super::terraform`] decide, and the other modules here make.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ClusterSeed;
use crate::eks::Condition;

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// One cluster with everything around it.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint<'a> {
    /// The cluster as its settings describe it.
    pub(crate) seed: &'a ClusterSeed,
    /// How far it is from them.
    pub(crate) condition: Condition,
    /// When it was made.
    pub(crate) made_at: Timestamp,
    /// Tags of everything that says no others.
    pub(crate) tags: Tags,
    /// The control plane.
    pub(crate) cluster: ControlPlane,
    /// The managed node group.
    pub(crate) node_group: NodeGroup,
    /// Who may do what.
    pub(crate) roles: Roles,
    /// What the roles may do.
    pub(crate) permissions: Permissions,
    /// Where pods share files.
    pub(crate) file_system: FileSystem,
    /// The rules that send interruptions to Karpenter's queue.
    pub(crate) rules: Vec<Rule>,
}

/// What a control plane has that the settings don't say, or that is other than they say.
#[derive(Debug, Clone)]
pub(crate) struct ControlPlane {
    /// `STANDARD` or `EXTENDED`; empty for what EKS defaults to.
    pub(crate) support_type: String,
    /// Whether EKS refuses to delete it.
    pub(crate) deletion_protection: bool,
    /// Ids of security groups that its network interfaces have besides EKS's own.
    pub(crate) security_groups: Vec<String>,
    /// All its tags.
    pub(crate) tags: Tags,
}

/// What a managed node group has that the settings don't say, or that is other than they say.
#[derive(Debug, Clone)]
pub(crate) struct NodeGroup {
    /// Its full name.
    pub(crate) name: String,
    /// Name of its launch template.
    pub(crate) launch_template: String,
    /// What its launch template says, as EC2 keeps it.
    pub(crate) launch_data: Value,
    /// How many nodes may be away during an update: a count or a percentage.
    pub(crate) max_unavailable: String,
    /// All its tags.
    pub(crate) tags: Tags,
}

/// Paths and names of the roles (`PSKRoles/c-vpc-cni`).
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    /// The control plane's.
    pub(crate) cluster: String,
    /// The managed nodes'.
    pub(crate) nodes: String,
    /// Those of add-ons' pods, by add-on.
    pub(crate) addons: BTreeMap<&'static str, String>,
    /// Karpenter's.
    pub(crate) karpenter: String,
    /// That of the nodes that Karpenter makes.
    pub(crate) karpenter_nodes: String,
}

/// What the roles may do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permissions {
    /// AWS's managed policies of the control plane's role, with their paths.
    pub(crate) cluster: Vec<&'static str>,
    /// Those of the managed nodes' role.
    pub(crate) nodes: Vec<&'static str>,
    /// Those of the role of the nodes that Karpenter makes.
    pub(crate) karpenter_nodes: Vec<&'static str>,
    /// AWS's managed policies of add-ons' roles, by add-on.
    pub(crate) addons: BTreeMap<&'static str, &'static str>,
    /// What the account itself says that roles may do.
    pub(crate) own: Vec<OwnPolicy>,
}

/// A policy that isn't AWS's.
#[derive(Debug, Clone)]
pub(crate) struct OwnPolicy {
    /// Path and name of the role.
    pub(crate) role: String,
    /// Its name.
    pub(crate) name: String,
    /// Whether it is a managed policy that is attached, or else part of the role.
    pub(crate) managed: bool,
    /// The document.
    pub(crate) document: Value,
}

/// The file system.
#[derive(Debug, Clone)]
pub(crate) struct FileSystem {
    /// The token that it was made with.
    pub(crate) creation_token: String,
    /// All its tags.
    pub(crate) tags: Tags,
    /// Full name of the security group of its mount targets.
    pub(crate) security_group: String,
    /// Whether its mount targets have the cluster's own security group as well.
    pub(crate) in_cluster_group: bool,
}

/// A rule that sends a kind of events to Karpenter's queue.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Its full name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// The kind of events.
    pub(crate) events: Events,
    /// Id of its target.
    pub(crate) target: String,
    /// All its tags.
    pub(crate) tags: Tags,
}

/// A kind of events that tells of an interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Events {
    /// A short name for it.
    pub(crate) name: &'static str,
    /// The service that sends them.
    pub(crate) source: &'static str,
    /// What that service calls them.
    pub(crate) detail_type: &'static str,
}

/// Every kind of events that Karpenter listens to.
/// Source: Karpenter's documentation, "Disruption", section "Interruption".
pub(crate) const INTERRUPTIONS: [Events; 4] = [
    Events {
        name: "HealthEvent",
        source: "aws.health",
        detail_type: "AWS Health Event",
    },
    Events {
        name: "SpotInterrupt",
        source: "aws.ec2",
        detail_type: "EC2 Spot Instance Interruption Warning",
    },
    Events {
        name: "InstanceRebalance",
        source: "aws.ec2",
        detail_type: "EC2 Instance Rebalance Recommendation",
    },
    Events {
        name: "InstanceStateChange",
        source: "aws.ec2",
        detail_type: "EC2 Instance State-change Notification",
    },
];

/// What the names of add-ons' roles end in, by add-on, with the service account that each is for.
pub(crate) const ADDON_ROLES: [AddonRole; 3] = [
    AddonRole {
        addon: "vpc-cni",
        suffix: "vpc-cni",
        service_account: "aws-node",
    },
    AddonRole {
        addon: "aws-ebs-csi-driver",
        suffix: "ebs-csi-controller-sa",
        service_account: "ebs-csi-controller-sa",
    },
    AddonRole {
        addon: "aws-efs-csi-driver",
        suffix: "efs-csi-controller-sa",
        service_account: "efs-csi-controller-sa",
    },
];

/// The role of an add-on's pods.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddonRole {
    /// The add-on.
    pub(crate) addon: &'static str,
    /// What the role's name ends in.
    pub(crate) suffix: &'static str,
    /// The pods' service account, in `kube-system`.
    pub(crate) service_account: &'static str,
}

impl Blueprint<'_> {
    /// ARN of a role, given by path and name.
    pub(crate) fn role_arn(&self, path_and_name: &str) -> String {
        format!("arn:aws:iam::{}:role/{path_and_name}", self.seed.account)
    }

    /// Name of the interruption queue, which Karpenter is told.
    pub(crate) fn queue(&self) -> String {
        format!("Karpenter-{}", self.seed.name)
    }
}

/// What lets a control plane encrypt secrets with a key.
pub(super) fn encryption(key: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ListGrants", "kms:DescribeKey"],
            "Resource": key,
        }],
    })
}

/// The tags of everything that instances bring along, as a launch template says them.
pub(super) fn launch_tags(tags: &Tags) -> Value {
    let set: Vec<_> = tags
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    let items: Vec<_> = ["instance", "volume", "network-interface"]
        .into_iter()
        .map(|kind| json!({ "resourceType": kind, "tagSet": { "item": set } }))
        .collect();
    json!({ "item": items })
}

/// Paths and names of the roles of add-ons' pods.
pub(super) fn addon_roles(cluster: &str) -> BTreeMap<&'static str, String> {
    ADDON_ROLES
        .iter()
        .map(|role| (role.addon, format!("PSKRoles/{cluster}-{}", role.suffix)))
        .collect()
}

/// Tags with some more.
pub(super) fn with<const N: usize>(tags: &Tags, more: [(&str, &str); N]) -> Tags {
    let mut tags = tags.clone();
    tags.extend(more.map(|(key, value)| (key.to_owned(), value.to_owned())));
    tags
}
