//! Insights: what EKS finds when it looks whether a cluster is ready for its next version.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::agenda::{Effect, takes};
use super::catalog::{self, KubernetesVersion, VERSION_SKEW};
use super::error::{About, invalid_parameter, not_found};
use super::request::{Request, Served, epoch, page};
use super::state::{Cluster, Region};
use crate::ids::{digest, uuid_from};

/// What is known of a cluster's readiness, as of the last look.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Insights {
    found: Vec<Insight>,
    refresh: Option<Refresh>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refresh {
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Insight {
    id: String,
    finding: Finding,
    version: KubernetesVersion,
    refreshed_at: Timestamp,
    changed_at: Timestamp,
}

/// One thing that a readiness check found. Those that the lab can't see for itself, such as the
/// use of a removed API, can be put into a region's `findings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Part of the names of the clusters that it is found in; empty for all.
    #[serde(default)]
    pub cluster_contains: String,
    /// What was checked ("Deprecated APIs removed in Kubernetes v1.36").
    pub name: String,
    /// What the check looks at.
    pub description: String,
    /// How it stands.
    pub status: FindingStatus,
    /// Why it stands so.
    pub reason: String,
    /// What to do.
    pub recommendation: String,
    /// Kubernetes URIs or ARNs of what was found wanting.
    #[serde(default)]
    pub resources: Vec<String>,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingStatus {
    /// Nothing stands against the upgrade.
    Passing,
    /// It couldn't be looked into.
    Unknown,
    /// Something should be done before long.
    Warning,
    /// It blocks the upgrade.
    Error,
}

const CATEGORY: &str = "UPGRADE_READINESS";

/// How often EKS looks by itself.
const CADENCE: SignedDuration = SignedDuration::from_hours(24);

/// Looks afresh at the cluster, at the end of a refresh and when a cluster or its version is new.
pub(super) fn refreshed(cluster: &mut Cluster, findings: &[Finding], at: Timestamp) {
    if let Some(refresh) = &mut cluster.insights.refresh {
        refresh.ended_at.get_or_insert(at);
    }
    let version = cluster.spec.version.next();
    let planted = findings
        .iter()
        .filter(|f| cluster.name.contains(&f.cluster_contains))
        .cloned();
    let found: Vec<_> = [node_skew(cluster, version), addons(cluster, version)]
        .into_iter()
        .chain(planted)
        .map(|finding| {
            let names = [&cluster.arn, &finding.name, &version.to_string()];
            let id = uuid_from(digest(&names.map(String::as_str)));
            let before = cluster.insights.found.iter().find(|i| i.id == id);
            let unchanged = before.filter(|b| b.finding.status == finding.status);
            let changed_at = unchanged.map_or(at, |b| b.changed_at);
            Insight {
                id,
                finding,
                version,
                refreshed_at: at,
                changed_at,
            }
        })
        .collect();
    cluster.insights.found = found;
}

/// Names and reasons of the insights that block an upgrade to this version.
pub(super) fn blocking(cluster: &Cluster, version: KubernetesVersion) -> Vec<String> {
    cluster
        .insights
        .found
        .iter()
        .filter(|i| i.version == version && i.finding.status == FindingStatus::Error)
        .map(|i| format!("{}: {}", i.finding.name, i.finding.reason))
        .collect()
}

fn node_skew(cluster: &Cluster, next: KubernetesVersion) -> Finding {
    let most = i32::from(VERSION_SKEW);
    let lag = |group: &super::nodegroups::Nodegroup| next.ahead_of(group.spec.version);
    let behind: Vec<_> = cluster
        .nodegroups
        .values()
        .filter(|group| lag(group) >= most)
        .collect();
    let worst = behind
        .iter()
        .map(|group| lag(group))
        .max()
        .unwrap_or_default();
    let (status, reason) = if worst > most {
        (
            FindingStatus::Error,
            format!("Node versions would be too far behind {next}."),
        )
    } else if worst == most {
        (
            FindingStatus::Warning,
            format!("Node versions are at the oldest that {next} allows."),
        )
    } else {
        (
            FindingStatus::Passing,
            "Node versions match the control plane closely enough.".to_owned(),
        )
    };
    Finding {
        cluster_contains: String::new(),
        name: "Kubelet version skew".to_owned(),
        description: "Checks how far the kubelets of the nodes are behind the control plane."
            .to_owned(),
        status,
        reason,
        recommendation: "Update the node groups before the control plane.".to_owned(),
        resources: behind.iter().map(|group| group.arn.clone()).collect(),
    }
}

fn addons(cluster: &Cluster, next: KubernetesVersion) -> Finding {
    let stuck: Vec<_> = cluster
        .addons
        .values()
        .filter(|addon| {
            let release = catalog::addon(&addon.name).and_then(|a| a.release(&addon.spec.version));
            !release.is_some_and(|release| release.works_with(next))
        })
        .collect();
    let (status, reason) = if stuck.is_empty() || catalog::version(next).is_none() {
        (
            FindingStatus::Passing,
            format!("All add-ons work with Kubernetes {next}."),
        )
    } else {
        let names: Vec<_> = stuck
            .iter()
            .map(|a| format!("{} {}", a.name, a.spec.version))
            .collect();
        (
            FindingStatus::Error,
            format!("{} don't work with Kubernetes {next}.", names.join(", ")),
        )
    };
    Finding {
        cluster_contains: String::new(),
        name: "EKS add-on version compatibility".to_owned(),
        description: "Checks that the versions of the add-ons work with the next version."
            .to_owned(),
        status,
        reason,
        recommendation: "Update the add-ons to versions that work with both.".to_owned(),
        resources: stuck.iter().map(|addon| addon.arn.clone()).collect(),
    }
}

/// A day after the last look EKS has looked again by itself.
fn look_if_stale(region: &mut Region, name: &str, now: Timestamp) {
    let Some(cluster) = region.clusters.get_mut(name) else {
        return;
    };
    let last = cluster
        .insights
        .found
        .first()
        .map(|insight| insight.refreshed_at);
    if let Some(last) = last.filter(|last| now.duration_since(*last) >= CADENCE) {
        let days = now.duration_since(last).as_secs() / CADENCE.as_secs();
        let latest = SignedDuration::from_secs(days.saturating_mul(CADENCE.as_secs()));
        refreshed(
            cluster,
            &region.findings,
            last.checked_add(latest).unwrap_or(now),
        );
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListInput {
    #[serde(default)]
    filter: Filter,
    max_results: Option<u32>,
    next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    categories: Option<Vec<String>>,
    kubernetes_versions: Option<Vec<String>>,
    statuses: Option<Vec<FindingStatus>>,
}

const CATEGORIES: [&str; 3] = [CATEGORY, "MISCONFIGURATION", "ROLLBACK_READINESS"];

impl Filter {
    fn check(&self) -> Result<(), crate::call::ServiceError> {
        let unknown = self
            .categories
            .iter()
            .flatten()
            .find(|c| !CATEGORIES.contains(&c.as_str()));
        match unknown {
            Some(category) => Err(invalid_parameter(format!("Unknown category {category}"))),
            None => Ok(()),
        }
    }

    fn lets_through(&self, insight: &Insight) -> bool {
        let version = insight.version.to_string();
        let categories = self.categories.as_ref();
        let versions = self.kubernetes_versions.as_ref();
        let statuses = self.statuses.as_ref();
        categories.is_none_or(|list| list.iter().any(|c| c == CATEGORY))
            && versions.is_none_or(|list| list.contains(&version))
            && statuses.is_none_or(|list| list.contains(&insight.finding.status))
    }
}

/// `ListInsights`.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    let input: ListInput = request.body()?;
    look_if_stale(region, request.cluster(), request.now());
    let cluster = region.cluster(request.cluster())?;
    input.filter.check().map_err(|e| e.cluster(&cluster.name))?;
    let mut items: Vec<_> = cluster
        .insights
        .found
        .iter()
        .filter(|insight| input.filter.lets_through(insight))
        .map(|insight| (insight.id.clone(), Value::Object(summary(insight))))
        .collect();
    items.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(page(items, input.max_results, input.next_token.as_deref())?.answer("insights"))
}

/// `DescribeInsight`.
pub(super) fn describe(region: &mut Region, request: &Request<'_>) -> Served {
    look_if_stale(region, request.cluster(), request.now());
    let cluster = region.cluster(request.cluster())?;
    let id = request.label("id");
    let insight = cluster
        .insights
        .found
        .iter()
        .find(|insight| insight.id == id)
        .ok_or_else(|| {
            not_found(format!("No insight found for ID: {id}")).cluster(&cluster.name)
        })?;
    let finding = &insight.finding;
    let resources: Vec<_> = finding
        .resources
        .iter()
        .map(|resource| {
            let member = if resource.starts_with("arn:") {
                "arn"
            } else {
                "kubernetesResourceUri"
            };
            json!({ member: resource, "insightStatus": status(finding) })
        })
        .collect();
    let mut view = summary(insight);
    view.insert(
        "recommendation".to_owned(),
        finding.recommendation.as_str().into(),
    );
    view.insert(
        "additionalInfo".to_owned(),
        json!(BTreeMap::from([(
            "EKS Kubernetes versions",
            "https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html",
        )])),
    );
    view.insert("resources".to_owned(), resources.into());
    Ok(json!({ "insight": view }))
}

/// `StartInsightsRefresh`. One that is under way is joined.
pub(super) fn start_refresh(region: &mut Region, request: &Request<'_>) -> Served {
    let now = request.now();
    let name = request.cluster();
    let cluster = region.cluster_mut(name)?;
    cluster.must_be_active()?;
    let under_way = cluster
        .insights
        .refresh
        .as_ref()
        .is_some_and(|r| r.ended_at.is_none());
    if !under_way {
        cluster.insights.refresh = Some(Refresh {
            started_at: now,
            ended_at: None,
        });
        region.agenda.add(
            now,
            takes::INSIGHTS_REFRESH,
            name,
            Effect::InsightsRefreshed,
        );
    }
    Ok(json!({ "message": "Insights refresh is in progress", "status": "IN_PROGRESS" }))
}

/// `DescribeInsightsRefresh`.
pub(super) fn describe_refresh(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    let Some(refresh) = &cluster.insights.refresh else {
        return Err(not_found(format!(
            "No insights refresh was started for {}",
            cluster.name
        ))
        .cluster(&cluster.name));
    };
    let mut view = json!({
        "message": "Insights refresh is in progress",
        "status": "IN_PROGRESS",
        "startedAt": epoch(refresh.started_at),
    });
    if let Some(ended_at) = refresh.ended_at {
        view["message"] = "Insights refresh completed".into();
        view["status"] = "COMPLETED".into();
        view["endedAt"] = epoch(ended_at);
    }
    Ok(view)
}

fn status(finding: &Finding) -> Value {
    json!({ "status": finding.status, "reason": finding.reason })
}

fn summary(insight: &Insight) -> Map<String, Value> {
    let members = [
        ("id", json!(insight.id)),
        ("name", json!(insight.finding.name)),
        ("category", json!(CATEGORY)),
        ("kubernetesVersion", json!(insight.version)),
        ("lastRefreshTime", epoch(insight.refreshed_at)),
        ("lastTransitionTime", epoch(insight.changed_at)),
        ("description", json!(insight.finding.description)),
        ("insightStatus", status(&insight.finding)),
    ];
    members
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect()
}
