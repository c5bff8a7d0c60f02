//! Commits.

use http::HeaderMap;
use serde_json::{Value, json};

use super::state::{Commit, Repository};
use super::{Request, error, page, repositories};
use crate::call::{Answer, Reply, ServiceError};
use crate::world::World;

/// The media type by which a commit's SHA alone is asked for.
const SHA_ONLY: &str = "application/vnd.github.sha";

pub(super) fn view(repository: &Repository, sha: &str, commit: &Commit) -> Value {
    let url = repositories::url(repository);
    let html = format!("https://github.com/{}", repository.full_name());
    let person = json!({ "name": commit.author.0, "email": commit.author.1, "date": commit.date });
    let parents: Vec<Value> = commit
        .parents
        .iter()
        .map(|parent| {
            json!({
                "sha": parent,
                "url": format!("{url}/commits/{parent}"),
                "html_url": format!("{html}/commit/{parent}"),
            })
        })
        .collect();
    json!({
        "sha": sha,
        "node_id": format!("C_{sha}"),
        "url": format!("{url}/commits/{sha}"),
        "html_url": format!("{html}/commit/{sha}"),
        "comments_url": format!("{url}/commits/{sha}/comments"),
        "commit": {
            "author": person,
            "committer": person,
            "message": commit.message,
            "tree": { "sha": sha, "url": format!("{url}/git/trees/{sha}") },
            "url": format!("{url}/git/commits/{sha}"),
            "comment_count": 0,
        },
        "author": null,
        "committer": null,
        "parents": parents,
    })
}

/// The commit that a request's third label means.
///
/// # Errors
/// 404 for a branch or tag that isn't there, 422 for a SHA that isn't.
pub(super) fn find<'r>(
    repository: &'r Repository,
    reference: &str,
) -> Result<(&'r str, &'r Commit), ServiceError> {
    let sha = repository.resolve(reference).ok_or_else(|| {
        if reference.starts_with("heads/") || reference.starts_with("tags/") {
            error::not_found()
        } else {
            error::no_commit(reference)
        }
    })?;
    let (sha, commit) = repository
        .commits
        .get_key_value(sha)
        .ok_or_else(|| error::no_commit(sha))?;
    Ok((sha, commit))
}

pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?;
    let (sha, commit) = find(repository, request.label(2))?;
    if request.call.header("accept") == Some(SHA_ONLY) {
        return Ok(Reply {
            status: http::StatusCode::OK,
            content_type: SHA_ONLY,
            headers: HeaderMap::new(),
            body: sha.as_bytes().to_vec(),
        });
    }
    Reply::json(&view(repository, sha, commit))
}

/// The commits that a branch, tag or commit (`sha`) is made of, the latest first.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let repository = request.repository(world)?;
    let from = request
        .call
        .query("sha")
        .unwrap_or(&repository.default_branch);
    let (sha, _) = find(repository, from)?;
    let (mut left, mut seen) = (vec![sha], Vec::new());
    while let Some(sha) = left.pop() {
        if let Some((sha, commit)) = repository.commits.get_key_value(sha)
            && !seen.iter().any(|(known, _): &(&String, _)| *known == sha)
        {
            seen.push((sha, commit));
            left.extend(commit.parents.iter().map(String::as_str));
        }
    }
    seen.sort_by_key(|(_, commit)| std::cmp::Reverse(commit.date));
    let mut page = page::cut(request.call, seen);
    let shown: Vec<Value> = page
        .items
        .drain(..)
        .map(|(sha, commit)| view(repository, sha, commit))
        .collect();
    page.reply(&shown)
}
