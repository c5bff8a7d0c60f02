//! IAM roles: whom they trust and what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use aws_sdk_iam::types::{EntityType, RoleDetail, Tag};
use serde_json::Value;

use super::eventual::until_visible;
use super::policy_document::{self, Document};
use super::{Shared, Tags, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::calls;
use crate::reconcile::{
    Condition, Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource,
};

/// One role.
#[derive(Debug)]
pub struct IamRole {
    /// The account that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// Name of the role that serves in its stead because psk didn't make the cluster; see
    /// [`super::adoption`].
    pub adopted: Option<Handle<Option<String>>>,
    /// How often IAM is asked whether it sees what was made.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What a role should be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its ARN, if psk makes it.
    pub arn: String,
    /// Its path, with a slash at both ends (`/PSKRoles/`).
    pub path: String,
    /// Its name, unique in the account.
    pub name: String,
    /// What it is for. Only given when it is made.
    pub description: String,
    /// Who may assume it.
    pub trust: Document,
    /// ARNs of managed policies that it must have; others are left alone.
    pub managed_policies: BTreeSet<String>,
    /// Inline policies that it must have, by name; others are left alone.
    pub inline_policies: BTreeMap<String, Document>,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
}

/// What a role is.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Who may assume it.
    pub trust: Value,
    /// ARNs of its managed policies.
    pub managed_policies: BTreeSet<String>,
    /// Its inline policies, by name.
    pub inline_policies: BTreeMap<String, Value>,
    /// All its tags.
    pub tags: Tags,
}

/// What other resources may know of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

/// All roles of an account, by name.
pub type Roles = Arc<BTreeMap<String, Observed>>;

/// The roles that psk makes, and those that it adopts: Terraform's suffix begins with the year.
/// psk's own role, which lies on the same path, is none of them: it can't widen what it may do.
const ROLES: &[&str] = &[
    "arn:{partition}:iam::{account}:role/*-cluster",
    "arn:{partition}:iam::{account}:role/*-cluster-2*",
    "arn:{partition}:iam::{account}:role/*-eks-node-group",
    "arn:{partition}:iam::{account}:role/*-eks-node-group-2*",
    "arn:{partition}:iam::{account}:role/PSKRoles/*-vpc-cni",
    "arn:{partition}:iam::{account}:role/PSKRoles/*-ebs-csi-controller-sa",
    "arn:{partition}:iam::{account}:role/PSKRoles/*-efs-csi-controller-sa",
    "arn:{partition}:iam::{account}:role/Karpenter-*",
    "arn:{partition}:iam::{account}:role/KarpenterController-*",
];

/// The roles of add-ons' pods.
pub(super) const ADDON_ROLES: &[&str] = &[
    "arn:{partition}:iam::{account}:role/PSKRoles/*-vpc-cni",
    "arn:{partition}:iam::{account}:role/PSKRoles/*-ebs-csi-controller-sa",
    "arn:{partition}:iam::{account}:role/PSKRoles/*-efs-csi-controller-sa",
];

/// That a role is given to EKS and nobody else. Source: EKS User Guide, "Identity-based policy
/// examples".
pub(super) const PASSED_TO_EKS: Condition = Condition {
    operator: "StringEquals",
    key: "iam:PassedToService",
    values: &["eks.amazonaws.com"],
};

/// The managed policies that psk attaches to roles. It could attach no other.
pub(super) const ATTACHABLE: &[&str] = &[
    "arn:*:iam::aws:policy/AmazonEKS*",
    "arn:*:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly",
    "arn:*:iam::aws:policy/AmazonSSMManagedInstanceCore",
    "arn:*:iam::aws:policy/AmazonEBSCSIDriverPolicyV2",
    "arn:*:iam::aws:policy/service-role/AmazonEFSCSIDriverPolicy",
];

/// Path of the instance profiles that Karpenter makes.
const KARPENTERS_PATH: &str = "/karpenter/";

impl Resource for IamRole {
    type Observed = Observed;
    type Output = Role;
    const KIND: &'static str = "iam_role";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &["iam:GetAccountAuthorizationDetails"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &[
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:GetRolePolicy",
                "iam:CreateRole",
                "iam:TagRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:PutRolePolicy",
                "iam:DeleteRolePolicy",
                "iam:DeleteRole",
                "iam:ListInstanceProfilesForRole",
            ],
            on: ROLES,
            condition: None,
        },
        Grant {
            actions: &[
                "iam:RemoveRoleFromInstanceProfile",
                "iam:DeleteInstanceProfile",
            ],
            on: &["arn:{partition}:iam::{account}:instance-profile/karpenter/*"],
            condition: None,
        },
        Grant {
            actions: &["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            on: ROLES,
            condition: Some(Condition {
                operator: "ArnLike",
                key: "iam:PolicyARN",
                values: ATTACHABLE,
            }),
        },
    ];

    fn name(&self) -> String {
        self.wanted.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        let documents = self.wanted.inline_policies.values();
        let mut needs: Vec<_> = documents.filter_map(Document::names).collect();
        needs.extend(self.wanted.trust.names());
        needs.extend(self.adopted.as_ref().map(Handle::index));
        needs
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        if let Some(adopted) = &self.adopted {
            adopted.observed().await?;
        }
        let roles = roles_of_account(&self.session, &self.shared).await?;
        Ok(roles.get(&self.actual_name()).cloned())
    }

    fn output(&self, observed: &Observed) -> Role {
        Role {
            name: observed.name.clone(),
            arn: observed.arn.clone(),
        }
    }

    fn foretold(&self) -> Fact<Role> {
        Fact::Known(Role {
            name: self.wanted.name.clone(),
            arn: self.wanted.arn.clone(),
        })
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        Ok(diff(&self.wanted, observed))
    }

    async fn apply(
        &self,
        change: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        // From here on what the run has read of this account's roles is out of date.
        self.shared.roles.forget(&self.session.target().account);
        match observed {
            Some(_) => self.mend(change, progress).await,
            None => {
                let made = self.make().await?;
                self.mend(&diff(&self.wanted, Some(&made)), progress).await
            }
        }
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let name = self.actual_name();
        self.when_visible(progress, || self.read(&name)).await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        Ok(tags::fate(&observed.tags))
    }

    async fn remove(&self, observed: &Observed, _progress: &Progress) -> Result<(), Error> {
        let name = &observed.name;
        self.shared.roles.forget(&self.session.target().account);
        self.strip(observed).await?;
        self.session
            .iam()
            .delete_role()
            .role_name(name)
            .send()
            .await
            .doing(|| format!("deleting IAM role {name}"))
            .or_absent()?;
        Ok(())
    }
}

/// All roles of the session's account, read once a run.
pub(super) async fn roles_of_account(
    session: &Session,
    shared: &Shared,
) -> Result<Roles, CallError> {
    let account = session.target().account.clone();
    shared
        .roles
        .get(account, || async {
            let pages = session
                .iam()
                .get_account_authorization_details()
                .filter(EntityType::Role)
                .max_items(1000)
                .into_paginator()
                .send()
                .collect::<Result<Vec<_>, _>>()
                .await
                .doing(|| {
                    format!(
                        "listing the IAM roles of account {}",
                        session.target().account
                    )
                })?;
            let roles = pages.iter().flat_map(|page| page.role_detail_list());
            Ok(Arc::new(
                roles
                    .map(from_detail)
                    .map(|role| (role.name.clone(), role))
                    .collect(),
            ))
        })
        .await
}

impl IamRole {
    /// Its name, or that of the role that serves in its stead.
    fn actual_name(&self) -> String {
        self.adopted
            .as_ref()
            .and_then(|adopted| adopted.get().known().flatten())
            .unwrap_or_else(|| self.wanted.name.clone())
    }

    /// Makes the bare role, with nothing yet that it may do, and tells what it is then.
    async fn make(&self) -> Result<Observed, Error> {
        let wanted = &self.wanted;
        let Some(trust) = wanted.trust.get().known() else {
            return Err(Error::new(
                format!("creating IAM role {}", wanted.name),
                "whom it is to trust isn't known",
                "report this as a bug",
            ));
        };
        let made = self
            .session
            .iam()
            .create_role()
            .role_name(&wanted.name)
            .path(&wanted.path)
            .description(&wanted.description)
            .assume_role_policy_document(trust.to_string())
            .set_tags(Some(self.iam_tags(&tags::made(&wanted.tags))?))
            .send()
            .await
            .doing(|| format!("creating IAM role {}", wanted.name));
        match made {
            Ok(answer) => Ok(Observed {
                name: wanted.name.clone(),
                arn: answer
                    .role
                    .map_or_else(|| wanted.arn.clone(), |role| role.arn),
                trust,
                managed_policies: BTreeSet::new(),
                inline_policies: BTreeMap::new(),
                tags: tags::made(&wanted.tags),
            }),
            // Made since it was looked for: by a request of psk's whose answer was lost, or by
            // someone else.
            Err(error) if error.has_code(&["EntityAlreadyExists"]) => {
                Ok(self.read(&wanted.name).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes what `diff` told of a role that exists.
    async fn mend(&self, change: &Diff, progress: &Progress) -> Result<(), Error> {
        let iam = self.session.iam();
        let wanted = &self.wanted;
        let name = &self.actual_name();
        if let (true, Fact::Known(trust)) =
            (change.touches("assume_role_policy"), wanted.trust.get())
        {
            let trust = &trust.to_string();
            self.when_visible(progress, || async move {
                iam.update_assume_role_policy()
                    .role_name(name)
                    .policy_document(trust)
                    .send()
                    .await
                    .doing(|| format!("setting the trust policy of IAM role {name}"))
            })
            .await?;
        }
        for arn in &wanted.managed_policies {
            if change.touches(&managed_policy_path(arn)) {
                self.when_visible(progress, || async move {
                    iam.attach_role_policy()
                        .role_name(name)
                        .policy_arn(arn)
                        .send()
                        .await
                        .doing(|| format!("attaching {arn} to IAM role {name}"))
                })
                .await?;
            }
        }
        for (policy, document) in &wanted.inline_policies {
            if let (true, Fact::Known(document)) =
                (change.touches(&inline_policy_path(policy)), document.get())
            {
                let document = &document.to_string();
                self.when_visible(progress, || async move {
                    iam.put_role_policy()
                        .role_name(name)
                        .policy_name(policy)
                        .policy_document(document)
                        .send()
                        .await
                        .doing(|| format!("writing policy {policy} of IAM role {name}"))
                })
                .await?;
            }
        }
        if change.touches("tags") {
            let tags = &self.iam_tags(&wanted.tags)?;
            self.when_visible(progress, || async move {
                iam.tag_role()
                    .role_name(name)
                    .set_tags(Some(tags.clone()))
                    .send()
                    .await
                    .doing(|| format!("tagging IAM role {name}"))
            })
            .await?;
        }
        Ok(())
    }

    /// Takes from the role what psk gave it, and it from the instance profiles that Karpenter made
    /// for it. A role that has more can't be deleted, and IAM says so.
    async fn strip(&self, observed: &Observed) -> Result<(), CallError> {
        let iam = self.session.iam();
        let name = &observed.name;
        self.leave_instance_profiles(name).await?;
        let attached = &observed.managed_policies;
        for arn in self.wanted.managed_policies.intersection(attached) {
            iam.detach_role_policy()
                .role_name(name)
                .policy_arn(arn)
                .send()
                .await
                .doing(|| format!("detaching {arn} from IAM role {name}"))
                .or_absent()?;
        }
        for policy in self.wanted.inline_policies.keys() {
            if observed.inline_policies.contains_key(policy) {
                iam.delete_role_policy()
                    .role_name(name)
                    .policy_name(policy)
                    .send()
                    .await
                    .doing(|| format!("deleting policy {policy} of IAM role {name}"))
                    .or_absent()?;
            }
        }
        Ok(())
    }

    /// A role that is in an instance profile can't be deleted. Karpenter makes profiles for its nodes'
    /// role on a path of its own; it is gone by now, so they are nobody's.
    /// Source: Karpenter's documentation, "NodeClasses", spec.role.
    async fn leave_instance_profiles(&self, name: &str) -> Result<(), CallError> {
        let iam = self.session.iam();
        let profiles = iam
            .list_instance_profiles_for_role()
            .role_name(name)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("listing the instance profiles of IAM role {name}"))
            .or_absent()?
            .unwrap_or_default();
        let of_karpenter = profiles
            .iter()
            .filter(|profile| profile.path().starts_with(KARPENTERS_PATH));
        for profile in of_karpenter {
            let profile = profile.instance_profile_name();
            iam.remove_role_from_instance_profile()
                .instance_profile_name(profile)
                .role_name(name)
                .send()
                .await
                .doing(|| format!("taking IAM role {name} from instance profile {profile}"))
                .or_absent()?;
            iam.delete_instance_profile()
                .instance_profile_name(profile)
                .send()
                .await
                .doing(|| format!("deleting instance profile {profile}"))
                .or_absent()?;
        }
        Ok(())
    }

    /// Reads the role by itself, as far as psk has a say in it.
    async fn read(&self, name: &str) -> Result<Observed, CallError> {
        let iam = self.session.iam();
        let answer = iam
            .get_role()
            .role_name(name)
            .send()
            .await
            .doing(|| format!("reading IAM role {name}"))?;
        let attached = iam
            .list_attached_role_policies()
            .role_name(name)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("listing the policies of IAM role {name}"))?;
        let policies = self.wanted.inline_policies.keys().map(|policy| async move {
            let answer = iam
                .get_role_policy()
                .role_name(name)
                .policy_name(policy)
                .send()
                .await
                .doing(|| format!("reading policy {policy} of IAM role {name}"))
                .or_absent()?;
            Ok(answer.map(|a| (policy.clone(), policy_document::read(a.policy_document()))))
        });
        let policies: Result<Vec<_>, CallError> =
            calls::join_all(policies).await.into_iter().collect();
        let role = answer.role();
        Ok(Observed {
            name: name.to_owned(),
            arn: role.map_or_else(String::new, |role| role.arn().to_owned()),
            trust: role
                .and_then(|role| role.assume_role_policy_document())
                .map_or(Value::Null, policy_document::read),
            managed_policies: attached
                .iter()
                .filter_map(|policy| policy.policy_arn().map(str::to_owned))
                .collect(),
            inline_policies: policies?.into_iter().flatten().collect(),
            tags: plain_tags(role.map(|role| role.tags()).unwrap_or_default()),
        })
    }

    /// Repeats a call while IAM doesn't see the role yet.
    async fn when_visible<T, F>(
        &self,
        progress: &Progress,
        call: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let what = format!("IAM role {}", self.actual_name());
        until_visible(self.polling, &what, progress, CallError::is_not_found, call).await
    }

    fn iam_tags(&self, tags: &Tags) -> Result<Vec<Tag>, CallError> {
        tags.iter()
            .map(|(key, value)| {
                let tag = Tag::builder().key(key).value(value).build();
                tag.doing(|| format!("tagging IAM role {}", self.wanted.name))
            })
            .collect()
    }
}

fn from_detail(role: &RoleDetail) -> Observed {
    Observed {
        name: role.role_name().unwrap_or_default().to_owned(),
        arn: role.arn().unwrap_or_default().to_owned(),
        trust: role
            .assume_role_policy_document()
            .map_or(Value::Null, policy_document::read),
        managed_policies: role
            .attached_managed_policies()
            .iter()
            .filter_map(|policy| policy.policy_arn().map(str::to_owned))
            .collect(),
        inline_policies: role
            .role_policy_list()
            .iter()
            .filter_map(|policy| {
                let document = policy_document::read(policy.policy_document()?);
                Some((policy.policy_name()?.to_owned(), document))
            })
            .collect(),
        tags: plain_tags(role.tags()),
    }
}

fn plain_tags(tags: &[Tag]) -> Tags {
    tags.iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

fn managed_policy_path(arn: &str) -> String {
    let name = arn.rsplit_once('/').map_or(arn, |(_, name)| name);
    format!("managed_policies.{name}")
}

fn inline_policy_path(name: &str) -> String {
    format!("inline_policies.{name}")
}

fn diff(wanted: &Wanted, observed: Option<&Observed>) -> Diff {
    let mut diff = match observed {
        Some(_) => Diff::update(),
        None => Diff::create().attribute("path", None::<()>, &wanted.path),
    };
    let trust = observed.map(|is| &is.trust);
    diff = policy_document::diff(diff, "assume_role_policy", trust, wanted.trust.get());
    for arn in &wanted.managed_policies {
        let old = observed.and_then(|is| is.managed_policies.get(arn));
        diff = diff.attribute(&managed_policy_path(arn), old, arn);
    }
    for (name, document) in &wanted.inline_policies {
        let old = observed.and_then(|is| is.inline_policies.get(name));
        diff = policy_document::diff(diff, &inline_policy_path(name), old, document.get());
    }
    diff.with(|diff| tags::diff(diff, observed.map(|is| &is.tags), &wanted.tags))
        .build()
}

#[cfg(test)]
pub(super) mod tests;
