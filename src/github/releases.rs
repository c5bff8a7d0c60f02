//! Releases, and what is in one: the commits since another.

use serde::{Deserialize, Serialize};

use super::client::{GitHub, PAGE, escaped, has_next};
use super::error::GitHubError;

/// Commits that are told of at most; GitHub compares no more than that on its pages.
const MOST_COMMITS: usize = 250;

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Release {
    /// Its number.
    pub id: u64,
    /// Its tag.
    pub tag_name: String,
    /// Its title.
    pub name: Option<String>,
    /// Its notes.
    pub body: Option<String>,
    /// Whether only people with write access see it.
    #[serde(default)]
    pub draft: bool,
}

/// What a release should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewRelease {
    /// Its tag, which has to be there.
    pub tag_name: String,
    /// Its title.
    pub name: String,
    /// Its notes.
    pub body: String,
}

/// A commit, as notes tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedCommit {
    /// Its SHA.
    pub sha: String,
    /// The first line of its message.
    pub title: String,
    /// Who made it.
    pub author: String,
}

impl GitHub {
    /// The release of a tag, if there is one.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn release(&self, tag: &str) -> Result<Option<Release>, GitHubError> {
        let doing = format!("reading the release of tag {tag}");
        let path = self.path(&format!("/releases/tags/{}", escaped(tag)));
        match self.get(&self.rest, &path, &doing).await {
            Ok(answer) => self.read(&answer, &doing).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The latest releases, the latest first.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn releases(&self) -> Result<Vec<Release>, GitHubError> {
        let doing = "reading the latest releases";
        let path = self.path("/releases");
        let answer = self.get(&self.rest, &path, doing).await?;
        self.read(&answer, doing)
    }

    /// The commits that `head` has and `base` hasn't, the oldest first.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn commits_since(
        &self,
        base: &str,
        head: &str,
    ) -> Result<Vec<NotedCommit>, GitHubError> {
        #[derive(Deserialize)]
        struct Comparison {
            commits: Vec<Compared>,
        }
        #[derive(Deserialize)]
        struct Compared {
            sha: String,
            commit: Said,
        }
        #[derive(Deserialize)]
        struct Said {
            message: String,
            author: Option<Person>,
        }
        #[derive(Deserialize)]
        struct Person {
            name: String,
        }
        let doing = format!("comparing {base} with {head}");
        let path = self.path(&format!("/compare/{}...{}", escaped(base), escaped(head)));
        let mut found = Vec::new();
        for page in 1.. {
            let path = format!("{path}?per_page={PAGE}&page={page}");
            let answer = self.get(&self.rest, &path, &doing).await?;
            let comparison: Comparison = self.read(&answer, &doing)?;
            found.extend(comparison.commits.into_iter().map(|compared| {
                NotedCommit {
                    sha: compared.sha,
                    title: compared
                        .commit
                        .message
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                    author: compared
                        .commit
                        .author
                        .map(|author| author.name)
                        .unwrap_or_default(),
                }
            }));
            if !has_next(&answer.headers) || found.len() >= MOST_COMMITS {
                break;
            }
        }
        Ok(found)
    }

    /// Makes a release.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn create_release(&self, release: &NewRelease) -> Result<(), GitHubError> {
        let doing = format!("making the release of tag {}", release.tag_name);
        let path = self.path("/releases");
        self.post(&self.rest, &path, release, &doing)
            .await
            .map(drop)
    }

    /// Changes a release.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn update_release(&self, id: u64, release: &NewRelease) -> Result<(), GitHubError> {
        let doing = format!("changing the release of tag {}", release.tag_name);
        let path = self.path(&format!("/releases/{id}"));
        let change = || self.patch(&self.rest, &path, release, &doing);
        self.patiently(change).await.map(drop)
    }
}
