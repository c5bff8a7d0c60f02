//! A cluster's settings: every key of the environment files, typed and checked.
//!
//! What a setting is where no file gives it stands in `defaults.yaml`, the lowest layer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use schemars::JsonSchema;
use secrecy::SecretString;

use super::addons::{Addon, refuse_references};
use super::decode::Decoder;
use super::eks::{
    ChartVersion, EksVersion, IssuerUrl, LogRetention, LogType, ProviderConfigName, UpgradePolicy,
    WorkloadIdentity,
};
use super::identity::{AccountId, ClusterName, Region, RolePath};
use super::kubernetes::{KarpenterSettings, StorageClasses};
use super::node::{Map, Node, Value};
use super::node_group::{
    AmiType, CapacityType, DiskSize, InstanceType, MaxUnavailable, NodeCount, NodeGroupName,
};
use super::problem::Problem;
use super::source::Location;
use super::verify::VerifySettings;

/// The settings of one cluster.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Settings {
    /// The cluster's name; must be the name that its role's file lists it by.
    pub cluster_name: ClusterName,
    /// The AWS account that the cluster lives in: twelve digits. Quote it.
    pub aws_account_id: AccountId,
    /// Path and name of the IAM role that the pipeline assumes in that account.
    pub aws_assume_role: RolePath,
    /// The AWS region that the cluster lives in; must be the one that its name ends in.
    pub aws_region: Region,

    /// The Kubernetes version. Raised one minor at a time, whatever the distance. Quote it.
    pub eks_version: EksVersion,
    /// The control plane's logs that are kept.
    pub enable_log_types: Vec<LogType>,
    /// For how many days they are kept: a number that CloudWatch Logs takes.
    pub log_retention_days: LogRetention,
    /// Whether the cluster is protected from deletion.
    pub deletion_protection: bool,
    /// Whether the cluster may stay on a version in extended support.
    pub upgrade_policy: UpgradePolicy,
    /// Whether the API server can be reached from outside the VPC.
    pub endpoint_public_access: bool,
    /// How pods come by their IAM roles.
    pub workload_identity: WorkloadIdentity,
    /// The OIDC group that is bound to cluster-admin.
    pub admin_group: String,
    /// The EKS add-ons, each a name or a mapping.
    #[schemars(schema_with = "super::schema::addons")]
    pub addons: Vec<Addon>,

    /// Value of the `Tier` tag of the subnets for nodes and mount targets.
    pub node_subnet_identifier: String,
    /// Value of the `Tier` tag of the subnets for the control plane.
    pub intra_subnet_identifier: String,

    /// Whether the management nodes are replaced whenever a newer AMI release is out.
    pub auto_refresh_management_node_group: bool,
    /// The management node group's name.
    pub management_node_group_name: NodeGroupName,
    /// Value of the nodes' label `node.kubernetes.io/role`.
    pub management_node_group_role: String,
    /// The image that the management nodes run.
    pub management_node_group_ami_type: AmiType,
    /// The management nodes' disk, in GiB.
    pub management_node_group_disk_size: DiskSize,
    /// How the management nodes are bought.
    pub management_node_group_capacity_type: CapacityType,
    /// How many management nodes to begin with.
    pub management_node_group_desired_size: NodeCount,
    /// The most management nodes.
    pub management_node_group_max_size: NodeCount,
    /// The fewest management nodes.
    pub management_node_group_min_size: NodeCount,
    /// EC2 instance types of the management nodes, most wanted first.
    #[schemars(length(min = 1))]
    pub management_node_group_instance_types: Vec<InstanceType>,
    /// How many management nodes may be unavailable during an update: a count or a percentage.
    pub node_max_unavailable: MaxUnavailable,

    /// Version of the Karpenter charts.
    pub karpenter_chart_version: ChartVersion,
    /// Where the Karpenter charts come from.
    pub karpenter: KarpenterSettings,
    /// Parameters of the storage classes that psk makes.
    pub storage_classes: StorageClasses,

    /// What the checks that prove the cluster good run with.
    pub verify: VerifySettings,

    /// Client id of the platform's OIDC identity provider. A secret.
    #[schemars(with = "String")]
    pub oidc_client_id: SecretString,
    /// The claim that carries a user's groups.
    pub oidc_groups_claim: String,
    /// Name of the cluster's identity provider configuration.
    pub oidc_identity_provider_config_name: ProviderConfigName,
    /// The OIDC identity provider's address, exactly as its tokens name it.
    pub oidc_issuer_url: IssuerUrl,

    /// Tags for everything that the cluster is made of, beside psk's own.
    pub tags: BTreeMap<String, String>,
}

/// What settings are read for.
pub(crate) struct For<'a> {
    /// The cluster, by the name that its role's file lists it by.
    pub(crate) cluster: &'a ClusterName,
    /// Where it is listed.
    pub(crate) at: &'a Location,
    /// What to do about a setting that is missing.
    pub(crate) supply: String,
}

impl Settings {
    /// The settings in `map`. `None` where something is wrong, which is then in `problems`, or
    /// where some reference's value isn't known yet.
    pub(crate) fn decode(map: &Map, of: For<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let subject = format!("cluster \"{}\"", of.cluster);
        let mut decoder = Decoder::new(map, of.at, subject, "", problems).supply(of.supply);
        let cluster_name = decoder.required("cluster_name");
        let aws_account_id = decoder.required("aws_account_id");
        let aws_assume_role = decoder.required("aws_assume_role");
        let aws_region = decoder.required("aws_region");
        let eks_version = decoder.required("eks_version");
        let enable_log_types = decoder.required("enable_log_types");
        let log_retention_days = decoder.required("log_retention_days");
        let deletion_protection = decoder.required("deletion_protection");
        let upgrade_policy = decoder.required("upgrade_policy");
        let endpoint_public_access = decoder.required("endpoint_public_access");
        let workload_identity = decoder.required("workload_identity");
        let admin_group = decoder.required("admin_group");
        let addons = decoder.required("addons");
        let node_subnet_identifier = decoder.required("node_subnet_identifier");
        let intra_subnet_identifier = decoder.required("intra_subnet_identifier");
        let auto_refresh = decoder.required("auto_refresh_management_node_group");
        let group_name = decoder.required("management_node_group_name");
        let group_role = decoder.required("management_node_group_role");
        let ami_type = decoder.required("management_node_group_ami_type");
        let disk_size = decoder.required("management_node_group_disk_size");
        let capacity_type = decoder.required("management_node_group_capacity_type");
        let desired_size = decoder.required("management_node_group_desired_size");
        let max_size = decoder.required("management_node_group_max_size");
        let min_size = decoder.required("management_node_group_min_size");
        let instance_types = decoder.required("management_node_group_instance_types");
        let node_max_unavailable = decoder.required("node_max_unavailable");
        let karpenter_chart_version = decoder.required("karpenter_chart_version");
        let karpenter = decoder.required("karpenter");
        let storage_classes = decoder.required("storage_classes");
        let verify = decoder.required("verify");
        let oidc_client_id = decoder.required("oidc_client_id");
        let oidc_groups_claim = decoder.required("oidc_groups_claim");
        let provider_config_name = decoder.required("oidc_identity_provider_config_name");
        let oidc_issuer_url = decoder.required("oidc_issuer_url");
        let tags = decoder.required("tags");
        decoder.finish();

        check_place(
            map,
            of.cluster,
            cluster_name.as_ref(),
            aws_region.as_ref(),
            problems,
        );
        check_sizes(map, min_size, desired_size, max_size, problems);
        check_lists(
            map,
            enable_log_types.as_deref(),
            addons.as_deref(),
            problems,
        );
        check_instance_types(map, instance_types.as_deref(), problems);
        check_tags(map, tags.as_ref(), problems);

        if problems.len() > before {
            return None;
        }
        Some(Self {
            cluster_name: cluster_name?,
            aws_account_id: aws_account_id?,
            aws_assume_role: aws_assume_role?,
            aws_region: aws_region?,
            eks_version: eks_version?,
            enable_log_types: enable_log_types?,
            log_retention_days: log_retention_days?,
            deletion_protection: deletion_protection?,
            upgrade_policy: upgrade_policy?,
            endpoint_public_access: endpoint_public_access?,
            workload_identity: workload_identity?,
            admin_group: admin_group?,
            addons: addons?,
            node_subnet_identifier: node_subnet_identifier?,
            intra_subnet_identifier: intra_subnet_identifier?,
            auto_refresh_management_node_group: auto_refresh?,
            management_node_group_name: group_name?,
            management_node_group_role: group_role?,
            management_node_group_ami_type: ami_type?,
            management_node_group_disk_size: disk_size?,
            management_node_group_capacity_type: capacity_type?,
            management_node_group_desired_size: desired_size?,
            management_node_group_max_size: max_size?,
            management_node_group_min_size: min_size?,
            management_node_group_instance_types: instance_types?,
            node_max_unavailable: node_max_unavailable?,
            karpenter_chart_version: karpenter_chart_version?,
            karpenter: karpenter?,
            storage_classes: storage_classes?,
            verify: verify?,
            oidc_client_id: oidc_client_id?,
            oidc_groups_claim: oidc_groups_claim?,
            oidc_identity_provider_config_name: provider_config_name?,
            oidc_issuer_url: oidc_issuer_url?,
            tags: tags?,
        })
    }
}

fn blame(map: &Map, key: &str, message: String, problems: &mut Vec<Problem>) {
    if let Some(entry) = map.get(key) {
        problems.push(Problem::at(&entry.node.at, message));
    }
}

/// A value for a message, or only its reference where it came out of a vault.
fn told(node: Option<&Node>, value: impl Display) -> String {
    let mut from_vault = None;
    if let Some(node) = node {
        node.scalars(&mut |_, scalar| {
            if !scalar.taint.references.is_empty() {
                from_vault = Some(scalar.quoted());
            }
        });
    }
    from_vault.unwrap_or_else(|| value.to_string())
}

fn node<'a>(map: &'a Map, key: &str) -> Option<&'a Node> {
    map.get(key).map(|entry| &entry.node)
}

/// A cluster is what its name says: itself, and in its region.
fn check_place(
    map: &Map,
    cluster: &ClusterName,
    named: Option<&ClusterName>,
    region: Option<&Region>,
    problems: &mut Vec<Problem>,
) {
    if let Some(named) = named.filter(|named| *named != cluster) {
        let named = told(node(map, "cluster_name"), named);
        let message = format!("cluster_name is {named} but these are settings of {cluster}");
        blame(map, "cluster_name", message, problems);
    }
    if let Some(region) = region.filter(|region| region.as_str() != cluster.region()) {
        let region = told(node(map, "aws_region"), region);
        let message = format!("aws_region is {region} but the name of {cluster} says otherwise");
        blame(map, "aws_region", message, problems);
    }
}

fn check_sizes(
    map: &Map,
    min: Option<NodeCount>,
    desired: Option<NodeCount>,
    max: Option<NodeCount>,
    problems: &mut Vec<Problem>,
) {
    let (Some(min), Some(desired), Some(max)) = (min, desired, max) else {
        return;
    };
    let wrong = if min > max {
        Some(("min", min, "more than", "max", max))
    } else if desired < min {
        Some(("desired", desired, "less than", "min", min))
    } else if desired > max {
        Some(("desired", desired, "more than", "max", max))
    } else {
        None
    };
    if let Some((one, size, relation, other, limit)) = wrong {
        let (key, other) = (
            format!("management_node_group_{one}_size"),
            format!("management_node_group_{other}_size"),
        );
        let (size, limit) = (told(node(map, &key), size), told(node(map, &other), limit));
        blame(
            map,
            &key,
            format!("{key} is {size}, {relation} {other}, {limit}"),
            problems,
        );
    }
}

fn check_lists(
    map: &Map,
    logs: Option<&[LogType]>,
    addons: Option<&[Addon]>,
    problems: &mut Vec<Problem>,
) {
    if let Some(logs) = logs {
        check_repeated(map, "enable_log_types", logs.iter(), problems);
    }
    if let Some(addons) = addons {
        check_repeated(
            map,
            "addons",
            addons.iter().map(|addon| &addon.name),
            problems,
        );
    }
}

fn check_repeated<T: Ord + Copy + Display>(
    map: &Map,
    key: &str,
    items: impl Iterator<Item = T>,
    problems: &mut Vec<Problem>,
) {
    let Some(Node {
        value: Value::List(nodes),
        ..
    }) = node(map, key)
    else {
        return;
    };
    let mut seen = BTreeSet::new();
    for (item, node) in items.zip(nodes) {
        if !seen.insert(item) {
            let message = format!("{key} names {} twice", told(Some(node), item));
            problems.push(Problem::at(&node.at, message));
        }
    }
}

fn check_instance_types(map: &Map, types: Option<&[InstanceType]>, problems: &mut Vec<Problem>) {
    const KEY: &str = "management_node_group_instance_types";
    match types {
        Some([]) => blame(map, KEY, format!("{KEY} is empty"), problems),
        // CreateNodegroup's own limit.
        Some(types) if types.len() > 20 => {
            blame(
                map,
                KEY,
                format!("{KEY} names more than 20 instance types"),
                problems,
            );
        }
        _ => {}
    }
}

fn check_tags(map: &Map, tags: Option<&BTreeMap<String, String>>, problems: &mut Vec<Problem>) {
    let Some(entry) = map.get("tags") else { return };
    if refuse_references(&entry.node, "a tag", problems).is_none() {
        return;
    }
    for (key, value) in tags.into_iter().flatten() {
        // AWS's limits for tags.
        let complaint = if key.starts_with("aws:") {
            "begins with aws:, which is AWS's own"
        } else if key.chars().count() > 128 {
            "is longer than 128 characters"
        } else if value.chars().count() > 256 {
            "has a value longer than 256 characters"
        } else {
            continue;
        };
        blame(
            map,
            "tags",
            format!("the tag \"{key}\" {complaint}"),
            problems,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::FileKind;
    use super::super::source::Source;
    use super::*;

    #[test]
    fn the_schema_has_the_very_keys_that_are_read() {
        let cluster = "qa-i01-aws-us-east-1".parse().unwrap();
        let at = Source::new("", "").beginning();
        let of = For {
            cluster: &cluster,
            at: &at,
            supply: String::new(),
        };
        let mut problems = Vec::new();
        assert!(Settings::decode(&Map::default(), of, &mut problems).is_none());
        let (_, missing) = problems[0].message.split_once(" has no ").unwrap();
        let read: BTreeSet<&str> = missing.split(", ").collect();

        let schema: serde_json::Value =
            serde_json::from_str(&FileKind::Environment.schema()).unwrap();
        let keys = schema["properties"].as_object().unwrap().keys();
        assert_eq!(read, keys.map(String::as_str).collect());
    }
}
