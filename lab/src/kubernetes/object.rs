//! Reading and writing objects, which are kept as JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What every object has.
pub(crate) trait Object {
    fn name(&self) -> &str;
    fn namespace(&self) -> Option<&str>;
    fn uid(&self) -> &str;
    /// The text at a JSON pointer; empty if there is none.
    fn text(&self, pointer: &str) -> &str;
    /// The number at a JSON pointer.
    fn number(&self, pointer: &str) -> Option<i64>;
    /// The elements of the list at a JSON pointer.
    fn list(&self, pointer: &str) -> &[Value];
    /// The texts of the map at a JSON pointer.
    fn texts(&self, pointer: &str) -> BTreeMap<&str, &str>;
    fn labels(&self) -> BTreeMap<&str, &str> {
        self.texts("/metadata/labels")
    }
    fn annotation(&self, name: &str) -> Option<&str>;
    fn finalizers(&self) -> Vec<&str>;
    /// When it is to be gone, if it is being deleted.
    fn deletion(&self) -> Option<Timestamp>;
    fn is_going(&self) -> bool {
        self.deletion().is_some()
    }
    /// When it was made.
    fn created(&self) -> Timestamp;
    /// The status of a condition; empty if there is none.
    fn condition(&self, kind: &str) -> &str;
    /// Whether an owner is this object.
    fn is_owned_by(&self, uid: &str) -> bool;
}

impl Object for Value {
    fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    fn namespace(&self) -> Option<&str> {
        self["metadata"]["namespace"].as_str()
    }

    fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    fn text(&self, pointer: &str) -> &str {
        at(self, pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn number(&self, pointer: &str) -> Option<i64> {
        at(self, pointer)?.as_i64()
    }

    fn list(&self, pointer: &str) -> &[Value] {
        at(self, pointer)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    fn texts(&self, pointer: &str) -> BTreeMap<&str, &str> {
        let map = at(self, pointer).and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
            .collect()
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self["metadata"]["annotations"][name].as_str()
    }

    fn finalizers(&self) -> Vec<&str> {
        let all = self.list("/metadata/finalizers");
        all.iter().filter_map(Value::as_str).collect()
    }

    fn deletion(&self) -> Option<Timestamp> {
        self["metadata"]["deletionTimestamp"].as_str()?.parse().ok()
    }

    fn created(&self) -> Timestamp {
        self.text("/metadata/creationTimestamp")
            .parse()
            .unwrap_or_default()
    }

    fn condition(&self, kind: &str) -> &str {
        let all = self.list("/status/conditions");
        all.iter()
            .find(|c| c["type"] == kind)
            .and_then(|c| c["status"].as_str())
            .unwrap_or_default()
    }

    fn is_owned_by(&self, uid: &str) -> bool {
        let owners = self.list("/metadata/ownerReferences");
        owners.iter().any(|owner| owner["uid"] == uid)
    }
}

/// What is at a JSON pointer. Most name plain members, and are followed without the copies of each name
/// that escapes take.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return value.pointer(pointer);
    }
    let names = pointer.split('/').skip(1);
    names
        .into_iter()
        .try_fold(value, |value, name| match value {
            Value::Object(map) => map.get(name),
            Value::Array(list) => list.get(name.parse::<usize>().ok()?),
            _ => None,
        })
}

/// How the store finds an object.
pub(crate) fn key(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

/// How the store finds this object.
pub(crate) fn key_of(object: &Value) -> String {
    key(object.namespace(), object.name())
}

/// A time as objects have it, to a second.
pub(crate) fn time(at: Timestamp) -> Value {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

/// The map at a path, made if need be. What is there and isn't a map is replaced.
pub(crate) fn map_mut<'a>(
    value: &'a mut Value,
    path: &[&str],
) -> Option<&'a mut Map<String, Value>> {
    let mut place = value;
    for member in path {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[*member];
    }
    if !place.is_object() {
        *place = json!({});
    }
    place.as_object_mut()
}

/// Sets a member of an object's metadata.
pub(crate) fn set_metadata(object: &mut Value, member: &str, value: impl Into<Value>) {
    if let Some(metadata) = map_mut(object, &["metadata"]) {
        metadata.insert(member.to_owned(), value.into());
    }
}

/// Takes a member out of an object's metadata.
pub(crate) fn unset_metadata(object: &mut Value, member: &str) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove(member);
    }
}

/// The list at a path, made if need be.
pub(crate) fn list_mut<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Vec<Value>> {
    let (last, parents) = path.split_last()?;
    let parent = map_mut(value, parents)?;
    let list = parent
        .entry((*last).to_owned())
        .or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    list.as_array_mut()
}

/// A text that values share which differ in nothing but the order of members, whoever wrote them.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

/// The members of a map in the order of their names.
pub(crate) fn in_order(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = map.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

fn write_canonical(value: &Value, to: &mut String) {
    match value {
        Value::Object(map) => {
            to.push('{');
            for (name, value) in in_order(map) {
                to.push_str(name);
                to.push(':');
                write_canonical(value, to);
                to.push(',');
            }
            to.push('}');
        }
        Value::Array(list) => {
            to.push('[');
            for item in list {
                write_canonical(item, to);
                to.push(',');
            }
            to.push(']');
        }
        other => to.push_str(&other.to_string()),
    }
}

/// Sets a condition. Its time changes only with its status. Returns whether anything changed.
pub(crate) fn set_condition(
    object: &mut Value,
    kind: &str,
    status: bool,
    (reason, message): (&str, &str),
    now: Timestamp,
) -> bool {
    let status = if status { "True" } else { "False" };
    let Some(all) = list_mut(object, &["status", "conditions"]) else {
        return false;
    };
    let mut new = json!({ "type": kind, "status": status, "lastTransitionTime": time(now) });
    if !reason.is_empty() {
        new["reason"] = reason.into();
    }
    if !message.is_empty() {
        new["message"] = message.into();
    }
    match all.iter_mut().find(|c| c["type"] == kind) {
        Some(old) => {
            if old["status"] == status {
                new["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            for member in ["lastHeartbeatTime", "observedGeneration"] {
                if let Some(value) = old.get(member) {
                    new[member] = value.clone();
                }
            }
            let differs = *old != new;
            *old = new;
            differs
        }
        None => {
            all.push(new);
            true
        }
    }
}

/// A reference to the controller that made an object.
pub(crate) fn controller(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner.name(),
        "uid": owner.uid(), "controller": true, "blockOwnerDeletion": true,
    }])
}
