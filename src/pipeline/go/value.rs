//! A value without a type of its own: Go's `interface{}`.

use std::collections::BTreeMap;

use serde::ser::{Serialize, Serializer};
use serde_json::Value as Json;

/// Keys and values, in the order in which Go prints them.
pub(crate) type Map = BTreeMap<String, Value>;

/// What Go decodes JSON or YAML into where it is told no type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `nil`, and what a map answers for a key that it doesn't have.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer. JSON never gives one: all its numbers are floats.
    Int(i64),
    /// An integer past `i64`.
    Uint(u64),
    /// A float.
    Float(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Map),
}

impl Value {
    /// Whether a template's `if` takes it for true: anything but the zero of its kind.
    pub(crate) fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(n) => *n != 0,
            Self::Uint(n) => *n != 0,
            Self::Float(n) => *n != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.is_empty(),
        }
    }

    /// The name of its Go type, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// As `encoding/json` decodes it.
impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(b) => Self::Bool(b),
            Json::Number(n) => Self::Float(n.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::Text(text),
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(entries) => Self::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, Self::from(value)))
                    .collect(),
            ),
        }
    }
}

/// A whole float is written as Go writes it: without a fraction.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::Uint(n) => serializer.serialize_u64(*n),
            Self::Float(n) => match whole(*n) {
                Some(whole) => serializer.serialize_i64(whole),
                None => serializer.serialize_f64(*n),
            },
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

/// The integer that a float is, if it is one that every reader can hold exactly.
fn whole(n: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is checked, the fraction too"
    )]
    (n.fract() == 0.0 && n.abs() <= EXACT).then_some(n as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_json_are_written_as_they_were() {
        let json: Json = serde_json::from_str(r#"{"b":[1,2.5,-3,1e30],"a":{"x":null}}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&Value::from(json)).unwrap(),
            r#"{"a":{"x":null},"b":[1,2.5,-3,1e+30]}"#
        );
    }
}
