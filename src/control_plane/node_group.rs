//! The managed node group for the platform's own workloads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eks::types::{AmiTypes, Nodegroup, NodegroupStatus};
use serde::Serialize;

use super::iam_role::{PASSED_TO_EKS, Role};
use super::launch_template::TemplateFacts;
use super::network::Subnets;
use super::{Shared, Tags, cluster, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::inventory::EksVersion;
use crate::reconcile::plan::Action;
use crate::reconcile::{
    Condition, Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource, State,
};

mod change;
mod diff;

/// The node group that the settings ask for.
#[derive(Debug)]
pub struct NodeGroup {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// The cluster that its nodes join.
    pub cluster: Handle<cluster::Facts>,
    /// Its subnets.
    pub network: Handle<Subnets>,
    /// The newest AMI release for its type and version.
    pub newest_release: Handle<Option<String>>,
    /// The role of its nodes.
    pub role: Handle<Role>,
    /// What its instances are launched from, if not from a template of EKS's own.
    pub launch_template: Option<Handle<TemplateFacts>>,
    /// Places in the graph of what else must be right first.
    pub after: Vec<usize>,
    /// How often EKS is asked whether it is done.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What a node group should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// Its name. An adopted one may have this as a prefix, as Terraform's modules make it.
    pub name: String,
    /// Kubernetes version of its nodes.
    pub version: EksVersion,
    /// Whether its nodes are replaced when a newer AMI release is out.
    pub refresh: bool,
    /// EKS AMI type.
    pub ami_type: AmiTypes,
    /// `ON_DEMAND` or `SPOT`.
    pub capacity_type: String,
    /// EC2 instance types, most wanted first.
    pub instance_types: Vec<String>,
    /// Disk of a node in GiB, where there is no launch template to say it.
    pub disk_size: i32,
    /// How many nodes.
    pub scaling: Scaling,
    /// Node labels.
    pub labels: BTreeMap<String, String>,
    /// Node taints.
    pub taints: BTreeSet<Taint>,
    /// How many nodes may be away during an update: a count (`1`) or a percentage (`33%`).
    pub max_unavailable: String,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
}

/// How many nodes a group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaling {
    /// Fewest.
    pub min: i32,
    /// Most.
    pub max: i32,
    /// At the start. Afterwards it is the autoscaler's to change, so it isn't compared.
    pub desired: i32,
}

/// A node taint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// `NO_SCHEDULE`, `NO_EXECUTE` or `PREFER_NO_SCHEDULE`.
    pub effect: String,
}

/// What a node group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its full name.
    pub name: String,
    /// Where it stands in its life.
    pub status: NodegroupStatus,
    /// Kubernetes version of its nodes.
    pub version: EksVersion,
    /// AMI release of its nodes.
    pub release: String,
    /// EKS AMI type.
    pub ami_type: AmiTypes,
    /// `ON_DEMAND` or `SPOT`.
    pub capacity_type: String,
    /// EC2 instance types.
    pub instance_types: Vec<String>,
    /// Fewest and most nodes.
    pub sizes: (i32, i32),
    /// How many nodes it should have now.
    pub desired_size: i32,
    /// Id and version of the launch template that its instances are launched from.
    pub launch_template: Option<(String, String)>,
    /// Node labels.
    pub labels: BTreeMap<String, String>,
    /// Node taints.
    pub taints: BTreeSet<Taint>,
    /// How many nodes may be away during an update.
    pub max_unavailable: String,
    /// All its tags.
    pub tags: Tags,
    /// Its ARN.
    pub arn: String,
    /// ARN of its nodes' role.
    pub node_role: String,
    /// What is wrong with it, one line each, in EKS's words.
    pub issues: Vec<String>,
}

impl Observed {
    /// Whether its instances are launched from that template, in whatever version.
    fn launched_from(&self, template: &str) -> bool {
        self.launch_template
            .as_ref()
            .is_some_and(|(id, _)| id == template)
    }
}

/// What other resources may know of a node group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// ARN of its nodes' role.
    pub node_role: String,
}

/// The role of managed node groups' own service.
const LINKED_ROLE: &[&str] =
    &["arn:{partition}:iam::{account}:role/aws-service-role/eks-nodegroup.amazonaws.com/*"];

impl Resource for NodeGroup {
    type Observed = Observed;
    type Output = Facts;
    const KIND: &'static str = "eks_nodegroup";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &[
                "eks:CreateNodegroup",
                "eks:ListNodegroups",
                "eks:ListUpdates",
            ],
            on: &["arn:{partition}:eks:*:{account}:cluster/*"],
            condition: None,
        },
        Grant {
            actions: &[
                "eks:DeleteNodegroup",
                "eks:DescribeNodegroup",
                "eks:DescribeUpdate",
                "eks:ListUpdates",
                "eks:TagResource",
                "eks:UpdateNodegroupConfig",
                "eks:UpdateNodegroupVersion",
            ],
            on: &["arn:{partition}:eks:*:{account}:nodegroup/*"],
            condition: None,
        },
        // What EKS does in the name of who creates a node group. Sources: Step Functions Developer
        // Guide, "IAM policies for calling Amazon EKS"; the refusals that name what is missing.
        Grant {
            actions: &["ec2:DescribeSubnets"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &["iam:GetRole", "iam:ListAttachedRolePolicies"],
            on: &["arn:{partition}:iam::{account}:role/*-eks-node-group"],
            condition: None,
        },
        Grant {
            actions: &["iam:PassRole"],
            on: &["arn:{partition}:iam::{account}:role/*-eks-node-group"],
            condition: Some(PASSED_TO_EKS),
        },
        Grant {
            actions: &["iam:GetRole"],
            on: LINKED_ROLE,
            condition: None,
        },
        Grant {
            actions: &["iam:CreateServiceLinkedRole"],
            on: LINKED_ROLE,
            condition: Some(Condition {
                operator: "StringEquals",
                key: "iam:AWSServiceName",
                values: &["eks-nodegroup.amazonaws.com"],
            }),
        },
    ];

    fn name(&self) -> String {
        self.wanted.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        let mut needs = vec![
            self.cluster.index(),
            self.network.index(),
            self.newest_release.index(),
            self.role.index(),
        ];
        needs.extend(self.launch_template.as_ref().map(Handle::index));
        needs.extend(&self.after);
        needs
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        if self.cluster.observed().await? == Fact::AfterApply {
            return Ok(None);
        }
        let Wanted { cluster, name, .. } = &self.wanted;
        let seen = first_seen(&self.session, &self.shared, cluster, name).await?;
        seen.map(|group| read(&group)).transpose()
    }

    fn output(&self, observed: &Observed) -> Facts {
        Facts {
            node_role: observed.node_role.clone(),
        }
    }

    fn is_busy(&self, observed: &Observed) -> bool {
        matches!(
            observed.status,
            NodegroupStatus::Creating | NodegroupStatus::Updating
        )
    }

    fn is_going(&self, observed: &Observed) -> bool {
        observed.status == NodegroupStatus::Deleting
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        let newest = self.newest_release.get().known().flatten();
        let template = self.template();
        diff::diff(&self.wanted, newest.as_deref(), template.as_ref(), observed)
    }

    async fn apply(
        &self,
        diff: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        match observed {
            None => self.create(progress).await,
            Some(is) if is.status == NodegroupStatus::Deleting => {
                self.until_gone(&is.name, progress).await?;
                self.create(progress).await
            }
            Some(is) if diff.action == Action::Replace => {
                self.delete(&is.name, progress).await?;
                self.create(progress).await
            }
            Some(is) => self.update(diff, is, progress).await,
        }
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let what = format!("node group {}", self.wanted.name);
        self.polling
            .until(&what, CREATE_DEADLINE, progress, || async {
                let Wanted { cluster, name, .. } = &self.wanted;
                let found = find(&self.session, cluster, name).await?;
                match found.map(|group| read(&group)).transpose()? {
                    Some(is) => judge(is),
                    // EKS may not know yet of what it has just accepted.
                    None => Ok(State::UnderWay("not visible yet".to_owned())),
                }
            })
            .await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        Ok(tags::fate(&observed.tags))
    }

    async fn remove(&self, observed: &Observed, progress: &Progress) -> Result<(), Error> {
        self.delete(&observed.name, progress).await
    }
}

/// A node group takes some minutes to make.
const CREATE_DEADLINE: Duration = Duration::from_secs(45 * 60);

fn judge(is: Observed) -> Result<State<Observed>, Error> {
    let broken = |is: &Observed| {
        let issues = if is.issues.is_empty() {
            "EKS gives no reason".to_owned()
        } else {
            is.issues.join("; ")
        };
        Error::new(
            format!("waiting for node group {}", is.name),
            format!("EKS says that it is {}: {issues}", is.status.as_str()),
            "mend what its health names, then run again",
        )
    };
    match is.status {
        NodegroupStatus::Active => Ok(State::Done(is)),
        NodegroupStatus::CreateFailed
        | NodegroupStatus::DeleteFailed
        | NodegroupStatus::Degraded => Err(broken(&is)),
        ref status => Ok(State::UnderWay(status.as_str().to_owned())),
    }
}

impl NodeGroup {
    fn template(&self) -> Option<TemplateFacts> {
        self.launch_template.as_ref()?.get().known()
    }

    async fn describe(&self, name: &str) -> Result<Option<Observed>, Error> {
        let described = describe(&self.session, &self.wanted.cluster, name).await?;
        described.map(|group| read(&group)).transpose()
    }
}

/// The group of a name, or of one that has it as a prefix, as it was when the run first asked.
/// Whoever looks for the role or the launch template of an adopted group asks as well.
pub(super) async fn first_seen(
    session: &Session,
    shared: &Shared,
    cluster: &str,
    name: &str,
) -> Result<Option<Arc<Nodegroup>>, Error> {
    let target = session.target().clone();
    let key = (target, cluster.to_owned(), name.to_owned());
    let ask = || async { Ok(find(session, cluster, name).await?.map(Arc::new)) };
    Ok(shared.node_groups.get(key, ask).await?)
}

/// The group of that name, else the one that psk didn't make: the name with a suffix.
async fn find(
    session: &Session,
    cluster: &str,
    name: &str,
) -> Result<Option<Nodegroup>, CallError> {
    if let Some(found) = describe(session, cluster, name).await? {
        return Ok(Some(found));
    }
    let names = session
        .eks()
        .list_nodegroups()
        .cluster_name(cluster)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .doing(|| format!("listing the node groups of {cluster}"))
        .or_absent()?
        .unwrap_or_default();
    match choose(name, names)? {
        Some(full) => describe(session, cluster, &full).await,
        None => Ok(None),
    }
}

async fn describe(
    session: &Session,
    cluster: &str,
    name: &str,
) -> Result<Option<Nodegroup>, CallError> {
    let answer = session
        .eks()
        .describe_nodegroup()
        .cluster_name(cluster)
        .nodegroup_name(name)
        .send()
        .await
        .doing(|| format!("describing node group {name}"))
        .or_absent()?;
    Ok(answer.and_then(|a| a.nodegroup))
}

/// The group of that exact name, else the only one that has it as a prefix.
fn choose(wanted: &str, names: Vec<String>) -> Result<Option<String>, CallError> {
    if names.iter().any(|name| name == wanted) {
        return Ok(Some(wanted.to_owned()));
    }
    let prefix = format!("{wanted}-");
    let mut adoptable: Vec<_> = names
        .into_iter()
        .filter(|name| name.starts_with(&prefix))
        .collect();
    if adoptable.len() > 1 {
        adoptable.sort();
        return Err(CallError::new(
            format!("looking for node group {wanted}"),
            format!("several could be meant: {}", adoptable.join(", ")),
            "delete those that aren't used, or set management_node_group_name to the full name of the one that is",
        ));
    }
    Ok(adoptable.pop())
}

fn read(group: &Nodegroup) -> Result<Observed, Error> {
    let name = group.nodegroup_name().unwrap_or_default().to_owned();
    let version = group.version().unwrap_or_default();
    let version = version.parse().map_err(|_| {
        Error::new(
            format!("describing node group {name}"),
            format!("EKS says that its version is {version:?}"),
            "update psk",
        )
    })?;
    let scaling = group.scaling_config();
    let update = group.update_config();
    Ok(Observed {
        name,
        status: group.status().cloned().unwrap_or(NodegroupStatus::Active),
        version,
        release: group.release_version().unwrap_or_default().to_owned(),
        ami_type: group.ami_type().cloned().unwrap_or(AmiTypes::Custom),
        capacity_type: group
            .capacity_type()
            .map_or_else(String::new, |c| c.as_str().to_owned()),
        instance_types: group.instance_types().to_vec(),
        sizes: (
            scaling.and_then(|s| s.min_size()).unwrap_or_default(),
            scaling.and_then(|s| s.max_size()).unwrap_or_default(),
        ),
        desired_size: scaling.and_then(|s| s.desired_size()).unwrap_or_default(),
        launch_template: group
            .launch_template()
            .and_then(|t| Some((t.id()?.to_owned(), t.version()?.to_owned()))),
        labels: group
            .labels()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        taints: group
            .taints()
            .iter()
            .map(|taint| Taint {
                key: taint.key().unwrap_or_default().to_owned(),
                value: taint.value().unwrap_or_default().to_owned(),
                effect: taint
                    .effect()
                    .map_or_else(String::new, |e| e.as_str().to_owned()),
            })
            .collect(),
        max_unavailable: match update.and_then(|u| u.max_unavailable_percentage()) {
            Some(percent) => format!("{percent}%"),
            None => update
                .and_then(|u| u.max_unavailable())
                .unwrap_or(1)
                .to_string(),
        },
        tags: group
            .tags()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        arn: group.nodegroup_arn().unwrap_or_default().to_owned(),
        node_role: group.node_role().unwrap_or_default().to_owned(),
        issues: group
            .health()
            .map(|health| health.issues())
            .unwrap_or_default()
            .iter()
            .map(|issue| {
                let code = issue.code().map_or("Unknown", |c| c.as_str());
                format!("{code}: {}", issue.message().unwrap_or("no message"))
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_adopted_as_the_only_one_with_the_name_as_prefix() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(choose("m", names(&["x", "m-1"])), Ok(Some("m-1".into())));
        assert_eq!(choose("m", names(&["x", "mm"])), Ok(None));
        assert_eq!(
            choose("m", names(&["m-2", "m-1"])).unwrap_err().to_string(),
            "looking for node group m: several could be meant: m-1, m-2"
        );
    }
}
