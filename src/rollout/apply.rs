//! Making the changes that were planned, and waiting until they have settled.

use std::sync::Arc;

use super::cluster::{ClusterWork, Planned, outcome, progress};
use super::drift::note;
use super::failure::failure_after;
use crate::event::{Failure, Step};
use crate::fanout::{Turn, WorkOutcome};
use crate::inventory::{Cluster, EksVersion};
use crate::reconcile::{Applied, Error};

impl ClusterWork {
    /// Makes the planned changes. A control plane that is several minor versions behind climbs one
    /// at a time, everything else of the cluster with it.
    pub(super) async fn apply(
        &self,
        turn: &Turn,
        cluster: &Cluster,
        planned: Planned,
    ) -> Result<WorkOutcome, Failure> {
        turn.events.enter(Step::Apply);
        let progress = progress(turn);
        let wanted = cluster.settings.eks_version;
        let is = planned
            .base
            .cluster
            .get()
            .known()
            .map(|facts| facts.version);
        let rungs = rungs(is, wanted);
        let saved = self.reviewed.get(cluster.name.as_str());
        let reviewed = |version: &EksVersion| {
            let plan = &saved?.plan;
            let version = version.to_string();
            let rung = plan.rungs.iter().find(|rung| rung.version == version);
            Some(rung.map_or_else(|| plan.resources.clone(), |rung| rung.resources.clone()))
        };
        let mut done = Vec::new();
        let mut base = planned.base;
        for (i, version) in rungs.iter().enumerate() {
            if rungs.len() > 1 {
                let (rung, of) = (i + 1, rungs.len());
                turn.events
                    .progress(format!("Kubernetes {version}, rung {rung} of {of}"));
            }
            if i > 0 {
                let shared = Arc::new(self.shared.after_a_change());
                let inside = Arc::new(planned.inside.after_a_change());
                let told = |errors| failure_after(Step::Apply, errors, &done);
                let whole = self.whole(cluster, &planned.session, &shared, &inside, *version);
                (base, _) = whole.map_err(|error| told(vec![error]))?;
                base.graph.observe().await.map_err(told)?;
                base.graph.plan().map_err(told)?;
            }
            if let Some(reviewed) = reviewed(version) {
                base.graph.hold_to(reviewed);
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
        if let Some(settings) = self.settings.get(cluster.name.as_str()) {
            let noted = note(&base, &planned.session, settings, self.commit()).await;
            noted.map_err(|error| failure_after(Step::Apply, [Error::from(error)], &done))?;
        }
        let resources = done.iter().map(|change| (&change.kind, &change.name));
        let resources = resources.collect::<std::collections::BTreeSet<_>>().len();
        let then = outcome(resources);
        planned.inside.close().await;
        let verified = self.check_that_it_works(turn, cluster, planned.session, &done, then);
        let verified = verified.await?;
        // Nobody is told of a cluster that isn't known to work.
        if !matches!(verified, WorkOutcome::Cancelled { .. }) {
            self.keep_outputs(turn, cluster, &base, &done).await?;
        }
        Ok(verified)
    }
}

/// The versions that a control plane goes through: every minor above `is` up to `wanted`.
pub(super) fn rungs(is: Option<EksVersion>, wanted: EksVersion) -> Vec<EksVersion> {
    let Some(is) = is.filter(|is| *is < wanted) else {
        return vec![wanted];
    };
    std::iter::successors(Some(is.next()), |rung| Some(rung.next()))
        .take_while(|rung| *rung <= wanted)
        .collect()
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
}
