//! Pods that check themselves, in a namespace that they have to themselves.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::check::Finding;
use super::room::Room;
use super::{Subject, evidence};
use crate::kubernetes::{Access, Kind, Selection, Waited, Watched, key, kinds};

/// For how long a pod goes on that no one waits for any more, because its run was killed and none came
/// after it that would have swept it away. Far longer than any check takes, so that it never ends one.
const ABANDONED: Duration = Duration::from_hours(24);

/// Runs a check in a namespace of its own. Whatever comes of it, the namespace goes; if it fails,
/// what can be seen there is told first.
pub(super) async fn in_a_room<F>(
    subject: &Arc<Subject>,
    check: &str,
    security: &str,
    deadline: Instant,
    work: impl FnOnce(Access, String) -> F,
) -> Result<(), Finding>
where
    F: Future<Output = Result<(), Finding>>,
{
    let access = subject.access()?.clone();
    let room = Room::open(subject, check, security).await?;
    let name = room.name().to_owned();
    let working = async {
        room.ready(&access, deadline).await?;
        work(access.clone(), name.clone()).await
    };
    let outcome = tokio::select! {
        outcome = working => outcome,
        () = subject.cancel.cancelled() => Err(Finding::new("the run was interrupted")),
    };
    let outcome = match outcome {
        Err(finding) if !subject.cancel.is_cancelled() => {
            let seen = evidence::of_namespace(&access, &name).await;
            Err(finding.with(seen))
        }
        outcome => outcome,
    };
    let closed = room.close(subject).await;
    outcome.and(closed)
}

/// All objects of a kind in a check's namespace.
pub(super) fn of_room(kind: &Kind, room: &str) -> Watched {
    Watched::new(kind, Some(room), Selection::default())
}

/// Makes a check's pods and gives them as what there is to watch: from the first on, since one may have
/// ended and be gone before it could be looked for.
pub(super) async fn make(
    access: &Access,
    room: &str,
    pods: &[(&str, Value)],
) -> Result<Watched, Finding> {
    let mut watched = of_room(&kinds::POD, room);
    for (name, spec) in pods {
        let pod = pod(name, spec);
        watched
            .made
            .push(access.create(&kinds::POD, Some(room), &pod).await?);
    }
    Ok(watched)
}

/// Waits until a pod of those that were made runs, or has run.
pub(super) async fn running(
    access: &Access,
    pods: &Watched,
    deadline: Instant,
) -> Result<(), Finding> {
    let waited = access
        .watch_until(pods, deadline, |pods| {
            let mut phases = pods.values().filter_map(phase);
            let has_run = |phase| matches!(phase, "Running" | "Succeeded" | "Failed");
            phases.any(has_run).then_some(())
        })
        .await?;
    match waited {
        Waited::Met(()) => Ok(()),
        Waited::TooLate(_, trouble) => {
            let cause = "no pod started in time";
            Err(Finding::new(cause).with(trouble.map(|e| e.to_string())))
        }
    }
}

fn phase(pod: &Value) -> Option<&str> {
    pod.pointer("/status/phase").and_then(Value::as_str)
}

/// Waits until the pods that were made have ended, all well or one badly. One that is taken away before
/// that never will.
pub(super) async fn ended(
    access: &Access,
    pods: &Watched,
    deadline: Instant,
) -> Result<(), Finding> {
    let names: Vec<_> = pods.made.iter().map(named).collect();
    // A pod that has ended well may be gone by the time the other has: nothing keeps its node.
    let mut well = vec![false; names.len()];
    let waited = access
        .watch_until(pods, deadline, |pods| {
            for ((name, key), well) in names.iter().zip(&mut well) {
                match pods.get(key).map(phase) {
                    Some(Some("Failed")) => return Some(Err(format!("pod {name} failed"))),
                    Some(Some("Succeeded")) => *well = true,
                    None if !*well => {
                        return Some(Err(format!("pod {name} was deleted before it ended")));
                    }
                    _ => {}
                }
            }
            well.iter().all(|well| *well).then_some(Ok(()))
        })
        .await?;
    match waited {
        Waited::Met(outcome) => outcome.map_err(Finding::new),
        Waited::TooLate(_, trouble) => {
            let late = names.iter().zip(&well).filter(|(_, well)| !**well);
            let late: Vec<_> = late.map(|((name, _), _)| *name).collect();
            let cause = format!("pod {} didn't end in time", late.join(" and "));
            Err(Finding::new(cause).with(trouble.map(|e| e.to_string())))
        }
    }
}

/// A pod's name, alone and as it is watched.
fn named(pod: &Value) -> (&str, String) {
    let name = pod.pointer("/metadata/name").and_then(Value::as_str);
    (name.unwrap_or_default(), key(pod))
}

/// A pod's spec: one container that runs a script, as the restricted pod security standard has it.
pub(super) fn spec(subject: &Subject, script: &str, variables: &[(&str, String)]) -> Value {
    let settings = &subject.settings.verify;
    let mut env = vec![json!({
        "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } }
    })];
    env.extend(
        variables
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value })),
    );
    json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "nodeSelector": settings.node_selector,
        // The management nodes are there before Karpenter has made any.
        "tolerations": [{ "key": "dedicated", "operator": "Exists" }],
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "check",
            "image": settings.image,
            "command": ["sh", "-c", script],
            "env": env,
            "resources": { "requests": { "cpu": "50m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } },
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        }],
    })
}

/// The labels of every pod of a check.
pub(super) fn labels() -> Value {
    json!({ "app": "psk-verify" })
}

/// A pod that a check makes.
fn pod(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["activeDeadlineSeconds"] = json!(ABANDONED.as_secs());
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": labels(),
            // A check isn't to fail because its node would be cheaper elsewhere. Source: Karpenter's
            // documentation, "Disruption", pod-level controls.
            "annotations": { "karpenter.sh/do-not-disrupt": "true" },
        },
        "spec": spec,
    })
}
