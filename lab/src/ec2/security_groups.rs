//! Security groups: made, described, deleted. What they let through is [`super::rules`]'.

use serde::Serialize;

use super::describe::{Selection, select};
use super::error::{invalid_value, missing, no_group, no_vpc, refusal};
use super::filter::Filterable;
use super::permissions::{PermissionItem, grouped};
use super::state::{Peer, SecurityGroup};
use super::tags::{self, TagItem, Tags};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::form::Form;
use crate::wire::xml::{self, Items};
use crate::world::World;

/// The group that every VPC has, which can't be deleted.
pub(super) const DEFAULT: &str = "default";

const GROUPS: Selection<SecurityGroup> = Selection {
    ids: "GroupId",
    id: |group| &group.id,
    not_found: no_group,
    pages: 5..=1000,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateSecurityGroupResult {
    group_id: String,
    tag_set: Items<TagItem>,
    security_group_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeleteSecurityGroupResult {
    r#return: bool,
    group_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeSecurityGroupsResult {
    security_group_info: Items<GroupItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupItem {
    owner_id: String,
    group_id: String,
    group_name: String,
    group_description: String,
    vpc_id: String,
    security_group_arn: String,
    ip_permissions: Items<PermissionItem>,
    ip_permissions_egress: Items<PermissionItem>,
    tag_set: Items<TagItem>,
}

/// `CreateSecurityGroup`.
pub(super) fn create(world: &mut World, call: &Call, form: &Form) -> Answer {
    let name = text(form, "GroupName")?;
    let description = text(form, "GroupDescription")?;
    let vpc = form.get("VpcId").ok_or_else(|| missing("VpcId"))?;
    let tags = tags::specified(form, "security-group")?;
    if name.starts_with("sg-") || name.eq_ignore_ascii_case(DEFAULT) {
        return Err(invalid_value(format!(
            "Value ({name}) for parameter groupName is invalid. Cannot use reserved name"
        )));
    }
    let id = format!("sg-0{}", world.ids.hex(16));
    let region = world.ec2(&call.account, &call.region);
    if !region.vpcs.contains_key(vpc) {
        return Err(no_vpc(vpc));
    }
    if region
        .security_groups
        .values()
        .any(|group| group.vpc_id == vpc && group.name == name)
    {
        return Err(refusal(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{vpc}'"),
        ));
    }
    let group = SecurityGroup {
        tags,
        ..SecurityGroup::new(id.clone(), name, description, vpc)
    };
    let answer = CreateSecurityGroupResult {
        group_id: id.clone(),
        tag_set: tags::items(&group.tags),
        security_group_arn: arn(&id, &call.account, &call.region),
    };
    region.security_groups.insert(id, group);
    xml::ec2(call, answer)
}

/// A name or description: up to 255 characters of those that EC2 allows in a VPC.
fn text<'f>(form: &'f Form, parameter: &str) -> Result<&'f str, ServiceError> {
    let text = form.get(parameter).ok_or_else(|| missing(parameter))?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.chars().count() <= 255 && text.chars().all(allowed) {
        Ok(text)
    } else {
        Err(invalid_value(format!(
            "Value ({text}) for parameter {parameter} is invalid. Character sets beyond ASCII are \
             not supported."
        )))
    }
}

/// `DescribeSecurityGroups`.
pub(super) fn describe(world: &mut World, call: &Call, form: &Form) -> Answer {
    let groups = &world.ec2(&call.account, &call.region).security_groups;
    if !form.list("GroupName").is_empty() {
        // Names work for the default VPC alone, and no VPC here is one.
        return Err(refusal(
            "InvalidParameterValue",
            "Group names can't be used outside a default VPC; use the filter group-name",
        ));
    }
    let (found, next_token) = select(call, form, groups, &GROUPS)?;
    let security_group_info = found
        .into_iter()
        .map(|group| GroupItem::new(group, call))
        .collect();
    xml::ec2(
        call,
        DescribeSecurityGroupsResult {
            security_group_info,
            next_token,
        },
    )
}

/// `DeleteSecurityGroup`.
pub(super) fn delete(world: &mut World, call: &Call, form: &Form) -> Answer {
    let id = form.get("GroupId").ok_or_else(|| missing("GroupId"))?;
    let here = world.region(&call.account, &call.region);
    let groups = &here.ec2.security_groups;
    let group = groups.get(id).ok_or_else(|| no_group(id))?;
    if group.name == DEFAULT {
        return Err(refusal(
            "CannotDelete",
            format!(
                "the specified group: \"{id}\" name: \"{DEFAULT}\" cannot be deleted by a user"
            ),
        ));
    }
    let refers = |other: &SecurityGroup| {
        let mut peers = other.rules.iter().map(|rule| &rule.peer);
        other.id != id && peers.any(|peer| matches!(peer, Peer::Group { id: of, .. } if of == id))
    };
    let mut interfaces = here.ec2.network_interfaces.values();
    if groups.values().any(refers)
        || interfaces.any(|interface| interface.groups.iter().any(|of| of == id))
        || here.eks.uses_security_group(id)
    {
        return Err(refusal(
            "DependencyViolation",
            format!("resource {id} has a dependent object"),
        ));
    }
    here.ec2.security_groups.remove(id);
    xml::ec2(
        call,
        DeleteSecurityGroupResult {
            r#return: true,
            group_id: id.to_owned(),
        },
    )
}

fn arn(id: &str, account: &str, region: &str) -> String {
    format!("arn:aws:ec2:{region}:{account}:security-group/{id}")
}

impl GroupItem {
    fn new(group: &SecurityGroup, call: &Call) -> Self {
        let rules = |egress: bool| grouped(group.rules.iter().filter(|rule| rule.egress == egress));
        Self {
            owner_id: call.account.clone(),
            group_id: group.id.clone(),
            group_name: group.name.clone(),
            group_description: group.description.clone(),
            vpc_id: group.vpc_id.clone(),
            security_group_arn: arn(&group.id, &call.account, &call.region),
            ip_permissions: rules(false),
            ip_permissions_egress: rules(true),
            tag_set: tags::items(&group.tags),
        }
    }
}

impl Filterable for SecurityGroup {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str, account: &str, _region: &str) -> Option<Vec<String>> {
        let of_rules = |filter: &str, egress: bool| -> Option<Vec<String>> {
            let rules = self.rules.iter().filter(|rule| rule.egress == egress);
            let values = rules.filter_map(|rule| match (filter, &rule.peer) {
                ("protocol", _) => Some(rule.protocol.clone()),
                ("from-port", _) => Some(rule.ports?.0.to_string()),
                ("to-port", _) => Some(rule.ports?.1.to_string()),
                ("cidr", Peer::Ipv4(block)) => Some(block.clone()),
                ("ipv6-cidr", Peer::Ipv6(block)) => Some(block.clone()),
                ("group-id", Peer::Group { id, .. }) => Some(id.clone()),
                ("user-id", Peer::Group { account, .. }) => Some(account.clone()),
                ("prefix-list-id", Peer::PrefixList(id)) => Some(id.clone()),
                _ => None,
            });
            const KNOWN: [&str; 8] = [
                "protocol",
                "from-port",
                "to-port",
                "cidr",
                "ipv6-cidr",
                "group-id",
                "user-id",
                "prefix-list-id",
            ];
            KNOWN.contains(&filter).then(|| values.collect())
        };
        if let Some(filter) = filter.strip_prefix("egress.ip-permission.") {
            return of_rules(filter, true);
        }
        if let Some(filter) = filter.strip_prefix("ip-permission.") {
            return of_rules(filter, false);
        }
        let value = match filter {
            "description" => self.description.clone(),
            "group-id" => self.id.clone(),
            "group-name" => self.name.clone(),
            "owner-id" => account.to_owned(),
            "vpc-id" => self.vpc_id.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}
