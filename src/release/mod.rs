//! Which commit a run rolls out and where that is known from, what a role has to show before it may
//! get it (the gate), and what proves that a role holds it.

pub mod board;
pub mod checkout;
mod ci;
pub mod evidence;
pub mod gate;
pub mod graph;
pub mod mermaid;
pub mod parts;
pub mod proof;

use std::path::Path;

use crate::env::Env;
use crate::github::Repository;
use crate::process::Processes;

/// What a run rolls out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// The commit, as a full SHA.
    pub commit: Option<String>,
    /// The tag, where the run was started by one or the commit bears one.
    pub tag: Option<String>,
    /// The branch, where the run was started by a push to one or one is checked out.
    pub branch: Option<String>,
    /// Who started the run.
    pub actor: Option<String>,
    /// The CI job's page.
    pub run_url: Option<String>,
    /// The repository on GitHub.
    pub repository: Option<Repository>,
    /// Where this is known from.
    pub source: Source,
    /// What keeps it from being rolled out, whatever the gate says.
    pub obstacles: Vec<Obstacle>,
}

/// Where a release is known from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// It isn't known.
    #[default]
    Nowhere,
    /// `PSK_COMMIT` and its like.
    Environment,
    /// A job of CircleCI.
    CircleCi,
    /// A job of GitHub Actions.
    GitHubActions,
    /// The local checkout.
    Checkout,
}

/// What keeps a release from being rolled out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// No commit is known.
    #[error("no commit is known: this is neither a CI job nor a git checkout")]
    NoCommit,
    /// The checkout isn't the commit.
    #[error("the checkout is not what its commit says: {0}")]
    Dirty(String),
    /// The job is a pull request's.
    #[error("this is a pull request's job ({0})")]
    PullRequest(String),
    /// A commit was named that isn't the one whose files psk reads.
    #[error("the inventory here is commit {here}'s, not that of {asked}")]
    Elsewhere {
        /// The commit that is there.
        here: String,
        /// The commit that was named.
        asked: String,
    },
}

impl Obstacle {
    /// What to do about it.
    pub fn next(&self) -> &'static str {
        match self {
            Self::NoCommit => "run it in a git checkout, or name the commit with --commit",
            Self::Dirty(_) => "commit and push the changes, or put them aside (git stash -u)",
            Self::PullRequest(_) => "merge it first; --dry-run works here",
            Self::Elsewhere { .. } => "check that commit out",
        }
    }
}

/// What was said on the command line, over everything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The commit: a full SHA, or what git resolves to one.
    pub commit: Option<String>,
    /// The tag.
    pub tag: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// The repository.
    pub repository: Option<Repository>,
}

/// A commit was named that isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no commit: it takes a full SHA, or a name that git knows here")]
pub struct NoSuchCommit(pub String);

impl Release {
    /// What the environment says in a CI job, else what the checkout at `root` has; what was given
    /// wins over either.
    ///
    /// # Errors
    /// If a commit was given that isn't one.
    pub async fn detect(
        given: &Given,
        env: &Env,
        root: &Path,
        processes: &Processes,
    ) -> Result<Self, NoSuchCommit> {
        let found = match ci::release(env) {
            Some(release) => release,
            None => {
                let mut release = checkout::release(root, processes).await.unwrap_or_default();
                if let Some(repository) = ci::repository(env) {
                    release.repository = Some(repository);
                }
                release
            }
        };
        let commit = match &given.commit {
            Some(rev) if !is_full_sha(rev) => match checkout::resolve(rev, root, processes).await {
                Some(sha) => Some(sha),
                None => return Err(NoSuchCommit(rev.clone())),
            },
            full => full.clone(),
        };
        Ok(found.overridden(commit, given))
    }

    fn overridden(mut self, commit: Option<String>, given: &Given) -> Self {
        if let Some(commit) = commit
            && self.commit.as_ref() != Some(&commit)
        {
            // Tag, branch and changed files are those of the commit that is there.
            self.obstacles
                .retain(|obstacle| !matches!(obstacle, Obstacle::Dirty(_)));
            if let Some(here) = self.commit.take() {
                let asked = commit.clone();
                self.obstacles.push(Obstacle::Elsewhere { here, asked });
            }
            (self.tag, self.branch) = (None, None);
            self.commit = Some(commit);
        }
        let over = |given: &Option<String>, found: &mut Option<String>| {
            if given.is_some() {
                found.clone_from(given);
            }
        };
        over(&given.tag, &mut self.tag);
        over(&given.branch, &mut self.branch);
        if given.repository.is_some() {
            self.repository.clone_from(&given.repository);
        }
        if self.commit.is_none() {
            self.obstacles.push(Obstacle::NoCommit);
        }
        self
    }
}

/// Whether a text is a commit's whole name: SHA-1, or SHA-256 in a repository that uses it.
fn is_full_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::*;
    use crate::process::Finished;

    const HEAD: &str = "1111111111111111111111111111111111111111";
    const OTHER: &str = "2222222222222222222222222222222222222222";

    /// A git whose checkout has one changed file.
    fn git() -> Processes {
        Arc::new(|invocation| {
            let asked = invocation.args.join(" ");
            let stdout = if asked.contains("status") {
                format!("# branch.oid {HEAD}\n# branch.head main\n? new.yaml\n")
            } else if asked.contains("tag") {
                "v1\n".to_owned()
            } else if asked.contains("remote") {
                "git@github.com:acme/base.git\n".to_owned()
            } else {
                String::new()
            };
            let success = !asked.contains("rev-parse");
            let stderr = String::new();
            async move {
                Ok(Finished {
                    success,
                    stdout,
                    stderr,
                })
            }
            .boxed()
        })
    }

    async fn detect(given: Given, env: &[(&str, &str)]) -> Result<Release, NoSuchCommit> {
        let env = env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Release::detect(&given, &env, Path::new("."), &git()).await
    }

    #[tokio::test]
    async fn a_ci_job_knows_best_and_the_checkout_next() {
        let job = [("CIRCLECI", "true"), ("CIRCLE_SHA1", "abc")];
        let release = detect(Given::default(), &job).await.unwrap();
        assert_eq!(
            (release.commit.as_deref(), release.branch),
            (Some("abc"), None)
        );

        let release = detect(Given::default(), &[]).await.unwrap();
        assert_eq!(release.source, Source::Checkout);
        assert_eq!(release.obstacles, [Obstacle::Dirty("new.yaml".into())]);

        let elsewhere = [("GITHUB_REPOSITORY", "real/base")];
        let release = detect(Given::default(), &elsewhere).await.unwrap();
        assert_eq!(release.repository.unwrap().to_string(), "real/base");
    }

    #[tokio::test]
    async fn what_is_given_wins() {
        let given = Given {
            tag: Some("v2".into()),
            repository: "a/b".parse().ok(),
            ..Given::default()
        };
        let release = detect(given, &[]).await.unwrap();
        assert_eq!(release.tag.as_deref(), Some("v2"));
        assert_eq!(release.branch.as_deref(), Some("main"));
        assert_eq!(release.repository.unwrap().to_string(), "a/b");
    }

    #[tokio::test]
    async fn another_commit_takes_nothing_from_the_one_that_is_there() {
        let given = Given {
            commit: Some(OTHER.into()),
            ..Given::default()
        };
        let release = detect(given, &[]).await.unwrap();
        assert_eq!(release.commit.as_deref(), Some(OTHER));
        assert_eq!((release.tag, release.branch), (None, None));
        assert_eq!(
            release.obstacles,
            [Obstacle::Elsewhere {
                here: HEAD.into(),
                asked: OTHER.into()
            }]
        );
        let same = Given {
            commit: Some(HEAD.into()),
            ..Given::default()
        };
        assert_eq!(detect(same, &[]).await.unwrap().tag.as_deref(), Some("v1"));
    }

    #[tokio::test]
    async fn a_name_that_means_no_commit_is_told() {
        let given = Given {
            commit: Some("nope".into()),
            ..Given::default()
        };
        assert_eq!(detect(given, &[]).await, Err(NoSuchCommit("nope".into())));
    }

    #[tokio::test]
    async fn with_nothing_known_nothing_can_be_released() {
        let none: Processes =
            Arc::new(|_| async { Err(std::io::ErrorKind::NotFound.into()) }.boxed());
        let (given, env) = (Given::default(), Env::default());
        let release = Release::detect(&given, &env, Path::new("."), &none);
        let release = release.await.unwrap();
        assert_eq!(release.obstacles, [Obstacle::NoCommit]);
        assert_eq!(release.source, Source::Nowhere);
    }
}
