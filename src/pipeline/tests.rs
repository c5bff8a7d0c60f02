//! One engine: what is written for either CI system is read back, and is the same graph.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value as Json;

use super::go::read_yaml;
use super::graph::{Edges, check};
use super::*;
use crate::inventory::{Inventory, Trigger};

fn shipped() -> Inventory {
    Inventory::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
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

fn read(text: &str) -> Json {
    serde_json::to_value(read_yaml(text).unwrap()).unwrap()
}

/// The edges of every workflow of a CircleCI config, by the workflow's name.
fn circleci_edges(text: &str) -> BTreeMap<String, Edges> {
    let config = read(text);
    let workflows = config["workflows"].as_object().unwrap();
    workflows
        .iter()
        .map(|(name, workflow)| {
            let edges = workflow["jobs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|job| {
                    let (kind, given) = job.as_object().unwrap().iter().next().unwrap();
                    let name = given["name"].as_str().unwrap_or(kind).to_owned();
                    (name, words(&given["requires"]))
                })
                .collect();
            (name.clone(), edges)
        })
        .collect()
}

/// The edges of a GitHub workflow, by what starts the jobs.
fn github_edges(text: &str) -> BTreeMap<String, Edges> {
    let workflow = read(text);
    let jobs = workflow["jobs"].as_object().unwrap();
    let names: BTreeMap<&str, &str> = jobs
        .iter()
        .map(|(id, job)| (id.as_str(), job["name"].as_str().unwrap()))
        .collect();
    let mut edges: BTreeMap<String, Edges> = BTreeMap::new();
    for job in jobs.values() {
        let name = job["name"].as_str().unwrap();
        let needs = words(&job["needs"])
            .iter()
            .map(|id| names[id.as_str()].to_owned())
            .collect();
        let workflow = match (job["if"].as_str().unwrap(), name) {
            ("github.event_name != 'schedule'", _) => "release",
            (_, name) => name.split(' ').next().unwrap(),
        };
        edges
            .entry(workflow.to_owned())
            .or_default()
            .insert(name.to_owned(), needs);
    }
    edges
}

fn words(list: &Json) -> BTreeSet<String> {
    let items = list.as_array().cloned().unwrap_or_default();
    items
        .iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn both_systems_are_given_the_same_graph() {
    let inventory = shipped();
    for per in [Per::Role, Per::Cluster, Per::Shards(3)] {
        for trigger in [Trigger::Push, Trigger::Tag] {
            let pipeline = Pipeline::new(&inventory, trigger, options(per));
            let circleci = circleci_edges(&pipeline.text(Ci::Circleci));
            let github = github_edges(&pipeline.text(Ci::Github));
            assert_eq!(circleci, github);
            assert_eq!(circleci.len(), 3, "release, verify and drift");
            for role in inventory.roles() {
                let of_role = |edges: &Edges| -> Edges {
                    edges
                        .iter()
                        .filter(|(name, _)| {
                            name.split(' ').any(|word| word.starts_with(&role.name))
                        })
                        .map(|(name, requires)| (name.clone(), requires.clone()))
                        .collect()
                };
                let expected = usize::from(role.trigger == trigger);
                assert!(
                    of_role(&circleci["release"]).len() >= expected,
                    "{}",
                    role.name
                );
                assert_eq!(of_role(&circleci["release"]), of_role(&github["release"]));
            }
            for edges in circleci.values() {
                let jobs = edges.iter().map(|(name, requires)| {
                    (name.as_str(), requires.iter().map(String::as_str).collect())
                });
                check(jobs).unwrap();
            }
        }
    }
}

#[test]
fn a_tags_pipelines() {
    let mut options = options(Per::Role);
    let pipeline = |options: &Options| Pipeline::new(&shipped(), Trigger::Tag, options.clone());
    insta::assert_snapshot!("circleci-tag", pipeline(&options).text(Ci::Circleci));
    insta::assert_snapshot!("github-tag", pipeline(&options).text(Ci::Github));
    options.schedule = false;
    options.per = Per::Shards(3);
    let text = pipeline(&options).text(Ci::Circleci);
    assert!(!text.contains("when:"), "{text}");
    assert!(text.contains("args: \"--shard 2/3\""), "{text}");
}

/// Whatever an inventory is called, its name is a string in the pipeline and nothing else.
#[test]
fn hostile_names_stay_names() {
    for name in [
        "x\"\n- run: echo owned",
        "${{ secrets.TOKEN }}",
        "<< pipeline.parameters.evil >>",
        "$(touch owned)",
        "::set-output name=x::y",
        "it's: [a, {b}] # & * ! | > % @ `",
        "\u{202e}evil\u{0}\u{1b}[31m",
    ] {
        let mut pipeline = Pipeline::new(&shipped(), Trigger::Tag, options(Per::Role));
        name.clone_into(&mut pipeline.name);
        let config = read(&pipeline.text(Ci::Github));
        let told = config["name"].as_str().unwrap();
        assert_eq!(told, format!("{} on tag", name.replace("${{", "$ {{")));
        assert!(!told.contains("${{"), "{told}");
        let jobs = config["jobs"].as_object().unwrap();
        assert_eq!(jobs.len(), 9 + 12);
        read(&pipeline.text(Ci::Circleci));
    }
}
