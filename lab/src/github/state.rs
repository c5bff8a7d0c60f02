//! What GitHub keeps.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that GitHub keeps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GitHub {
    /// Users, organisations and the bots of apps, by their login.
    pub accounts: BTreeMap<String, Account>,
    /// Apps by their id.
    pub apps: BTreeMap<u64, App>,
    /// Access tokens by the text that clients send.
    pub tokens: BTreeMap<String, Token>,
    /// Repositories in the order of their making.
    pub repositories: Vec<Repository>,
    /// What each caller has used, by login.
    pub(super) usage: BTreeMap<String, Usage>,
    /// Ids issued so far.
    issued: u64,
}

/// A user, an organisation or the bot of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: u64,
    /// What it is.
    pub kind: AccountType,
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountType {
    /// A person, or a machine that has a person's account.
    User,
    /// What an app acts as.
    Bot,
    /// An organisation.
    Organization,
}

/// A GitHub App.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its name in URLs. Its bot's login is `<slug>[bot]`.
    pub slug: String,
    /// Its public key: PKCS #1's `RSAPublicKey` in DER.
    pub key: Vec<u8>,
    /// Its one installation, on all repositories of an account.
    pub installation: u64,
    /// The account that it is installed on.
    pub owner: String,
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Whom it speaks for.
    pub login: String,
    /// What kind it is.
    pub kind: TokenKind,
    /// Whether it may write commit statuses.
    pub writes_statuses: bool,
    /// Whether it may write contents, releases among them.
    #[serde(default)]
    pub writes_contents: bool,
    /// When it ends, by real time; those of people don't.
    pub expires: Option<Timestamp>,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenKind {
    /// A person's.
    Personal,
    /// An installation's of an app.
    Installation,
}

/// What a caller has used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Usage {
    /// When the hour began that is being counted.
    pub(super) hour: Option<Timestamp>,
    /// Requests in that hour.
    pub(super) requests: u32,
    /// The requests of the last hour that made content.
    pub(super) writes: VecDeque<Timestamp>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Its number.
    pub id: u64,
    /// The account that it belongs to.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// The branch that is looked at first.
    pub default_branch: String,
    /// Commits by their SHA.
    pub commits: BTreeMap<String, Commit>,
    /// The commit that each branch is at.
    pub branches: BTreeMap<String, String>,
    /// Tags by their name.
    pub tags: BTreeMap<String, Tag>,
    /// Every commit status, in the order of their making.
    pub statuses: Vec<Status>,
    /// Releases, in the order of their making.
    #[serde(default)]
    pub releases: Vec<Release>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// What it says.
    pub message: String,
    /// Name and mail address of who made it.
    pub author: (String, String),
    /// When.
    pub date: Timestamp,
    /// The commits that it follows.
    pub parents: Vec<String>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The commit that it means.
    pub commit: String,
    /// The object of an annotated tag, by its SHA, with its message.
    pub annotation: Option<(String, String)>,
}

/// A commit status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its number.
    pub id: u64,
    /// The commit that it is about.
    pub sha: String,
    /// What it is about.
    pub context: String,
    /// How it stands.
    pub state: StatusState,
    /// Its text.
    pub description: Option<String>,
    /// The page that it is linked to.
    pub target_url: Option<String>,
    /// The login of who made it.
    pub creator: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its number.
    pub id: u64,
    /// Its tag.
    pub tag: String,
    /// What the tag is made of if it isn't there.
    pub target: String,
    /// Its title.
    pub name: Option<String>,
    /// Its notes.
    pub body: Option<String>,
    /// Whether only those with write access see it.
    pub draft: bool,
    /// Whether it isn't for production.
    pub prerelease: bool,
    /// The login of who made it.
    pub author: String,
    /// When it was made.
    pub created: Timestamp,
}

/// How a status stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusState {
    /// It could not be told.
    Error,
    /// Done, and wrong.
    Failure,
    /// Under way.
    Pending,
    /// Done, and right.
    Success,
}

impl GitHub {
    /// A number that nothing else has.
    pub fn next_id(&mut self) -> u64 {
        self.issued += 1;
        // Ids that look alike whatever they are of help no one.
        20_000_000_000 + self.issued
    }

    /// The account of that login, made if it doesn't exist.
    pub fn account(&mut self, login: &str, kind: AccountType) -> &Account {
        if !self.accounts.contains_key(login) {
            let id = self.next_id();
            self.accounts.insert(login.to_owned(), Account { id, kind });
        }
        &self.accounts[login]
    }

    /// A repository; names compare without regard to case.
    pub fn repository_mut(&mut self, owner: &str, name: &str) -> Option<&mut Repository> {
        self.repositories
            .iter_mut()
            .find(|repository| repository.is(owner, name))
    }

    /// A repository; names compare without regard to case.
    pub fn repository(&self, owner: &str, name: &str) -> Option<&Repository> {
        self.repositories
            .iter()
            .find(|repository| repository.is(owner, name))
    }
}

impl Repository {
    fn is(&self, owner: &str, name: &str) -> bool {
        self.owner.eq_ignore_ascii_case(owner) && self.name.eq_ignore_ascii_case(name)
    }

    /// Its owner and its name.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The SHA of the commit that a text means: a branch or a tag, with `heads/` or `tags/` before
    /// it or without, or the beginning of a commit's SHA that no other begins with.
    pub fn resolve(&self, reference: &str) -> Option<&str> {
        let branch = |name: &str| self.branches.get(name).map(String::as_str);
        let tag = |name: &str| self.tags.get(name).map(|tag| tag.commit.as_str());
        let reference = reference.strip_prefix("refs/").unwrap_or(reference);
        if let Some(name) = reference.strip_prefix("heads/") {
            return branch(name);
        }
        if let Some(name) = reference.strip_prefix("tags/") {
            return tag(name);
        }
        branch(reference).or_else(|| tag(reference)).or_else(|| {
            let reference = reference.to_ascii_lowercase();
            let mut found = self
                .commits
                .keys()
                .filter(|sha| sha.starts_with(&reference));
            let only = found.next().filter(|_| reference.len() >= 4);
            only.filter(|_| found.next().is_none()).map(String::as_str)
        })
    }
}
