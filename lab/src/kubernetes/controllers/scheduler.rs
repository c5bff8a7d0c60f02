//! Finds nodes for pods.
//!
//! Source: "Assigning Pods to Nodes" and "Taints and Tolerations" in the Kubernetes documentation.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::inside::Inside;
use super::super::object::{Object, set_condition};
use super::super::quantity::Quantity;
use super::super::schema::members;
use super::super::selectors::{Requirement, selects};
use super::super::troubles::Mishap;

/// Amounts by resource.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// What [`run`] goes by.
pub(super) const KINDS: [&str; 5] = [
    "pods",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "storageclasses.storage.k8s.io",
];

/// Binds the pods that wait for a node.
pub(super) fn run(inside: &mut Inside, now: Timestamp) {
    let waiting: Vec<Value> = inside
        .every("pods")
        .filter(|pod| waits(pod))
        .cloned()
        .collect();
    for pod in waiting {
        let stuck = inside
            .trouble(pod.name(), |m| matches!(m, Mishap::PodPending))
            .is_some();
        let found = if stuck {
            Err(nothing_fits(inside))
        } else {
            find(inside, &pod)
        };
        match found {
            Ok(node) => {
                inside.timers.cancel(pod.uid(), "retry");
                super::bind(inside, &pod, &node, now);
                let message = format!(
                    "Successfully assigned {}/{} to {node}",
                    pod.namespace().unwrap_or_default(),
                    pod.name()
                );
                inside.tell(
                    &pod,
                    "default-scheduler",
                    ("Normal", "Scheduled"),
                    &message,
                    now,
                );
            }
            Err(why) => {
                let known = pod
                    .list("/status/conditions")
                    .iter()
                    .any(|c| c["message"] == why.as_str());
                inside.change("pods", pod.namespace(), pod.name(), |pod| {
                    set_condition(pod, "PodScheduled", false, ("Unschedulable", &why), now);
                });
                if !known {
                    inside.tell(
                        &pod,
                        "default-scheduler",
                        ("Warning", "FailedScheduling"),
                        &why,
                        now,
                    );
                }
            }
        }
    }
}

/// Whether a pod waits for a node.
pub(super) fn waits(pod: &Value) -> bool {
    pod.text("/spec/nodeName").is_empty()
        && !pod.is_going()
        && pod.text("/status/phase") == "Pending"
        && pod.list("/spec/schedulingGates").is_empty()
}

fn nothing_fits(inside: &Inside) -> String {
    let all = inside.every("nodes").count();
    format!(
        "0/{all} nodes are available: {all} node(s) didn't match Pod's node affinity/selector. preemption: 0/{all} nodes are available: {all} Preemption is not helpful for scheduling."
    )
}

/// The best node for a pod, or why there is none.
pub(super) fn find(inside: &Inside, pod: &Value) -> Result<String, String> {
    claims(inside, pod)?;
    let nodes: Vec<&Value> = inside
        .every("nodes")
        .filter(|node| !node.is_going())
        .collect();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut fitting: Vec<(i64, &Value)> = Vec::new();
    for node in &nodes {
        match obstacle(inside, node, pod) {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None => fitting.push((score(inside, node, pod), node)),
        }
    }
    // Of those that are equally good, the one with the fewest pods.
    let crowd = |node: &Value| {
        inside
            .every("pods")
            .filter(|p| p.text("/spec/nodeName") == node.name())
            .count()
    };
    let best = fitting
        .into_iter()
        .max_by_key(|(score, node)| (*score, std::cmp::Reverse(crowd(node))));
    if let Some((_, node)) = best {
        return Ok(node.name().to_owned());
    }
    let all = nodes.len();
    if all == 0 {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let told: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    Err(format!(
        "0/{all} nodes are available: {}. preemption: 0/{all} nodes are available: {all} Preemption is not helpful for scheduling.",
        told.join(", ")
    ))
}

/// Claims must be there, and bound if they don't wait for a pod.
fn claims(inside: &Inside, pod: &Value) -> Result<(), String> {
    for name in claim_names(pod) {
        let Some(claim) = inside.get("persistentvolumeclaims", pod.namespace(), name) else {
            let all = inside.every("nodes").count();
            return Err(format!(
                "0/{all} nodes are available: persistentvolumeclaim {name:?} not found. preemption: 0/{all} nodes are available: {all} Preemption is not helpful for scheduling."
            ));
        };
        let class = inside.get(
            "storageclasses.storage.k8s.io",
            None,
            claim.text("/spec/storageClassName"),
        );
        let waits = class.is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer");
        if claim.text("/status/phase") != "Bound" && !waits {
            let all = inside.every("nodes").count();
            return Err(format!(
                "0/{all} nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/{all} nodes are available: {all} Preemption is not helpful for scheduling."
            ));
        }
    }
    Ok(())
}

/// The claims that a pod mounts.
pub(super) fn claim_names(pod: &Value) -> Vec<&str> {
    let volumes = pod.list("/spec/volumes").iter();
    volumes
        .map(|v| v.text("/persistentVolumeClaim/claimName"))
        .filter(|name| !name.is_empty())
        .collect()
}

/// Why a pod can't go to a node, if it can't.
fn obstacle(inside: &Inside, node: &Value, pod: &Value) -> Option<String> {
    if node["spec"]["unschedulable"] == true {
        let taint = json!({ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" });
        if untolerated(&[taint], pod).is_some() {
            // Source: Kubernetes' scheduler, plugin NodeUnschedulable, which comes before taints.
            return Some("node(s) were unschedulable".to_owned());
        }
    }
    if let Some(taint) = untolerated(node.list("/spec/taints"), pod) {
        return Some(format!(
            "node(s) had untolerated taint {{{}: {}}}",
            taint.text("/key"),
            taint.text("/value")
        ));
    }
    if !affinity(node, pod) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    if let Some(resource) = short_of(inside, node, pod) {
        return Some(format!("Insufficient {resource}"));
    }
    if !in_zone(inside, node, pod) {
        return Some("node(s) had volume node affinity conflict".to_owned());
    }
    if !apart(inside, node, pod) {
        return Some("node(s) didn't match pod anti-affinity rules".to_owned());
    }
    None
}

/// A taint that a pod doesn't tolerate.
pub(super) fn untolerated<'a>(taints: &'a [Value], pod: &Value) -> Option<&'a Value> {
    taints
        .iter()
        .filter(|taint| matches!(taint.text("/effect"), "NoSchedule" | "NoExecute"))
        .find(|taint| {
            !pod.list("/spec/tolerations")
                .iter()
                .any(|t| tolerates(t, taint))
        })
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let effect = toleration.text("/effect");
    let key = toleration.text("/key");
    (effect.is_empty() || effect == taint.text("/effect"))
        && (key == taint.text("/key") || (key.is_empty() && toleration["operator"] == "Exists"))
        && (toleration["operator"] == "Exists" || toleration.text("/value") == taint.text("/value"))
}

/// Whether a node is one that a pod's selector and affinity ask for.
fn affinity(node: &Value, pod: &Value) -> bool {
    let labels = node.labels();
    let selected = pod
        .texts("/spec/nodeSelector")
        .iter()
        .all(|(k, v)| labels.get(k) == Some(v));
    let terms = pod.list("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    selected
        && (terms.is_empty()
            || terms
                .iter()
                .any(|term| term_fits(term, &labels, node.name())))
}

fn term_fits(term: &Value, labels: &BTreeMap<&str, &str>, name: &str) -> bool {
    let fields = BTreeMap::from([("metadata.name", name)]);
    let all = |list: &[Value], of: &BTreeMap<&str, &str>| {
        list.iter()
            .filter_map(Requirement::read)
            .all(|r| r.fits(of))
    };
    all(term.list("/matchExpressions"), labels) && all(term.list("/matchFields"), &fields)
}

/// What a pod asks for.
pub(super) fn requests(pod: &Value) -> Amounts {
    let mut total = Amounts::new();
    for container in pod.list("/spec/containers") {
        for (resource, amount) in members(&container["resources"]["requests"]) {
            let sum = total.entry(resource.clone()).or_default();
            *sum = *sum + Quantity::read(amount).unwrap_or_default();
        }
    }
    total.insert("pods".to_owned(), Quantity::whole(1));
    total
}

/// What the pods on a node ask for.
pub(super) fn used(inside: &Inside, node: &str) -> Amounts {
    let mut total = Amounts::new();
    let pods = inside
        .every("pods")
        .filter(|pod| pod.text("/spec/nodeName") == node);
    for pod in pods.filter(|pod| !matches!(pod.text("/status/phase"), "Succeeded" | "Failed")) {
        for (resource, amount) in requests(pod) {
            let sum = total.entry(resource).or_default();
            *sum = *sum + amount;
        }
    }
    total
}

fn short_of(inside: &Inside, node: &Value, pod: &Value) -> Option<String> {
    let used = used(inside, node.name());
    requests(pod).into_iter().find_map(|(resource, wanted)| {
        let allocatable =
            Quantity::read(&node["status"]["allocatable"][resource.as_str()]).unwrap_or_default();
        let taken = used.get(&resource).copied().unwrap_or_default();
        let name = if resource == "pods" {
            "Too many pods".to_owned()
        } else {
            resource
        };
        (taken + wanted > allocatable && wanted > Quantity(0)).then_some(name)
    })
}

/// A volume of a zone can be had in that zone only.
fn in_zone(inside: &Inside, node: &Value, pod: &Value) -> bool {
    let labels = node.labels();
    claim_names(pod).iter().all(|name| {
        let claim = inside.get("persistentvolumeclaims", pod.namespace(), name);
        let volume =
            claim.and_then(|c| inside.get("persistentvolumes", None, c.text("/spec/volumeName")));
        let terms = volume
            .map(|v| v.list("/spec/nodeAffinity/required/nodeSelectorTerms"))
            .unwrap_or_default();
        terms.is_empty()
            || terms
                .iter()
                .any(|term| term_fits(term, &labels, node.name()))
    })
}

fn apart(inside: &Inside, node: &Value, pod: &Value) -> bool {
    let terms =
        pod.list("/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    terms.iter().all(|term| !meets(inside, node, pod, term))
}

/// Whether a pod that a term selects is where a node is.
fn meets(inside: &Inside, node: &Value, pod: &Value, term: &Value) -> bool {
    let key = term.text("/topologyKey");
    let labels = node.labels();
    let here = labels.get(key);
    let same: BTreeSet<&str> = inside
        .every("nodes")
        .filter(|other| other.labels().get(key) == here)
        .map(Object::name)
        .collect();
    inside
        .every("pods")
        .filter(|other| {
            other.namespace() == pod.namespace() && other.uid() != pod.uid() && !other.is_going()
        })
        .filter(|other| selects(&term["labelSelector"], &other.labels()))
        .any(|other| same.contains(other.text("/spec/nodeName")))
}

/// How well a node suits what a pod would rather have.
fn score(inside: &Inside, node: &Value, pod: &Value) -> i64 {
    let labels = node.labels();
    let preferred = pod
        .list("/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution")
        .iter();
    let liked: i64 = preferred
        .filter(|p| term_fits(&p["preference"], &labels, node.name()))
        .filter_map(|p| p.number("/weight"))
        .sum();
    let apart = pod
        .list("/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution")
        .iter();
    let crowded: i64 = apart
        .filter(|p| meets(inside, node, pod, &p["podAffinityTerm"]))
        .filter_map(|p| p.number("/weight"))
        .sum();
    liked - crowded
}

/// Whether a daemon's pod belongs on a node.
pub(super) fn takes_daemon(node: &Value, pod: &Value) -> bool {
    untolerated(node.list("/spec/taints"), pod).is_none() && affinity(node, pod)
}

/// Whether a pod would go to an empty node with these labels, taints and amounts.
pub(super) fn would_take(node: &Value, pod: &Value) -> bool {
    let allocatable = |resource: &str| {
        Quantity::read(&node["status"]["allocatable"][resource]).unwrap_or_default()
    };
    untolerated(node.list("/spec/taints"), pod).is_none()
        && affinity(node, pod)
        && requests(pod)
            .iter()
            .all(|(resource, wanted)| *wanted <= allocatable(resource) || *wanted == Quantity(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, labels: Value, taints: Value, cpu: &str) -> Value {
        json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels },
            "spec": { "taints": taints }, "status": { "allocatable": { "cpu": cpu, "memory": "8Gi", "pods": "10" } } })
    }

    fn pod(name: &str, spec: Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "n", "labels": { "app": "a" } },
            "spec": spec, "status": { "phase": "Pending" } })
    }

    fn inside() -> Inside {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut inside = Inside::new("c");
        let taint = json!([{ "key": "dedicated", "value": "management", "effect": "NoSchedule" }]);
        inside.put(
            node(
                "tainted",
                json!({ "zone": "a", "kubernetes.io/hostname": "1" }),
                taint,
                "2",
            ),
            now,
        );
        inside.put(
            node(
                "plain",
                json!({ "zone": "b", "kubernetes.io/hostname": "2" }),
                json!([]),
                "1",
            ),
            now,
        );
        inside
    }

    fn found(spec: Value) -> Result<String, String> {
        find(&inside(), &pod("p", spec))
    }

    #[test]
    fn taints_keep_pods_away_that_do_not_tolerate_them() {
        assert_eq!(found(json!({})), Ok("plain".into()));
        let selector = json!({ "nodeSelector": { "zone": "a" } });
        let why = found(selector).unwrap_err();
        assert_eq!(
            why,
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint \
            {dedicated: management}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        );
        for toleration in [
            json!({ "key": "dedicated", "operator": "Exists" }),
            json!({ "operator": "Exists" }),
            json!({ "key": "dedicated", "value": "management", "effect": "NoSchedule" }),
        ] {
            assert_eq!(
                found(json!({ "nodeSelector": { "zone": "a" }, "tolerations": [toleration] })),
                Ok("tainted".into())
            );
        }
        let wrong = json!({ "key": "dedicated", "value": "other" });
        assert!(found(json!({ "nodeSelector": { "zone": "a" }, "tolerations": [wrong] })).is_err());
    }

    #[test]
    fn a_node_takes_no_more_than_it_has() {
        let asks =
            |cpu: &str| json!({ "containers": [{ "resources": { "requests": { "cpu": cpu } } }] });
        assert_eq!(found(asks("1")), Ok("plain".into()));
        assert!(
            found(asks("1001m"))
                .unwrap_err()
                .contains("1 Insufficient cpu")
        );
    }

    #[test]
    fn affinity_asks_and_prefers() {
        let tolerations = json!([{ "operator": "Exists" }]);
        let required = json!({ "tolerations": tolerations, "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "zone", "operator": "NotIn", "values": ["b"] }] }] } } } });
        assert_eq!(found(required), Ok("tainted".into()));
        let preferred = json!({ "tolerations": tolerations, "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
            { "weight": 5, "preference": { "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a"] }] } }] } } });
        assert_eq!(found(preferred), Ok("tainted".into()));
    }

    #[test]
    fn pods_that_must_be_apart_are() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut inside = inside();
        let mut first = pod("first", json!({ "nodeName": "plain" }));
        first["status"]["phase"] = "Running".into();
        inside.put(first, now);
        let spec = json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
            { "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": "a" } } }] } } });
        let why = find(&inside, &pod("p", spec)).unwrap_err();
        assert!(
            why.contains("1 node(s) didn't match pod anti-affinity rules"),
            "{why}"
        );
    }
}
