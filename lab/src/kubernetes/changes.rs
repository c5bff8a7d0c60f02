//! How the fields of an object differ from what they were, as an API server sees it who keeps track of owners.
//!
//! Source: `Compare` in `sigs.k8s.io/structured-merge-diff`. Other than in the set of what is applied, maps and
//! items that are new are fields themselves, besides what is in them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::{self, Fields, Path, item_step};
use super::kinds::Kind;
use super::place::{Merge, Place};

/// What differs between two objects.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// What is new or has another value.
    pub(crate) set: Fields,
    pub(crate) removed: Fields,
}

/// How an object differs from what it was. What it was is null if it is new.
pub(crate) fn between(kind: &Kind, before: &Value, after: &Value) -> Changes {
    let mut walk = Walk::default();
    walk.go([before, after].map(Side::there), &Place::top(kind));
    walk.changes
}

/// One of two values that are compared.
#[derive(Debug, Clone, Copy)]
struct Side<'a> {
    value: Option<&'a Value>,
    is_there: bool,
}

impl<'a> Side<'a> {
    fn there(value: &'a Value) -> Self {
        Self {
            value: Some(value).filter(|value| !value.is_null()),
            is_there: true,
        }
    }

    /// Some maps and lists are there even where an object says nothing of them.
    fn at(value: Option<&'a Value>, place: &Place<'_>) -> Self {
        let value = value.filter(|value| !value.is_null());
        let is_there = value.is_some() || place.is_always_there();
        Self { value, is_there }
    }

    fn map(self) -> Option<&'a Map<String, Value>> {
        self.value.and_then(Value::as_object)
    }

    fn items(self) -> &'a [Value] {
        let list = self.value.and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }

    fn is_empty(self) -> bool {
        let is_scalar = self.value.is_some() && self.map().is_none() && !self.is_list();
        !is_scalar && self.map().is_none_or(Map::is_empty) && self.items().is_empty()
    }

    fn is_list(self) -> bool {
        self.value.is_some_and(Value::is_array)
    }

    /// Whether both can be compared by what is in them.
    fn is_like(self, other: Self) -> bool {
        self.map().is_some() == other.map().is_some() && self.is_list() == other.is_list()
    }
}

#[derive(Debug, Default)]
struct Walk {
    path: Path,
    changes: Changes,
}

impl Walk {
    fn go(&mut self, sides: [Side<'_>; 2], place: &Place<'_>) {
        let [before, after] = sides;
        let Some(value) = after.value.or(before.value) else {
            return;
        };
        let are_empty = before.is_empty() && after.is_empty();
        let is_one = before.value.is_some() && after.value.is_some() && !before.is_like(after);
        let merge = match are_empty || is_one {
            true => Merge::Atomic,
            false => place.merge(value),
        };
        match &merge {
            Merge::Atomic if before.value != after.value && !are_empty => {
                self.changes.set.insert(self.path.clone());
            }
            Merge::Atomic => {}
            Merge::Granular => self.members(sides, place),
            Merge::Keyed(keys) => {
                self.items(sides, |item| item_step(item, keys), &place.item());
            }
            Merge::Set => self.items(sides, |item| format!("v:{item}"), &place.item()),
        }
        self.note(before.is_there, after.is_there);
    }

    /// What is there in one of them only is a field itself. The metadata are nobody's as a whole.
    fn note(&mut self, was_there: bool, is_there: bool) {
        let is_owned = !self.path.is_empty() && self.path != ["f:metadata"];
        if is_owned && !is_there {
            self.changes.set.remove(&self.path);
            self.changes.removed.insert(self.path.clone());
        } else if is_owned && !was_there {
            self.changes.set.insert(self.path.clone());
        }
    }

    fn members<'a>(&mut self, sides: [Side<'a>; 2], place: &Place<'_>) {
        let names: BTreeSet<&'a String> = sides
            .into_iter()
            .filter_map(Side::map)
            .flat_map(Map::keys)
            .filter(|name| !fields::is_unowned(&self.path, name))
            .collect();
        for name in names {
            let place = place.member(name);
            let of = |side: Side<'a>| side.map().and_then(|map| map.get(name));
            let sides = [
                Side::at(of(sides[0]), &place),
                Side::at(of(sides[1]), &place),
            ];
            self.step(format!("f:{name}"), sides, &place);
        }
    }

    fn items(&mut self, sides: [Side<'_>; 2], step: impl Fn(&Value) -> String, place: &Place<'_>) {
        let steps = sides.map(|side| side.items().iter().map(&step).collect::<Vec<_>>());
        let all: BTreeSet<&String> = steps.iter().flatten().collect();
        for wanted in all {
            let item = |index: usize| {
                let at = steps[index].iter().position(|step| step == wanted);
                let value = at.and_then(|at| sides[index].items().get(at));
                let is_there = value.is_some();
                Side { value, is_there }
            };
            self.step(wanted.clone(), [item(0), item(1)], place);
        }
    }

    fn step(&mut self, step: String, sides: [Side<'_>; 2], place: &Place<'_>) {
        self.path.push(step);
        self.go(sides, place);
        self.path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::inside::Inside;
    use super::super::kinds;
    use super::*;

    fn changed(before: &Value, after: &Value) -> [Value; 2] {
        let kind = kinds::find(&Inside::new("c"), "apps", "v1", "deployments").unwrap();
        let changes = between(&kind, before, after);
        [changes.set, changes.removed].map(|fields| fields::write(&fields))
    }

    fn deployment(spec: Value) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": spec })
    }

    #[test]
    fn maps_and_items_that_are_new_are_fields_themselves() {
        let template = json!({
            "metadata": { "labels": { "a": "b" } },
            "spec": { "containers": [{ "name": "c", "image": "i", "resources": {} }], "securityContext": {} },
        });
        let spec = json!({
            "selector": { "matchLabels": { "a": "b" } },
            "strategy": { "rollingUpdate": { "maxSurge": 1 } },
            "template": template,
        });
        let container = json!({ ".": {}, "f:name": {}, "f:image": {}, "f:resources": {} });
        let set = json!({ "f:spec": {
            "f:selector": {},
            "f:strategy": { "f:rollingUpdate": { ".": {}, "f:maxSurge": {} } },
            "f:template": {
                "f:metadata": { "f:labels": { ".": {}, "f:a": {} } },
                "f:spec": { "f:containers": { "k:{\"name\":\"c\"}": container }, "f:securityContext": {} },
            },
        } });
        let made = deployment(spec);
        assert_eq!(changed(&Value::Null, &made), [set, json!({})]);
        assert_eq!(changed(&made, &made), [json!({}), json!({})]);
    }

    #[test]
    fn what_is_changed_is_told_from_what_is_gone() {
        let before = deployment(
            json!({ "replicas": 1, "strategy": { "rollingUpdate": { "maxSurge": 1 } } }),
        );
        let after = deployment(json!({ "replicas": 2, "paused": true }));
        let [set, removed] = changed(&before, &after);
        assert_eq!(
            set,
            json!({ "f:spec": { "f:replicas": {}, "f:paused": {} } })
        );
        assert_eq!(
            removed,
            json!({ "f:spec": { "f:strategy": { "f:rollingUpdate": { ".": {}, "f:maxSurge": {} } } } })
        );
    }
}
