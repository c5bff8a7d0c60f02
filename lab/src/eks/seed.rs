//! Puts whole clusters into a region, as if someone had made them some weeks ago.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use super::access::AccessEntry;
use super::addons::{AddonSpec, AddonState, AddonStatus};
use super::catalog::{self, Addon, KubernetesVersion};
use super::cluster_spec::{AuthenticationMode, ClusterSpec, VpcSpec};
use super::clusters::{ClusterStatus, Place};
use super::identity_providers::IdentityProvider;
use super::insights;
use super::node_spec::{
    AmiType, CapacityType, LaunchTemplate, NodeRepair, Scaling, Taint, TaintEffect, UpdateConfig,
    launch_template_id,
};
use super::nodegroups::{Nodegroup, NodegroupSpec, NodegroupStatus};
use super::pod_identity::Association;
use super::state::{Cluster, Region};
use crate::ec2;
use crate::ids::{digest, uuid_from};
use crate::seed::blueprint::{ADDON_ROLES, Blueprint};
use crate::seed::{ClusterSeed, NodeGroupSeed, network};

/// How far a seeded cluster is from what its settings ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is what they ask for, with the newest add-ons and AMI release.
    Right,
    /// It is one minor version older, if EKS still has that, with older add-ons and an older AMI
    /// release.
    Behind,
}

/// Why a cluster can't be seeded.
#[derive(Debug, Error)]
pub enum SeedError {
    /// The version isn't one that EKS offers.
    #[error("cluster {cluster}: EKS has no Kubernetes version '{version}'")]
    Version {
        /// The cluster.
        cluster: String,
        /// The version that its settings ask for.
        version: String,
    },
    /// The AMI type isn't one that EKS has images of for the version.
    #[error("cluster {cluster}: EKS has no images of AMI type '{ami_type}' for its version")]
    AmiType {
        /// The cluster.
        cluster: String,
        /// The AMI type that its settings ask for.
        ami_type: String,
    },
    /// EKS has no add-on of that name.
    #[error("cluster {cluster}: EKS has no add-on '{addon}'")]
    Addon {
        /// The cluster.
        cluster: String,
        /// The add-on that its settings ask for.
        addon: String,
    },
    /// The VPC or its subnets aren't there.
    #[error("cluster {cluster}: VPC {cluster}-vpc has no subnets whose Tier is '{tier}'")]
    Subnets {
        /// The cluster.
        cluster: String,
        /// Value of the tag `Tier`.
        tier: String,
    },
}

/// What others may know of a cluster that was put into a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeded {
    /// Id of the cluster, of which one made again under its name has another.
    pub id: String,
    /// Id of the security group that EKS made for it.
    pub security_group: String,
    /// URL of the issuer of its service accounts' tokens.
    pub issuer: String,
}

/// Puts a cluster into a region as its blueprint says.
///
/// # Errors
/// If the settings ask for something that EKS doesn't have, or the network isn't there.
pub(crate) fn seed(
    region: &mut Region,
    ec2: &ec2::Region,
    blueprint: &Blueprint<'_>,
    now: Timestamp,
) -> Result<Seeded, SeedError> {
    let plan = Plan::new(blueprint)?;
    let intra = subnets(ec2, plan.seed, &plan.seed.intra_tier)?;
    let nodes = subnets(ec2, plan.seed, &plan.seed.node_tier)?;
    let mut made = plan.cluster(intra);
    let group = plan.nodegroup(&made, nodes)?;
    made.nodegroups.insert(group.name.clone(), group);
    for name in &plan.seed.addons {
        let addon = plan.addon(&mut made, name)?;
        made.addons.insert(name.clone(), addon);
    }
    plan.admit(&mut made);
    insights::refreshed(&mut made, &region.findings, now);
    let seeded = Seeded {
        id: made.id.clone(),
        security_group: made.security_group(),
        issuer: made.issuer(),
    };
    region.clusters.insert(made.name.clone(), made);
    Ok(seeded)
}

/// ARN of the key that a seeded cluster's secrets are encrypted with.
pub(crate) fn key_arn(seed: &ClusterSeed) -> String {
    let ClusterSeed {
        name,
        account,
        region,
        ..
    } = seed;
    let key = uuid_from(digest(&[account, region, "key", name]));
    format!("arn:aws:kms:{region}:{account}:key/{key}")
}

struct Plan<'a> {
    blueprint: &'a Blueprint<'a>,
    seed: &'a ClusterSeed,
    condition: Condition,
    /// The version that the settings ask for.
    asked: KubernetesVersion,
    /// The version that the cluster has.
    version: KubernetesVersion,
    made_at: Timestamp,
}

/// Subnets, by id, and the VPC that they are in.
struct Subnets {
    vpc_id: String,
    ids: Vec<String>,
}

fn subnets(ec2: &ec2::Region, seed: &ClusterSeed, tier: &str) -> Result<Subnets, SeedError> {
    let found = network::subnets(ec2, seed, tier);
    let vpc_id = found.first().map(|subnet| subnet.vpc_id.clone());
    Ok(Subnets {
        vpc_id: vpc_id.ok_or_else(|| SeedError::Subnets {
            cluster: seed.name.clone(),
            tier: tier.to_owned(),
        })?,
        ids: found.iter().map(|subnet| subnet.id.clone()).collect(),
    })
}

impl<'a> Plan<'a> {
    fn new(blueprint: &'a Blueprint<'a>) -> Result<Self, SeedError> {
        let Blueprint {
            seed,
            condition,
            made_at,
            ..
        } = *blueprint;
        let is_offered =
            |v: &KubernetesVersion| catalog::version(*v).is_some_and(|i| i.is_offered());
        let asked: KubernetesVersion = seed
            .eks_version
            .parse()
            .ok()
            .filter(is_offered)
            .ok_or_else(|| SeedError::Version {
                cluster: seed.name.clone(),
                version: seed.eks_version.clone(),
            })?;
        let version = match condition {
            Condition::Right => asked,
            Condition::Behind => Some(asked.previous()).filter(is_offered).unwrap_or(asked),
        };
        Ok(Self {
            blueprint,
            seed,
            condition,
            asked,
            version,
            made_at,
        })
    }

    fn cluster(&self, subnets: Subnets) -> Cluster {
        let ClusterSeed {
            name,
            account,
            region,
            ..
        } = self.seed;
        let log_types: BTreeSet<_> = self
            .seed
            .log_types
            .iter()
            .filter_map(|name| serde_json::from_value(Value::from(name.as_str())).ok())
            .collect();
        let spec = ClusterSpec {
            version: self.version,
            platform_version: catalog::version(self.version)
                .map_or_else(String::new, |info| info.platform_version()),
            vpc: VpcSpec {
                subnet_ids: subnets.ids,
                security_group_ids: self.blueprint.cluster.security_groups.clone(),
                endpoint_public_access: !self.seed.private_only,
                endpoint_private_access: true,
                public_access_cidrs: vec!["0.0.0.0/0".to_owned()],
            },
            log_types,
            encryption_key: Some(key_arn(self.seed)),
            authentication_mode: AuthenticationMode::Api,
            support_type: serde_json::from_value(Value::from(
                self.blueprint.cluster.support_type.as_str(),
            ))
            .unwrap_or_default(),
            deletion_protection: self.blueprint.cluster.deletion_protection,
            zonal_shift: false,
            scaling_tier: "standard".to_owned(),
        };
        let place = Place {
            account,
            region,
            vpc_id: subnets.vpc_id,
        };
        let mut made = Cluster::begun(place, "seeded", name.clone(), spec, self.made_at);
        made.status = ClusterStatus::Active;
        made.role_arn = self.blueprint.role_arn(&self.blueprint.roles.cluster);
        made.self_managed_addons = false;
        made.creator_is_admin = false;
        made.tags = self.blueprint.cluster.tags.clone();
        made
    }

    fn nodegroup(&self, cluster: &Cluster, subnets: Subnets) -> Result<Nodegroup, SeedError> {
        let group = &self.seed.node_group;
        let unknown = || SeedError::AmiType {
            cluster: self.seed.name.clone(),
            ami_type: group.ami_type.clone(),
        };
        let ami_type = AmiType::try_from(group.ami_type.clone()).map_err(|_| unknown())?;
        let mut releases = catalog::releases(&group.ami_type, &self.version.to_string());
        let newest = releases.pop().ok_or_else(unknown)?;
        let release_version = match self.condition {
            Condition::Right => newest,
            Condition::Behind => releases.pop().unwrap_or(newest),
        };
        let planned = &self.blueprint.node_group;
        let name = &planned.name;
        let uuid = cluster.uuid("nodegroup", name, self.made_at);
        let template = planned.launch_template.clone();
        Ok(Nodegroup {
            name: name.clone(),
            arn: cluster.arn_of("nodegroup", &format!("{name}/{uuid}")),
            created_at: self.made_at,
            modified_at: self.made_at,
            status: NodegroupStatus::Active,
            spec: NodegroupSpec {
                version: self.version,
                release_version,
                scaling: Scaling {
                    min_size: group.min_size,
                    max_size: group.max_size,
                    desired_size: group.desired_size,
                },
                labels: labels(group),
                taints: vec![Taint {
                    key: Some("dedicated".to_owned()),
                    value: Some(group.role.clone()),
                    effect: Some(TaintEffect::NoSchedule),
                }],
                update_config: update_config(&planned.max_unavailable),
                node_repair: NodeRepair::default(),
                launch_template: Some(LaunchTemplate {
                    id: Some(launch_template_id(&template)),
                    name: Some(template),
                    version: Some("1".to_owned()),
                }),
            },
            node_role: self.blueprint.role_arn(&self.blueprint.roles.nodes),
            subnets: subnets.ids,
            ami_type,
            capacity_type: if group.capacity_type == "SPOT" {
                CapacityType::Spot
            } else {
                CapacityType::OnDemand
            },
            instance_types: group.instance_types.clone(),
            disk_size: None,
            auto_scaling_group: format!("eks-{name}-{uuid}"),
            issues: Vec::new(),
            tags: planned.tags.clone(),
            token: None,
        })
    }

    fn addon(&self, cluster: &mut Cluster, name: &str) -> Result<AddonState, SeedError> {
        let unknown = || SeedError::Addon {
            cluster: self.seed.name.clone(),
            addon: name.to_owned(),
        };
        let offered = catalog::addon(name).ok_or_else(unknown)?;
        let uuid = cluster.uuid("addon", name, self.made_at);
        let arn = cluster.arn_of("addon", &format!("{name}/{uuid}"));
        let role = ADDON_ROLES.iter().find(|role| role.addon == name);
        let role_arn = self.blueprint.roles.addons.get(name);
        let role_arn = role_arn.map(|role| self.blueprint.role_arn(role));
        let role_arn = match (role, role_arn) {
            (Some(role), Some(role_arn)) if self.seed.pod_identity => {
                self.associate(cluster, role.service_account, &role_arn);
                None
            }
            (_, role_arn) => role_arn,
        };
        Ok(AddonState {
            name: name.to_owned(),
            arn,
            created_at: self.made_at,
            modified_at: self.made_at,
            status: AddonStatus::Active,
            spec: AddonSpec {
                version: self.addon_version(offered).ok_or_else(unknown)?,
                role_arn,
                configuration: self
                    .seed
                    .addon_configuration
                    .get(name)
                    .map(Value::to_string),
                pod_identities: Vec::new(),
            },
            issues: Vec::new(),
            tags: self.blueprint.tags.clone(),
            token: None,
        })
    }

    /// The newest release, or the one before it. One that is behind still works with the version
    /// that is asked for, so that the add-ons don't stand in the upgrade's way.
    fn addon_version(&self, addon: &Addon) -> Option<String> {
        let releases = addon.releases_for(self.version);
        let older = match self.condition {
            Condition::Right => None,
            Condition::Behind => releases.iter().skip(1).find(|r| r.works_with(self.asked)),
        };
        older
            .or(releases.first())
            .map(|release| release.version.clone())
    }

    /// Lets in the pipeline, the nodes, Karpenter's nodes and people, and gives Karpenter its role.
    fn admit(&self, cluster: &mut Cluster) {
        let now = self.made_at;
        let Blueprint { roles, tags, .. } = self.blueprint;
        let arn = |role: &str| self.blueprint.role_arn(role);
        let pipeline = arn(self.seed.assume_role.trim_start_matches('/'));
        let karpenter_nodes = arn(&roles.karpenter_nodes);
        AccessEntry::put_cluster_admin(cluster, &pipeline, now);
        let linux = AmiType::default();
        for nodes in [&arn(&roles.nodes), &karpenter_nodes] {
            AccessEntry::ensure_for_nodes(cluster, nodes, &linux, now);
        }
        for principal in [&pipeline, &karpenter_nodes] {
            if let Some(entry) = cluster.access_entries.get_mut(principal) {
                entry.tags.clone_from(tags);
            }
        }
        self.associate(cluster, "karpenter", &arn(&roles.karpenter));
        if let Some(provider) = &self.seed.identity_provider {
            IdentityProvider::put(cluster, provider, tags.clone(), now);
        }
    }
}

impl Plan<'_> {
    /// Gives the pods of a service account of kube-system a role.
    fn associate(&self, cluster: &mut Cluster, service_account: &str, role: &str) {
        let mut association =
            Association::new(cluster, "kube-system", service_account, role, self.made_at);
        association.tags.clone_from(&self.blueprint.tags);
        cluster
            .associations
            .insert(association.id.clone(), association);
    }
}

fn update_config(max_unavailable: &str) -> UpdateConfig {
    let percentage = max_unavailable
        .strip_suffix('%')
        .and_then(|p| p.parse().ok());
    UpdateConfig {
        max_unavailable: percentage
            .is_none()
            .then(|| max_unavailable.parse().unwrap_or(1)),
        max_unavailable_percentage: percentage,
        update_strategy: Some(Default::default()),
    }
}

fn labels(group: &NodeGroupSeed) -> BTreeMap<String, String> {
    [
        ("nodegroup", group.name.as_str()),
        ("node.kubernetes.io/role", group.role.as_str()),
        ("karpenter.sh/controller", "true"),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .collect()
}
