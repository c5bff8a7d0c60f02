//! Updates of managed node groups: their configuration and their version.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::agenda::takes;
use super::catalog::{self, KubernetesVersion};
use super::error::{About, in_use, invalid_parameter, invalid_request};
use super::node_spec::{
    LaunchTemplate, NodeRepair, ScalingConfig, Taint, UpdateConfig, check_labels, check_taints,
};
use super::nodegroups::{Nodegroup, NodegroupSpec, NodegroupStatus, known_release, newest_release};
use super::request::{Request, Served};
use super::state::{Cluster, Region};
use super::updates::{self, Change, NewUpdate, Subject, UpdateType};
use crate::call::ServiceError;

/// What an update's `params` say.
type Params = Vec<(&'static str, String)>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateConfigInput {
    labels: Option<LabelsPayload>,
    taints: Option<TaintsPayload>,
    scaling_config: Option<ScalingConfig>,
    update_config: Option<UpdateConfig>,
    node_repair_config: Option<NodeRepair>,
    client_request_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LabelsPayload {
    #[serde(default)]
    add_or_update_labels: BTreeMap<String, String>,
    #[serde(default)]
    remove_labels: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TaintsPayload {
    #[serde(default)]
    add_or_update_taints: Vec<Taint>,
    #[serde(default)]
    remove_taints: Vec<Taint>,
}

/// `UpdateNodegroupConfig`.
pub(super) fn update_config(region: &mut Region, request: &Request<'_>) -> Served {
    let input: UpdateConfigInput = request.body()?;
    let token = request.token(input.client_request_token.clone());
    let most_nodes = region.quotas.nodes;
    let cluster = region.cluster(request.cluster())?;
    let group = cluster.nodegroup(request.label("nodegroupName"))?;
    if let Some(before) = updates::repeated(cluster, token.as_ref())? {
        return Ok(before);
    }
    let about = |e: ServiceError| e.cluster(&cluster.name).nodegroup(&group.name);
    must_be_free(group).map_err(about)?;
    let (spec, params) = configured(group, input, most_nodes).map_err(about)?;
    let new = NewUpdate {
        subject: Subject::Nodegroup(group.name.clone()),
        kind: UpdateType::ConfigUpdate,
        params,
        change: Change::Nodegroup(Box::new(spec)),
        takes: takes::NODEGROUP_CONFIG_UPDATE,
        token,
    };
    updates::begin(region, request, new)
}

fn configured(
    group: &Nodegroup,
    input: UpdateConfigInput,
    most_nodes: i32,
) -> Result<(NodegroupSpec, Params), ServiceError> {
    let mut spec = group.spec.clone();
    let mut params = Params::new();
    if let Some(labels) = input.labels {
        add(&mut params, "LabelsToAdd", &labels.add_or_update_labels);
        add(&mut params, "LabelsToRemove", &labels.remove_labels);
        for key in &labels.remove_labels {
            spec.labels.remove(key);
        }
        spec.labels.extend(labels.add_or_update_labels);
        check_labels(&spec.labels)?;
    }
    if let Some(taints) = input.taints {
        add(&mut params, "TaintsToAdd", &taints.add_or_update_taints);
        add(&mut params, "TaintsToRemove", &taints.remove_taints);
        let gone: Vec<_> = taints
            .remove_taints
            .iter()
            .chain(&taints.add_or_update_taints)
            .collect();
        spec.taints
            .retain(|taint| !gone.iter().any(|g| g.is_same_as(taint)));
        spec.taints.extend(taints.add_or_update_taints);
        check_taints(&spec.taints)?;
    }
    if let Some(scaling) = input.scaling_config {
        spec.scaling = scaling.checked(Some(spec.scaling), most_nodes)?;
        add(&mut params, "MinSize", &spec.scaling.min_size);
        add(&mut params, "MaxSize", &spec.scaling.max_size);
        add(&mut params, "DesiredSize", &spec.scaling.desired_size);
    }
    if let Some(update) = input.update_config {
        spec.update_config = update.checked(Some(spec.update_config))?;
        add(
            &mut params,
            "MaxUnavailable",
            &spec.update_config.max_unavailable,
        );
        add(
            &mut params,
            "MaxUnavailablePercentage",
            &spec.update_config.max_unavailable_percentage,
        );
    }
    if let Some(repair) = input.node_repair_config {
        spec.node_repair = repair;
        add(&mut params, "NodeRepairEnabled", &repair.enabled);
    }
    if params.is_empty() {
        return Err(invalid_parameter(
            "No changes needed: the request names none",
        ));
    }
    Ok((spec, params))
}

/// Adds a parameter, unless it says nothing.
fn add(params: &mut Params, name: &'static str, value: &impl serde::Serialize) {
    let value = json!(value);
    let says_nothing = value.is_null()
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty);
    if !says_nothing {
        params.push((name, value.to_string()));
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateVersionInput {
    version: Option<KubernetesVersion>,
    release_version: Option<String>,
    launch_template: Option<LaunchTemplate>,
    #[serde(default)]
    force: bool,
    client_request_token: Option<String>,
}

/// `UpdateNodegroupVersion`.
pub(super) fn update_version(region: &mut Region, request: &Request<'_>) -> Served {
    let input: UpdateVersionInput = request.body()?;
    let token = request.token(input.client_request_token.clone());
    let cluster = region.cluster(request.cluster())?;
    let group = cluster.nodegroup(request.label("nodegroupName"))?;
    if let Some(before) = updates::repeated(cluster, token.as_ref())? {
        return Ok(before);
    }
    let about = |e: ServiceError| e.cluster(&cluster.name).nodegroup(&group.name);
    must_be_free(group).map_err(about)?;
    cluster.must_be_active().map_err(about)?;
    let forced = input.force;
    let (spec, params) = raised(cluster, group, request, input).map_err(about)?;
    let new = NewUpdate {
        subject: Subject::Nodegroup(group.name.clone()),
        kind: UpdateType::VersionUpdate,
        params,
        change: Change::NodegroupVersion {
            spec: Box::new(spec),
            forced,
        },
        takes: takes::NODEGROUP_VERSION_UPDATE,
        token,
    };
    updates::begin(region, request, new)
}

fn raised(
    cluster: &Cluster,
    group: &Nodegroup,
    request: &Request<'_>,
    input: UpdateVersionInput,
) -> Result<(NodegroupSpec, Params), ServiceError> {
    let current = &group.spec;
    // Without a version, the cluster's own (UpdateNodegroupVersion in the API reference).
    let version = input.version.unwrap_or(cluster.spec.version);
    if version > cluster.spec.version {
        return Err(invalid_parameter(format!(
            "Nodegroup version {version} can't be greater than the cluster's version {}",
            cluster.spec.version
        )));
    }
    if version < current.version {
        return Err(invalid_request(format!(
            "Nodegroup can't go back from version {} to {version}",
            current.version
        )));
    }
    let release_version = match input.release_version {
        Some(release) => known_release(&group.ami_type, version, release)?,
        None => newest_release(&group.ami_type, version)?,
    };
    if version == current.version {
        not_older(group, &release_version)?;
    }
    let launch_template = match (input.launch_template, &current.launch_template) {
        (None, current) => current.clone(),
        (Some(_), None) => {
            return Err(invalid_request(
                "A node group that was made without a launch template can't be given one",
            ));
        }
        (Some(asked), Some(current)) if !current.is_same_as(&asked) => {
            return Err(invalid_request(
                "A node group can't change to another launch template, only to another version",
            ));
        }
        (Some(asked), Some(_)) => Some(asked.resolved(request.ec2, &group.instance_types)?),
    };
    let mut params = vec![
        ("Version", version.to_string()),
        ("ReleaseVersion", release_version.clone()),
    ];
    if let Some(template) = &launch_template {
        params.extend(
            template
                .name
                .clone()
                .map(|name| ("LaunchTemplateName", name)),
        );
        params.extend(
            template
                .version
                .clone()
                .map(|v| ("LaunchTemplateVersion", v)),
        );
    }
    let spec = NodegroupSpec {
        version,
        release_version,
        launch_template,
        ..current.clone()
    };
    Ok((spec, params))
}

/// Refuses an AMI release older than the one that the node group has.
fn not_older(group: &Nodegroup, release: &str) -> Result<(), ServiceError> {
    let releases = catalog::releases(group.ami_type.as_str(), &group.spec.version.to_string());
    let place = |wanted: &str| releases.iter().position(|r| r == wanted);
    if place(release) < place(&group.spec.release_version) {
        return Err(invalid_request(format!(
            "Nodegroup can't go back from release version {} to {release}",
            group.spec.release_version
        )));
    }
    Ok(())
}

/// Refuses an update of a node group that something else is being done to.
fn must_be_free(group: &Nodegroup) -> Result<(), ServiceError> {
    if matches!(
        group.status,
        NodegroupStatus::Active | NodegroupStatus::Degraded
    ) {
        return Ok(());
    }
    Err(in_use(format!(
        "Nodegroup {} can't be updated while its status is {}",
        group.name,
        group.status.as_str()
    )))
}
