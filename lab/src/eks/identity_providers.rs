//! The OpenID Connect provider of a cluster's users: at most one, and slow to come and go.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::agenda::takes;
use super::error::{About, in_use, invalid_parameter, invalid_request, not_found};
use super::request::{Request, Served, Tags, check_tags};
use super::state::{Cluster, Region};
use super::updates::{self, Change, NewUpdate, Subject, UpdateType};
use crate::call::ServiceError;
use crate::seed::IdentityProviderSeed;

/// A cluster's identity provider configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct IdentityProvider {
    pub(super) arn: String,
    pub(super) status: IdentityProviderStatus,
    pub(super) tags: Tags,
    oidc: Oidc,
}

/// The `status` of an identity provider configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum IdentityProviderStatus {
    Creating,
    Active,
    Deleting,
}

/// `OidcIdentityProviderConfigRequest`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Oidc {
    identity_provider_config_name: String,
    issuer_url: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username_claim: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups_claim: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups_prefix: Option<String>,
    #[serde(default)]
    required_claims: BTreeMap<String, String>,
}

impl IdentityProvider {
    /// Puts one in that has been there for a while.
    pub(super) fn put(
        cluster: &mut Cluster,
        provider: &IdentityProviderSeed,
        tags: Tags,
        made_at: Timestamp,
    ) {
        let name = &provider.name;
        let uuid = cluster.uuid("identity provider", name, made_at);
        cluster.identity_provider = Some(Self {
            arn: cluster.arn_of("identityproviderconfig", &format!("oidc/{name}/{uuid}")),
            status: IdentityProviderStatus::Active,
            tags,
            oidc: Oidc {
                identity_provider_config_name: name.clone(),
                issuer_url: provider.issuer_url.clone(),
                client_id: provider.client_id.clone(),
                username_claim: None,
                username_prefix: None,
                groups_claim: Some(provider.groups_claim.clone()),
                groups_prefix: None,
                required_claims: BTreeMap::new(),
            },
        });
    }
}

impl Oidc {
    fn check(&self) -> Result<(), ServiceError> {
        let prefixes = [&self.username_prefix, &self.groups_prefix];
        if self.identity_provider_config_name.is_empty() || self.client_id.is_empty() {
            Err(invalid_parameter(
                "identityProviderConfigName and clientId must not be empty",
            ))
        } else if !self.issuer_url.starts_with("https://") || self.issuer_url.contains('?') {
            Err(invalid_parameter(format!(
                "issuerUrl {} must begin with https:// and have no query",
                self.issuer_url
            )))
        } else if prefixes
            .into_iter()
            .flatten()
            .any(|prefix| prefix.contains("system:"))
        {
            Err(invalid_parameter("A prefix must not contain system:"))
        } else {
            Ok(())
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Associate {
    oidc: Oidc,
    #[serde(default)]
    tags: Tags,
    client_request_token: Option<String>,
}

/// `AssociateIdentityProviderConfig`.
pub(super) fn associate(region: &mut Region, request: &Request<'_>) -> Served {
    let input: Associate = request.body()?;
    let token = request.token(input.client_request_token);
    let cluster = region.cluster_mut(request.cluster())?;
    let about = |e: ServiceError| e.cluster(request.cluster());
    if let Some(mut before) = updates::repeated(cluster, token.as_ref())? {
        before["tags"] = json!(input.tags);
        return Ok(before);
    }
    if let Some(existing) = &cluster.identity_provider {
        return Err(about(invalid_request(format!(
            "Cluster {} has the identity provider configuration {} already; a cluster has at most \
             one",
            cluster.name, existing.oidc.identity_provider_config_name
        ))));
    }
    updates::cluster_must_be_free(cluster)?;
    input.oidc.check().map_err(about)?;
    check_tags(&input.tags).map_err(|why| about(invalid_parameter(why)))?;
    let name = input.oidc.identity_provider_config_name.clone();
    let uuid = cluster.uuid("identity provider", &name, request.now());
    let params = vec![(
        "IdentityProviderConfig",
        json!([{ "type": "oidc", "name": name }]).to_string(),
    )];
    cluster.identity_provider = Some(IdentityProvider {
        arn: cluster.arn_of("identityproviderconfig", &format!("oidc/{name}/{uuid}")),
        status: IdentityProviderStatus::Creating,
        tags: input.tags.clone(),
        oidc: input.oidc,
    });
    let new = NewUpdate {
        subject: Subject::Cluster,
        kind: UpdateType::AssociateIdentityProviderConfig,
        params,
        change: Change::IdentityProviderAssociated,
        takes: takes::IDENTITY_PROVIDER_ASSOCIATION,
        token,
    };
    let mut answer = updates::begin(region, request, new)?;
    answer["tags"] = json!(input.tags);
    Ok(answer)
}

/// Which configuration is meant. The only type there is, is `oidc`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    r#type: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Describe {
    identity_provider_config: Reference,
}

/// `DescribeIdentityProviderConfig`.
pub(super) fn describe(region: &mut Region, request: &Request<'_>) -> Served {
    let input: Describe = request.body()?;
    let cluster = region.cluster(request.cluster())?;
    let provider = cluster.identity_provider(&input.identity_provider_config)?;
    let mut oidc = json!(provider.oidc);
    oidc["identityProviderConfigArn"] = provider.arn.as_str().into();
    oidc["clusterName"] = cluster.name.as_str().into();
    oidc["status"] = json!(provider.status);
    oidc["tags"] = json!(provider.tags);
    Ok(json!({ "identityProviderConfig": { "oidc": oidc } }))
}

/// `ListIdentityProviderConfigs`.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    let configs = cluster
        .identity_provider
        .iter()
        .map(|provider| provider.oidc.identity_provider_config_name.clone())
        .map(|name| (name.clone(), json!({ "type": "oidc", "name": name })))
        .collect();
    Ok(request
        .page::<Value>(configs)?
        .answer("identityProviderConfigs"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Disassociate {
    identity_provider_config: Reference,
    client_request_token: Option<String>,
}

/// `DisassociateIdentityProviderConfig`.
pub(super) fn disassociate(region: &mut Region, request: &Request<'_>) -> Served {
    let input: Disassociate = request.body()?;
    let token = request.token(input.client_request_token);
    let cluster = region.cluster_mut(request.cluster())?;
    if let Some(before) = updates::repeated(cluster, token.as_ref())? {
        return Ok(before);
    }
    let status = cluster
        .identity_provider(&input.identity_provider_config)?
        .status;
    if status != IdentityProviderStatus::Active {
        return Err(in_use(format!(
            "Identity provider configuration {} is {}",
            input.identity_provider_config.name,
            json!(status).as_str().unwrap_or_default()
        ))
        .cluster(request.cluster()));
    }
    updates::cluster_must_be_free(cluster)?;
    if let Some(provider) = &mut cluster.identity_provider {
        provider.status = IdentityProviderStatus::Deleting;
    }
    let name = &input.identity_provider_config.name;
    let params = vec![(
        "IdentityProviderConfig",
        json!([{ "type": "oidc", "name": name }]).to_string(),
    )];
    let new = NewUpdate {
        subject: Subject::Cluster,
        kind: UpdateType::DisassociateIdentityProviderConfig,
        params,
        change: Change::IdentityProviderDisassociated,
        takes: takes::IDENTITY_PROVIDER_DISASSOCIATION,
        token,
    };
    updates::begin(region, request, new)
}

impl Cluster {
    fn identity_provider(&self, wanted: &Reference) -> Result<&IdentityProvider, ServiceError> {
        if wanted.r#type != "oidc" {
            return Err(invalid_parameter(format!(
                "Identity provider type {} is not supported; the only one is oidc",
                wanted.r#type
            ))
            .cluster(&self.name));
        }
        self.identity_provider
            .as_ref()
            .filter(|p| p.oidc.identity_provider_config_name == wanted.name)
            .ok_or_else(|| {
                not_found(format!(
                    "Identity provider config {} not found",
                    wanted.name
                ))
                .cluster(&self.name)
            })
    }
}
