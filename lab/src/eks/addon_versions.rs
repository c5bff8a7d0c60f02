//! What add-ons there are: `DescribeAddonVersions` and `DescribeAddonConfiguration`.

use serde_json::{Value, json};

use super::addon_schema;
use super::catalog::{Addon, KubernetesVersion, addon, addons, versions};
use super::error::{About, invalid_parameter, not_found};
use super::request::{Request, Served};
use super::state::Region;

const PUBLISHER: &str = "eks";

/// `DescribeAddonVersions`.
pub(super) fn describe(_region: &mut Region, request: &Request<'_>) -> Served {
    let version: Option<KubernetesVersion> = request
        .query("kubernetesVersion")
        .map(str::parse)
        .transpose()
        .map_err(invalid_parameter)?;
    let name = request.query("addonName");
    let (types, owners) = (request.queries("types"), request.queries("owners"));
    let publishers = request.queries("publishers");
    let any = |filter: &[&str], value: &str| filter.is_empty() || filter.contains(&value);
    let items = addons()
        .iter()
        .filter(|a| name.is_none_or(|name| name == a.name))
        .filter(|a| any(&types, a.kind) && any(&owners, a.owner) && any(&publishers, PUBLISHER))
        .filter_map(|a| Some((a.name.to_owned(), view(a, version)?)))
        .collect();
    Ok(request.page::<Value>(items)?.answer("addons"))
}

/// The add-on with the releases that work with this version; `None` where none does.
fn view(addon: &Addon, version: Option<KubernetesVersion>) -> Option<Value> {
    let clusters: Vec<_> = versions()
        .iter()
        .rev()
        .filter(|info| info.is_offered() && version.is_none_or(|v| v == info.version))
        .map(|info| (info.version, addon.default_for(info.version)))
        .collect();
    let releases: Vec<_> = addon
        .releases()
        .iter()
        .filter_map(|release| {
            let compatibilities: Vec<_> = clusters
                .iter()
                .filter(|(cluster, _)| release.works_with(*cluster))
                .map(|(cluster, default)| {
                    json!({
                        "clusterVersion": cluster,
                        "platformVersions": ["*"],
                        "defaultVersion": default.as_deref() == Some(&release.version),
                    })
                })
                .collect();
            (!compatibilities.is_empty()).then(|| {
                json!({
                    "addonVersion": release.version,
                    "architecture": ["amd64", "arm64"],
                    "computeTypes": ["ec2", "auto"],
                    "compatibilities": compatibilities,
                    "requiresConfiguration": false,
                    "requiresIamPermissions": addon.requires_iam,
                })
            })
        })
        .collect();
    (!releases.is_empty()).then(|| {
        json!({
            "addonName": addon.name,
            "type": addon.kind,
            "addonVersions": releases,
            "publisher": PUBLISHER,
            "owner": addon.owner,
            "defaultNamespace": addon.namespace,
        })
    })
}

/// `DescribeAddonConfiguration`.
pub(super) fn describe_configuration(_region: &mut Region, request: &Request<'_>) -> Served {
    let name = request.query("addonName").unwrap_or_default();
    let version = request.query("addonVersion").unwrap_or_default();
    let addon =
        addon(name).ok_or_else(|| not_found(format!("Addon {name} not found")).addon(name))?;
    if addon.release(version).is_none() {
        return Err(not_found(format!("Addon version {version} of {name} not found")).addon(name));
    }
    let identities: Vec<_> = addon
        .service_accounts
        .iter()
        .map(|account| {
            let policies: Vec<_> = account
                .policies
                .iter()
                .map(|p| format!("arn:aws:iam::aws:policy/{p}"))
                .collect();
            json!({ "serviceAccount": account.name, "recommendedManagedPolicies": policies })
        })
        .collect();
    Ok(json!({
        "addonName": name,
        "addonVersion": version,
        "configurationSchema": addon_schema::schema(name).to_string(),
        "podIdentityConfiguration": identities,
    }))
}
