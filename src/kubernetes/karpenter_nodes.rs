//! The nodes that Karpenter has made. Nobody takes them away once their cluster is gone, so a destroy
//! has Karpenter do so before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::access::Selection;
use super::connection::Connection;
use super::kind::{Kind, kinds};
use super::watch::{Waited, Watched, key};
use super::{Access, Error};
use crate::aws::OrAbsent;
use crate::calls;
use crate::control_plane::cluster::Facts;
use crate::reconcile::{self, Diff, Fate, Grant, Handle, Progress, Resource};

/// How long Karpenter gets to drain and terminate its nodes. What may not be evicted can hold one for
/// much longer.
const DRAINED: Duration = Duration::from_secs(15 * 60);

/// The nodes of one cluster that Karpenter has made, and what makes it make more.
#[derive(Debug)]
pub struct KarpenterNodes {
    /// The way into the cluster.
    pub connection: Arc<Connection>,
    /// The cluster.
    pub cluster: Handle<Facts>,
    /// The cluster's name.
    pub name: String,
    /// Places in the graph of what Karpenter needs to take nodes away.
    pub needs: Vec<usize>,
}

/// Karpenter's pools and nodes, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    pools: BTreeSet<String>,
    claims: BTreeSet<String>,
}

impl KarpenterNodes {
    async fn read(access: &Access) -> Result<Observed, Error> {
        let (pools, claims) = calls::join(
            names(access, &kinds::NODE_POOL),
            names(access, &kinds::NODE_CLAIM),
        )
        .await;
        Ok(Observed {
            pools: pools?,
            claims: claims?,
        })
    }

    /// Waits until no node of Karpenter's is left.
    async fn gone(&self, access: &Access) -> Result<(), reconcile::Error> {
        let watched = Watched::new(&kinds::NODE_CLAIM, None, Selection::default());
        let deadline = Instant::now() + DRAINED;
        let waited =
            access.watch_until(&watched, deadline, |claims| claims.is_empty().then_some(()));
        match waited.await {
            Ok(Waited::Met(())) => Ok(()),
            // With its definition gone, so is every object.
            Err(error) if error.is_unknown_kind() => Ok(()),
            Err(error) => Err(error.into()),
            Ok(Waited::TooLate(claims, trouble)) => {
                let left: Vec<_> = claims.into_keys().collect();
                let minutes = DRAINED.as_secs() / 60;
                let mut cause = format!(
                    "after {minutes} minutes Karpenter hasn't taken away {}",
                    left.join(", ")
                );
                if let Some(trouble) = trouble {
                    cause.push_str(&format!("; {trouble}"));
                }
                Err(reconcile::Error::new(
                    format!("removing the nodes that Karpenter made in {}", self.name),
                    cause,
                    "see with kubectl describe nodeclaim what holds them (a PodDisruptionBudget, \
                     karpenter.sh/do-not-disrupt), mend that, then run again",
                ))
            }
        }
    }
}

/// The names of all objects of a kind; none where the cluster doesn't know it.
async fn names(access: &Access, kind: &Kind) -> Result<BTreeSet<String>, Error> {
    let listed = access
        .list::<Value>(kind, None, &Selection::default())
        .await;
    let listed = listed.or_absent()?;
    Ok(listed
        .into_iter()
        .flat_map(|list| list.items)
        .map(|object| key(&object))
        .collect())
}

impl Resource for KarpenterNodes {
    type Observed = Observed;
    type Output = ();
    const KIND: &'static str = "karpenter_nodes";
    const GRANTS: &'static [Grant] = &[];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        self.needs.clone()
    }

    async fn observe(&self) -> Result<Option<Observed>, reconcile::Error> {
        let Some(access) = self.connection.observed().await? else {
            return Ok(None);
        };
        match Self::read(&access).await {
            Ok(found) if found == Observed::default() => Ok(None),
            Ok(found) => Ok(Some(found)),
            // Whom the cluster doesn't know never had Karpenter installed.
            Err(error) if error.is_denied() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn output(&self, _: &Observed) {}

    /// Pods ask for nodes, and Karpenter makes them: there is nothing that psk would change.
    fn diff(&self, _: Option<&Observed>) -> Result<Diff, reconcile::Error> {
        Ok(Diff::update().build())
    }

    async fn apply(
        &self,
        _: &Diff,
        _: Option<&Observed>,
        _: &Progress,
    ) -> Result<(), reconcile::Error> {
        Ok(())
    }

    async fn settle(&self, _: &Progress) -> Result<Observed, reconcile::Error> {
        let access = self.connection.required().await?;
        Ok(Self::read(&access).await?)
    }

    /// They go where the cluster does.
    async fn fate(&self, _: &Observed) -> Result<Fate, reconcile::Error> {
        let facts = self.cluster.get().known();
        Ok(match facts.is_some_and(|facts| facts.made_by_psk) {
            true => Fate::Remove,
            false => Fate::Nothing,
        })
    }

    async fn remove(
        &self,
        observed: &Observed,
        progress: &Progress,
    ) -> Result<(), reconcile::Error> {
        let access = self.connection.required().await?;
        // A pool takes its nodes with it, and makes no more.
        let pools = observed.pools.iter();
        let deleted = pools.map(|pool| access.delete(&kinds::NODE_POOL, None, pool));
        for deleted in calls::join_all(deleted).await {
            deleted?;
        }
        let (pools, nodes) = (observed.pools.len(), observed.claims.len());
        progress.say(format!(
            "Karpenter takes away {pools} pools and {nodes} nodes"
        ));
        tokio::select! {
            gone = self.gone(&access) => gone,
            () = progress.cancelled() => Err(reconcile::Error::cancelled(format!(
                "waiting for the nodes that Karpenter made in {} to go", self.name
            ))),
        }
    }
}
