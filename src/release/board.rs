//! Where a release stands: every role, whether it holds it, and whether it may be rolled out now.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::{Gate, Met, Question, short};
use super::mermaid::{self, Node};
use crate::github::Repository;

/// Where a release stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Board {
    /// The repository, as `owner/name`.
    #[schemars(with = "Option<String>")]
    pub repository: Option<Repository>,
    /// The commit, as a full SHA.
    pub commit: Option<String>,
    /// The tag; null where there is none.
    pub tag: Option<String>,
    /// Digest of the inventory, secrets excluded.
    pub inventory_digest: String,
    /// When this was so, by GitHub's clock where it told.
    pub at: Timestamp,
    /// Every role in promotion order.
    pub roles: Vec<RoleStanding>,
}

/// Where a release stands with one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleStanding {
    /// The role.
    pub role: String,
    /// The roles that have to hold a release before it.
    pub after: Vec<String>,
    /// How many clusters it has.
    pub clusters: usize,
    /// The proof that it holds the release; null where there is none that is believed.
    pub proof: Option<Held>,
    /// Why there is no proof that is believed; null where there is one.
    pub doubt: Option<String>,
    /// Whether it may be rolled out now.
    pub may_run: bool,
    /// What it asks for, and whether it is there.
    pub gate: Gate,
}

/// That a role holds a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// What the run said.
    pub words: String,
    /// Who says so.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// The run's page.
    pub url: Option<String>,
}

impl Board {
    /// The board of what was asked and found.
    pub fn of(question: &Question<'_>) -> Self {
        let standings = question.standings();
        let roles = question.graph.roles().iter().map(|role| {
            let standing = standings.get(&role.name);
            let gate = question.gate(role, &standings);
            let proof = standing.and_then(|standing| standing.as_ref().ok());
            RoleStanding {
                role: role.name.clone(),
                after: role.after.clone(),
                clusters: role.clusters.len(),
                proof: proof.map(|proof| Held {
                    words: proof.words.clone(),
                    by: proof.creator.clone(),
                    since: proof.since,
                    url: proof.url.clone(),
                }),
                doubt: standing
                    .and_then(|standing| standing.as_ref().err())
                    .map(ToString::to_string),
                may_run: gate.is_open(),
                gate,
            }
        });
        Self {
            repository: question.release.repository.clone(),
            commit: question.release.commit.clone(),
            tag: question.release.tag.clone(),
            inventory_digest: question.digest.to_owned(),
            at: question.now,
            roles: roles.collect(),
        }
    }

    /// The release in few words: `acme/base 1f0c5d2e9b v1.4.0`.
    pub fn title(&self) -> String {
        let repository = self.repository.as_ref().map(ToString::to_string);
        let commit = self
            .commit
            .as_deref()
            .map(|commit| short(commit).to_owned());
        let parts = [repository, commit, self.tag.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The graph of roles for Mermaid: green where a role holds the release, yellow where it may be
    /// rolled out now.
    pub fn mermaid(&self) -> String {
        let nodes: Vec<Node<'_>> = self.roles.iter().map(RoleStanding::node).collect();
        let classes = [
            ("held", "fill:#dafbe1,stroke:#1a7f37,color:#1f2328"),
            ("next", "fill:#fff8c5,stroke:#9a6700,color:#1f2328"),
            ("waits", "fill:#f6f8fa,stroke:#8c959f,color:#1f2328"),
        ];
        mermaid::draw(&nodes, &classes)
    }
}

impl RoleStanding {
    fn node(&self) -> Node<'_> {
        let (class, told) = match (&self.proof, self.may_run) {
            (Some(held), _) => (
                "held",
                format!("held since {}", super::gate::minutes(held.since)),
            ),
            (None, true) => ("next", "may run now".to_owned()),
            (None, false) => ("waits", self.waits_for()),
        };
        Node {
            role: &self.role,
            after: &self.after,
            label: vec![self.role.clone(), told],
            class: Some(class),
        }
    }

    /// The first thing that keeps it from being rolled out; empty where nothing does.
    pub fn waits_for(&self) -> String {
        let unmet = self.gate.checks.iter().find(|check| check.met != Met::Yes);
        unmet.map_or(String::new(), |check| match check.met {
            Met::Unknown => format!("can't tell: {}", check.found),
            _ => format!("not until {}: {}", check.requirement, check.found),
        })
    }
}
