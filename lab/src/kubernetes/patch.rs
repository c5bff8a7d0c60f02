//! Patches other than those of server-side apply.
//!
//! Source: "Update API Objects in Place Using kubectl patch" and the notes on strategic merge patch
//! in Kubernetes' contributors' guide.

use http::StatusCode;
use serde_json::{Map, Value};

use super::object;
use super::place::{Merge, Place};
use super::schema::members;
use super::status::ApiError;

const DIRECTIVE: &str = "$patch";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
/// Before a list's name: its items' order.
const ORDER: &str = "$setElementOrder/";
const RETAIN: &str = "$retainKeys";

/// Applies an RFC 6902 patch.
///
/// # Errors
/// `BadRequest` if it isn't one; `Invalid` if one of its steps can't be taken.
pub(crate) fn json(object: &mut Value, patch: Value) -> Result<(), ApiError> {
    let steps: json_patch::Patch =
        serde_json::from_value(patch).map_err(|e| ApiError::bad_request(e.to_string()))?;
    json_patch::patch(object, &steps).map_err(|_| ApiError::unprocessable())
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
            // The order of lists, which is looked up with them, and directives that were followed above.
        } else if change.is_null() {
            map.shift_remove(name);
        } else {
            let order = changes
                .get(&format!("{ORDER}{name}"))
                .and_then(Value::as_array);
            member(
                map,
                name,
                change,
                order.map(Vec::as_slice),
                &place.member(name),
            );
        }
    }
}

fn member(
    map: &mut Map<String, Value>,
    name: &str,
    change: &Value,
    order: Option<&[Value]>,
    place: &Place<'_>,
) {
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
                let before = list.clone();
                keyed(list, items, &keys, place);
                let key = |item: &Value| item.get(&keys).cloned();
                arrange(list, &before, order.unwrap_or(items), key);
            }
        }
        (Value::Array(items), Merge::Set) => {
            let value = map
                .entry(name.to_owned())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = value.as_array_mut() {
                let before = list.clone();
                for item in items {
                    if !list.contains(item) {
                        list.push(item.clone());
                    }
                }
                arrange(list, &before, order.unwrap_or(items), |item| {
                    Some(item.clone())
                });
            }
        }
        _ => {
            map.insert(name.to_owned(), change.clone());
        }
    }
}

/// Puts a merged list into order: what the patch names as the patch has it, and what else was there before in
/// between, before the first that it stood before.
///
/// Source: `mergeSortedSlice` in `k8s.io/apimachinery/pkg/util/strategicpatch`.
fn arrange(
    list: &mut Vec<Value>,
    before: &[Value],
    order: &[Value],
    key: impl Fn(&Value) -> Option<Value>,
) {
    let place = |among: &[Value], item: &Value| {
        let wanted = key(item);
        among.iter().position(|other| key(other) == wanted)
    };
    let (mut named, others): (Vec<Value>, Vec<Value>) = std::mem::take(list)
        .into_iter()
        .partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    let mut named = named.into_iter().peekable();
    for other in others {
        let at = place(before, &other);
        let is_first = |next: &Value| place(before, next).is_none_or(|next| Some(next) < at);
        while let Some(next) = named.next_if(is_first) {
            list.push(next);
        }
        list.push(other);
    }
    list.extend(named);
}

/// Holds each list of a strategic merge patch to the order that the patch itself names for it.
///
/// Source: `validatePatchWithSetOrderList` in `k8s.io/apimachinery/pkg/util/strategicpatch`.
///
/// # Errors
/// As an API server tells it: with a status that says that it is its own fault.
pub(crate) fn must_be_in_order(patch: &Value, place: &Place<'_>) -> Result<(), ApiError> {
    for (name, change) in members(patch) {
        let place = place.member(name);
        must_be_in_order(change, &place)?;
        let Some(items) = change.as_array() else {
            continue;
        };
        for item in items {
            must_be_in_order(item, &place.item())?;
        }
        let order = patch.get(format!("{ORDER}{name}"));
        let Some(order) = order
            .and_then(Value::as_array)
            .filter(|order| !order.is_empty())
        else {
            continue;
        };
        let key = |item: &Value| match place.merge(change) {
            Merge::Keyed(keys) => keys.first().and_then(|key| item.get(key).cloned()),
            _ => Some(item.clone()),
        };
        let named: Vec<Value> = items
            .iter()
            .filter(|item| item.get(DIRECTIVE).is_none())
            .cloned()
            .collect();
        let mut rest = order.iter();
        if !named
            .iter()
            .all(|item| rest.any(|other| key(other) == key(item)))
        {
            let (named, order) = (
                in_go(&Value::Array(named)),
                in_go(&Value::Array(order.clone())),
            );
            let why = format!(
                "The order in patch list:\n{named}\n doesn't match $setElementOrder list:\n{order}\n"
            );
            return Err(ApiError::any(StatusCode::INTERNAL_SERVER_ERROR, "", &why));
        }
    }
    Ok(())
}

/// A value as Go prints it.
fn in_go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let items: Vec<_> = list.iter().map(in_go).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let all: Vec<_> = object::in_order(map)
                .into_iter()
                .map(|(name, value)| format!("{name}:{}", in_go(value)))
                .collect();
            format!("map[{}]", all.join(" "))
        }
        other => other.to_string(),
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
    fn a_list_is_in_the_order_that_the_patch_has_or_names() {
        let container = |name: &str| json!({ "name": name, "image": "1" });
        let before = || containers(json!([container("a"), container("b"), container("c")]));
        let names = |object: Value| -> Vec<String> {
            let all = object["spec"]["template"]["spec"]["containers"].clone();
            let all = all.as_array().unwrap().iter();
            all.map(|one| one["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let patch = containers(json!([container("new"), container("c")]));
        assert_eq!(names(patched(before(), patch)), ["new", "a", "b", "c"]);
        let mut patch = containers(json!([container("new")]));
        patch["spec"]["template"]["spec"]["$setElementOrder/containers"] =
            json!([{ "name": "c" }, { "name": "new" }, { "name": "a" }]);
        assert_eq!(names(patched(before(), patch)), ["b", "c", "new", "a"]);
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
