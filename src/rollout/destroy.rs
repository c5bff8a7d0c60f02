//! Taking one cluster apart: session → observe → plan → remove.

use std::sync::Arc;

use super::cluster::{ClusterWork, outcome, progress};
use super::failure::{failure, failure_after};
use super::mode::Destroy;
use crate::aws::Session;
use crate::control_plane::{Base, file_system::FileSystem, kms_key::KmsKey};
use crate::event::{Failure, Step};
use crate::fanout::{Turn, WorkOutcome};
use crate::inventory::Cluster;
use crate::kubernetes::{self, Connection, KarpenterNodes};
use crate::reconcile::plan::{Action, PLAN_SCHEMA_VERSION, Plan};
use crate::reconcile::{Applied, Removal, Resource};

impl ClusterWork {
    /// Removes what psk made of a cluster, in reverse, and tells what it leaves and why.
    pub(super) async fn destroy(
        &self,
        turn: &Turn,
        cluster: &Cluster,
        how: Destroy,
    ) -> Result<WorkOutcome, Failure> {
        let planned = async {
            turn.events.enter(Step::Session);
            let session = self.open(cluster).await?;
            turn.events.enter(Step::Observe);
            let mut base = self.wanted(cluster, &session);
            with_nodes(&mut base, cluster, &session);
            let (observed, outputs) =
                futures::join!(base.graph.observe(), self.left_outputs(turn, cluster));
            observed.map_err(|errors| failure(Step::Observe, errors))?;
            turn.events.enter(Step::Plan);
            let keep = |kind: &str| keep(kind, how.delete_data);
            let removal = base.graph.plan_removal(keep).await;
            let mut removal = removal.map_err(|errors| failure(Step::Plan, errors))?;
            removal.left.extend(outputs);
            Ok::<_, Failure>((base, removal))
        };
        // Reading can be dropped where it stands: nothing is left half done.
        let (base, removal) = tokio::select! {
            planned = planned => planned?,
            () = turn.cancel.cancelled() => {
                return Ok(WorkOutcome::Cancelled { during: turn.during() });
            }
        };
        turn.events.planned(plan(cluster, &removal));
        if how.dry_run || removal.changes.is_empty() {
            return Ok(outcome(removal.changes.len()));
        }
        turn.events.enter(Step::Apply);
        let Applied {
            done,
            failed,
            cancelled,
        } = base.graph.remove(&removal, &progress(turn)).await;
        if !failed.is_empty() {
            return Err(failure_after(Step::Apply, failed, &done));
        }
        if cancelled {
            return Ok(WorkOutcome::Cancelled {
                during: turn.during(),
            });
        }
        Ok(outcome(done.len()))
    }
}

/// Adds what is inside the cluster and doesn't go with it.
fn with_nodes(base: &mut Base, cluster: &Cluster, session: &Session) {
    let name = cluster.name.to_string();
    let inside = Arc::new(kubernetes::Shared::new(session, &name));
    base.graph.add(KarpenterNodes {
        connection: Arc::new(Connection::new(inside, base.cluster.clone())),
        cluster: base.cluster.clone(),
        name,
        needs: base.ready.clone(),
    });
}

/// Why a resource of a kind stays although psk made it.
fn keep(kind: &str, delete_data: bool) -> Option<String> {
    let holds = match kind {
        FileSystem::KIND => "it holds what pods have stored",
        KmsKey::KIND => "without it nobody can read what it has encrypted",
        _ => return None,
    };
    (!delete_data).then(|| format!("{holds}; --delete-data removes it"))
}

fn plan(cluster: &Cluster, removal: &Removal) -> Plan {
    let nothing = "nothing that psk made is there";
    let is_empty = removal.changes.iter().all(|c| c.action == Action::Keep);
    Plan {
        schema_version: PLAN_SCHEMA_VERSION,
        cluster: cluster.name.to_string(),
        region: cluster.region.to_string(),
        account: cluster.account.to_string(),
        resources: removal.changes.clone(),
        rungs: Vec::new(),
        drift: Vec::new(),
        left: removal.left.clone(),
        warnings: is_empty.then(|| nothing.to_owned()).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_data_is_kept_unless_it_is_to_go() {
        for kind in [FileSystem::KIND, KmsKey::KIND] {
            let why = keep(kind, false).unwrap();
            assert!(why.ends_with("--delete-data removes it"), "{why}");
            assert_eq!(keep(kind, true), None);
        }
        assert_eq!(keep("eks_cluster", false), None);
    }
}
