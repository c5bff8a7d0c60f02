//! YAML as `gopkg.in/yaml.v2` reads it: the scalars of YAML 1.1.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::value::{Map, Value};

/// Most values that the aliases of one file may stand for.
const MOST_ALIASED: usize = 100_000;

/// Why a text is no YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// The column, counted in characters from 0.
    pub(crate) column: usize,
    /// Its first character, counted in characters from the beginning.
    pub(crate) start: usize,
    /// What is wrong.
    pub(crate) message: String,
}

/// The first document of a text; [`Value::Nil`] if there is none.
pub(crate) fn read_yaml(text: &str) -> Result<Value, YamlError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        aliased: 0,
    };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(Value::Nil),
            (
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing,
                _,
            ) => {}
            (content, span) => return reader.value(content, span),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Value>,
    aliased: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(at(*error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span) -> Result<Value, YamlError> {
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if plain {
                    resolve(&text)
                } else {
                    Value::from(&*text)
                };
                (anchor, value)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (item, span) => items.push(self.value(item, span)?),
                    }
                }
                (anchor, Value::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Value::Map(self.mapping()?)),
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value
                    .ok_or_else(|| at(span.start, "the alias stands inside its own anchor"))?;
                self.aliased += size(&value);
                if self.aliased > MOST_ALIASED {
                    let message = format!("the aliases stand for more than {MOST_ALIASED} values");
                    return Err(at(span.start, &message));
                }
                (0, value)
            }
            _ => return Err(at(span.start, "the file ends within a value")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn mapping(&mut self) -> Result<Map, YamlError> {
        let mut map = Map::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(map);
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            // A number or boolean as a key is the text that it was written as.
            let written = match &event {
                Event::Scalar(text, ..) => Some(text.to_string()),
                _ => None,
            };
            let key = self.value(event, span)?;
            let (event, value_span) = self.next()?;
            let value = self.value(event, value_span)?;
            if is_merge {
                merge(&mut map, value).map_err(|message| at(value_span.start, message))?;
                continue;
            }
            let key = match (key, written) {
                (Value::Text(key), _) | (_, Some(key)) => key,
                _ => return Err(at(span.start, "a key must be a string")),
            };
            map.insert(key, value);
        }
    }
}

fn merge(map: &mut Map, value: Value) -> Result<(), &'static str> {
    match value {
        Value::Map(merged) => map.extend(merged),
        Value::List(items) => {
            // The first of a list wins.
            for item in items.into_iter().rev() {
                let Value::Map(merged) = item else {
                    return Err("only mappings can be merged");
                };
                map.extend(merged);
            }
        }
        _ => return Err("only mappings can be merged"),
    }
    Ok(())
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(map) => map.values().map(size).sum(),
        _ => 0,
    }
}

fn at(marker: saphyr_parser::Marker, message: &str) -> YamlError {
    YamlError {
        line: marker.line().max(1),
        column: marker.col(),
        start: marker.index(),
        message: message.to_owned(),
    }
}

/// What a plain scalar stands for.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Nil,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Value::from(text);
    }
    let digits = text.replace('_', "");
    integer(&digits)
        .or_else(|| float(&digits))
        .unwrap_or_else(|| Value::from(text))
}

/// As `strconv.ParseInt(text, 0, 64)`: `0x`, `0b` and `0o` name a base, a leading zero base 8.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.get(2..)?),
        [b'0', b'b', ..] => (2, lower.get(2..)?),
        [b'0', b'o', ..] => (8, lower.get(2..)?),
        [b'0', _, ..] => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    if !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    match (negative, i64::try_from(magnitude)) {
        (true, Ok(n)) => Some(Value::Int(-n)),
        (true, Err(_)) => None,
        (false, Ok(n)) => Some(Value::Int(n)),
        (false, Err(_)) => Some(Value::Uint(magnitude)),
    }
}

/// Digits with at most one point, and an exponent: nothing else that Rust would take for a float.
fn float(text: &str) -> Option<Value> {
    let is_float = text.contains(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || "+-.eE".contains(c))
        && !text.starts_with(['e', 'E']);
    is_float.then(|| text.parse().ok().map(Value::Float))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Value {
        let Value::Map(map) = read_yaml(&format!("v: {text}\n")).unwrap() else {
            panic!("no mapping");
        };
        map["v"].clone()
    }

    #[test]
    fn scalars_follow_yaml_1_1() {
        for (text, value) in [
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("n", Value::Bool(false)),
            ("\"yes\"", "yes".into()),
            ("!!str 12", "12".into()),
            ("~", Value::Nil),
            ("", Value::Nil),
            ("012", Value::Int(10)),
            ("0x1F", Value::Int(31)),
            ("1_000", Value::Int(1000)),
            ("-7", Value::Int(-7)),
            ("18446744073709551615", Value::Uint(u64::MAX)),
            ("012345678901", Value::Float(12_345_678_901.0)),
            ("1.27", Value::Float(1.27)),
            ("1e3", Value::Float(1000.0)),
            ("2024-01-01", "2024-01-01".into()),
            ("1.2.3", "1.2.3".into()),
            ("+", "+".into()),
            (".", ".".into()),
            ("us-west-2", "us-west-2".into()),
            ("0b", "0b".into()),
        ] {
            assert_eq!(one(text), value, "{text}");
        }
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        let text = "a: &a { x: 1, y: 2 }\nb: { <<: *a, y: 3 }\nc: *a\n";
        let Value::Map(map) = read_yaml(text).unwrap() else {
            panic!("no mapping");
        };
        assert_eq!(map["b"].to_string(), "map[x:1 y:3]");
        assert_eq!(map["c"].to_string(), "map[x:1 y:2]");
    }

    #[test]
    fn a_broken_text_is_told_with_its_place() {
        let error = read_yaml("a: 1\nb: [\n").unwrap_err();
        assert!(error.line >= 2, "{error:?}");
        assert_eq!(read_yaml("").unwrap(), Value::Nil);
    }

    #[test]
    fn aliases_can_not_grow_without_end() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..8 {
            let items = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{items}]\n"));
        }
        assert!(read_yaml(&text).unwrap_err().message.contains("aliases"));
    }
}
