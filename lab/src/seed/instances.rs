//! What a cluster has in EC2: its security groups, and the launch template of its node group.

use std::collections::BTreeMap;

use super::blueprint::Blueprint;
use super::network;
use crate::ec2::{LaunchTemplate, LaunchTemplateVersion, Peer, Region, Rule, SecurityGroup};
use crate::eks;
use crate::ids::stable_hex;

/// The port of NFS.
const NFS: i32 = 2049;

/// Makes the security group of the file system, which lets in the cluster's own, and those that the
/// control plane has besides. The cluster's own, which EKS made, gets the tags by which Karpenter
/// finds it.
pub(super) fn security_groups(ec2: &mut Region, blueprint: &Blueprint<'_>, cluster_group: &str) {
    let seed = blueprint.seed;
    let Some(vpc) = network::subnets(ec2, seed, &seed.node_tier)
        .first()
        .map(|subnet| subnet.vpc_id.clone())
    else {
        return;
    };
    if let Some(group) = ec2.security_groups.get_mut(cluster_group) {
        group.tags.extend(blueprint.cluster.tags.clone());
    }
    let name = &blueprint.file_system.security_group;
    let id = network::security_group_id(seed, name);
    let mut group = SecurityGroup::new(id.clone(), name, "NFS from the nodes", &vpc);
    group.tags.clone_from(&blueprint.tags);
    group.rules.push(Rule {
        id: format!("sgr-0{}", stable_hex(16, &[&id, "nfs"])),
        egress: false,
        protocol: "tcp".to_owned(),
        ports: Some((NFS, NFS)),
        peer: Peer::Group {
            id: cluster_group.to_owned(),
            account: seed.account.clone(),
        },
        description: Some("NFS from the nodes".to_owned()),
        tags: BTreeMap::new(),
    });
    ec2.security_groups.insert(id, group);
    for id in &blueprint.cluster.security_groups {
        let name = format!("{}-cluster-additional", seed.name);
        let mut group = SecurityGroup::new(id.clone(), &name, "EKS cluster security group", &vpc);
        group.tags.clone_from(&blueprint.tags);
        ec2.security_groups.insert(id.clone(), group);
    }
}

/// Makes the launch template.
pub(super) fn launch_template(ec2: &mut Region, blueprint: &Blueprint<'_>) {
    let group = &blueprint.node_group;
    let made_by = blueprint.role_arn(blueprint.seed.assume_role.trim_start_matches('/'));
    let version = LaunchTemplateVersion {
        description: None,
        created: blueprint.made_at,
        created_by: made_by.clone(),
        data: group.launch_data.clone(),
        token: None,
    };
    let id = eks::launch_template_id(&group.launch_template);
    let template = LaunchTemplate {
        id: id.clone(),
        name: group.launch_template.clone(),
        created: blueprint.made_at,
        created_by: made_by,
        default_version: 1,
        latest_version: 1,
        versions: BTreeMap::from([(1, version)]),
        tags: blueprint.tags.clone(),
        token: None,
    };
    ec2.launch_templates.insert(id, template);
}
