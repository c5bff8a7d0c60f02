//! Comparing objects attribute by attribute.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::object::UNKNOWN;
use crate::reconcile::plan::{AttributeChange, Target};

/// What the API server keeps in every object for itself.
const BOOKKEEPING: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Whether a field is what the API server and controllers keep in an object, or what names it.
fn is_passed_over(path: &str, key: &str) -> bool {
    match path {
        // Lists leave the latter two out of their items.
        "" => matches!(key, "status" | "apiVersion" | "kind"),
        "metadata" => BOOKKEEPING.contains(&key),
        _ => false,
    }
}

/// Every attribute of an object that is to be made.
pub(super) fn attributes(object: &Value) -> Vec<AttributeChange> {
    compare(&Value::Null, object, true)
        .into_iter()
        .filter(|a| !matches!(a.path.as_str(), "metadata.name" | "metadata.namespace"))
        .collect()
}

/// Every attribute of an object as it was found, as far as the manifest sets it or something in it;
/// secret ones left out.
pub(super) fn found(object: &Value, manifest: &Value) -> BTreeMap<String, Value> {
    let set: Vec<_> = attributes(manifest).into_iter().map(|a| a.path).collect();
    let within = |path: &str, other: &str| {
        let rest = path.strip_prefix(other);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let is_set = |path: &str| set.iter().any(|of| within(path, of) || within(of, path));
    let all = attributes(object).into_iter();
    all.filter(|attribute| is_set(&attribute.path))
        .filter_map(|attribute| match attribute.new {
            Target::Value(value) if !attribute.sensitive => Some((attribute.path, value)),
            _ => None,
        })
        .collect()
}

/// Every attribute of an object as it is wanted; `None` where one isn't known yet, or is secret.
pub(super) fn wanted(object: &Value) -> Option<BTreeMap<String, Value>> {
    let all = attributes(object).into_iter();
    all.map(|attribute| match attribute.new {
        Target::Value(value) if !attribute.sensitive => Some((attribute.path, value)),
        _ => None,
    })
    .collect()
}

/// The attributes that differ, of two whole objects. What only the old object has counts only if it `goes` away.
pub(super) fn compare(old: &Value, new: &Value, goes: bool) -> Vec<AttributeChange> {
    let secret = [old, new]
        .iter()
        .any(|object| object.get("kind").and_then(Value::as_str) == Some("Secret"));
    let mut walk = Walk {
        goes,
        secret,
        changes: Vec::new(),
    };
    walk.value("", Some(old).filter(|v| !v.is_null()), Some(new));
    walk.changes
}

struct Walk {
    goes: bool,
    secret: bool,
    changes: Vec<AttributeChange>,
}

impl Walk {
    fn value(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            _ if old == new => {}
            (_, None) if !self.goes => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                self.fields(path, Some(old), Some(new));
            }
            (None, Some(Value::Object(new))) if !new.is_empty() => {
                self.fields(path, None, Some(new));
            }
            (Some(Value::Object(old)), None) if !old.is_empty() => {
                self.fields(path, Some(old), None);
            }
            (Some(Value::Array(old)), Some(Value::Array(new)))
                if old.len() == new.len() && new.iter().any(Value::is_object) =>
            {
                for (index, (old, new)) in old.iter().zip(new).enumerate() {
                    self.value(&format!("{path}[{index}]"), Some(old), Some(new));
                }
            }
            _ => self.leaf(path, old, new),
        }
    }

    fn fields(
        &mut self,
        path: &str,
        old: Option<&Map<String, Value>>,
        new: Option<&Map<String, Value>>,
    ) {
        let keys: BTreeSet<&String> = [old, new]
            .into_iter()
            .flatten()
            .flat_map(Map::keys)
            .filter(|key| !is_passed_over(path, key))
            .collect();
        for key in keys {
            let (old, new) = (
                old.and_then(|fields| fields.get(key)),
                new.and_then(|fields| fields.get(key)),
            );
            // Of most objects, most is alike.
            if old == new {
                continue;
            }
            match path {
                "" => self.value(key, old, new),
                path => self.value(&format!("{path}.{key}"), old, new),
            }
        }
    }

    fn leaf(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>) {
        let sensitive = self.secret
            && ["data", "stringData"]
                .iter()
                .any(|field| path == *field || path.starts_with(&format!("{field}.")));
        let unknown = |value: &Value| value.as_str().is_some_and(|text| text.contains(UNKNOWN));
        let shown = |value: &Value| (!sensitive).then(|| value.clone());
        self.changes.push(AttributeChange {
            path: path.to_owned(),
            old: old.and_then(shown),
            new: match new {
                Some(value) if unknown(value) => Target::KnownAfterApply,
                Some(value) => shown(value).map_or(Target::Unset, Target::Value),
                None => Target::Unset,
            },
            sensitive,
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(changes: &[AttributeChange]) -> Vec<&str> {
        changes.iter().map(|c| c.path.as_str()).collect()
    }

    #[test]
    fn what_the_server_keeps_makes_no_difference() {
        let old = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "a", "uid": "1", "resourceVersion": "5", "managedFields": [{}]}, "status": {"phase": "Active"}});
        let new = json!({"metadata": {"name": "a", "resourceVersion": "6"}});
        assert_eq!(compare(&old, &new, true), []);
    }

    #[test]
    fn differences_are_told_attribute_by_attribute() {
        let old = json!({"spec": {"limits": {"cpu": "80"}, "requirements": [{"key": "a", "values": ["x"]}], "gone": true, "same": 1}});
        let new = json!({"spec": {"limits": {"cpu": "40", "memory": "1Gi"}, "requirements": [{"key": "a", "values": ["y"]}], "same": 1}});
        let all = compare(&old, &new, true);
        assert_eq!(
            paths(&all),
            [
                "spec.gone",
                "spec.limits.cpu",
                "spec.limits.memory",
                "spec.requirements[0].values"
            ]
        );
        assert_eq!(all[0].new, Target::Unset);
        assert_eq!(all[1].old, Some(json!("80")));
        // Against a manifest, which says nothing of the rest, what others have set is no difference.
        assert_eq!(
            paths(&compare(&old, &new, false)),
            [
                "spec.limits.cpu",
                "spec.limits.memory",
                "spec.requirements[0].values"
            ]
        );
    }

    #[test]
    fn of_what_was_found_only_what_the_manifest_sets_is_told() {
        let live = json!({"metadata": {"name": "x", "annotations": {"hash": "1"}},
            "spec": {"limits": {"cpu": "80", "memory": "1Gi"}, "list": [1, 2], "replicas": 3}});
        let manifest = json!({"metadata": {"name": "x"}, "spec": {"limits": {"cpu": "40"}, "list": [1], "more": {"a": 1}}});
        let found = found(&live, &manifest);
        let paths: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(paths, ["spec.limits.cpu", "spec.list"]);
    }

    #[test]
    fn an_object_to_be_made_is_told_with_what_is_not_known_yet() {
        let object = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "x"},
            "parameters": {"fileSystemId": UNKNOWN, "basePath": "/d"}});
        let all = attributes(&object);
        assert_eq!(
            paths(&all),
            ["parameters.basePath", "parameters.fileSystemId"]
        );
        assert_eq!(all[1].new, Target::KnownAfterApply);
    }

    #[test]
    fn the_values_of_secrets_are_never_told() {
        let secret = |value: &str| json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": value}});
        for changes in [
            compare(&secret("b2xk"), &secret("bmV3"), true),
            attributes(&secret("bmV3")),
        ] {
            let told = format!("{changes:?}");
            assert!(changes.iter().any(|c| c.path == "data.k" && c.sensitive));
            assert!(!told.contains("b2xk") && !told.contains("bmV3"), "{told}");
        }
    }
}
