//! Deployments, replica sets, stateful sets, daemon sets and jobs: they make pods, and tell how
//! these are.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::budgets::{self, is_ready};
use super::super::inside::Inside;
use super::super::kinds;
use super::super::object::{self, Object, controller, set_condition, set_metadata, time};
use super::super::write::{self, Deletion};
use super::{bootstrap, scheduler};

const DEPLOYMENTS: &str = "deployments.apps";
const REPLICA_SETS: &str = "replicasets.apps";
const STATEFUL_SETS: &str = "statefulsets.apps";
const DAEMON_SETS: &str = "daemonsets.apps";
const JOBS: &str = "jobs.batch";

const BUDGETS: &str = "poddisruptionbudgets.policy";

/// What [`run`] goes by.
pub(super) const KINDS: [&str; 8] = [
    DEPLOYMENTS,
    REPLICA_SETS,
    STATEFUL_SETS,
    DAEMON_SETS,
    JOBS,
    BUDGETS,
    "pods",
    "nodes",
];

/// Brings pods to what workloads ask for.
pub(super) fn run(inside: &mut Inside, now: Timestamp) {
    for deployment in present(inside, DEPLOYMENTS) {
        self::deployment(inside, &deployment, now);
    }
    for set in present(inside, REPLICA_SETS) {
        replicas(inside, REPLICA_SETS, &set, now);
    }
    for set in present(inside, STATEFUL_SETS) {
        replicas(inside, STATEFUL_SETS, &set, now);
    }
    for set in present(inside, DAEMON_SETS) {
        daemon_set(inside, &set, now);
    }
    for job in present(inside, JOBS) {
        self::job(inside, &job, now);
    }
    for budget in present(inside, BUDGETS) {
        self::budget(inside, &budget);
    }
}

fn present(inside: &Inside, kind: &str) -> Vec<Arc<Value>> {
    inside
        .shared(kind)
        .filter(|object| !object.is_going())
        .cloned()
        .collect()
}

fn owned<'a>(
    inside: &'a Inside,
    kind: &str,
    owner: &'a Value,
) -> impl Iterator<Item = &'a Arc<Value>> {
    inside
        .shared(kind)
        .filter(move |object| object.is_owned_by(owner.uid()))
}

fn count(pods: &[Arc<Value>], fits: impl Fn(&Value) -> bool) -> i64 {
    i64::try_from(pods.iter().filter(|pod| fits(pod)).count()).unwrap_or(i64::MAX)
}

/// A pod of a template.
fn pod(inside: &mut Inside, owner: &Value, name: String, now: Timestamp) -> Option<Arc<Value>> {
    let template = &owner["spec"]["template"];
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"] });
    if pod["metadata"].is_null() {
        pod["metadata"] = json!({});
    }
    set_metadata(&mut pod, "name", name);
    set_metadata(&mut pod, "namespace", owner.namespace().unwrap_or_default());
    set_metadata(&mut pod, "ownerReferences", controller(owner));
    bootstrap::make(inside, pod, now)
}

fn deployment(inside: &mut Inside, deployment: &Value, now: Timestamp) {
    let namespace = deployment.namespace().map(str::to_owned);
    let template = &deployment["spec"]["template"];
    let hash = inside.word(10, &["template", &object::canonical(template)]);
    let name = format!("{}-{hash}", deployment.name());
    let replicas = deployment.number("/spec/replicas").unwrap_or(1);
    if inside
        .get(REPLICA_SETS, namespace.as_deref(), &name)
        .is_none()
    {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": { "name": name, "namespace": namespace, "labels": template["metadata"]["labels"],
                "ownerReferences": controller(deployment) },
            "spec": { "replicas": replicas, "selector": deployment["spec"]["selector"], "template": template },
        });
        for path in [
            "/metadata/labels",
            "/spec/template/metadata/labels",
            "/spec/selector/matchLabels",
        ] {
            if let Some(labels) = set.pointer_mut(path).and_then(Value::as_object_mut) {
                labels.insert("pod-template-hash".to_owned(), hash.clone().into());
            }
        }
        inside.create(REPLICA_SETS, set, now);
    }
    let current = inside
        .stored(REPLICA_SETS, namespace.as_deref(), &name)
        .cloned()
        .unwrap_or_default();
    let ready = current.number("/status/readyReplicas").unwrap_or(0);
    if current.number("/spec/replicas") != Some(replicas) {
        inside.change(REPLICA_SETS, namespace.as_deref(), &name, |set| {
            set["spec"]["replicas"] = replicas.into()
        });
    }
    // Old pods stay until the new ones are ready, unless they are to go first.
    let others: Vec<Arc<Value>> = owned(inside, REPLICA_SETS, deployment)
        .filter(|set| set.name() != name)
        .cloned()
        .collect();
    let recreates = deployment["spec"]["strategy"]["type"] == "Recreate";
    for set in others {
        if recreates || ready >= replicas {
            inside.change(REPLICA_SETS, namespace.as_deref(), set.name(), |set| {
                set["spec"]["replicas"] = 0.into()
            });
        }
    }
    let sets: Vec<Arc<Value>> = owned(inside, REPLICA_SETS, deployment).cloned().collect();
    let sum = |pointer: &str| {
        sets.iter()
            .map(|set| set.number(pointer).unwrap_or(0))
            .sum::<i64>()
    };
    let (all, ready_all, updated) = (
        sum("/status/replicas"),
        sum("/status/readyReplicas"),
        current.number("/status/replicas").unwrap_or(0),
    );
    inside.change_status(
        DEPLOYMENTS,
        namespace.as_deref(),
        deployment.name(),
        |deployment| {
            let generation = deployment["metadata"]["generation"].clone();
            let status = &mut deployment["status"];
            status["observedGeneration"] = generation;
            for (member, value) in [
                ("replicas", all),
                ("updatedReplicas", updated),
                ("readyReplicas", ready_all),
                ("availableReplicas", ready_all),
                ("unavailableReplicas", (replicas - ready_all).max(0)),
            ] {
                number(status, member, value);
            }
            let enough = ready_all >= replicas;
            let told = if enough {
                (
                    "MinimumReplicasAvailable",
                    "Deployment has minimum availability.",
                )
            } else {
                (
                    "MinimumReplicasUnavailable",
                    "Deployment does not have minimum availability.",
                )
            };
            set_condition(deployment, "Available", enough, told, now);
            let progress = if updated >= replicas && ready >= replicas {
                (
                    "NewReplicaSetAvailable",
                    "ReplicaSet has successfully progressed.",
                )
            } else {
                ("ReplicaSetUpdated", "ReplicaSet is progressing.")
            };
            set_condition(deployment, "Progressing", true, progress, now);
        },
    );
}

/// Counters that are zero aren't written.
fn number(status: &mut Value, member: &str, value: i64) {
    if value == 0 {
        if let Some(map) = status.as_object_mut() {
            map.shift_remove(member);
        }
    } else {
        status[member] = value.into();
    }
}

fn replicas(inside: &mut Inside, kind: &str, set: &Value, now: Timestamp) {
    let ordinal = kind == STATEFUL_SETS;
    let wanted = set.number("/spec/replicas").unwrap_or(1);
    let mut pods: Vec<Arc<Value>> = owned(inside, "pods", set)
        .filter(|pod| !pod.is_going() && !has_ended(pod))
        .cloned()
        .collect();
    while count(&pods, |_| true) < wanted {
        let name = if ordinal {
            let free = (0..).map(|n| format!("{}-{n}", set.name()));
            free.into_iter()
                .find(|name| pods.iter().all(|pod| pod.name() != name))
                .unwrap_or_default()
        } else {
            format!("{}-{}", set.name(), inside.suffix())
        };
        match pod(inside, set, name, now) {
            Some(pod) => pods.push(pod),
            None => break,
        }
    }
    let too_many = usize::try_from(count(&pods, |_| true) - wanted).unwrap_or(0);
    if too_many > 0
        && let Some(of) = kinds::stored(inside, "pods")
    {
        // Those that aren't ready go first.
        pods.sort_by_key(|pod| is_ready(pod));
        for pod in pods.drain(..too_many.min(pods.len())) {
            write::delete(inside, &of, &pod, &Deletion::default(), now);
        }
    }
    let pods: Vec<Arc<Value>> = owned(inside, "pods", set)
        .filter(|pod| !pod.is_going() && !has_ended(pod))
        .cloned()
        .collect();
    inside.change_status(kind, set.namespace(), set.name(), |set| {
        let generation = set["metadata"]["generation"].clone();
        let status = &mut set["status"];
        status["observedGeneration"] = generation;
        status["replicas"] = count(&pods, |_| true).into();
        let ready = count(&pods, is_ready);
        for (member, value) in [
            (
                "fullyLabeledReplicas",
                if ordinal { 0 } else { count(&pods, |_| true) },
            ),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
            (
                "currentReplicas",
                if ordinal { count(&pods, |_| true) } else { 0 },
            ),
            (
                "updatedReplicas",
                if ordinal { count(&pods, |_| true) } else { 0 },
            ),
        ] {
            number(status, member, value);
        }
    });
}

fn has_ended(pod: &Value) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

fn daemon_set(inside: &mut Inside, set: &Value, now: Timestamp) {
    let generation = set.number("/metadata/generation").unwrap_or(1).to_string();
    let nodes: Vec<Arc<Value>> = inside
        .shared("nodes")
        .filter(|node| !node.is_going())
        .cloned()
        .collect();
    let probe = json!({ "metadata": { "labels": {} }, "spec": daemon_spec(set, None) });
    let wanted: Vec<&Arc<Value>> = nodes
        .iter()
        .filter(|node| scheduler::takes_daemon(node, &probe))
        .collect();
    let Some(of) = kinds::stored(inside, "pods") else {
        return;
    };
    let pods: Vec<Arc<Value>> = owned(inside, "pods", set).cloned().collect();
    for pod in pods.iter().filter(|pod| !pod.is_going()) {
        let outdated = pod.labels().get("pod-template-generation") != Some(&generation.as_str());
        let lost = wanted.iter().all(|node| !is_for(pod, node.name()));
        if outdated || lost || has_ended(pod) {
            write::delete(
                inside,
                &of,
                pod,
                &Deletion {
                    grace: Some(1),
                    ..Deletion::default()
                },
                now,
            );
        }
    }
    for node in &wanted {
        if owned(inside, "pods", set).any(|pod| is_for(pod, node.name())) {
            continue;
        }
        let mut owner = set.clone();
        owner["spec"]["template"]["spec"] = daemon_spec(set, Some(node.name()));
        owner["spec"]["template"]["metadata"]["labels"]["pod-template-generation"] =
            generation.clone().into();
        let name = format!("{}-{}", set.name(), inside.suffix());
        pod(inside, &owner, name, now);
    }
    let pods: Vec<Arc<Value>> = owned(inside, "pods", set)
        .filter(|pod| !pod.is_going())
        .cloned()
        .collect();
    let ready = count(&pods, is_ready);
    let desired = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
    inside.change_status(DAEMON_SETS, set.namespace(), set.name(), |set| {
        let generation = set["metadata"]["generation"].clone();
        let status = &mut set["status"];
        status["observedGeneration"] = generation;
        status["desiredNumberScheduled"] = desired.into();
        status["currentNumberScheduled"] =
            count(&pods, |p| !p.text("/spec/nodeName").is_empty()).into();
        status["numberMisscheduled"] = 0.into();
        status["numberReady"] = ready.into();
        number(status, "updatedNumberScheduled", count(&pods, |_| true));
        number(status, "numberAvailable", ready);
        number(status, "numberUnavailable", (desired - ready).max(0));
    });
}

fn is_for(pod: &Value, node: &str) -> bool {
    pod.text("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0") == node
}

/// A daemon's pod is bound to its node by affinity, and tolerates what befalls nodes.
fn daemon_spec(set: &Value, node: Option<&str>) -> Value {
    let mut spec = set["spec"]["template"]["spec"].clone();
    let mut tolerations = spec.list("/tolerations").to_vec();
    for (key, effect) in [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ] {
        tolerations.push(json!({ "key": key, "operator": "Exists", "effect": effect }));
    }
    spec["tolerations"] = json!(tolerations);
    if let Some(node) = node {
        spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({
            "nodeSelectorTerms": [{ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [node] }] }],
        });
    }
    spec
}

fn job(inside: &mut Inside, job: &Value, now: Timestamp) {
    let done = ["Complete", "Failed"]
        .iter()
        .any(|kind| job.condition(kind) == "True");
    let pods: Vec<Arc<Value>> = owned(inside, "pods", job).cloned().collect();
    let succeeded = count(&pods, |pod| pod.text("/status/phase") == "Succeeded");
    let failed = count(&pods, |pod| pod.text("/status/phase") == "Failed");
    let active = count(&pods, |pod| !has_ended(pod) && !pod.is_going());
    let completions = job.number("/spec/completions").unwrap_or(1);
    let parallelism = job.number("/spec/parallelism").unwrap_or(1);
    let backoff = job.number("/spec/backoffLimit").unwrap_or(6);
    let complete = succeeded >= completions;
    let gave_up = failed > backoff;
    if !done && !complete && !gave_up && job["spec"]["suspend"] != true {
        for _ in active..parallelism.min(completions - succeeded) {
            let name = format!("{}-{}", job.name(), inside.suffix());
            pod(inside, job, name, now);
        }
    }
    let active = count(
        &owned(inside, "pods", job).cloned().collect::<Vec<_>>(),
        |pod| !has_ended(pod) && !pod.is_going(),
    );
    inside.change_status(JOBS, job.namespace(), job.name(), |job| {
        if job["status"]["startTime"].is_null() {
            job["status"]["startTime"] = time(now);
        }
        let status = &mut job["status"];
        number(status, "succeeded", succeeded);
        number(status, "failed", failed);
        number(status, "active", active);
        if complete && !done {
            job["status"]["completionTime"] = time(now);
            set_condition(
                job,
                "Complete",
                true,
                (
                    "CompletionsReached",
                    "Reached expected number of succeeded pods",
                ),
                now,
            );
        } else if gave_up && !done {
            set_condition(
                job,
                "Failed",
                true,
                (
                    "BackoffLimitExceeded",
                    "Job has reached the specified backoff limit",
                ),
                now,
            );
        }
    });
}

fn budget(inside: &mut Inside, budget: &Value) {
    let state = budgets::state(inside, budget);
    inside.change_status(BUDGETS, budget.namespace(), budget.name(), |budget| {
        let generation = budget["metadata"]["generation"].clone();
        budget["status"] = json!({
            "observedGeneration": generation, "disruptionsAllowed": state.allowed,
            "currentHealthy": state.healthy, "desiredHealthy": state.desired, "expectedPods": state.expected,
        });
    });
}
