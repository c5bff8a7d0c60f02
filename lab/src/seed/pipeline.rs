//! A cluster as the pipeline makes it: names that follow from the cluster's, and the pipeline's tags
//! on everything.

use jiff::Timestamp;

use super::ClusterSeed;
use super::blueprint::{
    Blueprint, ControlPlane, FileSystem, INTERRUPTIONS, NodeGroup, Roles, Rule, Tags, addon_roles,
    with,
};
use crate::eks::Condition;

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

fn tags(seed: &ClusterSeed) -> Tags {
    let name = &seed.name;
    let mut tags = Tags::from([
        ("pipeline".to_owned(), seed.pipeline.clone()),
        ("role".to_owned(), seed.role.clone()),
        ("cluster".to_owned(), name.clone()),
        (format!("kubernetes.io/cluster/{name}"), "owned".to_owned()),
    ]);
    tags.extend(seed.tags.iter().cloned());
    tags
}
