//! The functions that every template has.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::pipeline::go::Value;
use crate::pipeline::go::print::{sprint, sprintf, sprintln};

/// Makes the functions and the list of their names from one table.
macro_rules! functions {
    ($($name:ident = $word:literal,)+) => {
        /// A function of the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function {
            $($name,)+
        }

        impl Function {
            /// The function of that name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name {
                    $($word => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Its name.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

functions! {
    And = "and",
    Or = "or",
    Not = "not",
    Eq = "eq",
    Ne = "ne",
    Lt = "lt",
    Le = "le",
    Gt = "gt",
    Ge = "ge",
    Len = "len",
    Index = "index",
    Slice = "slice",
    Print = "print",
    Printf = "printf",
    Println = "println",
    Html = "html",
    Js = "js",
    UrlQuery = "urlquery",
}

impl Function {
    /// Its value for these arguments. `and` and `or` are given all of theirs here; that they stop early is for
    /// the caller to see to.
    pub(super) fn call(self, args: &[Value]) -> Result<Value, String> {
        let few = || format!("{} is given too few arguments", self.name());
        let first = args.first();
        match self {
            Self::And => {
                let end = args.iter().find(|value| !value.truth()).or(args.last());
                end.cloned().ok_or_else(few)
            }
            Self::Or => {
                let end = args.iter().find(|value| value.truth()).or(args.last());
                end.cloned().ok_or_else(few)
            }
            Self::Not => Ok(Value::Bool(!first.ok_or_else(few)?.truth())),
            Self::Eq => {
                let (first, others) = args.split_first().ok_or_else(few)?;
                if others.is_empty() {
                    return Err(few());
                }
                for other in others {
                    if equal(first, other)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => {
                let [a, b] = args else {
                    return Err(format!("{} takes two arguments", self.name()));
                };
                self.compare(a, b).map(Value::Bool)
            }
            Self::Len => length(first.ok_or_else(few)?),
            Self::Index => {
                let (value, keys) = args.split_first().ok_or_else(few)?;
                keys.iter()
                    .try_fold(value.clone(), |value, key| index(&value, key))
            }
            Self::Slice => {
                let (value, bounds) = args.split_first().ok_or_else(few)?;
                slice(value, bounds)
            }
            Self::Print => Ok(Value::Text(sprint(args))),
            Self::Println => Ok(Value::Text(sprintln(args))),
            Self::Printf => match args.split_first().ok_or_else(few)? {
                (Value::Text(format), values) => Ok(Value::Text(sprintf(format, values))),
                (other, _) => Err(format!("printf wants a format, not {}", other.kind())),
            },
            Self::Html => Ok(Value::Text(html(&sprint(args)))),
            Self::Js => Ok(Value::Text(js(&sprint(args)))),
            Self::UrlQuery => {
                let text = sprint(args);
                let form = url::form_urlencoded::byte_serialize(text.as_bytes());
                // What Go leaves as it is and the form encoding escapes, and the other way round.
                Ok(Value::Text(
                    form.collect::<String>()
                        .replace('*', "%2A")
                        .replace("%7E", "~"),
                ))
            }
        }
    }

    fn compare(self, a: &Value, b: &Value) -> Result<bool, String> {
        if self == Self::Ne {
            return Ok(!equal(a, b)?);
        }
        let order = match (a, b) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            _ => return Err(incomparable(a, b)),
        };
        Ok(match self {
            Self::Lt => order == Some(Ordering::Less),
            Self::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Gt => order == Some(Ordering::Greater),
            _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        })
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::List(_) | Value::Map(_), _) | (_, Value::List(_) | Value::Map(_)) => {
            Err(incomparable(a, b))
        }
        (Value::Nil, _) | (_, Value::Nil) => Ok(a == b),
        _ if std::mem::discriminant(a) == std::mem::discriminant(b) => Ok(a == b),
        _ => Err(incomparable(a, b)),
    }
}

fn incomparable(a: &Value, b: &Value) -> String {
    format!("{} and {} can't be compared", a.kind(), b.kind())
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("{} has no length", other.kind())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(value: &Value, key: &Value) -> Result<Value, String> {
    let number = |length: usize| match key {
        Value::Int(n) => usize::try_from(*n)
            .ok()
            .filter(|n| *n < length)
            .ok_or_else(|| format!("index {n} is out of range")),
        other => Err(format!("{} is no index", other.kind())),
    };
    match (value, key) {
        (Value::Map(map), Value::Text(key)) => Ok(map.get(key).cloned().unwrap_or(Value::Nil)),
        (Value::List(items), _) => Ok(items[number(items.len())?].clone()),
        (Value::Text(text), _) => Ok(Value::Int(text.as_bytes()[number(text.len())?].into())),
        (other, _) => Err(format!(
            "{} can't be indexed by {}",
            other.kind(),
            key.kind()
        )),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Value::Int(n)) => usize::try_from(*n).map_err(|_| format!("{n} is out of range")),
        Some(other) => Err(format!("{} is no index", other.kind())),
    };
    let out = || "slice: out of range".to_owned();
    match value {
        Value::Text(text) => {
            let (from, to) = (bound(0, 0)?, bound(1, text.len())?);
            Ok(text.get(from..to).ok_or_else(out)?.into())
        }
        Value::List(items) => {
            let (from, to) = (bound(0, 0)?, bound(1, items.len())?);
            Ok(Value::List(items.get(from..to).ok_or_else(out)?.to_vec()))
        }
        other => Err(format!("{} can't be sliced", other.kind())),
    }
}

fn html(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}

fn js(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
        out
    })
}
