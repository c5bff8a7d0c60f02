//! What the nodes do with the pods that are bound to them: start them, run them, end them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::facts::Facts;
use super::super::inside::Inside;
use super::super::object::{Object, set_condition, time};
use super::super::shell::Outcome;
use super::super::troubles::Mishap;
use super::process::process;
use super::{garbage, mounting, scheduler};

/// What the timers of containers' processes are for.
pub(super) const CONTAINER: &str = "container";

/// From being bound to running: images are pulled in it.
const START: SignedDuration = SignedDuration::from_secs(1);

/// From being told to end to being gone.
const END: SignedDuration = SignedDuration::from_secs(1);

/// The first time that a container waits after it ended; doubled each time, up to five minutes.
const BACK_OFF: i64 = 10;

const LONGEST_BACK_OFF: i64 = 300;

/// Moves every pod on by what has come due.
pub(super) fn run(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let pods: Vec<_> = inside.shared("pods").cloned().collect();
    for pod in pods {
        let node = pod.text("/spec/nodeName");
        if !node.is_empty() && inside.get("nodes", None, node).is_none() {
            // Nobody is left to end it.
            inside.delete("pods", pod.namespace(), pod.name());
        } else if pod.is_going() {
            end(inside, &pod, now);
        } else if inside
            .get("nodes", None, pod.text("/spec/nodeName"))
            .is_some()
        {
            match pod.text("/status/phase") {
                "Succeeded" | "Failed" => {}
                "Pending" => start(inside, facts, &pod, now),
                _ => go_on(inside, &pod, now),
            }
        }
    }
}

fn end(inside: &mut Inside, pod: &Value, now: Timestamp) {
    let runs = !pod.text("/spec/nodeName").is_empty()
        && !matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
    let stuck = inside
        .trouble(pod.name(), |m| matches!(m, Mishap::PodStuckTerminating))
        .is_some();
    let lost = inside
        .trouble(pod.text("/spec/nodeName"), |m| {
            matches!(m, Mishap::NodeNotReady)
        })
        .is_some();
    let forced = pod.number("/metadata/deletionGracePeriodSeconds") == Some(0);
    if (stuck || (lost && runs)) && !forced {
        return;
    }
    let takes = if runs && !forced {
        END
    } else {
        SignedDuration::ZERO
    };
    if !inside.timers.passed(pod.uid(), "end", takes, now) {
        return;
    }
    if pod.finalizers().is_empty() {
        inside.delete("pods", pod.namespace(), pod.name());
        inside.files.forget(&format!("{}/", pod.uid()));
    } else {
        inside.change("pods", pod.namespace(), pod.name(), |pod| {
            pod["metadata"]["deletionGracePeriodSeconds"] = 0.into();
            pod["status"]["phase"] = "Succeeded".into();
        });
        let there = inside.get("pods", pod.namespace(), pod.name()).cloned();
        if let Some(there) = there {
            garbage::let_go(inside, "pods", &there, "");
        }
    }
}

fn waiting(inside: &mut Inside, pod: &Value, (reason, message): (&str, &str), now: Timestamp) {
    let statuses = pod.list("/status/containerStatuses");
    let waits_so = |status: &Value| {
        status.text("/state/waiting/reason") == reason
            && status.text("/state/waiting/message") == message
    };
    // Most pods wait for the same from one round of the controllers to the next.
    if !statuses.is_empty()
        && statuses.len() == pod.list("/spec/containers").len()
        && statuses.iter().all(waits_so)
    {
        return;
    }
    inside.change("pods", pod.namespace(), pod.name(), |pod| {
        let names: Vec<(Value, Value)> = pod.list("/spec/containers").iter().map(|c| (c["name"].clone(), c["image"].clone())).collect();
        let before: Vec<Value> = pod.list("/status/containerStatuses").to_vec();
        let mut waiting = json!({ "reason": reason });
        if !message.is_empty() {
            waiting["message"] = message.into();
        }
        let statuses: Vec<Value> = names
            .into_iter()
            .map(|(name, image)| {
                let old = before.iter().find(|s| s["name"] == name).cloned().unwrap_or_default();
                json!({
                    "name": name, "image": image, "imageID": "", "ready": false, "started": false,
                    "restartCount": old["restartCount"].as_i64().unwrap_or(0),
                    "state": { "waiting": waiting }, "lastState": old["lastState"].as_object().cloned().unwrap_or_default(),
                })
            })
            .collect();
        pod["status"]["containerStatuses"] = json!(statuses);
        if pod["status"]["startTime"].is_null() {
            pod["status"]["startTime"] = time(now);
        }
        set_condition(pod, "Initialized", true, ("", ""), now);
        set_condition(pod, "Ready", false, ("ContainersNotReady", "containers with unready status"), now);
        set_condition(pod, "ContainersReady", false, ("ContainersNotReady", "containers with unready status"), now);
    });
}

fn start(inside: &mut Inside, facts: &Facts, pod: &Value, now: Timestamp) {
    if inside
        .trouble(pod.text("/spec/nodeName"), |m| {
            matches!(m, Mishap::NodeNotReady)
        })
        .is_some()
    {
        return;
    }
    // A volume that isn't there yet holds the pod up.
    for name in scheduler::claim_names(pod) {
        let claim = inside.get("persistentvolumeclaims", pod.namespace(), name);
        if claim.is_none_or(|c| c.text("/status/phase") != "Bound") {
            waiting(inside, pod, ("ContainerCreating", ""), now);
            return;
        }
    }
    if let Some(why) = mounting::refusal(inside, facts, pod) {
        waiting(inside, pod, ("ContainerCreating", ""), now);
        mounting::tell(inside, pod, &why, now);
        return;
    }
    if inside
        .trouble(pod.name(), |m| matches!(m, Mishap::ImagePull))
        .is_some()
    {
        let image = pod.text("/spec/containers/0/image").to_owned();
        let message = format!("Back-off pulling image {image:?}");
        waiting(inside, pod, ("ImagePullBackOff", &message), now);
        let known = inside
            .every("events")
            .any(|e| e["involvedObject"]["uid"] == pod.uid() && e["reason"] == "Failed");
        if !known {
            let why = format!(
                "Failed to pull image {image:?}: rpc error: code = NotFound desc = failed to pull and unpack image {image:?}: not found"
            );
            inside.tell(pod, "kubelet", ("Warning", "Failed"), &why, now);
        }
        return;
    }
    // What a cluster begins with has been running ever since.
    if now > facts.made {
        waiting(inside, pod, ("ContainerCreating", ""), now);
        if !inside.timers.passed(pod.uid(), "start", START, now) {
            return;
        }
    }
    let image = pod.text("/spec/containers/0/image");
    inside.tell(
        pod,
        "kubelet",
        ("Normal", "Pulled"),
        &format!("Container image {image:?} already present on machine"),
        now,
    );
    inside.tell(
        pod,
        "kubelet",
        ("Normal", "Started"),
        "Started container",
        now,
    );
    let ip = address(inside, pod);
    inside.change("pods", pod.namespace(), pod.name(), |pod| {
        let uid = pod.uid().to_owned();
        let containers: Vec<Value> = pod.list("/spec/containers").to_vec();
        if pod["status"]["startTime"].is_null() {
            pod["status"]["startTime"] = time(now);
        }
        pod["status"]["phase"] = "Running".into();
        pod["status"]["podIP"] = ip.as_str().into();
        pod["status"]["podIPs"] = json!([{ "ip": ip }]);
        pod["status"]["containerStatuses"] = containers
            .iter()
            .map(|c| running(c, &uid, 0, &json!({}), now))
            .collect();
        ready(pod, true, now);
    });
    if let Some(pod) = inside.get("pods", pod.namespace(), pod.name()).cloned() {
        go_on(inside, &pod, now);
    }
}

fn address(inside: &Inside, pod: &Value) -> String {
    let word = inside.stable(&["pod", pod.uid()]);
    let byte =
        |at: usize| u8::from_str_radix(word.get(at..at + 2).unwrap_or("0a"), 16).unwrap_or(10);
    format!("10.0.{}.{}", byte(0) % 96, byte(2).max(4))
}

fn running(container: &Value, uid: &str, restarts: i64, last: &Value, now: Timestamp) -> Value {
    let id = crate::ids::stable_hex(64, &[uid, container.text("/name"), &restarts.to_string()]);
    json!({
        "name": container["name"], "image": container["image"], "imageID": "", "containerID": format!("containerd://{id}"),
        "ready": true, "started": true, "restartCount": restarts,
        "state": { "running": { "startedAt": time(now) } }, "lastState": last,
    })
}

/// The conditions of a pod all of whose containers are ready.
const READY: [&str; 4] = [
    "Initialized",
    "PodReadyToStartContainers",
    "ContainersReady",
    "Ready",
];

fn ready(pod: &mut Value, ready: bool, now: Timestamp) {
    let told = if ready {
        ("", "")
    } else {
        ("ContainersNotReady", "containers with unready status")
    };
    set_condition(pod, "Initialized", true, ("", ""), now);
    set_condition(pod, "PodReadyToStartContainers", true, ("", ""), now);
    set_condition(pod, "ContainersReady", ready, told, now);
    set_condition(pod, "Ready", ready, told, now);
}

fn go_on(inside: &mut Inside, pod: &Value, now: Timestamp) {
    if inside
        .trouble(pod.text("/spec/nodeName"), |m| {
            matches!(m, Mishap::NodeNotReady)
        })
        .is_some()
    {
        inside.change("pods", pod.namespace(), pod.name(), |pod| {
            set_condition(pod, "Ready", false, ("NodeNotReady", ""), now);
        });
        return;
    }
    if let Some(seconds) = pod.number("/spec/activeDeadlineSeconds") {
        let begun: Timestamp = pod.text("/status/startTime").parse().unwrap_or(now);
        let due = begun
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap_or(now);
        if inside.timers.reached(pod.uid(), "deadline", due, now) || due <= now {
            inside.change("pods", pod.namespace(), pod.name(), |pod| {
                pod["status"]["phase"] = "Failed".into();
                pod["status"]["reason"] = "DeadlineExceeded".into();
                pod["status"]["message"] =
                    "Pod was active on the node longer than the specified deadline".into();
                ready(pod, false, now);
            });
            return;
        }
    }
    if is_at_rest(inside, pod) {
        return;
    }
    let mut statuses: Vec<Value> = Vec::new();
    for container in pod.list("/spec/containers") {
        let status = pod
            .list("/status/containerStatuses")
            .iter()
            .find(|s| s["name"] == container["name"])
            .cloned();
        let status = status.unwrap_or_else(|| running(container, pod.uid(), 0, &json!({}), now));
        statuses.push(self::container(inside, pod, container, status, now));
    }
    let all_ready = statuses.iter().all(|s| s["ready"] == true);
    let ended: Vec<i64> = statuses
        .iter()
        .filter_map(|s| s.number("/state/terminated/exitCode"))
        .collect();
    let is_over = ended.len() == statuses.len();
    let is_as_told = !is_over
        && all_ready
        && statuses == pod.list("/status/containerStatuses")
        && READY.iter().all(|kind| pod.condition(kind) == "True");
    if is_as_told {
        return;
    }
    inside.change("pods", pod.namespace(), pod.name(), |pod| {
        pod["status"]["containerStatuses"] = json!(statuses);
        if is_over {
            let failed = ended.iter().any(|code| *code != 0);
            pod["status"]["phase"] = if failed { "Failed" } else { "Succeeded" }.into();
            let told = if failed {
                ("PodFailed", "")
            } else {
                ("PodCompleted", "")
            };
            set_condition(pod, "Ready", false, told, now);
            set_condition(pod, "ContainersReady", false, told, now);
        } else {
            ready(pod, all_ready, now);
        }
    });
}

/// Whether a pod runs as it should, and none of its containers ever does anything of itself.
fn is_at_rest(inside: &Inside, pod: &Value) -> bool {
    let statuses = pod.list("/status/containerStatuses");
    let runs = |container: &Value| {
        let status = statuses.iter().find(|s| s["name"] == container["name"]);
        let is_running = |s: &Value| s["ready"] == true && s["state"]["running"].is_object();
        container["command"].is_null()
            && container["args"].is_null()
            && status.is_some_and(is_running)
    };
    inside.troubles.is_empty()
        && pod.list("/spec/containers").iter().all(runs)
        && READY.iter().all(|kind| pod.condition(kind) == "True")
}

/// One container's status, moved on.
fn container(
    inside: &mut Inside,
    pod: &Value,
    container: &Value,
    mut status: Value,
    now: Timestamp,
) -> Value {
    let restarts = status.number("/restartCount").unwrap_or(0);
    let timer = format!("{CONTAINER} {}", container.text("/name"));
    if status["state"]["waiting"].is_object() {
        let wait = BACK_OFF
            .saturating_mul(
                1_i64
                    .checked_shl(u32::try_from(restarts).unwrap_or(9).min(9))
                    .unwrap_or(1),
            )
            .min(LONGEST_BACK_OFF);
        if inside
            .timers
            .passed(pod.uid(), &timer, SignedDuration::from_secs(wait), now)
        {
            return running(
                container,
                pod.uid(),
                restarts + 1,
                &status["lastState"],
                now,
            );
        }
        return status;
    }
    let Some(start) = status["state"]["running"]["startedAt"]
        .as_str()
        .and_then(|t| t.parse::<Timestamp>().ok())
    else {
        return status;
    };
    match process(inside, pod, container, start, restarts, now) {
        Outcome::Running { wakes } => {
            if let Some(wakes) = wakes {
                inside.timers.set(pod.uid(), &timer, wakes);
            }
            status
        }
        Outcome::Exited { code, at } => {
            inside.timers.cancel(pod.uid(), &timer);
            let ended = json!({ "terminated": {
                "exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
                "startedAt": time(start), "finishedAt": time(at), "containerID": status["containerID"],
            }});
            status["ready"] = false.into();
            status["started"] = false.into();
            let again = match pod.text("/spec/restartPolicy") {
                "Never" => false,
                "OnFailure" => code != 0,
                _ => true,
            };
            if again {
                status["lastState"] = ended;
                status["state"] = json!({ "waiting": {
                    "reason": "CrashLoopBackOff",
                    "message": format!("back-off restarting failed container={} pod={}", container.text("/name"), pod.name()),
                }});
                inside.tell(
                    pod,
                    "kubelet",
                    ("Warning", "BackOff"),
                    &format!(
                        "Back-off restarting failed container {} in pod {}",
                        container.text("/name"),
                        pod.name()
                    ),
                    now,
                );
                inside
                    .timers
                    .passed(pod.uid(), &timer, SignedDuration::from_secs(BACK_OFF), now);
            } else {
                status["state"] = ended;
            }
            status
        }
    }
}
