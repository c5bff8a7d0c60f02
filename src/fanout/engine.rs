//! Runs a schedule: one task per cluster, as many at once as [`Dispatch`] allows.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{self, Instant};

use super::dispatch::Dispatch;
use super::interrupt::Stop;
use super::schedule::Schedule;
use super::summary::Summary;
use super::work::{Turn, Work, WorkOutcome};
use crate::event::{ClusterEvents, ClusterFinished, Emitter, Failure, Outcome, Step};

/// What runs have in common: where they tell what happens, and how they are stopped.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Takes the events of the clusters. Those of the run as a whole are the caller's.
    pub emitter: Emitter,
    /// Stops the run early.
    pub stop: Stop,
    /// How long work that is under way when the run is stopped may take to end by itself.
    pub grace: Duration,
}

impl Engine {
    /// Does the work on every cluster of the schedule and returns when each has ended. Every
    /// cluster gets exactly one final state and one event that says so, in the order in which they
    /// end.
    pub async fn run<W: Work>(&self, schedule: &Schedule, work: Arc<W>) -> Summary {
        let mut run = Run::new(self, schedule, work);
        let mut deadline = None;
        loop {
            run.advance();
            if run.under_way.is_empty() {
                break;
            }
            tokio::select! {
                // In this order, so that work which has ended is never taken for abandoned.
                biased;
                Some(joined) = run.tasks.join_next_with_id() => run.joined(joined),
                () = self.stop.wind_down().cancelled(), if deadline.is_none() => {
                    deadline = Some(Instant::now() + self.grace);
                }
                () = self.stop.at_once().cancelled() => run.abandon(),
                () = passed(deadline) => run.abandon(),
            }
        }
        run.summary()
    }
}

/// Ready when the deadline has passed; never without one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// One run in progress.
struct Run<'a, W> {
    engine: &'a Engine,
    schedule: &'a Schedule,
    work: Arc<W>,
    dispatch: Dispatch<'a>,
    tasks: JoinSet<WorkOutcome>,
    under_way: HashMap<task::Id, UnderWay>,
    /// Ends, each with the cluster's place in the schedule.
    ended: Vec<(usize, ClusterFinished)>,
}

/// A cluster whose work has started and not ended.
struct UnderWay {
    index: usize,
    turn: Turn,
    since: Instant,
}

type Joined = Result<(task::Id, WorkOutcome), JoinError>;

impl<'a, W: Work> Run<'a, W> {
    fn new(engine: &'a Engine, schedule: &'a Schedule, work: Arc<W>) -> Self {
        Self {
            engine,
            schedule,
            work,
            dispatch: Dispatch::new(schedule),
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            ended: Vec::new(),
        }
    }

    /// Starts what may start, or ends what no longer will.
    fn advance(&mut self) {
        if self.engine.stop.wind_down().is_cancelled() {
            self.give_up(&Outcome::Cancelled {
                during: "before it started".to_owned(),
            });
            return;
        }
        while let Some(index) = self.dispatch.start() {
            self.start(index);
        }
        if let Some(reason) = self.dispatch.halted() {
            self.give_up(&Outcome::Skipped {
                reason: reason.to_owned(),
            });
        }
    }

    fn start(&mut self, index: usize) {
        let turn = self.turn(index);
        turn.events.started();
        let since = Instant::now();
        let work = Arc::clone(&self.work);
        let task = self.tasks.spawn({
            let turn = turn.clone();
            async move { work.run(turn).await }
        });
        self.under_way
            .insert(task.id(), UnderWay { index, turn, since });
    }

    fn turn(&self, index: usize) -> Turn {
        let cluster = self.schedule.clusters()[index].clone();
        let events = ClusterEvents::new(&cluster.name, self.engine.emitter.clone());
        // A child: work that cancels its own token doesn't stop the run.
        Turn::new(cluster, self.engine.stop.wind_down().child_token(), events)
    }

    /// A task has ended, by itself or by a panic.
    fn joined(&mut self, joined: Joined) {
        let id = match &joined {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(cluster) = self.under_way.remove(&id) else {
            return;
        };
        let outcome = match joined {
            Ok((_, outcome)) => outcome.into(),
            Err(error) => outcome_of_broken_task(error, &cluster.turn),
        };
        self.end(cluster, outcome);
    }

    /// Ends everything that is still under way without waiting for its tasks, which are aborted
    /// when the set of them is dropped.
    fn abandon(&mut self) {
        let mut left: Vec<UnderWay> = self.under_way.drain().map(|(_, cluster)| cluster).collect();
        left.sort_by_key(|cluster| cluster.index);
        for cluster in left {
            let during = cluster.turn.during();
            self.end(cluster, Outcome::Cancelled { during });
        }
    }

    fn end(&mut self, cluster: UnderWay, outcome: Outcome) {
        let UnderWay { index, turn, since } = cluster;
        self.dispatch.ended(index, &outcome);
        self.finish(index, &turn, outcome, since.elapsed());
    }

    /// Ends every cluster that hasn't started.
    fn give_up(&mut self, outcome: &Outcome) {
        for index in self.dispatch.give_up() {
            let turn = self.turn(index);
            self.finish(index, &turn, outcome.clone(), Duration::ZERO);
        }
    }

    fn finish(&mut self, index: usize, turn: &Turn, outcome: Outcome, elapsed: Duration) {
        let end = ClusterFinished {
            cluster: turn.cluster.name.clone(),
            outcome,
            calls: turn.calls(),
            elapsed,
        };
        turn.events.finished(end.clone());
        self.ended.push((index, end));
    }

    fn summary(mut self) -> Summary {
        self.ended.sort_by_key(|(index, _)| *index);
        Summary {
            clusters: self.ended.into_iter().map(|(_, end)| end).collect(),
        }
    }
}

/// What became of a cluster whose task gave no outcome.
fn outcome_of_broken_task(error: JoinError, turn: &Turn) -> Outcome {
    match error.try_into_panic() {
        Ok(panic) => Outcome::Failed(Failure {
            step: turn.events.step().unwrap_or(Step::Session),
            doing: format!("working on {}, {}", turn.cluster.name, turn.during()),
            cause: format!("psk panicked: {}", panic_message(&*panic)),
            already_changed: Vec::new(),
            next: "this is a defect in psk: report it with this message; a plan of the cluster \
                   shows what had been changed before it"
                .to_owned(),
        }),
        Err(_aborted) => Outcome::Cancelled {
            during: turn.during(),
        },
    }
}

/// The text given to `panic!`, which is a `&str` or, with arguments, a `String`.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::simulation::{Cluster, End, Scenario, Trace, finished, simulate};
    use super::super::{Mode, Rollout};
    use super::*;
    use crate::event::Interruption;

    /// Clusters a, b, c, …, all in one region, that end like this.
    fn clusters(ends: &[End]) -> Vec<Cluster> {
        ('a'..='z')
            .zip(ends)
            .map(|(name, end)| Cluster::new(&name.to_string(), "us-east-1", *end))
            .collect()
    }

    /// `name outcome`, with the reason or the place where there is one.
    fn told(trace: &Trace) -> Vec<String> {
        trace
            .outcomes()
            .into_iter()
            .map(|(name, outcome)| match outcome {
                Outcome::Skipped { reason: why } | Outcome::Cancelled { during: why } => {
                    format!("{name} {}: {why}", outcome.as_str())
                }
                _ => format!("{name} {}", outcome.as_str()),
            })
            .collect()
    }

    use End::{Changed, Failed, Panicked, Unchanged};

    #[test]
    fn all_at_once_takes_as_long_as_one() {
        let scenario = Scenario::new(clusters(&[Unchanged; 6]), Rollout::default());
        let trace = simulate(&scenario);
        assert_eq!(trace.elapsed, Duration::from_secs(1));
        assert!(trace.summary.held());
    }

    #[test]
    fn a_place_that_becomes_free_is_taken_at_once() {
        let rollout = Rollout {
            max_concurrent: 2,
            ..Rollout::default()
        };
        let mut fleet = clusters(&[Unchanged; 5]);
        fleet[0].takes = 3_000;
        let trace = simulate(&Scenario::new(fleet, rollout));
        // a holds one place for 3 s, while b, c and d go through the other, then e.
        assert_eq!(trace.elapsed, Duration::from_secs(4));
    }

    #[test]
    fn one_at_a_time_without_tolerance_stops_at_the_first_failure() {
        let rollout = Rollout {
            max_concurrent: 1,
            ..Rollout::default()
        };
        let trace = simulate(&Scenario::new(
            clusters(&[Changed, Failed, Unchanged, Unchanged]),
            rollout,
        ));
        assert_eq!(
            told(&trace),
            [
                "a changed",
                "b failed",
                "c skipped: b failed",
                "d skipped: b failed"
            ]
        );
        assert!(!trace.summary.held());
    }

    #[test]
    fn those_under_way_go_on_when_the_tolerance_is_passed() {
        let rollout = Rollout {
            max_concurrent: 2,
            ..Rollout::default()
        };
        let mut fleet = clusters(&[Failed, Changed, Unchanged]);
        fleet[1].takes = 4_000;
        let trace = simulate(&Scenario::new(fleet, rollout));
        assert_eq!(
            told(&trace),
            ["a failed", "b changed", "c skipped: a failed"]
        );
        // The skipped one is known to be when the tolerance is passed, not at the end.
        let ends: Vec<(&str, u64)> = trace
            .events
            .iter()
            .filter_map(|stamped| Some((finished(stamped)?.0, Trace::at(stamped))))
            .collect();
        assert_eq!(ends, [("a", 1_000), ("c", 1_000), ("b", 4_000)]);
    }

    #[test]
    fn strict_keeps_within_its_failures_where_soft_does_not() {
        let run = |mode| {
            let rollout = Rollout {
                failure_tolerance: 1,
                mode,
                ..Rollout::default()
            };
            simulate(&Scenario::new(clusters(&[Failed; 5]), rollout))
                .summary
                .counts()
                .failed
        };
        assert_eq!(run(Mode::Soft), 5);
        assert_eq!(run(Mode::Strict), 2);
    }

    #[test]
    fn a_failed_canary_skips_the_rest() {
        let rollout = Rollout {
            failure_tolerance: 3,
            canary: 1,
            ..Rollout::default()
        };
        let trace = simulate(&Scenario::new(
            clusters(&[Failed, Unchanged, Unchanged]),
            rollout,
        ));
        assert_eq!(
            told(&trace),
            [
                "a failed",
                "b skipped: canary a failed",
                "c skipped: canary a failed"
            ]
        );
    }

    #[test]
    fn more_canaries_than_clusters_is_a_run_of_canaries() {
        let rollout = Rollout {
            canary: 5,
            ..Rollout::default()
        };
        let trace = simulate(&Scenario::new(clusters(&[Unchanged, Changed]), rollout));
        assert_eq!(told(&trace), ["a unchanged", "b changed"]);
        assert!(trace.summary.held());
    }

    #[test]
    fn no_clusters_end_at_once_and_hold_nothing() {
        let trace = simulate(&Scenario::new(Vec::new(), Rollout::default()));
        assert_eq!(trace.elapsed, Duration::ZERO);
        assert!(trace.events.is_empty());
        assert!(!trace.summary.held());
    }

    #[test]
    fn a_panic_is_the_failure_of_its_cluster_alone() {
        let rollout = Rollout {
            failure_tolerance: 1,
            ..Rollout::default()
        };
        let trace = simulate(&Scenario::new(clusters(&[Panicked, Unchanged]), rollout));
        assert_eq!(told(&trace), ["a failed", "b unchanged"]);
        let end = &trace.summary.clusters[0];
        let Outcome::Failed(failure) = &end.outcome else {
            panic!("{end:?}");
        };
        assert_eq!(failure.step, Step::Observe);
        assert_eq!(
            failure.to_string(),
            "working on a, during observe: psk panicked: index out of bounds"
        );
        assert_eq!(end.calls.total, 2);
        assert_eq!(end.elapsed, Duration::from_secs(1));
    }

    #[test]
    fn a_signal_cancels_what_waits_and_lets_what_runs_end() {
        let rollout = Rollout {
            max_concurrent: 3,
            ..Rollout::default()
        };
        let mut fleet = clusters(&[Changed; 4]);
        // a stops when it is told to, b ends its work in the grace period, c never listens.
        fleet[1].stops_after = None;
        fleet[2].stops_after = None;
        fleet[2].takes = 60_000;
        let scenario = Scenario {
            signals: vec![600],
            grace: 2_000,
            ..Scenario::new(fleet, rollout)
        };
        let trace = simulate(&scenario);
        assert_eq!(
            told(&trace),
            [
                "a cancelled: during observe",
                "b changed",
                "c cancelled: during session",
                "d cancelled: before it started",
            ]
        );
        assert_eq!(trace.elapsed, Duration::from_millis(2_600));
        // The calls of work that was dropped are known as well.
        assert_eq!(trace.summary.clusters[2].calls.total, 1);
        assert_eq!(trace.summary.clusters[3].elapsed, Duration::ZERO);
    }

    #[test]
    fn a_second_signal_waits_for_nothing() {
        let mut fleet = clusters(&[Changed]);
        fleet[0].stops_after = None;
        let scenario = Scenario {
            signals: vec![600, 700],
            ..Scenario::new(fleet, Rollout::default())
        };
        let trace = simulate(&scenario);
        assert_eq!(told(&trace), ["a cancelled: during observe"]);
        assert_eq!(trace.elapsed, Duration::from_millis(700));
    }

    fn engine() -> Engine {
        Engine {
            emitter: Emitter::channel(Arc::new(|| Timestamp::UNIX_EPOCH)).0,
            stop: Stop::default(),
            grace: Duration::from_secs(9),
        }
    }

    #[tokio::test]
    async fn a_signal_before_the_start_starts_nothing() {
        let engine = engine();
        engine.stop.signalled(Interruption::Sigterm);
        let schedule = Scenario::new(clusters(&[Changed; 2]), Rollout::default()).schedule();
        let summary = engine.run(&schedule, Arc::new(Untouchable)).await;
        assert_eq!(summary.counts().cancelled, 2);
    }

    /// Work that must not be reached.
    struct Untouchable;

    impl Work for Untouchable {
        async fn run(&self, turn: Turn) -> WorkOutcome {
            panic!("{} was started", turn.cluster.name);
        }
    }

    #[tokio::test]
    async fn work_that_ended_before_the_engine_saw_the_signals_has_its_outcome() {
        let engine = engine();
        let schedule = Scenario::new(clusters(&[Changed]), Rollout::default()).schedule();
        let work = Arc::new(SignalledAtItsEnd(engine.stop.clone()));
        let summary = engine.run(&schedule, work).await;
        assert_eq!(summary.clusters[0].outcome, Outcome::Unchanged);
    }

    /// Work during whose last moment two signals come.
    struct SignalledAtItsEnd(Stop);

    impl Work for SignalledAtItsEnd {
        async fn run(&self, _: Turn) -> WorkOutcome {
            self.0.signalled(Interruption::Sigint);
            self.0.signalled(Interruption::Sigint);
            WorkOutcome::Unchanged
        }
    }
}
