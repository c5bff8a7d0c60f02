//! The file system that a cluster's pods share, with a mount target in each of the nodes' subnets.

use super::blueprint::Blueprint;
use super::network;
use crate::efs::{Backup, FileSystem, Life, LifecyclePolicy, MountTarget, Throughput};
use crate::ids::stable_hex;
use crate::{ec2, efs};

/// Makes it, as it is once all of it is available. `cluster_group` is the security group that EKS
/// made for the cluster. Returns its id.
pub(super) fn make(
    efs: &mut efs::Region,
    ec2: &ec2::Region,
    blueprint: &Blueprint<'_>,
    cluster_group: &str,
) -> String {
    let seed = blueprint.seed;
    let since = blueprint.made_at;
    let id = |kind: &str, of: &str| {
        let names = [seed.account.as_str(), &seed.region, &seed.name, kind, of];
        format!("{kind}-0{}", stable_hex(16, &names))
    };
    let file_system = FileSystem {
        id: id("fs", ""),
        creation_token: blueprint.file_system.creation_token.clone(),
        created_at: since,
        life: Life::since(since),
        performance_mode: "generalPurpose".to_owned(),
        kms_key: Some(efs::own_key(&seed.account, &seed.region)),
        throughput: Throughput::Bursting,
        throughput_changed: None,
        zone: None,
        backup: Backup {
            enabled: true,
            since,
        },
        lifecycle: vec![LifecyclePolicy::ToInfrequentAccess(
            "AFTER_7_DAYS".to_owned(),
        )],
        overwrite_protection: true,
        policy: None,
        tags: blueprint.file_system.tags.clone(),
    };
    let own_group = network::security_group_id(seed, &blueprint.file_system.security_group);
    let mut security_groups = vec![own_group];
    if blueprint.file_system.in_cluster_group {
        security_groups.push(cluster_group.to_owned());
    }
    for subnet in network::subnets(ec2, seed, &seed.node_tier) {
        let target = MountTarget {
            id: id("fsmt", &subnet.id),
            file_system: file_system.id.clone(),
            subnet: subnet.id.clone(),
            life: Life::since(since),
            address: efs::first_address(subnet).unwrap_or_default(),
            network_interface: id("eni", &subnet.id),
            security_groups: security_groups.clone(),
        };
        efs.mount_targets.insert(target.id.clone(), target);
    }
    let made = file_system.id.clone();
    efs.file_systems.insert(made.clone(), file_system);
    made
}
