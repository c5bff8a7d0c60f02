//! EKS Pod Identity associations: the IAM role of a service account's pods.

use std::future::Future;
use std::sync::Arc;

use super::eventual::{PATIENCE, until_visible};
use super::iam_role::Role;
use super::token::token;
use super::{Shared, Tags, cluster, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::reconcile::{
    Condition, Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource, State,
};

/// One association.
#[derive(Debug)]
pub struct PodIdentityAssociation {
    /// The account and region that the cluster is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// The cluster.
    pub cluster: Handle<cluster::Facts>,
    /// The role that the pods get.
    pub role: Handle<Role>,
    /// How often EKS is asked whether it sees the role.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What an association should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// The service account's namespace.
    pub namespace: String,
    /// The service account's name.
    pub service_account: String,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
}

/// What an association is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its id in the cluster.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// ARN of the role that the pods get.
    pub role_arn: String,
    /// All its tags.
    pub tags: Tags,
}

/// The roles that pods get by associations.
const POD_ROLES: &[&str] = &[
    "arn:{partition}:iam::{account}:role/KarpenterController-*",
    "arn:{partition}:iam::{account}:role/PSKRoles/*-vpc-cni",
    "arn:{partition}:iam::{account}:role/PSKRoles/*-ebs-csi-controller-sa",
    "arn:{partition}:iam::{account}:role/PSKRoles/*-efs-csi-controller-sa",
];

impl Resource for PodIdentityAssociation {
    type Observed = Observed;
    type Output = ();
    const KIND: &'static str = "eks_pod_identity_association";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &[
                "eks:ListPodIdentityAssociations",
                "eks:CreatePodIdentityAssociation",
            ],
            on: &["arn:{partition}:eks:*:{account}:cluster/*"],
            condition: None,
        },
        Grant {
            actions: &[
                "eks:DescribePodIdentityAssociation",
                "eks:UpdatePodIdentityAssociation",
                "eks:DeletePodIdentityAssociation",
                "eks:TagResource",
            ],
            on: &["arn:{partition}:eks:*:{account}:podidentityassociation/*"],
            condition: None,
        },
        // EKS reads the role's trust policy in the caller's name before it takes the role.
        Grant {
            actions: &["iam:GetRole"],
            on: POD_ROLES,
            condition: None,
        },
        Grant {
            actions: &["iam:PassRole"],
            on: POD_ROLES,
            condition: Some(Condition {
                operator: "StringEquals",
                key: "iam:PassedToService",
                values: &["pods.eks.amazonaws.com"],
            }),
        },
    ];

    fn name(&self) -> String {
        format!("{}/{}", self.wanted.namespace, self.wanted.service_account)
    }

    fn needs(&self) -> Vec<usize> {
        vec![self.cluster.index(), self.role.index()]
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let Wanted {
            cluster,
            namespace,
            service_account,
            ..
        } = &self.wanted;
        if self.cluster.observed().await? == Fact::AfterApply {
            return Ok(None);
        }
        let (session, shared) = (&self.session, &self.shared);
        Ok(first_seen(session, shared, cluster, namespace, service_account).await?)
    }

    fn output(&self, _observed: &Observed) {}

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        let role = self.role.get().map(|role| role.arn);
        Ok(diff(&self.wanted, role, observed))
    }

    async fn apply(
        &self,
        change: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        self.forget();
        let Some(Role { arn: role, .. }) = &self.role.get().known() else {
            return Err(Error::new(
                format!("giving {} its role", self.name()),
                "the ARN of the role isn't known",
                "report this as a bug",
            ));
        };
        let Some(is) = observed else {
            return self.create(role, progress).await;
        };
        if change.touches("role_arn") {
            self.update(is, role, progress).await?;
        }
        if change.touches("tags") {
            self.session
                .eks()
                .tag_resource()
                .resource_arn(&is.arn)
                .set_tags(Some(self.wanted.tags.clone().into_iter().collect()))
                .send()
                .await
                .doing(|| format!("tagging the pod identity association of {}", self.name()))?;
        }
        Ok(())
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let what = format!("pod identity association of {}", self.name());
        let Wanted {
            cluster,
            namespace,
            service_account,
            ..
        } = &self.wanted;
        self.polling
            .until(&what, PATIENCE, progress, || async {
                let is = read(&self.session, cluster, namespace, service_account).await?;
                Ok(is.map_or_else(
                    || State::UnderWay("not visible yet".to_owned()),
                    State::Done,
                ))
            })
            .await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        Ok(tags::fate(&observed.tags))
    }

    async fn remove(&self, observed: &Observed, _progress: &Progress) -> Result<(), Error> {
        self.forget();
        self.session
            .eks()
            .delete_pod_identity_association()
            .cluster_name(&self.wanted.cluster)
            .association_id(&observed.id)
            .send()
            .await
            .doing(|| format!("deleting the pod identity association of {}", self.name()))
            .or_absent()?;
        Ok(())
    }
}

/// The association of a service account as it was when the run first asked. Whoever looks for the
/// role of a cluster that psk didn't make asks as well.
pub(super) async fn first_seen(
    session: &Session,
    shared: &Shared,
    cluster: &str,
    namespace: &str,
    service_account: &str,
) -> Result<Option<Observed>, CallError> {
    let account = format!("{namespace}/{service_account}");
    let key = (session.target().clone(), cluster.to_owned(), account);
    let read = || read(session, cluster, namespace, service_account);
    shared.pod_identities.get(key, read).await
}

async fn read(
    session: &Session,
    cluster: &str,
    namespace: &str,
    service_account: &str,
) -> Result<Option<Observed>, CallError> {
    let doing =
        || format!("looking for the pod identity association of {namespace}/{service_account}");
    let eks = session.eks();
    let found = eks
        .list_pod_identity_associations()
        .cluster_name(cluster)
        .namespace(namespace)
        .service_account(service_account)
        .send()
        .await
        .doing(doing)
        .or_absent()?;
    // A service account has one association at most.
    let id = found.and_then(|found| found.associations().first()?.association_id.clone());
    let Some(id) = id else { return Ok(None) };
    let answer = eks
        .describe_pod_identity_association()
        .cluster_name(cluster)
        .association_id(&id)
        .send()
        .await
        .doing(doing)
        .or_absent()?;
    let association = answer.and_then(|answer| answer.association);
    Ok(association.map(|association| Observed {
        id,
        arn: association.association_arn.unwrap_or_default(),
        role_arn: association.role_arn.unwrap_or_default(),
        tags: association.tags.unwrap_or_default().into_iter().collect(),
    }))
}

impl PodIdentityAssociation {
    /// From here on what the run has read of the association is out of date.
    fn forget(&self) {
        let target = self.session.target().clone();
        let key = (target, self.wanted.cluster.clone(), self.name());
        self.shared.pod_identities.forget(&key);
    }

    async fn create(&self, role: &str, progress: &Progress) -> Result<(), Error> {
        let Wanted {
            cluster,
            namespace,
            service_account,
            tags,
        } = &self.wanted;
        self.when_role_is_visible(progress, || async {
            self.session
                .eks()
                .create_pod_identity_association()
                .cluster_name(cluster)
                .namespace(namespace)
                .service_account(service_account)
                .role_arn(role)
                .set_tags(Some(tags::made(tags).into_iter().collect()))
                .client_request_token(token(&[cluster, "pod identity", &self.name(), role]))
                .send()
                .await
                .doing(|| format!("associating {} with {role}", self.name()))
        })
        .await?;
        Ok(())
    }

    async fn update(&self, is: &Observed, role: &str, progress: &Progress) -> Result<(), Error> {
        let cluster = &self.wanted.cluster;
        let parts = [cluster, "pod identity", &is.id, &is.role_arn, role];
        self.when_role_is_visible(progress, || async {
            self.session
                .eks()
                .update_pod_identity_association()
                .cluster_name(cluster)
                .association_id(&is.id)
                .role_arn(role)
                .client_request_token(token(&parts))
                .send()
                .await
                .doing(|| format!("associating {} with {role}", self.name()))
        })
        .await?;
        Ok(())
    }

    /// Repeats a call while EKS doesn't see the role yet, which it calls an invalid parameter.
    async fn when_role_is_visible<T, F>(
        &self,
        progress: &Progress,
        call: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let what = format!("role of {}", self.name());
        let unseen = |error: &CallError| error.has_code(&["InvalidParameterException"]);
        until_visible(self.polling, &what, progress, unseen, call).await
    }
}

fn diff(wanted: &Wanted, role: Fact<String>, observed: Option<&Observed>) -> Diff {
    let diff = match observed {
        Some(_) => Diff::update(),
        None => Diff::create(),
    };
    diff.fact("role_arn", observed.map(|is| &is.role_arn), role)
        .with(|diff| tags::diff(diff, observed.map(|is| &is.tags), &wanted.tags))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::Action;

    #[test]
    fn an_association_with_another_role_is_changed() {
        let wanted = Wanted {
            cluster: "x".into(),
            namespace: "kube-system".into(),
            service_account: "karpenter".into(),
            tags: [("cluster".to_owned(), "x".to_owned())].into(),
        };
        let is = Observed {
            id: "a-1".into(),
            arn: "arn:association".into(),
            role_arn: "arn:old".into(),
            tags: wanted.tags.clone(),
        };
        let role = |arn: &str| Fact::Known(arn.to_owned());
        let kept = diff(&wanted, role("arn:old"), Some(&is));
        assert_eq!(kept.action, Action::Keep);
        let changed = diff(&wanted, role("arn:new"), Some(&is));
        assert!(changed.touches("role_arn") && !changed.touches("tags"));
        let made = diff(&wanted, role("arn:new"), None);
        assert!(made.touches("role_arn") && made.touches("tags.cluster"));
    }
}
