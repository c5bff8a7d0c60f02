//! Lists as tables, which `kubectl get` asks for.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::object::Object;
use super::schema::members;

/// A column: its heading and what it shows of an object.
type Column = (&'static str, fn(&Value) -> Value);

/// Whether a client prefers a table.
pub(crate) fn wanted(accept: &str) -> bool {
    accept
        .split(',')
        .next()
        .is_some_and(|first| first.contains("as=Table") && first.contains("v=v1;"))
}

/// One object as a table.
pub(crate) fn of_one(kind: &Kind, object: Value, now: Timestamp) -> Value {
    let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
    render(kind, &[object], &metadata, now)
}

/// Objects as a table. What is in them besides the columns is their metadata.
pub(crate) fn render(kind: &Kind, objects: &[Value], metadata: &Value, now: Timestamp) -> Value {
    let columns = columns(kind);
    let mut headings = vec![heading("Name", "string", "name")];
    headings.extend(columns.iter().map(|(name, _)| heading(name, "string", "")));
    let custom: Vec<(&str, &str, &str)> = kind
        .custom
        .iter()
        .flat_map(|custom| custom.columns())
        .map(|column| {
            let text = |member: &str| column[member].as_str().unwrap_or_default();
            (text("name"), text("type"), text("jsonPath"))
        })
        .collect();
    // Who defines columns, defines all of them.
    let with_age = custom.is_empty();
    headings.extend(custom.iter().map(|(name, of, _)| heading(name, of, "")));
    if with_age {
        let of = if kind.custom.is_some() {
            "date"
        } else {
            "string"
        };
        headings.push(heading("Age", of, ""));
    }
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut cells = vec![Value::from(object.name())];
            cells.extend(columns.iter().map(|(_, show)| show(object)));
            cells.extend(custom.iter().map(|(_, _, path)| match *path {
                ".metadata.creationTimestamp" => age(object, now).into(),
                path => at(object, path).into(),
            }));
            if with_age {
                cells.push(age(object, now).into());
            }
            json!({
                "cells": cells,
                "object": {
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": object["metadata"],
                },
            })
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": headings, "rows": rows,
    })
}

fn heading(name: &str, of: &str, format: &str) -> Value {
    json!({ "name": name, "type": of, "format": format, "description": "", "priority": 0 })
}

/// What a definition's column shows: the simple form of a JSON path, members only.
fn at(object: &Value, path: &str) -> String {
    if let Some((list, rest)) = path.split_once("[?(@.type==") {
        let (kind, rest) = rest.split_once(")]").unwrap_or((rest, ""));
        let kind = kind.trim_matches(['"', '\'']);
        let list = object.list(&list.replace('.', "/"));
        let found = list.iter().find(|item| item["type"] == kind);
        return found.map_or_else(String::new, |item| at(item, rest));
    }
    match object.pointer(&path.replace('.', "/")) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

fn age(object: &Value, now: Timestamp) -> String {
    let seconds = now.duration_since(object.created()).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.number(pointer).unwrap_or(0)
}

/// The columns between name and age.
fn columns(kind: &Kind) -> Vec<Column> {
    match kind.qualified().as_str() {
        "namespaces" => vec![("Status", |o| o.text("/status/phase").into())],
        "pods" => vec![
            ("Ready", |o| {
                let all = o.list("/status/containerStatuses");
                let ready = all.iter().filter(|c| c["ready"] == true).count();
                format!("{ready}/{}", o.list("/spec/containers").len()).into()
            }),
            ("Status", pod_status),
            ("Restarts", |o| {
                let all = o.list("/status/containerStatuses").iter();
                all.map(|c| number(c, "/restartCount"))
                    .sum::<i64>()
                    .to_string()
                    .into()
            }),
        ],
        "nodes" => vec![
            ("Status", |o| {
                let ready = if o.condition("Ready") == "True" {
                    "Ready"
                } else {
                    "NotReady"
                };
                let cordoned = o["spec"]["unschedulable"] == true;
                format!(
                    "{ready}{}",
                    if cordoned { ",SchedulingDisabled" } else { "" }
                )
                .into()
            }),
            ("Roles", |_| "<none>".into()),
            ("Version", |o| {
                o.text("/status/nodeInfo/kubeletVersion").into()
            }),
        ],
        "deployments.apps" => vec![
            ("Ready", |o| {
                format!(
                    "{}/{}",
                    number(o, "/status/readyReplicas"),
                    number(o, "/spec/replicas")
                )
                .into()
            }),
            ("Up-to-date", |o| {
                number(o, "/status/updatedReplicas").into()
            }),
            ("Available", |o| {
                number(o, "/status/availableReplicas").into()
            }),
        ],
        "daemonsets.apps" => vec![
            ("Desired", |o| {
                number(o, "/status/desiredNumberScheduled").into()
            }),
            ("Current", |o| {
                number(o, "/status/currentNumberScheduled").into()
            }),
            ("Ready", |o| number(o, "/status/numberReady").into()),
            ("Up-to-date", |o| {
                number(o, "/status/updatedNumberScheduled").into()
            }),
            ("Available", |o| number(o, "/status/numberAvailable").into()),
        ],
        "persistentvolumeclaims" => vec![
            ("Status", |o| o.text("/status/phase").into()),
            ("Volume", |o| o.text("/spec/volumeName").into()),
            ("Capacity", |o| o.text("/status/capacity/storage").into()),
            ("StorageClass", |o| o.text("/spec/storageClassName").into()),
        ],
        "storageclasses.storage.k8s.io" => vec![
            ("Provisioner", |o| o.text("/provisioner").into()),
            ("ReclaimPolicy", |o| o.text("/reclaimPolicy").into()),
            ("VolumeBindingMode", |o| o.text("/volumeBindingMode").into()),
            ("AllowVolumeExpansion", |o| {
                (o["allowVolumeExpansion"] == true).into()
            }),
        ],
        "configmaps" => vec![("Data", |o| {
            let data = members(&o["data"]).chain(members(&o["binaryData"]));
            data.count().into()
        })],
        "secrets" => vec![
            ("Type", |o| o.text("/type").into()),
            ("Data", |o| members(&o["data"]).count().into()),
        ],
        "replicasets.apps" => vec![
            ("Desired", |o| number(o, "/spec/replicas").into()),
            ("Current", |o| number(o, "/status/replicas").into()),
            ("Ready", |o| number(o, "/status/readyReplicas").into()),
        ],
        "jobs.batch" => vec![("Completions", |o| {
            format!(
                "{}/{}",
                number(o, "/status/succeeded"),
                number(o, "/spec/completions")
            )
            .into()
        })],
        _ => Vec::new(),
    }
}

fn pod_status(pod: &Value) -> Value {
    if pod.is_going() {
        return "Terminating".into();
    }
    for status in pod.list("/status/containerStatuses") {
        for reason in ["/state/waiting/reason", "/state/terminated/reason"] {
            if !status.text(reason).is_empty() {
                return status.text(reason).into();
            }
        }
    }
    pod.text("/status/phase").into()
}
