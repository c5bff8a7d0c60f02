//! Managed node groups: made, described, listed, deleted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::AccessEntry;
use super::agenda::{Effect, takes};
use super::catalog::{self, KubernetesVersion};
use super::error::{About, in_use, invalid_parameter, limit_exceeded, not_found};
use super::network;
use super::node_spec::{
    AmiType, CapacityType, LaunchTemplate, NodeRepair, Scaling, ScalingConfig, Taint, UpdateConfig,
    check_instance_types, check_labels, check_taints,
};
use super::request::{Request, Served, Tags, Token, check_tags, epoch};
use super::state::{Cluster, Happening, Issue, Quotas, Region};
use super::{roles, rules};
use crate::call::ServiceError;

/// A managed node group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Nodegroup {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) created_at: Timestamp,
    pub(super) modified_at: Timestamp,
    pub(super) status: NodegroupStatus,
    pub(super) spec: NodegroupSpec,
    pub(super) node_role: String,
    pub(super) subnets: Vec<String>,
    pub(super) ami_type: AmiType,
    pub(super) capacity_type: CapacityType,
    pub(super) instance_types: Vec<String>,
    /// In GiB; none where the launch template says it.
    pub(super) disk_size: Option<i32>,
    pub(super) auto_scaling_group: String,
    pub(super) issues: Vec<Issue>,
    pub(super) tags: Tags,
    pub(super) token: Option<Token>,
}

/// What can be changed of a node group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodegroupSpec {
    pub(super) version: KubernetesVersion,
    pub(super) release_version: String,
    pub(super) scaling: Scaling,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) taints: Vec<Taint>,
    pub(super) update_config: UpdateConfig,
    pub(super) node_repair: NodeRepair,
    pub(super) launch_template: Option<LaunchTemplate>,
}

/// A node group's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum NodegroupStatus {
    Creating,
    Active,
    Updating,
    Deleting,
    CreateFailed,
    Degraded,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateNodegroup {
    nodegroup_name: String,
    scaling_config: Option<ScalingConfig>,
    disk_size: Option<i32>,
    subnets: Vec<String>,
    #[serde(default)]
    instance_types: Vec<String>,
    ami_type: Option<AmiType>,
    node_role: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    taints: Vec<Taint>,
    #[serde(default)]
    tags: Tags,
    client_request_token: Option<String>,
    launch_template: Option<LaunchTemplate>,
    update_config: Option<UpdateConfig>,
    node_repair_config: Option<NodeRepair>,
    capacity_type: Option<CapacityType>,
    version: Option<KubernetesVersion>,
    release_version: Option<String>,
}

const DEFAULT_DISK_GIB: i32 = 20;
/// EBS's largest general purpose volume.
const LARGEST_DISK_GIB: i32 = 65_536;

/// `CreateNodegroup`.
pub(super) fn create(region: &mut Region, request: &Request<'_>) -> Served {
    let input: CreateNodegroup = request.body()?;
    let quotas = region.quotas.clone();
    let cluster = region.cluster_mut(request.cluster())?;
    let name = input.nodegroup_name.clone();
    let about = |e: ServiceError| e.cluster(request.cluster()).nodegroup(&name);
    let token = request.token(input.client_request_token.clone());
    if let Some(group) = cluster.nodegroups.get(&name) {
        if let Some(before) = &group.token
            && before.is_repeated_by(token.as_ref()).map_err(about)?
        {
            return Ok(answer(cluster, group));
        }
        return Err(about(in_use(format!(
            "NodeGroup already exists with name {name} and cluster name {}",
            cluster.name
        ))));
    }
    cluster.must_be_active().map_err(about)?;
    if cluster.nodegroups.len() >= quotas.nodegroups {
        return Err(about(limit_exceeded(format!(
            "Cluster {} has {} node groups, which is its quota",
            cluster.name, quotas.nodegroups
        ))));
    }
    let mut group = begin(cluster, request, &quotas, input).map_err(about)?;
    group.token = token;
    let answer = answer(cluster, &group);
    if cluster.spec.authentication_mode.has_entries() {
        let (role, ami_type) = (&group.node_role, &group.ami_type);
        AccessEntry::ensure_for_nodes(cluster, role, ami_type, request.now());
    }
    cluster.nodegroups.insert(name.clone(), group);
    let failure = request
        .fate()
        .or_else(|| region.failure_of(Happening::NodegroupCreation, &name));
    let effect = Effect::NodegroupCreated {
        name: name.clone(),
        failure,
    };
    region.agenda.add(
        request.now(),
        takes::NODEGROUP_CREATION,
        request.cluster(),
        effect,
    );
    Ok(answer)
}

fn begin(
    cluster: &Cluster,
    request: &Request<'_>,
    quotas: &Quotas,
    input: CreateNodegroup,
) -> Result<Nodegroup, ServiceError> {
    let name = input.nodegroup_name;
    rules::nodegroup_name(&name)?;
    rules::role_arn(&input.node_role)?;
    roles::of_nodes(request, &input.node_role)?;
    check_tags(&input.tags).map_err(invalid_parameter)?;
    check_labels(&input.labels)?;
    check_taints(&input.taints)?;
    if network::vpc_of(request.ec2, &input.subnets)? != cluster.vpc_id {
        return Err(invalid_parameter(format!(
            "Subnets specified must belong to the cluster's VPC {}",
            cluster.vpc_id
        )));
    }
    let scaling = input
        .scaling_config
        .unwrap_or_default()
        .checked(None, quotas.nodes)?;
    let update_config = input.update_config.unwrap_or_default().checked(None)?;
    let launch_template = input
        .launch_template
        .map(|template| template.resolved(request.ec2, &input.instance_types))
        .transpose()?;
    let disk_size = disk_size(input.disk_size, launch_template.is_some())?;
    let ami_type = input.ami_type.unwrap_or_default();
    let instance_types = match input.instance_types {
        none if none.is_empty() && launch_template.is_none() => {
            vec![ami_type.default_instance_type().to_owned()]
        }
        types => types,
    };
    check_instance_types(&instance_types, &ami_type)?;
    // A node group begins at its cluster's version (CreateNodegroup in the API reference).
    let version = input.version.unwrap_or(cluster.spec.version);
    if version != cluster.spec.version {
        return Err(invalid_parameter(format!(
            "Nodegroup version {version} must equal the cluster's version {}",
            cluster.spec.version
        )));
    }
    let release_version = match input.release_version {
        Some(release) => known_release(&ami_type, version, release)?,
        None => newest_release(&ami_type, version)?,
    };
    let now = request.now();
    let uuid = cluster.uuid("nodegroup", &name, now);
    Ok(Nodegroup {
        arn: cluster.arn_of("nodegroup", &format!("{name}/{uuid}")),
        auto_scaling_group: format!("eks-{name}-{uuid}"),
        created_at: now,
        modified_at: now,
        status: NodegroupStatus::Creating,
        spec: NodegroupSpec {
            version,
            release_version,
            scaling,
            labels: input.labels,
            taints: input.taints,
            update_config,
            node_repair: input.node_repair_config.unwrap_or_default(),
            launch_template,
        },
        node_role: input.node_role,
        subnets: input.subnets,
        ami_type,
        capacity_type: input.capacity_type.unwrap_or_default(),
        instance_types,
        disk_size,
        issues: Vec::new(),
        tags: input.tags,
        token: None,
        name,
    })
}

fn disk_size(asked: Option<i32>, has_template: bool) -> Result<Option<i32>, ServiceError> {
    match (asked, has_template) {
        (Some(_), true) => Err(invalid_parameter(
            "Disk size must be specified within the launch template.",
        )),
        (None, true) => Ok(None),
        (asked, false) => {
            let size = asked.unwrap_or(DEFAULT_DISK_GIB);
            if (1..=LARGEST_DISK_GIB).contains(&size) {
                Ok(Some(size))
            } else {
                Err(invalid_parameter(format!(
                    "diskSize {size} must be 1 to {LARGEST_DISK_GIB}"
                )))
            }
        }
    }
}

/// Checks that an AMI release exists for a version.
pub(super) fn known_release(
    ami_type: &AmiType,
    version: KubernetesVersion,
    release: String,
) -> Result<String, ServiceError> {
    if catalog::releases(ami_type.as_str(), &version.to_string()).contains(&release) {
        Ok(release)
    } else {
        Err(invalid_parameter(format!(
            "Requested release version {release} is not valid for kubernetes version {version} and \
             AMI type {}",
            ami_type.as_str()
        )))
    }
}

/// The newest AMI release for a version.
pub(super) fn newest_release(
    ami_type: &AmiType,
    version: KubernetesVersion,
) -> Result<String, ServiceError> {
    catalog::latest_release(ami_type.as_str(), &version.to_string()).ok_or_else(|| {
        invalid_parameter(format!(
            "AMI type {} is not supported for kubernetes version {version}",
            ami_type.as_str()
        ))
    })
}

/// `DescribeNodegroup`.
pub(super) fn describe(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    let group = cluster.nodegroup(request.label("nodegroupName"))?;
    Ok(answer(cluster, group))
}

/// `ListNodegroups`.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    let names = cluster
        .nodegroups
        .keys()
        .map(|name| (name.clone(), name.clone()))
        .collect();
    Ok(request.page::<String>(names)?.answer("nodegroups"))
}

/// `DeleteNodegroup`.
pub(super) fn delete(region: &mut Region, request: &Request<'_>) -> Served {
    let name = request.label("nodegroupName");
    let cluster = region.cluster_mut(request.cluster())?;
    let status = cluster.nodegroup(name)?.status;
    if matches!(
        status,
        NodegroupStatus::Creating | NodegroupStatus::Updating
    ) {
        return Err(in_use(format!(
            "Nodegroup {name} can't be deleted while its status is {}",
            status.as_str()
        ))
        .cluster(request.cluster())
        .nodegroup(name));
    }
    if let Some(group) = cluster.nodegroups.get_mut(name) {
        group.status = NodegroupStatus::Deleting;
    }
    let answer = answer(cluster, cluster.nodegroup(name)?);
    if status != NodegroupStatus::Deleting {
        let effect = Effect::NodegroupDeleted {
            name: name.to_owned(),
        };
        region.agenda.add(
            request.now(),
            takes::NODEGROUP_DELETION,
            request.cluster(),
            effect,
        );
    }
    Ok(answer)
}

/// A node group's creation came to its end.
pub(super) fn created(cluster: &mut Cluster, name: &str, failure: Option<Issue>, at: Timestamp) {
    // Without a network plugin a node never becomes Ready, and EKS gives up.
    let has_network = cluster.self_managed_addons || cluster.addons.contains_key("vpc-cni");
    let Some(group) = cluster.nodegroups.get_mut(name) else {
        return;
    };
    let failure = failure.or_else(|| (!has_network).then(|| group.never_joined()));
    group.modified_at = at;
    group.status = if failure.is_some() {
        NodegroupStatus::CreateFailed
    } else {
        NodegroupStatus::Active
    };
    group.issues.extend(failure);
}

/// A node group's deletion came to its end.
pub(super) fn deleted(cluster: &mut Cluster, name: &str) {
    cluster.nodegroups.remove(name);
}

impl Cluster {
    /// The node group of that name.
    pub(super) fn nodegroup(&self, name: &str) -> Result<&Nodegroup, ServiceError> {
        self.nodegroups.get(name).ok_or_else(|| {
            not_found(format!("No node group found for name: {name}."))
                .cluster(&self.name)
                .nodegroup(name)
        })
    }
}

impl NodegroupStatus {
    /// As on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::CreateFailed => "CREATE_FAILED",
            Self::Degraded => "DEGRADED",
        }
    }
}

impl Nodegroup {
    /// Whether it has running nodes.
    pub(super) fn has_nodes(&self) -> bool {
        let up = matches!(
            self.status,
            NodegroupStatus::Active | NodegroupStatus::Updating | NodegroupStatus::Degraded
        );
        up && self.spec.scaling.desired_size > 0
    }

    /// An update of it came to its end. A failure leaves it as it was, but DEGRADED.
    pub(super) fn updated(&mut self, spec: NodegroupSpec, failure: Option<Issue>, at: Timestamp) {
        self.modified_at = at;
        self.issues.clear();
        match failure {
            Some(issue) => {
                self.issues.push(issue);
                self.status = NodegroupStatus::Degraded;
            }
            None => {
                self.spec = spec;
                self.status = NodegroupStatus::Active;
            }
        }
    }

    fn never_joined(&self) -> Issue {
        Issue {
            code: "NodeCreationFailure".to_owned(),
            message: "Unhealthy nodes in the kubernetes cluster: container runtime network not \
                      ready, cni plugin not initialized"
                .to_owned(),
            resource_ids: vec![self.auto_scaling_group.clone()],
        }
    }
}

fn answer(cluster: &Cluster, group: &Nodegroup) -> Value {
    let spec = &group.spec;
    let mut view = json!({
        "nodegroupName": group.name,
        "nodegroupArn": group.arn,
        "clusterName": cluster.name,
        "version": spec.version,
        "releaseVersion": spec.release_version,
        "createdAt": epoch(group.created_at),
        "modifiedAt": epoch(group.modified_at),
        "status": group.status,
        "capacityType": group.capacity_type,
        "scalingConfig": spec.scaling,
        "subnets": group.subnets,
        "amiType": group.ami_type,
        "nodeRole": group.node_role,
        "labels": spec.labels,
        "taints": spec.taints,
        "updateConfig": spec.update_config,
        "nodeRepairConfig": spec.node_repair,
        "health": { "issues": group.issues.iter().map(Issue::health).collect::<Vec<_>>() },
        "tags": group.tags,
    });
    if !group.instance_types.is_empty() {
        view["instanceTypes"] = json!(group.instance_types);
    }
    if let Some(size) = group.disk_size {
        view["diskSize"] = size.into();
    }
    if let Some(template) = &spec.launch_template {
        view["launchTemplate"] = json!(template);
    }
    // There is no Auto Scaling group yet while the node group is being made.
    if group.status != NodegroupStatus::Creating {
        view["resources"] = json!({ "autoScalingGroups": [{ "name": group.auto_scaling_group }] });
    }
    json!({ "nodegroup": view })
}
