//! Mount targets: where in a VPC a file system can be mounted, at most once in each zone.

use std::net::Ipv4Addr;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{
    bad_request, file_system_state, mount_target_conflict, mount_target_state, no_access_point,
    no_mount_target, no_place,
};
use super::network;
use super::request::{Kind, Request, answer_with, nothing};
use super::state::{FileSystem, Life, MountTarget, Region, takes};
use crate::call::{Answer, Reply, ServiceError};
use crate::ec2::{self, Subnet};
use crate::ids::Ids;

/// What AWS keeps of a subnet's addresses for itself: the first four and the last.
const RESERVED: (u32, u32) = (4, 1);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    file_system_id: String,
    subnet_id: String,
    ip_address: Option<String>,
    ip_address_type: Option<String>,
    security_groups: Option<Vec<String>>,
}

/// `CreateMountTarget`.
pub(super) fn create(region: &mut Region, request: &Request<'_>, ids: &mut Ids) -> Answer {
    let input: Create = request.body()?;
    let now = request.call.now;
    let id = request.read_id(Kind::FileSystem, &input.file_system_id)?;
    let file_system = region.file_system(id)?;
    match file_system.state(now) {
        "available" => {}
        state => return Err(file_system_state(id, state)),
    }
    if let Some(kind) = input.ip_address_type
        && kind != "IPV4_ONLY"
    {
        return Err(bad_request(format!(
            "The subnet has no IPv6 addresses, so IpAddressType can't be '{kind}'"
        )));
    }
    let subnet = request.ec2.subnets.get(&input.subnet_id).ok_or_else(|| {
        no_place(
            "SubnetNotFound",
            format!("The subnet ID '{}' does not exist", input.subnet_id),
        )
    })?;
    check_place(region, request.ec2, file_system, subnet)?;
    let security_groups = match input.security_groups {
        Some(groups) => security_groups(region, request.ec2, groups, subnet)?,
        None => vec![network::default_group(&subnet.vpc_id)],
    };
    let address = address(region, subnet, input.ip_address.as_deref())?;
    let target = MountTarget {
        id: format!("fsmt-0{}", ids.hex(16)),
        file_system: id.to_owned(),
        subnet: subnet.id.clone(),
        life: Life::begin(now, takes::MOUNT_TARGET_CREATION),
        address: address.to_string(),
        network_interface: format!("eni-0{}", ids.hex(16)),
        security_groups,
    };
    let answer = view(request, &target);
    region.mount_targets.insert(target.id.clone(), target);
    answer_with(StatusCode::OK, &answer)
}

/// `DescribeMountTargets`: those of a file system, those that an access point leads through, or one.
pub(super) fn describe(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let asked = (
        request.query_id("FileSystemId", Kind::FileSystem)?,
        request.query_id("AccessPointId", Kind::AccessPoint)?,
        request.query_id("MountTargetId", Kind::MountTarget)?,
    );
    let found: Vec<&MountTarget> = match asked {
        (Some(id), None, None) => {
            region.file_system(id)?;
            region.mount_targets_of(id).collect()
        }
        (None, Some(id), None) => {
            let point = region.access_points.get(id);
            let point = point.ok_or_else(|| no_access_point(id))?;
            region.mount_targets_of(&point.file_system).collect()
        }
        (None, None, Some(id)) => vec![region.mount_target(id)?],
        _ => {
            return Err(bad_request(
                "Exactly one of FileSystemId, AccessPointId and MountTargetId must be given",
            ));
        }
    };
    let items = found
        .into_iter()
        .map(|target| (target.id.clone(), view(request, target)))
        .collect();
    let page = request.page(items, "MaxItems", "Marker")?;
    let mut answer = json!({ "MountTargets": page.items });
    if let Some(marker) = request.call.query("Marker") {
        answer["Marker"] = marker.into();
    }
    if let Some(next) = page.next {
        answer["NextMarker"] = next.into();
    }
    Reply::json(&answer)
}

/// `DeleteMountTarget`. Deleting it again while it goes changes nothing.
pub(super) fn delete(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let target = region.mount_target_mut(request.id(Kind::MountTarget)?)?;
    target
        .life
        .end(request.call.now, takes::MOUNT_TARGET_DELETION);
    nothing()
}

/// `DescribeMountTargetSecurityGroups`.
pub(super) fn describe_security_groups(
    region: &mut Region,
    request: &Request<'_>,
    _ids: &mut Ids,
) -> Answer {
    let target = region.mount_target(request.id(Kind::MountTarget)?)?;
    is_there(target, request)?;
    Reply::json(&json!({ "SecurityGroups": target.security_groups }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ModifySecurityGroups {
    security_groups: Vec<String>,
}

/// `ModifyMountTargetSecurityGroups`: these instead of those that it had.
pub(super) fn modify_security_groups(
    region: &mut Region,
    request: &Request<'_>,
    _ids: &mut Ids,
) -> Answer {
    let id = request.id(Kind::MountTarget)?;
    let input: ModifySecurityGroups = request.body()?;
    let target = region.mount_target(id)?;
    is_there(target, request)?;
    let subnet = request.ec2.subnets.get(&target.subnet).ok_or_else(|| {
        bad_request(format!(
            "The subnet ID '{}' does not exist any more",
            target.subnet
        ))
    })?;
    let groups = security_groups(region, request.ec2, input.security_groups, subnet)?;
    region.mount_target_mut(id)?.security_groups = groups;
    nothing()
}

impl Region {
    fn mount_target(&self, id: &str) -> Result<&MountTarget, ServiceError> {
        self.mount_targets
            .get(id)
            .ok_or_else(|| no_mount_target(id))
    }

    fn mount_target_mut(&mut self, id: &str) -> Result<&mut MountTarget, ServiceError> {
        self.mount_targets
            .get_mut(id)
            .ok_or_else(|| no_mount_target(id))
    }
}

/// Its security groups can be read and changed unless it is being deleted.
fn is_there(target: &MountTarget, request: &Request<'_>) -> Result<(), ServiceError> {
    match target.life.state(request.call.now) {
        "deleting" => Err(mount_target_state(&target.id, "deleting")),
        _ => Ok(()),
    }
}

/// Mount targets of a file system are all in one VPC, each in another zone, and those of a One Zone
/// file system in its zone.
fn check_place(
    region: &Region,
    ec2: &ec2::Region,
    file_system: &FileSystem,
    subnet: &Subnet,
) -> Result<(), ServiceError> {
    if file_system
        .zone
        .as_ref()
        .is_some_and(|zone| *zone != subnet.zone)
    {
        return Err(no_place(
            "AvailabilityZonesMismatch",
            format!(
                "File system '{}' is in another Availability Zone than subnet '{}'",
                file_system.id, subnet.id
            ),
        ));
    }
    let others = region
        .mount_targets_of(&file_system.id)
        .filter_map(|target| ec2.subnets.get(&target.subnet));
    for other in others {
        if other.vpc_id != subnet.vpc_id {
            return Err(mount_target_conflict(
                "MountTargetConflict",
                "requested subnet for new mount target is not in the same VPC as existing mount \
                 targets",
            ));
        }
        if other.zone == subnet.zone {
            return Err(mount_target_conflict(
                "MountTargetConflict",
                "mount target already exists in this AZ",
            ));
        }
    }
    Ok(())
}

fn security_groups(
    region: &Region,
    ec2: &ec2::Region,
    groups: Vec<String>,
    subnet: &Subnet,
) -> Result<Vec<String>, ServiceError> {
    if groups.is_empty() {
        return Err(bad_request("At least one security group must be given"));
    }
    let most = region.quotas.security_groups;
    if groups.len() > most {
        return Err(no_place(
            "SecurityGroupLimitExceeded",
            format!("A mount target has at most {most} security groups"),
        ));
    }
    match groups
        .iter()
        .find(|group| !network::has_group(ec2, group, &subnet.vpc_id))
    {
        None => Ok(groups),
        Some(unknown) => Err(no_place(
            "SecurityGroupNotFound",
            format!(
                "The security group '{unknown}' does not exist in VPC '{}'",
                subnet.vpc_id
            ),
        )),
    }
}

/// The address that is asked for if it is free, or the first free one.
fn address(
    region: &Region,
    subnet: &Subnet,
    asked: Option<&str>,
) -> Result<Ipv4Addr, ServiceError> {
    let taken = |address: Ipv4Addr| {
        region
            .mount_targets
            .values()
            .any(|target| target.subnet == subnet.id && target.address == address.to_string())
    };
    let mut usable = usable(&subnet.cidr);
    match asked {
        Some(text) => {
            let address = text
                .parse()
                .ok()
                .filter(|address| usable.any(|free| free == *address))
                .ok_or_else(|| {
                    bad_request(format!(
                        "Address {text} does not fall within the subnet's address range"
                    ))
                })?;
            if taken(address) {
                return Err(mount_target_conflict(
                    "IpAddressInUse",
                    format!("Address {text} is in use."),
                ));
            }
            Ok(address)
        }
        None => usable
            .take(usize::try_from(subnet.available_addresses).unwrap_or(usize::MAX))
            .find(|address| !taken(*address))
            .ok_or_else(|| {
                mount_target_conflict(
                    "NoFreeAddressesInSubnet",
                    format!("Subnet '{}' has no free addresses", subnet.id),
                )
            }),
    }
}

/// The first address that a subnet gives to anyone; none if its block can't be read.
pub fn first_address(subnet: &Subnet) -> Option<String> {
    usable(&subnet.cidr)
        .next()
        .map(|address| address.to_string())
}

/// The addresses of a block that instances may have; none if the block can't be read.
fn usable(cidr: &str) -> impl Iterator<Item = Ipv4Addr> + use<> {
    let range = || {
        let (first, prefix) = cidr.split_once('/')?;
        let first = u32::from(first.parse::<Ipv4Addr>().ok()?);
        let host_bits = 32_u32.checked_sub(prefix.parse().ok()?)?;
        let size = 1_u32.checked_shl(host_bits)?;
        Some(first.checked_add(RESERVED.0)?..first.checked_add(size - RESERVED.1)?)
    };
    range().unwrap_or_default().map(Ipv4Addr::from)
}

/// A `MountTargetDescription`.
fn view(request: &Request<'_>, target: &MountTarget) -> Value {
    let mut view = json!({
        "OwnerId": request.call.account,
        "MountTargetId": target.id,
        "FileSystemId": target.file_system,
        "SubnetId": target.subnet,
        "LifeCycleState": target.life.state(request.call.now),
        "IpAddress": target.address,
        "NetworkInterfaceId": target.network_interface,
    });
    if let Some(subnet) = request.ec2.subnets.get(&target.subnet) {
        view["AvailabilityZoneId"] = subnet.zone_id.as_str().into();
        view["AvailabilityZoneName"] = subnet.zone.as_str().into();
        view["VpcId"] = subnet.vpc_id.as_str().into();
    }
    view
}
