//! What CircleCI would refuse in a generated config, told before it is pushed.

use std::collections::BTreeSet;

use crate::inventory::{Problem, Source};
use crate::pipeline::go::{Map, Value, read_yaml};

/// Checks that a config is YAML; notes jobs that require one that isn't there.
pub(super) fn check(path: &str, text: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let value = match read_yaml(text) {
        Ok(value) => value,
        Err(error) => {
            let source = Source::new(path, text);
            source.show_if_harmless();
            let at = source.place(error.start, error.start + 1, error.line, error.column);
            let message = format!("the generated config is not valid YAML: {}", error.message);
            let help = "mend the job template, or the value that it puts here";
            problems.push(Problem::at(&at, message).help(help));
            return Vec::new();
        }
    };
    let Value::Map(config) = value else {
        return Vec::new();
    };
    let Some(Value::Map(workflows)) = config.get("workflows") else {
        return Vec::new();
    };
    workflows
        .iter()
        .filter_map(|(name, workflow)| match workflow {
            Value::Map(workflow) => Some(missing(name, workflow)),
            _ => None,
        })
        .flatten()
        .collect()
}

/// The jobs of a workflow that require one that it doesn't have.
fn missing(workflow: &str, map: &Map) -> Vec<String> {
    let Some(Value::List(jobs)) = map.get("jobs") else {
        return Vec::new();
    };
    let jobs: Vec<(&str, &Map)> = jobs.iter().filter_map(named).collect();
    let names: BTreeSet<&str> = jobs.iter().map(|(name, _)| *name).collect();
    let mut notes = Vec::new();
    for (name, job) in &jobs {
        let Some(Value::List(required)) = job.get("requires") else {
            continue;
        };
        for required in required {
            if let Value::Text(required) = required
                && !names.contains(required.as_str())
            {
                notes.push(format!(
                    "{workflow}: {name:?} requires {required:?}, which is no job of the workflow: CircleCI will refuse it"
                ));
            }
        }
    }
    notes
}

/// A job of a workflow: its name there, and what it is given.
fn named(job: &Value) -> Option<(&str, &Map)> {
    let Value::Map(map) = job else {
        return None;
    };
    let (key, given) = map.first_key_value()?;
    let Value::Map(given) = given else {
        return None;
    };
    let name = match given.get("name") {
        Some(Value::Text(name)) => name,
        _ => key,
    };
    Some((name, given))
}
