//! The graph as a GitHub Actions workflow.

use serde_json::{Map, Value as Json, json};

use super::generate::{Pipeline, header};
use super::graph::{Job, Task};
use super::yaml;
use crate::inventory::Trigger;

/// The action that checks the repository out. Source: the tag v5.0.0 of actions/checkout.
const CHECKOUT: &str = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8";
/// The action that keeps a file for other jobs. Source: the tag v4.6.2 of actions/upload-artifact.
const UPLOAD: &str = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02";
/// The action that gets it. Source: the tag v4.3.0 of actions/download-artifact.
const DOWNLOAD: &str = "actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093";

/// The text of the workflow.
pub(super) fn workflow(pipeline: &Pipeline) -> String {
    let mut on = Map::new();
    let push = match pipeline.trigger {
        Trigger::Push => json!({ "branches": [pipeline.options.branch] }),
        Trigger::Tag => json!({ "tags": ["**"] }),
    };
    on.insert("push".to_owned(), push);
    let crons: Vec<Json> = pipeline
        .schedules
        .iter()
        .map(|schedule| json!({ "cron": schedule.cron }))
        .collect();
    if !crons.is_empty() {
        on.insert("schedule".to_owned(), json!(crons));
    }
    let mut jobs = Map::new();
    let released = (!crons.is_empty()).then(|| "github.event_name != 'schedule'".to_owned());
    for job in &pipeline.jobs {
        jobs.insert(id(job), body(job, pipeline, released.clone()));
    }
    for schedule in &pipeline.schedules {
        // A cron expression holds no quote, so it can't leave this string.
        let when = format!("github.event.schedule == '{}'", schedule.cron);
        for job in &schedule.jobs {
            jobs.insert(id(job), body(job, pipeline, Some(when.clone())));
        }
    }
    let workflow = json!({
        "name": literal(&format!("{} on {}", pipeline.name, pipeline.trigger)),
        "on": on,
        // A job gets what it is given here and nothing else: the token that AWS trusts, and statuses.
        "permissions": { "contents": "read", "id-token": "write", "statuses": "write" },
        "jobs": jobs,
    });
    yaml::document(&header("github", pipeline), &workflow)
}

/// A job's id: its name without blanks.
fn id(job: &Job) -> String {
    job.name().replace(' ', "-")
}

/// A text in which GitHub finds no expression.
fn literal(text: &str) -> String {
    text.replace("${{", "$ {{")
}

fn body(job: &Job, pipeline: &Pipeline, when: Option<String>) -> Json {
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(job.name()));
    if !job.requires.is_empty() {
        let needs: Vec<String> = job
            .requires
            .iter()
            .map(|name| name.replace(' ', "-"))
            .collect();
        body.insert("needs".to_owned(), json!(needs));
    }
    if let Some(when) = when {
        body.insert("if".to_owned(), json!(when));
    }
    body.insert("runs-on".to_owned(), json!(pipeline.options.runner));
    let Some(command) = job.command() else {
        // Whoever the environment names as a reviewer has to approve before the job starts.
        body.insert("environment".to_owned(), json!(job.role));
        body.insert("timeout-minutes".to_owned(), json!(5));
        let say = json!({ "name": "Approved", "run": "echo approved" });
        body.insert("steps".to_owned(), json!([say]));
        return Json::Object(body);
    };
    body.insert("timeout-minutes".to_owned(), json!(360));
    if matches!(job.task, Task::Deploy | Task::Seal) {
        // One release at a time: the next waits for its turn, and none is cut short.
        let group = format!("psk-{}", job.name().replace(' ', "-"));
        body.insert(
            "concurrency".to_owned(),
            json!({ "group": group, "cancel-in-progress": false }),
        );
    }
    let mut with = Map::new();
    with.insert("command".to_owned(), json!(command));
    with.insert("role".to_owned(), json!(job.role));
    let further = job.further_arguments();
    if !further.is_empty() {
        with.insert("args".to_owned(), json!(further.join(" ")));
    }
    if let Some(plan) = &job.plan {
        with.insert("plan-file".to_owned(), json!(plan));
    }
    for (input, value) in [
        ("aws-role-arn", "${{ vars.PSK_AWS_ROLE_ARN }}"),
        ("connect-host", "${{ vars.OP_CONNECT_HOST }}"),
        ("connect-token", "${{ secrets.OP_CONNECT_TOKEN }}"),
    ] {
        with.insert(input.to_owned(), json!(value));
    }
    let mut steps = vec![
        json!({ "name": "Check out", "uses": CHECKOUT }),
        json!({ "name": job.name(), "uses": pipeline.options.action, "with": with }),
    ];
    if let Some(plan) = &job.plan {
        let (directory, _) = plan.rsplit_once('/').unwrap_or((".", plan));
        let name = format!("plan-{}", job.role);
        if job.task == Task::Plan {
            let kept = json!({ "name": name, "path": plan, "if-no-files-found": "error" });
            steps.push(json!({ "name": "Keep the plan", "uses": UPLOAD, "with": kept }));
        } else {
            let wanted = json!({ "name": name, "path": directory });
            let get = json!({ "name": "Get the plan", "uses": DOWNLOAD, "with": wanted });
            steps.insert(1, get);
        }
    }
    body.insert("steps".to_owned(), json!(steps));
    Json::Object(body)
}
