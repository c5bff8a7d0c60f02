//! Verification of one cluster: the last step of an apply, or all that `psk verify` does.

use std::sync::Arc;

use super::cluster::ClusterWork;
use super::failure::failure_after;
use crate::aws::Session;
use crate::event::{CheckOutcome, CheckResult, Failure, Step};
use crate::fanout::{Turn, WorkOutcome};
use crate::inventory::Cluster;
use crate::reconcile::Error;
use crate::reconcile::plan::ResourceChange;
use crate::verify::{self, Subject};

impl ClusterWork {
    /// Changes nothing, and checks that the cluster works.
    pub(super) async fn verify(
        &self,
        turn: &Turn,
        cluster: &Cluster,
    ) -> Result<WorkOutcome, Failure> {
        turn.events.enter(Step::Session);
        let session = self.open(cluster).await?;
        self.check_that_it_works(turn, cluster, session, &[], WorkOutcome::Unchanged)
            .await
    }

    /// Checks that the cluster works, after what was `done` to it. Its outcome is `then` if it does.
    pub(super) async fn check_that_it_works(
        &self,
        turn: &Turn,
        cluster: &Cluster,
        session: Session,
        done: &[ResourceChange],
        then: WorkOutcome,
    ) -> Result<WorkOutcome, Failure> {
        turn.events.enter(Step::Verify);
        let subject = Arc::new(Subject::new(cluster, session, turn.cancel.clone()).await);
        let (told, said) = (turn.events.clone(), turn.events.clone());
        let results = verify::verify(
            subject,
            &self.checks,
            move |check| told.checked(check.clone()),
            move |line| said.progress(line),
        )
        .await;
        if turn.cancel.is_cancelled() {
            return Ok(WorkOutcome::Cancelled {
                during: turn.during(),
            });
        }
        match failure(&turn.cluster.name, &results) {
            Some(error) => Err(failure_after(Step::Verify, [error], done)),
            None => Ok(then),
        }
    }
}

/// One failure out of all checks that failed, each with what it saw.
fn failure(cluster: &str, results: &[CheckResult]) -> Option<Error> {
    let is_failed = |check: &&CheckResult| check.outcome == CheckOutcome::Failed;
    let failed: Vec<_> = results.iter().filter(is_failed).collect();
    let first = failed.first()?;
    let seen = failed.iter().map(|check| {
        let message = check.message.as_deref().unwrap_or_default();
        format!("{}: {}", check.name, message.replace('\n', "\n  "))
    });
    Some(Error::new(
        format!("verifying {cluster}"),
        seen.collect::<Vec<_>>().join("\n"),
        format!(
            "mend what the checks name, then run again; `psk verify --cluster {cluster} --only {}` repeats one",
            first.name
        ),
    ))
}
