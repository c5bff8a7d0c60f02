//! Releases, and what is between two commits.

use std::collections::BTreeSet;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{GitHub, Release, Repository, Tag, TokenKind};
use super::{Request, commits, error, page, repositories, users};
use crate::call::{Answer, Reply, ServiceError};
use crate::world::World;

/// Longest notes, in characters.
const LONGEST_BODY: usize = 125_000;

fn view(github: &GitHub, repository: &Repository, release: &Release) -> Value {
    let url = repositories::url(repository);
    let html = format!("https://github.com/{}", repository.full_name());
    let (id, tag) = (release.id, &release.tag);
    json!({
        "id": id,
        "node_id": format!("RE_{id}"),
        "url": format!("{url}/releases/{id}"),
        "html_url": format!("{html}/releases/tag/{tag}"),
        "assets_url": format!("{url}/releases/{id}/assets"),
        "upload_url": format!("{url}/releases/{id}/assets{{?name,label}}"),
        "tarball_url": format!("{url}/tarball/{tag}"),
        "zipball_url": format!("{url}/zipball/{tag}"),
        "tag_name": tag,
        "target_commitish": release.target,
        "name": release.name,
        "body": release.body,
        "draft": release.draft,
        "prerelease": release.prerelease,
        "immutable": false,
        "created_at": release.created,
        "published_at": if release.draft { Value::Null } else { json!(release.created) },
        "author": users::simple(github, &release.author),
        "assets": [],
    })
}

/// Drafts are seen by those who may write, which every token of the lab may that may release.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let (github, repository) = seen(world, request)?;
    let mut releases: Vec<&Release> = repository.releases.iter().collect();
    releases.sort_by_key(|release| std::cmp::Reverse((release.created, release.id)));
    let mut page = page::cut(request.call, releases);
    let shown: Vec<Value> = page
        .items
        .drain(..)
        .map(|release| view(github, repository, release))
        .collect();
    page.reply(&shown)
}

pub(super) fn by_tag(world: &mut World, request: &Request<'_>) -> Answer {
    let (github, repository) = seen(world, request)?;
    let found = repository
        .releases
        .iter()
        .find(|release| release.tag == request.label(2) && !release.draft);
    let found = found.ok_or_else(error::not_found)?;
    Reply::json(&view(github, repository, found))
}

#[derive(Deserialize)]
struct Body {
    tag_name: Option<String>,
    target_commitish: Option<String>,
    name: Option<String>,
    body: Option<String>,
    draft: Option<bool>,
    prerelease: Option<bool>,
}

impl Body {
    fn read(request: &Request<'_>) -> Result<Self, ServiceError> {
        let body: Self = request.body()?;
        let length = body.body.as_ref().map_or(0, |text| text.chars().count());
        if length > LONGEST_BODY {
            let message = format!("body is too long (maximum is {LONGEST_BODY} characters)");
            return Err(error::validation("Release", Some("body"), &message));
        }
        Ok(body)
    }
}

pub(super) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let login = writer(request)?;
    let given = Body::read(request)?;
    let id = world.github.next_id();
    let repository = request.repository(world)?;
    let tag = given.tag_name.filter(|tag| !tag.is_empty());
    let tag = tag
        .ok_or_else(|| error::validation("Release", Some("tag_name"), "tag_name can't be blank"))?;
    if repository.releases.iter().any(|release| release.tag == tag) {
        return Err(error::already_exists("Release", "tag_name"));
    }
    let target = given
        .target_commitish
        .unwrap_or_else(|| repository.default_branch.clone());
    let draft = given.draft.unwrap_or_default();
    if !repository.tags.contains_key(&tag) && !draft {
        // GitHub makes the tag where the release says.
        let (sha, _) = commits::find(repository, &target)
            .map_err(|_| error::validation("Release", Some("target_commitish"), "is invalid"))?;
        let commit = sha.to_owned();
        repository.tags.insert(
            tag.clone(),
            Tag {
                commit,
                annotation: None,
            },
        );
    }
    let release = Release {
        id,
        tag,
        target,
        name: given.name,
        body: given.body,
        draft,
        prerelease: given.prerelease.unwrap_or_default(),
        author: login,
        created: request.call.now,
    };
    repository.releases.push(release);
    let (github, repository) = seen(world, request)?;
    let release = repository.releases.last().ok_or_else(error::not_found)?;
    let mut reply = Reply::json(&view(github, repository, release))?;
    reply.status = StatusCode::CREATED;
    Ok(reply)
}

pub(super) fn update(world: &mut World, request: &Request<'_>) -> Answer {
    writer(request)?;
    let given = Body::read(request)?;
    let repository = request.repository(world)?;
    let id = request.label(2);
    let found = repository
        .releases
        .iter()
        .position(|release| release.id.to_string() == id)
        .ok_or_else(error::not_found)?;
    let taken = |tag: &String| {
        let mut others = repository.releases.iter().enumerate();
        others.any(|(place, release)| place != found && release.tag == *tag)
    };
    if given.tag_name.as_ref().is_some_and(taken) {
        return Err(error::already_exists("Release", "tag_name"));
    }
    if let Some(release) = repository.releases.get_mut(found) {
        release.tag = given.tag_name.unwrap_or_else(|| release.tag.clone());
        release.target = given
            .target_commitish
            .unwrap_or_else(|| release.target.clone());
        release.name = given.name.or_else(|| release.name.clone());
        release.body = given.body.or_else(|| release.body.clone());
        release.draft = given.draft.unwrap_or(release.draft);
        release.prerelease = given.prerelease.unwrap_or(release.prerelease);
    }
    let (github, repository) = seen(world, request)?;
    let release = repository.releases.get(found);
    let release = release.ok_or_else(error::not_found)?;
    Reply::json(&view(github, repository, release))
}

/// The repository, and GitHub with the accounts of those that are shown.
fn seen<'w>(
    world: &'w mut World,
    request: &Request<'_>,
) -> Result<(&'w GitHub, &'w Repository), ServiceError> {
    request.repository(world)?;
    let github = &world.github;
    let repository = github.repository(request.label(0), request.label(1));
    Ok((github, repository.ok_or_else(error::not_found)?))
}

/// The login of a caller that may write contents.
fn writer(request: &Request<'_>) -> Result<String, ServiceError> {
    let token = request.caller.ok_or_else(error::not_found)?;
    match token.writes_contents {
        true => Ok(token.login.clone()),
        false => Err(error::not_accessible(match token.kind {
            TokenKind::Personal => "personal access token",
            TokenKind::Installation => "integration",
        })),
    }
}

/// What the second of two commits (`BASE...HEAD`) has and the first hasn't, the oldest first.
pub(super) fn compare(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?;
    let (base, head) = request
        .label(2)
        .split_once("...")
        .ok_or_else(error::not_found)?;
    let resolve = |name| commits::find(repository, name).map_err(|_| error::not_found());
    let ((base, base_commit), (head, _)) = (resolve(base)?, resolve(head)?);
    let (of_base, of_head) = (history(repository, base), history(repository, head));
    let mut ahead: Vec<&str> = of_head.difference(&of_base).copied().collect();
    let behind = of_base.difference(&of_head).count();
    ahead.sort_by_key(|sha| repository.commits.get(*sha).map(|commit| commit.date));
    let status = match (ahead.len(), behind) {
        (0, 0) => "identical",
        (0, _) => "behind",
        (_, 0) => "ahead",
        _ => "diverged",
    };
    let total = ahead.len();
    // The best commit that both have: the latest.
    let both = of_head.intersection(&of_base).copied();
    let both = both.filter_map(|sha| Some((sha, repository.commits.get(sha)?)));
    let merge_base = both.max_by_key(|(_, commit)| commit.date);
    // GitHub finds nothing to compare where the histories have nothing in common.
    let (merge_base, merge_commit) = merge_base.ok_or_else(error::not_found)?;
    let url = format!("{}/compare/{base}...{head}", repositories::url(repository));
    let html = format!("https://github.com/{}/compare", repository.full_name());
    let range = format!("{html}/{}", request.label(2));
    let mut page = page::cut(request.call, ahead);
    let shown: Vec<Value> = page
        .items
        .drain(..)
        .filter_map(|sha| Some(commits::view(repository, sha, repository.commits.get(sha)?)))
        .collect();
    let body = json!({
        "url": url,
        "html_url": range,
        "permalink_url": format!("{html}/{}:{}...{}:{}", repository.owner, short(base), repository.owner, short(head)),
        "diff_url": format!("{range}.diff"),
        "patch_url": format!("{range}.patch"),
        "merge_base_commit": commits::view(repository, merge_base, merge_commit),
        "status": status,
        "ahead_by": total,
        "behind_by": behind,
        "total_commits": total,
        "base_commit": commits::view(repository, base, base_commit),
        "commits": shown,
        "files": [],
    });
    page.reply(&body)
}

/// A commit's SHA as permanent links have it.
fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

/// A commit and all that it follows.
fn history<'r>(repository: &'r Repository, sha: &'r str) -> BTreeSet<&'r str> {
    let (mut left, mut seen) = (vec![sha], BTreeSet::new());
    while let Some(sha) = left.pop() {
        if let Some((sha, commit)) = repository.commits.get_key_value(sha)
            && seen.insert(sha.as_str())
        {
            left.extend(commit.parents.iter().map(String::as_str));
        }
    }
    seen
}
