//! Runs of the engine over simulated clusters, in tokio's paused time: no test waits for a clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::{Engine, Order, Rollout, Schedule, Stop, Summary, Turn, Work, WorkOutcome};
use crate::event::{
    CallSummary, ClusterRef, Emitter, Event, Failure, Interruption, Outcome, Stamped, Step,
};

/// A run to simulate.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) clusters: Vec<Cluster>,
    pub(super) rollout: Rollout,
    pub(super) order: Order,
    /// When a first and a second signal come, in milliseconds after the start.
    pub(super) signals: Vec<u64>,
    /// In milliseconds.
    pub(super) grace: u64,
}

impl Scenario {
    pub(super) fn new(clusters: Vec<Cluster>, rollout: Rollout) -> Self {
        Self {
            clusters,
            rollout,
            order: Order::ByName,
            signals: Vec::new(),
            grace: 9_000,
        }
    }

    pub(super) fn schedule(&self) -> Schedule {
        let clusters = self.clusters.iter().map(Cluster::reference).collect();
        Schedule::new(clusters, self.rollout.clone(), self.order)
    }
}

/// A simulated cluster and what its work does.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) region: String,
    /// How long the work takes, in milliseconds. The first half is its session, the second observe.
    pub(super) takes: u64,
    pub(super) end: End,
    /// How long after being told to stop it stops, in milliseconds; `None`: it doesn't listen.
    pub(super) stops_after: Option<u64>,
}

/// How a cluster's work ends when nothing interrupts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Unchanged,
    Changed,
    Failed,
    Panicked,
}

impl Cluster {
    /// Takes a second and stops at once when told to.
    pub(super) fn new(name: &str, region: &str, end: End) -> Self {
        Self {
            name: name.into(),
            region: region.into(),
            takes: 1_000,
            end,
            stops_after: Some(0),
        }
    }

    pub(super) fn reference(&self) -> ClusterRef {
        ClusterRef {
            name: self.name.clone(),
            region: self.region.clone(),
            account: "111122223333".into(),
        }
    }
}

/// What a simulated run did.
#[derive(Debug, PartialEq)]
pub(super) struct Trace {
    pub(super) events: Vec<Stamped>,
    pub(super) summary: Summary,
    /// The clusters whose work really ran.
    pub(super) worked: Vec<String>,
    pub(super) elapsed: Duration,
}

impl Trace {
    /// When an event happened, in milliseconds after the start.
    pub(super) fn at(stamped: &Stamped) -> u64 {
        u64::try_from(stamped.at.as_millisecond()).unwrap()
    }

    pub(super) fn outcomes(&self) -> Vec<(&str, &Outcome)> {
        self.summary
            .clusters
            .iter()
            .map(|end| (end.cluster.as_str(), &end.outcome))
            .collect()
    }
}

pub(super) fn simulate(scenario: &Scenario) -> Trace {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(run(scenario))
}

async fn run(scenario: &Scenario) -> Trace {
    let start = Instant::now();
    let clock = Arc::new(move || {
        Timestamp::UNIX_EPOCH + SignedDuration::try_from(start.elapsed()).unwrap()
    });
    let (emitter, mut stream) = Emitter::channel(clock);
    let engine = Engine {
        emitter,
        stop: Stop::default(),
        grace: Duration::from_millis(scenario.grace),
    };
    let world = Arc::new(World {
        clusters: scenario.clusters.clone(),
        worked: Mutex::default(),
    });
    for after in scenario.signals.clone() {
        let stop = engine.stop.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(after)).await;
            stop.signalled(Interruption::Sigint);
        });
    }

    let summary = engine.run(&scenario.schedule(), Arc::clone(&world)).await;
    let elapsed = start.elapsed();
    drop(engine);

    // Tasks that were aborted hold the stream open until they are dropped.
    let mut events = Vec::new();
    while let Some(stamped) = stream.recv().await {
        events.push(stamped);
    }
    let worked = world.worked.lock().unwrap().clone();
    Trace {
        events,
        summary,
        worked,
        elapsed,
    }
}

struct World {
    clusters: Vec<Cluster>,
    worked: Mutex<Vec<String>>,
}

impl Work for World {
    async fn run(&self, turn: Turn) -> WorkOutcome {
        let name = &turn.cluster.name;
        self.worked.lock().unwrap().push(name.clone());
        let cluster = self.clusters.iter().find(|c| c.name == *name).unwrap();
        let calls = Arc::new(Mutex::new(0));
        turn.meter_calls({
            let calls = Arc::clone(&calls);
            move || CallSummary {
                total: *calls.lock().unwrap(),
                ..CallSummary::default()
            }
        });
        let whole = async {
            for step in [Step::Session, Step::Observe] {
                turn.events.enter(step);
                *calls.lock().unwrap() += 1;
                sleep(Duration::from_millis(cluster.takes) / 2).await;
            }
        };
        let told_to_stop = async {
            match cluster.stops_after {
                Some(after) => {
                    turn.cancel.cancelled().await;
                    sleep(Duration::from_millis(after)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = whole => cluster.end.outcome(),
            () = told_to_stop => WorkOutcome::Cancelled { during: turn.during() },
        }
    }
}

impl End {
    fn outcome(self) -> WorkOutcome {
        match self {
            Self::Unchanged => WorkOutcome::Unchanged,
            Self::Changed => WorkOutcome::Changed { resources: 3 },
            Self::Failed => WorkOutcome::Failed(Failure {
                step: Step::Observe,
                doing: "describing the cluster".into(),
                cause: "ServerException: it went wrong".into(),
                already_changed: Vec::new(),
                next: "run again".into(),
            }),
            // A panic like any other for the task, but the hook that prints it isn't called.
            Self::Panicked => std::panic::resume_unwind(Box::new("index out of bounds")),
        }
    }

    pub(super) fn is_success(self) -> bool {
        matches!(self, Self::Unchanged | Self::Changed)
    }
}

/// The name of the cluster that an event starts.
pub(super) fn started(stamped: &Stamped) -> Option<&str> {
    match &stamped.event {
        Event::ClusterStarted { cluster } => Some(cluster),
        _ => None,
    }
}

/// The name and the outcome of the cluster that an event ends.
pub(super) fn finished(stamped: &Stamped) -> Option<(&str, &Outcome)> {
    match &stamped.event {
        Event::ClusterFinished(end) => Some((&end.cluster, &end.outcome)),
        _ => None,
    }
}
