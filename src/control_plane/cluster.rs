//! The EKS cluster: its version, log types, endpoint access, authentication, encryption and tags.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eks::types::{Cluster as Described, ClusterStatus};

use super::iam_role::{PASSED_TO_EKS, Role};
use super::network::Subnets;
use super::stamp::Stamp;
use super::{Shared, Tags, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::inventory::EksVersion;
use crate::reconcile::{
    Condition, Diff, Error, Fate, Grant, Handle, Polling, Progress, Resource, State,
};

mod change;
mod diff;
mod upgrade;

/// The cluster that the settings ask for.
#[derive(Debug)]
pub struct Cluster {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// Its subnets.
    pub network: Handle<Subnets>,
    /// The role that EKS acts by.
    pub role: Handle<Role>,
    /// ARN of the key that encrypts its secrets, if one of one's own does.
    pub key: Option<Handle<String>>,
    /// Places in the graph of what else must be right first.
    pub after: Vec<usize>,
    /// How often EKS is asked whether it is done.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What a cluster should be, as far as it can be changed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Kubernetes version of the control plane.
    pub version: EksVersion,
    /// Control plane log types that are sent to CloudWatch Logs.
    pub log_types: BTreeSet<String>,
    /// Whether the Kubernetes API can be reached from outside the VPC. From inside it always can.
    pub endpoint_public_access: bool,
    /// `STANDARD` or `EXTENDED`.
    pub support_type: String,
    /// Whether EKS refuses to delete it.
    pub deletion_protection: bool,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
    /// Why it is upgraded although EKS's readiness insights speak against it, if it is.
    pub force_upgrade: Option<String>,
}

/// What a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its ARN.
    pub arn: String,
    /// Kubernetes version of the control plane.
    pub version: EksVersion,
    /// Where it stands in its life.
    pub status: ClusterStatus,
    /// Control plane log types that are sent to CloudWatch Logs.
    pub log_types: BTreeSet<String>,
    /// Whether the Kubernetes API can be reached from outside the VPC.
    pub public_access: bool,
    /// Whether the Kubernetes API can be reached from inside the VPC.
    pub private_access: bool,
    /// How callers are authenticated (`API`, `API_AND_CONFIG_MAP`, `CONFIG_MAP`).
    pub authentication_mode: String,
    /// Whether secrets are encrypted with a key of one's own.
    pub secrets_encrypted: bool,
    /// `STANDARD` or `EXTENDED`.
    pub support_type: String,
    /// Whether EKS refuses to delete it.
    pub deletion_protection: bool,
    /// All its tags.
    pub tags: Tags,
    /// How it is reached, once it is active.
    pub access: Option<Access>,
    /// Readiness insights in ERROR, one line each, where it is to be upgraded.
    pub blocking: Vec<String>,
}

/// What other resources may know of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its ARN.
    pub arn: String,
    /// Kubernetes version of the control plane.
    pub version: EksVersion,
    /// How it is reached.
    pub access: Access,
    /// What psk noted on it when it last applied it; see [`super::stamp`].
    pub applied: Option<Stamp>,
    /// Whether psk made it.
    pub made_by_psk: bool,
    /// Whether it is being deleted.
    pub is_going: bool,
}

/// How a cluster is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// URL of the Kubernetes API.
    pub endpoint: String,
    /// The API's certificate authority, as base64 of PEM.
    pub certificate_authority: String,
    /// The issuer of its service accounts' tokens.
    pub oidc_issuer: String,
    /// The security group that EKS made for control plane and nodes.
    pub security_group_id: String,
}

impl Resource for Cluster {
    type Observed = Observed;
    type Output = Facts;
    const KIND: &'static str = "eks_cluster";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &[
                "eks:AssociateEncryptionConfig",
                "eks:CreateCluster",
                "eks:DeleteCluster",
                "eks:DescribeCluster",
                "eks:DescribeInsightsRefresh",
                "eks:DescribeUpdate",
                "eks:ListInsights",
                "eks:ListUpdates",
                "eks:StartInsightsRefresh",
                "eks:TagResource",
                "eks:UpdateClusterConfig",
                "eks:UpdateClusterVersion",
            ],
            on: &["arn:{partition}:eks:*:{account}:cluster/*"],
            condition: None,
        },
        Grant {
            actions: &["eks:DescribeClusterVersions"],
            on: &["*"],
            condition: None,
        },
        // What EKS does in the name of who creates a cluster. Sources: EKS User Guide,
        // "Identity-based policy examples" and "Using roles for Amazon EKS clusters"; the refusals
        // that name what is missing.
        Grant {
            actions: &["iam:PassRole"],
            on: &["arn:{partition}:iam::{account}:role/*-cluster"],
            condition: Some(PASSED_TO_EKS),
        },
        Grant {
            actions: &["iam:CreateServiceLinkedRole"],
            on: &["arn:{partition}:iam::{account}:role/aws-service-role/eks.amazonaws.com/*"],
            condition: Some(Condition {
                operator: "StringEquals",
                key: "iam:AWSServiceName",
                values: &["eks.amazonaws.com"],
            }),
        },
        Grant {
            actions: &["kms:CreateGrant", "kms:DescribeKey"],
            on: &["arn:{partition}:kms:*:{account}:key/*"],
            condition: None,
        },
    ];

    fn name(&self) -> String {
        self.wanted.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        let mut needs = vec![self.network.index(), self.role.index()];
        needs.extend(self.key.as_ref().map(Handle::index));
        needs.extend(&self.after);
        needs
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let seen = first_seen(&self.session, &self.shared, &self.wanted.name).await?;
        let mut observed = seen.map(|cluster| read(&cluster)).transpose()?;
        let version = observed.as_ref().map(|is| is.version);
        if version == Some(self.wanted.version) {
            return Ok(observed);
        }
        let offered = self.offered().await?;
        upgrade::check_offered(&self.wanted, version, &offered)?;
        if let Some(is) = observed
            .as_mut()
            .filter(|is| is.version < self.wanted.version)
        {
            is.blocking = self.blocking(is.version.next()).await?;
        }
        Ok(observed)
    }

    fn output(&self, observed: &Observed) -> Facts {
        Facts {
            arn: observed.arn.clone(),
            version: observed.version,
            access: observed.access.clone().unwrap_or_default(),
            applied: Stamp::among(&observed.tags),
            made_by_psk: tags::fate(&observed.tags) == Fate::Remove,
            is_going: observed.status == ClusterStatus::Deleting,
        }
    }

    fn is_complete(&self, observed: &Observed) -> bool {
        observed.access.is_some()
    }

    fn is_busy(&self, observed: &Observed) -> bool {
        matches!(
            observed.status,
            ClusterStatus::Creating | ClusterStatus::Updating | ClusterStatus::Pending
        )
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        diff::diff(&self.wanted, &self.network.get(), observed)
    }

    async fn apply(
        &self,
        diff: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        match observed {
            None => self.create(progress).await,
            Some(is) => self.update(diff, is, progress).await,
        }
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let what = format!("cluster {}", self.wanted.name);
        self.polling
            .until(&what, DEADLINE, progress, || async {
                match self.describe().await? {
                    Some(is) => judge(is),
                    // EKS may not know yet of what it has just accepted.
                    None => Ok(State::UnderWay("not visible yet".to_owned())),
                }
            })
            .await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        let fate = tags::fate(&observed.tags);
        if fate == Fate::Remove && observed.deletion_protection {
            let name = &self.wanted.name;
            return Ok(Fate::Forbid(Error::new(
                format!("destroying cluster {name}"),
                "its deletion protection is set",
                "set deletion_protection: false in its settings and apply them, then run again",
            )));
        }
        Ok(fate)
    }

    async fn remove(&self, observed: &Observed, progress: &Progress) -> Result<(), Error> {
        self.delete(observed, progress).await
    }
}

/// A cluster takes about ten minutes to make, an upgrade up to forty.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

fn judge(is: Observed) -> Result<State<Observed>, Error> {
    match is.status {
        ClusterStatus::Active => Ok(State::Done(is)),
        ClusterStatus::Failed => Err(Error::new(
            format!("waiting for {}", is.arn),
            "EKS says that it is FAILED",
            "see its health in the EKS console; delete it, then run again",
        )),
        status => Ok(State::UnderWay(status.as_str().to_owned())),
    }
}

impl Cluster {
    async fn describe(&self) -> Result<Option<Observed>, Error> {
        let described = describe(&self.session, &self.wanted.name).await?;
        described.map(|cluster| read(&cluster)).transpose()
    }
}

/// The cluster as it was when the run first asked; several of its resources look at it.
pub(super) async fn first_seen(
    session: &Session,
    shared: &Shared,
    name: &str,
) -> Result<Option<Arc<Described>>, CallError> {
    let key = (session.target().clone(), name.to_owned());
    let ask = || async { Ok(describe(session, name).await?.map(Arc::new)) };
    shared.clusters.get(key, ask).await
}

async fn describe(session: &Session, name: &str) -> Result<Option<Described>, CallError> {
    let answer = session
        .eks()
        .describe_cluster()
        .name(name)
        .send()
        .await
        .doing(|| format!("describing cluster {name}"))
        .or_absent()?;
    Ok(answer.and_then(|a| a.cluster))
}

/// ARN of the key of one's own that a cluster's secrets are encrypted with.
pub(super) fn key_arn(cluster: &Described) -> Option<&str> {
    let mut configs = cluster.encryption_config().iter();
    configs.find_map(|config| config.provider()?.key_arn())
}

fn read(cluster: &Described) -> Result<Observed, Error> {
    let version = cluster.version().unwrap_or_default();
    let version = version.parse().map_err(|_| {
        Error::new(
            format!("describing cluster {}", cluster.name().unwrap_or_default()),
            format!("EKS says that its version is {version:?}"),
            "update psk",
        )
    })?;
    let logged = cluster
        .logging()
        .into_iter()
        .flat_map(|l| l.cluster_logging());
    let vpc = cluster.resources_vpc_config();
    Ok(Observed {
        arn: cluster.arn().unwrap_or_default().to_owned(),
        version,
        status: cluster.status().cloned().unwrap_or(ClusterStatus::Pending),
        log_types: logged
            .filter(|setup| setup.enabled() == Some(true))
            .flat_map(|setup| setup.types())
            .map(|log| log.as_str().to_owned())
            .collect(),
        public_access: vpc.is_some_and(|v| v.endpoint_public_access()),
        private_access: vpc.is_some_and(|v| v.endpoint_private_access()),
        authentication_mode: cluster
            .access_config()
            .and_then(|access| access.authentication_mode())
            .map_or_else(|| "CONFIG_MAP".to_owned(), |mode| mode.as_str().to_owned()),
        secrets_encrypted: key_arn(cluster).is_some(),
        support_type: cluster
            .upgrade_policy()
            .and_then(|policy| policy.support_type())
            .map_or_else(String::new, |support| support.as_str().to_owned()),
        deletion_protection: cluster.deletion_protection().unwrap_or_default(),
        access: access(cluster),
        blocking: Vec::new(),
        tags: cluster
            .tags()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    })
}

/// `None` while EKS still makes the cluster.
fn access(cluster: &Described) -> Option<Access> {
    Some(Access {
        endpoint: cluster.endpoint()?.to_owned(),
        certificate_authority: cluster.certificate_authority()?.data()?.to_owned(),
        oidc_issuer: cluster.identity()?.oidc()?.issuer()?.to_owned(),
        security_group_id: cluster
            .resources_vpc_config()?
            .cluster_security_group_id()?
            .to_owned(),
    })
}
