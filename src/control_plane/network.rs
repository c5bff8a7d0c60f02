//! The VPC and its subnets, which other pipelines make and psk only looks up, by tags.

use aws_sdk_ec2::types::Filter;

use crate::aws::{Doing, Session};
use crate::reconcile::{Error, Grant, Lookup};

/// Finds the VPC tagged `Name=<cluster>-vpc` and its subnets by their tag `Tier`.
#[derive(Debug)]
pub struct Network {
    /// The account and region to look in.
    pub session: Session,
    /// The cluster's name.
    pub cluster: String,
    /// Value of the `Tier` tag of the nodes' subnets.
    pub node_tier: String,
    /// Value of the `Tier` tag of the control plane's subnets.
    pub intra_tier: String,
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
        let vpc_id = self.vpc().await?;
        let tagged = self.subnets(&vpc_id).await?;
        select(tagged, vpc_id, &self.node_tier, &self.intra_tier)
    }
}

impl Network {
    async fn vpc(&self) -> Result<String, Error> {
        let name = format!("{}-vpc", self.cluster);
        let answer = self
            .session
            .ec2()
            .describe_vpcs()
            .filters(filter("tag:Name", &name))
            .send()
            .await
            .doing(|| format!("looking for VPC {name}"))?;
        let ids: Vec<_> = answer
            .vpcs()
            .iter()
            .filter_map(|vpc| vpc.vpc_id())
            .collect();
        match ids.as_slice() {
            [id] => Ok((*id).to_owned()),
            [] => Err(Error::new(
                format!("looking for VPC {name}"),
                format!(
                    "no VPC in {} has the tag Name={name}",
                    self.session.target().region
                ),
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

    async fn subnets(&self, vpc_id: &str) -> Result<Vec<(String, Subnet)>, Error> {
        let answer = self
            .session
            .ec2()
            .describe_subnets()
            .filters(filter("vpc-id", vpc_id))
            .filters(
                Filter::builder()
                    .name("tag:Tier")
                    .values(&self.node_tier)
                    .values(&self.intra_tier)
                    .build(),
            )
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("listing the subnets of {vpc_id}"))?;
        Ok(answer
            .iter()
            .filter_map(|subnet| {
                let tier = subnet
                    .tags()
                    .iter()
                    .find(|t| t.key() == Some("Tier"))?
                    .value()?;
                let id = subnet.subnet_id()?.to_owned();
                let zone = subnet.availability_zone()?.to_owned();
                Some((tier.to_owned(), Subnet { id, zone }))
            })
            .collect())
    }
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// EKS wants subnets in two availability zones at least, for the control plane and for the nodes
/// alike. Source: EKS User Guide, "View Amazon EKS networking requirements for VPC and subnets".
fn select(
    tagged: Vec<(String, Subnet)>,
    vpc_id: String,
    node_tier: &str,
    intra_tier: &str,
) -> Result<Subnets, Error> {
    let of_tier = |tier: &str| {
        let mut subnets: Vec<_> = tagged
            .iter()
            .filter(|(t, _)| t == tier)
            .map(|(_, subnet)| subnet.clone())
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
    let (node, intra) = (of_tier(node_tier)?, of_tier(intra_tier)?);
    Ok(Subnets {
        vpc_id,
        node,
        intra,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tier: &str, id: &str, zone: &str) -> (String, Subnet) {
        (
            tier.into(),
            Subnet {
                id: id.into(),
                zone: zone.into(),
            },
        )
    }

    #[test]
    fn subnets_are_told_apart_by_tier_and_ordered() {
        let found = select(
            vec![
                tagged("node", "subnet-2", "a"),
                tagged("intra", "subnet-3", "a"),
                tagged("node", "subnet-1", "b"),
                tagged("intra", "subnet-4", "b"),
            ],
            "vpc-1".into(),
            "node",
            "intra",
        )
        .unwrap();
        let ids = |subnets: &[Subnet]| subnets.iter().map(|s| s.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&found.node), ["subnet-1", "subnet-2"]);
        assert_eq!(ids(&found.intra), ["subnet-3", "subnet-4"]);
    }

    #[test]
    fn one_zone_is_too_few_even_with_two_subnets() {
        let error = select(
            vec![
                tagged("node", "subnet-1", "a"),
                tagged("node", "subnet-2", "a"),
            ],
            "vpc-1".into(),
            "node",
            "intra",
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "looking for the subnets of vpc-1 tagged Tier=node: they are in 1 availability zone(s), and EKS wants two at least"
        );
    }
}
