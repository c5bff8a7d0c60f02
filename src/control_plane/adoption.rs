//! The roles of a cluster that psk didn't make. Their names end in a suffix that can't be foretold,
//! so they are found through what uses them.

use std::sync::Arc;

use super::iam_role::{self, roles_of_account};
use super::{Shared, cluster, node_group, pod_identity};
use crate::aws::{Doing, OrAbsent, Session};
use crate::reconcile::{Error, Grant, Lookup};

/// Looks up the role that serves in place of one that psk would make. There is none where psk's own
/// exists, which costs no call of its own: then nothing more is asked.
#[derive(Debug)]
pub struct AdoptedRole {
    /// The account and region that the cluster is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// The cluster's name.
    pub cluster: String,
    /// Name of the role that psk would make.
    pub own: String,
    /// What uses the role.
    pub user: User,
}

/// What uses a role, and so leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// The control plane.
    Cluster,
    /// The managed node group of this name, or of one that has it as a prefix.
    NodeGroup(String),
    /// An access entry for a role whose name starts as psk's own does.
    AccessEntry,
    /// The pod identity association of a service account.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Lookup for AdoptedRole {
    type Output = Option<String>;
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &["iam:GetAccountAuthorizationDetails"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &[
                "eks:DescribeCluster",
                "eks:ListNodegroups",
                "eks:ListAccessEntries",
                "eks:ListPodIdentityAssociations",
            ],
            on: &["arn:{partition}:eks:*:{account}:cluster/*"],
            condition: None,
        },
        Grant {
            actions: &["eks:DescribeNodegroup"],
            on: &["arn:{partition}:eks:*:{account}:nodegroup/*"],
            condition: None,
        },
        Grant {
            actions: &["eks:DescribePodIdentityAssociation"],
            on: &["arn:{partition}:eks:*:{account}:podidentityassociation/*"],
            condition: None,
        },
    ];

    async fn look_up(&self) -> Result<Option<String>, Error> {
        let roles = roles_of_account(&self.session, &self.shared).await?;
        if roles.contains_key(&self.own) {
            return Ok(None);
        }
        let (session, shared) = (&self.session, &self.shared);
        let Some(cluster) = cluster::first_seen(session, shared, &self.cluster).await? else {
            return Ok(None);
        };
        let found = match &self.user {
            User::Cluster => cluster.role_arn.clone(),
            User::NodeGroup(name) => {
                let group = node_group::first_seen(session, shared, &self.cluster, name).await?;
                group.and_then(|group| group.node_role.clone())
            }
            User::AccessEntry => self.of_access_entry(&roles).await?,
            User::ServiceAccount { namespace, name } => {
                pod_identity::first_seen(session, shared, &self.cluster, namespace, name)
                    .await?
                    .map(|association| association.role_arn)
            }
        };
        Ok(found
            .map(|arn| name_in(&arn).to_owned())
            .filter(|name| roles.contains_key(name)))
    }
}

impl AdoptedRole {
    async fn of_access_entry(&self, roles: &iam_role::Roles) -> Result<Option<String>, Error> {
        let principals = self
            .session
            .eks()
            .list_access_entries()
            .cluster_name(&self.cluster)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("listing the access entries of {}", self.cluster))
            .or_absent()?
            .unwrap_or_default();
        // An entry outlives its role.
        let principals = principals
            .into_iter()
            .filter(|principal| roles.contains_key(name_in(principal)));
        choose(&self.own, principals)
    }
}

/// The only principal whose name starts as psk's own role's does.
fn choose(own: &str, principals: impl Iterator<Item = String>) -> Result<Option<String>, Error> {
    let prefix = format!("{own}-");
    let mut found: Vec<_> = principals
        .filter(|principal| name_in(principal).starts_with(&prefix))
        .collect();
    if found.len() > 1 {
        found.sort();
        return Err(Error::new(
            format!("looking for the role that serves as {own}"),
            format!(
                "several access entries could be meant: {}",
                found.join(", ")
            ),
            "delete the access entries and roles that aren't used",
        ));
    }
    Ok(found.pop())
}

/// A role's name, at the end of its ARN.
fn name_in(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(principals: &[&str]) -> Result<Option<String>, Error> {
        let principals = principals
            .iter()
            .map(|role| format!("arn:aws:iam::111122223333:role/{role}"));
        choose("Karpenter-x", principals)
    }

    #[test]
    fn the_role_with_a_suffix_is_the_one() {
        let found = chosen(&["PSKRoles/Karpenter", "Karpenter-x-2025", "Karpenter-xy"]);
        assert_eq!(name_in(&found.unwrap().unwrap()), "Karpenter-x-2025");
        assert_eq!(chosen(&["Karpenter-xy", "other"]), Ok(None));
    }

    #[test]
    fn two_that_could_be_meant_are_not_guessed_between() {
        let error = chosen(&["Karpenter-x-2", "Karpenter-x-1"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "looking for the role that serves as Karpenter-x: several access entries could be meant: \
             arn:aws:iam::111122223333:role/Karpenter-x-1, arn:aws:iam::111122223333:role/Karpenter-x-2"
        );
    }
}
