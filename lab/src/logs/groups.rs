//! Log groups: made, found, changed, deleted.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{LogGroup, LogGroupClass};
use super::tags::check;
use super::{invalid_parameter, not_found};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json as wire;
use crate::world::World;

/// The days that events can be kept for, as PutRetentionPolicy documents them.
const RETENTIONS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
const LARGEST_PAGE: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateLogGroup {
    log_group_name: String,
    kms_key_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    log_group_class: LogGroupClass,
    #[serde(default)]
    deletion_protection_enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DescribeLogGroups {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
    log_group_class: Option<LogGroupClass>,
    #[serde(default)]
    log_group_identifiers: Vec<String>,
    #[serde(default)]
    include_linked_accounts: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneGroup {
    log_group_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutRetentionPolicy {
    log_group_name: String,
    retention_in_days: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutDeletionProtection {
    log_group_identifier: String,
    deletion_protection_enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssociateKmsKey {
    log_group_name: String,
    kms_key_id: Option<String>,
}

/// `CreateLogGroup`.
pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input: CreateLogGroup = wire::parameters(call)?;
    check_name(&input.log_group_name)?;
    check(&input.tags)?;
    if let Some(key) = &input.kms_key_id {
        must_be_usable(world, call, key)?;
    }
    let groups = &mut world.logs(&call.account, &call.region).groups;
    if groups.contains_key(&input.log_group_name) {
        return Err(ServiceError::bad_request(
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ));
    }
    let group = LogGroup {
        class: input.log_group_class,
        key: input.kms_key_id,
        deletion_protection: input.deletion_protection_enabled,
        tags: input.tags,
        ..LogGroup::new(&input.log_group_name, call.now)
    };
    groups.insert(input.log_group_name, group);
    wire::done()
}

/// `DescribeLogGroups`.
pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let input: DescribeLogGroups = wire::parameters(call)?;
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(invalid_parameter(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    if input.include_linked_accounts {
        return Err(invalid_parameter(
            "The lab's accounts aren't linked for monitoring.",
        ));
    }
    let size = match input.limit {
        None => LARGEST_PAGE,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| {
                invalid_parameter(format!(
                    "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy \
                     constraint: Member must have value between 1 and {LARGEST_PAGE}"
                ))
            })?,
    };
    let from = input.next_token.as_deref().map(begin).transpose()?;
    let fits = |group: &&LogGroup| {
        let name = &group.name;
        let pattern = input.log_group_name_pattern.as_deref();
        input
            .log_group_name_prefix
            .as_deref()
            .is_none_or(|prefix| name.starts_with(prefix))
            // A pattern is a part of the name, told without regard to case.
            && pattern.is_none_or(|part| name.to_lowercase().contains(&part.to_lowercase()))
            && input.log_group_class.is_none_or(|class| group.class == class)
            && (input.log_group_identifiers.is_empty()
                || input
                    .log_group_identifiers
                    .iter()
                    .any(|id| id == name || *id == arn(call, name)))
            && from.as_ref().is_none_or(|from| name >= from)
    };
    let groups = &world.logs(&call.account, &call.region).groups;
    let fitting: Vec<&LogGroup> = groups.values().filter(fits).collect();
    let page = fitting.iter().take(size);
    let mut answer = json!({
        "logGroups": page.map(|group| view(group, call)).collect::<Vec<_>>(),
    });
    if let Some(next) = fitting.get(size) {
        answer["nextToken"] = BASE64.encode(next.name.as_bytes()).into();
    }
    wire::answer(&answer)
}

fn begin(token: &str) -> Result<String, ServiceError> {
    BASE64
        .decode(token.as_bytes())
        .ok()
        .and_then(|name| String::from_utf8(name).ok())
        .ok_or_else(|| invalid_parameter("The specified nextToken is invalid."))
}

/// `DeleteLogGroup`.
pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let OneGroup { log_group_name } = wire::parameters(call)?;
    let region = world.logs(&call.account, &call.region);
    if region.find(&log_group_name)?.deletion_protection {
        return Err(ServiceError::bad_request(
            "ValidationException",
            "Log group has deletion protection enabled and cannot be deleted.",
        ));
    }
    region.groups.remove(&log_group_name);
    wire::done()
}

/// `PutRetentionPolicy`.
pub(super) fn put_retention(world: &mut World, call: &Call) -> Answer {
    let input: PutRetentionPolicy = wire::parameters(call)?;
    let days = input.retention_in_days;
    if !RETENTIONS.contains(&days) {
        return Err(invalid_parameter(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy \
             constraint: Member must satisfy enum value set: {RETENTIONS:?}"
        )));
    }
    let region = world.logs(&call.account, &call.region);
    region.find(&input.log_group_name)?.retention_days = Some(days);
    wire::done()
}

/// `DeleteRetentionPolicy`.
pub(super) fn delete_retention(world: &mut World, call: &Call) -> Answer {
    let OneGroup { log_group_name } = wire::parameters(call)?;
    let region = world.logs(&call.account, &call.region);
    region.find(&log_group_name)?.retention_days = None;
    wire::done()
}

/// `PutLogGroupDeletionProtection`.
pub(super) fn put_deletion_protection(world: &mut World, call: &Call) -> Answer {
    let input: PutDeletionProtection = wire::parameters(call)?;
    let name = input.log_group_identifier;
    let name = name.strip_prefix(&arn(call, "")).unwrap_or(&name);
    let region = world.logs(&call.account, &call.region);
    region.find(name)?.deletion_protection = input.deletion_protection_enabled;
    wire::done()
}

/// `AssociateKmsKey`.
pub(super) fn associate_key(world: &mut World, call: &Call) -> Answer {
    let input: AssociateKmsKey = wire::parameters(call)?;
    let key = input
        .kms_key_id
        .ok_or_else(|| invalid_parameter("kmsKeyId must be given"))?;
    must_be_usable(world, call, &key)?;
    let region = world.logs(&call.account, &call.region);
    region.find(&input.log_group_name)?.key = Some(key);
    wire::done()
}

/// `DisassociateKmsKey`.
pub(super) fn disassociate_key(world: &mut World, call: &Call) -> Answer {
    let OneGroup { log_group_name } = wire::parameters(call)?;
    let region = world.logs(&call.account, &call.region);
    region.find(&log_group_name)?.key = None;
    wire::done()
}

fn must_be_usable(world: &mut World, call: &Call, key: &str) -> Result<(), ServiceError> {
    let keys = world.kms(&call.account, &call.region);
    let usable = key.starts_with("arn:")
        && keys
            .find(key, call)
            .is_ok_and(|key| key.state == crate::kms::KeyState::Enabled);
    if usable {
        Ok(())
    } else {
        Err(invalid_parameter(format!(
            "The specified KMS key does not exist or is not allowed to be used with Arn '{key}'"
        )))
    }
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_/#".contains(&b);
    if name.is_empty() || name.len() > 512 || !name.bytes().all(allowed) {
        return Err(invalid_parameter(format!(
            "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
        )));
    }
    if name.starts_with("aws/") {
        return Err(invalid_parameter(
            "Log groups starting with AWS/ are reserved for AWS.",
        ));
    }
    Ok(())
}

/// ARN of a group, as tags, policies and the member `logGroupArn` have it.
pub(super) fn arn(call: &Call, name: &str) -> String {
    format!(
        "arn:aws:logs:{}:{}:log-group:{name}",
        call.region, call.account
    )
}

fn view(group: &LogGroup, call: &Call) -> Value {
    let arn = arn(call, &group.name);
    let mut view = json!({
        "logGroupName": group.name,
        "creationTime": group.created.as_millisecond(),
        "metricFilterCount": 0,
        // This one means the group and its streams.
        "arn": format!("{arn}:*"),
        "storedBytes": 0,
        "logGroupClass": group.class,
        "logGroupArn": arn,
        "deletionProtectionEnabled": group.deletion_protection,
    });
    if let Some(days) = group.retention_days {
        view["retentionInDays"] = days.into();
    }
    if let Some(key) = &group.key {
        view["kmsKeyId"] = key.as_str().into();
    }
    view
}

/// The group that an ARN names, with or without the `:*` at its end.
pub(super) fn by_arn<'w>(
    world: &'w mut World,
    call: &Call,
    wanted: &str,
) -> Result<&'w mut LogGroup, ServiceError> {
    let name = wanted
        .strip_prefix(&arn(call, ""))
        .map(|name| name.strip_suffix(":*").unwrap_or(name))
        .ok_or_else(|| not_found(format!("The specified resource {wanted} does not exist.")))?;
    world.logs(&call.account, &call.region).find(name)
}
