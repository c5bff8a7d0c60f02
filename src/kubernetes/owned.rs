//! Whether psk has applied an object just so, told from the object alone: from what it holds, and from
//! what its managed fields say is psk's. Then the API server need not be asked what another apply
//! would come to.
//!
//! It is only ever told that an object is as it should be, never how it differs: that takes the API
//! server's schema and defaults. Source: "Server-Side Apply" in the Kubernetes documentation, "Field
//! management", and the format of `FieldsV1` in the API reference.

use serde_json::{Map, Value};

use super::MANAGER;

/// What names an object and what the API server keeps in it, which nobody owns.
const UNOWNED: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "selfLink",
    "clusterName",
    "managedFields",
];

/// Whether applying `wanted` once more would leave `live` as it is: psk owns what the manifest sets,
/// no more and no less, and all of it still has the manifest's values. False where it can't be told.
pub(super) fn is_applied(live: &Value, wanted: &Value) -> bool {
    let (Some(live), Some(wanted)) = (live.as_object(), wanted.as_object()) else {
        return false;
    };
    // What is on its way out takes other rules.
    let is_going = |metadata: &Value| metadata.get("deletionTimestamp").is_some();
    if live.get("metadata").is_none_or(is_going) {
        return false;
    }
    owned(live, wanted).is_some_and(|fields| {
        let set = wanted.iter().filter(|(name, _)| !is_type(name));
        members(fields, set, live, true)
    })
}

fn is_type(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind")
}

/// The fields that psk's last apply in the manifest's version owns.
fn owned<'a>(
    live: &'a Map<String, Value>,
    wanted: &Map<String, Value>,
) -> Option<&'a Map<String, Value>> {
    let entries = live.get("metadata")?.get("managedFields")?.as_array()?;
    let text = |entry: &'a Value, member: &str| entry.get(member).and_then(Value::as_str);
    let of_psk = |entry: &&'a Value| {
        text(entry, "manager") == Some(MANAGER)
            && text(entry, "operation") == Some("Apply")
            && text(entry, "subresource").unwrap_or_default().is_empty()
    };
    let entry = entries.iter().find(of_psk)?;
    let version = wanted.get("apiVersion").and_then(Value::as_str);
    if text(entry, "apiVersion") != version {
        return None;
    }
    entry.get("fieldsV1")?.as_object()
}

/// What is owned below a path; `.`, which stands for the thing itself, left out.
fn below(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    fields.iter().filter(|(step, _)| *step != ".")
}

fn value(fields: &Value, wanted: &Value, live: &Value, is_metadata: bool) -> bool {
    let Some(fields) = fields.as_object() else {
        return false;
    };
    if below(fields).next().is_none() {
        return wanted == live;
    }
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            let unowned = |name: &str| is_metadata && UNOWNED.contains(&name);
            let set = wanted.iter().filter(|(name, _)| !unowned(name));
            members(fields, set, live, false)
        }
        (Value::Array(wanted), Value::Array(live)) => items(fields, wanted, live),
        _ => false,
    }
}

/// Whether these members are all that is owned, and have their values. Only the `metadata` at the top is
/// the object's own; another (a pod template's) is like everything else.
fn members<'a>(
    fields: &Map<String, Value>,
    wanted: impl Iterator<Item = (&'a String, &'a Value)>,
    live: &Map<String, Value>,
    at_top: bool,
) -> bool {
    let mut seen = 0;
    for (name, wanted) in wanted {
        let (Some(fields), Some(live)) = (fields.get(&format!("f:{name}")), live.get(name)) else {
            return false;
        };
        if !value(fields, wanted, live, at_top && name == "metadata") {
            return false;
        }
        seen += 1;
    }
    below(fields).count() == seen
}

/// The same of a list whose items are told apart by a key (`k:`) or by their value (`v:`). They must
/// also be in the manifest's order.
fn items(fields: &Map<String, Value>, wanted: &[Value], live: &[Value]) -> bool {
    let mut from = 0;
    for wanted in wanted {
        let mut steps = below(fields).filter_map(|(step, fields)| {
            let (kind, text) = step.split_once(':')?;
            let key: Value = serde_json::from_str(text).ok()?;
            let is_meant = match kind {
                "v" => key == *wanted,
                // The API server fills in what a key needs and the manifest leaves out.
                "k" => key.as_object().is_some_and(|key| {
                    let mut key = key.iter();
                    key.all(|(name, is)| wanted.get(name).is_none_or(|wanted| wanted == is))
                }),
                _ => false,
            };
            is_meant.then_some((key, fields, kind == "k"))
        });
        let (Some((key, fields, is_keyed)), None) = (steps.next(), steps.next()) else {
            return false;
        };
        let is_it = |item: &Value| match (is_keyed, key.as_object()) {
            (true, Some(key)) => key.iter().all(|(name, is)| item.get(name) == Some(is)),
            _ => *item == key,
        };
        let Some(at) = live.iter().skip(from).position(is_it) else {
            return false;
        };
        let Some(item) = live.get(from + at) else {
            return false;
        };
        if is_keyed && !value(fields, wanted, item, false) {
            return false;
        }
        from += at + 1;
    }
    below(fields).count() == wanted.len()
}

#[cfg(test)]
mod tests;
