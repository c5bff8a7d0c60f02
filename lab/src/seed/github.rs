//! The repository that a fleet is rolled out from.

use jiff::Timestamp;

use crate::github::{AccountType, Commit, Repository, Tag, Token, TokenKind};
use crate::world::World;

/// A repository at GitHub, and whom the lab's user is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositorySeed {
    /// The organisation that it belongs to.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// The branch that is looked at first; it is at the first of the commits.
    pub default_branch: String,
    /// Commits, the latest first, each the parent of the one before.
    pub commits: Vec<CommitSeed>,
    /// Tags, each with the SHA of its commit.
    pub tags: Vec<(String, String)>,
    /// The login that the lab's token speaks for. One that ends in `[bot]` is an app's.
    pub login: String,
}

/// A commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitSeed {
    /// Its SHA.
    pub sha: String,
    /// What it says.
    pub message: String,
    /// Name and mail address of who made it.
    pub author: (String, String),
    /// When.
    pub date: Timestamp,
}

impl RepositorySeed {
    /// Puts the repository into GitHub, or what it has gained into the one that is there, as a push would.
    pub fn push(&self, world: &mut World) {
        let now = world.clock.base();
        identity(world, self);
        let github = &mut world.github;
        github.account(&self.owner, AccountType::Organization);
        let id = github.next_id();
        if github.repository(&self.owner, &self.name).is_none() {
            github.repositories.push(Repository {
                id,
                owner: self.owner.clone(),
                name: self.name.clone(),
                created: now,
                default_branch: self.default_branch.clone(),
                commits: [].into(),
                branches: [].into(),
                tags: [].into(),
                statuses: Vec::new(),
                releases: Vec::new(),
            });
        }
        let Some(repository) = github.repository_mut(&self.owner, &self.name) else {
            return;
        };
        let mut parents = self.commits.iter().skip(1).map(|commit| commit.sha.clone());
        for commit in &self.commits {
            let made = Commit {
                message: commit.message.clone(),
                author: commit.author.clone(),
                date: commit.date,
                parents: parents.next().into_iter().collect(),
            };
            repository.commits.entry(commit.sha.clone()).or_insert(made);
        }
        if let Some(head) = self.commits.first() {
            let branch = self.default_branch.clone();
            repository.branches.insert(branch, head.sha.clone());
        }
        for (name, commit) in &self.tags {
            let tag = Tag {
                commit: commit.clone(),
                annotation: None,
            };
            repository.tags.entry(name.clone()).or_insert(tag);
        }
    }
}

/// Makes the account and the token that the lab hands out, unless the world has them.
fn identity(world: &mut World, seed: &RepositorySeed) {
    world.identity.repository = format!("{}/{}", seed.owner, seed.name);
    if !world.identity.github_token.is_empty() {
        return;
    }
    let (account, kind, prefix) = if seed.login.ends_with("[bot]") {
        (AccountType::Bot, TokenKind::Installation, "ghs")
    } else {
        (AccountType::User, TokenKind::Personal, "ghp")
    };
    let token = format!("{prefix}_{}", world.ids.hex(36));
    world.github.account(&seed.login, account);
    let known = Token {
        login: seed.login.clone(),
        kind,
        writes_statuses: true,
        writes_contents: true,
        expires: None,
    };
    world.github.tokens.insert(token.clone(), known);
    world.identity.github_token = token;
}
