//! What a run goes through before and beside its engine, stage by stage.

use std::collections::BTreeMap;
use std::future::Future;

use super::{Rollout, Wish};
use crate::aws::{Aws, Identity};
use crate::cli::release::{self, Answer, Asked, Reach};
use crate::cli::{Context, Error, outputs, select, tell};
use crate::control_plane::Intent;
use crate::env::Env;
use crate::event::{ClusterRef, RunStarted};
use crate::fanout::{Schedule, Stop};
use crate::inventory::{Cluster, Inventory, Role, Secrets, Selection};
use crate::kubernetes;
use crate::release::Release;
use crate::release::gate::Gate;
use crate::report::statuses::GoodEnd;
use crate::report::{Listener, SlackAbout};
use crate::rollout::saved::{SAVED_PLAN_SCHEMA_VERSION, SavedCluster, SavedPlan};
use crate::rollout::{ClusterWork, Found, Mode};
use crate::verify::Chosen;

/// A run whose clusters and release are known.
pub(super) struct Stages<'a> {
    pub(super) wish: &'a Wish,
    pub(super) checks: &'a Chosen,
    pub(super) inventory: &'a Inventory,
    pub(super) role: &'a Role,
    pub(super) selection: &'a Selection,
    pub(super) release: &'a Release,
    /// The environment of the world that the run is in.
    pub(super) env: &'a Env,
    pub(super) context: &'a Context,
    pub(super) stop: &'a Stop,
}

impl Stages<'_> {
    fn writes(&self) -> bool {
        self.wish.mode.writes()
    }

    /// What it means that all clusters have ended well.
    pub(super) fn good_end(&self) -> GoodEnd {
        match self.wish.mode {
            Mode::Destroy(_) => GoodEnd::TakenApart,
            _ if self.checks.is_all() => GoodEnd::Holds,
            _ => GoodEnd::Unchecked,
        }
    }

    /// Does it, unless the run is interrupted meanwhile.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.wind_down().cancelled() => None,
            done = work => Some(done),
        }
    }

    /// The clusters, every reference resolved, and the values of all that the run needs; none if it is
    /// interrupted meanwhile.
    pub(super) async fn resolved(
        &self,
        reach: Option<&Reach>,
    ) -> Result<Option<(Vec<Cluster>, Secrets)>, Error> {
        let pipeline = self.inventory.pipeline();
        let mut more = reach
            .map(|reach| reach.references(pipeline))
            .unwrap_or_default();
        more.extend(tell::references(pipeline, self.wish.mode));
        let resolved = select::resolved(
            self.inventory,
            self.selection,
            more,
            self.env,
            &self.context.processes,
        );
        self.unless_stopped(resolved).await.transpose()
    }

    /// What GitHub says, and the gate's answer; none if the run is interrupted meanwhile.
    ///
    /// # Errors
    /// GitHub can't be asked, or the gate is shut to a run that writes.
    pub(super) async fn gate(
        &self,
        rollout: Rollout,
        reach: &Reach,
        secrets: &Secrets,
    ) -> Result<Option<(Answer, Gate)>, Error> {
        let asked = match self.wish.mode {
            Mode::Destroy(_) => Asked::Calm,
            _ => Asked::Promotion,
        };
        let asking = release::Asking {
            reach,
            release: self.release,
            inventory: self.inventory,
            role: self.role,
            asked,
            secrets,
            context: self.context,
        };
        // Nobody waits for what only looks.
        let patience = rollout.wait_for_gate.filter(|_| self.writes());
        let answered = asking.answered(rollout.override_gate, patience, self.stop);
        let answered = answered.await?;
        if let (Some((_, gate)), true) = (&answered, self.writes()) {
            release::refuse(self.release, asked, gate, self.context)?;
        }
        Ok(answered)
    }

    /// The clusters as the run tells of them. Those that aren't resolved won't start; they are told of by
    /// what the files say.
    pub(super) fn references(&self, clusters: Option<&[Cluster]>) -> Vec<ClusterRef> {
        match clusters {
            Some(clusters) => clusters.iter().map(ClusterRef::from).collect(),
            None => {
                let views = self.inventory.view(self.selection).into_iter();
                views.map(ClusterRef::from).collect()
            }
        }
    }

    /// The run as a saved plan begins with it, before anything is planned.
    pub(super) fn unplanned(&self) -> SavedPlan {
        SavedPlan {
            schema_version: SAVED_PLAN_SCHEMA_VERSION,
            psk_version: env!("CARGO_PKG_VERSION").to_owned(),
            saved_at: (self.context.clock)(),
            role: self.role.name.clone(),
            cluster: self.wish.cluster.clone(),
            commit: self.release.commit.clone(),
            tag: self.release.tag.clone(),
            inventory_digest: self.inventory.digest(),
            force_upgrade: self.wish.force_upgrade.clone(),
            clusters: Vec::new(),
        }
    }

    /// The plans that were made, as they are saved.
    pub(super) fn planned(&self, mut plans: BTreeMap<String, Found>) -> Vec<SavedCluster> {
        let clusters = self.selection.clusters().iter();
        clusters
            .filter_map(|name| {
                let Found { plan, found } = plans.remove(name.as_str())?;
                let settings = self.inventory.setting_digests(name);
                Some(SavedCluster {
                    plan,
                    settings,
                    found,
                })
            })
            .collect()
    }

    /// The run as its reports begin with it.
    pub(super) fn started(&self, schedule: &Schedule, inventory_digest: String) -> RunStarted {
        RunStarted {
            command: self.wish.command.into(),
            role: self.role.name.clone(),
            dry_run: !self.writes(),
            commit: self.release.commit.clone(),
            tag: self.release.tag.clone(),
            force_upgrade: self.wish.force_upgrade.clone(),
            inventory_digest,
            clusters: schedule.clusters().to_vec(),
            schedule: schedule.describe(),
        }
    }

    /// What is done with each cluster. Calls nothing but the vault that outputs are kept in.
    pub(super) async fn work(&self, clusters: Vec<Cluster>) -> Result<ClusterWork, Error> {
        let mode = self.wish.mode;
        let identity = Identity {
            pipeline: self.inventory.pipeline().name.clone(),
            role: self.role.name.clone(),
            commit: self.release.commit.clone(),
        };
        let intent = Intent {
            pipeline: identity.pipeline.clone(),
            polling: self.wish.polling,
            force_upgrade: self.wish.force_upgrade.clone(),
        };
        let aws = Aws::new(self.env.clone(), identity, self.context.open_files)
            .await
            .map_err(|e| Error::unexpected(e.to_string(), e.next))?;
        let place = outputs::place(mode, self.inventory, &clusters, self.env, self.context);
        let place = self.unless_stopped(place).await.transpose()?.flatten();
        let manifests = kubernetes::of_teams(self.inventory, &clusters)?;
        let noted = self.selection.clusters().iter();
        let noted = noted.filter(|_| mode.notes_settings());
        let digests = noted.map(|name| (name.to_string(), self.inventory.settings_digest(name)));
        let work = ClusterWork::new(aws, clusters, mode, intent)
            .with_manifests(manifests)
            .with_checks(self.checks.clone())
            .saving_plans(self.wish.saves)
            .noting(digests.collect(), self.release.commit.clone());
        Ok(match place {
            Some(place) => work.keeping_outputs(place),
            None => work,
        })
    }

    /// Who else is told of the run: people in Slack, a collector of traces, which is among them or not.
    /// Who can't be told is told in `warnings`.
    pub(super) fn others(
        &self,
        secrets: Option<&Secrets>,
        overridden: Option<String>,
        warnings: &mut Vec<String>,
    ) -> (Vec<Box<dyn Listener>>, bool) {
        let pipeline = self.inventory.pipeline();
        let about = SlackAbout {
            pipeline: pipeline.name.clone(),
            url: self.release.run_url.clone(),
            actor: self.release.actor.clone(),
            clusters: self.role.clusters.len(),
            overridden,
            unchecked: self.good_end() == GoodEnd::Unchecked,
        };
        let mode = self.wish.mode;
        let mut others = Vec::new();
        match tell::slack(&pipeline.notify, mode, secrets, self.env, about, self.stop) {
            Ok(message) => others.extend(message),
            Err(why) => warnings.push(format!("Slack isn't told of this run: {why}")),
        }
        let mut traced = false;
        match tell::traces(self.env, self.stop) {
            Ok(traces) => {
                traced = traces.is_some();
                others.extend(traces);
            }
            Err(why) => warnings.push(format!("no trace of this run is sent: {why}")),
        }
        (others, traced)
    }
}

/// The Kubernetes version that each cluster's settings ask for.
pub(super) fn versions(clusters: &[Cluster]) -> BTreeMap<String, String> {
    let clusters = clusters.iter();
    clusters
        .map(|cluster| {
            let version = cluster.settings.eks_version.to_string();
            (cluster.name.to_string(), version)
        })
        .collect()
}
