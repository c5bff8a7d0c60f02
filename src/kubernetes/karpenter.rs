//! Karpenter's two releases: its kinds, then itself.

use std::sync::Arc;

use serde_json::Value;

use super::compatibility::{Support, support};
use super::connection::Connection;
use super::helm::{self, Chart, Release};
use super::late::Late;
use super::object::UNKNOWN;
use super::{Access, Endpoint, Error};
use crate::control_plane::cluster::Facts;
use crate::inventory::EksVersion;
use crate::reconcile::plan::Action;
use crate::reconcile::{self, Diff, Fate, Grant, Handle, Lookup, Progress, Resource};

/// The release of Karpenter's kinds.
pub(super) const CRDS: &str = "karpenter-crd";
/// The release of Karpenter itself.
pub(super) const KARPENTER: &str = "karpenter";
/// The namespace of both.
pub(super) const NAMESPACE: &str = "kube-system";

/// Looks up both releases, with one call.
#[derive(Debug)]
pub(super) struct Releases {
    /// The way into the cluster.
    pub connection: Arc<Connection>,
}

/// Revisions by release; those that were superseded left out.
pub(super) type Found = Arc<Vec<(String, Release)>>;

impl Lookup for Releases {
    type Output = Found;
    const GRANTS: &'static [Grant] = &[];

    async fn look_up(&self) -> Result<Found, reconcile::Error> {
        let Some(access) = self.connection.observed().await? else {
            return Ok(Arc::default());
        };
        let releases = &self.connection.shared().releases;
        let read = async || {
            let found = helm::releases(&access, NAMESPACE, &[CRDS, KARPENTER]).await;
            found.map(Arc::new)
        };
        match releases.get((), read).await {
            Ok(found) => Ok(found),
            // psk's access entry is part of the same plan, so it may come to be known.
            Err(error) if error.is_denied() => Ok(Arc::default()),
            Err(error) => Err(error.into()),
        }
    }
}

/// One release of a chart.
#[derive(Debug)]
pub(super) struct ChartRelease {
    /// The way into the cluster.
    pub connection: Arc<Connection>,
    /// The cluster.
    pub cluster: Handle<Facts>,
    /// The releases that are there.
    pub found: Handle<Found>,
    /// Whether the change is to be made in this run, so that helm is needed.
    pub applies: bool,
    /// The chart, its values aside.
    pub chart: Chart,
    /// The values, once what they hold is known.
    pub values: Values,
    /// The Kubernetes that it must support.
    pub kubernetes: EksVersion,
    /// Places in the graph of what must be right first.
    pub after: Vec<usize>,
}

/// The values of a release.
#[derive(Debug)]
pub(super) enum Values {
    /// None: the chart's own.
    None,
    /// With the name of the queue in place of [`UNKNOWN`].
    WithQueue(Value, Late),
}

/// A release, and what keeps helm from changing it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    /// The newest revision.
    pub newest: Option<Release>,
    /// The revision that was last deployed to the end.
    pub deployed: Option<u64>,
    /// Why helm can't be run, where it would have to be.
    pub helm: Option<Error>,
}

impl Seen {
    fn of(name: &str, found: &[(String, Release)]) -> Self {
        let revisions = found.iter().filter(|(release, _)| release == name);
        let mut seen = Self::default();
        for (_, release) in revisions {
            if release.status == "deployed" {
                seen.deployed = Some(release.revision);
            }
            if seen
                .newest
                .as_ref()
                .is_none_or(|n| n.revision < release.revision)
            {
                seen.newest = Some(release.clone());
            }
        }
        // What is on its way out counts as gone.
        seen.newest = seen
            .newest
            .filter(|newest| !matches!(newest.status.as_str(), "uninstalled" | "uninstalling"));
        seen
    }
}

impl ChartRelease {
    fn values(&self) -> Value {
        match &self.values {
            Values::None => serde_json::json!({}),
            Values::WithQueue(values, queue) => {
                let queue = queue.get().known();
                let queue = queue.unwrap_or_else(|| UNKNOWN.to_owned());
                replaced(values, &queue)
            }
        }
    }

    fn is_right(&self, seen: &Seen) -> bool {
        seen.newest.as_ref().is_some_and(|newest| {
            newest.status == "deployed"
                && newest.version.trim_start_matches('v') == self.chart.version
                && newest.values == self.values()
        })
    }

    async fn read(&self, access: &Access) -> Result<Seen, Error> {
        let found = helm::releases(access, NAMESPACE, &[self.chart.release]).await?;
        Ok(Seen::of(self.chart.release, &found))
    }
}

/// The values with a text in place of the mark for what isn't known.
fn replaced(values: &Value, text: &str) -> Value {
    match values {
        Value::String(value) => Value::String(value.replace(UNKNOWN, text)),
        Value::Array(items) => items.iter().map(|item| replaced(item, text)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), replaced(value, text)))
            .collect(),
        other => other.clone(),
    }
}

impl Resource for ChartRelease {
    type Observed = Seen;
    type Output = ();
    const KIND: &'static str = "helm_release";
    const GRANTS: &'static [Grant] = &[];

    fn name(&self) -> String {
        self.chart.release.to_owned()
    }

    fn needs(&self) -> Vec<usize> {
        let after = self.after.iter().copied();
        let queue = match &self.values {
            Values::None => None,
            Values::WithQueue(_, queue) => Some(queue.index()),
        };
        after.chain(queue).collect()
    }

    async fn observe(&self) -> Result<Option<Seen>, reconcile::Error> {
        if let Values::WithQueue(_, queue) = &self.values {
            queue.observed().await?;
        }
        let found = self.found.observed().await?.known().unwrap_or_default();
        let mut seen = Seen::of(self.chart.release, &found);
        // A plan needs no helm. What applies finds out before anything is changed.
        if self.applies && !self.is_right(&seen) {
            seen.helm = self.connection.shared().helm.check().await.err();
        }
        Ok(Some(seen))
    }

    fn output(&self, _: &Seen) {}

    fn diff(&self, seen: Option<&Seen>) -> Result<Diff, reconcile::Error> {
        if let Support::TooOld(oldest) = support(&self.chart.version, self.kubernetes) {
            return Err(reconcile::Error::new(
                format!("comparing helm release {}", self.chart.release),
                format!(
                    "Karpenter {} doesn't support Kubernetes {}: {oldest} is the oldest that does",
                    self.chart.version, self.kubernetes
                ),
                format!(
                    "set karpenter_chart_version to {oldest} or newer, or leave eks_version as it is"
                ),
            ));
        }
        let newest = seen.and_then(|seen| seen.newest.as_ref());
        let helm = seen.and_then(|seen| seen.helm.as_ref());
        let values = self.values();
        let mut diff = match newest {
            None => Diff::create()
                .attribute("chart", None::<()>, &self.chart.chart)
                .attribute("version", None::<()>, &self.chart.version)
                .attribute("values", None::<()>, &values),
            Some(newest) => Diff::update()
                .attribute(
                    "version",
                    Some(newest.version.trim_start_matches('v')),
                    &self.chart.version,
                )
                .attribute("values", Some(&newest.values), &values)
                .attribute("status", Some(&newest.status), "deployed"),
        };
        if let Some(newest) = newest.filter(|newest| newest.status != "deployed") {
            diff = diff.because(format!(
                "revision {} was left {}: {}",
                newest.revision, newest.status, newest.description
            ));
        }
        let diff = diff.build();
        match helm {
            Some(error) if diff.action != Action::Keep => Err(error.clone().into()),
            _ => Ok(diff),
        }
    }

    async fn apply(
        &self,
        _: &Diff,
        seen: Option<&Seen>,
        progress: &Progress,
    ) -> Result<(), reconcile::Error> {
        let access = self.connection.required().await?;
        let facts = self
            .cluster
            .get()
            .required(|| format!("reaching the Kubernetes API of {}", access.cluster()))?;
        let endpoint = Endpoint {
            url: facts.access.endpoint,
            certificate_authority: facts.access.certificate_authority,
        };
        let chart = Chart {
            values: self.values(),
            ..self.chart.clone()
        };
        let helm = &self.connection.shared().helm;
        let newest = seen.and_then(|seen| seen.newest.as_ref());
        if let Some(newest) = newest.filter(|newest| newest.status.starts_with("pending-")) {
            // helm refuses to go on from what it didn't end.
            progress.say(format!(
                "recovering {} from {}",
                chart.release, newest.status
            ));
            match seen.and_then(|seen| seen.deployed) {
                Some(revision) => {
                    helm.roll_back(&access, &endpoint, &chart, revision).await?;
                }
                None => helm.uninstall(&access, &endpoint, &chart).await?,
            }
        }
        progress.say(format!(
            "helm upgrade {} to {}",
            chart.release, chart.version
        ));
        Ok(helm.upgrade(&access, &endpoint, &chart, progress).await?)
    }

    async fn settle(&self, _: &Progress) -> Result<Seen, reconcile::Error> {
        let access = self.connection.required().await?;
        let seen = self.read(&access).await?;
        if self.is_right(&seen) {
            return Ok(seen);
        }
        let state = seen.newest.map_or_else(
            || "there is no release".to_owned(),
            |newest| format!("{} of {}", newest.status, newest.version),
        );
        Err(reconcile::Error::new(
            format!(
                "reading helm release {} after its upgrade",
                self.chart.release
            ),
            format!("it isn't what it should be: {state}"),
            "look at it with `helm history -n kube-system`, then run again",
        ))
    }

    /// It goes with the cluster.
    async fn fate(&self, _: &Seen) -> Result<Fate, reconcile::Error> {
        Ok(Fate::Nothing)
    }

    async fn remove(&self, _: &Seen, _: &Progress) -> Result<(), reconcile::Error> {
        // It goes with the cluster. The nodes that Karpenter made must go before it.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn release(revision: u64, status: &str) -> (String, Release) {
        (
            KARPENTER.to_owned(),
            Release {
                revision,
                status: status.to_owned(),
                description: String::new(),
                version: "1.11.1".to_owned(),
                values: json!({}),
            },
        )
    }

    #[test]
    fn the_newest_revision_counts_and_the_one_deployed_last_is_remembered() {
        let other = (CRDS.to_owned(), release(9, "deployed").1);
        let seen = Seen::of(
            KARPENTER,
            &[release(3, "deployed"), release(4, "pending-upgrade"), other],
        );
        assert_eq!(seen.deployed, Some(3));
        assert_eq!(seen.newest.unwrap().status, "pending-upgrade");
        assert_eq!(
            Seen::of(KARPENTER, &[release(1, "uninstalled")]).newest,
            None
        );
    }

    #[test]
    fn what_is_not_known_is_put_in_wherever_it_stands() {
        let values = json!({"a": [UNKNOWN, 1], "b": {"c": UNKNOWN}});
        assert_eq!(
            replaced(&values, "Karpenter-x"),
            json!({"a": ["Karpenter-x", 1], "b": {"c": "Karpenter-x"}})
        );
    }
}
