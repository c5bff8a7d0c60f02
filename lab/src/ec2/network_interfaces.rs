//! Network interfaces, which services put into subnets for themselves (EFS's mount targets).

use serde::Serialize;

use super::describe::{Selection, select};
use super::error::no_interface;
use super::filter::Filterable;
use super::state::{NetworkInterface, Region};
use super::tags::{self, TagItem, Tags};
use crate::call::{Answer, Call};
use crate::wire::form::Form;
use crate::wire::xml::{self, Items};
use crate::world::World;

const INTERFACES: Selection<NetworkInterface> = Selection {
    ids: "NetworkInterfaceId",
    id: |interface| &interface.id,
    not_found: no_interface,
    pages: 5..=1000,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeNetworkInterfacesResult {
    network_interface_set: Items<InterfaceItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InterfaceItem {
    network_interface_id: String,
    subnet_id: String,
    vpc_id: String,
    availability_zone: String,
    availability_zone_id: String,
    description: String,
    owner_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requester_id: Option<String>,
    requester_managed: bool,
    status: &'static str,
    interface_type: String,
    private_ip_address: String,
    private_ip_addresses_set: Items<Address>,
    source_dest_check: bool,
    group_set: Items<GroupItem>,
    tag_set: Items<TagItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    private_ip_address: String,
    primary: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupItem {
    group_id: String,
    group_name: String,
}

/// `DescribeNetworkInterfaces`.
pub(super) fn describe(world: &mut World, call: &Call, form: &Form) -> Answer {
    let region = world.ec2(&call.account, &call.region);
    let (found, next_token) = select(call, form, &region.network_interfaces, &INTERFACES)?;
    let network_interface_set = found
        .into_iter()
        .map(|interface| InterfaceItem::new(interface, region, call))
        .collect();
    xml::ec2(
        call,
        DescribeNetworkInterfacesResult {
            network_interface_set,
            next_token,
        },
    )
}

impl InterfaceItem {
    fn new(interface: &NetworkInterface, region: &Region, call: &Call) -> Self {
        let subnet = region.subnets.get(&interface.subnet_id);
        let of_subnet = |value: fn(&super::Subnet) -> &String| {
            subnet
                .map(|subnet| value(subnet).clone())
                .unwrap_or_default()
        };
        let group = |id: &String| GroupItem {
            group_id: id.clone(),
            group_name: region
                .security_groups
                .get(id)
                .map(|group| group.name.clone())
                .unwrap_or_default(),
        };
        Self {
            network_interface_id: interface.id.clone(),
            subnet_id: interface.subnet_id.clone(),
            vpc_id: of_subnet(|subnet| &subnet.vpc_id),
            availability_zone: of_subnet(|subnet| &subnet.zone),
            availability_zone_id: of_subnet(|subnet| &subnet.zone_id),
            description: interface.description.clone(),
            owner_id: call.account.clone(),
            requester_id: interface.requester.clone(),
            requester_managed: interface.requester.is_some(),
            status: "in-use",
            interface_type: interface.interface_type.clone(),
            private_ip_address: interface.private_ip.clone(),
            private_ip_addresses_set: [Address {
                private_ip_address: interface.private_ip.clone(),
                primary: true,
            }]
            .into_iter()
            .collect(),
            source_dest_check: true,
            group_set: interface.groups.iter().map(group).collect(),
            tag_set: tags::items(&interface.tags),
        }
    }
}

impl Filterable for NetworkInterface {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str, account: &str, _region: &str) -> Option<Vec<String>> {
        let value = match filter {
            "group-id" => return Some(self.groups.clone()),
            "description" => self.description.clone(),
            "interface-type" => self.interface_type.clone(),
            "network-interface-id" => self.id.clone(),
            "owner-id" => account.to_owned(),
            "private-ip-address" => self.private_ip.clone(),
            "requester-id" => self.requester.clone().unwrap_or_default(),
            "requester-managed" => self.requester.is_some().to_string(),
            "status" => "in-use".to_owned(),
            "subnet-id" => self.subnet_id.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}
