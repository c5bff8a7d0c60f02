//! What can be seen of a failure: pods, their logs, claims, nodes to be, events.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, PersistentVolumeClaim, Pod};
use serde_json::Value;

use super::presence::condition;
use crate::kubernetes::{Access, Selection, kinds};

/// Last lines of a log that are shown.
const LOG_LINES: u32 = 5;

/// Latest events that are shown.
const EVENTS: usize = 6;

/// Everything about the pods, claims and events of a namespace, and the nodes that Karpenter is
/// making. What can't be read is said, and hides nothing else.
pub(super) async fn of_namespace(access: &Access, namespace: &str) -> Vec<String> {
    let all = Selection::default();
    let (pods, claims, events, nodes) = tokio::join!(
        access.list::<Pod>(&kinds::POD, Some(namespace), &all),
        access.list::<PersistentVolumeClaim>(&kinds::CLAIM, Some(namespace), &all),
        access.list::<Event>(&kinds::EVENT, Some(namespace), &all),
        access.list::<Value>(&kinds::NODE_CLAIM, None, &all),
    );
    let mut seen = Vec::new();
    match pods {
        Ok(list) => {
            for pod in &list.items {
                seen.extend(of_pod(access, namespace, pod).await);
            }
        }
        Err(error) => seen.push(error.to_string()),
    }
    match claims {
        Ok(list) => seen.extend(list.items.iter().map(of_claim)),
        Err(error) => seen.push(error.to_string()),
    }
    match events {
        Ok(list) => seen.extend(of_events(list.items)),
        Err(error) => seen.push(error.to_string()),
    }
    // Without Karpenter's kinds there are no nodes to be.
    let nodes = nodes.map(|list| list.items).unwrap_or_default();
    seen.extend(nodes.iter().filter_map(of_node_claim));
    seen
}

/// The pods that a workload selects, as far as they aren't ready, and their events.
pub(super) async fn of_selected(access: &Access, namespace: &str, workload: &Value) -> Vec<String> {
    let labels = workload.pointer("/spec/selector/matchLabels");
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    let selector: Vec<_> = labels
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    let selection = Selection::labels(selector.join(","));
    let pods = match access
        .list::<Pod>(&kinds::POD, Some(namespace), &selection)
        .await
    {
        Ok(list) => list.items,
        Err(error) => return vec![error.to_string()],
    };
    let mut seen = Vec::new();
    for pod in pods.iter().filter(|pod| !is_ready(pod)).take(3) {
        seen.extend(of_pod(access, namespace, pod).await);
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let about = Selection::fields(format!("involvedObject.name={name}"));
        let events = access.list::<Event>(&kinds::EVENT, Some(namespace), &about);
        if let Ok(list) = events.await {
            seen.extend(of_events(list.items));
        }
    }
    if pods.is_empty() {
        seen.push("it has no pods".to_owned());
    }
    seen
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref());
    let conditions = conditions.unwrap_or_default();
    conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

async fn of_pod(access: &Access, namespace: &str, pod: &Pod) -> Vec<String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let mut seen = vec![pod_line(pod)];
    let status = pod.status.as_ref();
    let containers = status.and_then(|s| s.container_statuses.as_deref());
    let has_run = |c: &ContainerStatus| {
        c.state
            .as_ref()
            .is_some_and(|s| s.running.is_some() || s.terminated.is_some())
            || c.restart_count > 0
    };
    if containers.unwrap_or_default().iter().any(has_run) {
        match access.log(namespace, name, LOG_LINES).await {
            Ok(log) => seen.extend(log.lines().map(|line| format!("  log: {line}"))),
            Err(error) => seen.push(format!("  log: {error}")),
        }
    }
    seen
}

/// A pod's phase, and what holds it up.
fn pod_line(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let Some(status) = &pod.status else {
        return format!("pod {name} has no status");
    };
    let mut parts = vec![status.phase.clone().unwrap_or_default()];
    let mut add = |reason: Option<&str>, message: Option<&str>| {
        let told: Vec<_> = [reason, message].into_iter().flatten().collect();
        if !told.is_empty() {
            parts.push(told.join(": "));
        }
    };
    add(status.reason.as_deref(), status.message.as_deref());
    let conditions = status.conditions.iter().flatten();
    for condition in conditions.filter(|c| c.type_ == "PodScheduled" && c.status == "False") {
        add(condition.reason.as_deref(), condition.message.as_deref());
    }
    for container in status.container_statuses.iter().flatten() {
        let Some(state) = &container.state else {
            continue;
        };
        if let Some(waiting) = &state.waiting {
            add(waiting.reason.as_deref(), waiting.message.as_deref());
        }
        if let Some(ended) = state.terminated.as_ref().filter(|t| t.exit_code != 0) {
            let code = format!("exit code {}", ended.exit_code);
            add(Some(&code), ended.reason.as_deref());
        }
    }
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let on = node.map(|node| format!(" on {node}")).unwrap_or_default();
    format!("pod {name}{on}: {}", parts.join("; "))
}

fn of_claim(claim: &PersistentVolumeClaim) -> String {
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let status = claim.status.clone().unwrap_or_default();
    let capacity = status
        .capacity
        .and_then(|capacity| Some(capacity.get("storage")?.0.clone()));
    let mut line = format!(
        "claim {name}: {}, {}",
        status.phase.unwrap_or_default(),
        capacity.unwrap_or_else(|| "no capacity yet".to_owned())
    );
    for condition in status.conditions.into_iter().flatten() {
        let message = condition.message.unwrap_or_default();
        line.push_str(&format!("; {}: {message}", condition.type_));
    }
    line
}

/// The latest events that tell of trouble, else the latest of all.
fn of_events(mut events: Vec<Event>) -> Vec<String> {
    events.sort_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
    let is_warning = |event: &&Event| event.type_.as_deref() == Some("Warning");
    let warnings: Vec<_> = events.iter().filter(is_warning).collect();
    let chosen = if warnings.is_empty() {
        events.iter().collect()
    } else {
        warnings
    };
    let skipped = chosen.len().saturating_sub(EVENTS);
    let told = chosen.into_iter().skip(skipped).map(|event| {
        let object = &event.involved_object;
        format!(
            "event: {} {}: {}: {}",
            object.kind.as_deref().unwrap_or_default(),
            object.name.as_deref().unwrap_or_default(),
            event.reason.as_deref().unwrap_or_default(),
            event.message.as_deref().unwrap_or_default().trim()
        )
    });
    told.collect()
}

/// The conditions of an object of Karpenter's that aren't met, but for that which sums them up.
pub(super) fn of_conditions(object: &Value) -> Vec<String> {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let kinds = conditions
        .into_iter()
        .flatten()
        .filter_map(|c| c.get("type")?.as_str());
    let unmet = kinds.filter(|kind| *kind != "Ready").filter_map(|kind| {
        let (status, why) = condition(object, kind)?;
        (status != "True").then(|| format!("  {kind} is {status}: {why}"))
    });
    unmet.collect()
}

/// A node that Karpenter is making, if it isn't ready.
fn of_node_claim(claim: &Value) -> Option<String> {
    let name = claim.pointer("/metadata/name")?.as_str()?;
    let unmet = ["Launched", "Registered", "Initialized", "Ready"]
        .into_iter()
        .find_map(|kind| {
            let (status, why) = condition(claim, kind)?;
            (status != "True").then(|| format!("{kind} is {status}: {why}"))
        })?;
    Some(format!("node claim {name}: {unmet}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(value: Value) -> String {
        pod_line(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_pod_tells_what_holds_it_up() {
        assert_eq!(
            pod(
                json!({"metadata": {"name": "p"}, "status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available"}]}})
            ),
            "pod p: Pending; Unschedulable: 0/2 nodes are available"
        );
        assert_eq!(
            pod(
                json!({"metadata": {"name": "p"}, "spec": {"containers": [], "nodeName": "n"}, "status": {"phase": "Failed", "containerStatuses": [
                {"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]}})
            ),
            "pod p on n: Failed; exit code 3: Error"
        );
        assert_eq!(
            pod(
                json!({"metadata": {"name": "p"}, "status": {"phase": "Pending", "containerStatuses": [
                {"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}})
            ),
            "pod p: Pending; ImagePullBackOff: no such image"
        );
    }

    #[test]
    fn claims_nodes_and_events_tell_their_state() {
        let claim = json!({"metadata": {"name": "c"}, "status": {"phase": "Pending"}});
        assert_eq!(
            of_claim(&serde_json::from_value(claim).unwrap()),
            "claim c: Pending, no capacity yet"
        );
        let node = json!({"metadata": {"name": "n"}, "status": {"conditions": [
            {"type": "Launched", "status": "False", "reason": "InsufficientCapacity", "message": "no spot"}]}});
        assert_eq!(
            of_node_claim(&node).unwrap(),
            "node claim n: Launched is False: InsufficientCapacity: no spot"
        );
        let event = |kind: &str, reason: &str| -> Event {
            serde_json::from_value(
                json!({"metadata": {}, "type": kind, "reason": reason, "message": "m",
                "involvedObject": {"kind": "Pod", "name": "p"}}),
            )
            .unwrap()
        };
        assert_eq!(
            of_events(vec![
                event("Normal", "Scheduled"),
                event("Warning", "FailedMount")
            ]),
            ["event: Pod p: FailedMount: m"]
        );
    }
}
