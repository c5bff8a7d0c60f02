//! How lists and maps of kinds are merged, by where in an object they are.

use serde_json::Value;

use super::kinds::Kind;

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
            schema: kind.custom.as_ref().map(|custom| custom.schema()),
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

    /// Whether the schema of this place names a member, other than one that is an entry of a map.
    pub(crate) fn names(&self, member: &str) -> bool {
        let in_metadata = self.path.first().is_some_and(|first| first == "metadata");
        match self.schema {
            Some(schema) if !self.path.is_empty() && !in_metadata => {
                schema["properties"].get(member).is_some()
            }
            // The maps of built-in kinds hold nothing that has members itself.
            _ => true,
        }
    }

    /// Whether what is here is written even where it is empty: in Go's types, a struct that is no pointer,
    /// all the way from the top, or a list that isn't left out.
    pub(crate) fn is_always_there(&self) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        if path == ["metadata"] {
            return true;
        }
        if self.schema.is_some() {
            return false;
        }
        let of_template = match path.as_slice() {
            ["spec", "jobTemplate", "spec", rest @ ..] | ["spec", rest @ ..] => rest,
            _ => &[],
        };
        match of_template {
            ["template"]
            | ["template", "metadata" | "spec"]
            | ["template", "spec", "containers"] => {
                return true;
            }
            _ => {}
        }
        matches!(
            path.as_slice(),
            ["spec" | "status" | "involvedObject" | "source" | "roleRef"]
                | [
                    "spec",
                    "containers" | "strategy" | "updateStrategy" | "names"
                ]
                | ["spec", "resources" | "source" | "jobTemplate"]
                | ["spec", "jobTemplate", "metadata" | "spec"]
                | [
                    "status",
                    "loadBalancer" | "daemonEndpoints" | "nodeInfo" | "acceptedNames"
                ]
                | ["status", "daemonEndpoints", "kubeletEndpoint"]
        )
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
            // Their items, which are references.
            "imagePullSecrets" | "ownerReferences" => true,
            "secrets" => self.last(1).is_empty(),
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
            // A service account's are one value, other than a pod's.
            ("", "imagePullSecrets") => Merge::Atomic,
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
