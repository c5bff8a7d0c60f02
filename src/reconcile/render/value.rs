//! How values of a plan are written for people and how two of them are compared: pure, no layout.

use console::measure_text_width;
use serde_json::Value;

use crate::text::{shorten, visible};

/// At most this many lines of one nested value are written.
const MOST_LINES: usize = 40;

/// What two values of one attribute have to do with each other.
#[derive(Debug, PartialEq)]
pub(super) enum Compared<'a> {
    /// Both are objects: the keys that differ, and how many are the same.
    Keys { keys: Vec<Key<'a>>, same: usize },
    /// Both are lists that don't merely differ in order: what only the old one and only the new one
    /// holds, and how many items are the same.
    Items {
        removed: Vec<&'a Value>,
        added: Vec<&'a Value>,
        same: usize,
    },
    /// Anything else: they are best shown whole.
    Whole,
}

/// A key of two objects whose values differ.
#[derive(Debug, PartialEq)]
pub(super) struct Key<'a> {
    pub(super) path: String,
    pub(super) old: Option<&'a Value>,
    pub(super) new: Option<&'a Value>,
}

/// Compares two values one level deep.
pub(super) fn compare<'a>(old: &'a Value, new: &'a Value) -> Compared<'a> {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys = Vec::new();
            let mut same = 0;
            for (path, old) in before {
                let new = after.get(path);
                if new == Some(old) {
                    same += 1;
                } else {
                    keys.push(Key {
                        path: path.clone(),
                        old: Some(old),
                        new,
                    });
                }
            }
            for (path, new) in after.iter().filter(|(path, _)| !before.contains_key(*path)) {
                keys.push(Key {
                    path: path.clone(),
                    old: None,
                    new: Some(new),
                });
            }
            Compared::Keys { keys, same }
        }
        (Value::Array(before), Value::Array(after)) => {
            let mut added: Vec<&Value> = after.iter().collect();
            let mut removed = Vec::new();
            for item in before {
                match added.iter().position(|other| *other == item) {
                    Some(i) => drop(added.remove(i)),
                    None => removed.push(item),
                }
            }
            if removed.is_empty() && added.is_empty() {
                return Compared::Whole;
            }
            let same = before.len() - removed.len();
            Compared::Items {
                removed,
                added,
                same,
            }
        }
        _ => Compared::Whole,
    }
}

/// The value on one line, as JSON, safe to print.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), inline(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        scalar => visible(&scalar.to_string()).into_owned(),
    }
}

/// The value over several lines, as indented JSON, safe to print. Of a very long one, the beginning
/// and how much is missing.
pub(super) fn lines(value: &Value) -> Vec<String> {
    // The alternate form of a JSON value is indented; its strings hold no line breaks.
    let text = format!("{value:#}");
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| visible(line).into_owned())
        .collect();
    if lines.len() > MOST_LINES {
        let missing = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("({missing} more lines)"));
    }
    lines
}

/// A string as JSON writes it, safe to print.
pub(super) fn quoted(text: &str) -> String {
    visible(&Value::from(text).to_string()).into_owned()
}

/// Two texts cut to `room` columns each so that the first place where they differ is still seen.
pub(super) fn contrast(old: &str, new: &str, room: usize, ellipsis: &str) -> (String, String) {
    let alike = old
        .chars()
        .zip(new.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let too_long = measure_text_width(old).max(measure_text_width(new)) > room;
    let skip = if too_long {
        alike.saturating_sub(room / 4)
    } else {
        0
    };
    let window = |text: &str| {
        if skip == 0 {
            return shorten(text, room, ellipsis).into_owned();
        }
        let rest: String = text.chars().skip(skip).collect();
        shorten(&format!("{ellipsis}{rest}"), room, ellipsis).into_owned()
    };
    (window(old), window(new))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_compared_by_key() {
        let (old, new) = (
            json!({"a": 1, "b": 2, "c": 3}),
            json!({"a": 1, "b": 5, "d": 4}),
        );
        let Compared::Keys { keys, same } = compare(&old, &new) else {
            panic!("not by key")
        };
        assert_eq!(same, 1);
        let paths: Vec<_> = keys
            .iter()
            .map(|k| (k.path.as_str(), k.old, k.new))
            .collect();
        assert_eq!(
            paths,
            [
                ("b", Some(&json!(2)), Some(&json!(5))),
                ("c", Some(&json!(3)), None),
                ("d", None, Some(&json!(4))),
            ]
        );
    }

    #[test]
    fn lists_are_compared_as_bags() {
        let (old, new) = (json!(["a", "b", "b"]), json!(["b", "c", "a"]));
        assert_eq!(
            compare(&old, &new),
            Compared::Items {
                removed: vec![&json!("b")],
                added: vec![&json!("c")],
                same: 2
            }
        );
        assert_eq!(
            compare(&json!(["a", "b"]), &json!(["b", "a"])),
            Compared::Whole
        );
    }

    #[test]
    fn values_are_written_as_json_without_anything_live() {
        assert_eq!(inline(&json!("a\nb\u{7f}\u{1b}")), r#""a\nb\u{7f}\u001b""#);
        assert_eq!(
            inline(&json!({"k": [1, true, null], "e": {}})),
            r#"{ "k": [1, true, null], "e": {} }"#
        );
        assert_eq!(inline(&json!({"\u{202e}": []})), r#"{ "\u{202e}": [] }"#);
        assert_eq!(
            lines(&json!({"a": ["::x"]})),
            ["{", "  \"a\": [", "    \"::x\"", "  ]", "}"]
        );
    }

    #[test]
    fn very_long_values_say_how_much_is_missing() {
        let lines = lines(&json!((0..100).collect::<Vec<_>>()));
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert_eq!(lines.last().map(String::as_str), Some("(62 more lines)"));
    }

    #[test]
    fn long_texts_are_cut_around_their_difference() {
        let old = format!("{}1{}", "a".repeat(100), "z".repeat(100));
        let new = format!("{}2{}", "a".repeat(100), "z".repeat(100));
        assert_eq!(
            contrast(&old, &new, 12, "…"),
            ("…aaa1zzzzzz…".to_owned(), "…aaa2zzzzzz…".to_owned())
        );
    }

    proptest! {
        #[test]
        fn different_texts_stay_different(
            shared in "[a-z]{0,80}", old in "[0-4][a-z]{0,80}", new in "[5-9][a-z]{0,80}",
            room in 12usize..60,
        ) {
            let (old, new) = contrast(&format!("{shared}{old}"), &format!("{shared}{new}"), room, "…");
            prop_assert_ne!(&old, &new);
            prop_assert!(measure_text_width(&old) <= room && measure_text_width(&new) <= room);
        }
    }
}
