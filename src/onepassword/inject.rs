//! References to 1Password in any text, as `op inject` takes them.
//!
//! A reference stands alone (`op://vault/item/field`) or in braces (`{{ op://vault/item/field }}`), where
//! its names may hold spaces. `$NAME`, `${NAME}` and `${NAME:-default}` stand for environment variables, in
//! a reference and outside of one. `{{ "text" }}` is that text as it is. Everything else stays.
//! Source: 1Password's page "Template syntax".

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::resolve::Resolved;
use crate::env::Env;
use crate::inventory::{Location, Problem, Problems, Reference, Source};

const SCHEME: &str = "op://";

/// A text with references in it.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Reference(Reference, Location),
}

/// Without the text, which may hold a secret.
impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::Reference(reference, _) => std::fmt::Debug::fmt(reference, f),
        }
    }
}

impl Template {
    /// Reads a text, which is called `path` where something is wrong with it, with the values of
    /// variables put in.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(path: &str, text: &str, env: &Env) -> Result<Self, Problems> {
        let mut reader = Reader {
            source: Source::new(path, text),
            text,
            env,
            at: 0,
            plain: String::new(),
            parts: Vec::new(),
            problems: Vec::new(),
        };
        reader.read();
        Problems::none_or(
            reader.problems,
            Self {
                parts: reader.parts,
            },
        )
    }

    /// The references in it, as often as they stand there.
    pub fn references(&self) -> Vec<Reference> {
        let references = self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Reference(reference, _) => Some(reference.clone()),
        });
        references.collect()
    }

    /// The text with the references' values in their place.
    ///
    /// # Errors
    /// Every reference that has no value, and why.
    pub fn render(&self, values: &Resolved) -> Result<SecretString, Problems> {
        let mut text = String::new();
        let mut problems = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Reference(reference, at) => match values.get(reference) {
                    Some(Ok(value)) => text.push_str(value.expose_secret()),
                    Some(Err(why)) => {
                        problems.push(Problem::at(at, format!("{reference}: {why}")));
                    }
                    None => {
                        problems.push(Problem::at(at, format!("{reference} wasn't asked for")));
                    }
                },
            }
        }
        Problems::none_or(problems, text.into())
    }
}

/// Goes through a text once.
struct Reader<'a> {
    source: Arc<Source>,
    text: &'a str,
    env: &'a Env,
    /// The byte that comes next.
    at: usize,
    /// What has been read since the last reference.
    plain: String,
    parts: Vec<Part>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while let Some(next) = self.rest().chars().next() {
            let taken = match next {
                '{' => self.escape() || self.enclosed(),
                'o' => self.bare(),
                '$' => self.variable(),
                _ => false,
            };
            if !taken {
                self.plain.push(next);
                self.at += next.len_utf8();
            }
        }
        self.end_plain();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn end_plain(&mut self) {
        if !self.plain.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.plain)));
        }
    }

    /// `{{ "text" }}`.
    fn escape(&mut self) -> bool {
        let rest = self.rest();
        let Some(quoted) = rest
            .strip_prefix("{{")
            .and_then(|inner| inner.trim_start_matches(' ').strip_prefix('"'))
        else {
            return false;
        };
        let mut text = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    let behind = quoted.get(at + 1..).unwrap_or_default();
                    let Some(behind) = behind.trim_start_matches(' ').strip_prefix("}}") else {
                        return false;
                    };
                    self.plain.push_str(&text);
                    self.at += rest.len() - behind.len();
                    return true;
                }
                '\\' if quoted
                    .get(at + 1..)
                    .is_some_and(|rest| rest.starts_with('"')) =>
                {
                    text.push('"');
                    characters.next();
                }
                other => text.push(other),
            }
        }
        false
    }

    /// `{{ op://… }}`, on one line.
    fn enclosed(&mut self) -> bool {
        let rest = self.rest();
        let Some(inner) = rest
            .strip_prefix("{{")
            .map(|inner| inner.trim_start_matches(' '))
            .filter(|inner| inner.starts_with(SCHEME))
        else {
            return false;
        };
        let begin = self.at + (rest.len() - inner.len());
        let Some(end) = closing(inner) else {
            return false;
        };
        let written = inner.get(..end).unwrap_or_default().trim_end_matches(' ');
        let next = begin + end + "}}".len();
        self.reference(begin, written);
        self.at = next;
        true
    }

    /// `op://…`, up to the first character that can be in none.
    fn bare(&mut self) -> bool {
        let rest = self.rest();
        let before = self.text.get(..self.at).unwrap_or_default();
        let before = before.chars().next_back();
        let joined = before.is_some_and(|c| c.is_alphanumeric() || "-+\\.".contains(c));
        if joined || !rest.starts_with(SCHEME) {
            return false;
        }
        let mut end = SCHEME.len();
        while let Some(next) = rest.get(end..).and_then(|rest| rest.chars().next()) {
            let tail = rest.get(end..).unwrap_or_default();
            end += match Tag::read(tail) {
                Some(tag) => tag.length,
                None if next.is_ascii_alphanumeric() || "-?_./".contains(next) => 1,
                None => break,
            };
        }
        let written = rest.get(..end).unwrap_or_default();
        self.reference(self.at, written);
        self.at += end;
        true
    }

    /// A reference as it is written at byte `begin`, with its variables still in it.
    fn reference(&mut self, begin: usize, written: &str) {
        let mut text = String::new();
        let mut at = 0;
        while let Some(next) = written.get(at..).and_then(|rest| rest.chars().next()) {
            match Tag::read(written.get(at..).unwrap_or_default()) {
                Some(tag) => {
                    match tag.value(self.env) {
                        Some(value) => text.push_str(value),
                        None => return self.unset(begin + at, &tag),
                    }
                    at += tag.length;
                }
                None => {
                    text.push(next);
                    at += next.len_utf8();
                }
            }
        }
        let place = self.place(begin, written.len());
        match text.parse() {
            Ok(reference) => {
                self.end_plain();
                self.parts.push(Part::Reference(reference, place));
            }
            Err(why) => {
                let message = format!("{text:?} is no reference: {why}");
                self.problems.push(Problem::at(&place, message));
            }
        }
    }

    fn variable(&mut self) -> bool {
        let Some(tag) = Tag::read(self.rest()) else {
            return false;
        };
        match tag.value(self.env) {
            Some(value) => self.plain.push_str(value),
            None => self.unset(self.at, &tag),
        }
        self.at += tag.length;
        true
    }

    fn unset(&mut self, at: usize, tag: &Tag<'_>) {
        let place = self.place(at, tag.length);
        let name = tag.name;
        let problem = Problem::at(&place, format!("the variable {name} is not set"));
        self.problems.push(problem.help(format!(
            "set it, give a default as ${{{name}:-…}}, or write {{{{ \"${name}\" }}}} to keep the text"
        )));
    }

    /// The place of so many bytes at that byte.
    fn place(&self, begin: usize, length: usize) -> Location {
        let count = |text: Option<&str>| text.map_or(0, |text| text.chars().count());
        let before = self.text.get(..begin).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = count(before.rsplit('\n').next());
        let start = count(Some(before));
        let end = start + count(self.text.get(begin..begin + length));
        self.source.place(start, end, line, column)
    }
}

/// Where the braces close that a reference is in: never inside of a variable, never on another line.
fn closing(inner: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = inner.get(at..)?;
        if rest.starts_with("}}") {
            return Some(at);
        }
        let next = rest.chars().next().filter(|next| *next != '\n')?;
        at += Tag::read(rest).map_or(next.len_utf8(), |tag| tag.length);
    }
}

/// A variable as it stands at the beginning of a text.
struct Tag<'a> {
    name: &'a str,
    default: Option<&'a str>,
    /// Length in bytes.
    length: usize,
}

impl<'a> Tag<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let behind = text.strip_prefix('$')?;
        let Some(inner) = behind.strip_prefix('{') else {
            let end = behind.find(|c: char| !in_name(c)).unwrap_or(behind.len());
            let name = behind.get(..end).filter(|name| is_name(name))?;
            return Some(Self {
                name,
                default: None,
                length: end + 1,
            });
        };
        let end = inner.find('}')?;
        let content = inner.get(..end)?;
        let (name, default) = match content.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (content, None),
        };
        let name = Some(name.trim()).filter(|name| is_name(name))?;
        Some(Self {
            name,
            default,
            length: end + "${}".len(),
        })
    }

    /// The variable's value, else the default. Names are the same in small and in capital letters,
    /// but one written in the same way goes first.
    fn value(&self, env: &'a Env) -> Option<&'a str> {
        let exact = env.iter().find(|(name, _)| *name == self.name);
        let alike = || {
            env.iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(self.name))
        };
        let found = exact.or_else(alike).map(|(_, value)| value);
        found.or(self.default)
    }
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_name(name: &str) -> bool {
    name.chars().all(in_name) && name.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests;
