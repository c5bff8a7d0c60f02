//! Server-side apply, and who owns which field.
//!
//! Source: "Server-Side Apply" in the Kubernetes documentation.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cause::Cause;
use super::changes;
use super::fields::{self, Fields, Path, display, is_in, item_step};
use super::kinds::Kind;
use super::object::{self, Object};
use super::place::{Merge, Place};
use super::status::ApiError;

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manager<'a> {
    pub(crate) name: &'a str,
    /// Whether it applies; else it updates.
    pub(crate) applies: bool,
    pub(crate) subresource: Option<&'a str>,
}

/// What one manager owns.
#[derive(Debug, Clone)]
struct Owned {
    entry: Value,
    fields: Fields,
}

impl Owned {
    fn new(manager: &Manager<'_>, api_version: &str, fields: Fields) -> Self {
        let mut entry = json!({
            "manager": manager.name,
            "operation": if manager.applies { "Apply" } else { "Update" },
            "apiVersion": api_version,
        });
        if let Some(subresource) = manager.subresource {
            entry["subresource"] = subresource.into();
        }
        Self { entry, fields }
    }

    fn is_of(&self, manager: &Manager<'_>) -> bool {
        let operation = if manager.applies { "Apply" } else { "Update" };
        self.entry["manager"] == manager.name
            && self.entry["operation"] == operation
            && self.entry["subresource"].as_str() == manager.subresource
    }

    fn describe(&self) -> String {
        let mut told = format!("{:?}", self.entry.text("/manager"));
        if let Some(subresource) = self.entry["subresource"].as_str() {
            told += &format!(" with subresource {subresource:?}");
        }
        if self.entry["operation"] == "Update" {
            told += &format!(" using {}", self.entry.text("/apiVersion"));
        }
        told
    }
}

fn owners(object: &Value) -> Vec<Owned> {
    object
        .list("/metadata/managedFields")
        .iter()
        .map(|entry| Owned {
            fields: fields::read(&entry["fieldsV1"]),
            entry: entry.clone(),
        })
        .collect()
}

/// Writes down who owns what. An entry whose fields are the same keeps its time.
fn write_owners(object: &mut Value, owners: Vec<Owned>, now: Timestamp) {
    let entries: Vec<Value> = owners
        .into_iter()
        .filter(|owned| !owned.fields.is_empty())
        .map(|owned| {
            let fields = fields::write(&owned.fields);
            let mut entry = owned.entry;
            if entry["fieldsV1"] != fields || entry["time"].is_null() {
                entry["time"] = object::time(now);
            }
            entry["fieldsType"] = "FieldsV1".into();
            if let Some(map) = entry.as_object_mut() {
                map.shift_remove("fieldsV1");
            }
            entry["fieldsV1"] = fields;
            entry
        })
        .collect();
    if entries.is_empty() {
        object::unset_metadata(object, "managedFields");
    } else {
        object::set_metadata(object, "managedFields", Value::Array(entries));
    }
}

/// The object that comes of applying one, and the conflicts that stand in the way.
///
/// `live` is null if there is no object yet.
///
/// # Errors
/// If other managers own fields that would change, unless `force` takes them.
pub(crate) fn apply(
    kind: &Kind,
    live: &Value,
    applied: &Value,
    manager: &Manager<'_>,
    force: bool,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let top = Place::top(kind);
    let wanted = fields::of(applied, &top);
    let mut owners = owners(live);
    if owners.is_empty() && !live.is_null() {
        // What was there before anyone's fields were tracked.
        let before = Manager {
            name: "before-first-apply",
            applies: false,
            subresource: None,
        };
        let all = changes::between(kind, &Value::Null, live).set;
        owners.push(Owned::new(&before, &kind.api_version(), all));
    }

    let mut merged = live.clone();
    merge(&mut merged, applied, &top);
    let before = owners
        .iter()
        .find(|owned| owned.is_of(manager))
        .map(|owned| owned.fields.clone())
        .unwrap_or_default();
    take_out(&mut merged, &before, &wanted, &owners, manager, &top);

    let changes = changes::between(kind, live, &merged);
    let mut conflicts = Vec::new();
    for owned in owners.iter_mut().filter(|owned| !owned.is_of(manager)) {
        let told = owned.describe();
        let mut taken: Vec<&Path> = owned.fields.intersection(&changes.set).collect();
        taken.sort_by(|one, other| fields::order(one, other));
        conflicts.extend(
            taken
                .iter()
                .map(|path| Cause::conflict(&told, &display(path))),
        );
        owned
            .fields
            .retain(|path| !changes.set.contains(path) && !changes.removed.contains(path));
    }
    if !conflicts.is_empty() && !force {
        return Err(ApiError::apply_conflict(&conflicts));
    }

    let fields = wanted.into_keys().collect();
    match owners.iter_mut().find(|owned| owned.is_of(manager)) {
        Some(owned) => {
            owned.fields = fields;
            owned.entry["apiVersion"] = kind.api_version().into();
        }
        None => owners.push(Owned::new(manager, &kind.api_version(), fields)),
    }
    write_owners(&mut merged, owners, now);
    Ok(merged)
}

/// Who owns what after an object was written as a whole.
pub(crate) fn note_update(
    kind: &Kind,
    before: &Value,
    after: &mut Value,
    manager: &Manager<'_>,
    now: Timestamp,
) {
    let mut changes = changes::between(kind, before, after);
    if kind.status && manager.subresource.is_none() {
        // What is somewhere else's to change is nobody's here.
        changes
            .set
            .retain(|path| path.first().is_none_or(|first| first != "f:status"));
    }
    let mut owners = owners(before);
    for owned in &mut owners {
        let is_own = owned.is_of(manager);
        owned.fields.retain(|path| {
            !changes.removed.contains(path) && (is_own || !changes.set.contains(path))
        });
    }
    if !changes.set.is_empty() {
        match owners.iter_mut().find(|owned| owned.is_of(manager)) {
            Some(owned) => owned.fields.extend(changes.set),
            None => owners.push(Owned::new(manager, &kind.api_version(), changes.set)),
        }
    }
    write_owners(after, owners, now);
}

fn merge(live: &mut Value, applied: &Value, place: &Place<'_>) {
    match (&mut *live, applied, place.merge(applied)) {
        (Value::Object(map), Value::Object(wanted), Merge::Granular) => {
            for (name, value) in wanted {
                match map.get_mut(name) {
                    Some(member) => merge(member, value, &place.member(name)),
                    None => {
                        map.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(list), Value::Array(wanted), Merge::Keyed(keys)) => {
            for item in wanted {
                let step = item_step(item, &keys);
                match list
                    .iter_mut()
                    .find(|there| item_step(there, &keys) == step)
                {
                    Some(there) => merge(there, item, &place.item()),
                    None => list.push(item.clone()),
                }
            }
        }
        (Value::Array(list), Value::Array(wanted), Merge::Set) => {
            for item in wanted {
                if !list.contains(item) {
                    list.push(item.clone());
                }
            }
        }
        _ => *live = applied.clone(),
    }
}

/// Takes out what the manager applied before, doesn't any more, and no other owns.
fn take_out(
    object: &mut Value,
    before: &Fields,
    wanted: &BTreeMap<Path, Option<Value>>,
    owners: &[Owned],
    manager: &Manager<'_>,
    top: &Place<'_>,
) {
    // An item goes as a whole, if it goes; so it comes before what is in it.
    let mut gone: Vec<&Path> = before
        .iter()
        .filter(|path| !wanted.contains_key(*path) && !is_key(path))
        .collect();
    gone.sort_by_key(|path| path.len());
    for path in gone {
        let others = owners.iter().filter(|owned| !owned.is_of(manager));
        let is_needed = wanted.keys().any(|w| is_in(w, path))
            || others
                .flat_map(|owned| &owned.fields)
                .any(|owned| is_in(owned, path));
        if !is_needed {
            remove(object, path, top, wanted, &mut Vec::new());
        }
    }
}

/// Whether a path leads to what an item is told from the others by, which goes only with it.
fn is_key(path: &[String]) -> bool {
    let [.., item, member] = path else {
        return false;
    };
    let keys = item.strip_prefix("k:");
    let keys = keys.and_then(|keys| serde_json::from_str::<Value>(keys).ok());
    let name = member.strip_prefix("f:").unwrap_or_default();
    keys.is_some_and(|keys| keys.get(name).is_some())
}

/// Removes what a path leads to, and the maps and lists that become empty by it unless they are
/// wanted so.
fn remove(
    value: &mut Value,
    path: &[String],
    place: &Place<'_>,
    wanted: &BTreeMap<Path, Option<Value>>,
    way: &mut Path,
) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    way.push(step.clone());
    match (step.split_once(':'), value) {
        (Some(("f", name)), Value::Object(map)) => {
            let is_empty = match map.get_mut(name) {
                Some(member) if !rest.is_empty() => {
                    remove(member, rest, &place.member(name), wanted, way);
                    let is_empty = member.as_object().is_some_and(serde_json::Map::is_empty)
                        || member.as_array().is_some_and(Vec::is_empty);
                    is_empty && !wanted.contains_key(&*way)
                }
                Some(_) => true,
                None => false,
            };
            if is_empty {
                map.shift_remove(name);
            }
        }
        (Some(("k", _)), Value::Array(list)) => {
            let Merge::Keyed(keys) = place.merge(&Value::Array(Vec::new())) else {
                way.pop();
                return;
            };
            if let Some(at) = list.iter().position(|item| item_step(item, &keys) == *step) {
                if rest.is_empty() {
                    list.remove(at);
                } else {
                    remove(&mut list[at], rest, &place.item(), wanted, way);
                }
            }
        }
        (Some(("v", _)), Value::Array(list)) => {
            list.retain(|item| format!("v:{item}") != *step);
        }
        _ => {}
    }
    way.pop();
}

#[cfg(test)]
mod tests {
    use super::super::inside::Inside;
    use super::super::kinds;
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    fn kind() -> Kind {
        kinds::find(&Inside::new("c"), "apps", "v1", "deployments").unwrap()
    }

    fn by(name: &str) -> Manager<'_> {
        Manager {
            name,
            applies: true,
            subresource: None,
        }
    }

    fn applied(
        live: &Value,
        object: &Value,
        manager: &str,
        force: bool,
    ) -> Result<Value, ApiError> {
        apply(&kind(), live, object, &by(manager), force, now())
    }

    fn spec(spec: Value) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": spec })
    }

    fn containers(list: Value) -> Value {
        spec(json!({ "template": { "spec": { "containers": list } } }))
    }

    fn updated(live: &Value, manager: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut after = live.clone();
        change(&mut after);
        let manager = Manager {
            applies: false,
            ..by(manager)
        };
        note_update(&kind(), live, &mut after, &manager, now());
        after
    }

    fn managers(object: &Value) -> Vec<&str> {
        let all = object.list("/metadata/managedFields");
        all.iter().map(|entry| entry.text("/manager")).collect()
    }

    #[test]
    fn applying_the_same_again_changes_nothing() {
        let wanted =
            containers(json!([{ "name": "a", "image": "1", "ports": [{ "containerPort": 80 }] }]));
        let once = applied(&Value::Null, &wanted, "psk", false).unwrap();
        assert_eq!(applied(&once, &wanted, "psk", false).unwrap(), once);
        assert_eq!(
            once["metadata"]["managedFields"][0]["fieldsV1"],
            json!({ "f:spec": { "f:template": { "f:spec": { "f:containers": { "k:{\"name\":\"a\"}": {
                ".": {}, "f:name": {}, "f:image": {},
                "f:ports": { "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:containerPort": {} } } } } } } } })
        );
    }

    #[test]
    fn what_is_no_longer_applied_goes_and_what_others_own_stays() {
        let first =
            containers(json!([{ "name": "a", "image": "1" }, { "name": "b", "image": "1" }]));
        let live = applied(&Value::Null, &first, "psk", false).unwrap();
        let live = updated(&live, "kubectl", |o| {
            o["spec"]["replicas"] = 3.into();
            o["spec"]["template"]["spec"]["containers"][0]["stdin"] = true.into();
        });
        let live = applied(&live, &containers(json!([{ "name": "a" }])), "psk", false).unwrap();
        assert_eq!(
            live["spec"],
            json!({ "template": { "spec": { "containers": [{ "name": "a", "stdin": true }] } }, "replicas": 3 })
        );
        let live = applied(&live, &spec(json!({})), "psk", false).unwrap();
        // The item stays, since another owns something in it.
        assert_eq!(
            live["spec"]["template"]["spec"]["containers"],
            json!([{ "name": "a", "stdin": true }])
        );
        assert_eq!(live["spec"]["replicas"], 3);
    }

    #[test]
    fn a_field_of_another_is_a_conflict_unless_it_is_the_same_or_forced() {
        let live = applied(
            &Value::Null,
            &spec(json!({ "replicas": 1, "paused": true })),
            "one",
            false,
        )
        .unwrap();
        let shared = applied(&live, &spec(json!({ "replicas": 1 })), "two", false).unwrap();
        assert_eq!(managers(&shared), ["one", "two"]);

        let error = applied(&live, &spec(json!({ "replicas": 2 })), "two", false).unwrap_err();
        assert_eq!(
            error.message,
            "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas"
        );
        assert_eq!(
            error.status()["details"]["causes"],
            json!([{ "reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".spec.replicas" }])
        );

        let taken = applied(&live, &spec(json!({ "replicas": 2 })), "two", true).unwrap();
        assert_eq!(taken["spec"]["replicas"], 2);
        // It has lost one of its fields and keeps the other.
        assert_eq!(
            taken["metadata"]["managedFields"][0]["fieldsV1"],
            json!({ "f:spec": { "f:paused": {} } })
        );
    }

    #[test]
    fn conflicts_are_told_by_manager_and_updates_with_their_version() {
        let live = updated(
            &json!({ "metadata": { "name": "a" } }),
            "kubectl-edit",
            |o| {
                o["spec"] = json!({ "replicas": 1, "paused": true });
            },
        );
        let error = applied(
            &live,
            &spec(json!({ "replicas": 2, "paused": false })),
            "psk",
            false,
        )
        .unwrap_err();
        assert_eq!(
            error.message,
            "Apply failed with 2 conflicts: conflicts with \"kubectl-edit\" using apps/v1:\n\
             - .spec.paused\n- .spec.replicas"
        );
    }

    #[test]
    fn an_update_takes_what_it_changes_and_forgets_what_it_removes() {
        let live = applied(
            &Value::Null,
            &spec(json!({ "replicas": 1, "paused": true })),
            "psk",
            false,
        )
        .unwrap();
        let live = updated(&live, "kubectl", |o| {
            o["spec"] = json!({ "replicas": 2 });
        });
        assert_eq!(managers(&live), ["kubectl"]);
        let error = applied(
            &live,
            &spec(json!({ "replicas": 1, "paused": true })),
            "psk",
            false,
        )
        .unwrap_err();
        assert!(
            error.message.contains(".spec.replicas"),
            "{}",
            error.message
        );
        assert!(!error.message.contains("paused"), "{}", error.message);
    }

    #[test]
    fn what_was_there_before_belongs_to_nobody_known() {
        let live = json!({ "metadata": { "name": "a" }, "spec": { "replicas": 1 } });
        let error = applied(&live, &spec(json!({ "replicas": 2 })), "psk", false).unwrap_err();
        assert!(
            error.message.contains("before-first-apply"),
            "{}",
            error.message
        );
        assert!(applied(&live, &spec(json!({ "replicas": 1 })), "psk", false).is_ok());
    }

    #[test]
    fn lists_without_keys_are_one_value() {
        let tolerations = |key: &str| {
            spec(json!({ "template": { "spec": { "tolerations": [{ "key": key }] } } }))
        };
        let live = applied(&Value::Null, &tolerations("a"), "one", false).unwrap();
        let error = applied(&live, &tolerations("b"), "two", false).unwrap_err();
        assert!(
            error.message.ends_with(".spec.template.spec.tolerations"),
            "{}",
            error.message
        );
        let live = applied(&live, &tolerations("b"), "one", false).unwrap();
        assert_eq!(live["spec"], tolerations("b")["spec"]);
    }
}
