//! From a claim to a node, and to its end.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::super::facts::Facts;
use super::super::super::inside::Inside;
use super::super::super::kinds;
use super::super::super::object::{Object, controller, set_condition};
use super::super::super::troubles::Mishap;
use super::super::super::write::{self, Deletion};
use super::super::garbage;
use super::super::nodes::{self, NodeSpec};
use super::{CLAIMS, CLASSES, FINALIZER, POOL_LABEL, POOLS};

const LAUNCH: SignedDuration = SignedDuration::from_secs(1);

const JOIN: SignedDuration = SignedDuration::from_secs(20);

/// How long a launch that failed isn't tried again.
const RETRY: SignedDuration = SignedDuration::from_secs(30);

/// What Karpenter takes to see that a node is empty.
const EMPTY: i64 = 15;

pub(super) fn claims(inside: &mut Inside, facts: &Facts, now: Timestamp) {
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
pub(super) fn consolidate(inside: &mut Inside, now: Timestamp) {
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
            // First of all, so that no pod comes to a node that is about to go.
            let node = node.to_owned();
            nodes::cordon(inside, &node, now);
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
