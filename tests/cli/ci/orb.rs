//! The orb: it packs into one file that CircleCI takes, keeps the public rules of orb review, and its scripts are
//! sound.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use super::yaml::read;
use super::{Schema, told};
use crate::harness::repository;
use crate::peers;

fn source() -> PathBuf {
    repository().join("orb/src")
}

const KINDS: [&str; 4] = ["commands", "jobs", "executors", "examples"];

/// The files of one kind of component, by the components' names.
fn components(kind: &str) -> BTreeMap<String, String> {
    let directory = source().join(kind);
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The orb as one file: what `circleci orb pack` makes of it. An included script's `<<` is escaped, so that CircleCI
/// takes it for no parameter.
pub(super) fn pack() -> String {
    let mut packed = fs::read_to_string(source().join("@orb.yml")).unwrap();
    for kind in KINDS {
        let _ = writeln!(packed, "{kind}:");
        for (name, text) in components(kind) {
            let _ = writeln!(packed, "  {name}:");
            for line in text.lines() {
                let _ = writeln!(packed, "    {}", included(line));
            }
        }
    }
    packed
}

fn included(line: &str) -> String {
    let Some((before, path)) = line.split_once("<<include(") else {
        return line.to_owned();
    };
    let path = path.strip_suffix(")>>").unwrap();
    let script = fs::read_to_string(source().join(path)).unwrap();
    format!("{before}{}", Json::from(script.replace("<<", "\\<<")))
}

/// Every mapping under `run` in the steps of commands and jobs, conditional steps included.
fn runs(step: &Json, found: &mut Vec<Json>) {
    match step {
        Json::Object(map) => {
            for (key, value) in map {
                if key == "run" {
                    found.push(value.clone());
                } else {
                    runs(value, found);
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| runs(item, found)),
        _ => {}
    }
}

#[test]
fn it_packs_into_one_file_that_circleci_takes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orb.yml");
    let packed = pack();
    let orb = read(&packed);
    assert!(
        orb["commands"]["install"]["steps"][1]["run"]["command"]
            .as_str()
            .unwrap()
            .starts_with("#!/usr/bin/env bash\n"),
    );
    assert!(!packed.contains("<<include("));
    fs::write(&file, &packed).unwrap();
    Schema::CircleCi.accepts(std::slice::from_ref(&file));
    for (from, to) in [
        ("steps:", "stepz:"),
        ("type: string", "type: strin"),
        ("version: 2.1", "versoin: 2.1"),
    ] {
        assert!(packed.contains(from));
        fs::write(&file, packed.replacen(from, to, 1)).unwrap();
        Schema::CircleCi.refuses(&file);
    }
}

/// Every parameter that is used is declared, every command that is called is there and is given what it knows.
#[test]
fn its_parts_fit_together() {
    let orb = read(&pack());
    for kind in ["commands", "jobs", "executors"] {
        for (name, part) in orb[kind].as_object().unwrap() {
            let text = part.to_string();
            let declared = part["parameters"].as_object().unwrap();
            for used in text.split("<< parameters.").skip(1) {
                let (used, _) = used.split_once(" >>").unwrap();
                assert!(declared.contains_key(used), "{name} uses {used}");
            }
            for parameter in declared.keys() {
                let use_of = format!("parameters.{parameter} ");
                assert!(text.contains(&use_of), "{name} doesn't use {parameter}");
            }
        }
    }
    for (name, job) in orb["jobs"].as_object().unwrap() {
        for step in job["steps"].as_array().unwrap() {
            let Some((command, given)) = step.as_object().and_then(|step| step.iter().next())
            else {
                continue;
            };
            let Some(known) = orb["commands"].get(command) else {
                continue;
            };
            for parameter in given.as_object().unwrap().keys() {
                assert!(
                    known["parameters"].get(parameter).is_some(),
                    "{name}: {command} has no {parameter}"
                );
            }
            for (parameter, declared) in known["parameters"].as_object().unwrap() {
                let has = given.get(parameter).is_some() || declared.get("default").is_some();
                assert!(has, "{name}: {command} needs {parameter}");
            }
        }
    }
}

/// Whatever runs psk over clusters keeps the report as an artifact and the cases as test results, and whatever installs
/// it does so once for all jobs of a version.
#[test]
fn its_jobs_keep_what_they_told() {
    let orb = read(&pack());
    let has = |steps: &Json, kind: &str| {
        let steps = steps.as_array().unwrap();
        steps.iter().any(|step| step.get(kind).is_some())
    };
    for (name, job) in orb["jobs"].as_object().unwrap() {
        let runs_over_clusters = name != "seal-role";
        for kind in ["store_artifacts", "store_test_results"] {
            assert_eq!(
                has(&job["steps"], kind),
                runs_over_clusters,
                "{name}: {kind}"
            );
        }
        for step in job["steps"].as_array().unwrap() {
            for kind in ["store_artifacts", "store_test_results"] {
                if let Some(kept) = step.get(kind) {
                    assert_eq!(kept["path"], "psk-results", "{name}");
                }
            }
        }
    }
    let install = &orb["commands"]["install"]["steps"];
    let keys: Vec<String> = ["restore_cache", "save_cache"]
        .iter()
        .map(|kind| {
            let steps = install.as_array().unwrap();
            let step = steps.iter().find_map(|step| step.get(kind)).unwrap();
            let key = step.get("key").or_else(|| step["keys"].get(0));
            key.unwrap().as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(keys[0], keys[1]);
    assert!(
        keys[0].contains("parameters.version") && keys[0].contains("arch"),
        "{keys:?}"
    );
}

/// The rules of CircleCI's public orb review (orb-tools, RC001 to RC012), restated. RC006 and RC007 ask for pages that
/// answer, which a test without a network can't: they are held to be this repository's.
mod review {
    use super::*;

    fn root() -> Json {
        read(&fs::read_to_string(source().join("@orb.yml")).unwrap())
    }

    fn every(kinds: &[&str], check: impl Fn(&str, &Json)) {
        for kind in kinds {
            for (name, text) in components(kind) {
                check(&format!("{kind}/{name}"), &read(&text));
            }
        }
    }

    fn every_run(check: impl Fn(&str, &Json)) {
        every(&["commands", "jobs"], |name, part| {
            let mut found = Vec::new();
            runs(&part["steps"], &mut found);
            found.iter().for_each(|run| check(name, run));
        });
    }

    #[test]
    fn rc001_the_source_url_is_set() {
        assert!(root()["display"]["source_url"].is_string());
    }

    #[test]
    fn rc002_every_component_is_described() {
        every(&KINDS, |name, part| {
            let description = part["description"].as_str().unwrap_or_default();
            assert!(!description.trim().is_empty(), "{name}");
        });
    }

    #[test]
    fn rc003_there_is_an_example() {
        assert!(components("examples").len() >= 3);
    }

    #[test]
    fn rc004_examples_have_names_that_say_something() {
        assert!(
            components("examples")
                .keys()
                .all(|name| !name.contains("example"))
        );
    }

    #[test]
    fn rc005_the_orbs_description_is_detailed() {
        assert!(root()["description"].as_str().unwrap().len() >= 64);
    }

    #[test]
    fn rc006_and_rc007_the_urls_are_this_repositorys() {
        let repository = env!("CARGO_PKG_REPOSITORY");
        assert_eq!(root()["display"]["source_url"], repository);
        assert_eq!(root()["display"]["home_url"], repository);
    }

    #[test]
    fn rc008_every_run_step_has_a_name() {
        every_run(|place, run| {
            assert!(
                run["name"].as_str().is_some_and(|name| !name.is_empty()),
                "{place}: {run}"
            );
        });
    }

    #[test]
    fn rc009_long_commands_are_included_from_files() {
        every_run(|place, run| {
            let command = run["command"].as_str().unwrap();
            assert!(
                command.len() <= 64 || command.starts_with("<<include("),
                "{place}: {command}"
            );
        });
    }

    /// RC010 wants snake_case in names of components and parameters. Excepted are the jobs, by name, whose users know
    /// `psk/deploy-role`.
    #[test]
    fn rc010_names_are_snake_case_but_for_the_jobs() {
        let excepted = [
            "deploy-role",
            "drift-role",
            "plan-role",
            "seal-role",
            "verify-role",
        ];
        for kind in ["commands", "jobs", "executors"] {
            for (name, text) in components(kind) {
                assert!(
                    !name.contains('-') || excepted.contains(&name.as_str()),
                    "{name}"
                );
                let parameters = read(&text)["parameters"].clone();
                assert!(
                    parameters
                        .as_object()
                        .unwrap()
                        .keys()
                        .all(|name| !name.contains('-')),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn rc011_examples_show_the_current_version() {
        let version = env!("CARGO_PKG_VERSION");
        let (current, _) = version.rsplit_once('.').unwrap();
        every(&["examples"], |name, example| {
            assert_eq!(
                example["usage"]["orbs"]["psk"],
                format!("twdps/psk@{current}"),
                "{name}"
            );
        });
        for kind in ["commands", "jobs"] {
            every(&[kind], |name, part| {
                if let Some(default) = part["parameters"]["version"].get("default") {
                    assert_eq!(default, version, "{name}");
                }
            });
        }
    }

    /// RC012: a default that is an environment variable isn't expanded where a key is wanted. There are none: the names
    /// of variables are parameters of their own type.
    #[test]
    fn rc012_no_default_is_an_environment_variable() {
        every(&["commands", "jobs", "executors"], |name, part| {
            for (parameter, declared) in part["parameters"].as_object().unwrap() {
                let default = declared["default"].as_str().unwrap_or_default();
                assert!(!default.contains('$'), "{name}: {parameter}");
            }
        });
    }
}

fn scripts() -> Vec<PathBuf> {
    let mut scripts = Vec::new();
    for directory in ["orb/src/scripts", ".github/scripts"] {
        for entry in fs::read_dir(repository().join(directory)).unwrap() {
            scripts.push(entry.unwrap().path());
        }
    }
    scripts.push(repository().join(".ci/run"));
    scripts
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    let Some(programs) = peers::python("ci") else {
        return;
    };
    let check = |files: &[PathBuf]| {
        Command::new(programs.join("shellcheck"))
            .args(files)
            .output()
            .unwrap()
    };
    let output = check(&scripts());
    assert!(output.status.success(), "{}", told(&output));
    let directory = tempfile::tempdir().unwrap();
    let broken = directory.path().join("broken.sh");
    fs::write(&broken, "#!/bin/bash\nrm -rf $1/x\n").unwrap();
    assert!(!check(&[broken]).status.success());
}

#[test]
fn bats_finds_that_the_scripts_do_what_they_should() {
    let Some(modules) = peers::node() else {
        return;
    };
    let output = Command::new("bash")
        .arg(modules.join("bats/bin/bats"))
        .arg(repository().join("orb/tests"))
        .output()
        .unwrap();
    let told = told(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.starts_with("1..18\n"), "{told}");
}

/// Nothing that a script is given is ever part of its text: the parameters are environment variables.
#[test]
fn no_parameter_is_part_of_a_script() {
    for kind in ["commands", "jobs"] {
        for (name, text) in components(kind) {
            let mut found = Vec::new();
            runs(&read(&text)["steps"], &mut found);
            for run in found {
                let command = run["command"].as_str().unwrap();
                assert!(
                    command.starts_with("<<include(scripts/"),
                    "{name}: {command}"
                );
            }
        }
    }
    assert!(Path::new(&source()).join("scripts/run.sh").exists());
}
