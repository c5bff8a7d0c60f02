//! Deleting objects: at once, or once all who have to agree have.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::inside::Inside;
use super::super::kinds::Kind;
use super::super::object::{self, Object, set_metadata};

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
    let qualified = kind.qualified();
    let namespace = object.namespace().map(str::to_owned);
    let namespace = namespace.as_deref();
    let name = object.name();
    let mut finalizers: Vec<String> = object
        .finalizers()
        .iter()
        .map(|f| (*f).to_owned())
        .collect();
    let mut set_finalizer = |finalizer: &str, wanted: bool| {
        finalizers.retain(|f| f != finalizer);
        if wanted {
            finalizers.push(finalizer.to_owned());
        }
    };
    match options.propagation.as_str() {
        "Foreground" => set_finalizer("foregroundDeletion", true),
        "Orphan" => set_finalizer("orphan", true),
        _ => {}
    }
    let grace = grace(kind, object, options);
    let waits = !finalizers.is_empty() || grace > 0 || kind.kind == "Namespace";
    if !waits {
        inside.delete(&qualified, namespace, name);
        return None;
    }
    let changed = inside.change(&qualified, namespace, name, |object| {
        if !finalizers.is_empty() {
            set_metadata(object, "finalizers", json!(finalizers));
        }
        let due = now
            .checked_add(jiff::SignedDuration::from_secs(grace))
            .unwrap_or(now);
        // A second deletion can only bring the end forward.
        if object.deletion().is_none_or(|before| due < before) {
            set_metadata(object, "deletionTimestamp", object::time(due));
            set_metadata(object, "deletionGracePeriodSeconds", grace);
        }
        if kind.kind == "Namespace" {
            object["status"]["phase"] = "Terminating".into();
        }
    });
    changed.map(Arc::unwrap_or_clone)
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
