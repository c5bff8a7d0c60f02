//! Add-ons of clusters: made, described, listed, updated, deleted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::addon_schema;
use super::agenda::{Effect, takes};
use super::catalog::{self, Addon, KubernetesVersion};
use super::error::{About, in_use, invalid_parameter, invalid_request, not_found};
use super::pod_identity::Association;
use super::request::{Request, Served, Tags, Token, check_tags, epoch};
use super::rules;
use super::state::{Cluster, Happening, Issue, Region};
use super::updates::{self, Change, NewUpdate, Subject, UpdateType};
use crate::call::ServiceError;

/// An add-on of a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AddonState {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) created_at: Timestamp,
    pub(super) modified_at: Timestamp,
    pub(super) status: AddonStatus,
    pub(super) spec: AddonSpec,
    pub(super) issues: Vec<Issue>,
    pub(super) tags: Tags,
    pub(super) token: Option<Token>,
}

/// What can be changed of an add-on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AddonSpec {
    pub(super) version: String,
    pub(super) role_arn: Option<String>,
    pub(super) configuration: Option<String>,
    /// Roles by the service account that they are for.
    pub(super) pod_identities: Vec<PodIdentity>,
}

/// `AddonPodIdentityAssociations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PodIdentity {
    pub(super) service_account: String,
    pub(super) role_arn: String,
}

/// An add-on's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum AddonStatus {
    Creating,
    Active,
    CreateFailed,
    Updating,
    Deleting,
    Degraded,
    UpdateFailed,
}

/// How fields that someone changed in the cluster are treated. Nothing here changes any, so the
/// policies differ in name only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ResolveConflicts {
    Overwrite,
    None,
    Preserve,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateAddon {
    addon_name: String,
    addon_version: Option<String>,
    service_account_role_arn: Option<String>,
    #[serde(rename = "resolveConflicts")]
    _resolve_conflicts: Option<ResolveConflicts>,
    client_request_token: Option<String>,
    #[serde(default)]
    tags: Tags,
    configuration_values: Option<String>,
    #[serde(default)]
    pod_identity_associations: Vec<PodIdentity>,
}

/// `CreateAddon`.
pub(super) fn create(region: &mut Region, request: &Request<'_>) -> Served {
    let input: CreateAddon = request.body()?;
    let name = input.addon_name.clone();
    let about = |e: ServiceError| e.cluster(request.cluster()).addon(&name);
    let token = request.token(input.client_request_token.clone());
    let cluster = region.cluster_mut(request.cluster())?;
    if let Some(addon) = cluster.addons.get(&name) {
        if let Some(before) = &addon.token
            && before.is_repeated_by(token.as_ref()).map_err(about)?
        {
            return Ok(answer(cluster, addon));
        }
        return Err(about(in_use("Addon already exists.")));
    }
    cluster.must_be_active().map_err(about)?;
    check_tags(&input.tags).map_err(|why| about(invalid_parameter(why)))?;
    let offered = offered(&name, cluster.spec.version).map_err(about)?;
    let version = match input.addon_version {
        Some(version) => version,
        None => offered
            .default_for(cluster.spec.version)
            .unwrap_or_default(),
    };
    let spec = AddonSpec {
        version,
        role_arn: input.service_account_role_arn,
        configuration: input.configuration_values,
        pod_identities: input.pod_identity_associations,
    };
    check_spec(offered, cluster.spec.version, &spec).map_err(about)?;
    let now = request.now();
    let uuid = cluster.uuid("addon", &name, now);
    let addon = AddonState {
        arn: cluster.arn_of("addon", &format!("{name}/{uuid}")),
        created_at: now,
        modified_at: now,
        status: AddonStatus::Creating,
        spec,
        issues: Vec::new(),
        tags: input.tags,
        token,
        name: name.clone(),
    };
    let identities = &addon.spec.pod_identities;
    Association::must_be_free_for(cluster, offered, None, identities).map_err(about)?;
    Association::put_owned(cluster, offered, &addon.arn, identities, now);
    let answer = answer(cluster, &addon);
    cluster.addons.insert(name.clone(), addon);
    let failure = request
        .fate()
        .or_else(|| region.failure_of(Happening::AddonCreation, &name));
    let effect = Effect::AddonCreated {
        name: name.clone(),
        failure,
    };
    region
        .agenda
        .add(now, takes::ADDON_CREATION, request.cluster(), effect);
    Ok(answer)
}

fn offered(name: &str, version: KubernetesVersion) -> Result<&'static Addon, ServiceError> {
    catalog::addon(name)
        .filter(|addon| addon.default_for(version).is_some())
        .ok_or_else(|| {
            invalid_parameter(format!(
                "Addon {name} specified is not supported in {version} kubernetes version"
            ))
        })
}

fn check_spec(
    addon: &Addon,
    version: KubernetesVersion,
    spec: &AddonSpec,
) -> Result<(), ServiceError> {
    if !addon
        .release(&spec.version)
        .is_some_and(|release| release.works_with(version))
    {
        return Err(invalid_parameter(format!(
            "Addon version specified is not supported: {} {} with Kubernetes {version}",
            addon.name, spec.version
        )));
    }
    if let Some(arn) = &spec.role_arn {
        rules::role_arn(arn)?;
    }
    if let Some(values) = &spec.configuration {
        addon_schema::check(addon.name, values).map_err(|why| {
            invalid_parameter(format!(
                "ConfigurationValue provided in request is not supported: {why}"
            ))
        })?;
    }
    for identity in &spec.pod_identities {
        rules::role_arn(&identity.role_arn)?;
        if !addon
            .service_accounts
            .iter()
            .any(|account| account.name == identity.service_account)
        {
            return Err(invalid_parameter(format!(
                "Addon {} has no service account {} that uses AWS permissions",
                addon.name, identity.service_account
            )));
        }
        if spec.role_arn.is_some() {
            return Err(invalid_parameter(
                "serviceAccountRoleArn and podIdentityAssociations can't both be given",
            ));
        }
    }
    Ok(())
}

/// `DescribeAddon`.
pub(super) fn describe(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    Ok(answer(cluster, cluster.addon(request.label("addonName"))?))
}

/// `ListAddons`.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    let names = cluster
        .addons
        .keys()
        .map(|name| (name.clone(), name.clone()))
        .collect();
    Ok(request.page::<String>(names)?.answer("addons"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateAddon {
    addon_version: Option<String>,
    service_account_role_arn: Option<String>,
    resolve_conflicts: Option<ResolveConflicts>,
    client_request_token: Option<String>,
    configuration_values: Option<String>,
    pod_identity_associations: Option<Vec<PodIdentity>>,
}

/// `UpdateAddon`. What the request doesn't name stays as it is.
pub(super) fn update(region: &mut Region, request: &Request<'_>) -> Served {
    let input: UpdateAddon = request.body()?;
    let name = request.label("addonName");
    let token = request.token(input.client_request_token);
    let cluster = region.cluster(request.cluster())?;
    let addon = cluster.addon(name)?;
    if let Some(before) = updates::repeated(cluster, token.as_ref())? {
        return Ok(before);
    }
    let about = |e: ServiceError| e.cluster(&cluster.name).addon(name);
    cluster.must_be_active().map_err(about)?;
    if matches!(
        addon.status,
        AddonStatus::Creating | AddonStatus::Updating | AddonStatus::Deleting
    ) {
        return Err(about(in_use(format!(
            "Addon {name} can't be updated while its status is {}",
            json!(addon.status).as_str().unwrap_or_default()
        ))));
    }
    let offered = offered(name, cluster.spec.version).map_err(about)?;
    let mut params = Vec::new();
    params.extend(input.addon_version.clone().map(|v| ("AddonVersion", v)));
    params.extend(
        input
            .service_account_role_arn
            .clone()
            .map(|v| ("ServiceAccountRoleArn", v)),
    );
    params.extend(
        input
            .resolve_conflicts
            .map(|v| ("ResolveConflicts", word(v))),
    );
    params.extend(
        input
            .configuration_values
            .clone()
            .map(|v| ("ConfigurationValues", v)),
    );
    let identities = input.pod_identity_associations;
    params.extend(
        identities
            .as_ref()
            .map(|v| ("PodIdentityAssociations", json!(v).to_string())),
    );
    let current = addon.spec.clone();
    let spec = AddonSpec {
        version: input.addon_version.unwrap_or(current.version),
        role_arn: input.service_account_role_arn.or(current.role_arn),
        configuration: input.configuration_values.or(current.configuration),
        pod_identities: identities.unwrap_or(current.pod_identities),
    };
    check_spec(offered, cluster.spec.version, &spec).map_err(about)?;
    Association::must_be_free_for(cluster, offered, Some(&addon.arn), &spec.pod_identities)
        .map_err(about)?;
    let new = NewUpdate {
        subject: Subject::Addon(name.to_owned()),
        kind: UpdateType::AddonUpdate,
        params,
        change: Change::Addon(Box::new(spec)),
        takes: takes::ADDON_UPDATE,
        token,
    };
    updates::begin(region, request, new)
}

fn word(policy: ResolveConflicts) -> String {
    json!(policy).as_str().unwrap_or_default().to_owned()
}

/// `DeleteAddon`. What `preserve` keeps running in the cluster is no add-on any more.
pub(super) fn delete(region: &mut Region, request: &Request<'_>) -> Served {
    let name = request.label("addonName");
    request.flag("preserve")?;
    let cluster = region.cluster_mut(request.cluster())?;
    let status = cluster.addon(name)?.status;
    if matches!(status, AddonStatus::Creating | AddonStatus::Updating) {
        return Err(invalid_request(format!(
            "Addon {name} can't be deleted while its status is {}",
            json!(status).as_str().unwrap_or_default()
        ))
        .cluster(request.cluster())
        .addon(name));
    }
    if let Some(addon) = cluster.addons.get_mut(name) {
        addon.status = AddonStatus::Deleting;
    }
    let answer = answer(cluster, cluster.addon(name)?);
    if status != AddonStatus::Deleting {
        let effect = Effect::AddonDeleted {
            name: name.to_owned(),
        };
        region.agenda.add(
            request.now(),
            takes::ADDON_DELETION,
            request.cluster(),
            effect,
        );
    }
    Ok(answer)
}

/// An add-on's creation came to its end.
pub(super) fn created(cluster: &mut Cluster, name: &str, failure: Option<Issue>, at: Timestamp) {
    let Some(addon) = cluster.addons.get_mut(name) else {
        return;
    };
    addon.modified_at = at;
    addon.status = if failure.is_some() {
        AddonStatus::CreateFailed
    } else {
        AddonStatus::Active
    };
    addon.issues.extend(failure);
}

/// An update of an add-on came to its end.
pub(super) fn updated(
    cluster: &mut Cluster,
    name: &str,
    spec: AddonSpec,
    failure: Option<Issue>,
    at: Timestamp,
) {
    let Some(addon) = cluster.addons.get_mut(name) else {
        return;
    };
    addon.modified_at = at;
    addon.issues.clear();
    if let Some(issue) = failure {
        addon.status = AddonStatus::UpdateFailed;
        addon.issues.push(issue);
        return;
    }
    addon.status = AddonStatus::Active;
    addon.spec = spec;
    let (arn, identities) = (addon.arn.clone(), addon.spec.pod_identities.clone());
    if let Some(offered) = catalog::addon(name) {
        Association::put_owned(cluster, offered, &arn, &identities, at);
    }
}

/// An add-on's deletion came to its end.
pub(super) fn deleted(cluster: &mut Cluster, name: &str) {
    if let Some(addon) = cluster.addons.remove(name) {
        cluster
            .associations
            .retain(|_, a| a.owner_arn.as_deref() != Some(&addon.arn));
    }
}

impl Cluster {
    /// The add-on of that name.
    pub(super) fn addon(&self, name: &str) -> Result<&AddonState, ServiceError> {
        self.addons.get(name).ok_or_else(|| {
            not_found(format!("No addon: {name} found in cluster: {}", self.name))
                .cluster(&self.name)
                .addon(name)
        })
    }
}

impl AddonState {
    /// Status and issues as they are told: a Deployment without a node to run on is DEGRADED,
    /// and recovers by itself once there is one.
    fn health(&self, cluster: &Cluster) -> (AddonStatus, Vec<Issue>) {
        let needs_nodes = catalog::addon(&self.name).is_some_and(|addon| addon.needs_nodes);
        if self.status != AddonStatus::Active || !needs_nodes || cluster.has_nodes() {
            return (self.status, self.issues.clone());
        }
        let issue = Issue {
            code: "InsufficientNumberOfReplicas".to_owned(),
            message: "The add-on is unhealthy because it doesn't have the desired number of \
                      replicas."
                .to_owned(),
            resource_ids: Vec::new(),
        };
        (AddonStatus::Degraded, vec![issue])
    }
}

fn answer(cluster: &Cluster, addon: &AddonState) -> Value {
    let (status, issues) = addon.health(cluster);
    let offered = catalog::addon(&addon.name);
    let owned: Vec<_> = cluster
        .associations
        .values()
        .filter(|a| a.owner_arn.as_deref() == Some(&addon.arn))
        .map(|a| a.arn.as_str())
        .collect();
    let mut view = json!({
        "addonName": addon.name,
        "clusterName": cluster.name,
        "status": status,
        "addonVersion": addon.spec.version,
        "health": { "issues": issues.iter().map(Issue::health).collect::<Vec<_>>() },
        "addonArn": addon.arn,
        "createdAt": epoch(addon.created_at),
        "modifiedAt": epoch(addon.modified_at),
        "tags": addon.tags,
    });
    if let Some(arn) = &addon.spec.role_arn {
        view["serviceAccountRoleArn"] = arn.as_str().into();
    }
    if let Some(values) = &addon.spec.configuration {
        view["configurationValues"] = values.as_str().into();
    }
    if !owned.is_empty() {
        view["podIdentityAssociations"] = json!(owned);
    }
    if let Some(offered) = offered {
        view["namespaceConfig"] = json!({ "namespace": offered.namespace });
    }
    json!({ "addon": view })
}
