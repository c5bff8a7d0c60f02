//! The pipelines that psk generates are what CircleCI and GitHub take.

use std::fs;
use std::path::Path;

use psk::inventory::{Inventory, Trigger};
use psk::pipeline::graph::{self, Broken};
use psk::pipeline::{Ci, Options, Per, Pipeline};

use super::yaml::read;
use super::{Schema, actionlint, told};
use crate::harness::{Files, psk, repository};

/// What CircleCI checks beyond its schema: that the jobs of each workflow can be run.
fn runnable(config: &Path) -> Result<(), Broken> {
    let config = read(&fs::read_to_string(config).unwrap());
    for workflow in config["workflows"].as_object().unwrap().values() {
        let jobs = workflow["jobs"].as_array().unwrap();
        graph::check(jobs.iter().map(|job| {
            let (kind, given) = job.as_object().unwrap().iter().next().unwrap();
            let name = given["name"].as_str().unwrap_or(kind);
            let requires = given["requires"].as_array().map_or(&[][..], Vec::as_slice);
            (name, requires.iter().map(|r| r.as_str().unwrap()).collect())
        }))?;
    }
    Ok(())
}

fn options(per: Per) -> Options {
    Options {
        per,
        schedule: true,
        orb: "twdps/psk@0.1.0".to_owned(),
        contexts: vec!["empc-lab".to_owned()],
        action: "ThoughtWorks-DPS/psk@v0.1.0".to_owned(),
        runner: "ubuntu-24.04".to_owned(),
        branch: "main".to_owned(),
    }
}

#[test]
fn they_validate_and_broken_ones_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let inventory = Inventory::load(repository()).unwrap();
    let (mut configs, mut workflows) = (Vec::new(), Vec::new());
    for trigger in [Trigger::Push, Trigger::Tag] {
        for (cut, per) in [
            ("role", Per::Role),
            ("cluster", Per::Cluster),
            ("shard", Per::Shards(3)),
        ] {
            let pipeline = Pipeline::new(&inventory, trigger, options(per));
            let write = |name: &str, ci| {
                let file = directory.path().join(format!("{name}-{trigger}-{cut}.yml"));
                fs::write(&file, pipeline.text(ci)).unwrap();
                file
            };
            let config = write("circleci", Ci::Circleci);
            runnable(&config).unwrap();
            configs.push(config);
            workflows.push(write("github", Ci::Github));
        }
    }
    Schema::CircleCi.accepts(&configs);
    Schema::Workflow.accepts(&workflows);
    if let Some(output) = actionlint(&workflows) {
        assert!(output.status.success(), "{}", told(&output));
    }
    let broken = |from: &str, to: &str, name: &str| {
        let text = fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(text.contains(from), "{text}");
        let file = directory.path().join("broken.yml");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        file
    };
    for (from, to) in [
        ("branches:", "branchs:"),
        ("requires: [deploy qa]", "requires: deploy qa"),
    ] {
        Schema::CircleCi.refuses(&broken(from, to, "circleci-tag-role.yml"));
    }
    Schema::Workflow.refuses(&broken("runs-on:", "run-on:", "github-tag-role.yml"));
    let missing = broken(
        "requires: [deploy qa]",
        "requires: [deploy qq]",
        "circleci-tag-role.yml",
    );
    assert!(matches!(runnable(&missing), Err(Broken::Missing { .. })));
    let cycle = broken(
        "role: qa\n",
        "role: qa\n          requires: [deploy preview]\n",
        "circleci-tag-role.yml",
    );
    assert!(matches!(runnable(&cycle), Err(Broken::Cycle(_))));
    // A requirement that isn't there, and two jobs that wait for each other.
    for (from, to) in [
        ("needs: [deploy-qa]", "needs: [deploy-qq]"),
        (
            "name: deploy qa\n",
            "name: deploy qa\n    needs: [deploy-preview]\n",
        ),
    ] {
        if let Some(output) = actionlint(&[broken(from, to, "github-tag-role.yml")]) {
            assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        }
    }
}

/// What a generated job gives to the orb's job, or to the action, is what that takes.
#[test]
fn they_give_the_orb_and_the_action_what_these_take() {
    let orb = read(&super::orb::pack());
    let action = read(&fs::read_to_string(repository().join("action.yml")).unwrap());
    let inventory = Inventory::load(repository()).unwrap();
    for per in [Per::Role, Per::Cluster, Per::Shards(2)] {
        for trigger in [Trigger::Push, Trigger::Tag] {
            let pipeline = Pipeline::new(&inventory, trigger, options(per));
            let config = read(&pipeline.text(Ci::Circleci));
            let workflows = config["workflows"].as_object().unwrap().values();
            let jobs = workflows.flat_map(|workflow| workflow["jobs"].as_array().unwrap());
            for job in jobs {
                let (kind, given) = job.as_object().unwrap().iter().next().unwrap();
                let Some(kind) = kind.strip_prefix("psk/") else {
                    assert_eq!(given["type"], "approval");
                    continue;
                };
                let known = orb["jobs"][kind]["parameters"].as_object().unwrap();
                for name in given.as_object().unwrap().keys() {
                    let of_circleci = ["name", "requires", "filters", "context"];
                    assert!(
                        known.contains_key(name) || of_circleci.contains(&name.as_str()),
                        "{kind} takes no {name}"
                    );
                }
            }
            let workflow = read(&pipeline.text(Ci::Github));
            let jobs = workflow["jobs"].as_object().unwrap().values();
            let steps = jobs.flat_map(|job| job["steps"].as_array().unwrap());
            for step in steps.filter(|step| step["uses"] == pipeline.options.action) {
                for name in step["with"].as_object().unwrap().keys() {
                    assert!(action["inputs"].get(name).is_some(), "no input {name}");
                }
            }
        }
    }
}

#[test]
fn what_was_generated_is_compared() {
    let files = Files::small();
    let generate = |more: [&'static str; 1]| {
        psk(["pipeline", "generate", "--ci", "github", "--on", "tag"])
            .arg(more[0])
            .at(&files)
            .run()
    };
    let missing = generate(["--check"]);
    assert_eq!(missing.code, Some(20), "{}", missing.stderr);
    generate(["--out=.github/workflows/psk-tag.yml"]).ended(0);
    assert_eq!(
        generate(["--check"]).ended(0).stdout,
        "1 file as generated\n"
    );
    let files = files.replace(
        "roles/prod.yaml",
        "after: [qa]",
        "after: [qa]\napproval: required",
    );
    let stale = psk([
        "pipeline", "generate", "--ci", "github", "--on", "tag", "--check",
    ])
    .at(&files)
    .run();
    assert_eq!(stale.code, Some(20));
    let told = psk(["pipeline", "generate", "--ci", "github", "--on", "push"])
        .at(&files)
        .run()
        .refused(2);
    assert!(told.contains("no role is started by a push"), "{told}");
    let told = psk(["pipeline", "generate"]).run().refused(2);
    assert!(told.contains("--ci <CI>"), "{told}");
}

#[test]
fn a_part_of_a_role_is_run_over_by_itself() {
    let names = |shard: &str| -> Vec<String> {
        let run = psk([
            "fanout",
            "--role",
            "nonprod",
            "--dry-run",
            "--lab",
            "--output",
            "json",
            "--shard",
            shard,
        ])
        .run()
        .ended(0);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let clusters = report["clusters"].as_array().unwrap();
        clusters
            .iter()
            .map(|cluster| cluster["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut together: Vec<String> = ["1/3", "2/3", "3/3"]
        .iter()
        .flat_map(|shard| names(shard))
        .collect();
    together.sort();
    together.dedup();
    assert_eq!(together.len(), 6);
    let told = psk([
        "fanout",
        "--role",
        "sandbox",
        "--dry-run",
        "--lab",
        "--shard",
        "2/2",
    ])
    .run()
    .refused(2);
    assert!(
        told.contains("part 2/2 of sandbox has no clusters: the role has 1"),
        "{told}"
    );
    let told = psk(["fanout", "--role", "sandbox", "--dry-run", "--shard", "3/2"])
        .run()
        .refused(2);
    assert!(told.contains("there is no part 3 of 2"), "{told}");
}
