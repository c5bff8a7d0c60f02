//! Disruption budgets: how many pods may be away.
//!
//! Source: "Specifying a Disruption Budget for your Application" in the Kubernetes documentation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::inside::Inside;
use super::object::Object;
use super::selectors::selects;

/// A budget and what it allows now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) name: String,
    pub(crate) healthy: i64,
    pub(crate) desired: i64,
    pub(crate) expected: i64,
    pub(crate) allowed: i64,
}

/// Whether a pod is one that counts as healthy.
pub(crate) fn is_ready(pod: &Value) -> bool {
    pod.condition("Ready") == "True" && !pod.is_going()
}

/// What a budget allows now.
pub(crate) fn state(inside: &Inside, budget: &Value) -> Budget {
    let namespace = budget.namespace().unwrap_or_default();
    let selector = &budget["spec"]["selector"];
    let pods: Vec<&Value> = inside
        .within("pods", namespace)
        .filter(|pod| selects(selector, &pod.labels()))
        .filter(|pod| !matches!(pod.text("/status/phase"), "Succeeded" | "Failed"))
        .collect();
    let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    let healthy = number(pods.iter().filter(|pod| is_ready(pod)).count());
    let expected = expected(inside, namespace, &pods).unwrap_or(number(pods.len()));
    let spec = &budget["spec"];
    let desired = if spec["maxUnavailable"].is_null() {
        share(&spec["minAvailable"], expected)
    } else {
        (expected - share(&spec["maxUnavailable"], expected)).max(0)
    };
    Budget {
        name: budget.name().to_owned(),
        healthy,
        desired,
        expected,
        allowed: if expected > 0 {
            (healthy - desired).max(0)
        } else {
            0
        },
    }
}

/// How many pods their owners want, if owners with a number of replicas have them.
fn expected(inside: &Inside, namespace: &str, pods: &[&Value]) -> Option<i64> {
    let mut owners: Vec<&str> = pods
        .iter()
        .filter_map(|pod| pod.list("/metadata/ownerReferences").first())
        .map(|owner| owner.text("/uid"))
        .collect();
    owners.sort_unstable();
    owners.dedup();
    let kinds = ["replicasets.apps", "statefulsets.apps"];
    let replicas = |uid: &str| {
        kinds
            .iter()
            .flat_map(|kind| inside.within(kind, namespace))
            .find(|owner| owner.uid() == uid)
            .and_then(|owner| owner.number("/spec/replicas"))
    };
    owners
        .iter()
        .map(|uid| replicas(uid))
        .sum::<Option<i64>>()
        .filter(|_| !owners.is_empty())
}

/// A count, or a percentage of all, rounded up.
fn share(value: &Value, of: i64) -> i64 {
    match value {
        Value::Number(number) => number.as_i64().unwrap_or(0),
        Value::String(text) => {
            let percent = text.trim_end_matches('%').parse::<i64>().unwrap_or(0);
            (of * percent + 99) / 100
        }
        _ => 0,
    }
}

/// The budget that keeps a pod from being evicted, if one does.
pub(crate) fn keeping(inside: &Inside, pod: &Value) -> Option<Budget> {
    if matches!(
        pod.text("/status/phase"),
        "Succeeded" | "Failed" | "Pending"
    ) || pod.is_going()
    {
        return None;
    }
    let namespace = pod.namespace().unwrap_or_default();
    inside
        .within("poddisruptionbudgets.policy", namespace)
        .filter(|budget| selects(&budget["spec"]["selector"], &pod.labels()))
        .map(|budget| state(inside, budget))
        // A pod that isn't ready doesn't count, and may go while the budget is kept without it.
        .find(|budget| budget.allowed < 1 && (is_ready(pod) || budget.healthy < budget.desired))
}

/// The pods that budgets keep on the nodes of managed groups, by group. What a daemon set runs is
/// never evicted.
pub(crate) fn kept(inside: &Inside) -> BTreeMap<String, Vec<String>> {
    let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if inside.every("poddisruptionbudgets.policy").next().is_none() {
        return kept;
    }
    let group_of = |pod: &Value| {
        let node = inside.get("nodes", None, pod.text("/spec/nodeName"))?;
        let labels = node.labels();
        labels
            .get("eks.amazonaws.com/nodegroup")
            .map(|group| (*group).to_owned())
    };
    let owned = |pod: &Value| {
        let owners = pod.list("/metadata/ownerReferences");
        owners.iter().any(|owner| owner["kind"] == "DaemonSet")
    };
    for pod in inside.every("pods").filter(|pod| !owned(pod)) {
        if let Some(group) = group_of(pod)
            && keeping(inside, pod).is_some()
        {
            kept.entry(group).or_default().push(pod.name().to_owned());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_keeps_the_nodes_of_a_group_is_told_by_group() {
        let now: jiff::Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut inside = Inside::new("c");
        let node = |name: &str, labels: Value| json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels } });
        inside.put(
            node("managed", json!({ "eks.amazonaws.com/nodegroup": "g" })),
            now,
        );
        inside.put(node("other", json!({})), now);
        let pod = |name: &str, node: &str, owner: &str| {
            json!({ "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": name, "namespace": "n", "labels": { "app": "a" },
                    "ownerReferences": [{ "kind": owner, "name": "o", "uid": "u", "apiVersion": "apps/v1" }] },
                "spec": { "nodeName": node },
                "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } })
        };
        inside.put(pod("web", "managed", "ReplicaSet"), now);
        inside.put(pod("agent", "managed", "DaemonSet"), now);
        inside.put(pod("elsewhere", "other", "ReplicaSet"), now);
        assert!(kept(&inside).is_empty());
        let budget = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": { "name": "b", "namespace": "n" },
            "spec": { "maxUnavailable": 0, "selector": { "matchLabels": { "app": "a" } } } });
        inside.put(budget, now);
        assert_eq!(
            kept(&inside),
            BTreeMap::from([("g".to_owned(), vec!["web".to_owned()])])
        );
    }

    #[test]
    fn a_budget_keeps_pods_until_enough_are_ready() {
        let now: jiff::Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut inside = Inside::new("c");
        let pod = |name: &str, ready: &str| {
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "n", "labels": { "app": "a" } },
                "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] } })
        };
        let budget = |spec: Value| json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "b", "namespace": "n" }, "spec": spec });
        let selector = json!({ "matchLabels": { "app": "a" } });
        inside.put(pod("one", "True"), now);
        inside.put(pod("two", "False"), now);
        inside.put(
            budget(json!({ "minAvailable": 1, "selector": selector })),
            now,
        );
        assert_eq!(keeping(&inside, &pod("one", "True")).unwrap().name, "b");
        assert!(keeping(&inside, &pod("two", "False")).is_none());

        inside.put(pod("two", "True"), now);
        assert!(keeping(&inside, &pod("one", "True")).is_none());
        inside.put(
            budget(json!({ "maxUnavailable": 0, "selector": selector })),
            now,
        );
        assert!(keeping(&inside, &pod("one", "True")).is_some());
        inside.put(
            budget(json!({ "maxUnavailable": "50%", "selector": selector })),
            now,
        );
        assert!(keeping(&inside, &pod("one", "True")).is_none());
    }
}
