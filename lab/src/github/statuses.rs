//! Commit statuses. Source: GitHub docs, "REST API endpoints for commit statuses".

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{Repository, Status, StatusState, TokenKind};
use super::{Request, commits, error, page, repositories, users};
use crate::call::{Answer, Reply, ServiceError};
use crate::world::World;

/// The most characters of a description.
const DESCRIPTION: usize = 140;
/// The most characters of a context.
const CONTEXT: usize = 255;
/// The most statuses of one commit and context.
const MOST: usize = 1000;

/// The context of a status that names none.
const DEFAULT_CONTEXT: &str = "default";

#[derive(Deserialize)]
struct NewStatus {
    state: String,
    target_url: Option<String>,
    description: Option<String>,
    context: Option<String>,
}

pub(super) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    request.repository(world)?;
    let Some(caller) = request.caller else {
        return Err(error::not_found());
    };
    if !caller.writes_statuses {
        return Err(error::not_accessible(match caller.kind {
            TokenKind::Personal => "personal access token",
            TokenKind::Installation => "integration",
        }));
    }
    let asked: NewStatus = request.body()?;
    let id = world.github.next_id();
    let repository = request.repository(world)?;
    let status = check(repository, request, asked, caller.login.clone(), id)?;
    repository.statuses.push(status.clone());
    let repository = repository.clone();
    let reply = Reply::json(&view(world, &repository, &status))?;
    Ok(Reply {
        status: StatusCode::CREATED,
        ..reply
    })
}

fn check(
    repository: &Repository,
    request: &Request<'_>,
    asked: NewStatus,
    creator: String,
    id: u64,
) -> Result<Status, ServiceError> {
    let invalid = |field: &str, message: &str| error::validation("Status", Some(field), message);
    let sha = request.label(2).to_ascii_lowercase();
    if !repository.commits.contains_key(&sha) {
        return Err(error::no_commit(request.label(2)));
    }
    let state = match asked.state.as_str() {
        "error" => StatusState::Error,
        "failure" => StatusState::Failure,
        "pending" => StatusState::Pending,
        "success" => StatusState::Success,
        _ => return Err(invalid("state", "state is not included in the list")),
    };
    let longer = |text: &Option<String>, most| {
        text.as_ref()
            .is_some_and(|text| text.chars().count() > most)
    };
    if longer(&asked.description, DESCRIPTION) {
        return Err(invalid(
            "description",
            "description is too long (maximum is 140 characters)",
        ));
    }
    if longer(&asked.context, CONTEXT) {
        return Err(invalid(
            "context",
            "context is too long (maximum is 255 characters)",
        ));
    }
    let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    if asked.target_url.as_ref().is_some_and(|url| !is_web(url)) {
        return Err(invalid("target_url", "target_url must use http(s) scheme"));
    }
    let context = asked
        .context
        .filter(|context| !context.is_empty())
        .unwrap_or_else(|| DEFAULT_CONTEXT.to_owned());
    let same = |status: &&Status| status.sha == sha && status.context == context;
    if repository.statuses.iter().filter(same).count() >= MOST {
        let message = "This SHA and context has reached the maximum number of statuses.";
        return Err(error::validation("Status", None, message));
    }
    Ok(Status {
        id,
        sha,
        context,
        state,
        description: asked.description,
        target_url: asked.target_url,
        creator,
        created: request.call.now,
    })
}

/// The latest first.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?.clone();
    let (sha, _) = commits::find(&repository, request.label(2))?;
    let of_commit = repository
        .statuses
        .iter()
        .rev()
        .filter(|status| status.sha == sha);
    let page = page::cut(request.call, of_commit.collect());
    let shown: Vec<Value> = page
        .items
        .iter()
        .map(|status| view(world, &repository, status))
        .collect();
    page.reply(&shown)
}

/// The latest of each context, and what they amount to. Here no status tells who made it.
pub(super) fn combined(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?.clone();
    let (sha, _) = commits::find(&repository, request.label(2))?;
    let mut latest: Vec<&Status> = Vec::new();
    for status in repository
        .statuses
        .iter()
        .rev()
        .filter(|status| status.sha == sha)
    {
        if !latest.iter().any(|known| known.context == status.context) {
            latest.push(status);
        }
    }
    let any = |states: &[StatusState]| latest.iter().any(|status| states.contains(&status.state));
    let state = if any(&[StatusState::Error, StatusState::Failure]) {
        StatusState::Failure
    } else if latest.is_empty() || any(&[StatusState::Pending]) {
        StatusState::Pending
    } else {
        StatusState::Success
    };
    let total = latest.len();
    let page = page::cut(request.call, latest);
    let shown: Vec<Value> = page
        .items
        .iter()
        .map(|status| simple(&repository, status))
        .collect();
    let url = repositories::url(&repository);
    let body = json!({
        "state": state,
        "statuses": shown,
        "sha": sha,
        "total_count": total,
        "repository": repositories::minimal(world, &repository),
        "commit_url": format!("{url}/commits/{sha}"),
        "url": format!("{url}/commits/{sha}/status"),
    });
    page.reply(&body)
}

fn simple(repository: &Repository, status: &Status) -> Value {
    json!({
        "url": format!("{}/statuses/{}", repositories::url(repository), status.sha),
        "avatar_url": null,
        "id": status.id,
        "node_id": format!("SC_{}", status.id),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        // To the second, as all of GitHub's times are.
        "created_at": seconds(status),
        "updated_at": seconds(status),
    })
}

fn seconds(status: &Status) -> String {
    status.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn view(world: &World, repository: &Repository, status: &Status) -> Value {
    let mut view = simple(repository, status);
    if let Some(view) = view.as_object_mut() {
        view.insert(
            "creator".to_owned(),
            users::simple(&world.github, &status.creator),
        );
    }
    view
}
