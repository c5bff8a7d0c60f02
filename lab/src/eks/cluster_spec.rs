//! What can be changed of a cluster, and the parts of requests that say so.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::KubernetesVersion;
use super::error::invalid_parameter;
use super::rules;
use crate::call::ServiceError;

/// What can be changed of a cluster. An update prepares the spec as it will be and puts it in
/// place when it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClusterSpec {
    pub(super) version: KubernetesVersion,
    pub(super) platform_version: String,
    pub(super) vpc: VpcSpec,
    pub(super) log_types: BTreeSet<LogType>,
    pub(super) encryption_key: Option<String>,
    pub(super) authentication_mode: AuthenticationMode,
    pub(super) support_type: SupportType,
    pub(super) deletion_protection: bool,
    pub(super) zonal_shift: bool,
    pub(super) scaling_tier: String,
}

impl ClusterSpec {
    /// The member `logging`: the types that are on, then those that are off.
    pub(super) fn logging(&self) -> Value {
        let off: Vec<_> = LogType::ALL
            .iter()
            .filter(|t| !self.log_types.contains(t))
            .collect();
        let mut setups = Vec::new();
        if !self.log_types.is_empty() {
            setups.push(json!({ "types": self.log_types, "enabled": true }));
        }
        if !off.is_empty() {
            setups.push(json!({ "types": off, "enabled": false }));
        }
        json!({ "clusterLogging": setups })
    }
}

/// Where a cluster's network interfaces are and who may reach its endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VpcSpec {
    pub(super) subnet_ids: Vec<String>,
    pub(super) security_group_ids: Vec<String>,
    pub(super) endpoint_public_access: bool,
    pub(super) endpoint_private_access: bool,
    pub(super) public_access_cidrs: Vec<String>,
}

/// `VpcConfigRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VpcConfig {
    pub(super) subnet_ids: Option<Vec<String>>,
    pub(super) security_group_ids: Option<Vec<String>>,
    pub(super) endpoint_public_access: Option<bool>,
    pub(super) endpoint_private_access: Option<bool>,
    pub(super) public_access_cidrs: Option<Vec<String>>,
}

impl VpcConfig {
    /// What a new cluster gets: public access unless told otherwise, private access only if told.
    pub(super) fn checked(self) -> Result<VpcSpec, ServiceError> {
        self.over(VpcSpec {
            subnet_ids: Vec::new(),
            security_group_ids: Vec::new(),
            endpoint_public_access: true,
            endpoint_private_access: false,
            public_access_cidrs: vec!["0.0.0.0/0".to_owned()],
        })
    }

    /// What becomes of `current` when this is asked for.
    pub(super) fn over(self, current: VpcSpec) -> Result<VpcSpec, ServiceError> {
        let spec = VpcSpec {
            subnet_ids: self.subnet_ids.unwrap_or(current.subnet_ids),
            security_group_ids: self
                .security_group_ids
                .unwrap_or(current.security_group_ids),
            endpoint_public_access: self
                .endpoint_public_access
                .unwrap_or(current.endpoint_public_access),
            endpoint_private_access: self
                .endpoint_private_access
                .unwrap_or(current.endpoint_private_access),
            public_access_cidrs: self
                .public_access_cidrs
                .unwrap_or(current.public_access_cidrs),
        };
        if !spec.endpoint_public_access && !spec.endpoint_private_access {
            return Err(invalid_parameter(
                "Private and public endpoint access cannot be disabled",
            ));
        }
        for group in &spec.security_group_ids {
            rules::security_group_id(group)?;
        }
        for cidr in &spec.public_access_cidrs {
            rules::cidr(cidr)?;
        }
        Ok(spec)
    }

    /// Whether it asks for something of the endpoint.
    pub(super) fn is_about_endpoint(&self) -> bool {
        self.endpoint_public_access.is_some()
            || self.endpoint_private_access.is_some()
            || self.public_access_cidrs.is_some()
    }

    /// Whether it asks for other subnets or security groups.
    pub(super) fn is_about_interfaces(&self) -> bool {
        self.subnet_ids.is_some() || self.security_group_ids.is_some()
    }
}

/// A kind of control plane log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum LogType {
    Api,
    Audit,
    Authenticator,
    ControllerManager,
    Scheduler,
}

impl LogType {
    const ALL: [Self; 5] = [
        Self::Api,
        Self::Audit,
        Self::Authenticator,
        Self::ControllerManager,
        Self::Scheduler,
    ];
}

/// `Logging`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Logging {
    #[serde(default)]
    cluster_logging: Vec<LogSetup>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogSetup {
    #[serde(default)]
    types: Vec<LogType>,
    #[serde(default)]
    enabled: bool,
}

impl Logging {
    /// The types that are on after this was applied. Types that aren't named stay as they are.
    pub(super) fn apply(
        &self,
        current: &BTreeSet<LogType>,
    ) -> Result<BTreeSet<LogType>, ServiceError> {
        let mut seen = BTreeSet::new();
        let mut on = current.clone();
        for (log_type, enabled) in self
            .cluster_logging
            .iter()
            .flat_map(|s| s.types.iter().map(|t| (*t, s.enabled)))
        {
            if !seen.insert(log_type) {
                return Err(invalid_parameter(
                    "A log type is named more than once in clusterLogging",
                ));
            }
            if enabled {
                on.insert(log_type);
            } else {
                on.remove(&log_type);
            }
        }
        Ok(on)
    }
}

/// `EncryptionConfig`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EncryptionConfig {
    #[serde(default)]
    resources: Vec<String>,
    provider: Option<KeyProvider>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyProvider {
    key_arn: Option<String>,
}

impl EncryptionConfig {
    /// The one key that these configurations name.
    pub(super) fn key(configs: &[Self]) -> Result<Option<String>, ServiceError> {
        let config = match configs {
            [] => return Ok(None),
            [config] => config,
            _ => {
                return Err(invalid_parameter(
                    "At most one encryptionConfig can be given",
                ));
            }
        };
        // EKS doesn't go by the resources any more (EncryptionConfig in the API reference).
        if !config.resources.is_empty() && config.resources != ["secrets"] {
            return Err(invalid_parameter(
                "The only resources that can be encrypted are secrets",
            ));
        }
        let key = config.provider.as_ref().and_then(|p| p.key_arn.clone());
        key.filter(|key| key.starts_with("arn:aws:kms:") || key.starts_with("alias/"))
            .map(Some)
            .ok_or_else(|| {
                invalid_parameter("provider.keyArn must be the ARN or alias of a KMS key")
            })
    }
}

/// How principals are let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum AuthenticationMode {
    // In the order in which a cluster can move from one to another.
    /// By the ConfigMap aws-auth alone.
    #[default]
    ConfigMap,
    /// By both.
    ApiAndConfigMap,
    /// By access entries alone.
    Api,
}

impl AuthenticationMode {
    /// Whether the cluster has access entries.
    pub(super) fn has_entries(self) -> bool {
        self != Self::ConfigMap
    }
}

/// `CreateAccessConfigRequest` and `UpdateAccessConfigRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AccessConfig {
    pub(super) bootstrap_cluster_creator_admin_permissions: Option<bool>,
    pub(super) authentication_mode: Option<AuthenticationMode>,
}

/// What happens at the end of standard support.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum SupportType {
    /// The cluster is upgraded.
    Standard,
    /// It enters extended support.
    #[default]
    Extended,
}

/// `UpgradePolicyRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpgradePolicy {
    pub(super) support_type: Option<SupportType>,
}

impl UpgradePolicy {
    pub(super) fn is_standard(&self) -> bool {
        self.support_type == Some(SupportType::Standard)
    }
}

/// An object with one member, `enabled`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Toggle {
    #[serde(default)]
    pub(super) enabled: bool,
}

/// `ControlPlaneScalingConfig`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlPlaneScaling {
    tier: Option<String>,
}

const SCALING_TIERS: [&str; 5] = ["standard", "tier-xl", "tier-2xl", "tier-4xl", "tier-8xl"];

impl ControlPlaneScaling {
    pub(super) fn checked(self) -> Result<String, ServiceError> {
        let tier = self.tier.unwrap_or_else(|| SCALING_TIERS[0].to_owned());
        if SCALING_TIERS.contains(&tier.as_str()) {
            Ok(tier)
        } else {
            Err(invalid_parameter(format!(
                "tier must be one of {}",
                SCALING_TIERS.join(", ")
            )))
        }
    }
}
