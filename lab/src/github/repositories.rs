//! Repositories, and their refs and tags as Git objects.

use serde_json::{Value, json};

use super::state::Repository;
use super::{API, Request, error, users};
use crate::call::{Answer, Reply, ServiceError};
use crate::world::World;

/// Where GitHub says that a repository is.
pub(super) fn url(repository: &Repository) -> String {
    format!("{API}/repos/{}", repository.full_name())
}

/// What a repository has, and where it is found under the repository's URL, as a URI template.
const LINKS: [(&str, &str); 36] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// A repository as other things show it.
pub(super) fn minimal(world: &World, repository: &Repository) -> Value {
    let mut shown = json!({
        "id": repository.id,
        "node_id": format!("R_{}", repository.id),
        "name": repository.name,
        "full_name": repository.full_name(),
        "owner": users::simple(&world.github, &repository.owner),
        "private": true,
        "html_url": html_url(repository),
        "description": null,
        "fork": false,
        "url": url(repository),
    });
    for (name, place) in LINKS {
        shown[name] = format!("{}{place}", url(repository)).into();
    }
    shown
}

fn html_url(repository: &Repository) -> String {
    format!("https://github.com/{}", repository.full_name())
}

/// A repository by itself: nobody has done anything with it but commit.
fn full(world: &World, repository: &Repository) -> Value {
    let html = html_url(repository);
    let mut shown = minimal(world, repository);
    let more = json!({
        "default_branch": repository.default_branch,
        "visibility": "private",
        "created_at": repository.created,
        "pushed_at": repository.created,
        "updated_at": repository.created,
        "clone_url": format!("{html}.git"),
        "git_url": format!("git://github.com/{}.git", repository.full_name()),
        "ssh_url": format!("git@github.com:{}.git", repository.full_name()),
        "svn_url": html,
        "mirror_url": null,
        "homepage": null,
        "language": null,
        "license": null,
        "archived": false,
        "disabled": false,
        "has_issues": true,
        "has_projects": true,
        "has_wiki": true,
        "has_pages": false,
        "has_discussions": false,
        "forks": 0,
        "forks_count": 0,
        "network_count": 0,
        "open_issues": 0,
        "open_issues_count": 0,
        "size": 0,
        "stargazers_count": 0,
        "subscribers_count": 0,
        "watchers": 0,
        "watchers_count": 0,
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    shown
}

pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?.clone();
    Reply::json(&full(world, &repository))
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
