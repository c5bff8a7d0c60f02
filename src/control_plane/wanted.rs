//! What a cluster's settings ask of the resources that have much to be asked.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eks::types::AmiTypes;
use serde_json::Value;

use super::addon_defaults::addon_configuration;
use super::base::Intent;
use super::node_group::{self, Scaling, Taint};
use super::{Place, Tags, addon, cluster, karpenter_policy, roles};
use crate::inventory::{self, EksVersion, Settings};

/// What Karpenter's controller may do in a cluster of psk's making: the policies of its role by name.
pub fn karpenter_policies(settings: &Settings) -> BTreeMap<String, Value> {
    let place = Place::of(settings);
    let nodes = place.iam(&format!("role/{}", roles::karpenter_node_role_name(&place)));
    let mut policies = BTreeMap::from(karpenter_policy::of_the_cluster(&place));
    policies.insert(
        karpenter_policy::OF_THE_NODES,
        karpenter_policy::of_the_nodes(&place, &nodes),
    );
    let named = policies.into_iter();
    named
        .map(|(name, policy)| (name.to_owned(), policy))
        .collect()
}

/// The tags that everything gets. A key that the settings set too is the settings'.
pub fn tags(cluster: &inventory::Cluster, pipeline: &str) -> Tags {
    let name = cluster.settings.cluster_name.to_string();
    let mut tags = Tags::from([
        ("pipeline".to_owned(), pipeline.to_owned()),
        ("role".to_owned(), cluster.role.clone()),
        (format!("kubernetes.io/cluster/{name}"), "owned".to_owned()),
        ("cluster".to_owned(), name),
    ]);
    tags.extend(cluster.settings.tags.clone());
    tags
}

pub(super) fn cluster_wanted(
    settings: &Settings,
    version: EksVersion,
    intent: &Intent,
    tags: &Tags,
) -> cluster::Wanted {
    let name = settings.cluster_name.to_string();
    let mut tags = tags.clone();
    tags.insert("karpenter.sh/discovery".to_owned(), name.clone());
    let logs = settings.enable_log_types.iter();
    cluster::Wanted {
        name,
        version,
        log_types: logs.map(|log| log.as_str().to_owned()).collect(),
        endpoint_public_access: settings.endpoint_public_access,
        support_type: settings.upgrade_policy.as_str().to_owned(),
        deletion_protection: settings.deletion_protection,
        tags,
        force_upgrade: intent.force_upgrade.clone(),
    }
}

pub(super) fn node_group_wanted(
    settings: &Settings,
    version: EksVersion,
    ami_type: AmiTypes,
    tags: &Tags,
) -> node_group::Wanted {
    let name = settings.management_node_group_name.to_string();
    let role = settings.management_node_group_role.clone();
    let types = settings.management_node_group_instance_types.iter();
    node_group::Wanted {
        cluster: settings.cluster_name.to_string(),
        version,
        refresh: settings.auto_refresh_management_node_group,
        ami_type,
        capacity_type: settings
            .management_node_group_capacity_type
            .as_str()
            .to_owned(),
        instance_types: types.map(ToString::to_string).collect(),
        disk_size: settings.management_node_group_disk_size.gib(),
        scaling: Scaling {
            min: settings.management_node_group_min_size.get(),
            max: settings.management_node_group_max_size.get(),
            desired: settings.management_node_group_desired_size.get(),
        },
        labels: [
            ("nodegroup", name.as_str()),
            ("node.kubernetes.io/role", role.as_str()),
            ("karpenter.sh/controller", "true"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
        taints: BTreeSet::from([Taint {
            key: "dedicated".to_owned(),
            value: role.clone(),
            effect: "NO_SCHEDULE".to_owned(),
        }]),
        max_unavailable: settings.node_max_unavailable.to_string(),
        tags: tags.clone(),
        name,
    }
}

pub(super) fn addon_wanted(
    settings: &Settings,
    version: EksVersion,
    addon: &inventory::Addon,
    tags: &Tags,
) -> addon::Wanted {
    addon::Wanted {
        cluster: settings.cluster_name.to_string(),
        kubernetes: version,
        name: addon.name.clone(),
        version: addon.version.clone(),
        configuration: addon_configuration(settings, addon),
        resolve_conflicts: addon.resolve_conflicts,
        tags: tags.clone(),
    }
}
