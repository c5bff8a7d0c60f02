//! DescribeVpcs and DescribeSubnets, and how the other Describe operations select.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Serialize;

use super::error::{no_subnet, no_vpc};
use super::filter::{Filterable, filters, fits};
use super::page::page;
use super::state::{Subnet, Vpc};
use super::tags::{self, TagItem};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::form::Form;
use crate::wire::xml::{self, Items};
use crate::world::World;

pub(super) fn vpcs(world: &mut World, call: &Call, form: &Form) -> Answer {
    let vpcs = &world.ec2(&call.account, &call.region).vpcs;
    let (found, next_token) = select(call, form, vpcs, &VPCS)?;
    let vpc_set = found
        .into_iter()
        .map(|vpc| VpcItem::new(vpc, call))
        .collect();
    xml::ec2(
        call,
        DescribeVpcsResult {
            vpc_set,
            next_token,
        },
    )
}

pub(super) fn subnets(world: &mut World, call: &Call, form: &Form) -> Answer {
    let subnets = &world.ec2(&call.account, &call.region).subnets;
    let (found, next_token) = select(call, form, subnets, &SUBNETS)?;
    let subnet_set = found
        .into_iter()
        .map(|subnet| SubnetItem::new(subnet, call))
        .collect();
    xml::ec2(
        call,
        DescribeSubnetsResult {
            subnet_set,
            next_token,
        },
    )
}

/// How one kind of resource is selected.
pub(super) struct Selection<T> {
    /// The parameter that lists ids.
    pub(super) ids: &'static str,
    /// A resource's id.
    pub(super) id: fn(&T) -> &str,
    /// What is told of an id that nothing has.
    pub(super) not_found: fn(&str) -> ServiceError,
    /// Sizes of a page that can be asked for; the largest unless one is.
    pub(super) pages: RangeInclusive<usize>,
}

const VPCS: Selection<Vpc> = Selection {
    ids: "VpcId",
    id: |vpc| &vpc.id,
    not_found: no_vpc,
    pages: 5..=1000,
};

const SUBNETS: Selection<Subnet> = Selection {
    ids: "SubnetId",
    id: |subnet| &subnet.id,
    not_found: no_subnet,
    pages: 5..=1000,
};

/// The page of resources that a request asks for: by id, by filter, or all.
pub(super) fn select<'w, T: Filterable>(
    call: &Call,
    form: &Form,
    all: &'w BTreeMap<String, T>,
    how: &Selection<T>,
) -> Result<(Vec<&'w T>, Option<String>), ServiceError> {
    let id = how.id;
    let mut found: Vec<&T> = Vec::new();
    let ids = form.list(how.ids);
    for wanted in &ids {
        found.push(all.get(*wanted).ok_or_else(|| (how.not_found)(wanted))?);
    }
    if ids.is_empty() {
        found.extend(all.values());
    }
    found.sort_by(|one, other| id(one).cmp(id(other)));
    found.dedup_by(|one, other| id(one) == id(other));

    let filters = filters(form)?;
    let mut fitting = Vec::new();
    for resource in found {
        if fits(resource, &filters, &call.account, &call.region)? {
            fitting.push(resource);
        }
    }
    page(form, fitting, how.pages.clone(), |resource| id(resource))
}

impl Filterable for Vpc {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn values(&self, filter: &str, account: &str, _region: &str) -> Option<Vec<String>> {
        let value = match filter {
            "cidr" | "cidr-block-association.cidr-block" => self.cidr.clone(),
            "cidr-block-association.association-id" => association_id(&self.id),
            "cidr-block-association.state" => "associated".to_owned(),
            "dhcp-options-id" => dhcp_options_id(&self.id),
            "is-default" => "false".to_owned(),
            "owner-id" => account.to_owned(),
            "state" => "available".to_owned(),
            "vpc-id" => self.id.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}

impl Filterable for Subnet {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn values(&self, filter: &str, account: &str, region: &str) -> Option<Vec<String>> {
        let value = match filter {
            "availability-zone" | "availabilityZone" => self.zone.clone(),
            "availability-zone-id" | "availabilityZoneId" => self.zone_id.clone(),
            "available-ip-address-count" => self.available_addresses.to_string(),
            "cidr-block" | "cidr" | "cidrBlock" => self.cidr.clone(),
            "default-for-az"
            | "defaultForAz"
            | "enable-dns64"
            | "ipv6-native"
            | "map-customer-owned-ip-on-launch" => "false".to_owned(),
            "map-public-ip-on-launch" => self.map_public_ip.to_string(),
            "owner-id" => account.to_owned(),
            "state" => "available".to_owned(),
            "subnet-arn" => arn(&self.id, account, region),
            "subnet-id" => self.id.clone(),
            "vpc-id" => self.vpc_id.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}

fn arn(subnet: &str, account: &str, region: &str) -> String {
    format!("arn:aws:ec2:{region}:{account}:subnet/{subnet}")
}

fn association_id(vpc: &str) -> String {
    vpc.replacen("vpc-", "vpc-cidr-assoc-", 1)
}

fn dhcp_options_id(vpc: &str) -> String {
    vpc.replacen("vpc-", "dopt-", 1)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeVpcsResult {
    vpc_set: Items<VpcItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeSubnetsResult {
    subnet_set: Items<SubnetItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VpcItem {
    vpc_id: String,
    owner_id: String,
    state: &'static str,
    cidr_block: String,
    cidr_block_association_set: Items<CidrBlockAssociation>,
    dhcp_options_id: String,
    tag_set: Items<TagItem>,
    instance_tenancy: &'static str,
    is_default: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CidrBlockAssociation {
    cidr_block: String,
    association_id: String,
    cidr_block_state: State,
}

#[derive(Serialize)]
struct State {
    state: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubnetItem {
    subnet_id: String,
    subnet_arn: String,
    state: &'static str,
    owner_id: String,
    vpc_id: String,
    cidr_block: String,
    available_ip_address_count: u32,
    availability_zone: String,
    availability_zone_id: String,
    default_for_az: bool,
    map_public_ip_on_launch: bool,
    map_customer_owned_ip_on_launch: bool,
    assign_ipv6_address_on_creation: bool,
    enable_dns64: bool,
    ipv6_native: bool,
    tag_set: Items<TagItem>,
}

impl VpcItem {
    fn new(vpc: &Vpc, call: &Call) -> Self {
        let association = CidrBlockAssociation {
            cidr_block: vpc.cidr.clone(),
            association_id: association_id(&vpc.id),
            cidr_block_state: State {
                state: "associated",
            },
        };
        Self {
            vpc_id: vpc.id.clone(),
            owner_id: call.account.clone(),
            state: "available",
            cidr_block: vpc.cidr.clone(),
            cidr_block_association_set: [association].into_iter().collect(),
            dhcp_options_id: dhcp_options_id(&vpc.id),
            tag_set: tags::items(&vpc.tags),
            instance_tenancy: "default",
            is_default: false,
        }
    }
}

impl SubnetItem {
    fn new(subnet: &Subnet, call: &Call) -> Self {
        Self {
            subnet_id: subnet.id.clone(),
            subnet_arn: arn(&subnet.id, &call.account, &call.region),
            state: "available",
            owner_id: call.account.clone(),
            vpc_id: subnet.vpc_id.clone(),
            cidr_block: subnet.cidr.clone(),
            available_ip_address_count: subnet.available_addresses,
            availability_zone: subnet.zone.clone(),
            availability_zone_id: subnet.zone_id.clone(),
            default_for_az: false,
            map_public_ip_on_launch: subnet.map_public_ip,
            map_customer_owned_ip_on_launch: false,
            assign_ipv6_address_on_creation: false,
            enable_dns64: false,
            ipv6_native: false,
            tag_set: tags::items(&subnet.tags),
        }
    }
}
