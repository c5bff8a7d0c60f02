//! What EFS asks EC2 about, security groups, and what it makes there: a network interface for each
//! mount target.

use std::collections::BTreeMap;

use super::state::Region;
use crate::ec2::{self, NetworkInterface};
use crate::ids::stable_hex;

/// Who manages the network interfaces of mount targets.
const REQUESTER: &str = "elasticfilesystem";

/// Whether a VPC has a security group.
pub(super) fn has_group(ec2: &ec2::Region, group: &str, vpc: &str) -> bool {
    let found = ec2.security_groups.get(group);
    found.is_some_and(|group| group.vpc_id == vpc) || group == default_group(vpc)
}

/// The security group that a VPC puts things in that don't say another.
pub(super) fn default_group(vpc: &str) -> String {
    format!("sg-0{}", stable_hex(16, &[vpc, "default"]))
}

/// Gives each mount target its network interface, as it is now, and takes away those of mount
/// targets that are gone. Source: EFS API reference, "CreateMountTarget".
pub(crate) fn keep_interfaces(efs: &Region, ec2: &mut ec2::Region) {
    let managed = |interface: &NetworkInterface| interface.requester.as_deref() == Some(REQUESTER);
    ec2.network_interfaces
        .retain(|_, interface| !managed(interface));
    for target in efs.mount_targets.values() {
        let interface = NetworkInterface {
            id: target.network_interface.clone(),
            subnet_id: target.subnet.clone(),
            private_ip: target.address.clone(),
            description: format!(
                "Mount target {} for file system {}",
                target.id, target.file_system
            ),
            interface_type: "interface".to_owned(),
            groups: target.security_groups.clone(),
            requester: Some(REQUESTER.to_owned()),
            tags: BTreeMap::new(),
        };
        ec2.network_interfaces
            .insert(interface.id.clone(), interface);
    }
}
