//! A 1Password Connect server: vaults, and the items in them, read and written.
//!
//! Paths, shapes and messages follow the server's published OpenAPI description (version 1.7.1).
//! An id that can't be one is answered 400, as the server does beyond that description.

mod answer;
mod filter;
mod vault;
mod write;

use http::{Method, StatusCode};

use crate::call::{Answer, Call, Reply, ServiceError};
use crate::operations::Routes;
use crate::world::World;
use answer::{FullItem, Health, ItemSummary, VaultAnswer};
use filter::equals;

pub use vault::{Category, Field, FieldType, Item, Purpose, Section, Server, Token, Url, Vault};

/// Whether a path is one of the server's.
pub fn serves(path: &str) -> bool {
    path.starts_with("/v1/") || is_open(path)
}

/// Whether a path needs no token.
fn is_open(path: &str) -> bool {
    path == "/heartbeat" || path == "/health"
}

/// Method, path and operation, by its id in the API's description.
const ROUTES: Routes = Routes(&[
    (Method::GET, "/heartbeat", "GetHeartbeat"),
    (Method::GET, "/health", "GetServerHealth"),
    (Method::GET, "/v1/vaults", "GetVaults"),
    (Method::GET, "/v1/vaults/{vaultUuid}", "GetVaultById"),
    (Method::GET, "/v1/vaults/{vaultUuid}/items", "GetVaultItems"),
    (
        Method::GET,
        "/v1/vaults/{vaultUuid}/items/{itemUuid}",
        "GetVaultItemById",
    ),
    (
        Method::POST,
        "/v1/vaults/{vaultUuid}/items",
        "CreateVaultItem",
    ),
    (
        Method::PUT,
        "/v1/vaults/{vaultUuid}/items/{itemUuid}",
        "UpdateVaultItem",
    ),
    (
        Method::PATCH,
        "/v1/vaults/{vaultUuid}/items/{itemUuid}",
        "PatchVaultItem",
    ),
    (
        Method::DELETE,
        "/v1/vaults/{vaultUuid}/items/{itemUuid}",
        "DeleteVaultItem",
    ),
]);

/// Every operation's id.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    ROUTES.names()
}

/// The operation that a method and a path mean, if the lab serves it.
pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
    ROUTES.find(method, path)
}

/// Checks a request's access token and returns its name; empty where none is needed.
///
/// # Errors
/// 401 if there is none or it isn't known.
pub fn authenticate(
    server: &Server,
    path: &str,
    authorization: Option<&str>,
) -> Result<String, ServiceError> {
    if is_open(path) {
        return Ok(String::new());
    }
    authorization
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|token| server.tokens.get(token.trim()))
        .map(|token| token.name.clone())
        .ok_or_else(|| error(StatusCode::UNAUTHORIZED, "Invalid token signature"))
}

/// The version of the vault that a request to write is made against: that of the moment at which it
/// arrives.
pub fn basis(server: &Server, call: &Call) -> Option<u64> {
    let segments = call.segments();
    let vault = segments.get(2).filter(|_| call.writes())?;
    let vault = server.vaults.iter().find(|known| known.id == *vault)?;
    Some(vault.content_version)
}

/// Answers one request.
///
/// # Errors
/// The server's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let server = &world.connect;
    let segments = call.segments();
    let segment = |index: usize| segments.get(index).map(String::as_str).unwrap_or_default();
    if call.writes() {
        vault(server, call, segment(2))?;
        return write::handle(world, call, segment(2), segment(4));
    }
    match call.operation.as_str() {
        "GetHeartbeat" => Ok(Reply {
            status: StatusCode::OK,
            content_type: "text/plain",
            headers: http::HeaderMap::new(),
            body: b".".to_vec(),
        }),
        "GetServerHealth" => Reply::json(&Health::active()),
        "GetVaults" => vaults(server, call),
        "GetVaultById" => Reply::json(&VaultAnswer::new(vault(server, call, segment(2))?)),
        "GetVaultItems" => items(server, call, segment(2)),
        "GetVaultItemById" => item(server, call, segment(2), segment(4)),
        _ => Err(error(StatusCode::NOT_FOUND, "Path not found")),
    }
}

fn vaults(server: &Server, call: &Call) -> Answer {
    let name = call
        .query("filter")
        .map(|filter| wanted(filter, "name"))
        .transpose()?;
    let found: Vec<VaultAnswer<'_>> = server
        .vaults
        .iter()
        .filter(|vault| server.may_see(&call.principal, &vault.id))
        .filter(|vault| name.as_ref().is_none_or(|name| vault.name == *name))
        .map(VaultAnswer::new)
        .collect();
    Reply::json(&found)
}

fn items(server: &Server, call: &Call, vault_id: &str) -> Answer {
    let vault = vault(server, call, vault_id)?;
    let title = call
        .query("filter")
        .map(|filter| wanted(filter, "title"))
        .transpose()?;
    let found: Vec<ItemSummary<'_>> = vault
        .items
        .iter()
        .filter(|item| title.as_ref().is_none_or(|title| item.title == *title))
        .map(|item| ItemSummary::new(vault, item))
        .collect();
    Reply::json(&found)
}

fn item(server: &Server, call: &Call, vault_id: &str, item_id: &str) -> Answer {
    let vault = vault(server, call, vault_id)?;
    if !is_id(item_id) {
        return Err(error(StatusCode::BAD_REQUEST, "Invalid Item UUID"));
    }
    let item = vault
        .items
        .iter()
        .find(|item| item.id == item_id)
        .ok_or_else(|| error(StatusCode::NOT_FOUND, &format!("item {item_id} not found")))?;
    Reply::json(&FullItem::new(vault, item))
}

/// The vault of that id, if the token may see it.
fn vault<'s>(server: &'s Server, call: &Call, id: &str) -> Result<&'s Vault, ServiceError> {
    if !is_id(id) {
        return Err(error(StatusCode::BAD_REQUEST, "Invalid Vault UUID"));
    }
    if !server.may_see(&call.principal, id) {
        return Err(error(
            StatusCode::FORBIDDEN,
            &format!("vault {id} is not in scope"),
        ));
    }
    server
        .vaults
        .iter()
        .find(|vault| vault.id == id)
        .ok_or_else(|| error(StatusCode::NOT_FOUND, &format!("vault {id} not found")))
}

fn wanted(filter: &str, attribute: &str) -> Result<String, ServiceError> {
    equals(filter, attribute).map_err(|message| error(StatusCode::BAD_REQUEST, &message))
}

/// Whether a text can be an id: 26 characters of lowercase base32.
fn is_id(text: &str) -> bool {
    text.len() == 26
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn error(status: StatusCode, message: &str) -> ServiceError {
    ServiceError::new(
        status,
        status.canonical_reason().unwrap_or_default(),
        message,
    )
}

#[cfg(test)]
mod tests;
