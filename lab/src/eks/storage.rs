//! What the drivers of volumes find around a cluster: roles that they may use, and file systems that
//! its nodes can reach.

use jiff::Timestamp;

use super::addons::AddonState;
use super::rules::parse_cidr;
use super::state::Cluster;
use crate::ec2::{self, Peer, Rule};
use crate::efs::{self, Life, MountTarget};
use crate::iam::{self, Role};
use crate::kubernetes::facts::{self, Credentials};

const NFS: i32 = 2049;

/// The service account of an add-on that calls AWS, and how the names of the policies begin that AWS
/// manages for it. Source: AWS managed policies for Amazon EKS.
fn needs(addon: &str) -> Option<(&'static str, &'static str)> {
    match addon {
        "aws-ebs-csi-driver" => Some(("ebs-csi-controller-sa", "AmazonEBSCSIDriverPolicy")),
        "aws-efs-csi-driver" => Some(("efs-csi-controller-sa", "AmazonEFSCSIDriverPolicy")),
        _ => None,
    }
}

/// What the service account of an add-on may do.
pub(super) fn credentials(
    iam: &iam::Account,
    cluster: &Cluster,
    addon: &AddonState,
) -> Credentials {
    let Some((account, policy)) = needs(&addon.name) else {
        return Credentials::Allowed;
    };
    let own = addon.spec.role_arn.as_deref();
    let Some(arn) = own.or_else(|| cluster.role_of("kube-system", account)) else {
        return Credentials::None;
    };
    let name = arn.rsplit('/').next().unwrap_or_default();
    match iam.roles.get(name) {
        None => Credentials::Refused,
        Some(role) if allows(role, policy) => Credentials::Allowed,
        Some(_) => Credentials::NotAllowed(arn.to_owned()),
    }
}

/// Whether a role has the policy of that name, or one of its owner's making, which is taken to allow
/// what it is there for.
fn allows(role: &Role, policy: &str) -> bool {
    let is_own = |arn: &String| !arn.contains("::aws:policy/");
    let is_it = |arn: &String| {
        let name = arn.rsplit('/').next().unwrap_or_default();
        name.starts_with(policy) || name == "AdministratorAccess"
    };
    !role.inline.is_empty() || role.attached.iter().any(|arn| is_own(arn) || is_it(arn))
}

/// The file systems that are available, with their mount targets in a cluster's VPC.
pub(super) fn file_systems(
    efs: &efs::Region,
    ec2: &ec2::Region,
    cluster: &Cluster,
    now: Timestamp,
) -> Vec<facts::FileSystem> {
    let is_there = |life: &Life| life.ready <= now && life.gone.is_none();
    let systems = efs.file_systems.values();
    systems
        .filter(|system| is_there(&system.life))
        .map(|system| facts::FileSystem {
            id: system.id.clone(),
            targets: efs
                .mount_targets_of(&system.id)
                .filter(|target| is_there(&target.life))
                .filter_map(|target| {
                    let subnet = ec2.subnets.get(&target.subnet)?;
                    (subnet.vpc_id == cluster.vpc_id).then(|| facts::MountTarget {
                        zone: subnet.zone.clone(),
                        is_open: lets_in(ec2, target, subnet, cluster),
                    })
                })
                .collect(),
        })
        .collect()
}

/// Whether a mount target takes NFS from the nodes, which are in the cluster's own security group and,
/// as far as addresses go, in the target's subnet.
fn lets_in(ec2: &ec2::Region, target: &MountTarget, at: &ec2::Subnet, cluster: &Cluster) -> bool {
    let nodes = cluster.security_group();
    let is_of_nfs = |rule: &Rule| {
        let (first, last) = rule.ports.unwrap_or((0, i32::from(u16::MAX)));
        !rule.egress
            && matches!(rule.protocol.as_str(), "tcp" | "6" | "-1")
            && (first..=last).contains(&NFS)
    };
    let is_of_nodes = |rule: &Rule| match &rule.peer {
        Peer::Group { id, .. } => *id == nodes,
        Peer::Ipv4(block) => covers(block, &at.cidr),
        Peer::Ipv6(_) | Peer::PrefixList(_) => false,
    };
    // The group that EKS makes lets in whatever is in it.
    target.security_groups.contains(&nodes)
        || target
            .security_groups
            .iter()
            .filter_map(|id| ec2.security_groups.get(id))
            .flat_map(|group| &group.rules)
            .any(|rule| is_of_nfs(rule) && is_of_nodes(rule))
}

/// Whether one block of addresses has all of another in it.
fn covers(outer: &str, inner: &str) -> bool {
    let (Ok((outer, length)), Ok((inner, longer))) = (parse_cidr(outer), parse_cidr(inner)) else {
        return false;
    };
    let first = |address: std::net::Ipv4Addr| {
        let host_bits = 32 - length.min(32);
        u64::from(u32::from(address)) >> host_bits
    };
    length <= longer && first(outer) == first(inner)
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_block_covers_those_within_it() {
        for (outer, inner, is_covered) in [
            ("0.0.0.0/0", "10.0.1.0/24", true),
            ("10.0.0.0/16", "10.0.1.0/24", true),
            ("10.0.1.0/24", "10.0.1.0/24", true),
            ("10.0.1.0/25", "10.0.1.0/24", false),
            ("10.1.0.0/16", "10.0.1.0/24", false),
            ("10.0.1.7/32", "10.0.1.0/24", false),
        ] {
            assert_eq!(covers(outer, inner), is_covered, "{outer} {inner}");
        }
    }
}
