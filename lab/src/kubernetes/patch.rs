//! Patches other than those of server-side apply.
//!
//! Source: "Update API Objects in Place Using kubectl patch" and the notes on strategic merge patch
//! in Kubernetes' contributors' guide.

use serde_json::{Map, Value};

use super::schema::{Merge, Place};
use super::status::ApiError;

const DIRECTIVE: &str = "$patch";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const RETAIN: &str = "$retainKeys";

/// Applies an RFC 6902 patch.
///
/// # Errors
/// `BadRequest` if it isn't one; `Invalid` if one of its steps can't be taken.
pub(crate) fn json(object: &mut Value, patch: Value) -> Result<(), ApiError> {
    let steps: json_patch::Patch =
        serde_json::from_value(patch).map_err(|e| ApiError::bad_request(e.to_string()))?;
    json_patch::patch(object, &steps).map_err(|e| ApiError::unprocessable(&e))
}

/// Applies an RFC 7396 patch.
pub(crate) fn merge(object: &mut Value, patch: &Value) {
    json_patch::merge(object, patch);
}

/// Applies a strategic merge patch: maps member by member, lists by their merge key where they have
/// one.
pub(crate) fn strategic(object: &mut Value, patch: &Value, place: &Place<'_>) {
    let Some(changes) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if changes.get(DIRECTIVE).and_then(Value::as_str) == Some("replace") {
        let rest = changes.iter().filter(|(name, _)| *name != DIRECTIVE);
        *object = Value::Object(rest.map(|(k, v)| (k.clone(), v.clone())).collect());
        return;
    }
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Some(map) = object.as_object_mut() else {
        return;
    };
    if changes.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
        map.clear();
        return;
    }
    if let Some(kept) = changes.get(RETAIN).and_then(Value::as_array) {
        map.retain(|name, _| kept.iter().any(|k| k == name.as_str()));
    }
    for (name, change) in changes {
        if let Some(list) = name.strip_prefix(DELETE_FROM) {
            let gone = change.as_array().cloned().unwrap_or_default();
            if let Some(list) = map.get_mut(list).and_then(Value::as_array_mut) {
                list.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with('$') {
            // The order of keyed lists, which is no part of what they mean, and directives that were
            // followed above.
        } else if change.is_null() {
            map.shift_remove(name);
        } else {
            member(map, name, change, &place.member(name));
        }
    }
}

fn member(map: &mut Map<String, Value>, name: &str, change: &Value, place: &Place<'_>) {
    match (change, place.merge(change)) {
        // In a strategic merge, maps are merged even where applying takes them as one.
        (Value::Object(_), _) => {
            let value = map
                .entry(name.to_owned())
                .or_insert_with(|| Value::Object(Map::new()));
            strategic(value, change, place);
        }
        (Value::Array(items), Merge::Keyed(keys)) => {
            // Strategic merges know one key only, the first.
            let keys = keys.first().cloned().unwrap_or_default();
            let value = map
                .entry(name.to_owned())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = value.as_array_mut() {
                keyed(list, items, &keys, place);
            }
        }
        (Value::Array(items), Merge::Set) => {
            let value = map
                .entry(name.to_owned())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = value.as_array_mut() {
                for item in items {
                    if !list.contains(item) {
                        list.push(item.clone());
                    }
                }
            }
        }
        _ => {
            map.insert(name.to_owned(), change.clone());
        }
    }
}

fn keyed(list: &mut Vec<Value>, items: &[Value], key: &str, place: &Place<'_>) {
    if items
        .iter()
        .any(|item| item[DIRECTIVE] == "replace" && item.get(key).is_none())
    {
        list.clear();
    }
    for item in items {
        let at = list
            .iter()
            .position(|there| there.get(key) == item.get(key));
        match (item[DIRECTIVE].as_str(), at) {
            (Some("delete"), Some(at)) => {
                list.remove(at);
            }
            (Some("delete"), None) => {}
            (_, Some(at)) => strategic(&mut list[at], item, &place.item()),
            (_, None) if item.get(key).is_none() => {}
            (_, None) => {
                let mut new = Value::Object(Map::new());
                strategic(&mut new, item, &place.item());
                list.push(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::inside::Inside;
    use super::super::kinds;
    use super::*;

    fn patched(object: Value, patch: Value) -> Value {
        let kind = kinds::find(&Inside::new("c"), "apps", "v1", "deployments").unwrap();
        let mut object = object;
        strategic(&mut object, &patch, &Place::top(&kind));
        object
    }

    fn containers(list: Value) -> Value {
        json!({ "spec": { "template": { "spec": { "containers": list } } } })
    }

    #[test]
    fn containers_are_merged_by_name() {
        let before = containers(
            json!([{ "name": "a", "image": "1", "args": ["x"] }, { "name": "b", "image": "1" }]),
        );
        let patch = containers(
            json!([{ "name": "a", "image": "2" }, { "name": "c", "image": "3" }, { "name": "b", "$patch": "delete" }]),
        );
        assert_eq!(
            patched(before, patch),
            containers(
                json!([{ "name": "a", "image": "2", "args": ["x"] }, { "name": "c", "image": "3" }])
            )
        );
    }

    #[test]
    fn directives_replace_retain_and_delete() {
        let before = json!({ "spec": { "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1 } } },
            "metadata": { "finalizers": ["a/b", "c/d"] } });
        let patch = json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } },
            "metadata": { "$deleteFromPrimitiveList/finalizers": ["a/b"] } });
        assert_eq!(
            patched(before, patch),
            json!({ "spec": { "strategy": { "type": "Recreate" } }, "metadata": { "finalizers": ["c/d"] } })
        );
        let patch = json!({ "spec": { "$patch": "replace", "paused": true } });
        assert_eq!(
            patched(json!({ "spec": { "replicas": 1 } }), patch),
            json!({ "spec": { "paused": true } })
        );
    }

    #[test]
    fn null_takes_away_and_other_lists_are_replaced() {
        let before = json!({ "spec": { "a": 1, "template": { "spec": { "tolerations": [{ "key": "a" }] } } } });
        let patch = json!({ "spec": { "a": null, "template": { "spec": { "tolerations": [{ "key": "b" }] } } } });
        assert_eq!(
            patched(before, patch),
            json!({ "spec": { "template": { "spec": { "tolerations": [{ "key": "b" }] } } } })
        );
    }
}
