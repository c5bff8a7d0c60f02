//! A release on GitHub for a tag, once the role that the pipeline names holds it.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;

use super::listener::{Listener, ReportError};
use crate::event::{Event, Stamped};
use crate::fanout::Stop;
use crate::github::{GitHub, GitHubError, NewRelease, NotedCommit, Release};

/// How long the end of a run waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest notes that GitHub takes, in characters.
const LONGEST: usize = 125_000;
/// Hexadecimal digits of a commit that people are shown.
const SHORT_COMMIT: usize = 7;

/// What a release is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The tag.
    pub tag: String,
    /// The commit that it means, as a full SHA.
    pub commit: String,
    /// The notes that people wrote.
    pub notes: String,
}

/// Makes the release when a run has taken the role there.
pub struct GitHubRelease {
    github: GitHub,
    content: Content,
    held: bool,
    stop: Stop,
}

impl GitHubRelease {
    /// The release of that tag, by a run that may be stopped.
    pub fn new(github: GitHub, content: Content, stop: Stop) -> Self {
        Self {
            github,
            content,
            held: false,
            stop,
        }
    }

    async fn publish(&self) -> Result<(), ReportError> {
        let Content { tag, commit, .. } = &self.content;
        // GitHub would make a tag that isn't there, and a tag may have been moved since.
        let tagged = self.github.tagged(tag).await;
        if tagged.map_err(|error| self.failed(&error))?.as_ref() != Some(commit) {
            return Err(self.untold(
                "the tag isn't on GitHub, or means another commit than was rolled out".to_owned(),
                "push the tag, then run again",
            ));
        }
        let made = self.make().await;
        made.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &GitHubError) -> ReportError {
        self.untold(error.to_string(), error.next())
    }

    fn untold(&self, cause: String, next: &str) -> ReportError {
        ReportError::Untold {
            what: format!("the release of {} on GitHub wasn't made", self.content.tag),
            cause,
            next: next.to_owned(),
        }
    }

    async fn make(&self) -> Result<(), GitHubError> {
        let Content { tag, notes, .. } = &self.content;
        let before = self.github.releases().await?;
        let before = previous(&before, tag);
        let commits = match before {
            Some(base) => self.github.commits_since(base, tag).await?,
            None => Vec::new(),
        };
        let wanted = NewRelease {
            tag_name: tag.clone(),
            name: tag.clone(),
            body: body(notes, before, &commits),
        };
        match self.github.release(tag).await? {
            None => self.github.create_release(&wanted).await,
            Some(there) if is_same(&there, &wanted) => Ok(()),
            Some(there) => self.github.update_release(there.id, &wanted).await,
        }
    }
}

/// The tag of the release before. Drafts are nobody's release yet.
fn previous<'r>(latest: &'r [Release], tag: &str) -> Option<&'r str> {
    let mut others = latest.iter().filter(|release| !release.draft);
    // What was released after this tag comes before it in the list.
    match latest.iter().position(|release| release.tag_name == tag) {
        None => others.next(),
        Some(place) => latest.iter().skip(place + 1).find(|release| !release.draft),
    }
    .map(|release| release.tag_name.as_str())
}

fn is_same(there: &Release, wanted: &NewRelease) -> bool {
    // GitHub gives line breaks back as they were sent, and a form in a browser sends others.
    let body = there
        .body
        .as_deref()
        .unwrap_or_default()
        .replace("\r\n", "\n");
    body == wanted.body && there.name.as_deref() == Some(wanted.name.as_str())
}

/// The notes, and the commits since the release before.
fn body(notes: &str, before: Option<&str>, commits: &[NotedCommit]) -> String {
    let mut body = notes.trim().to_owned();
    let Some(before) = before.filter(|_| !commits.is_empty()) else {
        return body;
    };
    if !body.is_empty() {
        body.push_str("\n\n");
    }
    // Writing to a String can't fail.
    let _ = writeln!(body, "## Commits since {before}");
    let mut length = body.chars().count();
    for (place, commit) in commits.iter().rev().enumerate() {
        let sha: String = commit.sha.chars().take(SHORT_COMMIT).collect();
        let line = format!("\n- {sha} {} ({})", commit.title, commit.author);
        length += line.chars().count();
        if length > LONGEST - 100 {
            let left = commits.len() - place;
            let _ = write!(body, "\n- and {left} more");
            break;
        }
        body.push_str(&line);
    }
    body
}

#[async_trait]
impl Listener for GitHubRelease {
    fn on(&mut self, stamped: &Stamped) {
        if let Event::Published(publication) = &stamped.event {
            self.held = publication.proves();
        }
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        if !self.held {
            return Ok(());
        }
        let published = self.stop.within(PATIENCE, self.publish()).await;
        published.unwrap_or_else(|| {
            let cause = "GitHub didn't answer in time".to_owned();
            Err(self.untold(cause, "run again, or make it by hand"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(tag: &str, draft: bool) -> Release {
        Release {
            id: 1,
            tag_name: tag.into(),
            name: None,
            body: None,
            draft,
        }
    }

    fn commit(n: usize) -> NotedCommit {
        NotedCommit {
            sha: format!("{n:040}"),
            title: format!("Change {n}"),
            author: "Ada".into(),
        }
    }

    #[test]
    fn the_release_before_is_the_latest_that_is_none_of_this_tag() {
        let all = [
            release("v3", false),
            release("v2.1", true),
            release("v2", false),
            release("v1", false),
        ];
        assert_eq!(previous(&all, "v4"), Some("v3"));
        assert_eq!(previous(&all, "v3"), Some("v2"));
        assert_eq!(previous(&all, "v1"), None);
        assert_eq!(previous(&[], "v1"), None);
    }

    #[test]
    fn notes_come_first_and_commits_after() {
        assert_eq!(
            body("Notes.\n", Some("v1"), &[commit(1), commit(2)]),
            "Notes.\n\n## Commits since v1\n\n- 0000000 Change 2 (Ada)\n- 0000000 Change 1 (Ada)"
        );
        assert_eq!(body("Notes.\n", None, &[commit(1)]), "Notes.");
        assert_eq!(body("", Some("v1"), &[]), "");
    }

    #[test]
    fn notes_are_no_longer_than_github_takes() {
        let commits: Vec<_> = (0..6000).map(commit).collect();
        let body = body("", Some("v1"), &commits);
        assert!(body.chars().count() <= LONGEST, "{}", body.len());
        assert!(body.ends_with(" more"), "{}", &body[body.len() - 40..]);
    }

    #[test]
    fn a_release_is_left_alone_if_it_says_so_already() {
        let wanted = NewRelease {
            tag_name: "v1".into(),
            name: "v1".into(),
            body: "a\nb".into(),
        };
        let mut there = release("v1", false);
        assert!(!is_same(&there, &wanted));
        there.name = Some("v1".into());
        there.body = Some("a\r\nb".into());
        assert!(is_same(&there, &wanted));
    }
}
