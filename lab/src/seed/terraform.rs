//! A cluster as Terraform made it before there was the pipeline: with the modules
//! terraform-aws-modules/eks 20.33 and its karpenter submodule, aws-ia/eks-blueprints-addons 1.19,
//! terraform-aws-modules/iam's iam-role-for-service-accounts-eks 5.39 and cloudposse/efs 1.1, called
//! with the settings that the seed of the inventory has.
//!
//! What these modules name by a prefix gets Terraform's suffix, and their defaults are left where
//! the caller sets nothing.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::ClusterSeed;
use super::blueprint::{
    Blueprint, ControlPlane, FileSystem, INTERRUPTIONS, NodeGroup, OwnPolicy, Permissions, Roles,
    Rule, Tags, addon_roles, encryption, launch_tags, with,
};
use crate::eks::{Condition, key_arn};
use crate::ids::digest;

/// The pipeline's name in Terraform's default tags.
const PIPELINE: &str = "psk-aws-control-plane-base";
/// The longest prefix of a role's name that Terraform takes: 64 characters less its suffix.
const LONGEST_ROLE_PREFIX: usize = 38;

/// The blueprint of a cluster that Terraform made.
pub(crate) fn blueprint(seed: &ClusterSeed, made_at: Timestamp) -> Blueprint<'_> {
    let cluster = &seed.name;
    let names = Suffixes::new(seed, made_at);
    // The provider's default tags.
    let tags = Tags::from([
        ("pipeline".to_owned(), PIPELINE.to_owned()),
        (
            format!("kubernetes.io/cluster/{cluster}"),
            "shared".to_owned(),
        ),
    ]);
    // Those that the EKS module is given besides.
    let of_eks = with(&tags, [("karpenter.sh/discovery", cluster)]);
    let group = &seed.node_group.name;
    let storage = format!("{cluster}-efs-csi-storage");
    let security_group = names.of(&format!("{cluster}-cluster"), 2);
    Blueprint {
        seed,
        condition: Condition::Right,
        made_at: names.born,
        cluster: ControlPlane {
            support_type: "EXTENDED".to_owned(),
            deletion_protection: false,
            security_groups: vec![super::network::security_group_id(seed, &security_group)],
            tags: with(&of_eks, [("terraform-aws-modules", "eks")]),
        },
        node_group: NodeGroup {
            name: names.of(group, 16),
            launch_template: names.of(group, 14),
            launch_data: launch_data(seed, group, &tags),
            max_unavailable: "33%".to_owned(),
            tags: with(&of_eks, [("Name", group)]),
        },
        roles: Roles {
            // iam_role_use_name_prefix = false
            cluster: format!("{cluster}-cluster"),
            nodes: names.role(&format!("{group}-eks-node-group"), 1),
            addons: addon_roles(cluster),
            karpenter: names.role("KarpenterController", 18),
            karpenter_nodes: names.role(&format!("Karpenter-{cluster}"), 19),
        },
        permissions: permissions(seed, &names),
        file_system: FileSystem {
            creation_token: names.of("terraform", 4),
            tags: with(&tags, [("Name", &storage), ("cluster", cluster)]),
            security_group: names.of(&storage, 5),
            in_cluster_group: true,
        },
        rules: INTERRUPTIONS
            .into_iter()
            .zip(20..)
            .map(|(events, counter)| Rule {
                name: names.of(&format!("Karpenter{}", events.name), counter),
                description: format!("Karpenter interrupt - {}", events.detail_type),
                events,
                target: "KarpenterInterruptionQueueTarget".to_owned(),
                tags: with(&tags, [("ClusterName", cluster)]),
            })
            .collect(),
        tags,
    }
}

/// Source: node_groups.tf and modules/karpenter of terraform-aws-modules/eks 20.33, whose nodes pull
/// images by the wider of the two policies.
const NODE_POLICIES: [&str; 3] = [
    "AmazonEKSWorkerNodePolicy",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEKS_CNI_Policy",
];

/// The modules make policies of their own for the key and for each service account.
fn permissions(seed: &ClusterSeed, names: &Suffixes) -> Permissions {
    let cluster = &seed.name;
    let managed = |role: &str, name: String, document: Value| OwnPolicy {
        role: role.to_owned(),
        name,
        managed: true,
        document,
    };
    let statements: Vec<_> = seed
        .karpenter_policies
        .values()
        .filter_map(|document| document["Statement"].as_array())
        .flatten()
        .collect();
    let mut own = vec![
        managed(
            &format!("{cluster}-cluster"),
            names.of(&format!("{cluster}-cluster-ClusterEncryption"), 6),
            encryption(&key_arn(seed)),
        ),
        managed(
            &names.role("KarpenterController", 18),
            names.of("KarpenterController", 21),
            json!({ "Version": "2012-10-17", "Statement": statements }),
        ),
    ];
    let addons = addon_roles(cluster);
    for (counter, (addon, policy, actions)) in (7..).zip([
        (
            "vpc-cni",
            "AmazonEKS_CNI_Policy",
            "ec2:AssignPrivateIpAddresses",
        ),
        (
            "aws-ebs-csi-driver",
            "AmazonEKS_EBS_CSI_Policy",
            "ec2:CreateVolume",
        ),
        (
            "aws-efs-csi-driver",
            "AmazonEKS_EFS_CSI_Policy",
            "elasticfilesystem:CreateAccessPoint",
        ),
    ]) {
        let role = addons.get(addon).cloned().unwrap_or_default();
        let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
        own.push(managed(&role, names.of(policy, counter), document));
    }
    Permissions {
        cluster: vec!["AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController"],
        nodes: NODE_POLICIES.to_vec(),
        karpenter_nodes: NODE_POLICIES.to_vec(),
        addons: Default::default(),
        own,
    }
}

/// The module's own template: its metadata options let containers in, and the disk is the image's.
fn launch_data(seed: &ClusterSeed, group: &str, tags: &Tags) -> Value {
    let nodes = super::network::security_group_id(seed, &format!("{}-node", seed.name));
    json!({
        "monitoring": { "enabled": true },
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 2,
        },
        "securityGroupIdSet": { "item": [nodes] },
        "tagSpecificationSet": launch_tags(&with(tags, [("Name", group)])),
    })
}

/// What Terraform puts behind a prefix: the time to a ten-thousandth of a second, and a counter.
struct Suffixes {
    /// When this cluster's run was: some time within a day, another for each cluster.
    born: Timestamp,
}

impl Suffixes {
    fn new(seed: &ClusterSeed, made_at: Timestamp) -> Self {
        let digest = digest(&["terraform", &seed.account, &seed.region, &seed.name]);
        let within_a_day = digest.iter().fold(0_i64, |sum, byte| {
            (sum * 256 + i64::from(*byte)) % 864_000_000
        });
        let later = SignedDuration::from_micros(within_a_day * 100);
        Self {
            born: made_at.checked_sub(later).unwrap_or(made_at),
        }
    }

    fn of(&self, prefix: &str, counter: u32) -> String {
        let seconds = self.born.strftime("%Y%m%d%H%M%S");
        let fraction = self.born.subsec_nanosecond() / 100_000;
        format!("{prefix}-{seconds}{fraction:04}{counter:08x}")
    }

    /// A role's name. Where the prefix is too long, people turned it off.
    fn role(&self, prefix: &str, counter: u32) -> String {
        if prefix.len() < LONGEST_ROLE_PREFIX {
            self.of(prefix, counter)
        } else {
            prefix.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(cluster: &str) -> Blueprint<'static> {
        let seed = Box::leak(Box::new(ClusterSeed {
            name: cluster.to_owned(),
            account: "111122223333".to_owned(),
            region: "us-east-2".to_owned(),
            ..ClusterSeed::default()
        }));
        seed.node_group.name = "management-arm-rkt-mng".to_owned();
        blueprint(seed, "2026-11-23T08:00:00Z".parse().unwrap())
    }

    #[test]
    fn names_have_terraforms_suffix() {
        let made = made("prod-i01-aws-us-east-2");
        let suffix = made.node_group.name.strip_prefix("management-arm-rkt-mng-");
        let suffix = suffix.unwrap();
        assert_eq!(suffix.len(), 26, "{suffix}");
        assert!(
            suffix.starts_with("202611") && suffix.ends_with("00000010"),
            "{suffix}"
        );
        assert!(suffix.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(made.rules[0].name.starts_with("KarpenterHealthEvent-2026"));
        assert!(
            made.roles
                .karpenter_nodes
                .starts_with("Karpenter-prod-i01-aws-us-east-2-2026")
        );
        assert_eq!(made.roles.cluster, "prod-i01-aws-us-east-2-cluster");
    }

    #[test]
    fn two_clusters_of_an_account_share_no_name() {
        let (one, two) = (
            made("prod-i01-aws-us-east-2"),
            made("prod-i02-aws-us-east-2"),
        );
        assert_ne!(one.roles.karpenter, two.roles.karpenter);
        assert_ne!(one.rules[0].name, two.rules[0].name);
    }

    #[test]
    fn a_role_keeps_within_iams_limit() {
        let made = made("nonprod-i01-aws-ap-southeast-2");
        assert_eq!(
            made.roles.karpenter_nodes,
            "Karpenter-nonprod-i01-aws-ap-southeast-2"
        );
        assert!(made.roles.nodes.len() <= 64);
    }
}
