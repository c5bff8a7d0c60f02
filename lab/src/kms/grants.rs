//! Grants on keys.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::validation;
use super::page::Paging;
use super::state::{Grant, Key};
use crate::call::{Answer, Call};
use crate::wire::json as wire;
use crate::world::World;

const DEFAULT_PAGE: usize = 50;

/// What a grant on a symmetric encryption key can permit.
const OPERATIONS: [&str; 9] = [
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateGrant {
    key_id: String,
    grantee_principal: String,
    retiring_principal: Option<String>,
    operations: Vec<String>,
    constraints: Option<Value>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListGrants {
    key_id: String,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RevokeGrant {
    key_id: String,
    grant_id: String,
}

/// `CreateGrant`. One that has a name is made once: the same request finds it again.
pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input: CreateGrant = wire::parameters(call)?;
    if let Some(wrong) = input
        .operations
        .iter()
        .find(|operation| !OPERATIONS.contains(&operation.as_str()))
    {
        return Err(validation(format!(
            "1 validation error detected: Value '{wrong}' at 'operations' failed to satisfy \
             constraint: a symmetric encryption key's grant permits {}",
            OPERATIONS.join(", ")
        )));
    }
    let (id, token) = (world.ids.hex(64), world.ids.hex(64));
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    key.must_be_enabled()?;
    let grant = Grant {
        id,
        name: input.name,
        created: call.now,
        grantee: input.grantee_principal,
        retiring: input.retiring_principal,
        operations: input.operations,
        constraints: input.constraints,
    };
    let id = match key.grants.values().find(|other| other.repeats(&grant)) {
        Some(existing) => existing.id.clone(),
        None => {
            let id = grant.id.clone();
            key.grants.insert(id.clone(), grant);
            id
        }
    };
    wire::answer(&json!({ "GrantToken": token, "GrantId": id }))
}

impl Grant {
    fn repeats(&self, other: &Self) -> bool {
        self.name.is_some()
            && self.name == other.name
            && self.grantee == other.grantee
            && self.retiring == other.retiring
            && self.operations == other.operations
            && self.constraints == other.constraints
    }
}

/// `ListGrants`.
pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let input: ListGrants = wire::parameters(call)?;
    let account = format!("arn:aws:iam::{}:root", call.account);
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    let wanted = |wanted: &Option<String>, actual: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == actual)
    };
    let grants = key
        .grants
        .values()
        .filter(|grant| {
            wanted(&input.grant_id, &grant.id) && wanted(&input.grantee_principal, &grant.grantee)
        })
        .map(|grant| (grant.id.clone(), view(key, grant, &account)))
        .collect();
    wire::answer(&input.paging.answer("Grants", grants, DEFAULT_PAGE)?)
}

fn view(key: &Key, grant: &Grant, account: &str) -> Value {
    let mut view = json!({
        "KeyId": key.arn,
        "GrantId": grant.id,
        "CreationDate": wire::epoch(grant.created),
        "GranteePrincipal": grant.grantee,
        "IssuingAccount": account,
        "Operations": grant.operations,
    });
    let more = [
        ("Name", grant.name.clone().map(Value::String)),
        (
            "RetiringPrincipal",
            grant.retiring.clone().map(Value::String),
        ),
        ("Constraints", grant.constraints.clone()),
    ];
    for (member, value) in more {
        if let Some(value) = value {
            view[member] = value;
        }
    }
    view
}

/// `RevokeGrant`.
pub(super) fn revoke(world: &mut World, call: &Call) -> Answer {
    let input: RevokeGrant = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    if key.grants.remove(&input.grant_id).is_none() {
        return Err(super::error::not_found(format!(
            "Grant ID {} not found",
            input.grant_id
        )));
    }
    wire::done()
}
