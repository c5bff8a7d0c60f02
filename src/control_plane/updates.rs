//! Updates of EKS: one at a time per cluster, each with an id by which it is awaited.

use std::future::Future;
use std::time::Duration;

use aws_sdk_eks::types::{Update, UpdateStatus};
use tokio::time::Instant;

use super::eventual::{PATIENCE, role_is_unseen};
use super::token::token;
use crate::aws::{CallError, Doing, Session};
use crate::reconcile::{Error, Polling, Progress, State};

/// What an update is of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// The control plane.
    Cluster,
    /// A node group, by its full name.
    NodeGroup(&'a str),
    /// An add-on.
    Addon(&'a str),
}

/// Starts and awaits the updates of one cluster.
#[derive(Debug)]
pub(super) struct Updates<'a> {
    pub(super) session: &'a Session,
    pub(super) cluster: &'a str,
    pub(super) of: Of<'a>,
    pub(super) polling: Polling,
    pub(super) deadline: Duration,
}

impl Updates<'_> {
    /// Sends `request`, again while EKS says that something else is under way or doesn't see a new
    /// role yet, and awaits the update that it starts.
    pub(super) async fn run<F>(
        &self,
        what: &str,
        progress: &Progress,
        mut request: impl FnMut() -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<Option<Update>, CallError>>,
    {
        let began = Instant::now();
        let update = self
            .polling
            .until(what, self.deadline, progress, || {
                let sent = request();
                async move {
                    match sent.await {
                        Ok(update) => Ok(State::Done(update)),
                        Err(error) if role_is_unseen(&error) && began.elapsed() < PATIENCE => {
                            Ok(State::UnderWay("waits for its role".to_owned()))
                        }
                        Err(error) if is_busy(&error) => {
                            Ok(State::UnderWay("waits for another update".to_owned()))
                        }
                        Err(error) => Err(error.into()),
                    }
                }
            })
            .await?;
        match update.as_ref().and_then(|u| u.id()) {
            Some(id) => self.finish(what, id, progress).await,
            None => Ok(()),
        }
    }

    /// A token for the next update. The updates that there have been are counted into it: a request
    /// that is sent again after a lost answer is the same one to EKS, and a new try after an update
    /// that failed is not.
    pub(super) async fn next_token(&self, parts: &[&str]) -> Result<String, CallError> {
        let request = self.session.eks().list_updates().name(self.cluster);
        let request = match self.of {
            Of::Cluster => request,
            Of::NodeGroup(name) => request.nodegroup_name(name),
            Of::Addon(name) => request.addon_name(name),
        };
        let updates = request
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("listing the updates of {}", self.cluster))?;
        let count = updates.len().to_string();
        let parts: Vec<_> = [self.cluster, &count]
            .into_iter()
            .chain(parts.iter().copied())
            .collect();
        Ok(token(&parts))
    }

    async fn finish(&self, what: &str, id: &str, progress: &Progress) -> Result<(), Error> {
        self.polling
            .until(what, self.deadline, progress, || async {
                let request = self
                    .session
                    .eks()
                    .describe_update()
                    .name(self.cluster)
                    .update_id(id);
                let request = match self.of {
                    Of::Cluster => request,
                    Of::NodeGroup(name) => request.nodegroup_name(name),
                    Of::Addon(name) => request.addon_name(name),
                };
                let answer = request
                    .send()
                    .await
                    .doing(|| format!("asking how far {what} is"))?;
                judge(what, answer.update.as_ref())
            })
            .await
    }
}

/// Whether EKS refuses a request because something else is under way.
/// Source: EKS API reference, ResourceInUseException: the resource is in use, by another update for
/// one; InvalidRequestException: the state of the cluster doesn't match the action.
pub(super) fn is_busy(error: &CallError) -> bool {
    error.has_code(&["ResourceInUseException"])
        || (error.has_code(&["InvalidRequestException"]) && error.cause.contains("ACTIVE"))
}

fn judge(what: &str, update: Option<&Update>) -> Result<State<()>, Error> {
    match update.and_then(|u| u.status()) {
        Some(UpdateStatus::Successful) => Ok(State::Done(())),
        Some(status @ (UpdateStatus::Failed | UpdateStatus::Cancelled)) => {
            let errors = update.map(Update::errors).unwrap_or_default();
            let causes: Vec<_> = errors
                .iter()
                .map(|error| {
                    let code = error.error_code().map_or("Unknown", |c| c.as_str());
                    let on = error.resource_ids().join(", ");
                    let on = if on.is_empty() {
                        on
                    } else {
                        format!(" ({on})")
                    };
                    format!(
                        "{code}: {}{on}",
                        error.error_message().unwrap_or("no message")
                    )
                })
                .collect();
            let cause = if causes.is_empty() {
                format!("EKS says {} without a reason", status.as_str())
            } else {
                causes.join("; ")
            };
            Err(Error::new(
                what,
                cause,
                "mend what EKS names, then run again",
            ))
        }
        status => Ok(State::UnderWay(
            status.map_or("InProgress", |s| s.as_str()).to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eks::types::{ErrorCode, ErrorDetail};

    use super::*;

    #[test]
    fn a_failed_update_tells_its_errors_in_eks_own_words() {
        let update = Update::builder()
            .status(UpdateStatus::Failed)
            .errors(
                ErrorDetail::builder()
                    .error_code(ErrorCode::PodEvictionFailure)
                    .error_message("Reached max retries while trying to evict pods")
                    .resource_ids("ip-10-0-1-7.ec2.internal")
                    .build(),
            )
            .build();
        let error = judge("updating node group m", Some(&update)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "updating node group m: PodEvictionFailure: Reached max retries while trying to evict pods (ip-10-0-1-7.ec2.internal)"
        );
    }

    #[test]
    fn an_update_under_way_is_waited_for() {
        let update = Update::builder().status(UpdateStatus::InProgress).build();
        assert!(matches!(judge("x", Some(&update)), Ok(State::UnderWay(s)) if s == "InProgress"));
        assert!(matches!(judge("x", None), Ok(State::UnderWay(_))));
    }
}
