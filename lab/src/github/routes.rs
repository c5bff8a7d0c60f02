//! The table of operations: which method and path mean which, and the function that serves it.

use http::Method;

use super::{Request, apps, commits, releases, repositories, statuses, users};
use crate::call::Answer;
use crate::world::World;

/// One operation.
pub(super) struct Route {
    pub(super) operation: &'static str,
    method: Method,
    /// As in the API reference. A segment in braces stands for any one segment, the last one with
    /// `...` for all that is left.
    path: &'static str,
    pub(super) serve: fn(&mut World, &Request<'_>) -> Answer,
}

macro_rules! routes {
    ($($method:ident $path:literal $operation:literal $serve:path;)*) => {
        const ROUTES: &[Route] = &[$(
            Route {
                operation: $operation,
                method: Method::$method,
                path: $path,
                serve: $serve,
            },
        )*];
    };
}

routes! {
    POST "/api/graphql" "graphql" users::graphql;
    GET "/api/v3/user" "users/get-authenticated" users::authenticated;
    GET "/api/v3/users/{username}" "users/get-by-username" users::by_name;

    GET "/api/v3/app" "apps/get-authenticated" apps::authenticated;
    GET "/api/v3/repos/{owner}/{repo}/installation" "apps/get-repo-installation" apps::installation;
    POST "/api/v3/app/installations/{installation_id}/access_tokens"
        "apps/create-installation-access-token" apps::create_token;

    GET "/api/v3/repos/{owner}/{repo}" "repos/get" repositories::get;
    GET "/api/v3/repos/{owner}/{repo}/git/ref/{ref...}" "git/get-ref" repositories::reference;
    GET "/api/v3/repos/{owner}/{repo}/git/tags/{tag_sha}" "git/get-tag" repositories::tag;

    GET "/api/v3/repos/{owner}/{repo}/releases" "repos/list-releases" releases::list;
    GET "/api/v3/repos/{owner}/{repo}/releases/tags/{tag...}"
        "repos/get-release-by-tag" releases::by_tag;
    POST "/api/v3/repos/{owner}/{repo}/releases" "repos/create-release" releases::create;
    PATCH "/api/v3/repos/{owner}/{repo}/releases/{release_id}"
        "repos/update-release" releases::update;
    GET "/api/v3/repos/{owner}/{repo}/compare/{basehead...}"
        "repos/compare-commits-with-basehead" releases::compare;

    POST "/api/v3/repos/{owner}/{repo}/statuses/{sha}" "repos/create-commit-status" statuses::create;
    GET "/api/v3/repos/{owner}/{repo}/commits" "repos/list-commits" commits::list;
    GET "/api/v3/repos/{owner}/{repo}/commits/{ref...}/statuses"
        "repos/list-commit-statuses-for-ref" statuses::list;
    GET "/api/v3/repos/{owner}/{repo}/commits/{ref...}/status"
        "repos/get-combined-status-for-ref" statuses::combined;
    GET "/api/v3/repos/{owner}/{repo}/commits/{ref...}" "repos/get-commit" commits::get;
}

/// Every operation's name.
pub(super) fn operations() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.operation)
}

/// The operation that a method and a path mean.
pub(super) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    ROUTES
        .iter()
        .find(|route| route.method == *method && matched(route.path, path).is_some())
}

impl Route {
    /// What stands in a path in the place of the braces.
    pub(super) fn labels(&self, path: &str) -> Vec<String> {
        matched(self.path, path).unwrap_or_default()
    }
}

/// Names of branches and tags may hold slashes, so that one label may take several segments.
fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    let many = pattern.iter().position(|segment| segment.ends_with("...}"));
    let taken = match many {
        Some(_) => (path.len() + 1)
            .checked_sub(pattern.len())
            .filter(|taken| *taken > 0)?,
        None if path.len() == pattern.len() => 1,
        None => return None,
    };
    let mut labels = Vec::new();
    let mut rest = path.as_slice();
    for (place, segment) in pattern.iter().enumerate() {
        let (here, after) = rest.split_at(if many == Some(place) { taken } else { 1 });
        rest = after;
        let here = here.join("/");
        if segment.starts_with('{') {
            if here.is_empty() {
                return None;
            }
            let label = percent_encoding::percent_decode_str(&here).decode_utf8_lossy();
            labels.push(label.into_owned());
        } else if *segment != here {
            return None;
        }
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<(&'static str, Vec<String>)> {
        let path = format!("/api/v3/repos/acme/base/{path}");
        let route = find(&Method::GET, &path)?;
        Some((route.operation, route.labels(&path)[2..].to_vec()))
    }

    #[test]
    fn a_ref_may_hold_slashes() {
        let of = |operation, label: &str| Some((operation, vec![label.to_owned()]));
        assert_eq!(found("commits/main"), of("repos/get-commit", "main"));
        assert_eq!(
            found("commits/heads/a/b"),
            of("repos/get-commit", "heads/a/b")
        );
        assert_eq!(
            found("commits/heads%2Fa%2Fb"),
            of("repos/get-commit", "heads/a/b")
        );
        assert_eq!(
            found("commits/heads/a/b/statuses"),
            of("repos/list-commit-statuses-for-ref", "heads/a/b")
        );
        assert_eq!(found("git/ref/tags/v1"), of("git/get-ref", "tags/v1"));
        assert_eq!(found("commits"), Some(("repos/list-commits", Vec::new())));
        assert_eq!(found("commits/"), None);
        assert_eq!(found("nope"), None);
    }
}
