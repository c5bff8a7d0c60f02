//! What `fanout` and `plan` have in common: a run over clusters, from the inventory to the
//! exit code.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::stages::Stages;
use super::lab::{LabArgs, World};
use super::release::{self, Reach, ReleaseArgs};
use super::report::ReportArgs;
use super::{Context, Error, select, stale, tell};
use crate::event::{Emitter, Event, Interruption, Publication};
use crate::exit::Exit;
use crate::fanout::{self, Engine, Order, Schedule, Stop, stop_on_signals};
use crate::inventory::{self, Inventory, Role};
use crate::kubernetes;
use crate::pipeline::Shard;
use crate::reconcile::Polling;
use crate::release::mermaid;
use crate::report::drive;
use crate::report::statuses::GoodEnd;
use crate::rollout::Mode;
use crate::rollout::saved::SavedPlan;
use crate::verify::Chosen;

/// What is under way when a run is interrupted gets this long to end by itself; with what it takes
/// to write the reports, the run ends within ten seconds.
const GRACE: Duration = Duration::from_secs(7);

/// Which clusters, how they are told about, and where they are.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    lab: LabArgs,
}

/// What a command wants of a run.
#[derive(Debug)]
pub(super) struct Wish {
    /// The command's name, for the report.
    pub(super) command: &'static str,
    /// The role; all of its clusters unless one is named.
    pub(super) role: Option<String>,
    /// The one cluster.
    pub(super) cluster: Option<String>,
    /// The part of the role's clusters.
    pub(super) shard: Option<Shard>,
    /// How far to go with each cluster.
    pub(super) mode: Mode,
    /// How often AWS is asked whether it is done.
    pub(super) polling: Polling,
    /// Why clusters are upgraded although EKS's insights speak against it.
    pub(super) force_upgrade: Option<String>,
    /// The saved plan that is applied.
    pub(super) saved: Option<SavedPlan>,
    /// Whether the plans that are made are to be saved.
    pub(super) saves: bool,
    /// What the run rolls out, and whether the role's gate is asked; not where it rolls out nothing.
    pub(super) rollout: Option<Rollout>,
}

/// A release that goes through its role's gate.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    /// Which release.
    pub(super) release: ReleaseArgs,
    /// Why the gate is passed although it is shut.
    pub(super) override_gate: Option<String>,
    /// For how long the gate is waited for, where only time is missing.
    pub(super) wait_for_gate: Option<Duration>,
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Ran {
    /// Each cluster's end.
    pub(super) summary: fanout::Summary,
    /// The plans that were made, in the form in which they are saved; none unless they are to be.
    pub(super) to_save: SavedPlan,
    interrupted: Option<Interruption>,
    untold: bool,
    /// The role should hold the release now, and there is no proof of it.
    unproven: bool,
}

impl Ran {
    /// The exit code that says how it went.
    pub(super) fn exit(&self) -> Exit {
        match self.interrupted {
            Some(signal) => signal.into(),
            None if !self.summary.held() || self.unproven => Exit::ClustersFailed,
            None if self.untold => Exit::Unexpected,
            None => Exit::Done,
        }
    }
}

/// Runs over the clusters that `wish` names.
pub(super) async fn run(wish: Wish, args: RunArgs, context: &Context) -> Result<Ran, Error> {
    run_checks(wish, Chosen::default(), args, context).await
}

/// Runs over the clusters that `wish` names, with only these checks where it comes to checks.
pub(super) async fn run_checks(
    mut wish: Wish,
    checks: Chosen,
    args: RunArgs,
    context: &Context,
) -> Result<Ran, Error> {
    let started = Instant::now();
    // Before anything is waited for, so that every interruption ends in a report.
    let stop = Stop::default();
    stop_on_signals(stop.clone())?;
    let inventory = Inventory::load(context.root())?;
    let role = role(&inventory, &wish)?;
    let selection = select::selection(&inventory, role, &named(&wish, role)?)?;
    kubernetes::check_teams(&inventory, &selection)?;
    let promotion = mermaid::marked(inventory.roles(), &role.name);
    let mut listeners = args.report.listeners(promotion, context)?;

    let world = World::enter(&args.lab, &inventory, context).await?;
    let rollout = wish.rollout.take();
    let given = rollout.as_ref().map(|rollout| rollout.release.clone());
    let given = given.unwrap_or_default();
    let release = given
        .detect(inventory.pipeline(), &world.env, context)
        .await?;
    let saved = wish.saved.take();
    if let Some(saved) = &saved {
        stale::refuse_other_intent(saved, &inventory, &release)?;
    }
    let stages = Stages {
        wish: &wish,
        checks: &checks,
        inventory: &inventory,
        role,
        selection: &selection,
        release: &release,
        env: &world.env,
        context,
        stop: &stop,
    };

    let reach = rollout.as_ref().map(|_| Reach::of(&release, &world.env));
    let (clusters, secrets) = stages.resolved(reach.as_ref()).await?.unzip();
    let answered = match (rollout, &reach, &secrets) {
        (Some(rollout), Some(reach), Some(secrets)) => stages.gate(rollout, reach, secrets).await?,
        _ => None,
    };
    let (answer, gate) = answered.unzip();
    let overridden = gate.as_ref().and_then(|gate| gate.overridden.clone());

    let references = stages.references(clusters.as_deref());
    let rollout = options(role, references.len());
    let schedule = Schedule::new(references, rollout, Order::ByName);
    let mut to_save = stages.unplanned();
    let clusters = clusters.unwrap_or_default();
    let versions = stages::versions(&clusters);
    let mut work = stages.work(clusters).await?;
    if let Some(saved) = saved {
        let reviewed = saved.clusters.into_iter();
        work = work.held_to(reviewed.map(|c| (c.plan.cluster.clone(), c)).collect());
        let moved = stages.unless_stopped(work.check()).await;
        let moved = moved.unwrap_or_default();
        if !moved.is_empty() {
            world.leave().await?;
            return Err(stale::refusal(&moved));
        }
    }

    let writes = wish.mode.writes();
    let good_end = stages.good_end();
    let mut warnings = Vec::new();
    let (others, traced) = stages.others(secrets.as_ref(), overridden.clone(), &mut warnings);
    listeners.extend(others);
    if good_end == GoodEnd::Unchecked && writes && answer.is_some() {
        let message = "checks are left out (--only, --skip): this run proves nothing, and no role can follow on it";
        warnings.push(message.to_owned());
    }
    let answer = answer.filter(|_| writes);
    warnings.extend(answer.as_ref().and_then(release::unprovable));
    let (emitter, events) = Emitter::channel(context.clock.clone());
    let digest = to_save.inventory_digest.clone();
    emitter.emit(Event::RunStarted(stages.started(&schedule, digest)));
    for message in warnings {
        emitter.emit(Event::Warning {
            cluster: None,
            message,
        });
    }
    if let Some(gate) = gate {
        emitter.emit(Event::Gated(Box::new(gate)));
    }
    let publication = answer.and_then(|answer| {
        let publishing = tell::Publishing {
            inventory: &inventory,
            role,
            release: &release,
            versions,
            overridden,
            good_end,
            clusters: schedule.clusters().len(),
            context,
            stop: &stop,
        };
        publishing.publish(answer, &mut listeners)
    });

    let work = Arc::new(work.telling_calls(traced));
    let engine = Engine {
        emitter: emitter.clone(),
        stop: stop.clone(),
        grace: GRACE,
    };
    let running = async {
        let summary = engine.run(&schedule, work.clone()).await;
        let mut unproven = false;
        if let Some(published) = publication {
            // A task that panicked has published nothing that can be relied on.
            let publication = published.await.ok();
            unproven = !publication.as_ref().is_some_and(Publication::is_complete);
            if let Some(publication) = publication {
                emitter.emit(Event::Published(Box::new(publication)));
            }
        }
        emitter.emit(Event::RunFinished {
            elapsed: started.elapsed(),
            interrupted: stop.interruption(),
        });
        drop((engine, emitter));
        (summary, unproven)
    };
    let ((summary, unproven), untold) =
        tokio::join!(running, drive(events, &mut listeners, &context.clock));
    to_save.clusters = stages.planned(work.take_plans());
    world.leave().await?;
    let untold = tell::untold(&untold, context);
    Ok(Ran {
        summary,
        to_save,
        interrupted: stop.interruption(),
        untold,
        unproven,
    })
}

/// The names of the role's clusters that are meant; none where all of them are.
fn named(wish: &Wish, role: &Role) -> Result<Vec<String>, Error> {
    let Some(shard) = wish.shard else {
        return Ok(wish.cluster.iter().cloned().collect());
    };
    let part = shard.take(role.clusters.clone(), ToString::to_string);
    if part.is_empty() {
        let message = format!(
            "part {shard} of {} has no clusters: the role has {}",
            role.name,
            role.clusters.len()
        );
        return Err(Error::usage(message, "cut the role into fewer parts"));
    }
    Ok(part.iter().map(ToString::to_string).collect())
}

fn role<'a>(inventory: &'a Inventory, wish: &Wish) -> Result<&'a Role, Error> {
    let unknown = |unknown: inventory::Unknown| Error::usage(unknown.to_string(), "");
    match (&wish.role, &wish.cluster) {
        (Some(role), _) => inventory.role(role).map_err(unknown),
        (None, Some(cluster)) => Ok(inventory.cluster(cluster).map_err(unknown)?.1),
        (None, None) => Err(Error::usage(
            "no role and no cluster is named",
            "add --role or --cluster",
        )),
    }
}

/// The role's rollout options, worked out for this many clusters.
fn options(role: &Role, clusters: usize) -> fanout::Rollout {
    let options = &role.rollout;
    fanout::Rollout {
        max_concurrent: options.width(clusters),
        failure_tolerance: options.tolerance(clusters),
        mode: match options.mode {
            inventory::Mode::Soft => fanout::Mode::Soft,
            inventory::Mode::Strict => fanout::Mode::Strict,
        },
        canary: usize::try_from(options.canary).unwrap_or(usize::MAX),
        region_order: options
            .region_order
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

mod stages;
