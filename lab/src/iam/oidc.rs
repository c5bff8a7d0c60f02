//! OpenID Connect identity providers.

use serde::Serialize;

use super::error::{already_exists, invalid_input, limit_exceeded, no_such_entity};
use super::request::{ARN, Request, SHORT_TEXT};
use super::state::{Account, OidcProvider, oidc_provider_arn};
use super::view::{self, TagView};
use crate::call::{Answer, ServiceError};
use crate::ids::stable_hex;
use crate::wire::xml::Members;
use crate::world::World;

/// Quotas: providers of an account, audiences and thumbprints of a provider.
const MOST_PROVIDERS: usize = 100;
const MOST_CLIENTS: usize = 100;
const MOST_THUMBPRINTS: usize = 5;

#[derive(Serialize)]
struct CreateOpenIdConnectProvider {
    #[serde(rename = "OpenIDConnectProviderArn")]
    arn: String,
    #[serde(rename = "Tags")]
    tags: Members<TagView>,
}

#[derive(Serialize)]
struct GetOpenIdConnectProvider {
    #[serde(rename = "Url")]
    url: String,
    #[serde(rename = "ClientIDList")]
    client_ids: Members<String>,
    #[serde(rename = "ThumbprintList")]
    thumbprints: Members<String>,
    #[serde(rename = "CreateDate")]
    created: String,
    #[serde(rename = "Tags")]
    tags: Members<TagView>,
}

#[derive(Serialize)]
struct ListOpenIdConnectProviders {
    #[serde(rename = "OpenIDConnectProviderList")]
    providers: Members<Listed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    arn: String,
}

/// `CreateOpenIDConnectProvider`.
pub(super) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let account = request.account();
    let url = request.required("Url", SHORT_TEXT)?;
    let issuer = issuer(url)?.to_owned();
    let client_ids = client_ids(request)?;
    let mut thumbprints = thumbprints(request)?;
    let tags = request.tags()?;
    let providers = &mut world.iam(account).oidc_providers;
    if providers.contains_key(&issuer) {
        return Err(already_exists(format!(
            "Provider with url {url} already exists."
        )));
    }
    if providers.len() >= MOST_PROVIDERS {
        return Err(limit_exceeded(format!(
            "Cannot exceed quota for OpenIdConnectProvidersPerAccount: {MOST_PROVIDERS}"
        )));
    }
    if thumbprints.is_empty() {
        // IAM reads the top certificate's itself when none is given.
        thumbprints.push(stable_hex(40, &["thumbprint", host(&issuer)]));
    }
    let provider = OidcProvider {
        client_ids,
        thumbprints,
        created: request.now(),
        tags,
    };
    let answer = CreateOpenIdConnectProvider {
        arn: oidc_provider_arn(account, &issuer),
        tags: view::tags(&provider.tags),
    };
    providers.insert(issuer, provider);
    request.answer(&answer)
}

/// `GetOpenIDConnectProvider`.
pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let issuer = issuer_of_arn(request)?;
    let provider = find(world.iam(request.account()), request)?;
    request.answer(&GetOpenIdConnectProvider {
        url: issuer,
        client_ids: provider.client_ids.iter().cloned().collect(),
        thumbprints: provider.thumbprints.iter().cloned().collect(),
        created: view::time(provider.created),
        tags: view::tags(&provider.tags),
    })
}

/// `ListOpenIDConnectProviders`.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let providers = world.iam(request.account()).oidc_providers.keys();
    request.answer(&ListOpenIdConnectProviders {
        providers: providers
            .map(|issuer| Listed {
                arn: oidc_provider_arn(request.account(), issuer),
            })
            .collect(),
    })
}

/// `DeleteOpenIDConnectProvider`. As documented, deleting what isn't there fails.
pub(super) fn delete(world: &mut World, request: &Request<'_>) -> Answer {
    let issuer = issuer_of_arn(request)?;
    let providers = &mut world.iam(request.account()).oidc_providers;
    providers
        .remove(&issuer)
        .ok_or_else(|| not_found(request.account(), &issuer))?;
    request.done()
}

/// `AddClientIDToOpenIDConnectProvider`, which is idempotent.
pub(super) fn add_client_id(world: &mut World, request: &Request<'_>) -> Answer {
    let client = request.required("ClientID", SHORT_TEXT)?.to_owned();
    let provider = find(world.iam(request.account()), request)?;
    if !provider.client_ids.contains(&client) {
        if provider.client_ids.len() >= MOST_CLIENTS {
            return Err(too_many_clients());
        }
        provider.client_ids.push(client);
    }
    request.done()
}

/// `RemoveClientIDFromOpenIDConnectProvider`, which is idempotent.
pub(super) fn remove_client_id(world: &mut World, request: &Request<'_>) -> Answer {
    let client = request.required("ClientID", SHORT_TEXT)?;
    let provider = find(world.iam(request.account()), request)?;
    provider.client_ids.retain(|other| other != client);
    request.done()
}

/// `UpdateOpenIDConnectProviderThumbprint`.
pub(super) fn update_thumbprints(world: &mut World, request: &Request<'_>) -> Answer {
    let thumbprints = thumbprints(request)?;
    find(world.iam(request.account()), request)?.thumbprints = thumbprints;
    request.done()
}

/// The provider that a request names by its ARN.
pub(super) fn find<'w>(
    iam: &'w mut Account,
    request: &Request<'_>,
) -> Result<&'w mut OidcProvider, ServiceError> {
    let issuer = issuer_of_arn(request)?;
    iam.oidc_providers
        .get_mut(&issuer)
        .ok_or_else(|| not_found(request.account(), &issuer))
}

fn issuer_of_arn(request: &Request<'_>) -> Result<String, ServiceError> {
    let arn = request.required("OpenIDConnectProviderArn", ARN)?;
    let prefix = oidc_provider_arn(request.account(), "");
    arn.strip_prefix(&prefix)
        .map(str::to_owned)
        .ok_or_else(|| invalid_input(format!("Invalid ARN:  Could not be parsed!: {arn}")))
}

/// A provider's URL without its scheme, by which it is known.
fn issuer(url: &str) -> Result<&str, ServiceError> {
    let wrong = |why: &str| {
        super::error::validation(format!("Invalid Open ID Connect Provider URL: {why}"))
    };
    let issuer = url
        .strip_prefix("https://")
        .ok_or_else(|| wrong("it must begin with https://"))?;
    if issuer.contains(['?', '#', ' ']) {
        return Err(wrong("it must not have a query or a fragment"));
    }
    let host = host(issuer);
    if host.is_empty() || host.contains(':') {
        return Err(wrong("it must name a host without a port"));
    }
    Ok(issuer.trim_end_matches('/'))
}

fn host(issuer: &str) -> &str {
    issuer.split('/').next().unwrap_or_default()
}

fn client_ids(request: &Request<'_>) -> Result<Vec<String>, ServiceError> {
    let mut clients: Vec<String> = Vec::new();
    for client in request.list("ClientIDList") {
        if !clients.iter().any(|other| other == client) {
            clients.push(client.to_owned());
        }
    }
    if clients.len() > MOST_CLIENTS {
        return Err(too_many_clients());
    }
    Ok(clients)
}

fn too_many_clients() -> ServiceError {
    limit_exceeded(format!(
        "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MOST_CLIENTS}"
    ))
}

fn thumbprints(request: &Request<'_>) -> Result<Vec<String>, ServiceError> {
    let thumbprints = request.list("ThumbprintList");
    if thumbprints.len() > MOST_THUMBPRINTS {
        return Err(invalid_input(
            "Thumbprint list must contain fewer than 5 entries.",
        ));
    }
    for thumbprint in &thumbprints {
        if thumbprint.len() != 40 || !thumbprint.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid_input(format!(
                "Thumbprint must have 40 hexadecimal digits: {thumbprint}"
            )));
        }
    }
    Ok(thumbprints.into_iter().map(str::to_owned).collect())
}

fn not_found(account: &str, issuer: &str) -> ServiceError {
    no_such_entity(format!(
        "OpenIDConnect Provider not found for arn {}",
        oidc_provider_arn(account, issuer)
    ))
}
