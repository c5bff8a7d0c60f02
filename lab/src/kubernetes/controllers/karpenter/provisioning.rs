//! Nodes for pods that find none: which a pool could have, and which is claimed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::super::facts::Facts;
use super::super::super::inside::Inside;
use super::super::super::object::{Object, controller};
use super::super::super::quantity::Quantity;
use super::super::super::schema::members;
use super::super::super::selectors::Requirement;
use super::super::super::troubles::Mishap;
use super::super::nodes::{self, NodeSpec};
use super::super::scheduler::{self, Amounts};
use super::pools::{in_use, subnets};
use super::{CLAIMS, CLASSES, FINALIZER, POOL_LABEL, POOLS};
use crate::ec2::instance_types::InstanceType;

const ARM: [&str; 3] = ["c7g", "m7g", "r7g"];

const AMD: [&str; 3] = ["c7i", "m7i", "r7i"];

const SIZES: [&str; 6] = ["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge"];

/// A node that a pool could have.
fn offers(facts: &Facts, class: &Value, pool: &Value) -> Vec<Value> {
    let chosen = subnets(facts, class);
    let zones: Vec<&str> = facts
        .subnets
        .iter()
        .filter(|s| chosen.contains(&s.id))
        .map(|s| s.zone.as_str())
        .collect();
    let template = &pool["spec"]["template"];
    let requirements: Vec<Requirement> = template
        .list("/spec/requirements")
        .iter()
        .filter_map(Requirement::read)
        .collect();
    let mut found: Vec<(u32, Value)> = Vec::new();
    for (arm, families) in [(false, AMD), (true, ARM)] {
        for family in families {
            for size in SIZES {
                let name = format!("{family}.{size}");
                let Some(kind) = InstanceType::named(&name) else {
                    continue;
                };
                for capacity in ["spot", "on-demand"] {
                    for zone in &zones {
                        let mut labels: BTreeMap<String, String> = template
                            .texts("/metadata/labels")
                            .iter()
                            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                            .collect();
                        for (key, value) in [
                            (POOL_LABEL, pool.name()),
                            ("karpenter.k8s.aws/ec2nodeclass", class.name()),
                            ("karpenter.k8s.aws/instance-family", family),
                            ("karpenter.k8s.aws/instance-size", size),
                            ("karpenter.k8s.aws/instance-category", &family[..1]),
                            ("karpenter.k8s.aws/instance-generation", &family[1..2]),
                            ("karpenter.k8s.aws/instance-hypervisor", "nitro"),
                            (
                                "karpenter.k8s.aws/instance-cpu",
                                &kind.vcpus.unwrap_or(1).to_string(),
                            ),
                            (
                                "karpenter.k8s.aws/instance-memory",
                                &kind.memory.unwrap_or(1).to_string(),
                            ),
                            ("karpenter.sh/capacity-type", capacity),
                        ] {
                            labels.insert(key.to_owned(), value.to_owned());
                        }
                        let taints = template
                            .list("/spec/taints")
                            .iter()
                            .map(|t| {
                                (
                                    t.text("/key").to_owned(),
                                    t.text("/value").to_owned(),
                                    t.text("/effect").to_owned(),
                                )
                            })
                            .collect();
                        let node = nodes::node(&NodeSpec {
                            name: "",
                            instance_type: &name,
                            arm,
                            zone,
                            capacity_type: capacity,
                            version: &facts.version,
                            os_image: "Bottlerocket OS",
                            labels,
                            taints,
                            instance: "",
                        });
                        let own = node.labels();
                        if requirements.iter().all(|r| r.fits(&own)) {
                            found.push((
                                kind.vcpus.unwrap_or(1) * 1024 * 64 + kind.memory.unwrap_or(1) / 64,
                                node,
                            ));
                        }
                    }
                }
            }
        }
    }
    // The smallest first; of those the first zone and spot.
    found.sort_by_key(|(price, _)| *price);
    found.into_iter().map(|(_, node)| node).collect()
}

pub(super) fn provision(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let pending: Vec<Value> = inside
        .every("pods")
        .filter(|pod| scheduler::waits(pod) && pod.condition("PodScheduled") == "False")
        // A node that has just joined may have room, before the scheduler has looked.
        .filter(|pod| scheduler::find(inside, pod).is_err())
        .filter(|pod| {
            !pod.list("/status/conditions")
                .iter()
                .any(|c| c.text("/message").contains("PersistentVolumeClaim"))
        })
        .cloned()
        .collect();
    if pending.is_empty() {
        return;
    }
    let mut coming: Vec<(Value, Amounts)> = inside
        .every(CLAIMS)
        .filter(|claim| !claim.is_going() && claim.condition("Registered") != "True")
        .map(|claim| (as_node(claim), Amounts::new()))
        .collect();
    let mut all: Vec<Value> = inside
        .every(POOLS)
        .filter(|p| p.condition("Ready") == "True" && !p.is_going())
        .cloned()
        .collect();
    all.sort_by_key(|pool| std::cmp::Reverse(pool.number("/spec/weight").unwrap_or(0)));
    for pod in pending {
        if inside
            .trouble(pod.name(), |m| matches!(m, Mishap::PodPending))
            .is_some()
        {
            continue;
        }
        if coming.iter_mut().any(|(node, used)| fill(node, used, &pod)) {
            continue;
        }
        let mut why = Vec::new();
        let mut made = None;
        for pool in &all {
            let class = inside
                .get(
                    CLASSES,
                    None,
                    pool.text("/spec/template/spec/nodeClassRef/name"),
                )
                .cloned()
                .unwrap_or_default();
            let offer = offers(facts, &class, pool)
                .into_iter()
                .find(|node| scheduler::would_take(node, &pod));
            let Some(node) = offer else {
                why.push(format!("incompatible with nodepool {:?}, daemonset overhead={{}}, no instance type satisfied resources and requirements", pool.name()));
                continue;
            };
            if let Some(resource) = over_limit(inside, pool, &node) {
                why.push(format!(
                    "all available instance types exceed limits for nodepool: {:?} ({resource})",
                    pool.name()
                ));
                continue;
            }
            made = Some((pool.clone(), node));
            break;
        }
        match made {
            Some((pool, node)) => {
                let claim = claim(inside, &pool, &node, &pod, now);
                let message = format!("Pod should schedule on: nodeclaim/{claim}");
                inside.tell(&pod, "karpenter", ("Normal", "Nominated"), &message, now);
                let mut used = Amounts::new();
                fill(&node, &mut used, &pod);
                coming.push((node, used));
            }
            None if !all.is_empty() => {
                let message = format!("Failed to schedule pod, {}", why.join("; "));
                let known = inside.every("events").any(|e| {
                    e["involvedObject"]["uid"] == pod.uid() && e["message"] == message.as_str()
                });
                if !known {
                    inside.tell(
                        &pod,
                        "karpenter",
                        ("Warning", "FailedScheduling"),
                        &message,
                        now,
                    );
                }
            }
            None => {}
        }
    }
}

/// Puts a pod onto a node that is coming, if it has room.
fn fill(node: &Value, used: &mut Amounts, pod: &Value) -> bool {
    if !scheduler::would_take(node, pod) {
        return false;
    }
    let wanted = scheduler::requests(pod);
    let fits = wanted.iter().all(|(resource, amount)| {
        let has =
            Quantity::read(&node["status"]["allocatable"][resource.as_str()]).unwrap_or_default();
        used.get(resource).copied().unwrap_or_default() + *amount <= has || *amount == Quantity(0)
    });
    if fits {
        for (resource, amount) in wanted {
            let sum = used.entry(resource).or_default();
            *sum = *sum + amount;
        }
    }
    fits
}

fn over_limit(inside: &Inside, pool: &Value, node: &Value) -> Option<String> {
    let used = in_use(inside, pool.name());
    members(&pool["spec"]["limits"]).find_map(|(resource, limit)| {
        let more =
            Quantity::read(&node["status"]["capacity"][resource.as_str()]).unwrap_or_default();
        let sum = used.get(resource).copied().unwrap_or_default() + more;
        (sum > Quantity::read(limit)?).then(|| resource.clone())
    })
}

fn claim(inside: &mut Inside, pool: &Value, node: &Value, pod: &Value, now: Timestamp) -> String {
    let name = format!("{}-{}", pool.name(), inside.suffix());
    let template = &pool["spec"]["template"]["spec"];
    let mut spec = json!({
        "nodeClassRef": template["nodeClassRef"], "requirements": template["requirements"],
        "expireAfter": template["expireAfter"],
        "resources": { "requests": pod["spec"]["containers"][0]["resources"]["requests"].as_object().cloned().unwrap_or_default() },
    });
    for member in ["taints", "startupTaints", "terminationGracePeriod"] {
        if !template[member].is_null() {
            spec[member] = template[member].clone();
        }
    }
    let object = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
        "metadata": { "name": name, "labels": node["metadata"]["labels"], "finalizers": [FINALIZER], "ownerReferences": controller(pool) },
        "spec": spec,
        "status": { "capacity": node["status"]["capacity"], "allocatable": node["status"]["allocatable"] },
    });
    inside.create(CLAIMS, object, now);
    name
}

/// The node that a claim will be.
fn as_node(claim: &Value) -> Value {
    json!({
        "metadata": { "name": claim.name(), "labels": claim["metadata"]["labels"] },
        "spec": { "taints": claim["spec"]["taints"].as_array().cloned().unwrap_or_default() },
        "status": { "allocatable": claim["status"]["allocatable"] },
    })
}
