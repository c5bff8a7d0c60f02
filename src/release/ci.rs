//! What a CI system says of the job that psk runs in.

use super::{Obstacle, Release, Source};
use crate::env::Env;
use crate::github::Repository;

/// What the environment says, if it is a CI job's.
pub(super) fn release(env: &Env) -> Option<Release> {
    told(env).or_else(|| circleci(env)).or_else(|| github(env))
}

/// Any other CI system, by variables of psk's own. They come first: who sets them means them.
fn told(env: &Env) -> Option<Release> {
    env.get("PSK_COMMIT")?;
    Some(Release {
        commit: owned(env, "PSK_COMMIT"),
        tag: owned(env, "PSK_TAG"),
        branch: owned(env, "PSK_BRANCH"),
        actor: owned(env, "PSK_ACTOR"),
        run_url: owned(env, "PSK_RUN_URL"),
        repository: repository(env),
        source: Source::Environment,
        obstacles: Vec::new(),
    })
}

/// Source: CircleCI docs, "Built-in environment variables". `CIRCLE_PR_NUMBER` is set in builds of
/// forks only; a pull request from the repository itself is a push of its branch.
fn circleci(env: &Env) -> Option<Release> {
    if !env.flag("CIRCLECI") {
        return None;
    }
    let of_project = || {
        let (owner, name) = (
            env.get("CIRCLE_PROJECT_USERNAME")?,
            env.get("CIRCLE_PROJECT_REPONAME")?,
        );
        format!("{owner}/{name}").parse().ok()
    };
    let fork = env.get("CIRCLE_PR_NUMBER").map(|number| {
        let from = env.get("CIRCLE_PR_USERNAME").unwrap_or("a fork");
        Obstacle::PullRequest(format!("pull request {number} from {from}"))
    });
    Some(Release {
        commit: owned(env, "CIRCLE_SHA1"),
        tag: owned(env, "CIRCLE_TAG"),
        branch: owned(env, "CIRCLE_BRANCH"),
        actor: owned(env, "CIRCLE_USERNAME"),
        run_url: owned(env, "CIRCLE_BUILD_URL"),
        repository: repository(env)
            .or_else(|| Repository::of_url(env.get("CIRCLE_REPOSITORY_URL")?))
            .or_else(of_project),
        source: Source::CircleCi,
        obstacles: fork.into_iter().collect(),
    })
}

/// Source: GitHub docs, "Variables reference" and "Events that trigger workflows". The commit of a
/// `pull_request` event is a merge that exists nowhere else.
fn github(env: &Env) -> Option<Release> {
    if !env.flag("GITHUB_ACTIONS") {
        return None;
    }
    let named =
        |kind| owned(env, "GITHUB_REF_NAME").filter(|_| env.get("GITHUB_REF_TYPE") == Some(kind));
    let event = env.get("GITHUB_EVENT_NAME").unwrap_or_default();
    let pull_request = event.starts_with("pull_request").then(|| {
        let number = env.get("GITHUB_REF_NAME").unwrap_or("unknown");
        Obstacle::PullRequest(format!("event {event}, {number}"))
    });
    let run_url = || {
        let (server, repository, run) = (
            env.get("GITHUB_SERVER_URL")?,
            env.get("GITHUB_REPOSITORY")?,
            env.get("GITHUB_RUN_ID")?,
        );
        let attempt = env.get("GITHUB_RUN_ATTEMPT").unwrap_or("1");
        Some(format!(
            "{server}/{repository}/actions/runs/{run}/attempts/{attempt}"
        ))
    };
    Some(Release {
        commit: owned(env, "GITHUB_SHA"),
        tag: named("tag"),
        branch: named("branch").filter(|_| pull_request.is_none()),
        // Who started it again, where someone did.
        actor: owned(env, "GITHUB_TRIGGERING_ACTOR").or_else(|| owned(env, "GITHUB_ACTOR")),
        run_url: run_url(),
        repository: repository(env),
        source: Source::GitHubActions,
        obstacles: pull_request.into_iter().collect(),
    })
}

/// The repository that the environment names.
pub(super) fn repository(env: &Env) -> Option<Repository> {
    env.get("GITHUB_REPOSITORY")?.parse().ok()
}

fn owned(env: &Env, name: &str) -> Option<String> {
    env.get(name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Option<Release> {
        let env: Env = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        release(&env)
    }

    const CIRCLE: [(&str, &str); 6] = [
        ("CIRCLECI", "true"),
        ("CIRCLE_SHA1", "abc"),
        ("CIRCLE_USERNAME", "ann"),
        ("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/base/7"),
        ("CIRCLE_PROJECT_USERNAME", "acme"),
        ("CIRCLE_PROJECT_REPONAME", "base"),
    ];

    const ACTIONS: [(&str, &str); 7] = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SHA", "abc"),
        ("GITHUB_REF_NAME", "v1"),
        ("GITHUB_ACTOR", "ann"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/base"),
        ("GITHUB_RUN_ID", "7"),
    ];

    fn with<'a>(job: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Release {
        of(&[job, more].concat()).unwrap()
    }

    #[test]
    fn circleci_tells_all_of_a_tags_job() {
        let release = with(&CIRCLE, &[("CIRCLE_TAG", "v1")]);
        assert_eq!(
            release,
            Release {
                commit: Some("abc".into()),
                tag: Some("v1".into()),
                branch: None,
                actor: Some("ann".into()),
                run_url: Some("https://circleci.com/gh/acme/base/7".into()),
                repository: "acme/base".parse().ok(),
                source: Source::CircleCi,
                obstacles: Vec::new(),
            }
        );
    }

    #[test]
    fn the_url_of_a_circleci_project_names_its_repository_best() {
        let more = [("CIRCLE_REPOSITORY_URL", "git@github.com:real/name.git")];
        let release = with(&CIRCLE, &more);
        assert_eq!(release.repository.unwrap().to_string(), "real/name");
    }

    #[test]
    fn a_forks_pull_request_releases_nothing() {
        let fork = [("CIRCLE_PR_NUMBER", "12"), ("CIRCLE_PR_USERNAME", "eve")];
        let told = with(&CIRCLE, &fork).obstacles;
        assert_eq!(
            told,
            [Obstacle::PullRequest("pull request 12 from eve".into())]
        );
        // A pull request of the repository's own branch is a push like any other.
        let own = [(
            "CIRCLE_PULL_REQUEST",
            "https://github.com/acme/base/pull/12",
        )];
        assert_eq!(with(&CIRCLE, &own).obstacles, []);
    }

    #[test]
    fn a_branch_of_github_actions_is_no_tag() {
        let tag = with(&ACTIONS, &[("GITHUB_REF_TYPE", "tag")]);
        assert_eq!((tag.tag.as_deref(), tag.branch), (Some("v1"), None));
        assert_eq!(
            tag.run_url.as_deref(),
            Some("https://github.com/acme/base/actions/runs/7/attempts/1")
        );
        let branch = with(&ACTIONS, &[("GITHUB_REF_TYPE", "branch")]);
        assert_eq!((branch.tag, branch.branch.as_deref()), (None, Some("v1")));
    }

    #[test]
    fn a_pull_request_of_github_actions_is_of_no_branch() {
        let job = [
            ("GITHUB_REF_TYPE", "branch"),
            ("GITHUB_EVENT_NAME", "pull_request"),
        ];
        let release = with(&ACTIONS, &job);
        assert_eq!(release.branch, None);
        assert_eq!(
            release.obstacles,
            [Obstacle::PullRequest("event pull_request, v1".into())]
        );
    }

    #[test]
    fn any_other_ci_can_say_it_and_is_believed_first() {
        let release = with(&CIRCLE, &[("PSK_COMMIT", "def"), ("PSK_TAG", "v2")]);
        assert_eq!(release.commit.as_deref(), Some("def"));
        assert_eq!(release.tag.as_deref(), Some("v2"));
        assert_eq!(of(&[("PSK_TAG", "v2")]), None, "a commit is what it takes");
    }
}
