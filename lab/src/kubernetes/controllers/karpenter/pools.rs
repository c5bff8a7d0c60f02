//! Node classes and pools, and what Karpenter says of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::super::facts::Facts;
use super::super::super::inside::Inside;
use super::super::super::object::{Object, set_condition};
use super::super::super::quantity::Quantity;
use super::super::super::schema::members;
use super::super::scheduler::Amounts;
use super::{CLAIMS, CLASSES, POOL_LABEL, POOLS};

/// Subnets and groups that a class selects.
fn selected<'a>(
    terms: &[Value],
    all: impl Iterator<Item = (&'a str, &'a str, &'a BTreeMap<String, String>)>,
) -> Vec<String> {
    all.filter(|(id, name, tags)| {
        terms.iter().any(|term| {
            let by_tags = members(&term["tags"]).all(|(k, v)| {
                tags.get(k)
                    .is_some_and(|have| v == "*" || v == have.as_str())
            });
            let by_id = term["id"].is_null() || term["id"] == *id;
            let by_name = term["name"].is_null() || term["name"] == *name;
            by_tags && by_id && by_name
        })
    })
    .map(|(id, ..)| id.to_owned())
    .collect()
}

pub(super) fn subnets(facts: &Facts, class: &Value) -> Vec<String> {
    selected(
        class.list("/spec/subnetSelectorTerms"),
        facts.subnets.iter().map(|s| (s.id.as_str(), "", &s.tags)),
    )
}

pub(super) fn classes(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let all: Vec<Value> = inside
        .every(CLASSES)
        .filter(|c| !c.is_going())
        .cloned()
        .collect();
    for class in all {
        let subnets = subnets(facts, &class);
        let groups = selected(
            class.list("/spec/securityGroupSelectorTerms"),
            facts
                .security_groups
                .iter()
                .map(|(id, name, tags)| (id.as_str(), name.as_str(), tags)),
        );
        let role = class
            .text("/spec/role")
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let has_role =
            role.is_empty() || facts.node_roles.contains(&role) || facts.roles.contains(&role);
        inside.change(CLASSES, None, class.name(), |class| {
            let zone = |id: &String| {
                facts
                    .subnets
                    .iter()
                    .find(|s| s.id == *id)
                    .map_or("", |s| s.zone.as_str())
            };
            class["status"]["subnets"] = subnets
                .iter()
                .map(|id| json!({ "id": id, "zone": zone(id) }))
                .collect();
            class["status"]["securityGroups"] =
                groups.iter().map(|id| json!({ "id": id })).collect();
            for (kind, good, (reason, message)) in [
                (
                    "SubnetsReady",
                    !subnets.is_empty(),
                    (
                        "SubnetsNotFound",
                        "SubnetSelector did not match any Subnets".to_owned(),
                    ),
                ),
                (
                    "SecurityGroupsReady",
                    !groups.is_empty(),
                    (
                        "SecurityGroupsNotFound",
                        "SecurityGroupSelector did not match any SecurityGroups".to_owned(),
                    ),
                ),
                (
                    "InstanceProfileReady",
                    has_role,
                    ("NotFound", format!("role {role} not found")),
                ),
                ("AMIsReady", true, ("", String::new())),
                ("ValidationSucceeded", true, ("", String::new())),
            ] {
                let told = if good {
                    (kind, "")
                } else {
                    (reason, message.as_str())
                };
                set_condition(class, kind, good, told, now);
            }
            let missing: Vec<String> = [
                "SubnetsReady",
                "SecurityGroupsReady",
                "InstanceProfileReady",
            ]
            .iter()
            .filter(|kind| class.condition(kind) != "True")
            .map(|kind| format!("{kind}=False"))
            .collect();
            let told = missing.join(", ");
            let told = if missing.is_empty() {
                ("Ready", "")
            } else {
                ("UnhealthyDependents", told.as_str())
            };
            set_condition(class, "Ready", missing.is_empty(), told, now);
        });
    }
}

pub(super) fn pools(inside: &mut Inside, now: Timestamp) {
    let all: Vec<Value> = inside
        .every(POOLS)
        .filter(|p| !p.is_going())
        .cloned()
        .collect();
    for pool in all {
        let class = pool
            .text("/spec/template/spec/nodeClassRef/name")
            .to_owned();
        let class = inside.get(CLASSES, None, &class);
        let ready = class.is_some_and(|c| c.condition("Ready") == "True");
        let why = class.map_or_else(
            || {
                (
                    "NodeClassNotFound".to_owned(),
                    "NodeClass not found on cluster".to_owned(),
                )
            },
            |class| {
                let conditions = class.list("/status/conditions").iter();
                let told = conditions.rev().find(|c| c["type"] == "Ready");
                let text = |key: &str| told.map_or_else(String::new, |c| c.text(key).to_owned());
                (text("/reason"), text("/message"))
            },
        );
        let used = in_use(inside, pool.name());
        inside.change(POOLS, None, pool.name(), |pool| {
            let told = if ready {
                ("NodeClassReady", "")
            } else {
                (why.0.as_str(), why.1.as_str())
            };
            set_condition(pool, "NodeClassReady", ready, told, now);
            set_condition(
                pool,
                "ValidationSucceeded",
                true,
                ("ValidationSucceeded", ""),
                now,
            );
            set_condition(pool, "Ready", ready, told, now);
            pool["status"]["resources"] = used
                .iter()
                .map(|(k, v)| (k.clone(), Value::from(v.units().to_string())))
                .collect::<serde_json::Map<_, _>>()
                .into();
        });
    }
}

/// What the nodes of a pool have in all.
pub(super) fn in_use(inside: &Inside, pool: &str) -> Amounts {
    let mut total = Amounts::new();
    for claim in inside
        .every(CLAIMS)
        .filter(|c| c.labels().get(POOL_LABEL) == Some(&pool))
    {
        for (resource, amount) in members(&claim["status"]["capacity"]) {
            let sum = total.entry(resource.clone()).or_default();
            *sum = *sum + Quantity::read(amount).unwrap_or_default();
        }
    }
    total
}
