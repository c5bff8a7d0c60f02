//! Checks of a cluster's AWS side, each read afresh: what an apply said a moment ago is no evidence.

use std::sync::Arc;

use aws_sdk_eks::types::{
    Addon, AddonStatus, ClusterStatus, NodegroupStatus, PodIdentityAssociationSummary,
};
use futures::FutureExt;
use tokio::time::Instant;

use super::Subject;
use super::check::{Checked, Finding};
use crate::aws::{Doing, OrAbsent};
use crate::calls;

/// The add-ons whose service accounts have a role, with the account's name.
const WITH_ROLE: [(&str, &str); 3] = [
    ("vpc-cni", "aws-node"),
    ("aws-ebs-csi-driver", "ebs-csi-controller-sa"),
    ("aws-efs-csi-driver", "efs-csi-controller-sa"),
];

/// The cluster is there, ACTIVE, at the version that its settings ask for, and healthy.
pub(super) fn cluster(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let name = subject.cluster();
        let Some(cluster) = subject.described.clone()? else {
            return Err(Finding::new(format!("there is no cluster {name}")));
        };
        let mut wrong = Vec::new();
        if cluster.status != Some(ClusterStatus::Active) {
            let status = cluster.status.as_ref().map_or("unknown", |s| s.as_str());
            wrong.push(format!("cluster {name} is {status}, not ACTIVE"));
        }
        let wanted = subject.settings.eks_version.to_string();
        let version = cluster.version().unwrap_or("unknown");
        if version != wanted {
            wrong.push(format!("it runs Kubernetes {version}, not {wanted}"));
        }
        let health = cluster.health.and_then(|health| health.issues);
        wrong.extend(health.into_iter().flatten().map(|issue| {
            let code = issue.code().map_or("issue", |code| code.as_str());
            format!("{code}: {}", issue.message().unwrap_or_default())
        }));
        told(wrong)
    }
    .boxed()
}

/// The service accounts of the add-ons have their roles, and the roles exist.
pub(super) fn roles(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let chosen = WITH_ROLE.iter().filter(|(addon, _)| subject.has(addon));
        let checked = calls::join_all(chosen.map(|(addon, account)| {
            let subject = subject.clone();
            async move { role(&subject, addon, account).await }
        }))
        .await;
        let wrong: Vec<_> = checked
            .into_iter()
            .filter_map(Result::err)
            .flat_map(|finding| finding.0)
            .collect();
        told(wrong)
    }
    .boxed()
}

async fn role(subject: &Subject, addon: &str, account: &str) -> Result<(), Finding> {
    let described = describe(subject, addon).await?;
    let arn = match described.and_then(|addon| addon.service_account_role_arn) {
        Some(arn) => Some(arn),
        None => associated(subject, account).await?,
    };
    let Some(arn) = arn else {
        return Err(Finding::new(format!(
            "service account kube-system/{account} of add-on {addon} has no role"
        )));
    };
    let name = arn.rsplit('/').next().unwrap_or(&arn);
    let found = subject.session.iam().get_role().role_name(name).send();
    let found = found.await.doing(|| format!("reading role {name}"));
    match found.or_absent()? {
        Some(_) => Ok(()),
        None => Err(Finding::new(format!(
            "role {arn} of service account kube-system/{account} doesn't exist"
        ))),
    }
}

/// The role that a pod identity association gives a service account.
async fn associated(subject: &Subject, account: &str) -> Result<Option<String>, Finding> {
    let (eks, cluster) = (subject.session.eks(), subject.cluster());
    let doing = || format!("reading the pod identity of kube-system/{account} in {cluster}");
    let listed = eks
        .list_pod_identity_associations()
        .cluster_name(cluster)
        .namespace("kube-system")
        .service_account(account)
        .send()
        .await
        .doing(doing)?;
    let first = listed.associations().first();
    let Some(id) = first.and_then(PodIdentityAssociationSummary::association_id) else {
        return Ok(None);
    };
    let described = eks
        .describe_pod_identity_association()
        .cluster_name(cluster)
        .association_id(id)
        .send()
        .await
        .doing(doing)?;
    Ok(described.association.and_then(|found| found.role_arn))
}

/// The file system that pods share exists and is available.
pub(super) fn file_system(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let name = format!("{}-efs-csi-storage", subject.cluster());
        let found = subject
            .session
            .efs()
            .describe_file_systems()
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("looking for file system {name}"))?;
        let is_it = |tag: &aws_sdk_efs::types::Tag| tag.key() == "Name" && tag.value() == name;
        match found.iter().find(|fs| fs.tags().iter().any(is_it)) {
            None => Err(Finding::new(format!("there is no file system {name}"))),
            Some(fs) if fs.life_cycle_state().as_str() != "available" => {
                let state = fs.life_cycle_state().as_str();
                let id = fs.file_system_id();
                Err(Finding::new(format!(
                    "file system {name} ({id}) is {state}, not available"
                )))
            }
            Some(_) => Ok(()),
        }
    }
    .boxed()
}

/// The queue by which Karpenter hears of interruptions exists.
pub(super) fn queue(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let name = format!("Karpenter-{}", subject.cluster());
        let found = subject.session.sqs().get_queue_url().queue_name(&name);
        let found = found
            .send()
            .await
            .doing(|| format!("looking for queue {name}"));
        match found.or_absent()? {
            Some(_) => Ok(()),
            None => Err(Finding::new(format!("there is no queue {name}"))),
        }
    }
    .boxed()
}

/// The management node group is ACTIVE and without health issues.
pub(super) fn node_group(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let cluster = subject.cluster();
        let eks = subject.session.eks();
        let wanted = subject.settings.management_node_group_name.to_string();
        let listed = eks
            .list_nodegroups()
            .cluster_name(cluster)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("listing the node groups of {cluster}"))?;
        // Terraform adds a suffix of its own.
        let prefix = format!("{wanted}-");
        let found = listed.iter().find(|name| **name == wanted);
        let found = found.or_else(|| listed.iter().find(|name| name.starts_with(&prefix)));
        let Some(name) = found else {
            return Err(Finding::new(format!("there is no node group {wanted}")));
        };
        let answer = eks
            .describe_nodegroup()
            .cluster_name(cluster)
            .nodegroup_name(name)
            .send()
            .await
            .doing(|| format!("describing node group {name}"))?;
        let Some(group) = answer.nodegroup else {
            return Err(Finding::new(format!("there is no node group {name}")));
        };
        let mut wrong = Vec::new();
        if group.status != Some(NodegroupStatus::Active) {
            let status = group.status.as_ref().map_or("unknown", |s| s.as_str());
            wrong.push(format!("node group {name} is {status}, not ACTIVE"));
        }
        let issues = group.health.and_then(|health| health.issues);
        wrong.extend(issues.into_iter().flatten().map(|issue| {
            let code = issue.code().map_or("issue", |code| code.as_str());
            format!(
                "node group {name}: {code}: {} ({})",
                issue.message().unwrap_or_default(),
                issue.resource_ids().join(", ")
            )
        }));
        told(wrong)
    }
    .boxed()
}

/// Every add-on is ACTIVE and without health issues.
pub(super) fn addons(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let names = subject.settings.addons.iter().map(|a| a.name.clone());
        let checked = calls::join_all(names.map(|name| {
            let subject = subject.clone();
            async move { addon(&subject, &name).await }
        }))
        .await;
        let mut wrong = Vec::new();
        for found in checked {
            wrong.extend(found?);
        }
        told(wrong)
    }
    .boxed()
}

async fn addon(subject: &Subject, name: &str) -> Result<Vec<String>, Finding> {
    let Some(addon) = describe(subject, name).await? else {
        return Ok(vec![format!("there is no add-on {name}")]);
    };
    let mut wrong = Vec::new();
    if addon.status != Some(AddonStatus::Active) {
        let status = addon.status.as_ref().map_or("unknown", |s| s.as_str());
        wrong.push(format!("add-on {name} is {status}, not ACTIVE"));
    }
    let issues = addon.health.and_then(|health| health.issues);
    wrong.extend(issues.into_iter().flatten().map(|issue| {
        let code = issue.code().map_or("issue", |code| code.as_str());
        format!(
            "add-on {name}: {code}: {}",
            issue.message().unwrap_or_default()
        )
    }));
    Ok(wrong)
}

/// An add-on, asked for once however many checks look at it.
async fn describe(subject: &Subject, name: &str) -> Result<Option<Addon>, Finding> {
    let cluster = subject.cluster();
    let fetch = || async {
        let answer = subject
            .session
            .eks()
            .describe_addon()
            .cluster_name(cluster)
            .addon_name(name)
            .send()
            .await
            .doing(|| format!("describing add-on {name} of {cluster}"));
        Ok(answer.or_absent()?.and_then(|answer| answer.addon))
    };
    Ok(subject.addons.get(name.to_owned(), fetch).await?)
}

fn told(wrong: Vec<String>) -> Result<(), Finding> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Finding(wrong))
    }
}
