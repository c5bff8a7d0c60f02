//! What goes when something else goes: the content of namespaces, and what an object owns.
//!
//! Source: "Garbage Collection" in the Kubernetes documentation.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::inside::Inside;
use super::super::kinds::{self, DEFINITIONS};
use super::super::object::{Object, set_metadata, unset_metadata};
use super::super::write::{self, Deletion};

/// Takes away what nobody wants any more.
pub(super) fn run(inside: &mut Inside, now: Timestamp) {
    empty_namespaces(inside, now);
    orphans(inside);
    dependents(inside, now);
}

fn empty_namespaces(inside: &mut Inside, now: Timestamp) {
    let going: Vec<String> = inside
        .every("namespaces")
        .filter(|namespace| namespace.is_going())
        .map(|namespace| namespace.name().to_owned())
        .collect();
    for namespace in going {
        let mut left = 0;
        for kind in inside.kinds() {
            let Some(of) = kinds::stored(inside, &kind).filter(|k| k.namespaced) else {
                continue;
            };
            let all: Vec<Value> = inside.within(&kind, &namespace).cloned().collect();
            left += all.len();
            for object in all.iter().filter(|object| !object.is_going()) {
                write::delete(inside, &of, object, &Deletion::default(), now);
            }
            left -= all.len();
            left += inside.within(&kind, &namespace).count();
        }
        if left > 0 {
            continue;
        }
        inside.change("namespaces", None, &namespace, |namespace| {
            namespace["spec"]["finalizers"] = json!([]);
        });
        let there = inside.get("namespaces", None, &namespace);
        if there.is_some_and(|n| n.finalizers().is_empty()) {
            inside.delete("namespaces", None, &namespace);
        }
    }
}

/// Lets go of the dependents of what is deleted without them.
fn orphans(inside: &mut Inside) {
    for (kind, owner) in going_with(inside, "orphan") {
        for (of, dependent) in owned_by(inside, owner.uid()) {
            let uid = owner.uid().to_owned();
            inside.change(&of, dependent.namespace(), dependent.name(), |object| {
                let owners: Vec<Value> = object
                    .list("/metadata/ownerReferences")
                    .iter()
                    .filter(|owner| owner["uid"] != uid.as_str())
                    .cloned()
                    .collect();
                if owners.is_empty() {
                    unset_metadata(object, "ownerReferences");
                } else {
                    set_metadata(object, "ownerReferences", owners);
                }
            });
        }
        let_go(inside, &kind, &owner, "orphan");
    }
}

fn going_with(inside: &Inside, finalizer: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for kind in inside.kinds() {
        let going = inside
            .every(&kind)
            .filter(|object| object.is_going() && object.finalizers().contains(&finalizer));
        all.extend(going.map(|object| (kind.clone(), object.clone())));
    }
    all
}

fn owned_by(inside: &Inside, uid: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for kind in inside.kinds() {
        let owned = inside.every(&kind).filter(|object| object.is_owned_by(uid));
        all.extend(owned.map(|object| (kind.clone(), object.clone())));
    }
    all
}

/// Takes a finalizer off an object, and the object away if it was the last.
pub(super) fn let_go(inside: &mut Inside, kind: &str, object: &Value, finalizer: &str) {
    let (namespace, name) = (object.namespace(), object.name());
    let left = inside.change(kind, namespace, name, |object| {
        let left: Vec<&str> = object.finalizers();
        let left: Vec<Value> = left
            .into_iter()
            .filter(|f| *f != finalizer)
            .map(Value::from)
            .collect();
        if left.is_empty() {
            unset_metadata(object, "finalizers");
        } else {
            set_metadata(object, "finalizers", left);
        }
    });
    let waits = left.is_none_or(|object| {
        !object.is_going()
            || !object.finalizers().is_empty()
            || object
                .number("/metadata/deletionGracePeriodSeconds")
                .unwrap_or(0)
                > 0
    });
    if !waits {
        inside.delete(kind, namespace, name);
    }
}

/// Whether there is anything for [`dependents`] to do, which there mostly isn't.
fn has_dependents_to_delete(inside: &Inside, kinds: &[String]) -> bool {
    let all = || kinds.iter().flat_map(|kind| inside.every(kind));
    let there: HashSet<&str> = all().map(Object::uid).collect();
    all().any(|object| match object.is_going() {
        true => object.finalizers().contains(&"foregroundDeletion"),
        false => {
            let owners = object.list("/metadata/ownerReferences");
            !owners.is_empty()
                && owners
                    .iter()
                    .all(|owner| !there.contains(owner.text("/uid")))
        }
    })
}

/// Deletes what is owned by what is gone, or by what waits for it.
fn dependents(inside: &mut Inside, now: Timestamp) {
    let kinds: Vec<String> = inside.kinds();
    if !has_dependents_to_delete(inside, &kinds) {
        return;
    }
    let mut there = BTreeSet::new();
    for kind in &kinds {
        there.extend(inside.every(kind).map(|object| object.uid().to_owned()));
    }
    for (kind, owner) in going_with(inside, "foregroundDeletion") {
        let dependents = owned_by(inside, owner.uid());
        let blocks = dependents.iter().any(|(_, dependent)| {
            let owners = dependent.list("/metadata/ownerReferences").iter();
            owners
                .filter(|reference| reference["uid"] == owner.uid())
                .any(|reference| reference["blockOwnerDeletion"] == true)
        });
        if !blocks {
            let_go(inside, &kind, &owner, "foregroundDeletion");
        }
        // Once it is gone or blocked, what it owns goes.
        for (of, dependent) in dependents {
            if let Some(of) = kinds::stored(inside, &of)
                && !dependent.is_going()
            {
                let options = Deletion {
                    grace: None,
                    propagation: "Foreground".to_owned(),
                };
                write::delete(inside, &of, &dependent, &options, now);
            }
        }
    }
    for kind in kinds {
        if kind == DEFINITIONS {
            continue;
        }
        let lost: Vec<Value> = inside
            .every(&kind)
            .filter(|object| !object.is_going())
            .filter(|object| {
                let owners = object.list("/metadata/ownerReferences");
                !owners.is_empty()
                    && owners
                        .iter()
                        .all(|owner| !there.contains(owner.text("/uid")))
            })
            .cloned()
            .collect();
        for object in lost {
            if let Some(of) = kinds::stored(inside, &kind) {
                write::delete(inside, &of, &object, &Deletion::default(), now);
            }
        }
    }
}
