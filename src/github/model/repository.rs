//! Which repository on GitHub.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A repository on GitHub: its owner and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Repository {
    /// The user or organisation that it belongs to.
    pub owner: String,
    /// Its name.
    pub name: String,
}

/// A text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a repository: it takes OWNER/NAME")]
pub struct NoRepository(String);

impl Repository {
    /// The repository that a remote's URL leads to: `https://host/owner/name.git`,
    /// `git@host:owner/name.git` or `ssh://git@host/owner/name`.
    pub fn of_url(url: &str) -> Option<Self> {
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?.1,
            None => url.split_once(':')?.1,
        };
        let path = path.trim_matches('/');
        path.strip_suffix(".git").unwrap_or(path).parse().ok()
    }
}

impl FromStr for Repository {
    type Err = NoRepository;

    fn from_str(text: &str) -> Result<Self, NoRepository> {
        let fits = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if fits(owner) && fits(name) => Ok(Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(NoRepository(text.to_owned())),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

impl TryFrom<String> for Repository {
    type Error = NoRepository;

    fn try_from(text: String) -> Result<Self, NoRepository> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_remotes_url_is_read() {
        for url in [
            "https://github.com/acme/base.git",
            "https://x-access-token:t@github.example/acme/base",
            "git@github.com:acme/base.git",
            "ssh://git@github.com:22/acme/base.git",
            "github.com:acme/base",
        ] {
            let found = Repository::of_url(url).map(|found| found.to_string());
            assert_eq!(found.as_deref(), Some("acme/base"), "{url}");
        }
        for url in [
            "/srv/git/base.git",
            "../base",
            "https://github.com/acme",
            "file:///a/b/c",
        ] {
            assert_eq!(Repository::of_url(url), None, "{url}");
        }
    }

    #[test]
    fn what_names_no_repository_is_told() {
        let error = "base".parse::<Repository>().unwrap_err().to_string();
        assert_eq!(error, "\"base\" is not a repository: it takes OWNER/NAME");
        assert!("a/b/c".parse::<Repository>().is_err());
    }
}
