//! A namespace that one check of one run has to itself, and the clean-up of those that were left
//! behind.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use serde_json::json;
use tokio::time::Instant;

use super::Subject;
use super::check::Finding;
use crate::calls;
use crate::kubernetes::{Access, Error, Selection, Waited, Watched, kinds};

/// The label by which a namespace says which run made it.
const RUN: &str = "psk.dev/verify-run";

/// The annotation that says when no run can be using the namespace any more.
const EXPIRES: &str = "psk.dev/expires";

/// How much longer than its checks a run may take, for its clean-up.
const MARGIN: Duration = Duration::from_secs(300);

/// How long a namespace may take to go, volumes and all.
const GONE: Duration = Duration::from_secs(180);

/// A check's namespace.
#[derive(Debug)]
pub(super) struct Room {
    name: String,
}

impl Room {
    /// Makes a namespace in which pods are held to a pod security standard.
    pub(super) async fn open(
        subject: &Subject,
        check: &str,
        security: &str,
    ) -> Result<Self, Finding> {
        let name = format!("psk-verify-{}-{check}", subject.run);
        let last = subject.longest() + MARGIN;
        let expires = subject.now().checked_add(last).unwrap_or(Timestamp::MAX);
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {
                    RUN: subject.run,
                    "app.kubernetes.io/managed-by": "psk",
                    "pod-security.kubernetes.io/enforce": security,
                },
                "annotations": { EXPIRES: expires.to_string() },
            },
        });
        subject
            .access()?
            .create(&kinds::NAMESPACE, None, &namespace)
            .await?;
        Ok(Self { name })
    }

    /// Waits until pods can be made in it: the service account that they run as comes a moment after
    /// the namespace.
    pub(super) async fn ready(&self, access: &Access, deadline: Instant) -> Result<(), Finding> {
        let default = Selection::fields("metadata.name=default");
        let watched = Watched::new(&kinds::SERVICE_ACCOUNT, Some(&self.name), default);
        let waited = access.watch_until(&watched, deadline, |accounts| {
            (!accounts.is_empty()).then_some(())
        });
        match waited.await? {
            Waited::Met(()) => Ok(()),
            Waited::TooLate(_, trouble) => {
                let cause = format!("namespace {} has got no service account", self.name);
                Err(Finding::new(cause).with(trouble.map(|e| e.to_string())))
            }
        }
    }

    /// The namespace's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Removes the namespace with everything in it, and waits until it is gone, unless the run is
    /// interrupted.
    pub(super) async fn close(self, subject: &Subject) -> Result<(), Finding> {
        let access = subject.access()?;
        let closing = async {
            access.delete(&kinds::NAMESPACE, None, &self.name).await?;
            if subject.cancel.is_cancelled() {
                return Ok(());
            }
            let own = Selection::fields(format!("metadata.name={}", self.name));
            let watched = Watched::new(&kinds::NAMESPACE, None, own);
            let deadline = Instant::now() + GONE;
            let gone = access.watch_until(&watched, deadline, |namespaces| {
                (!namespaces.contains_key(&self.name)).then_some(())
            });
            let gone = tokio::select! {
                gone = gone => gone?,
                // It goes by itself from here.
                () = subject.cancel.cancelled() => return Ok(()),
            };
            match gone {
                Waited::Met(()) => Ok(()),
                Waited::TooLate(left, _) => {
                    let conditions = left
                        .values()
                        .filter_map(|namespace| namespace.pointer("/status/conditions"))
                        .map(ToString::to_string);
                    let cause = format!("namespace {} doesn't go away", self.name);
                    Err(Finding::new(cause).with(conditions))
                }
            }
        };
        closing.await
    }
}

/// Removes the namespaces of runs that were killed: those that no run can be using any more. Gives
/// their names.
pub(super) async fn sweep(access: &Access, now: Timestamp) -> Result<Vec<String>, Error> {
    let left = access
        .list::<Namespace>(&kinds::NAMESPACE, None, &Selection::labels(RUN))
        .await?;
    let expired = |namespace: &Namespace| {
        let annotations = namespace.metadata.annotations.as_ref();
        let expires = annotations.and_then(|all| all.get(EXPIRES)?.parse::<Timestamp>().ok());
        // One without a date is none that a run of today makes.
        expires.is_none_or(|expires| expires < now)
    };
    let names: Vec<_> = left
        .items
        .into_iter()
        .filter(|namespace| namespace.metadata.deletion_timestamp.is_none())
        .filter(expired)
        .filter_map(|namespace| namespace.metadata.name)
        .collect();
    let removed = calls::join_all(
        names
            .iter()
            .map(|name| access.delete(&kinds::NAMESPACE, None, name)),
    )
    .await;
    removed.into_iter().collect::<Result<(), _>>()?;
    Ok(names)
}
