//! Karpenter: makes nodes for pods that find none, and takes them away once they are empty.
//!
//! Source: "NodePools", "NodeClasses", "NodeClaims" and "Disruption" in Karpenter's documentation.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::facts::Facts;
use super::super::inside::Inside;
use super::super::kinds;
use super::super::object::{Object, controller, set_condition};
use super::super::quantity::Quantity;
use super::super::schema::members;
use super::super::selectors::Requirement;
use super::super::troubles::Mishap;
use super::super::write::{self, Deletion};
use super::garbage;
use super::nodes::{self, NodeSpec};
use super::scheduler::{self, Amounts};
use crate::ec2::instance_types::InstanceType;

const POOLS: &str = "nodepools.karpenter.sh";
const CLAIMS: &str = "nodeclaims.karpenter.sh";
const CLASSES: &str = "ec2nodeclasses.karpenter.k8s.aws";
const FINALIZER: &str = "karpenter.sh/termination";
const POOL_LABEL: &str = "karpenter.sh/nodepool";

const LAUNCH: SignedDuration = SignedDuration::from_secs(1);
const JOIN: SignedDuration = SignedDuration::from_secs(20);
/// How long a launch that failed isn't tried again.
const RETRY: SignedDuration = SignedDuration::from_secs(30);
/// What Karpenter takes to see that a node is empty.
const EMPTY: i64 = 15;

const ARM: [&str; 3] = ["c7g", "m7g", "r7g"];
const AMD: [&str; 3] = ["c7i", "m7i", "r7i"];
const SIZES: [&str; 6] = ["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge"];

/// Does what Karpenter does, while it is installed and runs.
pub(super) fn run(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let runs = inside
        .every("deployments.apps")
        .filter(|d| d.name() == "karpenter")
        .any(|d| d.number("/status/readyReplicas").unwrap_or(0) > 0);
    if !runs || inside.get(kinds::DEFINITIONS, None, POOLS).is_none() {
        return;
    }
    classes(inside, facts, now);
    pools(inside, now);
    claims(inside, facts, now);
    provision(inside, facts, now);
    consolidate(inside, now);
}

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

fn subnets(facts: &Facts, class: &Value) -> Vec<String> {
    selected(
        class.list("/spec/subnetSelectorTerms"),
        facts.subnets.iter().map(|s| (s.id.as_str(), "", &s.tags)),
    )
}

fn classes(inside: &mut Inside, facts: &Facts, now: Timestamp) {
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
            let none = |what: &str| ("NotFound", format!("{what} not found"));
            for (kind, good, (reason, message)) in [
                (
                    "SubnetsReady",
                    !subnets.is_empty(),
                    none("SubnetSelector did not match any Subnets; subnets"),
                ),
                (
                    "SecurityGroupsReady",
                    !groups.is_empty(),
                    none("SecurityGroupSelector did not match any SecurityGroups; security groups"),
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

fn pools(inside: &mut Inside, now: Timestamp) {
    let all: Vec<Value> = inside
        .every(POOLS)
        .filter(|p| !p.is_going())
        .cloned()
        .collect();
    for pool in all {
        let class = pool
            .text("/spec/template/spec/nodeClassRef/name")
            .to_owned();
        let ready = inside
            .get(CLASSES, None, &class)
            .is_some_and(|c| c.condition("Ready") == "True");
        let used = in_use(inside, pool.name());
        inside.change(POOLS, None, pool.name(), |pool| {
            let told = if ready {
                ("NodeClassReady", "")
            } else {
                ("NodeClassNotReady", "NodeClass isn't ready")
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
fn in_use(inside: &Inside, pool: &str) -> Amounts {
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

fn provision(inside: &mut Inside, facts: &Facts, now: Timestamp) {
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

fn claims(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let all: Vec<Value> = inside.every(CLAIMS).cloned().collect();
    for claim in all {
        if claim.is_going() {
            terminate(inside, &claim, now);
        } else if claim.condition("Launched") != "True" {
            launch(inside, &claim, now);
        } else if claim.condition("Registered") != "True" {
            register(inside, facts, &claim, now);
        }
    }
}

fn launch(inside: &mut Inside, claim: &Value, now: Timestamp) {
    let trouble = inside.trouble(claim.name(), |m| matches!(m, Mishap::NoCapacity { .. }));
    if let Some(Mishap::NoCapacity { message }) = trouble {
        let message = format!("creating instance, insufficient capacity, {message}");
        let known = claim
            .list("/status/conditions")
            .iter()
            .any(|c| c["message"] == message.as_str());
        if !known {
            inside.change(CLAIMS, None, claim.name(), |claim| {
                set_condition(claim, "Launched", false, ("LaunchFailed", &message), now);
                set_condition(
                    claim,
                    "Ready",
                    false,
                    ("UnhealthyDependents", "Launched=False"),
                    now,
                );
            });
            inside.tell(
                claim,
                "karpenter",
                ("Warning", "InsufficientCapacityError"),
                &format!("NodeClaim {} event: {message}", claim.name()),
                now,
            );
        }
        inside.timers.again(claim.uid(), "launch", RETRY, now);
        return;
    }
    if !inside.timers.passed(claim.uid(), "launch", LAUNCH, now) {
        return;
    }
    let instance = format!("i-0{}", inside.stable(&["instance", claim.uid()]));
    let zone = claim
        .text("/metadata/labels/topology.kubernetes.io~1zone")
        .to_owned();
    inside.change(CLAIMS, None, claim.name(), |claim| {
        claim["status"]["providerID"] = format!("aws:///{zone}/{instance}").into();
        set_condition(claim, "Launched", true, ("Launched", ""), now);
        set_condition(
            claim,
            "Registered",
            false,
            ("NodeNotFound", "Node not registered with cluster"),
            now,
        );
        set_condition(
            claim,
            "Initialized",
            false,
            ("NodeNotFound", "Node not registered with cluster"),
            now,
        );
        set_condition(
            claim,
            "Ready",
            false,
            (
                "UnhealthyDependents",
                "Registered=Unknown, Initialized=Unknown",
            ),
            now,
        );
    });
    inside.stirred = true;
}

fn register(inside: &mut Inside, facts: &Facts, claim: &Value, now: Timestamp) {
    if !inside.timers.passed(claim.uid(), "join", JOIN, now) {
        return;
    }
    let class = inside.get(CLASSES, None, claim.text("/spec/nodeClassRef/name"));
    let role = class
        .map_or("", |c| c.text("/spec/role"))
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    // A node whose role has no access entry is turned away by the cluster.
    let may_join = role.is_empty() || facts.node_roles.contains(&role);
    if !may_join
        || inside
            .trouble(claim.name(), |m| matches!(m, Mishap::NodeNeverJoins))
            .is_some()
    {
        inside.timers.passed(claim.uid(), "join", RETRY, now);
        return;
    }
    let word = inside.stable(&["node", claim.uid()]);
    let byte =
        |at: usize| u8::from_str_radix(word.get(at..at + 2).unwrap_or("0a"), 16).unwrap_or(10);
    let name = format!(
        "ip-10-0-{}-{}.{}.compute.internal",
        byte(0) % 96,
        byte(2).clamp(4, 250),
        facts.region
    );
    let labels: BTreeMap<String, String> = claim
        .labels()
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let get = |key: &str| labels.get(key).cloned().unwrap_or_default();
    let (kind, zone, capacity) = (
        get("node.kubernetes.io/instance-type"),
        get("topology.kubernetes.io/zone"),
        get("karpenter.sh/capacity-type"),
    );
    let arm = get("kubernetes.io/arch") == "arm64";
    let instance = claim
        .text("/status/providerID")
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let taints = claim
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
    let mut labels = labels;
    labels.insert("karpenter.sh/registered".to_owned(), "true".to_owned());
    labels.insert("karpenter.sh/initialized".to_owned(), "true".to_owned());
    let mut node = nodes::node(&NodeSpec {
        name: &name,
        instance_type: &kind,
        arm,
        zone: &zone,
        capacity_type: &capacity,
        version: &facts.version,
        os_image: "Bottlerocket OS (aws-k8s)",
        labels,
        taints,
        instance: &instance,
    });
    node["metadata"]["ownerReferences"] = controller(claim);
    node["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = true.into();
    nodes::add(inside, node, now);
    inside.change(CLAIMS, None, claim.name(), |claim| {
        claim["status"]["nodeName"] = name.as_str().into();
        for kind in ["Registered", "Initialized", "Ready"] {
            set_condition(claim, kind, true, (kind, ""), now);
        }
    });
}

fn terminate(inside: &mut Inside, claim: &Value, now: Timestamp) {
    let name = claim.text("/status/nodeName").to_owned();
    if let Some(node) = inside.get("nodes", None, &name).cloned() {
        nodes::leave(inside, &node, now);
        if inside.get("nodes", None, &name).is_some() {
            return;
        }
    }
    garbage::let_go(inside, CLAIMS, claim, FINALIZER);
}

/// Nodes with no pods but daemons' go.
fn consolidate(inside: &mut Inside, now: Timestamp) {
    let all: Vec<Value> = inside
        .every(CLAIMS)
        .filter(|c| !c.is_going() && c.condition("Initialized") == "True")
        .cloned()
        .collect();
    for claim in all {
        let pool = inside.get(
            POOLS,
            None,
            claim.labels().get(POOL_LABEL).copied().unwrap_or_default(),
        );
        let after = pool.map_or("0s", |p| p.text("/spec/disruption/consolidateAfter"));
        let Some(after) = seconds(after) else {
            continue;
        };
        let node = claim.text("/status/nodeName");
        let busy = inside.every("pods").any(|pod| {
            pod.text("/spec/nodeName") == node
                && !matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
                && !pod
                    .list("/metadata/ownerReferences")
                    .iter()
                    .any(|o| o["kind"] == "DaemonSet")
        });
        if busy {
            inside.timers.cancel(claim.uid(), "empty");
        } else if inside.timers.passed(
            claim.uid(),
            "empty",
            SignedDuration::from_secs(after + EMPTY),
            now,
        ) && let Some(kind) = kinds::stored(inside, CLAIMS)
        {
            write::delete(inside, &kind, &claim, &Deletion::default(), now);
        }
    }
}

/// A duration as Go writes it (`1h30m`); none for `Never`.
fn seconds(text: &str) -> Option<i64> {
    let mut total = 0;
    let mut number = 0;
    for c in text.chars() {
        match c {
            '0'..='9' => number = number * 10 + i64::from(c.to_digit(10)?),
            's' => total += std::mem::take(&mut number),
            'm' => total += 60 * std::mem::take(&mut number),
            'h' => total += 3600 * std::mem::take(&mut number),
            _ => return None,
        }
    }
    Some(total)
}
