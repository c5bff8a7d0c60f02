//! Clusters: made, described, listed, deleted.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::AccessEntry;
use super::agenda::{Effect, takes};
use super::catalog::{KubernetesVersion, Support, default_version, version};
use super::cluster_spec::{
    AccessConfig, ClusterSpec, ControlPlaneScaling, EncryptionConfig, Logging, Toggle,
    UpgradePolicy, VpcConfig,
};
use super::error::{About, in_use, invalid_parameter, invalid_request, limit_exceeded};
use super::insights::{self, Finding, Insights};
use super::request::{Request, Served, Tags, check_tags, epoch};
use super::state::{Cluster, Happening, Issue, Region};
use super::updates;
use super::{keys, network};
use super::{roles, rules};
use crate::call::ServiceError;
use crate::ids::{digest, stable_hex, uuid_from};

/// A cluster's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ClusterStatus {
    Creating,
    Active,
    Updating,
    Deleting,
    Failed,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateCluster {
    name: String,
    role_arn: String,
    resources_vpc_config: VpcConfig,
    version: Option<KubernetesVersion>,
    kubernetes_network_config: Option<NetworkConfig>,
    logging: Option<Logging>,
    client_request_token: Option<String>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    encryption_config: Vec<EncryptionConfig>,
    #[serde(default)]
    access_config: AccessConfig,
    bootstrap_self_managed_addons: Option<bool>,
    upgrade_policy: Option<UpgradePolicy>,
    zonal_shift_config: Option<Toggle>,
    deletion_protection: Option<bool>,
    control_plane_scaling_config: Option<ControlPlaneScaling>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NetworkConfig {
    service_ipv4_cidr: Option<String>,
    ip_family: Option<String>,
}

const DEFAULT_SERVICE_CIDR: &str = "172.20.0.0/16";

/// `CreateCluster`.
pub(super) fn create(region: &mut Region, request: &Request<'_>) -> Served {
    let input: CreateCluster = request.body()?;
    let name = input.name.clone();
    let token = request.token(input.client_request_token.clone());
    if let Some(cluster) = region.clusters.get(&name) {
        if let Some(before) = &cluster.token
            && before
                .is_repeated_by(token.as_ref())
                .map_err(|e| e.cluster(&name))?
        {
            return Ok(answer(cluster));
        }
        return Err(in_use(format!("Cluster already exists with name: {name}")).cluster(&name));
    }
    if region.clusters.len() >= region.quotas.clusters {
        return Err(limit_exceeded(format!(
            "Cluster quota of {} exceeded in account {} and region {}",
            region.quotas.clusters,
            request.account(),
            request.region(),
        ))
        .cluster(&name));
    }
    let mut cluster = begin(request, input).map_err(|e| e.cluster(&name))?;
    cluster.token = token;
    let answer = answer(&cluster);
    region.clusters.insert(name.clone(), cluster);
    let failure = request
        .fate()
        .or_else(|| region.failure_of(Happening::ClusterCreation, &name));
    let effect = Effect::ClusterCreated { failure };
    region
        .agenda
        .add(request.now(), takes::CLUSTER_CREATION, &name, effect);
    Ok(answer)
}

fn begin(request: &Request<'_>, input: CreateCluster) -> Result<Cluster, ServiceError> {
    rules::cluster_name(&input.name)?;
    rules::role_arn(&input.role_arn)?;
    roles::of_cluster(request, &input.role_arn)?;
    check_tags(&input.tags).map_err(invalid_parameter)?;
    let version = input.version.unwrap_or_else(default_version);
    let policy = input.upgrade_policy.unwrap_or_default();
    let platform_version = offered(version, &policy)?;
    let subnets = input
        .resources_vpc_config
        .subnet_ids
        .clone()
        .unwrap_or_default();
    let vpc_id = network::control_plane_vpc(request.ec2, &subnets)?;
    let encryption_key = EncryptionConfig::key(&input.encryption_config)?;
    if let Some(key) = &encryption_key {
        keys::usable(request, key)?;
    }
    let network = input.kubernetes_network_config.unwrap_or_default();
    if network
        .ip_family
        .as_deref()
        .is_some_and(|family| family != "ipv4")
    {
        return Err(invalid_parameter(
            "The subnets have no IPv6 CIDR blocks; ipFamily must be ipv4",
        ));
    }
    let service_cidr = network
        .service_ipv4_cidr
        .unwrap_or_else(|| DEFAULT_SERVICE_CIDR.to_owned());
    rules::service_cidr(&service_cidr)?;
    let creator_is_admin = input
        .access_config
        .bootstrap_cluster_creator_admin_permissions
        .unwrap_or(true);
    let spec = ClusterSpec {
        version,
        platform_version,
        vpc: input.resources_vpc_config.checked()?,
        log_types: input
            .logging
            .map_or_else(|| Ok(BTreeSet::new()), |l| l.apply(&BTreeSet::new()))?,
        encryption_key,
        authentication_mode: input.access_config.authentication_mode.unwrap_or_default(),
        support_type: policy.support_type.unwrap_or_default(),
        deletion_protection: input.deletion_protection.unwrap_or(false),
        zonal_shift: input.zonal_shift_config.is_some_and(|z| z.enabled),
        scaling_tier: input
            .control_plane_scaling_config
            .unwrap_or_default()
            .checked()?,
    };
    let place = Place {
        account: request.account(),
        region: request.region(),
        vpc_id,
    };
    // A cluster made again under the same name has another endpoint and issuer.
    let incarnation = request.now().to_string();
    let mut cluster = Cluster::begun(place, &incarnation, input.name, spec, request.now());
    cluster.role_arn = input.role_arn;
    cluster.service_cidr = service_cidr;
    cluster.self_managed_addons = input.bootstrap_self_managed_addons.unwrap_or(true);
    cluster.creator_is_admin = creator_is_admin;
    cluster.tags = input.tags;
    if creator_is_admin && cluster.spec.authentication_mode.has_entries() {
        let creator = rules::principal_behind(request.principal());
        AccessEntry::put_cluster_admin(&mut cluster, &creator, request.now());
    }
    Ok(cluster)
}

/// Checks that EKS offers this version under this policy, and names its platform version.
pub(super) fn offered(
    wanted: KubernetesVersion,
    policy: &UpgradePolicy,
) -> Result<String, ServiceError> {
    let info = version(wanted)
        .filter(|info| info.is_offered())
        .ok_or_else(|| invalid_parameter(format!("unsupported Kubernetes version {wanted}")))?;
    if info.support == Support::Extended && policy.is_standard() {
        return Err(invalid_parameter(format!(
            "Kubernetes version {wanted} is in extended support, which the cluster's upgrade policy \
             STANDARD rules out"
        )));
    }
    Ok(info.platform_version())
}

/// `DescribeCluster`.
pub(super) fn describe(region: &mut Region, request: &Request<'_>) -> Served {
    Ok(answer(region.cluster(request.cluster())?))
}

/// `ListClusters`.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    let names = region
        .clusters
        .keys()
        .map(|name| (name.clone(), name.clone()))
        .collect();
    Ok(request.page::<String>(names)?.answer("clusters"))
}

/// `DeleteCluster`.
pub(super) fn delete(region: &mut Region, request: &Request<'_>) -> Served {
    let name = request.cluster();
    let cluster = region.cluster_mut(name)?;
    if !cluster.nodegroups.is_empty() {
        return Err(in_use("Cluster has nodegroups attached")
            .cluster(name)
            .nodegroup(cluster.nodegroups.keys().next().map_or("", String::as_str)));
    }
    if cluster.spec.deletion_protection && cluster.status == ClusterStatus::Active {
        return Err(invalid_request(format!(
            "Cluster {name} has deletion protection; turn it off before deleting the cluster"
        ))
        .cluster(name));
    }
    match cluster.status {
        ClusterStatus::Deleting => return Ok(answer(cluster)),
        ClusterStatus::Failed => {}
        ClusterStatus::Creating | ClusterStatus::Active | ClusterStatus::Updating => {
            updates::cluster_must_be_free(cluster)?;
        }
    }
    cluster.status = ClusterStatus::Deleting;
    let answer = answer(cluster);
    region.agenda.add(
        request.now(),
        takes::CLUSTER_DELETION,
        name,
        Effect::ClusterDeleted,
    );
    Ok(answer)
}

/// A cluster's creation came to its end.
pub(super) fn created(
    cluster: &mut Cluster,
    failure: Option<Issue>,
    findings: &[Finding],
    at: Timestamp,
) {
    match failure {
        Some(issue) => {
            cluster.status = ClusterStatus::Failed;
            cluster.issues.push(issue);
        }
        None => {
            cluster.status = ClusterStatus::Active;
            insights::refreshed(cluster, findings, at);
        }
    }
}

/// Where a cluster is.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) vpc_id: String,
}

impl Cluster {
    /// A cluster that has just begun to be made, with nothing in it.
    pub(super) fn begun(
        place: Place<'_>,
        incarnation: &str,
        name: String,
        spec: ClusterSpec,
        now: Timestamp,
    ) -> Self {
        let Place {
            account,
            region,
            vpc_id,
        } = place;
        let arn = format!("arn:aws:eks:{region}:{account}:cluster/{name}");
        let id = stable_hex(32, &[&arn, incarnation]).to_uppercase();
        Self {
            arn,
            id,
            name,
            region: region.to_owned(),
            account: account.to_owned(),
            created_at: now,
            status: ClusterStatus::Creating,
            spec,
            role_arn: String::new(),
            vpc_id,
            service_cidr: DEFAULT_SERVICE_CIDR.to_owned(),
            self_managed_addons: true,
            creator_is_admin: true,
            issues: Vec::new(),
            tags: Tags::new(),
            token: None,
            upgrade: None,
            updates: Vec::new(),
            nodegroups: BTreeMap::new(),
            addons: BTreeMap::new(),
            access_entries: BTreeMap::new(),
            associations: BTreeMap::new(),
            identity_provider: None,
            insights: Insights::default(),
            endpoint: None,
            kept_pods: BTreeMap::new(),
        }
    }

    /// Refuses what needs an active cluster.
    pub(super) fn must_be_active(&self) -> Result<(), ServiceError> {
        if self.status == ClusterStatus::Active {
            return Ok(());
        }
        Err(
            invalid_request(format!("Cluster '{}' is not in ACTIVE status", self.name))
                .cluster(&self.name),
        )
    }

    /// An ARN of something in this cluster.
    pub(super) fn arn_of(&self, kind: &str, rest: &str) -> String {
        format!(
            "arn:aws:eks:{}:{}:{kind}/{}/{rest}",
            self.region, self.account, self.name
        )
    }

    /// A UUID for something in this cluster that no other thing of the kind has had.
    pub(super) fn uuid(&self, kind: &str, name: &str, at: Timestamp) -> String {
        uuid_from(digest(&[&self.arn, &self.id, kind, name, &at.to_string()]))
    }

    /// URL of the cluster's token issuer.
    pub(super) fn issuer(&self) -> String {
        format!(
            "https://oidc.eks.{}.amazonaws.com/id/{}",
            self.region, self.id
        )
    }

    fn endpoint_url(&self) -> String {
        if let Some(endpoint) = &self.endpoint {
            return format!("https://127.0.0.1:{}", endpoint.port);
        }
        format!("https://{}.gr7.{}.eks.amazonaws.com", self.id, self.region)
    }

    /// The certificate of the cluster's authority, in PEM. Where the cluster's API isn't served it
    /// only has the looks of one.
    fn certificate(&self) -> String {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.authority.certificate.clone();
        }
        let body: Vec<u8> = (0..24_u8)
            .flat_map(|i| digest(&[&self.id, "certificate", &i.to_string()]))
            .collect();
        let lines: Vec<_> = BASE64
            .encode(&body)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            lines.join("\n")
        )
    }

    /// The security group that EKS makes for the cluster.
    pub(super) fn security_group(&self) -> String {
        format!("sg-0{}", stable_hex(16, &[&self.id, "security group"]))
    }
}

fn answer(cluster: &Cluster) -> Value {
    json!({ "cluster": describe_cluster(cluster) })
}

fn describe_cluster(cluster: &Cluster) -> Value {
    let spec = &cluster.spec;
    let mut view = json!({
        "name": cluster.name,
        "arn": cluster.arn,
        "createdAt": epoch(cluster.created_at),
        "version": spec.version,
        "platformVersion": spec.platform_version,
        "roleArn": cluster.role_arn,
        "status": cluster.status,
        "resourcesVpcConfig": {
            "subnetIds": spec.vpc.subnet_ids,
            "securityGroupIds": spec.vpc.security_group_ids,
            "clusterSecurityGroupId": cluster.security_group(),
            "vpcId": cluster.vpc_id,
            "endpointPublicAccess": spec.vpc.endpoint_public_access,
            "endpointPrivateAccess": spec.vpc.endpoint_private_access,
            "publicAccessCidrs": spec.vpc.public_access_cidrs,
        },
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": cluster.service_cidr,
            "ipFamily": "ipv4",
            "elasticLoadBalancing": { "enabled": false },
        },
        "logging": spec.logging(),
        "accessConfig": {
            "bootstrapClusterCreatorAdminPermissions": cluster.creator_is_admin,
            "authenticationMode": spec.authentication_mode,
        },
        "upgradePolicy": { "supportType": spec.support_type },
        "zonalShiftConfig": { "enabled": spec.zonal_shift },
        "controlPlaneScalingConfig": { "tier": spec.scaling_tier },
        "deletionProtection": spec.deletion_protection,
        "health": { "issues": cluster.issues.iter().map(Issue::health).collect::<Vec<_>>() },
        "tags": cluster.tags,
    });
    if let Some(key) = &spec.encryption_key {
        view["encryptionConfig"] =
            json!([{ "resources": ["secrets"], "provider": { "keyArn": key } }]);
    }
    if let Some(token) = &cluster.token {
        view["clientRequestToken"] = token.as_str().into();
    }
    // Not there before the cluster is ACTIVE (DescribeCluster in the API reference).
    if !matches!(
        cluster.status,
        ClusterStatus::Creating | ClusterStatus::Failed
    ) {
        view["endpoint"] = cluster.endpoint_url().into();
        view["certificateAuthority"] =
            json!({ "data": BASE64.encode(cluster.certificate().as_bytes()) });
        view["identity"] = json!({ "oidc": { "issuer": cluster.issuer() } });
    }
    view
}
