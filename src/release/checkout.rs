//! What the local checkout says, asked of git itself: it knows worktrees, includes and rewritten
//! URLs better than anyone.

use std::path::Path;

use futures::join;
use jiff::Timestamp;

use super::{Obstacle, Release, Source};
use crate::github::Repository;
use crate::process::{Invocation, Processes};

/// At most this many changed files are named.
const NAMED: usize = 3;

/// What the checkout at `root` has; `None` where there is no git, no checkout or no commit.
pub(super) async fn release(root: &Path, processes: &Processes) -> Option<Release> {
    let git = |args: &'static [&'static str]| ask(root, processes, args);
    let (status, tags, remote, actor) = join!(
        // Writes no index on the way: psk only looks.
        git(&[
            "--no-optional-locks",
            "status",
            "--porcelain=v2",
            "--branch"
        ]),
        git(&["tag", "--points-at", "HEAD", "--sort=-version:refname"]),
        git(&["remote", "get-url", "origin"]),
        git(&["config", "user.name"]),
    );
    let status = Status::parse(&status?)?;
    let line = |text: Option<String>| {
        text.and_then(|text| text.lines().next().map(str::to_owned))
            .filter(|line| !line.is_empty())
    };
    let dirty = (!status.changed.is_empty()).then(|| Obstacle::Dirty(named(&status.changed)));
    Some(Release {
        commit: Some(status.commit),
        // Of several, the highest version.
        tag: line(tags),
        branch: status.branch,
        actor: line(actor),
        run_url: None,
        repository: line(remote).and_then(|url| Repository::of_url(&url)),
        source: Source::Checkout,
        obstacles: dirty.into_iter().collect(),
    })
}

/// Commits and tags of a checkout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The latest commits, the latest first.
    pub commits: Vec<Commit>,
    /// Tags of these commits, each with the SHA of its commit.
    pub tags: Vec<(String, String)>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its SHA.
    pub sha: String,
    /// Its first line.
    pub message: String,
    /// Name and mail address of who made it.
    pub author: (String, String),
    /// When.
    pub date: Timestamp,
}

/// The latest commits of the checkout at `root`, along first parents, and their tags; nothing where
/// there is no checkout.
pub async fn history(root: &Path, processes: &Processes) -> History {
    let format = "--format=%H%x00%an%x00%ae%x00%cI%x00%s";
    let tag = "--format=%(objectname) %(*objectname) %(refname:strip=2)";
    let log = ["log", "--first-parent", "--max-count=100", format];
    let refs = ["for-each-ref", "refs/tags", tag];
    let (log, refs) = join!(ask(root, processes, &log), ask(root, processes, &refs));
    let commits: Vec<Commit> = log
        .iter()
        .flat_map(|log| log.lines())
        .filter_map(commit)
        .collect();
    let tags = refs
        .iter()
        .flat_map(|refs| refs.lines())
        .filter_map(tagged)
        .filter(|(_, sha)| commits.iter().any(|commit| commit.sha == *sha))
        .collect();
    History { commits, tags }
}

fn commit(line: &str) -> Option<Commit> {
    let mut fields = line.splitn(5, '\0').map(str::to_owned);
    let (sha, name, mail) = (fields.next()?, fields.next()?, fields.next()?);
    let date = fields.next()?.parse().ok()?;
    Some(Commit {
        sha,
        message: fields.next()?,
        author: (name, mail),
        date,
    })
}

/// An annotated tag has an object of its own, and the commit that it means stands behind it.
fn tagged(line: &str) -> Option<(String, String)> {
    let mut fields = line.splitn(3, ' ');
    let (object, commit, name) = (fields.next()?, fields.next()?, fields.next()?);
    let sha = if commit.is_empty() { object } else { commit };
    Some((name.to_owned(), sha.to_owned()))
}

/// The full SHA of what `rev` means in the checkout at `root`.
pub(super) async fn resolve(rev: &str, root: &Path, processes: &Processes) -> Option<String> {
    let rev = format!("{rev}^{{commit}}");
    let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &rev];
    let sha = ask(root, processes, &args).await?;
    Some(sha.trim().to_owned()).filter(|sha| super::is_full_sha(sha))
}

async fn ask(root: &Path, processes: &Processes, args: &[&str]) -> Option<String> {
    let root = root.display().to_string();
    let at = ["-C", root.as_str()];
    let args = at.iter().chain(args).map(|arg| (*arg).to_owned());
    let invocation = Invocation {
        program: "git".to_owned(),
        args: args.collect(),
        ..Invocation::default()
    };
    let finished = processes(invocation).await.ok()?;
    finished.success.then_some(finished.stdout)
}

/// What `git status --porcelain=v2 --branch` tells. Source: git-status(1), "Porcelain Format
/// Version 2".
struct Status {
    commit: String,
    /// `None` on a detached head.
    branch: Option<String>,
    changed: Vec<String>,
}

impl Status {
    /// `None` where there is no commit yet.
    fn parse(text: &str) -> Option<Self> {
        let (mut commit, mut branch, mut changed) = (None, None, Vec::new());
        for line in text.lines() {
            if let Some(oid) = line.strip_prefix("# branch.oid ") {
                commit = super::is_full_sha(oid).then(|| oid.to_owned());
            } else if let Some(head) = line.strip_prefix("# branch.head ") {
                branch = (head != "(detached)").then(|| head.to_owned());
            } else if let Some(path) = changed_path(line) {
                changed.push(path.to_owned());
            }
        }
        Some(Self {
            commit: commit?,
            branch,
            changed,
        })
    }
}

/// The path of an entry; how many fields stand before it is the kind's own.
fn changed_path(line: &str) -> Option<&str> {
    let fields = match line.as_bytes().first()? {
        b'1' => 8,
        b'2' => 9,
        b'u' => 10,
        b'?' => 1,
        _ => return None,
    };
    let path = line.splitn(fields + 1, ' ').nth(fields)?;
    // A renamed file's old path stands behind a tab.
    path.split('\t').next()
}

/// `a, b, c and 2 more`.
fn named(changed: &[String]) -> String {
    let (named, others) = changed.split_at(changed.len().min(NAMED));
    let mut told = named.join(", ");
    if !others.is_empty() {
        told.push_str(&format!(" and {} more", others.len()));
    }
    told
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;
    use crate::process::of_system;

    /// A checkout with one commit.
    struct Checkout(tempfile::TempDir);

    impl Checkout {
        fn new() -> Self {
            let checkout = Self(tempfile::tempdir().unwrap());
            checkout.git(&["init", "-q", "-b", "main"]);
            checkout.git(&["config", "user.name", "Ann"]);
            checkout.git(&["config", "user.email", "ann@example.com"]);
            checkout.commit();
            checkout
        }

        fn root(&self) -> PathBuf {
            self.0.path().to_owned()
        }

        fn commit(&self) {
            self.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
        }

        fn git(&self, args: &[&str]) -> String {
            let output = Command::new("git")
                .arg("-C")
                .arg(self.0.path())
                .args(args)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        }

        async fn release(&self) -> Release {
            release(&self.root(), &of_system()).await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_checkout_tells_commit_branch_tag_and_repository() {
        let checkout = Checkout::new();
        checkout.git(&["remote", "add", "origin", "git@github.com:acme/base.git"]);
        // Lightweight and annotated; the higher version counts, not the first letter.
        checkout.git(&["tag", "v1.9.0"]);
        checkout.git(&["tag", "-a", "-m", "x", "v1.10.0"]);
        let release = checkout.release().await;
        assert_eq!(
            release,
            Release {
                commit: Some(checkout.git(&["rev-parse", "HEAD"])),
                tag: Some("v1.10.0".into()),
                branch: Some("main".into()),
                actor: Some("Ann".into()),
                run_url: None,
                repository: "acme/base".parse().ok(),
                source: Source::Checkout,
                obstacles: Vec::new(),
            }
        );
    }

    #[tokio::test]
    async fn a_tag_of_an_older_commit_is_not_heads() {
        let checkout = Checkout::new();
        checkout.git(&["tag", "v1"]);
        checkout.commit();
        assert_eq!(checkout.release().await.tag, None);
    }

    #[tokio::test]
    async fn a_detached_head_is_on_no_branch() {
        let checkout = Checkout::new();
        checkout.git(&["checkout", "-q", "--detach"]);
        let release = checkout.release().await;
        assert_eq!((release.branch, release.repository), (None, None));
        assert!(release.commit.is_some());
    }

    #[tokio::test]
    async fn a_shallow_clone_has_its_commit() {
        let origin = Checkout::new();
        origin.commit();
        origin.git(&["tag", "v1"]);
        let clone = tempfile::tempdir().unwrap();
        let url = format!("file://{}", origin.root().display());
        let path = clone.path().join("c").display().to_string();
        origin.git(&["clone", "-q", "--depth", "1", &url, &path]);
        let release = release(Path::new(&path), &of_system()).await.unwrap();
        assert_eq!(release.commit, Some(origin.git(&["rev-parse", "HEAD"])));
        assert_eq!(release.tag.as_deref(), Some("v1"));
    }

    #[tokio::test]
    async fn what_is_changed_or_not_yet_known_to_git_is_named() {
        let checkout = Checkout::new();
        for name in ["a file", "b", "c", "d"] {
            std::fs::write(checkout.root().join(name), "x").unwrap();
        }
        checkout.git(&["add", "a file"]);
        let told = checkout.release().await.obstacles;
        assert_eq!(told, [Obstacle::Dirty("a file, b, c and 1 more".into())]);
        checkout.git(&["add", "."]);
        checkout.git(&["commit", "-q", "-m", "x"]);
        checkout.git(&["mv", "b", "e"]);
        let told = checkout.release().await.obstacles;
        assert_eq!(told, [Obstacle::Dirty("e".into())]);
    }

    #[tokio::test]
    async fn nowhere_there_is_nothing() {
        let nowhere = tempfile::tempdir().unwrap();
        assert_eq!(release(nowhere.path(), &of_system()).await, None);
        let empty = tempfile::tempdir().unwrap();
        let init = Command::new("git")
            .arg("-C")
            .arg(empty.path())
            .args(["init", "-q"])
            .status();
        assert!(init.unwrap().success());
        assert_eq!(release(empty.path(), &of_system()).await, None);
    }

    #[tokio::test]
    async fn history_tells_commits_and_their_tags_the_latest_first() {
        let checkout = Checkout::new();
        checkout.git(&["tag", "-a", "-m", "x", "v1"]);
        let first = checkout.git(&["rev-parse", "HEAD"]);
        checkout.commit();
        checkout.git(&["tag", "v2"]);
        let head = checkout.git(&["rev-parse", "HEAD"]);
        let found = history(&checkout.root(), &of_system()).await;
        let shas: Vec<_> = found
            .commits
            .iter()
            .map(|commit| commit.sha.clone())
            .collect();
        assert_eq!(shas, [head.clone(), first.clone()]);
        assert_eq!(found.commits[0].author.1, "ann@example.com");
        assert_eq!(found.tags, [("v1".into(), first), ("v2".into(), head)]);
        let nowhere = tempfile::tempdir().unwrap();
        assert_eq!(
            history(nowhere.path(), &of_system()).await,
            History::default()
        );
    }

    #[tokio::test]
    async fn a_rev_is_resolved_to_its_commit() {
        let checkout = Checkout::new();
        checkout.git(&["tag", "-a", "-m", "x", "v1"]);
        let head = checkout.git(&["rev-parse", "HEAD"]);
        let resolved = async |rev: &str| resolve(rev, &checkout.root(), &of_system()).await;
        assert_eq!(resolved("v1").await, Some(head.clone()));
        assert_eq!(resolved(&head[..8]).await, Some(head));
        assert_eq!(resolved("nope").await, None);
        assert_eq!(resolved("--help").await, None);
    }
}
