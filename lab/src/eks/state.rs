//! What EKS keeps of one account in one region.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::AccessEntry;
use super::addons::AddonState;
use super::agenda::Agenda;
use super::catalog::KubernetesVersion;
use super::cluster_spec::ClusterSpec;
use super::clusters::ClusterStatus;
use super::error::{About, not_found};
use super::identity_providers::IdentityProvider;
use super::inside::Endpoint;
use super::insights::{Finding, Insights};
use super::nodegroups::Nodegroup;
use super::pod_identity::Association;
use super::request::{Tags, Token};
use super::updates::Update;
use crate::call::ServiceError;

/// What EKS keeps of one account in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Region {
    /// Clusters by name.
    pub(super) clusters: BTreeMap<String, Cluster>,
    /// How many of each there may be.
    pub quotas: Quotas,
    /// What will go wrong.
    pub failures: Vec<Failure>,
    /// What readiness checks will find besides what they see for themselves.
    pub findings: Vec<Finding>,
    pub(super) agenda: Agenda,
    /// A cluster has gone since the security groups were last looked after.
    pub(super) has_lost_clusters: bool,
}

impl Region {
    /// The cluster of that name.
    pub(super) fn cluster(&self, name: &str) -> Result<&Cluster, ServiceError> {
        self.clusters.get(name).ok_or_else(|| no_cluster(name))
    }

    /// The cluster of that name, to be changed.
    pub(super) fn cluster_mut(&mut self, name: &str) -> Result<&mut Cluster, ServiceError> {
        self.clusters.get_mut(name).ok_or_else(|| no_cluster(name))
    }

    /// Whether a cluster's network interfaces have this security group.
    pub(crate) fn uses_security_group(&self, id: &str) -> bool {
        self.clusters.values().any(|cluster| {
            cluster.security_group() == id
                || cluster
                    .spec
                    .vpc
                    .security_group_ids
                    .iter()
                    .any(|of| of == id)
        })
    }

    /// The failure that awaits something that is begun now, if one does.
    pub(super) fn failure_of(&mut self, what: Happening, name: &str) -> Option<Issue> {
        let index = self.failures.iter().position(|failure| {
            failure.of == what && failure.times != Some(0) && name.contains(&failure.name_contains)
        })?;
        let failure = self.failures.get_mut(index)?;
        if let Some(times) = &mut failure.times {
            *times -= 1;
        }
        Some(failure.issue.clone())
    }
}

fn no_cluster(name: &str) -> ServiceError {
    not_found(format!("No cluster found for name: {name}.")).cluster(name)
}

/// How many of each there may be. The defaults are the service's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// Clusters in one account and region.
    pub clusters: usize,
    /// Managed node groups of one cluster.
    pub nodegroups: usize,
    /// Nodes of one managed node group.
    pub nodes: i32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            clusters: 100,
            nodegroups: 30,
            nodes: 450,
        }
    }
}

/// Something that will go wrong, for rehearsals: the request is accepted, and what it began fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What fails.
    pub of: Happening,
    /// Part of the name of the cluster, node group or add-on that it befalls; empty for any.
    pub name_contains: String,
    /// What is then told, in the update's errors or the thing's health.
    pub issue: Issue,
    /// How often it happens yet; `None` for always.
    pub times: Option<u32>,
}

/// What can go wrong after a request was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A cluster's creation.
    ClusterCreation,
    /// An update of a cluster, whatever of it.
    ClusterUpdate,
    /// A node group's creation.
    NodegroupCreation,
    /// An update of a node group's version or configuration.
    NodegroupUpdate,
    /// An add-on's creation.
    AddonCreation,
    /// An update of an add-on.
    AddonUpdate,
}

/// A problem as EKS tells it, in `health.issues` and in an update's `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// What kind (`NodeCreationFailure`).
    pub code: String,
    /// For people.
    pub message: String,
    /// The AWS or Kubernetes resources concerned.
    pub resource_ids: Vec<String>,
}

impl Issue {
    /// As a member of `health.issues`.
    pub(super) fn health(&self) -> Value {
        json!({ "code": self.code, "message": self.message, "resourceIds": self.resource_ids })
    }

    /// As a member of an update's `errors`.
    pub(super) fn error(&self) -> Value {
        json!({
            "errorCode": self.code,
            "errorMessage": self.message,
            "resourceIds": self.resource_ids,
        })
    }
}

/// A cluster and everything in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) arn: String,
    /// Thirty-two hexadecimal digits, in the endpoint and the issuer.
    pub(super) id: String,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) created_at: Timestamp,
    pub(super) status: ClusterStatus,
    pub(super) spec: ClusterSpec,
    pub(super) role_arn: String,
    pub(super) vpc_id: String,
    pub(super) service_cidr: String,
    /// Whether vpc-cni, kube-proxy and coredns were put in at the start without being add-ons.
    pub(super) self_managed_addons: bool,
    pub(super) creator_is_admin: bool,
    pub(super) issues: Vec<Issue>,
    pub(super) tags: Tags,
    pub(super) token: Option<Token>,
    /// The last upgrade, while it can be rolled back.
    pub(super) upgrade: Option<Upgrade>,
    pub(super) updates: Vec<Update>,
    pub(super) nodegroups: BTreeMap<String, Nodegroup>,
    pub(super) addons: BTreeMap<String, AddonState>,
    /// By principal.
    pub(super) access_entries: BTreeMap<String, AccessEntry>,
    /// By id.
    pub(super) associations: BTreeMap<String, Association>,
    pub(super) identity_provider: Option<IdentityProvider>,
    pub(super) insights: Insights,
    /// Where its API is served, once it has been asked for.
    #[serde(default)]
    pub(super) endpoint: Option<Endpoint>,
    /// Pods that disruption budgets keep on the nodes of a node group, as far as its inside was last
    /// looked at.
    #[serde(default)]
    pub(super) kept_pods: BTreeMap<String, Vec<String>>,
}

/// A minor version upgrade that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upgrade {
    pub(super) from: KubernetesVersion,
    pub(super) at: Timestamp,
}

impl Cluster {
    /// Whether it has a node group with nodes.
    pub(super) fn has_nodes(&self) -> bool {
        self.nodegroups.values().any(Nodegroup::has_nodes)
    }
}
