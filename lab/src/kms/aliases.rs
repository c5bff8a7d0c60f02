//! Aliases of keys.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{not_found, validation};
use super::page::Paging;
use super::state::{Alias, arn};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json as wire;
use crate::world::World;

const DEFAULT_PAGE: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Naming {
    alias_name: String,
    target_key_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteAlias {
    alias_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAliases {
    key_id: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

/// `CreateAlias`.
pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input: Naming = wire::parameters(call)?;
    let name = checked(input.alias_name)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.target_key_id, call)?;
    key.must_stay()?;
    let key = key.id.clone();
    if region.aliases.contains_key(&name) {
        return Err(ServiceError::bad_request(
            "AlreadyExistsException",
            format!("An alias with the name {} already exists", arn(call, &name)),
        ));
    }
    let alias = Alias {
        key,
        created: call.now,
        updated: call.now,
    };
    region.aliases.insert(name, alias);
    wire::done()
}

/// `UpdateAlias`.
pub(super) fn update(world: &mut World, call: &Call) -> Answer {
    let input: Naming = wire::parameters(call)?;
    let name = checked(input.alias_name)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.target_key_id, call)?;
    key.must_stay()?;
    let key = key.id.clone();
    let alias = region.aliases.get_mut(&name);
    let alias = alias.ok_or_else(|| no_alias(call, &name))?;
    alias.key = key;
    alias.updated = call.now;
    wire::done()
}

/// `DeleteAlias`.
pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let input: DeleteAlias = wire::parameters(call)?;
    let name = checked(input.alias_name)?;
    let region = world.kms(&call.account, &call.region);
    let gone = region.aliases.remove(&name);
    gone.ok_or_else(|| no_alias(call, &name))?;
    wire::done()
}

/// `ListAliases`.
pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let input: ListAliases = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = match &input.key_id {
        Some(name) => Some(region.find_mut(name, call)?.id.clone()),
        None => None,
    };
    let aliases: Vec<(String, Value)> = region
        .aliases
        .iter()
        .filter(|(_, alias)| key.as_ref().is_none_or(|key| alias.key == *key))
        .map(|(name, alias)| {
            let view = json!({
                "AliasName": name,
                "AliasArn": arn(call, name),
                "TargetKeyId": alias.key,
                "CreationDate": wire::epoch(alias.created),
                "LastUpdatedDate": wire::epoch(alias.updated),
            });
            (name.clone(), view)
        })
        .collect();
    wire::answer(&input.paging.answer("Aliases", aliases, DEFAULT_PAGE)?)
}

fn checked(name: String) -> Result<String, ServiceError> {
    let Some(rest) = name.strip_prefix("alias/") else {
        return Err(validation(
            "Alias must start with the prefix \"alias/\". Please see \
             https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ));
    };
    if rest.starts_with("aws/") || rest == "aws" {
        return Err(ServiceError::bad_request(
            "NotAuthorizedException",
            "Aliases beginning with alias/aws/ are reserved for AWS managed keys.",
        ));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b":/_-".contains(&b);
    if rest.is_empty() || name.len() > 256 || !name.bytes().all(allowed) {
        return Err(ServiceError::bad_request(
            "InvalidAliasNameException",
            format!("Alias {name} contains invalid characters for an alias"),
        ));
    }
    Ok(name)
}

fn no_alias(call: &Call, name: &str) -> ServiceError {
    not_found(format!("Alias {} is not found.", arn(call, name)))
}
