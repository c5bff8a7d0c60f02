//! Updates of the control plane: its version, its configuration, its encryption.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::agenda::takes;
use super::catalog::{KubernetesVersion, VERSION_SKEW, version};
use super::cluster_spec::{
    AccessConfig, ClusterSpec, ControlPlaneScaling, EncryptionConfig, Logging, Toggle,
    UpgradePolicy, VpcConfig,
};
use super::error::{About, invalid_parameter, invalid_request, invalid_state};
use super::insights;
use super::request::{Request, Served};
use super::state::{Cluster, Region};
use super::updates::{self, Change, NewUpdate, Subject, UpdateType};
use super::{keys, network};
use crate::call::ServiceError;

/// What an update's `params` say.
type Params = Vec<(&'static str, String)>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateVersion {
    version: KubernetesVersion,
    client_request_token: Option<String>,
    #[serde(default)]
    force: bool,
}

/// How long after an upgrade the control plane can be rolled back.
const ROLLBACK_WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);

/// `UpdateClusterVersion`.
pub(super) fn update_version(region: &mut Region, request: &Request<'_>) -> Served {
    let input: UpdateVersion = request.body()?;
    let token = request.token(input.client_request_token);
    let cluster = region.cluster(request.cluster())?;
    if let Some(before) = updates::repeated(cluster, token.as_ref())? {
        return Ok(before);
    }
    updates::cluster_must_be_free(cluster)?;
    let target = input.version;
    let kind = direction(cluster, target, request.now()).map_err(|e| e.cluster(&cluster.name))?;
    nodes_must_bear(cluster, target).map_err(|e| e.cluster(&cluster.name))?;
    if kind == UpdateType::VersionUpdate && !input.force {
        let blocking = insights::blocking(cluster, target);
        if !blocking.is_empty() {
            return Err(invalid_state(format!(
                "Upgrade readiness insights of cluster {} are in ERROR for version {target}: {}",
                cluster.name,
                blocking.join("; ")
            ))
            .cluster(&cluster.name));
        }
    }
    let platform_version = version(target).map_or_else(String::new, |v| v.platform_version());
    let params = vec![
        ("Version", target.to_string()),
        ("PlatformVersion", platform_version.clone()),
    ];
    let spec = ClusterSpec {
        version: target,
        platform_version,
        ..cluster.spec.clone()
    };
    updates::begin(
        region,
        request,
        NewUpdate {
            subject: Subject::Cluster,
            kind,
            params,
            change: Change::Cluster(Box::new(spec)),
            takes: takes::VERSION_UPDATE,
            token,
        },
    )
}

/// Whether the way to `target` is an upgrade or a rollback.
///
/// # Errors
/// `InvalidParameterException` or `InvalidRequestException` if it is neither.
fn direction(
    cluster: &Cluster,
    target: KubernetesVersion,
    now: Timestamp,
) -> Result<UpdateType, ServiceError> {
    let current = cluster.spec.version;
    if !version(target).is_some_and(|info| info.is_offered()) {
        return Err(invalid_parameter(format!(
            "unsupported Kubernetes version {target}"
        )));
    }
    match target.ahead_of(current) {
        0 => Err(invalid_parameter(format!(
            "Cluster is already at version {current}"
        ))),
        1 => Ok(UpdateType::VersionUpdate),
        -1 => {
            let open = cluster.upgrade.is_some_and(|upgrade| {
                upgrade.from == target && now.duration_since(upgrade.at) <= ROLLBACK_WINDOW
            });
            if open {
                Ok(UpdateType::VersionRollback)
            } else {
                Err(invalid_request(format!(
                    "Cluster cannot be rolled back from {current} to {target}: it was not upgraded \
                     from {target} within the last 7 days"
                )))
            }
        }
        _ => Err(invalid_parameter(format!(
            "Unsupported Kubernetes minor version update from {current} to {target}"
        ))),
    }
}

/// Refuses a version that leaves nodes ahead of the control plane or too far behind it.
fn nodes_must_bear(cluster: &Cluster, target: KubernetesVersion) -> Result<(), ServiceError> {
    for group in cluster.nodegroups.values() {
        let lag = target.ahead_of(group.spec.version);
        let why = if lag < 0 {
            "would be ahead of the control plane"
        } else if lag > i32::from(VERSION_SKEW) {
            "would be more than three minor versions behind the control plane"
        } else {
            continue;
        };
        return Err(invalid_request(format!(
            "Nodegroup {} at version {} {why} at version {target}",
            group.name, group.spec.version
        ))
        .nodegroup(&group.name));
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateConfig {
    resources_vpc_config: Option<VpcConfig>,
    logging: Option<Logging>,
    client_request_token: Option<String>,
    access_config: Option<AccessConfig>,
    upgrade_policy: Option<UpgradePolicy>,
    zonal_shift_config: Option<Toggle>,
    deletion_protection: Option<bool>,
    control_plane_scaling_config: Option<ControlPlaneScaling>,
}

/// A configuration change that has been checked.
#[derive(Debug)]
struct ConfigChange {
    kind: UpdateType,
    params: Params,
    spec: ClusterSpec,
}

/// `UpdateClusterConfig`: one kind of change a call.
pub(super) fn update_config(region: &mut Region, request: &Request<'_>) -> Served {
    let input: UpdateConfig = request.body()?;
    let token = request.token(input.client_request_token.clone());
    let cluster = region.cluster(request.cluster())?;
    if let Some(before) = updates::repeated(cluster, token.as_ref())? {
        return Ok(before);
    }
    updates::cluster_must_be_free(cluster)?;
    let change = config_change(cluster, request, input).map_err(|e| e.cluster(&cluster.name))?;
    updates::begin(
        region,
        request,
        NewUpdate {
            subject: Subject::Cluster,
            kind: change.kind,
            params: change.params,
            change: Change::Cluster(Box::new(change.spec)),
            takes: takes::CONFIG_UPDATE,
            token,
        },
    )
}

fn config_change(
    cluster: &Cluster,
    request: &Request<'_>,
    input: UpdateConfig,
) -> Result<ConfigChange, ServiceError> {
    let current = &cluster.spec;
    let mut changes = Vec::new();
    let mut change = |kind, params, edit: &dyn Fn(&mut ClusterSpec)| {
        let mut spec = current.clone();
        edit(&mut spec);
        changes.push(ConfigChange { kind, params, spec });
    };
    if let Some(vpc) = input.resources_vpc_config {
        let (kind, params) = vpc_change(cluster, request, &vpc)?;
        let vpc = vpc.over(current.vpc.clone())?;
        change(kind, params, &|spec| spec.vpc = vpc.clone());
    }
    if let Some(logging) = input.logging {
        let log_types = logging.apply(&current.log_types)?;
        let after = ClusterSpec {
            log_types,
            ..current.clone()
        };
        let params = vec![("ClusterLogging", after.logging().to_string())];
        change(UpdateType::LoggingUpdate, params, &|spec| {
            *spec = after.clone()
        });
    }
    if let Some(mode) = input
        .access_config
        .and_then(|access| access.authentication_mode)
    {
        if mode < current.authentication_mode {
            return Err(invalid_parameter(
                "authenticationMode can move from CONFIG_MAP to API_AND_CONFIG_MAP to API, not back",
            ));
        }
        let params = vec![("AuthenticationMode", word(&mode))];
        change(UpdateType::AccessConfigUpdate, params, &|spec| {
            spec.authentication_mode = mode
        });
    }
    if let Some(policy) = input.upgrade_policy {
        let support_type = policy.support_type.unwrap_or_default();
        super::clusters::offered(current.version, &policy)?;
        let params = vec![(
            "UpgradePolicy",
            json!({ "supportType": support_type }).to_string(),
        )];
        change(UpdateType::UpgradePolicyUpdate, params, &|spec| {
            spec.support_type = support_type
        });
    }
    if let Some(Toggle { enabled }) = input.zonal_shift_config {
        let params = vec![(
            "ZonalShiftConfig",
            json!({ "enabled": enabled }).to_string(),
        )];
        change(UpdateType::ZonalShiftConfigUpdate, params, &|spec| {
            spec.zonal_shift = enabled
        });
    }
    if let Some(on) = input.deletion_protection {
        let params = vec![("DeletionProtection", on.to_string())];
        change(UpdateType::DeletionProtectionUpdate, params, &|spec| {
            spec.deletion_protection = on
        });
    }
    if let Some(scaling) = input.control_plane_scaling_config {
        let tier = scaling.checked()?;
        let params = vec![
            ("PreviousTier", current.scaling_tier.clone()),
            ("UpdatedTier", tier.clone()),
        ];
        change(
            UpdateType::ControlPlaneScalingConfigUpdate,
            params,
            &|spec| {
                spec.scaling_tier.clone_from(&tier);
            },
        );
    }
    one_that_changes(current, changes)
}

fn one_that_changes(
    current: &ClusterSpec,
    changes: Vec<ConfigChange>,
) -> Result<ConfigChange, ServiceError> {
    let mut changes = changes.into_iter();
    match (changes.next(), changes.next()) {
        (None, _) => Err(invalid_parameter(
            "No changes needed: the request names none",
        )),
        (Some(_), Some(_)) => Err(invalid_parameter("Only one type of update can be allowed")),
        (Some(change), None) if change.spec == *current => Err(invalid_parameter(format!(
            "Cluster is already at the desired configuration ({})",
            change
                .params
                .iter()
                .map(|(k, v)| format!("{k}: {v}"))
                .collect::<Vec<_>>()
                .join(", ")
        ))),
        (Some(change), None) => Ok(change),
    }
}

fn vpc_change(
    cluster: &Cluster,
    request: &Request<'_>,
    vpc: &VpcConfig,
) -> Result<(UpdateType, Params), ServiceError> {
    if vpc.is_about_endpoint() && vpc.is_about_interfaces() {
        return Err(invalid_parameter(
            "Endpoint access and subnets or security groups can't be changed in one update",
        ));
    }
    if vpc.is_about_interfaces() {
        let mut params = Vec::new();
        if let Some(subnets) = &vpc.subnet_ids {
            if network::control_plane_vpc(request.ec2, subnets)? != cluster.vpc_id {
                return Err(invalid_parameter(format!(
                    "Subnets specified must belong to the cluster's VPC {}",
                    cluster.vpc_id
                )));
            }
            params.push(("Subnets", json!(subnets).to_string()));
        }
        if let Some(groups) = &vpc.security_group_ids {
            params.push(("SecurityGroups", json!(groups).to_string()));
        }
        return Ok((UpdateType::VpcConfigUpdate, params));
    }
    let mut params = Vec::new();
    if let Some(on) = vpc.endpoint_public_access {
        params.push(("EndpointPublicAccess", on.to_string()));
    }
    if let Some(on) = vpc.endpoint_private_access {
        params.push(("EndpointPrivateAccess", on.to_string()));
    }
    if let Some(cidrs) = &vpc.public_access_cidrs {
        params.push(("PublicAccessCidrs", json!(cidrs).to_string()));
    }
    Ok((UpdateType::EndpointAccessUpdate, params))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AssociateEncryption {
    encryption_config: Vec<EncryptionConfig>,
    client_request_token: Option<String>,
}

/// `AssociateEncryptionConfig`: once, for a cluster that was made without.
pub(super) fn associate_encryption(region: &mut Region, request: &Request<'_>) -> Served {
    let input: AssociateEncryption = request.body()?;
    let token = request.token(input.client_request_token);
    let cluster = region.cluster(request.cluster())?;
    if let Some(before) = updates::repeated(cluster, token.as_ref())? {
        return Ok(before);
    }
    updates::cluster_must_be_free(cluster)?;
    let key = EncryptionConfig::key(&input.encryption_config)
        .and_then(|key| key.ok_or_else(|| invalid_parameter("encryptionConfig names no key")))
        .map_err(|e| e.cluster(&cluster.name))?;
    keys::usable(request, &key).map_err(|e| e.cluster(&cluster.name))?;
    if cluster.spec.encryption_key.is_some() {
        return Err(invalid_request(format!(
            "Cluster {} has an encryption configuration already, which can't be changed",
            cluster.name
        ))
        .cluster(&cluster.name));
    }
    let config = json!([{ "resources": ["secrets"], "provider": { "keyArn": key } }]);
    let spec = ClusterSpec {
        encryption_key: Some(key),
        ..cluster.spec.clone()
    };
    updates::begin(
        region,
        request,
        NewUpdate {
            subject: Subject::Cluster,
            kind: UpdateType::AssociateEncryptionConfig,
            params: vec![("EncryptionConfig", config.to_string())],
            change: Change::Cluster(Box::new(spec)),
            takes: takes::ENCRYPTION,
            token,
        },
    )
}

/// An enumeration's value as it is written on the wire.
fn word(value: &impl serde::Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}
