//! Raising a control plane by one minor version, if EKS finds it ready.

use std::time::Duration;

use aws_sdk_eks::types::{
    Category, InsightStatusValue, InsightSummary, InsightsFilter, InsightsRefreshStatus, Update,
};

use super::{Cluster, DEADLINE, Observed};
use crate::aws::{CallError, Doing};
use crate::inventory::EksVersion;
use crate::reconcile::{Error, Progress, State};

/// A refresh of the insights takes some minutes.
const REFRESH_DEADLINE: Duration = Duration::from_secs(20 * 60);

impl Cluster {
    /// Looks that EKS offers the version at all.
    pub(super) async fn check_supported(&self) -> Result<(), Error> {
        let supported = self
            .shared
            .kubernetes_versions
            .get(self.session.target().clone(), || async {
                let versions = self
                    .session
                    .eks()
                    .describe_cluster_versions()
                    .into_paginator()
                    .items()
                    .send()
                    .collect::<Result<Vec<_>, _>>()
                    .await
                    .doing(|| "listing the Kubernetes versions of EKS".to_owned())?;
                Ok(versions
                    .iter()
                    .filter_map(|v| v.cluster_version()?.parse().ok())
                    .collect::<Vec<_>>())
            })
            .await?;
        check_supported(&self.wanted.name, self.wanted.version, supported)
    }

    /// Raises the version by one minor.
    pub(super) async fn upgrade(&self, is: &Observed, progress: &Progress) -> Result<(), Error> {
        let next = is.version.next();
        if self.wanted.force_upgrade.is_none() {
            self.refresh_insights(progress).await?;
            refuse_if_blocked(&self.wanted.name, next, &self.blocking(next).await?)?;
        }
        let what = format!(
            "upgrading cluster {} to Kubernetes {next}",
            self.wanted.name
        );
        let to = next.to_string();
        let updates = self.updates(DEADLINE);
        let request_token = updates.next_token(&["version", &to]).await?;
        updates
            .run(&what, progress, || async {
                let answer = self
                    .session
                    .eks()
                    .update_cluster_version()
                    .name(&self.wanted.name)
                    .version(&to)
                    .force(self.wanted.force_upgrade.is_some())
                    .client_request_token(&request_token)
                    .send()
                    .await
                    .doing(|| what.clone())?;
                Ok::<Option<Update>, CallError>(answer.update)
            })
            .await
    }

    /// EKS looks at a cluster once a day by itself; before an upgrade it has to look again.
    async fn refresh_insights(&self, progress: &Progress) -> Result<(), Error> {
        let name = &self.wanted.name;
        self.session
            .eks()
            .start_insights_refresh()
            .cluster_name(name)
            .send()
            .await
            .doing(|| format!("refreshing the upgrade insights of {name}"))?;
        self.polling
            .until(
                &format!("upgrade insights of {name}"),
                REFRESH_DEADLINE,
                progress,
                || async {
                    let answer = self
                        .session
                        .eks()
                        .describe_insights_refresh()
                        .cluster_name(name)
                        .send()
                        .await
                        .doing(|| format!("asking how far the upgrade insights of {name} are"))?;
                    match answer.status() {
                        Some(InsightsRefreshStatus::Completed) => Ok(State::Done(())),
                        Some(InsightsRefreshStatus::Failed) => Err(Error::new(
                            format!("refreshing the upgrade insights of {name}"),
                            answer.message().unwrap_or("EKS says that it failed"),
                            "run again, or pass with --force-upgrade \"<reason>\"",
                        )),
                        _ => Ok(State::UnderWay("IN_PROGRESS".to_owned())),
                    }
                },
            )
            .await
    }

    /// What speaks against an upgrade to `next`, one line an insight.
    pub(super) async fn blocking(&self, next: EksVersion) -> Result<Vec<String>, Error> {
        let filter = InsightsFilter::builder()
            .categories(Category::UpgradeReadiness)
            .kubernetes_versions(next.to_string())
            .statuses(InsightStatusValue::Error)
            .build();
        let insights = self
            .session
            .eks()
            .list_insights()
            .cluster_name(&self.wanted.name)
            .filter(filter)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("listing the upgrade insights of {}", self.wanted.name))?;
        Ok(insights.iter().map(describe).collect())
    }
}

fn describe(insight: &InsightSummary) -> String {
    let name = insight.name().unwrap_or("unnamed insight");
    match insight.insight_status().and_then(|s| s.reason()) {
        Some(reason) => format!("{name}: {reason}"),
        None => name.to_owned(),
    }
}

/// Refuses an upgrade that an insight speaks against.
pub(super) fn refuse_if_blocked(
    cluster: &str,
    next: EksVersion,
    blocking: &[String],
) -> Result<(), Error> {
    if blocking.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        format!("upgrading cluster {cluster} to Kubernetes {next}"),
        format!("EKS finds it not ready: {}", blocking.join("; ")),
        "mend what the insight names, or pass with --force-upgrade \"<reason>\"",
    ))
}

fn check_supported(
    cluster: &str,
    wanted: EksVersion,
    mut supported: Vec<EksVersion>,
) -> Result<(), Error> {
    if supported.contains(&wanted) {
        return Ok(());
    }
    supported.sort_unstable();
    let supported: Vec<_> = supported.iter().map(ToString::to_string).collect();
    Err(Error::new(
        format!("planning cluster {cluster}"),
        format!("EKS has no Kubernetes {wanted} here"),
        format!("set eks_version to one of {}", supported.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> EksVersion {
        text.parse().unwrap()
    }

    #[test]
    fn a_version_that_eks_does_not_have_is_refused_with_those_that_it_has() {
        let supported = vec![version("1.36"), version("1.34"), version("1.35")];
        assert_eq!(
            check_supported("c", version("1.35"), supported.clone()),
            Ok(())
        );
        let error = check_supported("c", version("1.29"), supported).unwrap_err();
        assert_eq!(
            error.to_string(),
            "planning cluster c: EKS has no Kubernetes 1.29 here"
        );
        assert_eq!(error.next, "set eks_version to one of 1.34, 1.35, 1.36");
    }

    #[test]
    fn an_insight_in_error_refuses_the_upgrade_in_its_own_words() {
        let blocking =
            ["Deprecated APIs removed in Kubernetes v1.36: used by kube-thing".to_owned()];
        let error = refuse_if_blocked("c", version("1.36"), &blocking).unwrap_err();
        assert_eq!(
            error.cause,
            "EKS finds it not ready: Deprecated APIs removed in Kubernetes v1.36: used by kube-thing"
        );
        assert_eq!(refuse_if_blocked("c", version("1.36"), &[]), Ok(()));
    }
}
