//! What a run does with one cluster: session → observe → diff → plan, and what its mode asks for then.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::apply::rungs;
use super::drift::told_as_drift;
use super::failure::failure;
use super::inside::blocked_drains;
use super::mode::Mode;
use super::outputs;
use super::saved::{Moved, SavedCluster, moved};
use crate::aws::{Aws, Session, Target};
use crate::calls::{self, CallLog};
use crate::control_plane::{Base, Intent, Shared};
use crate::event::{Failure, Step};
use crate::fanout::{Turn, Work, WorkOutcome};
use crate::inventory::Cluster;
use crate::kubernetes::{self, Manifest, Templates};
use crate::reconcile::plan::{PLAN_SCHEMA_VERSION, Plan, Rung};
use crate::reconcile::{Error, Fingerprint, Progress, climb};
use crate::verify::Chosen;

/// The work of a run, cluster by cluster.
#[derive(Debug)]
pub struct ClusterWork {
    aws: Aws,
    clusters: HashMap<String, Cluster>,
    pub(super) mode: Mode,
    pub(super) intent: Intent,
    pub(super) shared: Arc<Shared>,
    pub(super) templates: Templates,
    pub(super) manifests: BTreeMap<String, Vec<Manifest>>,
    saves: bool,
    plans: Mutex<BTreeMap<String, Found>>,
    pub(super) reviewed: BTreeMap<String, SavedCluster>,
    pub(super) settings: BTreeMap<String, String>,
    commit: Option<String>,
    checked: Mutex<HashMap<String, Checked>>,
    pub(super) checks: Chosen,
    pub(super) outputs: Option<outputs::Place>,
    traced: bool,
}

/// A plan that was made, and what it was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What has to change.
    pub plan: Plan,
    /// What was found of each resource, where the plan is saved or held against a saved one.
    pub found: Vec<Fingerprint>,
}

/// A cluster as it was found, and what has to be done to it.
pub(super) struct Planned {
    pub(super) session: Session,
    /// What is known of its inside.
    pub(super) inside: Arc<kubernetes::Shared>,
    /// The cluster's resources as they are wanted on the first rung.
    pub(super) base: Base,
    found: Found,
}

/// What was found of a cluster when its saved plan was checked.
struct Checked {
    at: Instant,
    log: CallLog,
    planned: Planned,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked").finish_non_exhaustive()
    }
}

/// For how long what a check found is taken to be so. A cluster whose turn comes later is looked at
/// once more right before it is changed.
const FRESH: Duration = Duration::from_secs(60);

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
            templates: Templates::default(),
            manifests: BTreeMap::new(),
            saves: false,
            plans: Mutex::default(),
            reviewed: BTreeMap::new(),
            settings: BTreeMap::new(),
            commit: None,
            checked: Mutex::default(),
            checks: Chosen::default(),
            outputs: None,
            traced: false,
        }
    }

    /// The same work, with what teams add inside their clusters, by cluster.
    pub fn with_manifests(self, manifests: BTreeMap<String, Vec<Manifest>>) -> Self {
        Self { manifests, ..self }
    }

    /// The same work, with only the chosen checks.
    pub fn with_checks(self, checks: Chosen) -> Self {
        Self { checks, ..self }
    }

    /// The same work, which keeps the plans that it makes, and what they were made from, if they are to
    /// be saved.
    pub fn saving_plans(self, saves: bool) -> Self {
        Self { saves, ..self }
    }

    /// The same work, which also keeps each cluster's outputs there.
    pub fn keeping_outputs(self, place: outputs::Place) -> Self {
        Self {
            outputs: Some(place),
            ..self
        }
    }

    /// The same work, which tells of each call that it makes.
    pub fn telling_calls(self, traced: bool) -> Self {
        Self { traced, ..self }
    }

    /// The same work, held to plans that were reviewed, by cluster.
    pub fn held_to(self, reviewed: BTreeMap<String, SavedCluster>) -> Self {
        Self { reviewed, ..self }
    }

    /// The same work, which notes on each cluster what was applied: the digest of its settings, by
    /// cluster, and the commit.
    pub fn noting(self, settings: BTreeMap<String, String>, commit: Option<String>) -> Self {
        Self {
            settings,
            commit,
            ..self
        }
    }

    /// Looks at every cluster that has a reviewed plan, and tells what has moved since, by cluster.
    /// Writes nothing. A cluster that can't be looked at isn't told here: it fails at its turn.
    pub async fn check(&self) -> BTreeMap<String, Vec<Moved>> {
        let checks = self.reviewed.iter().filter_map(|(name, saved)| {
            let cluster = self.clusters.get(name)?;
            Some(async move {
                let log = CallLog::default();
                let planned = self.find(cluster, &self.shared, |_| {});
                let planned = calls::counted(log.clone(), planned).await.ok()?;
                let moved = moved(saved, &planned.found.plan, &planned.found.found);
                let at = Instant::now();
                let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
                checked.insert(name.clone(), Checked { at, log, planned });
                Some((name.clone(), moved))
            })
        });
        let checked = futures::future::join_all(checks).await;
        let checked = checked.into_iter().flatten();
        checked.filter(|(_, moved)| !moved.is_empty()).collect()
    }

    /// What a check has found of a cluster a moment ago.
    fn checked(&self, cluster: &str) -> Option<Checked> {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let checked = checked.remove(cluster)?;
        (checked.at.elapsed() < FRESH).then_some(checked)
    }

    /// The commit that is rolled out, where one is known.
    pub(super) fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// Whether outputs are all that the run is about.
    pub(super) fn keeps_outputs_only(&self) -> bool {
        matches!(self.mode, Mode::Outputs { .. })
    }

    /// Whether outputs are only compared with what is kept.
    pub(super) fn only_reads_outputs(&self) -> bool {
        !self.mode.writes()
    }

    /// Takes the plans that were made to be saved, by cluster.
    pub fn take_plans(&self) -> BTreeMap<String, Found> {
        std::mem::take(&mut self.plans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn open(&self, cluster: &Cluster) -> Result<Session, Failure> {
        let target = Target {
            account: cluster.account.to_string(),
            region: cluster.region.to_string(),
            assume_role: cluster.settings.aws_assume_role.to_string(),
        };
        let session = self.aws.session(&target).await;
        session.map_err(|e| failure(Step::Session, [Error::from(e)]))
    }

    /// The resources of a cluster's AWS side as its settings ask for them.
    pub(super) fn wanted(&self, cluster: &Cluster, session: &Session) -> Base {
        let version = cluster.settings.eks_version;
        Base::new(cluster, version, &self.intent, session, &self.shared)
    }

    /// Reads a cluster and compares it with its settings.
    async fn find(
        &self,
        cluster: &Cluster,
        shared: &Arc<Shared>,
        enter: impl Fn(Step),
    ) -> Result<Planned, Failure> {
        enter(Step::Session);
        let session = self.open(cluster).await?;

        enter(Step::Observe);
        let wanted = cluster.settings.eks_version;
        let inside = kubernetes::Shared::new(&session, cluster.name.as_str());
        let inside = Arc::new(inside);
        let observed = async |version| {
            let whole = self.whole(cluster, &session, shared, &inside, version);
            let (base, connection) = whole.map_err(|error| failure(Step::Observe, [error]))?;
            match base.graph.observe().await {
                Ok(()) => Ok((base, connection)),
                Err(errors) => Err(failure(Step::Observe, errors)),
            }
        };
        let (mut base, connection) = observed(wanted).await?;

        enter(Step::Plan);
        let refused = |errors| failure(Step::Plan, errors);
        // Only what is kept or held against a kept one needs to be told by what it was made from.
        let (resources, found) = if self.saves || !self.reviewed.is_empty() {
            base.graph.plan_and_fingerprints().map_err(refused)?
        } else {
            (base.graph.plan().map_err(refused)?, Vec::new())
        };
        let is = base.cluster.get().known().map(|facts| facts.version);
        let mut stages = Vec::new();
        for version in rungs(is, wanted) {
            if version == wanted {
                stages.push((version.to_string(), resources.clone()));
                continue;
            }
            let (rung, _) = observed(version).await?;
            let resources = rung.graph.plan().map_err(refused)?;
            if stages.is_empty() {
                base = rung;
            }
            stages.push((version.to_string(), resources));
        }
        let rungs = match stages.len() {
            0 | 1 => Vec::new(),
            _ => climb(stages),
        };
        let mut warnings = warnings(&rungs);
        let blocked = blocked_drains(&connection, &resources).await;
        warnings.extend(blocked.map_err(|error| failure(Step::Plan, [error]))?);
        // Until it is changed, others may have the room that its connections take.
        inside.close().await;
        let plan = Plan {
            schema_version: PLAN_SCHEMA_VERSION,
            cluster: cluster.name.to_string(),
            region: cluster.region.to_string(),
            account: cluster.account.to_string(),
            warnings,
            resources,
            rungs,
            drift: Vec::new(),
            left: Vec::new(),
        };
        let plan = match (self.mode, self.settings.get(cluster.name.as_str())) {
            (Mode::Drift, Some(settings)) => told_as_drift(plan, &base, settings),
            _ => plan,
        };
        Ok(Planned {
            session,
            inside,
            base,
            found: Found { plan, found },
        })
    }

    /// Plans a cluster, or takes the plan that a check made a moment ago, and tells it.
    async fn plan(
        &self,
        turn: &Turn,
        cluster: &Cluster,
        checked: Option<Planned>,
    ) -> Result<Planned, Failure> {
        let planned = match checked {
            Some(planned) => {
                turn.events.enter(Step::Plan);
                planned
            }
            None if self.reviewed.is_empty() => {
                let enter = |step| turn.events.enter(step);
                self.find(cluster, &self.shared, enter).await?
            }
            None => {
                // What the check has read may no longer be so.
                let enter = |step| turn.events.enter(step);
                let shared = Arc::new(self.shared.after_a_change());
                self.find(cluster, &shared, enter).await?
            }
        };
        let Found { plan, found } = &planned.found;
        turn.events.planned(plan.clone());
        if let Some(saved) = self.reviewed.get(&plan.cluster) {
            let moved = moved(saved, plan, found);
            if !moved.is_empty() {
                return Err(failure(Step::Plan, [stale(&moved)]));
            }
        }
        if self.saves {
            let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
            plans.insert(plan.cluster.clone(), planned.found.clone());
        }
        Ok(planned)
    }

    async fn work(&self, turn: &Turn, checked: Option<Planned>) -> Result<WorkOutcome, Failure> {
        let name = &turn.cluster.name;
        let Some(cluster) = self.clusters.get(name) else {
            let error = Error::new(
                format!("finding the settings of {name}"),
                "it has none",
                "report this as a bug",
            );
            return Err(failure(Step::Session, [error]));
        };
        if self.mode == Mode::Verify {
            return self.verify(turn, cluster).await;
        }
        if let Mode::Outputs { .. } = self.mode {
            return tokio::select! {
                kept = self.only_outputs(turn, cluster) => kept,
                () = turn.cancel.cancelled() => {
                    Ok(WorkOutcome::Cancelled { during: turn.during() })
                }
            };
        }
        if let Mode::Destroy(destroy) = self.mode {
            return self.destroy(turn, cluster, destroy).await;
        }
        // Reading can be dropped where it stands: nothing is left half done.
        let planned = tokio::select! {
            planned = self.plan(turn, cluster, checked) => planned?,
            () = turn.cancel.cancelled() => {
                return Ok(WorkOutcome::Cancelled { during: turn.during() });
            }
        };
        match self.mode {
            Mode::Plan | Mode::Drift | Mode::Verify | Mode::Outputs { .. } => {
                Ok(outcome(planned.found.plan.counts().changed()))
            }
            Mode::Apply | Mode::Destroy(_) => self.apply(turn, cluster, planned).await,
        }
    }
}

impl Work for ClusterWork {
    async fn run(&self, turn: Turn) -> WorkOutcome {
        let checked = self.checked(&turn.cluster.name);
        let (log, checked) = match checked {
            Some(Checked { log, planned, .. }) => (log, Some(planned)),
            None => (CallLog::default(), None),
        };
        turn.meter_calls({
            let log = log.clone();
            move || log.summary()
        });
        if self.traced {
            let events = turn.events.clone();
            log.observe(move |call| events.called(call));
        }
        match calls::counted(log, self.work(&turn, checked)).await {
            Ok(outcome) => outcome,
            Err(failure) => WorkOutcome::Failed(failure),
        }
    }
}

/// Tells what the resources of a turn's cluster say of how far they are.
pub(super) fn progress(turn: &Turn) -> Progress {
    let events = turn.events.clone();
    Progress::new(turn.cancel.clone(), move |line| events.progress(line))
}

pub(super) fn outcome(resources: usize) -> WorkOutcome {
    if resources == 0 {
        WorkOutcome::Unchanged
    } else {
        WorkOutcome::Changed { resources }
    }
}

/// What a person should know of a climb: only its first rung can be planned for good.
fn warnings(rungs: &[Rung]) -> Vec<String> {
    let above = rungs.get(1..).unwrap_or_default();
    let versions: Vec<_> = above.iter().map(|rung| rung.version.as_str()).collect();
    if versions.is_empty() {
        return Vec::new();
    }
    let which = versions.join(", ");
    vec![format!(
        "rung {which} is planned as things stand: EKS's insights for it, and what is newest then, \
         show only once the rung below is reached"
    )]
}

/// A reviewed plan that no longer holds.
fn stale(moved: &[Moved]) -> Error {
    let moved: Vec<_> = moved.iter().map(ToString::to_string).collect();
    Error::new(
        "comparing the cluster with its saved plan",
        format!("it has moved since: {}", moved.join("; ")),
        "plan again, review that plan, and apply it",
    )
}
