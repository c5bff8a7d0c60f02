//! Generated YAML: the same for the same graph, and quoted so that every reader sees the same strings.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// A document: a comment, then the value in block style.
pub(super) fn document(comment: &[String], value: &Json) -> String {
    let mut out: String = comment
        .iter()
        .map(|line| format!("# {}\n", one_line(line)))
        .collect();
    block(value, 0, &mut out);
    out
}

/// A comment must not end before its line does.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn block(value: &Json, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                // Sections of the document are set apart.
                if indent == 0 && is_block(value) && !out.is_empty() {
                    out.push('\n');
                }
                let _ = write!(out, "{margin}{}:", string(key));
                entry(value, indent + 2, out);
            }
        }
        Json::Array(items) => {
            for item in items {
                let _ = write!(out, "{margin}-");
                match item {
                    Json::Object(map) if !map.is_empty() => {
                        let mut inner = String::new();
                        block(item, indent + 2, &mut inner);
                        let _ = write!(out, " {}", inner.trim_start());
                    }
                    other => entry(other, indent + 2, out),
                }
            }
        }
        scalar => {
            let _ = writeln!(out, "{margin}{}", flow(scalar));
        }
    }
}

/// A value behind its key or dash, to the end of the line or beyond.
fn entry(value: &Json, indent: usize, out: &mut String) {
    if is_block(value) {
        out.push('\n');
        block(value, indent, out);
    } else {
        let _ = writeln!(out, " {}", flow(value));
    }
}

/// What is written over several lines: mappings, and lists that hold more than short strings.
fn is_block(value: &Json) -> bool {
    match value {
        Json::Object(map) => !map.is_empty(),
        Json::Array(items) => {
            !items.is_empty() && flow(value).len() > 60 || items.iter().any(|i| i.is_object())
        }
        _ => false,
    }
}

/// A value on one line.
fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => string(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// A string: bare where no reader could take it for anything else, else as JSON, which is YAML.
pub(super) fn string(text: &str) -> String {
    let words = text.split(' ').all(|word| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./@".contains(c))
    });
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let reserved = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if words && begins && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        Json::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::go::read_yaml;

    #[test]
    fn it_is_read_back_as_it_was() {
        let value = json!({
            "plain": "deploy prod 2 of 3",
            "list": ["a", "b"],
            "long": ["aaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "ccccccccccccccccccc"],
            "jobs": [{ "x": { "y": [1, true, null], "z": {} } }, "bare"],
            "hostile": ["yes", "1.0", "- x", "a: b", "#", "\n::set-output x", "${{ x }}", "$(rm)", "'", "\"", "<< x >>", "*a", "é", ""],
        });
        let text = document(&["made\nby".to_owned()], &value);
        let read = serde_json::to_value(read_yaml(&text).unwrap()).unwrap();
        assert_eq!(read, value, "{text}");
        assert!(text.starts_with("# made by\n"));
    }
}
