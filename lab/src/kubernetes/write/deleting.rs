//! Deleting objects: at once, or once all who have to agree have.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::inside::Inside;
use super::super::kinds::Kind;
use super::super::object::{self, Object, set_metadata};

/// Keeps a definition until its objects are gone. It is put there once it is deleted.
///
/// Source: `k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition`.
pub(crate) const CLEAN_UP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Deletes an object as a client asks, with what is said about how.
///
/// Returns the object as it is now if it is still there, else none.
pub(crate) fn delete(
    inside: &mut Inside,
    kind: &Kind,
    object: &Value,
    options: &Deletion,
    now: Timestamp,
) -> Option<Value> {
    let (qualified, namespace) = (kind.qualified(), object.namespace());
    let Some(left) = deleting(kind, object, options, now) else {
        inside.delete(&qualified, namespace, object.name());
        return None;
    };
    let changed = inside.change(&qualified, namespace, object.name(), |object| {
        *object = left
    });
    changed.map(Arc::unwrap_or_clone)
}

/// The object as it will be while it is being deleted; none if it is gone at once.
pub(crate) fn deleting(
    kind: &Kind,
    object: &Value,
    options: &Deletion,
    now: Timestamp,
) -> Option<Value> {
    let finalizers = object.finalizers().into_iter();
    let mut finalizers: Vec<String> = finalizers.map(str::to_owned).collect();
    let mut set_finalizer = |finalizer: &str| {
        finalizers.retain(|f| f != finalizer);
        finalizers.push(finalizer.to_owned());
    };
    match options.propagation.as_str() {
        "Foreground" => set_finalizer("foregroundDeletion"),
        "Orphan" => set_finalizer("orphan"),
        _ => {}
    }
    let is_definition = kind.kind == "CustomResourceDefinition";
    if is_definition && !object.is_going() {
        set_finalizer(CLEAN_UP);
    }
    let grace = grace(kind, object, options);
    let is_namespace = kind.kind == "Namespace";
    if finalizers.is_empty() && grace == 0 && !is_namespace {
        return None;
    }
    let mut left = object.clone();
    if !finalizers.is_empty() {
        set_metadata(&mut left, "finalizers", json!(finalizers));
    }
    let due = now
        .checked_add(jiff::SignedDuration::from_secs(grace))
        .unwrap_or(now);
    // A second deletion can only bring the end forward.
    if object.deletion().is_none_or(|before| due < before) {
        set_metadata(&mut left, "deletionTimestamp", object::time(due));
        if !is_namespace && !is_definition {
            set_metadata(&mut left, "deletionGracePeriodSeconds", grace);
        }
    }
    if is_namespace {
        left["status"]["phase"] = "Terminating".into();
    }
    if is_definition {
        let why =
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        let why = ("InstanceDeletionPending", why);
        object::set_condition(&mut left, "Terminating", true, why, now);
    }
    Some(left)
}

/// How an object is to be deleted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deletion {
    pub(crate) grace: Option<i64>,
    pub(crate) propagation: String,
}

/// Seconds that an object has to end. Only pods that run somewhere have any.
fn grace(kind: &Kind, object: &Value, options: &Deletion) -> i64 {
    if kind.kind != "Pod" || object.text("/spec/nodeName").is_empty() {
        return 0;
    }
    if matches!(object.text("/status/phase"), "Succeeded" | "Failed") {
        return 0;
    }
    let own = object
        .number("/spec/terminationGracePeriodSeconds")
        .unwrap_or(30);
    options.grace.unwrap_or(own).max(0)
}
