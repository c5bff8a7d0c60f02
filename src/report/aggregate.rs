//! The state of a run, built up event by event, and the [`Report`] that it amounts to.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::document::{
    ClusterReport, OutcomeKind, REPORT_SCHEMA_VERSION, Report, Run, StepReport, Totals,
};
use crate::event::{
    CallSummary, CheckOutcome, CheckResult, ClusterFinished, ClusterRef, Event, Interruption,
    KeptOutputs, Outcome, Publication, RunStarted, Stamped, Step,
};
use crate::reconcile::plan::Plan;
use crate::release::gate::Gate;

/// The state of a run as far as its events have told.
#[derive(Debug, Default)]
pub struct Aggregate {
    run: Option<(Timestamp, RunStarted)>,
    end: Option<End>,
    latest: Option<Timestamp>,
    clusters: Vec<ClusterState>,
    positions: HashMap<String, usize>,
    warnings: Vec<String>,
    gate: Option<Gate>,
    publication: Option<Publication>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    at: Timestamp,
    elapsed: Duration,
    interrupted: Option<Interruption>,
}

/// The state of one cluster of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterState {
    /// Which cluster, and where.
    pub cluster: ClusterRef,
    /// When its work began; `None` before.
    pub started: Option<Timestamp>,
    /// The steps entered so far, and when.
    pub steps: Vec<(Step, Timestamp)>,
    /// The last line of progress within the current step.
    pub message: Option<String>,
    /// Its plan, once known.
    pub plan: Option<Box<Plan>>,
    /// Warnings so far.
    pub warnings: Vec<String>,
    /// The checks that ended so far, in the order in which they did.
    pub checks: Vec<CheckResult>,
    /// Its outputs, once they are kept.
    pub outputs: Option<KeptOutputs>,
    /// Its final state, and when it was reached.
    pub finished: Option<(Timestamp, ClusterFinished)>,
}

impl ClusterState {
    fn new(cluster: ClusterRef) -> Self {
        Self {
            cluster,
            started: None,
            steps: Vec::new(),
            message: None,
            plan: None,
            warnings: Vec::new(),
            checks: Vec::new(),
            outputs: None,
            finished: None,
        }
    }

    /// Whether its work has begun and not ended.
    pub fn is_running(&self) -> bool {
        self.started.is_some() && self.finished.is_none()
    }

    /// The step it is in, or was in last.
    pub fn step(&self) -> Option<Step> {
        self.steps.last().map(|(step, _)| *step)
    }
}

/// How many clusters of a run stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Clusters in the run.
    pub total: usize,
    /// Clusters whose work goes on.
    pub running: usize,
    /// Clusters that ended unchanged.
    pub unchanged: usize,
    /// Clusters that ended changed.
    pub changed: usize,
    /// Clusters that failed.
    pub failed: usize,
    /// Clusters that were skipped.
    pub skipped: usize,
    /// Clusters that were cancelled.
    pub cancelled: usize,
}

impl Tally {
    /// Clusters that reached their final state.
    pub fn done(&self) -> usize {
        self.unchanged + self.changed + self.failed + self.skipped + self.cancelled
    }
}

impl Aggregate {
    /// Takes in an event.
    pub fn on(&mut self, stamped: &Stamped) {
        self.latest = Some(stamped.at);
        match &stamped.event {
            Event::RunStarted(run) => {
                for cluster in &run.clusters {
                    self.state(&cluster.name).cluster.clone_from(cluster);
                }
                self.run = Some((stamped.at, run.clone()));
            }
            Event::ClusterStarted { cluster } => self.state(cluster).started = Some(stamped.at),
            Event::StepStarted { cluster, step } => {
                let state = self.state(cluster);
                state.steps.push((*step, stamped.at));
                state.message = None;
            }
            Event::Progress { cluster, message } => {
                self.state(cluster).message = Some(message.clone());
            }
            Event::Planned { plan } => self.state(&plan.cluster).plan = Some(plan.clone()),
            Event::Checked { cluster, check } => {
                let state = self.state(cluster);
                state.checks.push(check.clone());
                let n = |outcome| state.checks.iter().filter(|c| c.outcome == outcome).count();
                let (passed, failed) = (n(CheckOutcome::Passed), n(CheckOutcome::Failed));
                let failed = match failed {
                    0 => String::new(),
                    n => format!(", {n} failed"),
                };
                state.message = Some(format!("{passed} checks passed{failed}"));
            }
            Event::Warning {
                cluster: Some(cluster),
                message,
            } => {
                self.state(cluster).warnings.push(message.clone());
            }
            Event::Warning {
                cluster: None,
                message,
            } => self.warnings.push(message.clone()),
            Event::Called { .. } => {}
            Event::Outputs { cluster, outputs } => {
                self.state(cluster).outputs = Some(outputs.clone());
            }
            Event::ClusterFinished(finished) => {
                self.state(&finished.cluster).finished = Some((stamped.at, finished.clone()));
            }
            Event::Gated(gate) => self.gate = Some((**gate).clone()),
            Event::Published(publication) => {
                self.publication = Some((**publication).clone());
            }
            Event::RunFinished {
                elapsed,
                interrupted,
            } => {
                let (elapsed, interrupted) = (*elapsed, *interrupted);
                self.end = Some(End {
                    at: stamped.at,
                    elapsed,
                    interrupted,
                });
            }
        }
    }

    /// What the run set out to do, and when; `None` before it started.
    pub fn run(&self) -> Option<&(Timestamp, RunStarted)> {
        self.run.as_ref()
    }

    /// How long the run took, or has taken by `now` if it isn't over; zero before it started.
    pub fn elapsed(&self, now: Timestamp) -> Duration {
        match (&self.run, self.end) {
            (_, Some(end)) => end.elapsed,
            (Some((started, _)), None) => since(*started, now),
            (None, None) => Duration::ZERO,
        }
    }

    /// Every cluster, in the order of the schedule.
    pub fn clusters(&self) -> &[ClusterState] {
        &self.clusters
    }

    /// One cluster's state.
    pub fn cluster(&self, name: &str) -> Option<&ClusterState> {
        self.positions
            .get(name)
            .and_then(|position| self.clusters.get(*position))
    }

    /// How many clusters stand where.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally {
            total: self.clusters.len(),
            ..Tally::default()
        };
        for state in &self.clusters {
            let Some((_, finished)) = &state.finished else {
                tally.running += usize::from(state.is_running());
                continue;
            };
            *match OutcomeKind::from(&finished.outcome) {
                OutcomeKind::Unchanged => &mut tally.unchanged,
                OutcomeKind::Changed => &mut tally.changed,
                OutcomeKind::Failed => &mut tally.failed,
                OutcomeKind::Skipped => &mut tally.skipped,
                OutcomeKind::Cancelled => &mut tally.cancelled,
            } += 1;
        }
        tally
    }

    /// The report of the run so far; `None` where it never started, so that there is nothing to
    /// tell. A cluster whose end was never told counts as cancelled where it was last seen.
    pub fn report(&self) -> Option<Report> {
        let (started, run) = self.run.as_ref()?;
        let last = self.latest.unwrap_or(*started);
        let clusters: Vec<_> = self
            .clusters
            .iter()
            .map(|state| describe(state, last))
            .collect();
        Some(Report {
            schema_version: REPORT_SCHEMA_VERSION,
            run: Run {
                command: run.command.clone(),
                role: run.role.clone(),
                dry_run: run.dry_run,
                commit: run.commit.clone(),
                tag: run.tag.clone(),
                force_upgrade: run.force_upgrade.clone(),
                inventory_digest: run.inventory_digest.clone(),
                started: *started,
                finished: self.end.map(|end| end.at),
                seconds: seconds(self.elapsed(last)),
                interrupted: self.end.and_then(|end| end.interrupted),
            },
            gate: self.gate.clone(),
            schedule: run.schedule.clone(),
            statuses: self.publication.clone(),
            totals: Totals::of(&clusters),
            clusters,
            warnings: self.warnings.clone(),
        })
    }

    /// The state of that cluster, which is added if nothing was told of it before.
    fn state(&mut self, name: &str) -> &mut ClusterState {
        let position = match self.positions.get(name) {
            Some(position) => *position,
            None => {
                let cluster = ClusterRef {
                    name: name.to_owned(),
                    region: String::new(),
                    account: String::new(),
                };
                self.clusters.push(ClusterState::new(cluster));
                self.positions
                    .insert(name.to_owned(), self.clusters.len() - 1);
                self.clusters.len() - 1
            }
        };
        &mut self.clusters[position]
    }
}

/// One cluster's report. `last` is when the last event of the run was.
fn describe(state: &ClusterState, last: Timestamp) -> ClusterReport {
    let (end, finished) = match &state.finished {
        Some((at, finished)) => (*at, finished.clone()),
        None => (last, broken_off(state, last)),
    };
    let ends = state.steps.iter().skip(1).map(|(_, at)| *at).chain([end]);
    let steps = state
        .steps
        .iter()
        .zip(ends)
        .map(|((step, begun), ended)| StepReport {
            step: *step,
            seconds: seconds(since(*begun, ended)),
        });
    let outcome = OutcomeKind::from(&finished.outcome);
    let (failure, reason) = match finished.outcome {
        Outcome::Unchanged | Outcome::Changed { .. } => (None, None),
        Outcome::Failed(failure) => (Some(failure), None),
        Outcome::Skipped { reason } => (None, Some(reason)),
        Outcome::Cancelled { during } => (None, Some(during)),
    };
    ClusterReport {
        name: state.cluster.name.clone(),
        region: state.cluster.region.clone(),
        account: state.cluster.account.clone(),
        outcome,
        changes: state.plan.as_ref().map(|plan| plan.counts()),
        calls: finished.calls,
        seconds: seconds(finished.elapsed),
        steps: steps.collect(),
        plan: state.plan.as_deref().cloned(),
        failure,
        reason,
        warnings: state.warnings.clone(),
        checks: state.checks.clone(),
        outputs: state.outputs.clone(),
    }
}

/// What can be said of a cluster whose end was never told.
fn broken_off(state: &ClusterState, last: Timestamp) -> ClusterFinished {
    let during = match (state.step(), state.started) {
        (Some(step), _) => format!("during {step}; the run broke off"),
        (None, Some(_)) => "as it started; the run broke off".to_owned(),
        (None, None) => "before it started; the run broke off".to_owned(),
    };
    ClusterFinished {
        cluster: state.cluster.name.clone(),
        outcome: Outcome::Cancelled { during },
        calls: CallSummary::default(),
        elapsed: state
            .started
            .map_or(Duration::ZERO, |started| since(started, last)),
    }
}

/// The time between two moments; zero where the clock went back.
pub(super) fn since(begun: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(begun)).unwrap_or(Duration::ZERO)
}

/// Seconds to the millisecond.
fn seconds(d: Duration) -> f64 {
    (d.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn of(events: &[Stamped]) -> Aggregate {
        let mut aggregate = Aggregate::default();
        events.iter().for_each(|event| aggregate.on(event));
        aggregate
    }

    #[test]
    fn a_run_that_never_started_has_no_report() {
        assert_eq!(Aggregate::default().report(), None);
    }

    #[test]
    fn every_cluster_ends_in_one_state_and_the_totals_say_so() {
        let report = of(&testing::all_outcomes()).report().unwrap();
        let outcomes: Vec<_> = report.clusters.iter().map(|c| c.outcome).collect();
        use OutcomeKind::{Cancelled, Changed, Failed, Skipped, Unchanged};
        assert_eq!(outcomes, [Changed, Unchanged, Failed, Skipped, Cancelled]);
        let totals = report.totals;
        assert_eq!(totals.clusters, 5);
        assert_eq!(
            (
                totals.changed,
                totals.unchanged,
                totals.failed,
                totals.skipped,
                totals.cancelled
            ),
            (1, 1, 1, 1, 1)
        );
        assert_eq!(
            totals.calls,
            report.clusters.iter().map(|c| c.calls.total).sum::<u64>()
        );
        assert_eq!(totals.throttles, 3);
        assert_eq!(totals.longest_chain, 4);
    }

    #[test]
    fn a_step_lasts_until_the_next_or_the_end() {
        let report = of(&testing::all_outcomes()).report().unwrap();
        let steps: Vec<_> = report.clusters[0]
            .steps
            .iter()
            .map(|s| (s.step, s.seconds))
            .collect();
        assert_eq!(
            steps,
            [
                (Step::Session, 0.1),
                (Step::Observe, 1.0),
                (Step::Plan, 0.1)
            ]
        );
    }

    #[test]
    fn the_tally_follows_the_events() {
        let events = testing::all_outcomes();
        let started = events
            .iter()
            .take_while(|e| !matches!(e.event, Event::ClusterFinished(_)));
        let tally = of(&started.cloned().collect::<Vec<_>>()).tally();
        assert_eq!((tally.total, tally.done()), (5, 0));
        assert!(tally.running > 0);
        let tally = of(&events).tally();
        assert_eq!((tally.total, tally.done(), tally.running), (5, 5, 0));
    }

    #[test]
    fn a_run_that_broke_off_claims_nothing() {
        let events: Vec<_> = testing::all_outcomes().into_iter().take(6).collect();
        let report = of(&events).report().unwrap();
        assert_eq!(report.run.finished, None);
        assert!(
            report
                .clusters
                .iter()
                .all(|c| c.outcome == OutcomeKind::Cancelled)
        );
        let reasons: Vec<_> = report
            .clusters
            .iter()
            .filter_map(|c| c.reason.as_deref())
            .collect();
        assert_eq!(reasons[0], "during observe; the run broke off");
        assert_eq!(reasons[4], "before it started; the run broke off");
    }

    #[test]
    fn progress_belongs_to_its_step() {
        let mut aggregate = of(&testing::all_outcomes()[..11]);
        let message = |aggregate: &Aggregate| {
            aggregate
                .cluster(testing::A)
                .and_then(|state| state.message.clone())
        };
        assert_eq!(
            message(&aggregate).as_deref(),
            Some("node group management-arm-rkt-mng ACTIVE")
        );
        let cluster = testing::A.to_owned();
        aggregate.on(&testing::at(
            0.7,
            Event::StepStarted {
                cluster,
                step: Step::Plan,
            },
        ));
        assert_eq!(message(&aggregate), None);
    }

    #[test]
    fn a_cluster_that_was_not_announced_is_reported_all_the_same() {
        let mut events = testing::all_outcomes();
        events.push(testing::at(
            9.0,
            Event::ClusterStarted {
                cluster: "stray".to_owned(),
            },
        ));
        let report = of(&events).report().unwrap();
        assert_eq!(
            report.clusters.last().map(|c| c.name.as_str()),
            Some("stray")
        );
    }
}
