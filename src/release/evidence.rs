//! What GitHub says of a release: all that the gate asks for, read at once.

use futures::future::{OptionFuture, try_join4};
use jiff::Timestamp;
use secrecy::SecretString;

use super::Release;
use super::gate::{Evidence, Read};
use crate::github::{GitHub, GitHubError};

/// What is read for.
#[derive(Debug, Clone)]
pub struct Inquiry<'a> {
    /// The release.
    pub release: &'a Release,
    /// What every status's context begins with.
    pub prefix: &'a str,
    /// The logins whose word counts; empty where that is whoever psk is.
    pub trusted: &'a [String],
    /// The key that proofs are signed with, if they are.
    pub key: Option<SecretString>,
}

/// Reads it, and the time at GitHub: by its clock a proof's age is told, wherever psk runs.
///
/// # Errors
/// GitHub's own. A commit or tag that it doesn't have is no error but a finding.
pub async fn gather(
    github: &GitHub,
    inquiry: Inquiry<'_>,
) -> Result<(Evidence, Option<Timestamp>), GitHubError> {
    let Inquiry {
        release,
        prefix,
        trusted,
        key,
    } = inquiry;
    let repository = async {
        let (branch, now) = github.default_branch().await?;
        let freeze = github
            .branch_status(&branch, &format!("{prefix}/freeze"))
            .await?;
        Ok((branch, now, freeze))
    };
    let statuses = async {
        match &release.commit {
            Some(commit) => github.statuses(commit).await,
            None => Ok(None),
        }
    };
    let tagged = OptionFuture::from(release.tag.as_ref().map(|tag| github.tagged(tag)));
    let tagged = async { tagged.await.transpose() };
    let trusted = async {
        match trusted {
            [] => Ok(vec![github.login().await?]),
            named => Ok(named.to_vec()),
        }
    };
    let (repository, statuses, tagged, trusted) =
        try_join4(repository, statuses, tagged, trusted).await?;
    let (default_branch, now, freeze) = repository;
    let read = Read {
        statuses,
        default_branch,
        tagged: tagged.flatten(),
        freeze,
        trusted,
        key,
    };
    Ok((Evidence::Read(Box::new(read)), now))
}
