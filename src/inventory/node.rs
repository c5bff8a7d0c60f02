//! A file's content as a tree of values, each knowing where it was written.

use std::fmt;

use serde_json::{Number, Value as Json};

use super::source::Location;
use super::template::Taint;

/// A value and where it was written.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) at: Location,
    pub(crate) value: Value,
}

/// What may be written in an inventory file.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
}

/// A string, number or boolean. Its text is kept as written, so that `1.30` stays `1.30`.
#[derive(Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) kind: Kind,
    /// What the text has to do with vaults.
    pub(crate) taint: Taint,
}

/// What a scalar is by the rules of YAML 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Number,
    String,
}

/// Keys and their values, in the order in which they were written.
#[derive(Clone, Default)]
pub(crate) struct Map(Vec<Entry>);

/// One key of a map.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Location,
    pub(crate) node: Node,
}

impl Node {
    /// What the value is, for a message: "a list".
    pub(crate) fn what(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Boolean => "a boolean",
                Kind::Number => "a number",
                Kind::String => "a string",
            },
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Calls `visit` with every scalar of the tree and where it is.
    pub(crate) fn scalars<'a>(&'a self, visit: &mut impl FnMut(&'a Location, &'a Scalar)) {
        match &self.value {
            Value::Null => {}
            Value::Scalar(scalar) => visit(&self.at, scalar),
            Value::List(items) => items.iter().for_each(|item| item.scalars(visit)),
            Value::Map(map) => map.iter().for_each(|entry| entry.node.scalars(visit)),
        }
    }

    /// How many nodes the tree has.
    pub(crate) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(map) => map.iter().map(|entry| entry.node.size()).sum(),
        }
    }

    /// The value as JSON, numbers and booleans as such.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Scalar(scalar) => scalar.to_json(),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(map) => Json::Object(
                map.iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_json()))
                    .collect(),
            ),
        }
    }
}

impl Scalar {
    /// A scalar whose text is what was written.
    pub(crate) fn written(text: impl Into<String>, kind: Kind) -> Self {
        Self {
            text: text.into(),
            kind,
            taint: Taint::default(),
        }
    }

    fn to_json(&self) -> Json {
        let typed = match self.kind {
            Kind::Boolean => self.text.to_ascii_lowercase().parse().ok().map(Json::Bool),
            Kind::Number => self.text.parse::<Number>().ok().map(Json::Number),
            Kind::String => None,
        };
        typed.unwrap_or_else(|| Json::String(self.text.clone()))
    }

    /// The value for a message: quoted, or only named where it came out of a vault.
    pub(crate) fn quoted(&self) -> String {
        if self.taint.references.is_empty() {
            return format!("{:?}", self.text);
        }
        let names: Vec<String> = self
            .taint
            .references
            .iter()
            .map(ToString::to_string)
            .collect();
        format!("the value of {}", names.join(" and "))
    }
}

impl Map {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.0.iter_mut().find(|entry| entry.key == key)
    }

    /// Adds an entry whose key isn't in the map.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }
}

impl FromIterator<Entry> for Map {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl IntoIterator for Map {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Only where the node is: what it holds may be secret.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.what(), self.at)
    }
}

/// Only keys: values may be secret.
impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|entry| &entry.key))
            .finish()
    }
}
