//! What kinds look like: which members there are, and how lists and maps of them are merged.
//!
//! Built-in kinds are read into the types of `k8s-openapi`, which come from Kubernetes' own API
//! description, and written again: so what has the wrong type is refused, and what isn't known is
//! found. Kinds that definitions add have the schema that their definition gives.

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
        prune(&custom.schema, &mut object, "", true, &mut unknown);
        fill(&custom.schema, &mut object);
        return Ok(Typed { object, unknown });
    }
    let mut object = object;
    // A definition's schema has members of these names that are no quantities.
    if kind.kind != "CustomResourceDefinition" {
        canonical_quantities(&mut object);
    }
    let before = object.clone();
    let after = read_as!(kind, object;
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
    )?;
    let mut unknown = Vec::new();
    lost(&before, &after, "", &mut unknown);
    Ok(Typed {
        object: after,
        unknown,
    })
}

fn again<T: DeserializeOwned + Serialize>(object: Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(object).map_err(|e| e.to_string())?;
    serde_json::to_value(read).map_err(|e| e.to_string())
}

/// The members that reading an object has lost.
fn lost(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                let path = join(path, name);
                match after.get(name) {
                    Some(after) => lost(value, after, &path, found),
                    None if value.is_null() => {}
                    None => found.push(path),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                lost(before, after, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
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

fn canonical_quantities(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::Object(amounts) if QUANTITIES.contains(&name.as_str()) => {
                        for amount in amounts.values_mut() {
                            if let Some(text) = quantity::canonical(amount) {
                                *amount = text.into();
                            } else {
                                canonical_quantities(amount);
                            }
                        }
                    }
                    _ if matches!(name.as_str(), "sizeLimit" | "divisor") => {
                        if let Some(text) = quantity::canonical(value) {
                            *value = text.into();
                        }
                    }
                    _ => canonical_quantities(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(canonical_quantities),
        _ => {}
    }
}

/// Takes out what a definition's schema doesn't have.
fn prune(schema: &Value, value: &mut Value, path: &str, root: bool, unknown: &mut Vec<String>) {
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
                let path = join(path, name);
                let of_member = schema["properties"]
                    .get(name)
                    .or_else(|| Some(&schema["additionalProperties"]).filter(|s| s.is_object()));
                match of_member {
                    Some(of_member) => prune(of_member, member, &path, false, unknown),
                    None if keep || schema["additionalProperties"] == true => {}
                    None => {
                        unknown.push(path);
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
                    &format!("{path}[{index}]"),
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

/// How a place in an object is merged when it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Merge {
    /// As one value.
    Atomic,
    /// Member by member.
    Granular,
    /// A list whose items are told apart by these members.
    Keyed(Vec<String>),
    /// A list that holds each value once.
    Set,
}

/// Where in an object one is, and what is known of the place.
#[derive(Debug, Clone)]
pub(crate) struct Place<'s> {
    /// The names that lead there, without those of list items.
    path: Vec<String>,
    /// The schema of the place, for kinds that a definition adds.
    schema: Option<&'s Value>,
}

impl<'s> Place<'s> {
    /// The top of an object.
    pub(crate) fn top(kind: &'s Kind) -> Self {
        Self {
            path: Vec::new(),
            schema: kind.custom.as_ref().map(|custom| &custom.schema),
        }
    }

    /// A member of this place.
    pub(crate) fn member(&self, name: &str) -> Self {
        let mut path = self.path.clone();
        path.push(name.to_owned());
        let schema = self.schema.and_then(|schema| {
            schema["properties"]
                .get(name)
                .or_else(|| schema.get("additionalProperties"))
        });
        let in_metadata = path.first().is_some_and(|first| first == "metadata");
        Self {
            path,
            schema: schema.or(self.schema.filter(|_| !in_metadata).map(|_| &Value::Null)),
        }
    }

    /// An item of the list at this place.
    pub(crate) fn item(&self) -> Self {
        Self {
            path: self.path.clone(),
            schema: self.schema.map(|schema| &schema["items"]),
        }
    }

    /// How it is merged.
    pub(crate) fn merge(&self, value: &Value) -> Merge {
        let in_metadata = self.path.first().is_some_and(|first| first == "metadata");
        match (self.schema, value) {
            (_, Value::Object(_)) if self.path.is_empty() => Merge::Granular,
            (Some(schema), _) if !in_metadata => by_schema(schema, value),
            (_, Value::Object(_)) => self.map(),
            (_, Value::Array(_)) => self.list(),
            _ => Merge::Atomic,
        }
    }

    fn last(&self, back: usize) -> &str {
        let index = self.path.len().checked_sub(back + 1);
        index
            .and_then(|i| self.path.get(i))
            .map_or("", String::as_str)
    }

    /// Maps of built-in kinds that are one value: those with `x-kubernetes-map-type: atomic` in
    /// Kubernetes' API description.
    fn map(&self) -> Merge {
        let atomic = match self.last(0) {
            "selector" | "labelSelector" | "namespaceSelector" | "podSelector" => {
                // A service's selector is a map of its own, likewise atomic.
                true
            }
            "nodeSelector"
            | "configMapKeyRef"
            | "secretKeyRef"
            | "fieldRef"
            | "resourceFieldRef"
            | "secretRef"
            | "configMapRef"
            | "scaleTargetRef"
            | "roleRef"
            | "claimRef"
            | "involvedObject"
            | "dataSource"
            | "requiredDuringSchedulingIgnoredDuringExecution" => {
                self.last(0) != "secretRef" || self.last(1) != "envFrom"
            }
            _ => false,
        };
        if atomic {
            Merge::Atomic
        } else {
            Merge::Granular
        }
    }

    /// Lists of built-in kinds, from `x-kubernetes-list-type` and `x-kubernetes-list-map-keys` in
    /// Kubernetes' API description.
    fn list(&self) -> Merge {
        let keyed = |keys: &[&str]| Merge::Keyed(keys.iter().map(|k| (*k).to_owned()).collect());
        match (self.last(1), self.last(0)) {
            (_, "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "env") => {
                keyed(&["name"])
            }
            (_, "imagePullSecrets" | "schedulingGates" | "resourceClaims") => keyed(&["name"]),
            ("", "secrets") => keyed(&["name"]),
            ("resources", "claims") => keyed(&["name"]),
            ("containers" | "initContainers" | "ephemeralContainers", "ports") => {
                keyed(&["containerPort", "protocol"])
            }
            ("spec", "ports") => keyed(&["port", "protocol"]),
            (_, "volumeMounts") => keyed(&["mountPath"]),
            (_, "volumeDevices") => keyed(&["devicePath"]),
            (_, "hostAliases") => keyed(&["ip"]),
            (_, "topologySpreadConstraints") => keyed(&["topologyKey", "whenUnsatisfiable"]),
            (_, "conditions") => keyed(&["type"]),
            ("status", "addresses") => keyed(&["type"]),
            ("metadata", "ownerReferences") => keyed(&["uid"]),
            ("metadata", "finalizers") | ("status", "podIPs") => Merge::Set,
            _ => Merge::Atomic,
        }
    }
}

fn by_schema(schema: &Value, value: &Value) -> Merge {
    match value {
        Value::Object(_) if schema["x-kubernetes-map-type"] == "atomic" => Merge::Atomic,
        Value::Object(_) => Merge::Granular,
        Value::Array(_) => match schema["x-kubernetes-list-type"].as_str() {
            Some("map") => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array();
                Merge::Keyed(
                    keys.into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                )
            }
            Some("set") => Merge::Set,
            _ => Merge::Atomic,
        },
        _ => Merge::Atomic,
    }
}

/// The members of a map, in a kind's own order.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
