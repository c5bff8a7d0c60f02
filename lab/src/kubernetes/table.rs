//! Lists as tables, which `kubectl get` asks for.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::object::Object;
use super::schema::members;

/// A column: its heading and what it shows of an object.
type Column = (&'static str, fn(&Value) -> String);

/// Whether a client prefers a table.
pub(crate) fn wanted(accept: &str) -> bool {
    accept
        .split(',')
        .next()
        .is_some_and(|first| first.contains("as=Table") && first.contains("v=v1;"))
}

/// Objects as a table. What is in them besides the columns is their metadata.
pub(crate) fn render(kind: &Kind, objects: &[Value], metadata: &Value, now: Timestamp) -> Value {
    let columns = columns(kind);
    let mut headings = vec![heading("Name", "name")];
    headings.extend(columns.iter().map(|(name, _)| heading(name, "")));
    let custom: Vec<(&str, &str)> = kind
        .custom
        .iter()
        .flat_map(|custom| &custom.columns)
        .map(|column| (column.text("/name"), column.text("/jsonPath")))
        .filter(|(name, _)| *name != "Age")
        .collect();
    headings.extend(custom.iter().map(|(name, _)| heading(name, "")));
    headings.push(heading("Age", ""));
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut cells = vec![Value::from(object.name())];
            cells.extend(columns.iter().map(|(_, show)| show(object).into()));
            cells.extend(custom.iter().map(|(_, path)| at(object, path).into()));
            cells.push(age(object, now).into());
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

fn heading(name: &str, format: &str) -> Value {
    json!({ "name": name, "type": "string", "format": format, "description": "", "priority": 0 })
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
        "namespaces" => vec![("Status", |o| o.text("/status/phase").to_owned())],
        "pods" => vec![
            ("Ready", |o| {
                let all = o.list("/status/containerStatuses");
                let ready = all.iter().filter(|c| c["ready"] == true).count();
                format!("{ready}/{}", o.list("/spec/containers").len())
            }),
            ("Status", pod_status),
            ("Restarts", |o| {
                let all = o.list("/status/containerStatuses").iter();
                all.map(|c| number(c, "/restartCount"))
                    .sum::<i64>()
                    .to_string()
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
            }),
            ("Roles", |_| "<none>".to_owned()),
            ("Version", |o| {
                o.text("/status/nodeInfo/kubeletVersion").to_owned()
            }),
        ],
        "deployments.apps" => vec![
            ("Ready", |o| {
                format!(
                    "{}/{}",
                    number(o, "/status/readyReplicas"),
                    number(o, "/spec/replicas")
                )
            }),
            ("Up-to-date", |o| {
                number(o, "/status/updatedReplicas").to_string()
            }),
            ("Available", |o| {
                number(o, "/status/availableReplicas").to_string()
            }),
        ],
        "daemonsets.apps" => vec![
            ("Desired", |o| {
                number(o, "/status/desiredNumberScheduled").to_string()
            }),
            ("Current", |o| {
                number(o, "/status/currentNumberScheduled").to_string()
            }),
            ("Ready", |o| number(o, "/status/numberReady").to_string()),
            ("Up-to-date", |o| {
                number(o, "/status/updatedNumberScheduled").to_string()
            }),
            ("Available", |o| {
                number(o, "/status/numberAvailable").to_string()
            }),
        ],
        "persistentvolumeclaims" => vec![
            ("Status", |o| o.text("/status/phase").to_owned()),
            ("Volume", |o| o.text("/spec/volumeName").to_owned()),
            ("Capacity", |o| {
                o.text("/status/capacity/storage").to_owned()
            }),
            ("StorageClass", |o| {
                o.text("/spec/storageClassName").to_owned()
            }),
        ],
        "storageclasses.storage.k8s.io" => vec![
            ("Provisioner", |o| o.text("/provisioner").to_owned()),
            ("ReclaimPolicy", |o| o.text("/reclaimPolicy").to_owned()),
            ("VolumeBindingMode", |o| {
                o.text("/volumeBindingMode").to_owned()
            }),
        ],
        "configmaps" => vec![("Data", |o| {
            let data = members(&o["data"]).chain(members(&o["binaryData"]));
            data.count().to_string()
        })],
        "secrets" => vec![
            ("Type", |o| o.text("/type").to_owned()),
            ("Data", |o| members(&o["data"]).count().to_string()),
        ],
        "replicasets.apps" => vec![
            ("Desired", |o| number(o, "/spec/replicas").to_string()),
            ("Current", |o| number(o, "/status/replicas").to_string()),
            ("Ready", |o| number(o, "/status/readyReplicas").to_string()),
        ],
        "jobs.batch" => vec![("Completions", |o| {
            format!(
                "{}/{}",
                number(o, "/status/succeeded"),
                number(o, "/spec/completions")
            )
        })],
        _ => Vec::new(),
    }
}

fn pod_status(pod: &Value) -> String {
    if pod.is_going() {
        return "Terminating".to_owned();
    }
    for status in pod.list("/status/containerStatuses") {
        for reason in ["/state/waiting/reason", "/state/terminated/reason"] {
            if !status.text(reason).is_empty() {
                return status.text(reason).to_owned();
            }
        }
    }
    pod.text("/status/phase").to_owned()
}
