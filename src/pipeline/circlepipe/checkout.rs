//! The files of a repository, as they are and as they are going to be.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::inventory::{Problem, Source};
use crate::pipeline::go::{Map, Value, read_yaml};

/// A repository's files. What is written stays in memory until it is taken.
#[derive(Debug)]
pub struct Checkout {
    root: PathBuf,
    written: BTreeMap<String, String>,
}

impl Checkout {
    /// The files under `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            written: BTreeMap::new(),
        }
    }

    /// Writes a file.
    pub(super) fn write(&mut self, path: String, text: String) {
        self.written.insert(path, text);
    }

    /// What was written so far, by path.
    pub(super) fn take_written(&mut self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.written)
    }

    /// A file's text; `None` if there is no such file.
    pub(super) fn text(&self, path: &str, problems: &mut Vec<Problem>) -> Option<Arc<Source>> {
        if let Some(text) = self.written.get(path) {
            return Some(Source::new(path, text.as_str()));
        }
        match std::fs::read_to_string(self.root.join(path)) {
            Ok(text) => Some(Source::new(path, text)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                problems.push(Problem::nowhere(format!("reading {path}: {error}")));
                None
            }
        }
    }

    /// The text of a file that has to be there. `why` says what needs it.
    pub(super) fn needed(
        &self,
        path: &str,
        why: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Arc<Source>> {
        let before = problems.len();
        let source = self.text(path, problems);
        if source.is_none() && problems.len() == before {
            problems.push(Problem::nowhere(format!("{path} is missing")).help(why));
        }
        source
    }

    /// The mapping that a JSON or YAML file holds, by its name's extension; empty for an empty file.
    pub(super) fn mapping(&self, source: &Arc<Source>, problems: &mut Vec<Problem>) -> Option<Map> {
        let value = match extension(source.path()) {
            "json" => json(source, problems)?,
            "yaml" | "yml" => yaml(source, problems)?,
            _ => {
                let message = format!("{} is neither JSON nor YAML by its name", source.path());
                problems.push(Problem::nowhere(message).help("name it .json, .yaml or .yml"));
                return None;
            }
        };
        match value {
            Value::Map(map) => Some(map),
            Value::Nil => Some(Map::new()),
            other => {
                let message = format!("the file holds {}, not a mapping", other.kind());
                problems.push(Problem::at(&source.beginning(), message));
                None
            }
        }
    }
}

/// What stands after the last dot of a path's name.
pub(super) fn extension(path: &str) -> &str {
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.rsplit_once('.'))
        .map_or("", |(_, extension)| extension)
}

fn json(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Option<Value> {
    if source.text().trim().is_empty() {
        let message = "the file is empty, which is no JSON";
        problems.push(Problem::at(&source.beginning(), message).help("write {}"));
        return None;
    }
    match serde_json::from_str::<serde_json::Value>(source.text()) {
        Ok(json) => Some(json.into()),
        Err(error) => {
            let column = error.column().saturating_sub(1);
            let before: usize = source
                .text()
                .split_inclusive('\n')
                .take(error.line().saturating_sub(1))
                .map(|line| line.chars().count())
                .sum();
            let start = before + column;
            source.show_if_harmless();
            let at = source.place(start, start + 1, error.line(), column);
            let told = error.to_string();
            let told = told.split(" at line ").next().unwrap_or_default();
            problems.push(Problem::at(&at, format!("not valid JSON: {told}")));
            None
        }
    }
}

fn yaml(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Option<Value> {
    match read_yaml(source.text()) {
        Ok(value) => Some(value),
        Err(error) => {
            source.show_if_harmless();
            let at = source.place(error.start, error.start + 1, error.line, error.column);
            problems.push(Problem::at(
                &at,
                format!("not valid YAML: {}", error.message),
            ));
            None
        }
    }
}
