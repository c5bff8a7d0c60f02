//! Repositories, and their refs and tags as Git objects.

use serde_json::{Value, json};

use super::state::Repository;
use super::{Request, error, users};
use crate::call::{Answer, Reply, ServiceError};
use crate::world::World;

/// Where GitHub says that a repository is.
pub(super) fn url(repository: &Repository) -> String {
    format!("https://api.github.com/repos/{}", repository.full_name())
}

/// A repository as other things show it.
pub(super) fn minimal(world: &World, repository: &Repository) -> Value {
    let html = format!("https://github.com/{}", repository.full_name());
    json!({
        "id": repository.id,
        "node_id": format!("R_{}", repository.id),
        "name": repository.name,
        "full_name": repository.full_name(),
        "owner": users::simple(&world.github, &repository.owner),
        "private": true,
        "html_url": html,
        "description": null,
        "fork": false,
        "url": url(repository),
        "default_branch": repository.default_branch,
        "visibility": "private",
        "created_at": repository.created,
        "pushed_at": repository.created,
        "updated_at": repository.created,
        "clone_url": format!("{html}.git"),
        "git_url": format!("git://github.com/{}.git", repository.full_name()),
        "ssh_url": format!("git@github.com:{}.git", repository.full_name()),
        "statuses_url": format!("{}/statuses/{{sha}}", url(repository)),
        "commits_url": format!("{}/commits{{/sha}}", url(repository)),
        "tags_url": format!("{}/tags", url(repository)),
        "releases_url": format!("{}/releases{{/id}}", url(repository)),
        "archived": false,
        "disabled": false,
    })
}

pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?.clone();
    Reply::json(&minimal(world, &repository))
}

/// `git/ref/heads/<branch>` or `git/ref/tags/<tag>`: for an annotated tag the tag's own object.
pub(super) fn reference(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?;
    let name = request.label(2);
    let (kind, sha) = object(repository, name).ok_or_else(error::not_found)?;
    Reply::json(&json!({
        "ref": format!("refs/{name}"),
        "node_id": format!("REF_{name}"),
        "url": format!("{}/git/refs/{name}", url(repository)),
        "object": {
            "type": kind,
            "sha": sha,
            "url": format!("{}/git/{kind}s/{sha}", url(repository)),
        },
    }))
}

fn object<'r>(repository: &'r Repository, name: &str) -> Option<(&'static str, &'r str)> {
    if let Some(branch) = name.strip_prefix("heads/") {
        return Some(("commit", repository.branches.get(branch)?));
    }
    let tag = repository.tags.get(name.strip_prefix("tags/")?)?;
    Some(match &tag.annotation {
        Some((sha, _)) => ("tag", sha),
        None => ("commit", &tag.commit),
    })
}

pub(super) fn tag(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?;
    let sha = request.label(2);
    let found = repository.tags.iter().find_map(|(name, tag)| {
        let (object, message) = tag.annotation.as_ref()?;
        (object == sha).then_some((name, tag, message))
    });
    let (name, tag, message) = found.ok_or_else(error::not_found)?;
    let commit = repository.commits.get(&tag.commit).ok_or_else(missing)?;
    Reply::json(&json!({
        "node_id": format!("TA_{sha}"),
        "tag": name,
        "sha": sha,
        "url": format!("{}/git/tags/{sha}", url(repository)),
        "message": message,
        "tagger": { "name": commit.author.0, "email": commit.author.1, "date": commit.date },
        "object": {
            "type": "commit",
            "sha": tag.commit,
            "url": format!("{}/git/commits/{}", url(repository), tag.commit),
        },
    }))
}

fn missing() -> ServiceError {
    ServiceError::internal(&"the tag's commit is missing")
}
