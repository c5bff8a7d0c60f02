//! Which commit a run rolls out, and from where: CircleCI, GitHub Actions or the local checkout.

use std::path::Path;

use tokio::process::Command;

use crate::env::Env;

/// The commit, and tag, that a run rolls out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// The commit, as a full SHA.
    pub commit: Option<String>,
    /// The tag, where the run was started by one or the commit bears one.
    pub tag: Option<String>,
}

impl Release {
    /// What the environment says, in a CI job; else what the checkout at `root` has.
    pub async fn detect(env: &Env, root: &Path) -> Self {
        match Self::of_ci(env) {
            Some(release) => release,
            None => Self::of_checkout(root).await.unwrap_or_default(),
        }
    }

    /// Sources: CircleCI docs, "Built-in environment variables"; GitHub docs, "Variables reference".
    fn of_ci(env: &Env) -> Option<Self> {
        let owned = |name| env.get(name).map(str::to_owned);
        if env.flag("CIRCLECI") {
            return Some(Self {
                commit: owned("CIRCLE_SHA1"),
                tag: owned("CIRCLE_TAG"),
            });
        }
        if env.flag("GITHUB_ACTIONS") {
            let tag =
                owned("GITHUB_REF_NAME").filter(|_| env.get("GITHUB_REF_TYPE") == Some("tag"));
            return Some(Self {
                commit: owned("GITHUB_SHA"),
                tag,
            });
        }
        None
    }

    /// `None` where there is no git, or no commit.
    async fn of_checkout(root: &Path) -> Option<Self> {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args([
                "log",
                "--max-count=1",
                "--decorate-refs=refs/tags/",
                "--format=%H%n%D",
            ])
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .ok()?;
        output
            .status
            .success()
            .then(|| parse(&String::from_utf8_lossy(&output.stdout)))
            .flatten()
    }
}

/// Reads the commit's SHA from the first line and its first tag from the second (`tag: v1, tag: v2`).
fn parse(log: &str) -> Option<Release> {
    let mut lines = log.lines();
    let commit = lines.next().filter(|sha| !sha.is_empty())?.to_owned();
    let decorations = lines.next().unwrap_or_default();
    let tag = decorations
        .split(", ")
        .find_map(|d| d.strip_prefix("tag: "))
        .map(str::to_owned);
    Some(Release {
        commit: Some(commit),
        tag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn release(commit: &str, tag: Option<&str>) -> Release {
        Release {
            commit: Some(commit.into()),
            tag: tag.map(str::to_owned),
        }
    }

    #[test]
    fn circleci_names_commit_and_tag() {
        let job = env(&[
            ("CIRCLECI", "true"),
            ("CIRCLE_SHA1", "abc"),
            ("CIRCLE_TAG", "v1"),
        ]);
        assert_eq!(Release::of_ci(&job), Some(release("abc", Some("v1"))));
    }

    #[test]
    fn a_branch_of_github_actions_is_no_tag() {
        let job = |kind| {
            env(&[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_SHA", "abc"),
                ("GITHUB_REF_TYPE", kind),
                ("GITHUB_REF_NAME", "v1"),
            ])
        };
        assert_eq!(
            Release::of_ci(&job("tag")),
            Some(release("abc", Some("v1")))
        );
        assert_eq!(Release::of_ci(&job("branch")), Some(release("abc", None)));
    }

    #[test]
    fn elsewhere_the_checkout_is_asked() {
        assert_eq!(Release::of_ci(&env(&[])), None);
        assert_eq!(
            parse("abc\ntag: v2, tag: v1\n"),
            Some(release("abc", Some("v2")))
        );
        assert_eq!(parse("abc\n\n"), Some(release("abc", None)));
        assert_eq!(parse(""), None);
    }
}
