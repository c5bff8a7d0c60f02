//! Access entries of a cluster: which IAM roles may use its Kubernetes API, and as what.

use std::collections::BTreeMap;

use aws_sdk_eks::types::{AccessScope, AccessScopeType, AssociatedAccessPolicy};

use super::eventual::until_visible;
use super::iam_role::Role;
use super::token::token;
use super::{Tags, cluster, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::reconcile::plan::Action;
use crate::reconcile::{Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource};

/// The access policy of those who may do everything in the cluster.
const CLUSTER_ADMIN: &str = "AmazonEKSClusterAdminPolicy";

/// One access entry.
#[derive(Debug)]
pub struct AccessEntry {
    /// The account and region that the cluster is in.
    pub session: Session,
    /// The cluster.
    pub cluster: Handle<cluster::Facts>,
    /// Who has access.
    pub principal: Principal,
    /// How often EKS is asked whether it sees the role.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// Who has access.
#[derive(Debug)]
pub enum Principal {
    /// A role by its ARN, path included.
    Arn(String),
    /// A role of the cluster's base.
    Role(Handle<Role>),
}

/// What an access entry should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// The entry's name in plans: that of the role.
    pub name: String,
    /// As what the principal has access.
    pub access: Access,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
}

/// As what a principal has access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// As administrator of the whole cluster.
    Admin {
        /// ARN of the access policy `AmazonEKSClusterAdminPolicy`.
        policy: String,
    },
    /// As Linux nodes that join it.
    Nodes,
}

/// What an access entry is. Each kind is read with one call, which tells only part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// ARN of its principal.
    pub principal: String,
    /// What only its description tells. Entries of nodes are described.
    pub description: Option<Description>,
    /// Scopes of its access policies (`cluster`), by the policies' ARN. Read for administrators.
    pub policies: BTreeMap<String, String>,
}

/// What the description of an access entry tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its own ARN.
    pub arn: String,
    /// Its type (`EC2_LINUX`).
    pub kind: String,
    /// All its tags.
    pub tags: Tags,
}

impl Access {
    /// The entry's type.
    fn kind(&self) -> &'static str {
        match self {
            Self::Admin { .. } => "STANDARD",
            Self::Nodes => "EC2_LINUX",
        }
    }
}

impl Resource for AccessEntry {
    type Observed = Observed;
    type Output = ();
    const KIND: &'static str = "eks_access_entry";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &["eks:CreateAccessEntry"],
            on: &["arn:{partition}:eks:*:{account}:cluster/*"],
            condition: None,
        },
        Grant {
            actions: &[
                "eks:DescribeAccessEntry",
                "eks:ListAssociatedAccessPolicies",
                "eks:AssociateAccessPolicy",
                "eks:TagResource",
                "eks:DeleteAccessEntry",
            ],
            on: &["arn:{partition}:eks:*:{account}:access-entry/*"],
            condition: None,
        },
    ];

    fn name(&self) -> String {
        self.wanted.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        let mut needs = vec![self.cluster.index()];
        if let Principal::Role(role) = &self.principal {
            needs.push(role.index());
        }
        needs
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let cluster = self.cluster.observed().await?;
        if let Principal::Role(role) = &self.principal {
            role.observed().await?;
        }
        match (cluster, self.principal()) {
            (Fact::Known(_), Fact::Known(principal)) => {
                Ok(self.read(&principal).await.or_absent()?)
            }
            _ => Ok(None),
        }
    }

    fn output(&self, _observed: &Observed) {}

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        Ok(diff(&self.wanted, self.principal(), observed))
    }

    async fn apply(
        &self,
        change: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        let principal = &self.known_principal()?;
        if change.action == Action::Replace {
            self.delete(principal).await?;
        }
        if change.action != Action::Update {
            self.create(principal, progress).await?;
        }
        if let Access::Admin { policy } = &self.wanted.access
            && change.touches("policies")
        {
            self.associate(principal, policy, progress).await?;
        }
        if let Some(Description { arn, .. }) = observed.and_then(|is| is.description.as_ref())
            && change.action == Action::Update
            && change.touches("tags")
        {
            self.session
                .eks()
                .tag_resource()
                .resource_arn(arn)
                .set_tags(Some(self.wanted.tags.clone().into_iter().collect()))
                .send()
                .await
                .doing(|| format!("tagging access entry {}", self.wanted.name))?;
        }
        Ok(())
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let principal = &self.known_principal()?;
        let what = format!("access entry {}", self.wanted.name);
        let unseen = CallError::is_not_found;
        until_visible(self.polling, &what, progress, unseen, || {
            self.read(principal)
        })
        .await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        if let Some(description) = &observed.description {
            return Ok(tags::fate(&description.tags));
        }
        let Wanted { cluster, name, .. } = &self.wanted;
        let answer = self
            .session
            .eks()
            .describe_access_entry()
            .cluster_name(cluster)
            .principal_arn(&observed.principal)
            .send()
            .await
            .doing(|| format!("reading access entry {name} of {cluster}"))?;
        let tags = answer.access_entry.and_then(|entry| entry.tags);
        Ok(tags::fate(&tags.into_iter().flatten().collect()))
    }

    async fn remove(&self, observed: &Observed, _progress: &Progress) -> Result<(), Error> {
        Ok(self.delete(&observed.principal).await?)
    }
}

impl AccessEntry {
    /// ARN of the principal.
    fn principal(&self) -> Fact<String> {
        match &self.principal {
            Principal::Arn(arn) => Fact::Known(arn.clone()),
            Principal::Role(role) => role.get().map(|role| role.arn),
        }
    }

    fn known_principal(&self) -> Result<String, Error> {
        self.principal().known().ok_or_else(|| {
            Error::new(
                format!("creating access entry {}", self.wanted.name),
                "the ARN of its role isn't known",
                "report this as a bug",
            )
        })
    }

    async fn read(&self, principal: &str) -> Result<Observed, CallError> {
        let eks = self.session.eks();
        let cluster = &self.wanted.cluster;
        let doing = || format!("reading access entry {principal} of {cluster}");
        let mut is = Observed {
            principal: principal.to_owned(),
            description: None,
            policies: BTreeMap::new(),
        };
        match self.wanted.access {
            Access::Admin { .. } => {
                let policies = eks
                    .list_associated_access_policies()
                    .cluster_name(cluster)
                    .principal_arn(principal)
                    .into_paginator()
                    .items()
                    .send()
                    .collect::<Result<Vec<_>, _>>()
                    .await
                    .doing(doing)?;
                is.policies = policies.iter().filter_map(policy).collect();
            }
            Access::Nodes => {
                let answer = eks
                    .describe_access_entry()
                    .cluster_name(cluster)
                    .principal_arn(principal)
                    .send()
                    .await
                    .doing(doing)?;
                is.description = answer.access_entry().map(|entry| Description {
                    arn: entry.access_entry_arn().unwrap_or_default().to_owned(),
                    kind: entry.r#type().unwrap_or_default().to_owned(),
                    tags: entry
                        .tags()
                        .into_iter()
                        .flatten()
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect(),
                });
            }
        }
        Ok(is)
    }

    async fn create(&self, principal: &str, progress: &Progress) -> Result<(), Error> {
        let Wanted { cluster, name, .. } = &self.wanted;
        let kind = self.wanted.access.kind();
        let what = format!("access entry {name}");
        // EKS calls a principal that it doesn't see yet an invalid parameter.
        let unseen = |error: &CallError| error.has_code(&["InvalidParameterException"]);
        until_visible(self.polling, &what, progress, unseen, || async {
            let sent = self
                .session
                .eks()
                .create_access_entry()
                .cluster_name(cluster)
                .principal_arn(principal)
                .r#type(kind)
                .set_tags(Some(tags::made(&self.wanted.tags).into_iter().collect()))
                .client_request_token(token(&[cluster, "access entry", principal, kind]))
                .send()
                .await
                .doing(|| format!("creating access entry {principal} of {cluster}"));
            match sent {
                // Made since it was looked for, most likely by a request whose answer was lost.
                Err(error) if error.has_code(&["ResourceInUseException"]) => Ok(()),
                sent => sent.map(drop),
            }
        })
        .await
    }

    async fn associate(
        &self,
        principal: &str,
        policy: &str,
        progress: &Progress,
    ) -> Result<(), Error> {
        let Wanted { cluster, name, .. } = &self.wanted;
        let what = format!("access entry {name}");
        let unseen = CallError::is_not_found;
        until_visible(self.polling, &what, progress, unseen, || async {
            let scope = AccessScope::builder().r#type(AccessScopeType::Cluster);
            self.session
                .eks()
                .associate_access_policy()
                .cluster_name(cluster)
                .principal_arn(principal)
                .policy_arn(policy)
                .access_scope(scope.build())
                .send()
                .await
                .doing(|| format!("giving {principal} the policy {policy} in {cluster}"))
        })
        .await?;
        Ok(())
    }

    async fn delete(&self, principal: &str) -> Result<(), CallError> {
        let cluster = &self.wanted.cluster;
        self.session
            .eks()
            .delete_access_entry()
            .cluster_name(cluster)
            .principal_arn(principal)
            .send()
            .await
            .doing(|| format!("deleting access entry {principal} of {cluster}"))
            .or_absent()?;
        Ok(())
    }
}

/// A policy's ARN and its scope: `cluster`, or the namespaces.
fn policy(policy: &AssociatedAccessPolicy) -> Option<(String, String)> {
    let scope = policy.access_scope()?;
    let scope = match scope.r#type() {
        Some(AccessScopeType::Namespace) => format!("namespaces {}", scope.namespaces().join(", ")),
        kind => kind.map_or_else(String::new, |kind| kind.as_str().to_owned()),
    };
    Some((policy.policy_arn()?.to_owned(), scope))
}

fn diff(wanted: &Wanted, principal: Fact<String>, observed: Option<&Observed>) -> Diff {
    let described = observed.and_then(|is| is.description.as_ref());
    let mut diff = match observed {
        Some(_) => Diff::update(),
        None => Diff::create().fact("principal_arn", None::<()>, principal),
    };
    if observed.is_none() || described.is_some() {
        // Source: EKS API reference, UpdateAccessEntry, which takes no type.
        diff = diff
            .attribute("type", described.map(|d| &d.kind), wanted.access.kind())
            .replacing(&["type"])
            .with(|diff| tags::diff(diff, described.map(|d| &d.tags), &wanted.tags));
    }
    if let Access::Admin { policy } = &wanted.access {
        let scope = observed.and_then(|is| is.policies.get(policy));
        diff = diff.attribute(&format!("policies.{CLUSTER_ADMIN}"), scope, "cluster");
    }
    diff.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";

    fn wanted(access: Access) -> Wanted {
        Wanted {
            cluster: "x".into(),
            name: "r".into(),
            access,
            tags: [("cluster".to_owned(), "x".to_owned())].into(),
        }
    }

    fn admin() -> Wanted {
        wanted(Access::Admin {
            policy: POLICY.into(),
        })
    }

    fn admin_with(policies: &[(&str, &str)]) -> Observed {
        let policies = policies.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Observed {
            principal: "arn:role".into(),
            description: None,
            policies: policies.collect(),
        }
    }

    fn nodes(kind: &str) -> Observed {
        Observed {
            principal: "arn:role".into(),
            description: Some(Description {
                arn: "arn:entry".into(),
                kind: kind.into(),
                tags: admin().tags,
            }),
            policies: BTreeMap::new(),
        }
    }

    fn compare(wanted: &Wanted, observed: Option<&Observed>) -> Diff {
        diff(wanted, Fact::Known("arn:role".into()), observed)
    }

    fn paths(diff: &Diff) -> Vec<&str> {
        diff.attributes.iter().map(|a| a.path.as_str()).collect()
    }

    #[test]
    fn an_administrator_has_the_policy_for_the_whole_cluster() {
        let right = admin_with(&[(POLICY, "cluster"), ("arn:theirs", "cluster")]);
        assert_eq!(compare(&admin(), Some(&right)).action, Action::Keep);
        for half in [admin_with(&[]), admin_with(&[(POLICY, "namespaces a, b")])] {
            let mended = compare(&admin(), Some(&half));
            assert_eq!(mended.action, Action::Update);
            assert_eq!(paths(&mended), ["policies.AmazonEKSClusterAdminPolicy"]);
        }
    }

    #[test]
    fn an_entry_of_nodes_that_has_another_type_is_replaced() {
        let wanted = wanted(Access::Nodes);
        let right = compare(&wanted, Some(&nodes("EC2_LINUX")));
        assert_eq!(right.action, Action::Keep);
        let wrong = compare(&wanted, Some(&nodes("STANDARD")));
        assert_eq!(wrong.action, Action::Replace);
    }

    #[test]
    fn a_missing_entry_is_made_with_its_type_policy_and_tags() {
        assert_eq!(
            paths(&compare(&admin(), None)),
            [
                "principal_arn",
                "type",
                "tags.cluster",
                "policies.AmazonEKSClusterAdminPolicy"
            ]
        );
    }

    #[test]
    fn a_policy_is_read_with_its_scope() {
        let scoped = |scope: AccessScope| {
            let associated = AssociatedAccessPolicy::builder().policy_arn(POLICY);
            policy(&associated.access_scope(scope).build())
        };
        let cluster = AccessScope::builder().r#type(AccessScopeType::Cluster);
        assert_eq!(
            scoped(cluster.build()),
            Some((POLICY.into(), "cluster".into()))
        );
        let namespaces = AccessScope::builder()
            .r#type(AccessScopeType::Namespace)
            .namespaces("a")
            .namespaces("b");
        assert_eq!(
            scoped(namespaces.build()),
            Some((POLICY.into(), "namespaces a, b".into()))
        );
    }
}
