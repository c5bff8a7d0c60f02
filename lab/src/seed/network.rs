//! The network that each cluster finds: a VPC with subnets in three availability zones.

use std::collections::BTreeMap;

use super::ClusterSeed;
use crate::ec2::{Region, Subnet, Vpc};
use crate::ids::stable_hex;
use crate::world::World;

/// Value of the `Tier` tag of the subnets that load balancers are put in.
const PUBLIC_TIER: &str = "public";
/// The zones of a region that are used, by their letters.
const ZONES: [char; 3] = ['a', 'b', 'c'];
/// What AWS keeps of a subnet's addresses for itself.
const RESERVED: u32 = 5;

/// A kind of subnets.
struct Tier<'a> {
    name: &'a str,
    /// Third octet of the first zone's block, and how far the next zone's is from it.
    octets: (u8, u8),
    prefix: u32,
    /// Tags besides `Name` and `Tier`.
    tags: Vec<(String, String)>,
}

/// Makes a cluster's VPC and subnets, unless there is a VPC of that name.
///
/// Each VPC has a /16 of its own, so that up to 256 of an account don't overlap.
pub(super) fn vpc(world: &mut World, cluster: &ClusterSeed) {
    let account = world.account(&cluster.account);
    let number = account
        .regions
        .values()
        .map(|region| region.ec2.vpcs.len())
        .sum::<usize>()
        % 256;
    let ec2 = world.ec2(&cluster.account, &cluster.region);
    let name = format!("{}-vpc", cluster.name);
    if ec2
        .vpcs
        .values()
        .any(|vpc| vpc.tags.get("Name") == Some(&name))
    {
        return;
    }
    let id = |kind: &str, of: &str| {
        let names = [cluster.account.as_str(), &cluster.region, &cluster.name, of];
        format!("{kind}-0{}", stable_hex(16, &names))
    };
    let vpc = Vpc {
        id: id("vpc", ""),
        cidr: format!("10.{number}.0.0/16"),
        tags: BTreeMap::from([("Name".to_owned(), name.clone())]),
    };
    for tier in tiers(cluster) {
        for (index, letter) in (0_u8..).zip(ZONES) {
            let zone = format!("{}{letter}", cluster.region);
            let (first, step) = tier.octets;
            let mut tags = BTreeMap::from([
                ("Name".to_owned(), format!("{name}-{}-{zone}", tier.name)),
                ("Tier".to_owned(), tier.name.to_owned()),
            ]);
            tags.extend(tier.tags.iter().cloned());
            let subnet = Subnet {
                id: id("subnet", &format!("{}/{zone}", tier.name)),
                vpc_id: vpc.id.clone(),
                cidr: format!("10.{number}.{}.0/{}", first + index * step, tier.prefix),
                zone_id: format!("{}-az{}", short_region(&cluster.region), index + 1),
                zone,
                available_addresses: (1 << (32 - tier.prefix)) - RESERVED,
                map_public_ip: tier.name == PUBLIC_TIER,
                tags,
            };
            ec2.subnets.insert(subnet.id.clone(), subnet);
        }
    }
    ec2.vpcs.insert(vpc.id.clone(), vpc);
}

/// The subnets of a tier of a cluster's network, by id.
pub(crate) fn subnets<'w>(ec2: &'w Region, cluster: &ClusterSeed, tier: &str) -> Vec<&'w Subnet> {
    let has = |tags: &BTreeMap<String, String>, key: &str, value: &str| {
        tags.get(key).is_some_and(|v| v == value)
    };
    let name = format!("{}-vpc", cluster.name);
    let vpc = ec2.vpcs.values().find(|vpc| has(&vpc.tags, "Name", &name));
    ec2.subnets
        .values()
        .filter(|subnet| vpc.is_some_and(|vpc| vpc.id == subnet.vpc_id))
        .filter(|subnet| has(&subnet.tags, "Tier", tier))
        .collect()
}

/// The id of a security group of a cluster's VPC, which follows from its name.
pub(super) fn security_group_id(cluster: &ClusterSeed, name: &str) -> String {
    let names = [
        cluster.account.as_str(),
        &cluster.region,
        &cluster.name,
        name,
    ];
    format!("sg-0{}", stable_hex(16, &names))
}

/// The tiers of a cluster's network. Names that are the same make one tier.
fn tiers(cluster: &ClusterSeed) -> Vec<Tier<'_>> {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let all = [
        Tier {
            name: &cluster.node_tier,
            octets: (0, 32),
            prefix: 19,
            tags: vec![
                tag("karpenter.sh/discovery", &cluster.name),
                tag("kubernetes.io/role/internal-elb", "1"),
            ],
        },
        Tier {
            name: &cluster.intra_tier,
            octets: (104, 1),
            prefix: 24,
            tags: Vec::new(),
        },
        Tier {
            name: PUBLIC_TIER,
            octets: (96, 1),
            prefix: 24,
            tags: vec![tag("kubernetes.io/role/elb", "1")],
        },
    ];
    let mut tiers: Vec<Tier<'_>> = Vec::new();
    for tier in all {
        if !tier.name.is_empty() && tiers.iter().all(|other| other.name != tier.name) {
            tiers.push(tier);
        }
    }
    tiers
}

/// A region as ids of availability zones name it: `use1` for us-east-1, `apse2` for
/// ap-southeast-2.
fn short_region(region: &str) -> String {
    region
        .split('-')
        .map(|part| match part {
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            "north" | "south" | "east" | "west" | "central" => &part[..1],
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;

    use super::*;

    fn cluster(name: &str, region: &str) -> ClusterSeed {
        ClusterSeed {
            name: name.into(),
            account: "111122223333".into(),
            region: region.into(),
            node_tier: "node".into(),
            intra_tier: "intra".into(),
            ..ClusterSeed::default()
        }
    }

    fn range(cidr: &str) -> (u32, u32) {
        let (address, prefix) = cidr.split_once('/').unwrap();
        let first = u32::from(address.parse::<std::net::Ipv4Addr>().unwrap());
        let size = 1_u32 << (32 - prefix.parse::<u32>().unwrap());
        assert_eq!(first % size, 0, "{cidr} begins at a multiple of its size");
        (first, first + size - 1)
    }

    #[test]
    fn blocks_of_one_account_do_not_overlap_and_lie_in_their_vpc() {
        let mut world = World::empty(Timestamp::UNIX_EPOCH, [0; 32]);
        for name in ["a", "b"] {
            vpc(&mut world, &cluster(name, "us-east-1"));
            vpc(&mut world, &cluster(name, "eu-west-1"));
            vpc(&mut world, &cluster(name, "eu-west-1"));
        }
        let regions: Vec<_> = world.accounts["111122223333"].regions.values().collect();
        let vpcs: Vec<&Vpc> = regions.iter().flat_map(|r| r.ec2.vpcs.values()).collect();
        let subnets: Vec<&Subnet> = regions
            .iter()
            .flat_map(|r| r.ec2.subnets.values())
            .collect();
        assert_eq!((vpcs.len(), subnets.len()), (4, 36));

        let mut blocks: Vec<_> = subnets.iter().map(|subnet| range(&subnet.cidr)).collect();
        blocks.sort_unstable();
        assert!(
            blocks.windows(2).all(|pair| pair[0].1 < pair[1].0),
            "{blocks:?}"
        );
        for subnet in &subnets {
            let vpc = vpcs.iter().find(|vpc| vpc.id == subnet.vpc_id).unwrap();
            let (outer, inner) = (range(&vpc.cidr), range(&subnet.cidr));
            assert!(
                outer.0 <= inner.0 && inner.1 <= outer.1,
                "{} in {}",
                subnet.cidr,
                vpc.cidr
            );
        }
    }

    #[test]
    fn a_tier_has_a_subnet_in_each_of_three_zones() {
        let mut world = World::empty(Timestamp::UNIX_EPOCH, [0; 32]);
        vpc(&mut world, &cluster("a", "ap-southeast-2"));
        let ec2 = world.ec2("111122223333", "ap-southeast-2");
        let nodes: Vec<&Subnet> = ec2
            .subnets
            .values()
            .filter(|s| s.tags["Tier"] == "node")
            .collect();
        let zones: BTreeSet<_> = nodes
            .iter()
            .map(|s| (s.zone.as_str(), s.zone_id.as_str()))
            .collect();
        assert_eq!(
            zones,
            BTreeSet::from([
                ("ap-southeast-2a", "apse2-az1"),
                ("ap-southeast-2b", "apse2-az2"),
                ("ap-southeast-2c", "apse2-az3"),
            ])
        );
        assert!(
            nodes
                .iter()
                .all(|s| s.tags["karpenter.sh/discovery"] == "a")
        );
        assert_eq!(ec2.vpcs.values().next().unwrap().tags["Name"], "a-vpc");
    }
}
