//! What is under way and when it is done.
//!
//! Nothing runs in the background. Whatever takes time is written down as a [`Job`] with the
//! moment at which it is due, and before a request is served, [`settle`] carries out what has come
//! due, in order. So the state that a request sees follows from the world's time alone.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::state::{Issue, Region};
use super::{addons, clusters, insights, nodegroups, updates};

/// How long things take, in world time: what EKS typically needs.
pub(super) mod takes {
    use jiff::SignedDuration;

    pub(crate) const CLUSTER_CREATION: SignedDuration = SignedDuration::from_mins(9);
    pub(crate) const CLUSTER_DELETION: SignedDuration = SignedDuration::from_mins(4);
    pub(crate) const VERSION_UPDATE: SignedDuration = SignedDuration::from_mins(12);
    pub(crate) const CONFIG_UPDATE: SignedDuration = SignedDuration::from_mins(3);
    pub(crate) const ENCRYPTION: SignedDuration = SignedDuration::from_mins(8);
    pub(crate) const IDENTITY_PROVIDER_ASSOCIATION: SignedDuration = SignedDuration::from_mins(15);
    pub(crate) const IDENTITY_PROVIDER_DISASSOCIATION: SignedDuration =
        SignedDuration::from_mins(9);
    pub(crate) const NODEGROUP_CREATION: SignedDuration = SignedDuration::from_mins(3);
    pub(crate) const NODEGROUP_DELETION: SignedDuration = SignedDuration::from_mins(5);
    pub(crate) const NODEGROUP_VERSION_UPDATE: SignedDuration = SignedDuration::from_mins(6);
    pub(crate) const NODEGROUP_CONFIG_UPDATE: SignedDuration = SignedDuration::from_secs(30);
    pub(crate) const ADDON_CREATION: SignedDuration = SignedDuration::from_secs(40);
    pub(crate) const ADDON_UPDATE: SignedDuration = SignedDuration::from_secs(40);
    pub(crate) const ADDON_DELETION: SignedDuration = SignedDuration::from_secs(20);
    pub(crate) const INSIGHTS_REFRESH: SignedDuration = SignedDuration::from_mins(2);
}

/// What is under way, soonest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Agenda(Vec<Job>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Job {
    due: Timestamp,
    cluster: String,
    effect: Effect,
}

/// What happens when a job is due. Names are those of things in the job's cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Effect {
    ClusterCreated {
        failure: Option<Issue>,
    },
    ClusterDeleted,
    NodegroupCreated {
        name: String,
        failure: Option<Issue>,
    },
    NodegroupDeleted {
        name: String,
    },
    AddonCreated {
        name: String,
        failure: Option<Issue>,
    },
    AddonDeleted {
        name: String,
    },
    UpdateDone {
        id: String,
        failure: Option<Issue>,
    },
    InsightsRefreshed,
}

impl Agenda {
    /// Writes down that something of this cluster will be done in a while.
    pub(super) fn add(
        &mut self,
        now: Timestamp,
        takes: SignedDuration,
        cluster: &str,
        effect: Effect,
    ) {
        // A clock at the end of time is no reason to fail: the job is then due at once.
        let due = now.checked_add(takes).unwrap_or(now);
        let place = self.0.partition_point(|job| job.due <= due);
        self.0.insert(
            place,
            Job {
                due,
                cluster: cluster.to_owned(),
                effect,
            },
        );
    }

    /// When the next thing happens to a cluster.
    pub(super) fn next(&self, cluster: &str) -> Option<Timestamp> {
        let job = self.0.iter().find(|job| job.cluster == cluster)?;
        Some(job.due)
    }

    fn take_due(&mut self, now: Timestamp) -> Option<Job> {
        if self.0.first()?.due <= now {
            Some(self.0.remove(0))
        } else {
            None
        }
    }
}

/// Carries out what has come due.
pub(super) fn settle(region: &mut Region, now: Timestamp) {
    while let Some(Job {
        due,
        cluster: name,
        effect,
    }) = region.agenda.take_due(now)
    {
        if effect == Effect::ClusterDeleted {
            region.clusters.remove(&name);
            region.has_lost_clusters = true;
            continue;
        }
        let findings = &region.findings;
        // What belonged to a cluster that is gone is gone with it.
        let Some(cluster) = region.clusters.get_mut(&name) else {
            continue;
        };
        match effect {
            Effect::ClusterCreated { failure } => {
                clusters::created(cluster, failure, findings, due)
            }
            Effect::ClusterDeleted => {}
            Effect::NodegroupCreated { name, failure } => {
                nodegroups::created(cluster, &name, failure, due);
            }
            Effect::NodegroupDeleted { name } => nodegroups::deleted(cluster, &name),
            Effect::AddonCreated { name, failure } => addons::created(cluster, &name, failure, due),
            Effect::AddonDeleted { name } => addons::deleted(cluster, &name),
            Effect::UpdateDone { id, failure } => {
                updates::done(cluster, &id, failure, findings, due);
            }
            Effect::InsightsRefreshed => insights::refreshed(cluster, findings, due),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_due_in_order_and_not_before() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().expect("a time");
        let mut agenda = Agenda::default();
        for (minutes, cluster) in [(9, "last"), (3, "first"), (3, "second")] {
            let takes = SignedDuration::from_mins(minutes);
            agenda.add(now, takes, cluster, Effect::InsightsRefreshed);
        }
        let mut due_after = |minutes: i64| {
            let then = now + SignedDuration::from_mins(minutes);
            agenda.take_due(then).map(|job| job.cluster)
        };
        assert_eq!(due_after(2), None);
        assert_eq!(due_after(3).as_deref(), Some("first"));
        assert_eq!(due_after(20).as_deref(), Some("second"));
        assert_eq!(due_after(20).as_deref(), Some("last"));
        assert_eq!(due_after(20), None);
    }
}
