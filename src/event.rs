//! What happens during a run, as data. One run is one stream of [`Event`] values: the engine and
//! everything under it only emit; the terminal view, CI log, JSON report and the others listen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub use self::cluster::ClusterEvents;
pub use self::publication::{Publication, Undelivered};
use crate::reconcile::plan::Plan;
use crate::release::gate::Gate;

mod cluster;
mod publication;

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run is about to start: what it is, over which clusters, in which order.
    RunStarted(RunStarted),
    /// A cluster's work began.
    ClusterStarted {
        /// The cluster's name.
        cluster: String,
    },
    /// A cluster's work entered a step.
    StepStarted {
        /// The cluster's name.
        cluster: String,
        /// The step entered.
        step: Step,
    },
    /// Something under way in the current step reached a new state ("node group UPDATING, 3m12s").
    Progress {
        /// The cluster's name.
        cluster: String,
        /// One short line for people.
        message: String,
    },
    /// The cluster's plan is known.
    Planned {
        /// The plan, which also names the cluster.
        plan: Box<Plan>,
    },
    /// Something worth a person's attention that stops nothing.
    Warning {
        /// The cluster concerned; `None` where it concerns the run.
        cluster: Option<String>,
        /// One line for people.
        message: String,
    },
    /// A check of a cluster ended.
    Checked {
        /// The cluster's name.
        cluster: String,
        /// The check and what came of it.
        check: CheckResult,
    },
    /// A call was made for a cluster. Told only where someone wants to know.
    Called {
        /// The cluster's name.
        cluster: String,
        /// The call.
        call: MadeCall,
    },
    /// A cluster's outputs are known, and kept where others find them.
    Outputs {
        /// The cluster's name.
        cluster: String,
        /// What they are, and what came of keeping them.
        outputs: KeptOutputs,
    },
    /// A cluster reached its one final state.
    ClusterFinished(ClusterFinished),
    /// What the role asks for before a release may get to it, and whether it is there.
    Gated(Box<Gate>),
    /// What became of the run's commit statuses.
    Published(Box<Publication>),
    /// Nothing more will happen.
    RunFinished {
        /// Wall time of the whole run.
        #[serde(rename = "seconds", with = "seconds")]
        elapsed: Duration,
        /// The signal that ended the run early, if one did.
        interrupted: Option<Interruption>,
    },
}

/// What a run sets out to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunStarted {
    /// The subcommand: `fanout`, `plan`, …
    pub command: String,
    /// The role (release tier) that is run over.
    pub role: String,
    /// Whether the run only reads.
    pub dry_run: bool,
    /// The commit that is rolled out, as a full SHA, where one is known.
    pub commit: Option<String>,
    /// The tag that is rolled out, where there is one.
    pub tag: Option<String>,
    /// Why clusters are upgraded although EKS's insights speak against it, if they are.
    pub force_upgrade: Option<String>,
    /// Digest of the resolved inventory, secrets excluded.
    pub inventory_digest: String,
    /// Every cluster of the run, in the order in which they are started.
    pub clusters: Vec<ClusterRef>,
    /// The effective schedule in words, one line each ("1 canary, then 5 at once").
    pub schedule: Vec<String>,
}

/// Which cluster, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ClusterRef {
    /// The cluster's name, unique in the inventory.
    pub name: String,
    /// AWS region.
    pub region: String,
    /// AWS account, twelve digits.
    pub account: String,
}

/// The steps that a cluster goes through, in this order; a dry run ends after `Plan`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Assume the account's role and check whose account it is.
    Session,
    /// Read what is there.
    Observe,
    /// Compare it with what is asked for.
    Plan,
    /// Make the changes and wait until AWS says they are done.
    Apply,
    /// Check that the cluster works.
    Verify,
    /// Write what others need to know of the cluster.
    Outputs,
}

impl Step {
    /// The step's name as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Observe => "observe",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Outputs => "outputs",
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A cluster's one final state and what it took to get there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterFinished {
    /// The cluster's name.
    pub cluster: String,
    /// The state it ended in.
    pub outcome: Outcome,
    /// The API calls made for this cluster.
    pub calls: CallSummary,
    /// Wall time from the cluster's start; zero if it never started.
    #[serde(rename = "seconds", with = "seconds")]
    pub elapsed: Duration,
}

/// How a cluster ended. Every cluster of a run ends in exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It already was what its settings ask for.
    Unchanged,
    /// It was changed, or in a dry run, it would be.
    Changed {
        /// How many resources.
        resources: usize,
    },
    /// Something went wrong.
    Failed(Failure),
    /// It was never started.
    Skipped {
        /// Why: the failed canary, the tolerance that was passed, …
        reason: String,
    },
    /// It was stopped, or not started, because the run was interrupted.
    Cancelled {
        /// Where it stood when the run was interrupted ("before it started", "during observe").
        during: String,
    },
}

impl Outcome {
    /// Whether the cluster is what its settings ask for, or in a dry run, could be planned.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Changed { .. })
    }

    /// The state's name: unchanged, changed, failed, skipped or cancelled.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed { .. } => "changed",
            Self::Failed(_) => "failed",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

/// Everything a person needs to know of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The step that failed.
    pub step: Step,
    /// What was being done ("describing node group management-arm-rkt-mng").
    pub doing: String,
    /// What failed, in the service's own words.
    pub cause: String,
    /// What had been changed before, one line a resource; empty where nothing was.
    pub already_changed: Vec<String>,
    /// What to do next.
    pub next: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

/// A check of a cluster, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// Wall time in seconds; zero where it wasn't run.
    pub seconds: f64,
    /// What was seen, or why it wasn't run: the cause first, then all that may explain it, a line
    /// each; null where it passed.
    pub message: Option<String>,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// What it makes sure of is so.
    Passed,
    /// It isn't so.
    Failed,
    /// It wasn't run.
    Skipped,
}

impl CheckOutcome {
    /// The outcome's name as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// A call to a service that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeCall {
    /// Service and operation (`eks:DescribeCluster`).
    pub operation: String,
    /// Wall time from its first attempt to its end.
    #[serde(rename = "seconds", with = "seconds")]
    pub elapsed: Duration,
    /// Attempts, the first one included.
    pub attempts: u32,
    /// Answers that asked to slow down.
    pub throttles: u64,
}

/// What others need to know of a cluster, and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptOutputs {
    /// The 1Password vault.
    pub vault: String,
    /// The item's title.
    pub item: String,
    /// What came of writing it.
    pub written: OutputsWritten,
    /// Each field's value; `***` in the place of one that clients hide.
    pub fields: BTreeMap<String, String>,
}

/// What came of writing a cluster's outputs. In a dry run, what would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputsWritten {
    /// The item had every value already.
    Unchanged,
    /// Some fields were changed or added.
    Changed,
    /// The item was made.
    Made,
}

/// The API calls made for one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallSummary {
    /// Calls made, retries not counted.
    pub total: u64,
    /// Attempts beyond the first of a call.
    pub retries: u64,
    /// Answers that asked to slow down (`ThrottlingException`, HTTP 429, …).
    pub throttles: u64,
    /// Length of the longest chain of calls of which each had to wait for the one before.
    pub longest_chain: u32,
    /// Calls per operation (`eks:DescribeCluster`).
    pub by_operation: BTreeMap<String, u64>,
}

/// The signal that ended a run early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Interruption {
    /// SIGINT, usually Ctrl-C.
    Sigint,
    /// SIGTERM, usually a CI runner that cancels a job.
    Sigterm,
}

impl std::fmt::Display for Interruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Sigint => "SIGINT",
            Self::Sigterm => "SIGTERM",
        })
    }
}

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stamped {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Where the current time comes from; tests pass one that they move by hand.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The writing end of a run's event stream. Clones write to the same stream.
#[derive(Clone)]
pub struct Emitter {
    sender: mpsc::UnboundedSender<Stamped>,
    clock: Clock,
}

impl Emitter {
    /// A new stream. It ends when every clone of the emitter is dropped.
    pub fn channel(clock: Clock) -> (Self, mpsc::UnboundedReceiver<Stamped>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, clock }, receiver)
    }

    /// Adds an event to the stream. Emitting to a stream that no one reads any more is no error:
    /// a listener that went away can't fail a cluster.
    pub fn emit(&self, event: Event) {
        let at = (self.clock)();
        drop(self.sender.send(Stamped { at, event }));
    }
}

impl std::fmt::Debug for Emitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emitter").finish_non_exhaustive()
    }
}

/// Durations as seconds with three decimals, for machines.
mod seconds {
    use std::time::Duration;

    use serde::Serializer;

    pub(super) fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64((d.as_secs_f64() * 1000.0).round() / 1000.0)
    }
}
