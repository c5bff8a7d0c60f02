//! The VPC and its subnets, which other pipelines make and psk only looks up, by tags.
//!
//! EC2 is asked for the networks of all clusters of an account and region together: two calls, however
//! many clusters there are. A cluster that exists says itself which VPC it is in, which saves one.

use std::sync::Arc;

use aws_sdk_ec2::types::{Filter, Tag};

use super::{Shared, cluster};
use crate::aws::{CallError, Doing, Session};
use crate::calls;
use crate::reconcile::{Error, Grant, Lookup};

/// Finds the VPC tagged `Name=<cluster>-vpc` and its subnets by their tag `Tier`.
#[derive(Debug)]
pub struct Network {
    /// The account and region to look in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// The cluster's name.
    pub cluster: String,
    /// Value of the `Tier` tag of the nodes' subnets.
    pub node_tier: String,
    /// Value of the `Tier` tag of the control plane's subnets.
    pub intra_tier: String,
}

/// A VPC with its tag `Name`.
#[derive(Debug)]
pub struct NamedVpc {
    id: String,
    name: String,
}

/// A subnet with its tag `Tier`.
#[derive(Debug)]
pub struct TieredSubnet {
    vpc_id: String,
    tier: String,
    subnet: Subnet,
}

/// A VPC and the subnets that a cluster uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnets {
    /// The VPC's id.
    pub vpc_id: String,
    /// Subnets for nodes and mount targets, ordered by id.
    pub node: Vec<Subnet>,
    /// Subnets for the control plane's network interfaces, ordered by id.
    pub intra: Vec<Subnet>,
}

/// One subnet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its availability zone (`us-east-1a`).
    pub zone: String,
}

impl Lookup for Network {
    type Output = Subnets;
    const GRANTS: &'static [Grant] = &[Grant {
        actions: &["ec2:DescribeVpcs", "ec2:DescribeSubnets"],
        on: &["*"],
        condition: None,
    }];

    async fn look_up(&self) -> Result<Subnets, Error> {
        let key = self.session.target();
        let subnets = || async { Ok(Arc::new(subnets(&self.session).await?)) };
        let subnets = self.shared.subnets.get(key.clone(), subnets);
        let (vpc_id, subnets) = calls::join(self.vpc_id(), subnets).await;
        choose(&subnets?, &vpc_id?, &self.node_tier, &self.intra_tier)
    }
}

impl Network {
    async fn vpc_id(&self) -> Result<String, Error> {
        let seen = cluster::first_seen(&self.session, &self.shared, &self.cluster).await?;
        // A cluster stays in the VPC that it was made in.
        let own = seen.as_deref().and_then(|c| c.resources_vpc_config());
        if let Some(id) = own.and_then(|config| config.vpc_id()) {
            return Ok(id.to_owned());
        }
        let key = self.session.target();
        let vpcs = || async { Ok(Arc::new(vpcs(&self.session).await?)) };
        let vpcs = self.shared.vpcs.get(key.clone(), vpcs).await?;
        let name = format!("{}-vpc", self.cluster);
        Ok(one_named(&vpcs, &name, &key.region)?.to_owned())
    }
}

async fn vpcs(session: &Session) -> Result<Vec<NamedVpc>, CallError> {
    let region = &session.target().region;
    let answer = session
        .ec2()
        .describe_vpcs()
        .filters(filter("tag:Name", "*-vpc"))
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .doing(|| format!("looking for the clusters' VPCs in {region}"))?;
    Ok(answer
        .iter()
        .filter_map(|vpc| {
            Some(NamedVpc {
                id: vpc.vpc_id()?.to_owned(),
                name: tag(vpc.tags(), "Name")?,
            })
        })
        .collect())
}

async fn subnets(session: &Session) -> Result<Vec<TieredSubnet>, CallError> {
    let region = &session.target().region;
    let answer = session
        .ec2()
        .describe_subnets()
        .filters(filter("tag-key", "Tier"))
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .doing(|| format!("looking for the clusters' subnets in {region}"))?;
    Ok(answer
        .iter()
        .filter_map(|subnet| {
            Some(TieredSubnet {
                vpc_id: subnet.vpc_id()?.to_owned(),
                tier: tag(subnet.tags(), "Tier")?,
                subnet: Subnet {
                    id: subnet.subnet_id()?.to_owned(),
                    zone: subnet.availability_zone()?.to_owned(),
                },
            })
        })
        .collect())
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn tag(tags: &[Tag], key: &str) -> Option<String> {
    let tag = tags.iter().find(|tag| tag.key() == Some(key))?;
    tag.value().map(str::to_owned)
}

/// The one VPC of that name.
fn one_named<'a>(vpcs: &'a [NamedVpc], name: &str, region: &str) -> Result<&'a str, Error> {
    let ids: Vec<_> = vpcs
        .iter()
        .filter(|vpc| vpc.name == name)
        .map(|vpc| vpc.id.as_str())
        .collect();
    match ids.as_slice() {
        [id] => Ok(id),
        [] => Err(Error::new(
            format!("looking for VPC {name}"),
            format!("no VPC in {region} has the tag Name={name}"),
            "run the network pipeline for this cluster first, or correct cluster_name or aws_region",
        )),
        several => Err(Error::new(
            format!("looking for VPC {name}"),
            format!(
                "several VPCs have the tag Name={name}: {}",
                several.join(", ")
            ),
            "leave the tag on the cluster's own VPC only",
        )),
    }
}

/// The VPC's subnets for nodes and for the control plane.
///
/// EKS wants subnets in two availability zones at least, for the control plane and for the nodes
/// alike. Source: EKS User Guide, "View Amazon EKS networking requirements for VPC and subnets".
fn choose(
    subnets: &[TieredSubnet],
    vpc_id: &str,
    node_tier: &str,
    intra_tier: &str,
) -> Result<Subnets, Error> {
    let of_tier = |tier: &str| {
        let mut subnets: Vec<_> = subnets
            .iter()
            .filter(|tiered| tiered.vpc_id == vpc_id && tiered.tier == tier)
            .map(|tiered| tiered.subnet.clone())
            .collect();
        subnets.sort();
        let mut zones: Vec<_> = subnets.iter().map(|s| s.zone.as_str()).collect();
        zones.sort_unstable();
        zones.dedup();
        if zones.len() < 2 {
            return Err(Error::new(
                format!("looking for the subnets of {vpc_id} tagged Tier={tier}"),
                format!(
                    "they are in {} availability zone(s), and EKS wants two at least",
                    zones.len()
                ),
                "tag the subnets in the network pipeline, or correct node_subnet_identifier or intra_subnet_identifier",
            ));
        }
        Ok(subnets)
    };
    Ok(Subnets {
        vpc_id: vpc_id.to_owned(),
        node: of_tier(node_tier)?,
        intra: of_tier(intra_tier)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VPCs as `id=name`.
    fn vpcs(vpcs: &[&str]) -> Vec<NamedVpc> {
        let vpc = |text: &&str| {
            let (id, name) = text.split_once('=').unwrap();
            NamedVpc {
                id: id.into(),
                name: name.into(),
            }
        };
        vpcs.iter().map(vpc).collect()
    }

    /// Subnets as `id vpc tier zone`.
    fn subnets(subnets: &[&str]) -> Vec<TieredSubnet> {
        let subnet = |text: &&str| {
            let [id, vpc_id, tier, zone] = text.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{text}");
            };
            TieredSubnet {
                vpc_id: vpc_id.into(),
                tier: tier.into(),
                subnet: Subnet {
                    id: id.into(),
                    zone: zone.into(),
                },
            }
        };
        subnets.iter().map(subnet).collect()
    }

    #[test]
    fn subnets_are_told_apart_by_vpc_and_tier_and_ordered() {
        let all = subnets(&[
            "subnet-2 vpc-1 node a",
            "subnet-3 vpc-1 intra a",
            "subnet-1 vpc-1 node b",
            "subnet-4 vpc-1 intra b",
            "subnet-0 vpc-2 node c",
            "subnet-5 vpc-1 public c",
        ]);
        let found = choose(&all, "vpc-1", "node", "intra").unwrap();
        let ids = |subnets: &[Subnet]| subnets.iter().map(|s| s.id.clone()).collect::<Vec<_>>();
        assert_eq!(found.vpc_id, "vpc-1");
        assert_eq!(ids(&found.node), ["subnet-1", "subnet-2"]);
        assert_eq!(ids(&found.intra), ["subnet-3", "subnet-4"]);
    }

    #[test]
    fn one_zone_is_too_few_even_with_two_subnets() {
        let all = subnets(&["subnet-1 vpc-1 node a", "subnet-2 vpc-1 node a"]);
        let error = choose(&all, "vpc-1", "node", "intra").unwrap_err();
        assert_eq!(
            error.to_string(),
            "looking for the subnets of vpc-1 tagged Tier=node: they are in 1 availability zone(s), and EKS wants two at least"
        );
    }

    #[test]
    fn a_cluster_has_one_vpc_and_the_others_are_not_its_business() {
        let all = vpcs(&["vpc-1=a-vpc", "vpc-2=b-vpc", "vpc-3=b-vpc"]);
        assert_eq!(one_named(&all, "a-vpc", "eu-west-1").unwrap(), "vpc-1");
        let told = |name| one_named(&all, name, "eu-west-1").unwrap_err().to_string();
        assert_eq!(
            told("b-vpc"),
            "looking for VPC b-vpc: several VPCs have the tag Name=b-vpc: vpc-2, vpc-3"
        );
        assert_eq!(
            told("c-vpc"),
            "looking for VPC c-vpc: no VPC in eu-west-1 has the tag Name=c-vpc"
        );
    }
}
