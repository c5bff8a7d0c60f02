//! What was found of a resource, in a form that tells later whether it has moved and tells nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Bytes that are kept of each digest: enough that two values don't share one by chance.
const KEPT: usize = 16;

/// What was found of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The resource's kind.
    pub kind: String,
    /// The resource's name.
    pub name: String,
    /// A digest of each attribute that psk compares, by the attribute; null where the resource
    /// didn't exist.
    pub attributes: Option<BTreeMap<String, String>>,
}

impl Fingerprint {
    /// The fingerprint of a resource whose attributes were found so; `None` where it doesn't exist.
    pub(super) fn of(kind: &str, name: String, found: Option<&BTreeMap<String, Value>>) -> Self {
        let digests = |found: &BTreeMap<String, Value>| {
            let found = found.iter();
            found
                .map(|(path, value)| (path.clone(), digest(value)))
                .collect()
        };
        Self {
            kind: kind.to_owned(),
            name,
            attributes: found.map(digests),
        }
    }

    /// The attributes whose values aren't the same in both; empty where both are alike.
    pub fn moved(&self, now: &Self) -> BTreeSet<String> {
        let none = BTreeMap::new();
        let before = self.attributes.as_ref().unwrap_or(&none);
        let after = now.attributes.as_ref().unwrap_or(&none);
        let paths = before.keys().chain(after.keys());
        paths
            .filter(|path| before.get(*path) != after.get(*path))
            .cloned()
            .collect()
    }
}

/// What is wanted of one resource, as a digest; none where it isn't wholly known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    /// The resource's kind.
    pub kind: String,
    /// The resource's name.
    pub name: String,
    /// A digest of all attributes that psk compares, as they are wanted.
    pub digest: Option<String>,
}

impl Intended {
    pub(super) fn of(kind: &str, name: String, wanted: Option<BTreeMap<String, Value>>) -> Self {
        let wanted = wanted.map(|wanted| Value::Object(wanted.into_iter().collect()));
        Self {
            kind: kind.to_owned(),
            name,
            digest: wanted.map(|wanted| digest(&wanted)),
        }
    }
}

fn digest(value: &Value) -> String {
    // Only keys that aren't text can't be written, and JSON has none.
    let text = serde_json::to_vec(&InOrder(value)).unwrap_or_default();
    data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..KEPT])
}

/// A value that is written with every object's keys in order, so that equal values have one text.
struct InOrder<'a>(&'a Value);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let fields: BTreeMap<_, _> = fields.iter().collect();
                to.collect_map(fields.into_iter().map(|(k, v)| (k, InOrder(v))))
            }
            Value::Array(items) => to.collect_seq(items.iter().map(InOrder)),
            scalar => scalar.serialize(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn print(found: Option<Value>) -> Fingerprint {
        let found = found.map(|found| serde_json::from_value(found).unwrap());
        Fingerprint::of("sqs_queue", "q".into(), found.as_ref())
    }

    #[test]
    fn what_moved_is_told_by_attribute() {
        let before = print(Some(json!({"a": {"x": 1, "y": 2}, "b": 1, "c": null})));
        let same = print(Some(json!({"a": {"y": 2, "x": 1}, "b": 1, "c": null})));
        assert_eq!(before.moved(&same), BTreeSet::new());
        let after = print(Some(json!({"a": {"x": 1, "y": 3}, "b": 1, "d": 4})));
        let moved: Vec<_> = before.moved(&after).into_iter().collect();
        assert_eq!(moved, ["a", "c", "d"]);
    }

    #[test]
    fn what_came_or_went_has_moved_in_every_attribute() {
        let (there, gone) = (print(Some(json!({"a": 1, "b": 2}))), print(None));
        assert_eq!(there.moved(&gone).len(), 2);
        assert_eq!(gone.moved(&there).len(), 2);
        assert_eq!(gone.moved(&gone).len(), 0);
    }

    #[test]
    fn a_value_can_not_be_read_off() {
        let text = serde_json::to_string(&print(Some(json!({"a": "value"})))).unwrap();
        assert!(!text.contains("value"), "{text}");
    }
}
