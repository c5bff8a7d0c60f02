//! From [`Node`] trees to types. Every problem is collected; nothing stops at the first.

use std::collections::BTreeMap;
use std::str::FromStr;

use secrecy::SecretString;

use super::nearest::nearest;
use super::node::{Map, Node, Scalar, Value};
use super::problem::Problem;
use super::source::Location;

/// Why a text isn't what was asked for. It completes a sentence that begins with the text, and
/// never repeats the text itself, which may be secret: `"12" is not twelve digits`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{complaint}")]
pub struct Invalid {
    pub(crate) complaint: String,
    pub(crate) help: Option<String>,
}

impl Invalid {
    pub(crate) fn new(complaint: impl Into<String>) -> Self {
        Self {
            complaint: complaint.into(),
            help: None,
        }
    }

    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}

/// What can be read from a node.
pub(crate) trait Decode: Sized {
    /// The value of `node`, which stands at `path` (`tags.team`). `None` where something is wrong,
    /// which is then in `problems`, or where a reference's value isn't known yet.
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self>;
}

/// The node's scalar, if all its references have their values.
pub(crate) fn scalar<'a>(
    node: &'a Node,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a Scalar> {
    match &node.value {
        Value::Scalar(scalar) if scalar.taint.open => None,
        Value::Scalar(scalar) => Some(scalar),
        _ => {
            let message = format!("{path} must be a single value, not {}", node.what());
            problems.push(Problem::at(&node.at, message));
            None
        }
    }
}

/// Reads a type that is written as one scalar.
pub(crate) fn parse<T: FromStr<Err = Invalid>>(
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let scalar = scalar(node, path, problems)?;
    match scalar.text.parse() {
        Ok(value) => Some(value),
        Err(Invalid { complaint, help }) => {
            let message = format!("{path}: {} {complaint}", scalar.quoted());
            // The nearest name would tell a good part of a secret.
            let help = help.filter(|_| scalar.taint.references.is_empty());
            problems.push(Problem::at(&node.at, message).maybe_help(help));
            None
        }
    }
}

/// Makes types that are written as one scalar readable from a node.
macro_rules! decode_from_str {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::inventory::decode::Decode for $type {
            fn decode(
                node: &$crate::inventory::node::Node,
                path: &str,
                problems: &mut Vec<$crate::inventory::problem::Problem>,
            ) -> Option<Self> {
                $crate::inventory::decode::parse(node, path, problems)
            }
        }
    )+};
}
pub(crate) use decode_from_str;

/// A non-empty text. Numbers and booleans are taken as they are written.
impl Decode for String {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let scalar = scalar(node, path, problems)?;
        if scalar.text.trim().is_empty() {
            let subject = if scalar.taint.references.is_empty() {
                path.to_owned()
            } else {
                scalar.quoted()
            };
            problems.push(Problem::at(&node.at, format!("{subject} is empty")));
            return None;
        }
        Some(scalar.text.clone())
    }
}

impl Decode for SecretString {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        String::decode(node, path, problems).map(Self::from)
    }
}

/// `true` or `false`, quoted or not.
impl Decode for bool {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        struct Flag(bool);
        impl FromStr for Flag {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text {
                    "true" | "True" | "TRUE" => Ok(Self(true)),
                    "false" | "False" | "FALSE" => Ok(Self(false)),
                    _ => Err(Invalid::new("is not true or false")),
                }
            }
        }
        parse::<Flag>(node, path, problems).map(|Flag(flag)| flag)
    }
}

/// A whole number, quoted or not.
impl Decode for u32 {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        struct Count(u32);
        impl FromStr for Count {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.parse()
                    .map(Self)
                    .map_err(|_| Invalid::new("is not a whole number"))
            }
        }
        parse::<Count>(node, path, problems).map(|Count(count)| count)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let Value::List(items) = &node.value else {
            let message = format!("{path} must be a list, not {}", node.what());
            problems.push(Problem::at(&node.at, message));
            return None;
        };
        let items: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(number, item)| T::decode(item, &format!("{path}[{number}]"), problems))
            .collect();
        items.into_iter().collect()
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let entries: Vec<Option<(String, T)>> = map
            .iter()
            .map(|entry| {
                let path = format!("{path}.{}", entry.key);
                T::decode(&entry.node, &path, problems).map(|value| (entry.key.clone(), value))
            })
            .collect();
        entries.into_iter().collect()
    }
}

/// The node's mapping.
pub(crate) fn mapping<'a>(
    node: &'a Node,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'a Map> {
    match &node.value {
        Value::Map(map) => Some(map),
        _ => {
            let message = format!("{path} must be a mapping, not {}", node.what());
            problems.push(Problem::at(&node.at, message));
            None
        }
    }
}

/// Reads a mapping key by key, and knows in the end which keys nobody asked for.
pub(crate) struct Decoder<'a> {
    map: &'a Map,
    at: &'a Location,
    /// What the mapping is, for messages: `role "qa"`.
    subject: String,
    /// The way to the mapping (`rollout`); empty for a whole file.
    path: &'a str,
    /// What to do about missing keys.
    supply: Option<String>,
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(
        map: &'a Map,
        at: &'a Location,
        subject: impl Into<String>,
        path: &'a str,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        let subject = subject.into();
        Self {
            map,
            at,
            subject,
            path,
            supply: None,
            known: Vec::new(),
            missing: Vec::new(),
            problems,
        }
    }

    /// Says what to do about missing keys.
    pub(crate) fn supply(mut self, help: impl Into<String>) -> Self {
        self.supply = Some(help.into());
        self
    }

    /// The node of `key`; a null counts as no value.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.map
            .get(key)
            .map(|entry| &entry.node)
            .filter(|node| !matches!(node.value, Value::Null))
    }

    /// The value of a key that must be there.
    pub(crate) fn required<T: Decode>(&mut self, key: &'static str) -> Option<T> {
        match self.node(key) {
            Some(node) => T::decode(node, &self.path_of(key), self.problems),
            None => {
                self.missing.push(key);
                None
            }
        }
    }

    /// The value of a key that may be left out. The outer option is `None` where it is given but
    /// can't be read.
    pub(crate) fn optional<T: Decode>(&mut self, key: &'static str) -> Option<Option<T>> {
        match self.node(key) {
            Some(node) => T::decode(node, &self.path_of(key), self.problems).map(Some),
            None => Some(None),
        }
    }

    /// The value of a key, or `default` where it is left out.
    pub(crate) fn or<T: Decode>(&mut self, key: &'static str, default: T) -> Option<T> {
        self.optional(key).map(|value| value.unwrap_or(default))
    }

    /// Adds a problem about what was read.
    pub(crate) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Reports the keys that are missing and those that nobody asked for. Without it they would go
    /// unnoticed. A missing key that stands there misspelt is told by its misspelling alone, which
    /// many clusters may share.
    pub(crate) fn finish(self) {
        let mut missing = self.missing.clone();
        let mut unknown = Vec::new();
        for entry in self.map.iter() {
            if !self.known.contains(&entry.key.as_str()) {
                let meant = nearest(&entry.key, self.known.iter().copied());
                missing.retain(|key| Some(*key) != meant);
                let help = meant.map(|name| format!("did you mean \"{name}\"?"));
                let message = format!("unknown key \"{}\"", entry.key);
                unknown.push(Problem::at(&entry.key_at, message).maybe_help(help));
            }
        }
        if !missing.is_empty() {
            let keys: Vec<String> = missing.iter().map(|key| self.path_of(key)).collect();
            let message = format!("{} has no {}", self.subject, keys.join(", "));
            self.problems
                .push(Problem::at(self.at, message).maybe_help(self.supply.clone()));
        }
        self.problems.extend(unknown);
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::source::Source;
    use super::*;

    #[test]
    fn all_problems_of_a_mapping_are_told_at_once() {
        let source = Source::new(
            "f.yaml",
            "flag: maybe\ncount: [1]\nlits: [a]\nnames: [a, \"\", {}]\n",
        );
        let mut problems = Vec::new();
        let map = parse::parse(&source, &mut problems).unwrap();
        let at = source.beginning();
        let mut decoder = Decoder::new(&map, &at, "the file", "", &mut problems);
        assert_eq!(decoder.required::<bool>("flag"), None);
        assert_eq!(decoder.or::<u32>("count", 1), None);
        assert_eq!(decoder.optional::<Vec<String>>("list"), Some(None));
        assert_eq!(decoder.required::<Vec<String>>("names"), None);
        assert_eq!(decoder.required::<String>("name"), None);
        assert_eq!(decoder.required::<bool>("names_too"), None);
        decoder.finish();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "f.yaml:1:7: flag: \"maybe\" is not true or false",
                "f.yaml:2:8: count must be a single value, not a list",
                "f.yaml:4:12: names[1] is empty",
                "f.yaml:4:16: names[2] must be a single value, not a mapping",
                "f.yaml:1:1: the file has no name, names_too",
                "f.yaml:3:1: unknown key \"lits\" (did you mean \"list\"?)",
            ]
        );
    }

    #[test]
    fn numbers_and_flags_may_be_strings() {
        let source = Source::new("f.yaml", "a: \"50\"\nb: 50\nc: \"true\"\nd: true\n");
        let mut problems = Vec::new();
        let map = parse::parse(&source, &mut problems).unwrap();
        let at = source.beginning();
        let mut decoder = Decoder::new(&map, &at, "the file", "", &mut problems);
        assert_eq!(decoder.required::<u32>("a"), Some(50));
        assert_eq!(decoder.required::<u32>("b"), Some(50));
        assert_eq!(decoder.required::<bool>("c"), Some(true));
        assert_eq!(decoder.required::<bool>("d"), Some(true));
        decoder.finish();
        assert!(problems.is_empty());
    }
}
