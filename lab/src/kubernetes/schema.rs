//! What kinds look like: which members there are, and of which types.
//!
//! Built-in kinds are read into the types of `k8s-openapi`, which come from Kubernetes' own API
//! description, and written again: so what has the wrong type is refused, and what isn't known is
//! found. Kinds that definitions add have the schema that their definition gives.

use std::fmt;

use k8s_openapi::api::{
    apps::v1 as apps, batch::v1 as batch, coordination::v1 as coordination, core::v1 as core,
    policy::v1 as policy, rbac::v1 as rbac, scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::kinds::Kind;
use super::quantity;

/// An object as its kind has it.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) object: Value,
    /// Paths of members that the kind doesn't have, which were left out.
    pub(crate) unknown: Vec<String>,
}

macro_rules! read_as {
    ($kind:expr, $object:expr; $($name:literal => $type:ty,)*) => {
        match $kind.kind.as_str() {
            $($name => again::<$type>($object),)*
            _ => Ok($object),
        }
    };
}

/// Reads an object as one of its kind. Quantities are written as the server does.
///
/// # Errors
/// If something has the wrong type; says what.
pub(crate) fn typed(kind: &Kind, object: Value) -> Result<Typed, String> {
    if let Some(custom) = &kind.custom {
        let mut object = object;
        let mut unknown = Vec::new();
        prune(custom.schema(), &mut object, &Path::Top, true, &mut unknown);
        fill(custom.schema(), &mut object);
        return Ok(Typed { object, unknown });
    }
    let mut before = object.clone();
    leave_out_empty(&mut before);
    let after = read(kind, object)?;
    let mut unknown = Vec::new();
    lost(&before, &after, &Path::Top, &mut unknown);
    Ok(Typed {
        object: after,
        unknown,
    })
}

/// The same where nobody asks which members the kind doesn't have.
///
/// # Errors
/// If something has the wrong type; says what.
pub(crate) fn read(kind: &Kind, mut object: Value) -> Result<Value, String> {
    if kind.custom.is_some() {
        return Ok(typed(kind, object)?.object);
    }
    // A definition's schema has members of these names that are no quantities.
    if kind.kind != "CustomResourceDefinition" {
        canonical_quantities(&mut object)?;
    }
    read_as!(kind, object;
        "Namespace" => core::Namespace,
        "ServiceAccount" => core::ServiceAccount,
        "Secret" => core::Secret,
        "ConfigMap" => core::ConfigMap,
        "Pod" => core::Pod,
        "Service" => core::Service,
        "Endpoints" => core::Endpoints,
        "Node" => core::Node,
        "PersistentVolume" => core::PersistentVolume,
        "PersistentVolumeClaim" => core::PersistentVolumeClaim,
        "Event" => core::Event,
        "ResourceQuota" => core::ResourceQuota,
        "LimitRange" => core::LimitRange,
        "ReplicationController" => core::ReplicationController,
        "Deployment" => apps::Deployment,
        "DaemonSet" => apps::DaemonSet,
        "StatefulSet" => apps::StatefulSet,
        "ReplicaSet" => apps::ReplicaSet,
        "ControllerRevision" => apps::ControllerRevision,
        "Job" => batch::Job,
        "CronJob" => batch::CronJob,
        "ClusterRole" => rbac::ClusterRole,
        "ClusterRoleBinding" => rbac::ClusterRoleBinding,
        "Role" => rbac::Role,
        "RoleBinding" => rbac::RoleBinding,
        "StorageClass" => storage::StorageClass,
        "CSIDriver" => storage::CSIDriver,
        "CSINode" => storage::CSINode,
        "VolumeAttachment" => storage::VolumeAttachment,
        "PodDisruptionBudget" => policy::PodDisruptionBudget,
        "Lease" => coordination::Lease,
        "PriorityClass" => scheduling::PriorityClass,
        "CustomResourceDefinition" => extensions::CustomResourceDefinition,
    )
}

fn again<T: DeserializeOwned + Serialize>(object: Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(object).map_err(|e| e.to_string())?;
    let mut written = serde_json::to_value(read).map_err(|e| e.to_string())?;
    whole(&mut written);
    leave_out_empty(&mut written);
    Ok(written)
}

/// Maps that aren't written where there is nothing in them, other than maps that stand for a type.
const LEFT_OUT: [&str; 8] = [
    "annotations",
    "binaryData",
    "data",
    "labels",
    "matchLabels",
    "nodeSelector",
    "parameters",
    "stringData",
];

fn leave_out_empty(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, value| {
                let is_empty = value.as_object().is_some_and(Map::is_empty);
                !(is_empty && LEFT_OUT.contains(&name.as_str()))
            });
            map.values_mut().for_each(leave_out_empty);
        }
        Value::Array(list) => list.iter_mut().for_each(leave_out_empty),
        _ => {}
    }
}

/// Writes whole numbers as such, as Go does whatever their type.
fn whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let read = number
                .as_f64()
                .and_then(|number| format!("{number}").parse::<i64>().ok());
            if let Some(whole) = read {
                *value = whole.into();
            }
        }
        Value::Object(map) => map.values_mut().for_each(whole),
        Value::Array(list) => list.iter_mut().for_each(whole),
        _ => {}
    }
}

/// The members that reading an object has lost.
fn lost(before: &Value, after: &Value, path: &Path<'_>, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                let path = Path::Member(path, name);
                match after.get(name) {
                    Some(after) => lost(value, after, &path, found),
                    None if value.is_null() => {}
                    None => found.push(path.to_string()),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                lost(before, after, &Path::Item(path, index), found);
            }
        }
        _ => {}
    }
}

/// Where in an object one is, written only where something is wrong.
enum Path<'a> {
    Top,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Member(Self::Top, name) => f.write_str(name),
            Self::Member(of, name) => write!(f, "{of}.{name}"),
            Self::Item(of, index) => write!(f, "{of}[{index}]"),
        }
    }
}

/// Maps of quantities, by the member that holds them.
const QUANTITIES: [&str; 10] = [
    "requests",
    "limits",
    "capacity",
    "allocatable",
    "hard",
    "used",
    "allocatedResources",
    "default",
    "defaultRequest",
    "overhead",
];

fn canonical_quantities(value: &mut Value) -> Result<(), String> {
    let canonical = |amount: &mut Value| -> Result<(), String> {
        // Source: `ErrFormatWrong` in `k8s.io/apimachinery/pkg/api/resource`.
        let why = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        *amount = quantity::canonical(amount).ok_or(why)?.into();
        Ok(())
    };
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::Object(amounts) if QUANTITIES.contains(&name.as_str()) => {
                        for amount in amounts.values_mut() {
                            match amount {
                                Value::String(_) | Value::Number(_) => canonical(amount)?,
                                _ => canonical_quantities(amount)?,
                            }
                        }
                    }
                    Value::String(_) | Value::Number(_)
                        if matches!(name.as_str(), "sizeLimit" | "divisor") =>
                    {
                        canonical(value)?;
                    }
                    _ => canonical_quantities(value)?,
                }
            }
            Ok(())
        }
        Value::Array(list) => list.iter_mut().try_for_each(canonical_quantities),
        _ => Ok(()),
    }
}

/// The first member that isn't of the type that a definition's schema gives it, as an API server tells it that
/// can't merge it.
///
/// Source: `validateScalar` and its like in `sigs.k8s.io/structured-merge-diff/typed`.
pub(crate) fn mistyped(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let told = |what: &str| {
        let is = match value {
            Value::Null => "nil",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float64",
            Value::Number(_) => "int64",
            Value::String(_) => "string",
            Value::Array(_) => "[]interface {}",
            Value::Object(_) => "map[string]interface {}",
        };
        Some(format!("{path}: expected {what}, got {is}"))
    };
    match (schema["type"].as_str(), value) {
        (_, Value::Null) => None,
        (Some("integer" | "number"), value) if !value.is_number() => told("numeric (int or float)"),
        (Some("string"), value) if !value.is_string() => told("string"),
        (Some("boolean"), value) if !value.is_boolean() => told("boolean"),
        (Some("array"), value) if !value.is_array() => told("list"),
        (Some("object"), value) if !value.is_object() => told("map"),
        (_, Value::Object(map)) => map.iter().find_map(|(name, member)| {
            let of_member = schema["properties"].get(name);
            let of_member = of_member.unwrap_or(&schema["additionalProperties"]);
            mistyped(of_member, member, &format!("{path}.{name}"))
        }),
        (_, Value::Array(list)) => {
            let mut items = list.iter().enumerate();
            items.find_map(|(index, item)| {
                mistyped(&schema["items"], item, &format!("{path}[{index}]"))
            })
        }
        _ => None,
    }
}

/// Takes out what a definition's schema doesn't have.
fn prune(
    schema: &Value,
    value: &mut Value,
    path: &Path<'_>,
    root: bool,
    unknown: &mut Vec<String>,
) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true && schema.get("properties").is_none()
    {
        return;
    }
    match value {
        Value::Object(map) => {
            let keep = schema["x-kubernetes-preserve-unknown-fields"] == true;
            let embedded = root || schema["x-kubernetes-embedded-resource"] == true;
            let mut gone = Vec::new();
            for (name, member) in map.iter_mut() {
                if embedded && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                let path = Path::Member(path, name);
                let of_member = schema["properties"]
                    .get(name)
                    .or_else(|| Some(&schema["additionalProperties"]).filter(|s| s.is_object()));
                match of_member {
                    Some(of_member) => prune(of_member, member, &path, false, unknown),
                    None if keep || schema["additionalProperties"] == true => {}
                    None => {
                        unknown.push(path.to_string());
                        gone.push(name.clone());
                    }
                }
            }
            for name in gone {
                map.shift_remove(&name);
            }
        }
        Value::Array(list) => {
            for (index, item) in list.iter_mut().enumerate() {
                prune(
                    &schema["items"],
                    item,
                    &Path::Item(path, index),
                    false,
                    unknown,
                );
            }
        }
        _ => {}
    }
}

/// Puts in the defaults of a definition's schema.
fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let members = schema["properties"].as_object();
            for (name, schema) in members.into_iter().flatten() {
                if !map.contains_key(name)
                    && let Some(default) = schema.get("default")
                {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(member) = map.get_mut(name) {
                    fill(schema, member);
                }
            }
            if schema["additionalProperties"].is_object() {
                for member in map.values_mut() {
                    fill(&schema["additionalProperties"], member);
                }
            }
        }
        Value::Array(list) => {
            for item in list {
                fill(&schema["items"], item);
            }
        }
        _ => {}
    }
}

/// The members of a map, in a kind's own order.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
