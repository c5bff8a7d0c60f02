//! Raising a control plane by one minor version, if EKS finds it ready.

use std::time::Duration;

use aws_sdk_eks::types::{
    Category, InsightStatusValue, InsightSummary, InsightsFilter, InsightsRefreshStatus, Update,
};

use super::{Cluster, DEADLINE, Observed, Wanted};
use crate::aws::{CallError, Doing};
use crate::inventory::EksVersion;
use crate::reconcile::{Error, Progress, State};

/// A refresh of the insights takes some minutes.
const REFRESH_DEADLINE: Duration = Duration::from_secs(20 * 60);

impl Cluster {
    /// The Kubernetes versions that EKS offers, oldest first.
    pub(super) async fn offered(&self) -> Result<Vec<EksVersion>, CallError> {
        self.shared
            .offers
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
                let mut offered: Vec<_> = versions
                    .iter()
                    .filter_map(|v| v.cluster_version()?.parse().ok())
                    .collect();
                offered.sort_unstable();
                Ok(offered)
            })
            .await
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

/// Refuses a version that a control plane can't get to: one that EKS doesn't offer, one that is lower
/// than what it runs, and one with a version in between that EKS doesn't offer any more.
pub(super) fn check_offered(
    wanted: &Wanted,
    is: Option<EksVersion>,
    offered: &[EksVersion],
) -> Result<(), Error> {
    let refusal = |cause: String, possible: &dyn Fn(EksVersion) -> bool| {
        let possible = offered.iter().filter(|version| possible(**version));
        let possible: Vec<_> = possible.map(ToString::to_string).collect();
        let next = match possible.as_slice() {
            [] => "see in the EKS User Guide which versions it supports".to_owned(),
            possible => format!("set eks_version to one of {}", possible.join(", ")),
        };
        Err(Error::new(
            format!("planning cluster {}", wanted.name),
            cause,
            next,
        ))
    };
    let to = wanted.version;
    let Some(is) = is else {
        return match offered.contains(&to) {
            true => Ok(()),
            false => refusal(format!("EKS has no Kubernetes {to} here"), &|_| true),
        };
    };
    let climb = std::iter::successors(Some(is.next()), |rung| Some(rung.next()));
    let highest = climb
        .take_while(|rung| offered.contains(rung))
        .last()
        .unwrap_or(is);
    let within_reach = |version: EksVersion| is <= version && version <= highest;
    if to < is {
        let cause = format!(
            "it runs Kubernetes {is} and its settings ask for {to}: a control plane doesn't go down"
        );
        refusal(cause, &within_reach)
    } else if !offered.contains(&to) {
        refusal(format!("EKS has no Kubernetes {to} here"), &within_reach)
    } else if to > highest {
        let cause = format!(
            "it runs Kubernetes {is} and would have to go through {} to {to}, which EKS doesn't offer",
            highest.next()
        );
        refusal(cause, &within_reach)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> EksVersion {
        text.parse().unwrap()
    }

    fn checked(is: Option<&str>, to: &str, offered: &[&str]) -> Result<(), (String, String)> {
        let wanted = Wanted {
            name: "c".into(),
            version: version(to),
            log_types: Default::default(),
            endpoint_public_access: true,
            support_type: String::new(),
            deletion_protection: true,
            tags: Default::default(),
            force_upgrade: None,
        };
        let offered: Vec<_> = offered.iter().map(|text| version(text)).collect();
        check_offered(&wanted, is.map(version), &offered).map_err(|e| (e.cause, e.next))
    }

    #[test]
    fn a_version_that_eks_does_not_have_is_refused_with_those_that_it_has() {
        let offered = ["1.34", "1.35", "1.36"];
        assert_eq!(checked(None, "1.35", &offered), Ok(()));
        assert_eq!(checked(Some("1.34"), "1.36", &offered), Ok(()));
        let all = "set eks_version to one of 1.34, 1.35, 1.36".to_owned();
        let none = "EKS has no Kubernetes 1.29 here".to_owned();
        assert_eq!(checked(None, "1.29", &offered), Err((none, all)));
        let some = "set eks_version to one of 1.35, 1.36".to_owned();
        let none = "EKS has no Kubernetes 1.40 here".to_owned();
        assert_eq!(checked(Some("1.35"), "1.40", &offered), Err((none, some)));
    }

    #[test]
    fn a_control_plane_neither_goes_down_nor_skips_what_is_not_offered() {
        let (cause, next) = checked(Some("1.36"), "1.35", &["1.35", "1.36", "1.37"]).unwrap_err();
        assert_eq!(
            cause,
            "it runs Kubernetes 1.36 and its settings ask for 1.35: a control plane doesn't go down"
        );
        assert_eq!(next, "set eks_version to one of 1.36, 1.37");
        let (cause, next) = checked(Some("1.32"), "1.35", &["1.32", "1.33", "1.35"]).unwrap_err();
        assert_eq!(
            cause,
            "it runs Kubernetes 1.32 and would have to go through 1.34 to 1.35, which EKS doesn't offer"
        );
        assert_eq!(next, "set eks_version to one of 1.32, 1.33");
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
