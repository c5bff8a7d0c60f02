//! What EFS asks EC2 about: security groups.

use crate::ec2;
use crate::ids::stable_hex;

/// Whether a VPC has a security group.
pub(super) fn has_group(_ec2: &ec2::Region, group: &str, _vpc: &str) -> bool {
    group
        .strip_prefix("sg-")
        .is_some_and(|id| (8..=40).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The security group that a VPC puts things in that don't say another.
pub(super) fn default_group(vpc: &str) -> String {
    format!("sg-0{}", stable_hex(16, &[vpc, "default"]))
}
