//! Updates: what was asked of a cluster, a node group or an add-on, and what became of it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::addons::{AddonSpec, AddonStatus};
use super::agenda::Effect;
use super::cluster_spec::ClusterSpec;
use super::clusters::ClusterStatus;
use super::error::{About, in_use, not_found};
use super::identity_providers::IdentityProviderStatus;
use super::insights::{self, Finding};
use super::nodegroups::{NodegroupSpec, NodegroupStatus};
use super::request::{Request, Served, Token, epoch};
use super::state::{Cluster, Happening, Issue, Region, Upgrade};
use crate::call::ServiceError;

/// An update.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Update {
    id: String,
    subject: Subject,
    kind: UpdateType,
    status: UpdateStatus,
    params: Vec<(String, String)>,
    created_at: Timestamp,
    errors: Vec<Issue>,
    change: Change,
    token: Option<Token>,
}

/// What an update is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Subject {
    Cluster,
    Nodegroup(String),
    Addon(String),
}

/// An update's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum UpdateType {
    VersionUpdate,
    VersionRollback,
    EndpointAccessUpdate,
    LoggingUpdate,
    ConfigUpdate,
    AssociateIdentityProviderConfig,
    DisassociateIdentityProviderConfig,
    AssociateEncryptionConfig,
    AddonUpdate,
    VpcConfigUpdate,
    AccessConfigUpdate,
    UpgradePolicyUpdate,
    ZonalShiftConfigUpdate,
    DeletionProtectionUpdate,
    ControlPlaneScalingConfigUpdate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum UpdateStatus {
    InProgress,
    Failed,
    Successful,
}

/// What is put in place when the update succeeds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Change {
    Cluster(Box<ClusterSpec>),
    Nodegroup(Box<NodegroupSpec>),
    /// The nodes are replaced. Unless it is `forced`, it fails where a disruption budget keeps pods.
    NodegroupVersion {
        spec: Box<NodegroupSpec>,
        forced: bool,
    },
    Addon(Box<AddonSpec>),
    IdentityProviderAssociated,
    IdentityProviderDisassociated,
}

/// An update that is about to begin.
#[derive(Debug)]
pub(super) struct NewUpdate {
    pub(super) subject: Subject,
    pub(super) kind: UpdateType,
    pub(super) params: Vec<(&'static str, String)>,
    pub(super) change: Change,
    pub(super) takes: SignedDuration,
    pub(super) token: Option<Token>,
}

/// The update that this request began before, if it repeats one.
pub(super) fn repeated(
    cluster: &Cluster,
    token: Option<&Token>,
) -> Result<Option<Value>, ServiceError> {
    for update in &cluster.updates {
        if let Some(before) = &update.token
            && before
                .is_repeated_by(token)
                .map_err(|e| e.cluster(&cluster.name))?
        {
            return Ok(Some(answer(update)));
        }
    }
    Ok(None)
}

/// Refuses a second update of the cluster itself while one is in progress.
pub(super) fn cluster_must_be_free(cluster: &Cluster) -> Result<(), ServiceError> {
    let busy = cluster
        .updates
        .iter()
        .find(|u| u.subject == Subject::Cluster && u.status == UpdateStatus::InProgress);
    let why = match (busy, cluster.status) {
        (Some(update), _) => format!("update {} is in progress", update.id),
        (None, ClusterStatus::Active) => return Ok(()),
        (None, status) => format!(
            "its status is {}",
            json!(status).as_str().unwrap_or_default()
        ),
    };
    Err(in_use(format!("Cannot change cluster {}: {why}", cluster.name)).cluster(&cluster.name))
}

/// Begins an update and answers it.
pub(super) fn begin(region: &mut Region, request: &Request<'_>, new: NewUpdate) -> Served {
    let now = request.now();
    let name = request.cluster();
    let rehearsed = match &new.subject {
        Subject::Cluster => region.failure_of(Happening::ClusterUpdate, name),
        Subject::Nodegroup(group) => region.failure_of(Happening::NodegroupUpdate, group),
        Subject::Addon(addon) => region.failure_of(Happening::AddonUpdate, addon),
    };
    let failure = request.fate().or(rehearsed);
    let cluster = region.cluster_mut(name)?;
    match (&new.subject, &new.change) {
        // The cluster stays ACTIVE: only the configuration has a status of its own.
        (_, Change::IdentityProviderAssociated | Change::IdentityProviderDisassociated) => {}
        (Subject::Cluster, _) => cluster.status = ClusterStatus::Updating,
        (Subject::Nodegroup(group), _) => {
            if let Some(group) = cluster.nodegroups.get_mut(group) {
                group.status = NodegroupStatus::Updating;
            }
        }
        (Subject::Addon(addon), _) => {
            if let Some(addon) = cluster.addons.get_mut(addon) {
                addon.status = AddonStatus::Updating;
            }
        }
    }
    let update = Update {
        id: cluster.uuid("update", &cluster.updates.len().to_string(), now),
        subject: new.subject,
        kind: new.kind,
        status: UpdateStatus::InProgress,
        params: new
            .params
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect(),
        created_at: now,
        errors: Vec::new(),
        change: new.change,
        token: new.token,
    };
    let answer = answer(&update);
    let effect = Effect::UpdateDone {
        id: update.id.clone(),
        failure,
    };
    cluster.updates.push(update);
    region.agenda.add(now, new.takes, name, effect);
    Ok(answer)
}

/// An update came to its end.
pub(super) fn done(
    cluster: &mut Cluster,
    id: &str,
    failure: Option<Issue>,
    findings: &[Finding],
    at: Timestamp,
) {
    let held_up = held_up(cluster, id);
    let Some(update) = cluster.updates.iter_mut().find(|u| u.id == id) else {
        return;
    };
    let failure = failure.or(held_up);
    update.status = if failure.is_some() {
        UpdateStatus::Failed
    } else {
        UpdateStatus::Successful
    };
    update.errors.extend(failure.clone());
    match (update.subject.clone(), update.change.clone()) {
        (Subject::Cluster, Change::Cluster(spec)) => {
            cluster.status = ClusterStatus::Active;
            if failure.is_none() {
                replace_spec(cluster, *spec, findings, at);
            }
        }
        (
            Subject::Nodegroup(name),
            Change::Nodegroup(spec) | Change::NodegroupVersion { spec, .. },
        ) => {
            if let Some(group) = cluster.nodegroups.get_mut(&name) {
                group.updated(*spec, failure, at);
            }
        }
        (Subject::Addon(name), Change::Addon(spec)) => {
            super::addons::updated(cluster, &name, *spec, failure, at);
        }
        (_, Change::IdentityProviderAssociated) => {
            cluster.identity_provider = cluster
                .identity_provider
                .take()
                .filter(|_| failure.is_none());
            if let Some(provider) = &mut cluster.identity_provider {
                provider.status = IdentityProviderStatus::Active;
            }
        }
        (_, Change::IdentityProviderDisassociated) => {
            if failure.is_none() {
                cluster.identity_provider = None;
            } else if let Some(provider) = &mut cluster.identity_provider {
                provider.status = IdentityProviderStatus::Active;
            }
        }
        (
            _,
            Change::Cluster(_)
            | Change::Nodegroup(_)
            | Change::NodegroupVersion { .. }
            | Change::Addon(_),
        ) => {}
    }
}

/// Why nodes can't be drained for an update that isn't forced: pods that a disruption budget keeps.
/// Source: EKS User Guide, "Understand each phase of node updates", and the API reference, `Issue`.
fn held_up(cluster: &Cluster, id: &str) -> Option<Issue> {
    let update = cluster.updates.iter().find(|update| update.id == id)?;
    let (Subject::Nodegroup(group), Change::NodegroupVersion { forced: false, .. }) =
        (&update.subject, &update.change)
    else {
        return None;
    };
    let pods = cluster.kept_pods.get(group)?;
    Some(Issue {
        code: "PodEvictionFailure".to_owned(),
        message: format!(
            "Reached max retries while trying to evict pods from nodes in node group {group}"
        ),
        resource_ids: pods.clone(),
    })
}

fn replace_spec(cluster: &mut Cluster, spec: ClusterSpec, findings: &[Finding], at: Timestamp) {
    let from = cluster.spec.version;
    if spec.version > from {
        cluster.upgrade = Some(Upgrade { from, at });
    } else if spec.version < from {
        cluster.upgrade = None;
    }
    cluster.spec = spec;
    if cluster.spec.version != from {
        insights::refreshed(cluster, findings, at);
    }
}

/// What an update in progress makes of a node group's nodes, and since when.
pub(super) fn rolling<'a>(
    cluster: &'a Cluster,
    group: &str,
) -> Option<(&'a NodegroupSpec, Timestamp)> {
    cluster
        .updates
        .iter()
        .filter(|update| update.status == UpdateStatus::InProgress)
        .find_map(|update| match (&update.subject, &update.change) {
            (
                Subject::Nodegroup(name),
                Change::Nodegroup(spec) | Change::NodegroupVersion { spec, .. },
            ) if name == group => Some((&**spec, update.created_at)),
            _ => None,
        })
}

/// `DescribeUpdate`.
pub(super) fn describe(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    let subject = subject(cluster, request)?;
    let id = request.label("updateId");
    cluster
        .updates
        .iter()
        .find(|u| u.id == id && u.subject == subject)
        .map(answer)
        .ok_or_else(|| not_found(format!("No update found for ID: {id}")).cluster(&cluster.name))
}

/// `ListUpdates`: the newest first.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    let subject = subject(cluster, request)?;
    let ids = cluster
        .updates
        .iter()
        .filter(|u| u.subject == subject)
        .rev()
        .enumerate()
        .map(|(i, update)| (format!("{i:08}"), update.id.clone()))
        .collect();
    Ok(request.page::<String>(ids)?.answer("updateIds"))
}

/// What the query says that the update is of.
fn subject(cluster: &Cluster, request: &Request<'_>) -> Result<Subject, ServiceError> {
    if let Some(name) = request.query("nodegroupName") {
        cluster.nodegroup(name)?;
        Ok(Subject::Nodegroup(name.to_owned()))
    } else if let Some(name) = request.query("addonName") {
        cluster.addon(name)?;
        Ok(Subject::Addon(name.to_owned()))
    } else {
        Ok(Subject::Cluster)
    }
}

fn answer(update: &Update) -> Value {
    let params: Vec<_> = update
        .params
        .iter()
        .map(|(k, v)| json!({ "type": k, "value": v }))
        .collect();
    json!({
        "update": {
            "id": update.id,
            "status": update.status,
            "type": update.kind,
            "params": params,
            "createdAt": epoch(update.created_at),
            "errors": update.errors.iter().map(Issue::error).collect::<Vec<_>>(),
        }
    })
}
