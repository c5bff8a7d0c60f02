//! What a run does with one cluster: session → observe → diff → plan → apply, and settle.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::aws::{Aws, CallError, Session, Target};
use crate::calls::{self, CallLog};
use crate::control_plane::{Base, Intent, Shared};
use crate::event::{Failure, Step};
use crate::fanout::{Turn, Work, WorkOutcome};
use crate::inventory::{Cluster, EksVersion};
use crate::reconcile::plan::{Action, PLAN_SCHEMA_VERSION, Plan, ResourceChange};
use crate::reconcile::{Applied, Error, Progress};

/// How far a run goes with each cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only read, and tell what would change.
    Plan,
    /// Make the changes and wait until they have settled.
    Apply,
}

/// The work of a run, cluster by cluster.
#[derive(Debug)]
pub struct ClusterWork {
    aws: Aws,
    clusters: HashMap<String, Cluster>,
    mode: Mode,
    intent: Intent,
    shared: Arc<Shared>,
    plans: Mutex<BTreeMap<String, Plan>>,
}

/// A cluster as it was found, and what has to be done to it.
struct Planned {
    session: Session,
    base: Base,
    plan: Plan,
}

impl ClusterWork {
    /// Work over these clusters, whose references are resolved.
    pub fn new(aws: Aws, clusters: Vec<Cluster>, mode: Mode, intent: Intent) -> Self {
        let clusters = clusters
            .into_iter()
            .map(|c| (c.name.to_string(), c))
            .collect();
        Self {
            aws,
            clusters,
            mode,
            intent,
            shared: Arc::default(),
            plans: Mutex::default(),
        }
    }

    /// The plans that were made, by cluster.
    pub fn plans(&self) -> BTreeMap<String, Plan> {
        self.plans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn plan(&self, turn: &Turn, cluster: &Cluster) -> Result<Planned, Failure> {
        let events = &turn.events;
        events.enter(Step::Session);
        let target = Target {
            account: cluster.account.to_string(),
            region: cluster.region.to_string(),
            assume_role: cluster.settings.aws_assume_role.to_string(),
        };
        let session = self
            .aws
            .session(&target)
            .await
            .map_err(|e| failure(Step::Session, [Error::from(e)]))?;

        events.enter(Step::Observe);
        let wanted = cluster.settings.eks_version;
        let base = self.base(cluster, &session, &self.shared, wanted);
        base.graph
            .observe()
            .await
            .map_err(|errors| failure(Step::Observe, errors))?;

        events.enter(Step::Plan);
        let resources = base
            .graph
            .plan()
            .map_err(|errors| failure(Step::Plan, errors))?;
        let plan = Plan {
            schema_version: PLAN_SCHEMA_VERSION,
            cluster: turn.cluster.name.clone(),
            region: target.region,
            account: target.account,
            resources,
            warnings: Vec::new(),
        };
        events.planned(plan.clone());
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.insert(plan.cluster.clone(), plan.clone());
        Ok(Planned {
            session,
            base,
            plan,
        })
    }

    /// Makes the planned changes. A control plane that is several minor versions behind climbs one
    /// at a time, everything else of the cluster with it.
    async fn apply(
        &self,
        turn: &Turn,
        cluster: &Cluster,
        planned: Planned,
    ) -> Result<WorkOutcome, Failure> {
        turn.events.enter(Step::Apply);
        let progress = {
            let events = turn.events.clone();
            Progress::new(turn.cancel.clone(), move |line| events.progress(line))
        };
        let wanted = cluster.settings.eks_version;
        let is = planned
            .base
            .cluster
            .get()
            .known()
            .map(|facts| facts.version);
        let rungs = rungs(is, wanted);
        let mut done = Vec::new();
        let mut base = planned.base;
        for (i, version) in rungs.iter().enumerate() {
            if rungs.len() > 1 {
                let (rung, of) = (i + 1, rungs.len());
                turn.events
                    .progress(format!("Kubernetes {version}, rung {rung} of {of}"));
                let shared = match i {
                    0 => self.shared.clone(),
                    _ => Arc::new(self.shared.after_a_change()),
                };
                base = self.base(cluster, &planned.session, &shared, *version);
                let told = |errors| failure_after(Step::Apply, errors, &done);
                base.graph.observe().await.map_err(told)?;
                base.graph.plan().map_err(told)?;
            }
            let Applied {
                done: changes,
                failed,
                cancelled,
            } = base.graph.apply(&progress).await;
            done.extend(changes);
            if !failed.is_empty() {
                return Err(failure_after(Step::Apply, failed, &done));
            }
            if cancelled {
                return Ok(WorkOutcome::Cancelled {
                    during: turn.during(),
                });
            }
        }
        let resources = done.iter().map(|change| (&change.kind, &change.name));
        let resources = resources.collect::<std::collections::BTreeSet<_>>().len();
        Ok(outcome(resources))
    }

    fn base(
        &self,
        cluster: &Cluster,
        session: &Session,
        shared: &Arc<Shared>,
        version: EksVersion,
    ) -> Base {
        Base::new(cluster, version, &self.intent, session, shared)
    }

    async fn work(&self, turn: &Turn) -> Result<WorkOutcome, Failure> {
        let name = &turn.cluster.name;
        let Some(cluster) = self.clusters.get(name) else {
            let error = Error::new(
                format!("finding the settings of {name}"),
                "it has none",
                "report this as a bug",
            );
            return Err(failure(Step::Session, [error]));
        };
        // Reading can be dropped where it stands: nothing is left half done.
        let planned = tokio::select! {
            planned = self.plan(turn, cluster) => planned?,
            () = turn.cancel.cancelled() => {
                return Ok(WorkOutcome::Cancelled { during: turn.during() });
            }
        };
        match self.mode {
            Mode::Plan => Ok(outcome(planned.plan.counts().changed())),
            Mode::Apply => self.apply(turn, cluster, planned).await,
        }
    }
}

impl Work for ClusterWork {
    async fn run(&self, turn: Turn) -> WorkOutcome {
        let log = CallLog::default();
        turn.meter_calls({
            let log = log.clone();
            move || log.summary()
        });
        match calls::counted(log, self.work(&turn)).await {
            Ok(outcome) => outcome,
            Err(failure) => WorkOutcome::Failed(failure),
        }
    }
}

fn outcome(resources: usize) -> WorkOutcome {
    if resources == 0 {
        WorkOutcome::Unchanged
    } else {
        WorkOutcome::Changed { resources }
    }
}

/// The versions that a control plane goes through: every minor above `is` up to `wanted`.
fn rungs(is: Option<EksVersion>, wanted: EksVersion) -> Vec<EksVersion> {
    let Some(is) = is.filter(|is| *is < wanted) else {
        return vec![wanted];
    };
    std::iter::successors(Some(is.next()), |rung| Some(rung.next()))
        .take_while(|rung| *rung <= wanted)
        .collect()
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Self::new(error.doing, error.cause, error.next)
    }
}

fn failure(step: Step, errors: impl IntoIterator<Item = Error>) -> Failure {
    failure_after(step, errors, &[])
}

/// One failure of a cluster out of all that went wrong in a step: the first is told in full, the
/// others by what they were doing and their cause, and all that had been changed before.
fn failure_after(
    step: Step,
    errors: impl IntoIterator<Item = Error>,
    done: &[ResourceChange],
) -> Failure {
    let mut errors = errors.into_iter();
    let mut told = std::collections::BTreeSet::new();
    let first = errors.next().unwrap_or_else(|| {
        Error::new(
            format!("running step {step}"),
            "no reason was given",
            "report this as a bug",
        )
    });
    told.insert(first.to_string());
    let mut cause = first.cause;
    // Resources that look at the same thing fail of the same cause, which is told once.
    for other in errors.filter(|error| told.insert(error.to_string())) {
        cause.push_str(&format!("; also {other}"));
    }
    let verb = |action| match action {
        Action::Create => "made",
        Action::Replace => "replaced",
        Action::Delete => "removed",
        Action::Keep | Action::Update => "changed",
    };
    let already = done
        .iter()
        .map(|c| format!("{} {} {}", verb(c.action), c.kind, c.name));
    Failure {
        step,
        doing: first.doing,
        cause,
        already_changed: already.collect(),
        next: first.next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_plane_climbs_one_minor_at_a_time() {
        let version = |text: &str| text.parse::<EksVersion>().unwrap();
        let climb = |is: Option<&str>, to| {
            rungs(is.map(version), version(to))
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(climb(Some("1.33"), "1.35"), ["1.34", "1.35"]);
        assert_eq!(climb(Some("1.34"), "1.35"), ["1.35"]);
        assert_eq!(climb(Some("1.35"), "1.35"), ["1.35"]);
        assert_eq!(climb(None, "1.35"), ["1.35"]);
    }

    #[test]
    fn a_failure_tells_all_causes_and_what_was_done_before() {
        let error = |n: u8| {
            Error::new(
                format!("doing {n}"),
                format!("cause {n}"),
                format!("next {n}"),
            )
        };
        let change = ResourceChange {
            kind: "eks_cluster".into(),
            name: "c".into(),
            action: Action::Create,
            attributes: vec![],
            reason: None,
        };
        let failure = failure_after(Step::Apply, [error(1), error(2), error(1)], &[change]);
        assert_eq!(
            failure.to_string(),
            "doing 1: cause 1; also doing 2: cause 2"
        );
        assert_eq!(failure.already_changed, ["made eks_cluster c"]);
        assert_eq!(failure.next, "next 1");
    }
}
