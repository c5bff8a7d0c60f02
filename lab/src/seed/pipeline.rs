//! A cluster as the pipeline makes it: names that follow from the cluster's, and the pipeline's tags
//! on everything.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ClusterSeed;
use super::blueprint::{
    Blueprint, ControlPlane, FileSystem, INTERRUPTIONS, NodeGroup, OwnPolicy, Permissions, Roles,
    Rule, Tags, addon_roles, encryption, launch_tags, with,
};
use crate::eks::{Condition, key_arn};

/// The blueprint of a cluster that the pipeline made.
pub(crate) fn blueprint(
    seed: &ClusterSeed,
    condition: Condition,
    made_at: Timestamp,
) -> Blueprint<'_> {
    let cluster = &seed.name;
    let tags = tags(seed);
    let storage = format!("{cluster}-efs-csi-storage");
    Blueprint {
        seed,
        condition,
        made_at,
        cluster: ControlPlane {
            support_type: seed.support_type.clone(),
            deletion_protection: !seed.deletable,
            security_groups: Vec::new(),
            tags: with(&tags, [("karpenter.sh/discovery", cluster)]),
        },
        node_group: NodeGroup {
            name: seed.node_group.name.clone(),
            launch_template: format!("{cluster}-{}", seed.node_group.name),
            launch_data: launch_data(seed, &tags),
            max_unavailable: seed.node_group.max_unavailable.clone(),
            tags: tags.clone(),
        },
        roles: Roles {
            cluster: format!("{cluster}-cluster"),
            nodes: format!("{cluster}-eks-node-group"),
            addons: addon_roles(cluster),
            karpenter: format!("KarpenterController-{cluster}"),
            karpenter_nodes: format!("Karpenter-{cluster}"),
        },
        permissions: permissions(seed),
        file_system: FileSystem {
            creation_token: storage.clone(),
            tags: with(&tags, [("Name", &storage)]),
            security_group: storage,
            in_cluster_group: false,
        },
        rules: INTERRUPTIONS
            .into_iter()
            .map(|events| Rule {
                name: format!("{cluster}-{}", events.name),
                description: format!("Tells Karpenter of {cluster}: {}", events.detail_type),
                events,
                target: "KarpenterInterruptionQueueTarget".to_owned(),
                tags: tags.clone(),
            })
            .collect(),
        tags,
    }
}

/// What nodes need: to join, to pull images, to give pods addresses, to be reached.
/// Source: EKS User Guide, "Amazon EKS node IAM role".
const NODE_POLICIES: [&str; 4] = [
    "AmazonEKSWorkerNodePolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKS_CNI_Policy",
    "AmazonSSMManagedInstanceCore",
];

fn permissions(seed: &ClusterSeed) -> Permissions {
    let cluster = &seed.name;
    let karpenter = seed.karpenter_policies.iter();
    let mut own: Vec<_> = karpenter
        .map(|(name, document)| OwnPolicy {
            role: format!("KarpenterController-{cluster}"),
            name: name.clone(),
            managed: false,
            document: document.clone(),
        })
        .collect();
    own.push(OwnPolicy {
        role: format!("{cluster}-cluster"),
        name: "SecretsEncryption".to_owned(),
        managed: false,
        document: encryption(&key_arn(seed)),
    });
    Permissions {
        cluster: vec!["AmazonEKSClusterPolicy"],
        nodes: NODE_POLICIES.to_vec(),
        karpenter_nodes: NODE_POLICIES.to_vec(),
        addons: [
            ("vpc-cni", "AmazonEKS_CNI_Policy"),
            ("aws-ebs-csi-driver", "AmazonEBSCSIDriverPolicyV2"),
            (
                "aws-efs-csi-driver",
                "service-role/AmazonEFSCSIDriverPolicy",
            ),
        ]
        .into(),
        own,
    }
}

fn launch_data(seed: &ClusterSeed, tags: &Tags) -> Value {
    let bottlerocket = seed.node_group.ami_type.starts_with("BOTTLEROCKET");
    json!({
        "blockDeviceMappingSet": { "item": [{
            "deviceName": if bottlerocket { "/dev/xvdb" } else { "/dev/xvda" },
            "ebs": {
                "encrypted": true,
                "deleteOnTermination": true,
                "volumeSize": seed.node_group.disk_size,
                "volumeType": "gp3",
            },
        }] },
        "monitoring": { "enabled": true },
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        },
        "tagSpecificationSet": launch_tags(tags),
    })
}

fn tags(seed: &ClusterSeed) -> Tags {
    let name = &seed.name;
    let mut tags = Tags::from([
        ("pipeline".to_owned(), seed.pipeline.clone()),
        ("role".to_owned(), seed.role.clone()),
        ("cluster".to_owned(), name.clone()),
        ("made-by".to_owned(), "psk".to_owned()),
        (format!("kubernetes.io/cluster/{name}"), "owned".to_owned()),
    ]);
    tags.extend(seed.tags.iter().cloned());
    tags
}
