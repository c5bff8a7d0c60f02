//! What is done with one cluster, as the engine sees it.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::event::{CallSummary, ClusterEvents, ClusterRef, Failure, Outcome};

/// The work that a run does with each of its clusters.
pub trait Work: Send + Sync + 'static {
    /// Does it for one cluster. Each call runs as a task of its own, so a panic in it is that
    /// cluster's failure alone. When [`Turn::cancel`] is cancelled, the work lets the call in flight
    /// finish and returns soon; one that doesn't within the engine's grace is dropped at whatever
    /// it awaits.
    fn run(&self, turn: Turn) -> impl Future<Output = WorkOutcome> + Send;
}

/// How a cluster's work ended. What never started has no work to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkOutcome {
    /// The cluster already was what its settings ask for.
    Unchanged,
    /// It was changed, or in a dry run, it would be.
    Changed {
        /// How many resources.
        resources: usize,
    },
    /// Something went wrong.
    Failed(Failure),
    /// It stopped because it was told to.
    Cancelled {
        /// Where it stood ("during observe").
        during: String,
    },
}

impl From<WorkOutcome> for Outcome {
    fn from(outcome: WorkOutcome) -> Self {
        match outcome {
            WorkOutcome::Unchanged => Self::Unchanged,
            WorkOutcome::Changed { resources } => Self::Changed { resources },
            WorkOutcome::Failed(failure) => Self::Failed(failure),
            WorkOutcome::Cancelled { during } => Self::Cancelled { during },
        }
    }
}

/// One cluster's turn: what its work is given. Clones are the same turn.
#[derive(Clone)]
pub struct Turn {
    /// The cluster.
    pub cluster: ClusterRef,
    /// Cancelled when the run is interrupted.
    pub cancel: CancellationToken,
    /// Where the work says what it does.
    pub events: ClusterEvents,
    calls: Arc<OnceLock<CallMeter>>,
}

type CallMeter = Box<dyn Fn() -> CallSummary + Send + Sync>;

impl Turn {
    /// A turn for the cluster that `events` speaks for.
    pub fn new(cluster: ClusterRef, cancel: CancellationToken, events: ClusterEvents) -> Self {
        Self {
            cluster,
            cancel,
            events,
            calls: Arc::default(),
        }
    }

    /// Says where the calls made so far are counted. The count is read when the turn ends, however
    /// it ends, so that it is known of work that panicked or was dropped too. Only the first meter
    /// counts.
    pub fn meter_calls(&self, meter: impl Fn() -> CallSummary + Send + Sync + 'static) {
        drop(self.calls.set(Box::new(meter)));
    }

    /// The calls made so far; none where there is no meter.
    pub fn calls(&self) -> CallSummary {
        self.calls.get().map(|meter| meter()).unwrap_or_default()
    }

    /// Where the work stands, as [`Outcome::Cancelled`] tells it: "during observe".
    pub fn during(&self) -> String {
        match self.events.step() {
            Some(step) => format!("during {step}"),
            None => "before its first step".to_owned(),
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("cluster", &self.cluster)
            .field("cancel", &self.cancel)
            .finish_non_exhaustive()
    }
}
