//! What the inside of a cluster goes by and doesn't decide itself: what EKS, EC2, EFS and IAM say.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

/// What AWS says of one cluster and around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Its id, of which a cluster made again under its name has another.
    pub(crate) id: String,
    /// Its account.
    pub(crate) account: String,
    /// Its region.
    pub(crate) region: String,
    /// Its Kubernetes version, `1.35`.
    pub(crate) version: String,
    /// When its API came about.
    pub(crate) made: Timestamp,
    /// Its managed node groups that have nodes.
    pub(crate) groups: Vec<Group>,
    /// Its add-ons that are installed.
    pub(crate) addons: Vec<Addon>,
    /// The subnets of its VPC.
    pub(crate) subnets: Vec<Subnet>,
    /// The security groups of its VPC: id, name and tags.
    pub(crate) security_groups: Vec<(String, String, BTreeMap<String, String>)>,
    /// The file systems that are available.
    pub(crate) file_systems: Vec<FileSystem>,
    /// Names of the account's roles that nodes may join with.
    pub(crate) node_roles: Vec<String>,
    /// Names of all roles of the account.
    pub(crate) roles: Arc<[String]>,
    /// When EKS has something to do next.
    pub(crate) next: Option<Timestamp>,
}

/// A managed node group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) name: String,
    /// When it was made.
    pub(crate) since: Timestamp,
    /// How many nodes it has.
    pub(crate) desired: usize,
    /// Labels of its nodes.
    pub(crate) labels: BTreeMap<String, String>,
    /// Taints of its nodes: key, value, effect as Kubernetes writes it.
    pub(crate) taints: Vec<(String, String, String)>,
    /// The instance type of its nodes.
    pub(crate) instance_type: String,
    /// Whether its nodes' processors are arm64.
    pub(crate) arm: bool,
    /// EKS's AMI type.
    pub(crate) ami_type: String,
    /// `ON_DEMAND` or `SPOT`.
    pub(crate) capacity_type: String,
    /// The nodes' software.
    pub(crate) image: Image,
    /// What is being rolled out to the nodes, since when and until when.
    pub(crate) roll: Option<(Image, Timestamp, Timestamp)>,
    /// Ids of its subnets.
    pub(crate) subnets: Vec<String>,
}

/// What runs on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// Kubernetes version, `1.35`.
    pub(crate) version: String,
    /// Release of the AMI.
    pub(crate) release: String,
    /// Version of the launch template.
    pub(crate) template: String,
}

/// An add-on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Addon {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its configuration, as it was given.
    pub(crate) configuration: Option<String>,
    /// When it was installed.
    pub(crate) since: Timestamp,
    /// What its service account may do in AWS.
    pub(crate) credentials: Credentials,
}

/// What the service account of an add-on may do in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// It has no role.
    None,
    /// It can't assume its role.
    Refused,
    /// Its role may not do what the add-on does. The role's ARN.
    NotAllowed(String),
    /// It may do what it has to.
    Allowed,
}

/// A file system of EFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Its id.
    pub(crate) id: String,
    /// Its mount targets in the cluster's VPC.
    pub(crate) targets: Vec<MountTarget>,
}

/// Where a file system can be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountTarget {
    /// The Availability Zone.
    pub(crate) zone: String,
    /// Whether its security groups let the cluster's nodes in.
    pub(crate) is_open: bool,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subnet {
    /// Its id.
    pub(crate) id: String,
    /// Its Availability Zone.
    pub(crate) zone: String,
    /// Its tags.
    pub(crate) tags: BTreeMap<String, String>,
}

impl Facts {
    /// The version of the API server as it tells it: `1.35.2-eks-3025e55`.
    pub(crate) fn git_version(&self) -> String {
        let build = crate::ids::stable_hex(7, &["eks build", &self.version]);
        format!("{}.2-eks-{build}", self.version)
    }
}
