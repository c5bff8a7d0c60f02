//! The action and the workflows: this project's own, and the examples in the pages.

use std::fs;
use std::path::PathBuf;

use super::yaml::read;
use super::{Schema, actionlint, told};
use crate::harness::repository;

fn workflows() -> Vec<PathBuf> {
    [".github/workflows", "docs/workflows"]
        .iter()
        .flat_map(|directory| fs::read_dir(repository().join(directory)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn they_are_what_github_takes() {
    Schema::Action.accepts(&[repository().join("action.yml")]);
    Schema::Workflow.accepts(&workflows());
    if let Some(output) = actionlint(&workflows()) {
        assert!(output.status.success(), "{}", told(&output));
    }
}

#[test]
fn broken_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let action = fs::read_to_string(repository().join("action.yml")).unwrap();
    let file = directory.path().join("action.yml");
    fs::write(
        &file,
        action.replacen("using: composite", "using: composit", 1),
    )
    .unwrap();
    Schema::Action.refuses(&file);
    let workflow = fs::read_to_string(repository().join(".github/workflows/release.yml")).unwrap();
    let file = directory.path().join("release.yml");
    fs::write(&file, workflow.replacen("runs-on:", "run-on:", 1)).unwrap();
    Schema::Workflow.refuses(&file);
    fs::write(&file, workflow.replacen("needs: test", "needs: tests", 1)).unwrap();
    if let Some(output) = actionlint(&[file]) {
        assert!(!output.status.success(), "{}", told(&output));
    }
}

/// Every action of somebody else's is pinned by its commit, with its version beside it.
#[test]
fn actions_are_pinned_by_commit() {
    let mut found = 0;
    for workflow in workflows() {
        for line in fs::read_to_string(&workflow).unwrap().lines() {
            let step = line.trim_start().trim_start_matches("- ");
            let Some(action) = step.strip_prefix("uses: ") else {
                continue;
            };
            if action.starts_with("ThoughtWorks-DPS/psk@v") {
                continue;
            }
            let (pinned, version) = action.split_once(" # v").unwrap();
            let (_, commit) = pinned.split_once('@').unwrap();
            assert!(
                commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()),
                "{line}"
            );
            assert!(version.split('.').count() == 3, "{line}");
            found += 1;
        }
    }
    assert!(found >= 6, "only {found}");
}

/// An input, or anything else from outside, reaches a script only as a variable.
#[test]
fn no_expression_is_part_of_a_script() {
    let mut files = workflows();
    files.push(repository().join("action.yml"));
    for file in files {
        let document = read(&fs::read_to_string(&file).unwrap());
        let mut scripts = Vec::new();
        collect(&document, &mut scripts);
        for script in scripts {
            assert!(!script.contains("${{"), "{}: {script}", file.display());
        }
    }
}

fn collect(value: &serde_json::Value, scripts: &mut Vec<String>) {
    if let Some(script) = value.get("run").and_then(|run| run.as_str()) {
        scripts.push(script.to_owned());
    }
    match value {
        serde_json::Value::Object(map) => map.values().for_each(|value| collect(value, scripts)),
        serde_json::Value::Array(items) => items.iter().for_each(|value| collect(value, scripts)),
        _ => {}
    }
}

/// The action's inputs and the orb's parameters are the same by name and default.
#[test]
fn the_action_takes_what_the_orb_takes() {
    let action = read(&fs::read_to_string(repository().join("action.yml")).unwrap());
    let orb = read(&super::orb::pack());
    let job = &orb["jobs"]["plan-role"]["parameters"];
    for name in [
        "role",
        "args",
        "plan-file",
        "version",
        "aws-role-arn",
        "connect-host",
        "connect-token",
        "github-token",
    ] {
        assert!(action["inputs"].get(name).is_some(), "{name}");
        assert!(job.get(name.replace('-', "_")).is_some(), "{name}");
    }
    assert_eq!(
        action["inputs"]["version"]["default"],
        job["version"]["default"]
    );
    let outputs: Vec<_> = action["outputs"].as_object().unwrap().keys().collect();
    assert_eq!(outputs, ["outcome", "changed", "failed", "report"]);
}
