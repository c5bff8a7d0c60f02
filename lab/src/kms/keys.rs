//! Keys: made, read, enabled and disabled.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{unsupported, validation};
use super::page::Paging;
use super::policies;
use super::state::{Key, KeyState, arn};
use super::tags::{self, Tag};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json as wire;
use crate::world::World;

const LONGEST_DESCRIPTION: usize = 8192;
const DEFAULT_PAGE: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateKey {
    policy: Option<String>,
    #[serde(default)]
    description: String,
    key_usage: Option<String>,
    customer_master_key_spec: Option<String>,
    key_spec: Option<String>,
    origin: Option<String>,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    multi_region: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OneKey {
    pub(super) key_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateKeyDescription {
    key_id: String,
    description: String,
}

/// `CreateKey`, which makes another key each time.
pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input: CreateKey = wire::parameters(call)?;
    check_kind(&input)?;
    check_description(&input.description)?;
    let tags = tags::read(input.tags, BTreeMap::new())?;
    let policy = match input.policy {
        Some(text) => policies::read(world, call, &text, input.bypass_policy_lockout_safety_check)?,
        None => policies::default(&call.account),
    };
    let id = world.ids.uuid();
    let key = Key {
        arn: arn(call, &format!("key/{id}")),
        id,
        created: call.now,
        description: input.description,
        state: KeyState::Enabled,
        policy,
        rotation: None,
        grants: BTreeMap::new(),
        tags,
    };
    let answer = answer(&key, call);
    world
        .kms(&call.account, &call.region)
        .keys
        .insert(key.id.clone(), key);
    answer
}

fn check_kind(input: &CreateKey) -> Result<(), ServiceError> {
    let is = |value: &Option<String>, expected: &str| {
        value.as_deref().is_none_or(|value| value == expected)
    };
    let symmetric = is(&input.key_usage, "ENCRYPT_DECRYPT")
        && is(&input.key_spec, "SYMMETRIC_DEFAULT")
        && is(&input.customer_master_key_spec, "SYMMETRIC_DEFAULT")
        && is(&input.origin, "AWS_KMS")
        && !input.multi_region;
    if symmetric {
        Ok(())
    } else {
        Err(unsupported(
            "The lab makes symmetric encryption keys of one region, with material from KMS.",
        ))
    }
}

fn check_description(description: &str) -> Result<(), ServiceError> {
    if description.chars().count() > LONGEST_DESCRIPTION {
        return Err(validation(format!(
            "1 validation error detected: Value at 'description' failed to satisfy constraint: \
             Member must have length less than or equal to {LONGEST_DESCRIPTION}"
        )));
    }
    Ok(())
}

/// `DescribeKey`, the one of these operations that takes aliases.
pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let OneKey { key_id } = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    answer(region.find(&key_id, call)?, call)
}

/// `ListKeys`.
pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let paging: Paging = wire::parameters(call)?;
    let keys = world.kms(&call.account, &call.region).keys.values();
    let keys = keys
        .map(|key| {
            let view = json!({ "KeyId": key.id, "KeyArn": key.arn });
            (key.id.clone(), view)
        })
        .collect();
    wire::answer(&paging.answer("Keys", keys, DEFAULT_PAGE)?)
}

/// `EnableKey`.
pub(super) fn enable(world: &mut World, call: &Call) -> Answer {
    switch(world, call, KeyState::Enabled)
}

/// `DisableKey`.
pub(super) fn disable(world: &mut World, call: &Call) -> Answer {
    switch(world, call, KeyState::Disabled)
}

fn switch(world: &mut World, call: &Call, state: KeyState) -> Answer {
    let OneKey { key_id } = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&key_id, call)?;
    key.must_stay()?;
    key.state = state;
    wire::done()
}

/// `UpdateKeyDescription`.
pub(super) fn update_description(world: &mut World, call: &Call) -> Answer {
    let input: UpdateKeyDescription = wire::parameters(call)?;
    check_description(&input.description)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    key.must_stay()?;
    key.description = input.description;
    wire::done()
}

fn answer(key: &Key, call: &Call) -> Answer {
    let mut metadata: Value = json!({
        "AWSAccountId": call.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": wire::epoch(key.created),
        "Enabled": key.state == KeyState::Enabled,
        "Description": key.description,
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": key.state.as_str(),
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": false,
    });
    if let KeyState::PendingDeletion { at } = key.state {
        metadata["DeletionDate"] = wire::epoch(at).into();
    }
    wire::answer(&json!({ "KeyMetadata": metadata }))
}
