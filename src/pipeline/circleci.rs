//! The graph as a CircleCI config: what a setup pipeline is continued with.

use serde_json::{Map, Value as Json, json};

use super::generate::{Pipeline, Schedule, header};
use super::graph::{Job, Task};
use super::yaml;
use crate::inventory::Trigger;

/// The orb's name in the config.
const ORB: &str = "psk";

/// The text of the config.
pub(super) fn config(pipeline: &Pipeline) -> String {
    let mut workflows = Map::new();
    let mut release = Map::new();
    if !pipeline.schedules.is_empty() {
        release.insert("when".to_owned(), json!({ "not": scheduled() }));
    }
    release.insert("jobs".to_owned(), jobs(&pipeline.jobs, pipeline));
    workflows.insert("release".to_owned(), Json::Object(release));
    for schedule in &pipeline.schedules {
        workflows.insert(schedule.task.word().to_owned(), nightly(schedule, pipeline));
    }
    let mut config = Map::new();
    config.insert("version".to_owned(), json!(2.1));
    config.insert("orbs".to_owned(), json!({ ORB: pipeline.options.orb }));
    config.insert("workflows".to_owned(), Json::Object(workflows));
    yaml::document(&header("circleci", pipeline), &Json::Object(config))
}

/// Source: CircleCI documentation, "Pipeline values and parameters": `pipeline.trigger_source`.
fn scheduled() -> Json {
    json!({ "equal": ["scheduled_pipeline", "<< pipeline.trigger_source >>"] })
}

fn nightly(schedule: &Schedule, pipeline: &Pipeline) -> Json {
    let named = json!({ "equal": [schedule.name, "<< pipeline.schedule.name >>"] });
    json!({
        "when": { "and": [scheduled(), named] },
        "jobs": schedule
            .jobs
            .iter()
            .map(|job| invocation(job, pipeline, None))
            .collect::<Vec<_>>(),
    })
}

fn jobs(jobs: &[Job], pipeline: &Pipeline) -> Json {
    // Without filters of their own, jobs don't run for tags at all.
    let filters = match pipeline.trigger {
        Trigger::Push => {
            json!({ "branches": { "only": pipeline.options.branch }, "tags": { "ignore": "/.*/" } })
        }
        Trigger::Tag => json!({ "branches": { "ignore": "/.*/" }, "tags": { "only": "/.*/" } }),
    };
    jobs.iter()
        .map(|job| invocation(job, pipeline, Some(&filters)))
        .collect()
}

/// A job of a workflow: its kind, and what it is given.
fn invocation(job: &Job, pipeline: &Pipeline, filters: Option<&Json>) -> Json {
    let mut given = Map::new();
    let kind = match job.task {
        Task::Approve => {
            given.insert("type".to_owned(), json!("approval"));
            job.name()
        }
        task => {
            given.insert("name".to_owned(), json!(job.name()));
            given.insert("role".to_owned(), json!(job.role));
            if let Some(plan) = &job.plan {
                given.insert("plan_file".to_owned(), json!(plan));
            }
            let further = job.further_arguments();
            if !further.is_empty() {
                given.insert("args".to_owned(), json!(further.join(" ")));
            }
            if !pipeline.options.contexts.is_empty() {
                given.insert("context".to_owned(), json!(pipeline.options.contexts));
            }
            let kind = match task {
                Task::Plan | Task::Approve => "plan-role",
                Task::Deploy => "deploy-role",
                Task::Seal => "seal-role",
                Task::Verify => "verify-role",
                Task::Drift => "drift-role",
            };
            format!("{ORB}/{kind}")
        }
    };
    if !job.requires.is_empty() {
        given.insert("requires".to_owned(), json!(job.requires));
    }
    if let Some(filters) = filters {
        given.insert("filters".to_owned(), filters.clone());
    }
    json!({ kind: given })
}
