//! The gate: what a role asks for before a release may get to it, and whether it is there.
//!
//! Pure: what GitHub says and what time it is are passed in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::Release;
use super::graph::Graph;
use super::proof::{self, Claim, Doubt, Proof, role_context};
use crate::github::{CommitStatus, StatusState};
use crate::inventory::{Freeze, Role, Trigger};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Every role.
    pub graph: &'a Graph<'a>,
    /// What is rolled out.
    pub release: &'a Release,
    /// The inventory's digest, whole.
    pub digest: &'a str,
    /// What every status's context begins with.
    pub prefix: &'a str,
    /// The stretches of time in which nothing is rolled out.
    pub freezes: &'a [Freeze],
    /// The moment of the question.
    pub now: Timestamp,
    /// What GitHub says.
    pub evidence: &'a Evidence,
}

/// What GitHub says of a release.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// Nothing: it couldn't be asked. Says why, and what to do about it.
    None {
        /// Why.
        why: String,
        /// What to do.
        next: String,
    },
    /// All of this.
    Read(Box<Read>),
}

/// What GitHub was asked and said.
#[derive(Debug, Clone)]
pub struct Read {
    /// Every status of the commit, the latest first; `None` where GitHub has no such commit.
    pub statuses: Option<Vec<CommitStatus>>,
    /// The repository's default branch.
    pub default_branch: String,
    /// The commit that the release's tag means at GitHub; `None` where it has no such tag.
    pub tagged: Option<String>,
    /// The status that freezes everything, from the default branch's head, if there is one.
    pub freeze: Option<CommitStatus>,
    /// The logins whose word counts.
    pub trusted: Vec<String>,
    /// The key that proofs are signed with, if they are.
    pub key: Option<SecretString>,
}

/// The gate's answer for one role: everything that was asked for, and whether it was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// The role.
    pub role: String,
    /// What it asks for.
    pub checks: Vec<Check>,
    /// Why the run went on although not everything is met; null where nobody said so.
    pub overridden: Option<String>,
}

/// One thing that a role asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What is asked for ("sandbox holds this release").
    pub requirement: String,
    /// Whether it is there.
    pub met: Met,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where it is met.
    pub next: Vec<String>,
    /// When it will be there by itself, if nothing else changes; null where time alone doesn't help.
    pub until: Option<Timestamp>,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Met {
    /// It is.
    Yes,
    /// It isn't.
    No,
    /// It couldn't be told.
    Unknown,
}

impl Gate {
    /// Whether everything is met.
    pub fn is_open(&self) -> bool {
        self.checks.iter().all(|check| check.met == Met::Yes)
    }

    /// When everything will be met, if time is all that is missing; `None` where it isn't, and where
    /// nothing is.
    pub fn opens(&self) -> Option<Timestamp> {
        let unmet = self.checks.iter().filter(|check| check.met != Met::Yes);
        let times: Option<Vec<Timestamp>> = unmet.map(|check| check.until).collect();
        times?.into_iter().max()
    }

    /// What to do about what isn't met, each thing once.
    pub fn next(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let steps = self.checks.iter().flat_map(|check| &check.next);
        steps
            .map(String::as_str)
            .filter(|step| seen.insert(*step))
            .collect()
    }
}

/// Which roles hold a release, and why the others aren't believed to.
pub type Standings = BTreeMap<String, Result<Proof, Doubt>>;

impl Question<'_> {
    /// The standing of every role; none where GitHub couldn't be asked.
    pub fn standings(&self) -> Standings {
        let Evidence::Read(read) = self.evidence else {
            return Standings::new();
        };
        let (Some(repository), Some(commit)) = (&self.release.repository, &self.release.commit)
        else {
            return Standings::new();
        };
        let history = read.statuses.as_deref().unwrap_or_default();
        let standing = |role: &Role| {
            let claim = Claim {
                repository,
                commit,
                role: &role.name,
                digest: self.digest,
                key: read.key.as_ref(),
            };
            let context = role_context(self.prefix, &role.name);
            (
                role.name.clone(),
                proof::judge(history, &context, &read.trusted, &claim),
            )
        };
        self.graph.roles().iter().map(standing).collect()
    }

    /// What `role` asks for, and whether it is there.
    pub fn gate(&self, role: &Role, standings: &Standings) -> Gate {
        let mut checks = vec![self.trigger(role)];
        for before in &role.after {
            let held = self.held(before, standings);
            let since = standings
                .get(before)
                .and_then(|standing| standing.as_ref().ok());
            checks.push(held);
            if !role.rollout.soak.is_zero() {
                checks.push(self.soaked(role, before, since));
            }
        }
        checks.extend(self.window(role));
        checks.push(self.thawed(role));
        Gate {
            role: role.name.clone(),
            checks,
            overridden: None,
        }
    }

    /// What taking a cluster of `role` apart asks for, and whether it is there. It takes no release
    /// anywhere, so that neither trigger nor proofs matter.
    pub fn calm(&self, role: &Role) -> Gate {
        let window = self.window(role).into_iter();
        Gate {
            role: role.name.clone(),
            checks: window.chain([self.thawed(role)]).collect(),
            overridden: None,
        }
    }

    fn trigger(&self, role: &Role) -> Check {
        let requirement = match role.trigger {
            Trigger::Push => "started by a push to the default branch",
            Trigger::Tag => "started by a tag",
        };
        let Evidence::Read(read) = self.evidence else {
            return self.unknown(requirement);
        };
        let commit = self.release.commit.as_deref().unwrap_or_default();
        if read.statuses.is_none() {
            let found = format!("GitHub has no commit {}", short(commit));
            return unmet(requirement, found, ["git push"]);
        }
        match (role.trigger, &self.release.tag, &self.release.branch) {
            (Trigger::Push, _, Some(branch)) if *branch == read.default_branch => {
                met(requirement, format!("branch {branch}"))
            }
            (Trigger::Push, tag, branch) => {
                let found = match (branch, tag) {
                    (Some(branch), _) => format!("branch {branch}, not {}", read.default_branch),
                    (None, Some(tag)) => format!("tag {tag} on no branch"),
                    (None, None) => "neither a branch nor a tag is known".to_owned(),
                };
                let next = format!("run it for a push to {}", read.default_branch);
                unmet(requirement, found, [next])
            }
            (Trigger::Tag, None, _) => {
                let found = "the commit bears no tag that is known here".to_owned();
                let next = "git tag VERSION && git push origin VERSION, then run it for the tag";
                unmet(requirement, found, [next])
            }
            (Trigger::Tag, Some(tag), _) => match &read.tagged {
                Some(tagged) if tagged.eq_ignore_ascii_case(commit) => {
                    met(requirement, format!("tag {tag}"))
                }
                Some(tagged) => {
                    let found = format!(
                        "tag {tag} is commit {} at GitHub, not {}",
                        short(tagged),
                        short(commit)
                    );
                    unmet(
                        requirement,
                        found,
                        [format!("run it for the commit that {tag} means")],
                    )
                }
                None => {
                    let found = format!("GitHub has no tag {tag}");
                    unmet(requirement, found, [format!("git push origin {tag}")])
                }
            },
        }
    }

    fn held(&self, before: &str, standings: &Standings) -> Check {
        let requirement = format!("{before} holds this release");
        let Evidence::Read(_) = self.evidence else {
            return self.unknown(&requirement);
        };
        match standings.get(before) {
            Some(Ok(proof)) => met(
                &requirement,
                format!(
                    "since {} by {}: {}",
                    minutes(proof.since),
                    proof.creator,
                    proof.words
                ),
            ),
            Some(Err(Doubt::UnderWay { .. })) => {
                let doubt = doubt(before, standings);
                unmet(
                    &requirement,
                    doubt,
                    [format!(
                        "wait for the run of {before} to end; if it was killed, psk fanout --role {before}"
                    )],
                )
            }
            _ => {
                let held = standings
                    .iter()
                    .filter(|(_, standing)| standing.is_ok())
                    .map(|(role, _)| role.as_str())
                    .collect();
                let steps = self.graph.to_run(before, &held);
                let next = steps
                    .into_iter()
                    .map(|role| format!("psk fanout --role {role}"));
                unmet(&requirement, doubt(before, standings), next)
            }
        }
    }

    fn soaked(&self, role: &Role, before: &str, proof: Option<&Proof>) -> Check {
        let soak = role.rollout.soak;
        let requirement = format!("{before} has held it for {}", span(soak));
        if !matches!(self.evidence, Evidence::Read(_)) {
            return self.unknown(&requirement);
        }
        let Some(proof) = proof else {
            return unmet(
                &requirement,
                format!("{before} does not hold it"),
                <[&str; 0]>::default(),
            );
        };
        let age = proof.age(self.now);
        let found = format!("for {}", span(age));
        if age >= soak {
            return met(&requirement, found);
        }
        match proof.since.checked_add(soak) {
            Ok(at) => awaited(&requirement, found, at),
            Err(_) => unmet(&requirement, found, [format!("wait {}", span(soak))]),
        }
    }

    fn window(&self, role: &Role) -> Option<Check> {
        let windows = &role.rollout.windows;
        let (first, others) = windows.split_first()?;
        let told: Vec<String> = windows.iter().map(ToString::to_string).collect();
        let requirement = format!("within {}", told.join(" or "));
        if let Some(open) = windows.iter().find(|window| window.is_open(self.now)) {
            return Some(met(&requirement, open.local(self.now)));
        }
        let opens = windows
            .iter()
            .filter_map(|window| window.next_opening(self.now))
            .min();
        let found = if others.is_empty() {
            format!("it is {}", first.local(self.now))
        } else {
            format!("it is {}", minutes(self.now))
        };
        Some(match opens {
            Some(at) => awaited(&requirement, found, at),
            None => unmet(&requirement, found, <[&str; 0]>::default()),
        })
    }

    fn thawed(&self, role: &Role) -> Check {
        let requirement = "no freeze";
        if let Some(freeze) = self
            .freezes
            .iter()
            .find(|freeze| freeze.holds(&role.name, self.now))
        {
            let found = format!("psk.yaml, until {}: {}", minutes(freeze.to), freeze.reason);
            return awaited(requirement, found, freeze.to);
        }
        let Evidence::Read(read) = self.evidence else {
            return self.unknown(requirement);
        };
        match &read.freeze {
            Some(status) if status.state != StatusState::Success => {
                let found = format!(
                    "{} on {} is {}: {}",
                    status.context,
                    read.default_branch,
                    status.state.as_str(),
                    status.description
                );
                let next = format!("have {} set to success by who froze it", status.context);
                unmet(requirement, found, [next])
            }
            _ => met(requirement, "none".to_owned()),
        }
    }

    fn unknown(&self, requirement: &str) -> Check {
        let (why, next) = match self.evidence {
            Evidence::None { why, next } => (why.clone(), vec![next.clone()]),
            Evidence::Read(_) => (String::new(), Vec::new()),
        };
        Check {
            requirement: requirement.to_owned(),
            met: Met::Unknown,
            found: why,
            next,
            until: None,
        }
    }
}

fn doubt(role: &str, standings: &Standings) -> String {
    match standings.get(role) {
        Some(Err(doubt)) => doubt.to_string(),
        _ => Doubt::Missing.to_string(),
    }
}

fn met(requirement: &str, found: String) -> Check {
    Check {
        requirement: requirement.to_owned(),
        met: Met::Yes,
        found,
        next: Vec::new(),
        until: None,
    }
}

fn unmet<T: Into<String>>(
    requirement: &str,
    found: String,
    next: impl IntoIterator<Item = T>,
) -> Check {
    Check {
        requirement: requirement.to_owned(),
        met: Met::No,
        found,
        next: next.into_iter().map(Into::into).collect(),
        until: None,
    }
}

/// What is there by itself from a moment on.
fn awaited(requirement: &str, found: String, at: Timestamp) -> Check {
    Check {
        until: Some(at),
        ..unmet(requirement, found, [format!("wait until {}", minutes(at))])
    }
}

/// The beginning of a commit's SHA, as people read it.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// A moment to the minute.
pub(super) fn minutes(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// `12m`, `1h 5m`, `2d`: a stretch of time in its two largest units.
pub fn span(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    let units = [
        ("d", 86_400, u64::MAX),
        ("h", 3_600, 24),
        ("m", 60, 60),
        ("s", 1, 60),
    ];
    let parts: Vec<String> = units
        .iter()
        .map(|(unit, size, of)| (unit, seconds / size % of))
        .skip_while(|(_, n)| *n == 0)
        .take(2)
        .filter(|(_, n)| *n > 0)
        .map(|(unit, n)| format!("{n}{unit}"))
        .collect();
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests;
