//! What EKS asks EC2 about, which VPC and availability zones subnets are in, and what it makes there:
//! a security group per cluster.

use std::collections::BTreeSet;

use super::error::invalid_parameter;
use super::state::Region;
use crate::call::ServiceError;
use crate::ec2;

/// The VPC of these subnets.
///
/// # Errors
/// `InvalidParameterException` if one doesn't exist or they aren't of one VPC.
pub(super) fn vpc_of(ec2: &ec2::Region, subnet_ids: &[String]) -> Result<String, ServiceError> {
    let mut vpcs = BTreeSet::new();
    for id in subnet_ids {
        let subnet = ec2
            .subnets
            .get(id)
            .ok_or_else(|| invalid_parameter(format!("The subnet ID '{id}' does not exist")))?;
        vpcs.insert(&subnet.vpc_id);
    }
    let mut vpcs = vpcs.into_iter();
    match (vpcs.next(), vpcs.next()) {
        (Some(vpc), None) => Ok(vpc.clone()),
        (Some(_), Some(_)) => Err(invalid_parameter(
            "Subnets specified must belong to one VPC",
        )),
        (None, _) => Err(invalid_parameter("No subnets were specified")),
    }
}

/// Checks that these subnets can hold a control plane, and names their VPC.
///
/// # Errors
/// `InvalidParameterException` if one doesn't exist, or they aren't of one VPC and at least two
/// availability zones, which is what the control plane's network interfaces need.
pub(super) fn control_plane_vpc(
    ec2: &ec2::Region,
    subnet_ids: &[String],
) -> Result<String, ServiceError> {
    let vpc = vpc_of(ec2, subnet_ids)?;
    let zones: BTreeSet<_> = subnet_ids
        .iter()
        .filter_map(|id| ec2.subnets.get(id))
        .map(|s| &s.zone)
        .collect();
    if zones.len() < 2 {
        return Err(invalid_parameter(
            "Subnets specified must be in at least two different AZs",
        ));
    }
    Ok(vpc)
}

/// Tag of what EKS made in EC2 for a cluster.
const OWNER: &str = "aws:eks:cluster-name";

/// Makes the security group of each cluster that has none yet, and takes away those of clusters that
/// are gone. Source: EKS User Guide, "View Amazon EKS security group requirements for clusters".
pub(crate) fn keep_security_groups(eks: &Region, ec2: &mut ec2::Region) {
    ec2.security_groups.retain(|id, group| {
        let owner = group.tags.get(OWNER);
        let owner = owner.map(|name| eks.clusters.get(name));
        owner.is_none_or(|cluster| cluster.is_some_and(|c| c.security_group() == *id))
    });
    for cluster in eks.clusters.values() {
        let id = cluster.security_group();
        if ec2.security_groups.contains_key(&id) {
            continue;
        }
        let number = id.trim_start_matches("sg-0");
        let name = format!("eks-cluster-sg-{}-{number}", cluster.name);
        let description = "EKS created security group applied to ENI that is attached to EKS Control \
                           Plane master nodes, as well as any managed workloads.";
        let mut group = ec2::SecurityGroup::new(id.clone(), &name, description, &cluster.vpc_id)
            .open_to_itself(&cluster.account);
        group.tags = [
            (OWNER.to_owned(), cluster.name.clone()),
            ("Name".to_owned(), name),
            (
                format!("kubernetes.io/cluster/{}", cluster.name),
                "owned".to_owned(),
            ),
        ]
        .into();
        ec2.security_groups.insert(id, group);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn check(ids: &[&str]) -> Result<String, String> {
        let subnet = |id: &str, vpc: &str, zone: &str| {
            let subnet = ec2::Subnet {
                id: id.to_owned(),
                vpc_id: vpc.to_owned(),
                cidr: "10.0.0.0/24".to_owned(),
                zone: zone.to_owned(),
                zone_id: zone.to_owned(),
                available_addresses: 250,
                map_public_ip: false,
                tags: BTreeMap::new(),
            };
            (id.to_owned(), subnet)
        };
        let ec2 = ec2::Region {
            subnets: BTreeMap::from([
                subnet("subnet-1", "vpc-1", "a"),
                subnet("subnet-2", "vpc-1", "b"),
                subnet("subnet-3", "vpc-1", "a"),
                subnet("subnet-4", "vpc-2", "b"),
            ]),
            ..ec2::Region::default()
        };
        let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
        control_plane_vpc(&ec2, &ids).map_err(|e| e.message)
    }

    #[test]
    fn a_control_plane_needs_two_zones_of_one_vpc() {
        assert_eq!(check(&["subnet-1", "subnet-2"]), Ok("vpc-1".to_owned()));
        for (ids, why) in [
            (&["subnet-1", "subnet-3"][..], "two different AZs"),
            (&["subnet-1"], "two different AZs"),
            (&["subnet-1", "subnet-4"], "one VPC"),
            (&["subnet-1", "subnet-9"], "'subnet-9' does not exist"),
            (&[], "No subnets"),
        ] {
            let message = check(ids).expect_err(why);
            assert!(message.contains(why), "{message}");
        }
    }
}
