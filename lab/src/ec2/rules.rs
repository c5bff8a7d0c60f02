//! What security groups let in and out: rules added, taken away and described.

use serde::Serialize;

use super::error::{missing, no_group, refusal};
use super::filter::{Filterable, filters, fits};
use super::page::page;
use super::permissions::{self, Wanted};
use super::state::{Peer, Rule, SecurityGroup};
use super::tags::{self, TagItem, Tags};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::form::Form;
use crate::wire::xml::{self, Items};
use crate::world::World;

/// How many rules a group has at most in each direction, a quota that can be raised.
const MOST_RULES: usize = 60;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizeResult {
    r#return: bool,
    security_group_rule_set: Items<RuleItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevokeResult {
    r#return: bool,
    revoked_security_group_rule_set: Items<RevokedRuleItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeSecurityGroupRulesResult {
    security_group_rule_set: Items<RuleItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// `SecurityGroupRule`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleItem {
    group_owner_id: String,
    security_group_rule_arn: String,
    #[serde(flatten)]
    rule: PlainRule,
    #[serde(skip_serializing_if = "Option::is_none")]
    referenced_group_info: Option<ReferencedGroup>,
    tag_set: Items<TagItem>,
}

/// `RevokedSecurityGroupRule`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevokedRuleItem {
    #[serde(flatten)]
    rule: PlainRule,
    #[serde(skip_serializing_if = "Option::is_none")]
    referenced_group_id: Option<String>,
}

/// What both have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainRule {
    security_group_rule_id: String,
    group_id: String,
    is_egress: bool,
    ip_protocol: String,
    from_port: i32,
    to_port: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cidr_ipv4: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cidr_ipv6: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix_list_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferencedGroup {
    group_id: String,
    user_id: String,
}

/// Whether an operation is about what is let out.
fn is_egress(call: &Call) -> bool {
    call.operation.ends_with("Egress")
}

/// `AuthorizeSecurityGroupIngress` and `AuthorizeSecurityGroupEgress`: all rules are added, or none.
pub(super) fn authorize(world: &mut World, call: &Call, form: &Form) -> Answer {
    let id = form.get("GroupId").ok_or_else(|| missing("groupId"))?;
    let tags = tags::specified(form, "security-group-rule")?;
    let egress = is_egress(call);
    let region = world.ec2(&call.account, &call.region);
    let group = region.security_groups.get(id);
    let mut rules = group.ok_or_else(|| no_group(id))?.rules.clone();
    let vpc = group.map(|group| group.vpc_id.as_str()).unwrap_or_default();
    let wanted = permissions::read(form, call, region, vpc)?;

    let before = rules.len();
    for wanted in wanted {
        if rules
            .iter()
            .any(|rule| rule.egress == egress && wanted.is(rule))
        {
            return Err(duplicate(&wanted));
        }
        rules.push(Rule {
            id: format!("sgr-0{}", world.ids.hex(16)),
            egress,
            protocol: wanted.protocol,
            ports: wanted.ports,
            peer: wanted.peer,
            description: wanted.description,
            tags: tags.clone(),
        });
    }
    if rules.iter().filter(|rule| rule.egress == egress).count() > MOST_RULES {
        return Err(refusal(
            "RulesPerSecurityGroupLimitExceeded",
            "The maximum number of rules per security group has been reached.",
        ));
    }
    let added = rules.iter().skip(before);
    let security_group_rule_set = added.map(|rule| RuleItem::new(rule, id, call)).collect();
    let group = world
        .ec2(&call.account, &call.region)
        .security_groups
        .get_mut(id);
    group.ok_or_else(|| no_group(id))?.rules = rules;
    xml::ec2(
        call,
        AuthorizeResult {
            r#return: true,
            security_group_rule_set,
        },
    )
}

fn duplicate(wanted: &Wanted) -> ServiceError {
    let peer = match &wanted.peer {
        Peer::Ipv4(peer) | Peer::Ipv6(peer) | Peer::PrefixList(peer) => peer,
        Peer::Group { id, .. } => id,
    };
    let ports = match wanted.ports {
        Some((from, to)) => format!("from port: {from}, to port: {to}, "),
        None => String::new(),
    };
    let protocol = match wanted.protocol.as_str() {
        "-1" => "ALL".to_owned(),
        protocol => protocol.to_uppercase(),
    };
    refusal(
        "InvalidPermission.Duplicate",
        format!("the specified rule \"peer: {peer}, {protocol}, {ports}ALLOW\" already exists"),
    )
}

/// `RevokeSecurityGroupIngress` and `RevokeSecurityGroupEgress`: all rules are taken away, or none.
pub(super) fn revoke(world: &mut World, call: &Call, form: &Form) -> Answer {
    let id = form.get("GroupId").ok_or_else(|| missing("groupId"))?;
    let egress = is_egress(call);
    let region = world.ec2(&call.account, &call.region);
    let group = region.security_groups.get(id);
    let group = group.ok_or_else(|| no_group(id))?;
    let same_direction = || group.rules.iter().filter(|rule| rule.egress == egress);

    let mut gone: Vec<Rule> = Vec::new();
    let rule_ids = form.list("SecurityGroupRuleId");
    for rule_id in &rule_ids {
        let rule = same_direction().find(|rule| rule.id == *rule_id);
        gone.push(rule.ok_or_else(|| no_rule(rule_id))?.clone());
    }
    if rule_ids.is_empty() {
        for wanted in permissions::read(form, call, region, &group.vpc_id)? {
            let rule = same_direction().find(|rule| wanted.is(rule));
            gone.push(rule.ok_or_else(not_there)?.clone());
        }
    }
    let revoked_security_group_rule_set = gone
        .iter()
        .map(|rule| RevokedRuleItem::new(rule, id))
        .collect();
    let group = region.security_groups.get_mut(id);
    let rules = &mut group.ok_or_else(|| no_group(id))?.rules;
    rules.retain(|rule| gone.iter().all(|gone| gone.id != rule.id));
    xml::ec2(
        call,
        RevokeResult {
            r#return: true,
            revoked_security_group_rule_set,
        },
    )
}

fn not_there() -> ServiceError {
    refusal(
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    )
}

fn no_rule(id: &str) -> ServiceError {
    refusal(
        "InvalidSecurityGroupRuleId.NotFound",
        format!("The security group rule ID '{id}' does not exist"),
    )
}

/// A rule and the group that it is of.
struct Placed<'r> {
    group: &'r SecurityGroup,
    rule: &'r Rule,
}

impl Filterable for Placed<'_> {
    fn tags(&self) -> &Tags {
        &self.rule.tags
    }

    fn values(&self, filter: &str, _account: &str, _region: &str) -> Option<Vec<String>> {
        let value = match filter {
            "group-id" => self.group.id.clone(),
            "security-group-rule-id" => self.rule.id.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}

/// `DescribeSecurityGroupRules`.
pub(super) fn describe(world: &mut World, call: &Call, form: &Form) -> Answer {
    let groups = world
        .ec2(&call.account, &call.region)
        .security_groups
        .values();
    let all: Vec<Placed<'_>> = groups
        .flat_map(|group| group.rules.iter().map(move |rule| Placed { group, rule }))
        .collect();
    let ids = form.list("SecurityGroupRuleId");
    for id in &ids {
        if all.iter().all(|placed| placed.rule.id != *id) {
            return Err(no_rule(id));
        }
    }
    let filters = filters(form)?;
    let mut fitting = Vec::new();
    for placed in all {
        let asked_for = ids.is_empty() || ids.contains(&placed.rule.id.as_str());
        if asked_for && fits(&placed, &filters, &call.account, &call.region)? {
            fitting.push(placed);
        }
    }
    fitting.sort_by(|one, other| one.rule.id.cmp(&other.rule.id));
    let (found, next_token) = page(form, fitting, 5..=1000, |placed| &placed.rule.id)?;
    let security_group_rule_set = found
        .iter()
        .map(|placed| RuleItem::new(placed.rule, &placed.group.id, call))
        .collect();
    xml::ec2(
        call,
        DescribeSecurityGroupRulesResult {
            security_group_rule_set,
            next_token,
        },
    )
}

impl RuleItem {
    fn new(rule: &Rule, group: &str, call: &Call) -> Self {
        let referenced_group_info = match &rule.peer {
            Peer::Group { id, account } => Some(ReferencedGroup {
                group_id: id.clone(),
                user_id: account.clone(),
            }),
            _ => None,
        };
        Self {
            group_owner_id: call.account.clone(),
            security_group_rule_arn: format!(
                "arn:aws:ec2:{}:{}:security-group-rule/{}",
                call.region, call.account, rule.id
            ),
            rule: PlainRule::new(rule, group),
            referenced_group_info,
            tag_set: tags::items(&rule.tags),
        }
    }
}

impl RevokedRuleItem {
    fn new(rule: &Rule, group: &str) -> Self {
        let referenced_group_id = match &rule.peer {
            Peer::Group { id, .. } => Some(id.clone()),
            _ => None,
        };
        Self {
            rule: PlainRule::new(rule, group),
            referenced_group_id,
        }
    }
}

impl PlainRule {
    fn new(rule: &Rule, group: &str) -> Self {
        let peer = |wanted: fn(&Peer) -> Option<&String>| wanted(&rule.peer).cloned();
        Self {
            security_group_rule_id: rule.id.clone(),
            group_id: group.to_owned(),
            is_egress: rule.egress,
            ip_protocol: rule.protocol.clone(),
            from_port: rule.ports.map_or(-1, |(from, _)| from),
            to_port: rule.ports.map_or(-1, |(_, to)| to),
            cidr_ipv4: peer(|peer| match peer {
                Peer::Ipv4(block) => Some(block),
                _ => None,
            }),
            cidr_ipv6: peer(|peer| match peer {
                Peer::Ipv6(block) => Some(block),
                _ => None,
            }),
            prefix_list_id: peer(|peer| match peer {
                Peer::PrefixList(id) => Some(id),
                _ => None,
            }),
            description: rule.description.clone(),
        }
    }
}
