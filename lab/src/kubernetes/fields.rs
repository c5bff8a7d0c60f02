//! Sets of fields, as `metadata.managedFields` holds them.
//!
//! Source: the format `FieldsV1` in the API reference of Kubernetes, and what a set holds in
//! `sigs.k8s.io/structured-merge-diff`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::place::{Merge, Place};
use super::schema::members;

/// The way to a field: `f:name` for a member, `k:{…}` for an item by its keys, `v:…` for one by
/// its value.
pub(crate) type Path = Vec<String>;

/// Fields of an object.
pub(crate) type Fields = BTreeSet<Path>;

/// Metadata that nobody owns, since the server alone sets it.
const UNOWNED: [&str; 8] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "selfLink",
    "managedFields",
];

/// Whether nobody owns a member of what a path leads to.
pub(crate) fn is_unowned(path: &[String], name: &str) -> bool {
    match path {
        [] => matches!(name, "apiVersion" | "kind"),
        [metadata] if metadata == "f:metadata" => UNOWNED.contains(&name),
        _ => false,
    }
}

/// The fields of an object, each with its value; items of keyed lists are fields without one.
pub(crate) fn of(object: &Value, place: &Place<'_>) -> BTreeMap<Path, Option<Value>> {
    let mut found = BTreeMap::new();
    collect(object, place, &mut Vec::new(), &mut found);
    found
}

fn collect(
    value: &Value,
    place: &Place<'_>,
    path: &mut Path,
    found: &mut BTreeMap<Path, Option<Value>>,
) {
    match (value, place.merge(value)) {
        (Value::Object(map), Merge::Granular) => {
            if map.is_empty() && !path.is_empty() {
                found.insert(path.clone(), Some(value.clone()));
            }
            for (name, member) in map {
                if !is_unowned(path, name) && !member.is_null() {
                    path.push(format!("f:{name}"));
                    collect(member, &place.member(name), path, found);
                    // What is in a map is owned as such, other than what a kind's schema names.
                    if !place.names(name) && !found.contains_key(path) {
                        found.insert(path.clone(), None);
                    }
                    path.pop();
                }
            }
        }
        (Value::Array(list), Merge::Keyed(keys)) => {
            for item in list {
                path.push(item_step(item, &keys));
                if place.item().merge(item) == Merge::Atomic {
                    found.insert(path.clone(), Some(item.clone()));
                } else {
                    found.insert(path.clone(), None);
                    for (name, member) in members(item) {
                        path.push(format!("f:{name}"));
                        collect(member, &place.item().member(name), path, found);
                        path.pop();
                    }
                }
                path.pop();
            }
        }
        (Value::Array(list), Merge::Set) => {
            for item in list {
                path.push(format!("v:{item}"));
                found.insert(path.clone(), None);
                path.pop();
            }
        }
        _ => {
            if !path.is_empty() {
                found.insert(path.clone(), Some(value.clone()));
            }
        }
    }
}

/// How an item of a keyed list is told from the others.
pub(crate) fn item_step(item: &Value, keys: &[String]) -> String {
    let mut sorted: Vec<_> = keys.iter().collect();
    sorted.sort();
    let map: Map<String, Value> = sorted
        .into_iter()
        .map(|key| {
            let value = item.get(key).cloned();
            // The one key that has a default.
            let missing = || match key.as_str() {
                "protocol" => "TCP".into(),
                _ => Value::Null,
            };
            (key.clone(), value.unwrap_or_else(missing))
        })
        .collect();
    format!("k:{}", Value::Object(map))
}

/// Whether a path leads to `above` or to something in it.
pub(crate) fn is_in(path: &[String], above: &[String]) -> bool {
    path.len() >= above.len() && path[..above.len()] == *above
}

/// The order in which an API server goes through a set: what is owned at a place comes before what is owned
/// further in.
pub(crate) fn order(one: &[String], other: &[String]) -> Ordering {
    let alike = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let is_last = |path: &[String]| path.len() <= alike + 1;
    let step = |path: &[String]| path.get(alike).cloned();
    (!is_last(one), step(one)).cmp(&(!is_last(other), step(other)))
}

/// A set as `fieldsV1` writes it.
pub(crate) fn write(fields: &Fields) -> Value {
    let mut tree = Value::Object(Map::new());
    for path in fields {
        let mut here = &mut tree;
        for step in path {
            here = &mut here[step.as_str()];
        }
        here["."] = Value::Object(Map::new());
    }
    tidy(&mut tree);
    tree
}

/// A field without fields of its own is a member without saying so.
fn tidy(tree: &mut Value) {
    let Value::Object(map) = tree else { return };
    if map.len() == 1 && map.contains_key(".") {
        map.clear();
    }
    for value in map.values_mut() {
        tidy(value);
    }
}

/// Reads what [`write()`] writes.
pub(crate) fn read(tree: &Value) -> Fields {
    fn walk(tree: &Value, path: &mut Path, found: &mut Fields) {
        let Value::Object(map) = tree else { return };
        if map.is_empty() && !path.is_empty() {
            found.insert(path.clone());
        }
        for (step, below) in map {
            if step == "." {
                found.insert(path.clone());
            } else {
                path.push(step.clone());
                walk(below, path, found);
                path.pop();
            }
        }
    }
    let mut found = Fields::new();
    walk(tree, &mut Vec::new(), &mut found);
    found
}

/// A path as messages show it: `.spec.containers[name="a"].image`.
pub(crate) fn display(path: &[String]) -> String {
    path.iter()
        .map(|step| match step.split_once(':') {
            Some(("f", name)) => format!(".{name}"),
            Some(("k", keys)) => {
                let keys: Value = serde_json::from_str(keys).unwrap_or_default();
                let told: Vec<_> = members(&keys).map(|(k, v)| format!("{k}={v}")).collect();
                format!("[{}]", told.join(","))
            }
            Some((_, value)) => format!("[={value}]"),
            None => step.clone(),
        })
        .collect()
}
