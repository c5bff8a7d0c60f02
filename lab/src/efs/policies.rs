//! What is set on a file system as a whole: its life cycle configuration, its backups and who may
//! do what with it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{bad_request, file_system_state, invalid_policy, no_policy};
use super::request::{Kind, Request};
use super::state::{Backup, FileSystem, LifecyclePolicy, Region, Throughput, after, takes};
use crate::call::{Answer, Reply, ServiceError};
use crate::ids::Ids;

/// Longest policy document, in characters.
const LONGEST_POLICY: usize = 20_000;
const MOST_LIFECYCLE_POLICIES: usize = 3;
/// How long files may have to go without access before they are moved, shortest first.
const PERIODS: [&str; 9] = [
    "AFTER_1_DAY",
    "AFTER_7_DAYS",
    "AFTER_14_DAYS",
    "AFTER_30_DAYS",
    "AFTER_60_DAYS",
    "AFTER_90_DAYS",
    "AFTER_180_DAYS",
    "AFTER_270_DAYS",
    "AFTER_365_DAYS",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutLifecycle {
    lifecycle_policies: Vec<LifecyclePolicy>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Lifecycle<'a> {
    lifecycle_policies: &'a [LifecyclePolicy],
}

/// `PutLifecycleConfiguration`: replaces it as a whole.
pub(super) fn put_lifecycle(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let id = request.id(Kind::FileSystem)?;
    let input: PutLifecycle = request.body()?;
    let file_system = changeable(region, id, request.call.now)?;
    check_lifecycle(file_system, &input.lifecycle_policies)?;
    file_system.lifecycle = input.lifecycle_policies;
    Reply::json(&Lifecycle {
        lifecycle_policies: &file_system.lifecycle,
    })
}

/// `DescribeLifecycleConfiguration`.
pub(super) fn describe_lifecycle(
    region: &mut Region,
    request: &Request<'_>,
    _ids: &mut Ids,
) -> Answer {
    let file_system = region.file_system(request.id(Kind::FileSystem)?)?;
    Reply::json(&Lifecycle {
        lifecycle_policies: &file_system.lifecycle,
    })
}

/// Each transition once, with periods that exist; to the archive later than to infrequent access,
/// and only with elastic throughput and the general purpose performance mode.
fn check_lifecycle(
    file_system: &FileSystem,
    policies: &[LifecyclePolicy],
) -> Result<(), ServiceError> {
    let refuse = |why: &str| Err(bad_request(why));
    if policies.len() > MOST_LIFECYCLE_POLICIES {
        return refuse("There are at most 3 lifecycle policies");
    }
    let (mut infrequent, mut archive, mut primary) = (None, None, None);
    for policy in policies {
        let (place, rank) = match policy {
            LifecyclePolicy::ToInfrequentAccess(period) => (&mut infrequent, rank(period)),
            LifecyclePolicy::ToArchive(period) => (&mut archive, rank(period)),
            LifecyclePolicy::ToPrimary(rule) => {
                (&mut primary, (rule == "AFTER_1_ACCESS").then_some(0))
            }
        };
        let Some(rank) = rank else {
            return refuse("One or more LifecyclePolicy objects specified are malformed.");
        };
        if place.replace(rank).is_some() {
            return refuse("Each transition may be specified only once");
        }
    }
    if archive.is_some() {
        if file_system.throughput != Throughput::Elastic
            || file_system.performance_mode != "generalPurpose"
        {
            return refuse(
                "TransitionToArchive needs elastic throughput and the generalPurpose performance mode",
            );
        }
        if archive <= infrequent {
            return refuse("TransitionToArchive must be later than TransitionToIA");
        }
    }
    Ok(())
}

fn rank(period: &str) -> Option<usize> {
    PERIODS.iter().position(|known| *known == period)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutBackup {
    backup_policy: BackupPolicy,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct BackupPolicy {
    status: String,
}

/// `PutBackupPolicy`.
pub(super) fn put_backup(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let id = request.id(Kind::FileSystem)?;
    let input: PutBackup = request.body()?;
    let enabled = match input.backup_policy.status.as_str() {
        "ENABLED" => true,
        "DISABLED" => false,
        other => {
            return Err(bad_request(format!(
                "The backup policy's status can be set to ENABLED or DISABLED, not '{other}'"
            )));
        }
    };
    let now = request.call.now;
    let file_system = changeable(region, id, now)?;
    if file_system.backup.enabled != enabled {
        file_system.backup = Backup {
            enabled,
            since: now,
        };
    }
    Reply::json(&backup_view(file_system.backup, now))
}

/// `DescribeBackupPolicy`.
pub(super) fn describe_backup(
    region: &mut Region,
    request: &Request<'_>,
    _ids: &mut Ids,
) -> Answer {
    let file_system = region.file_system(request.id(Kind::FileSystem)?)?;
    Reply::json(&backup_view(file_system.backup, request.call.now))
}

fn backup_view(backup: Backup, now: Timestamp) -> Value {
    let done = now >= after(backup.since, takes::BACKUP_CHANGE);
    let status = match (backup.enabled, done) {
        (true, true) => "ENABLED",
        (true, false) => "ENABLING",
        (false, true) => "DISABLED",
        (false, false) => "DISABLING",
    };
    json!({ "BackupPolicy": { "Status": status } })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutPolicy {
    policy: String,
    #[serde(rename = "BypassPolicyLockoutSafetyCheck", default)]
    _bypass_policy_lockout_safety_check: bool,
}

/// `PutFileSystemPolicy`.
pub(super) fn put_access(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let id = request.id(Kind::FileSystem)?;
    let input: PutPolicy = request.body()?;
    let policy: Value = serde_json::from_str(&input.policy)
        .ok()
        .filter(|policy: &Value| policy.get("Statement").is_some())
        .filter(|_| input.policy.len() <= LONGEST_POLICY)
        .ok_or_else(|| invalid_policy("Invalid Policy (malformed): check the policy document"))?;
    let file_system = changeable(region, id, request.call.now)?;
    file_system.policy = Some(policy);
    access_view(file_system)
}

/// `DescribeFileSystemPolicy`.
pub(super) fn describe_access(
    region: &mut Region,
    request: &Request<'_>,
    _ids: &mut Ids,
) -> Answer {
    access_view(region.file_system(request.id(Kind::FileSystem)?)?)
}

/// `DeleteFileSystemPolicy`. It succeeds where there is none.
pub(super) fn delete_access(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let id = request.id(Kind::FileSystem)?;
    changeable(region, id, request.call.now)?.policy = None;
    Ok(Reply::empty(http::StatusCode::OK))
}

fn access_view(file_system: &FileSystem) -> Answer {
    match &file_system.policy {
        Some(policy) => Reply::json(&json!({
            "FileSystemId": file_system.id,
            "Policy": policy.to_string(),
        })),
        None => Err(no_policy(format!(
            "File system policy for {} does not exist.",
            file_system.id
        ))),
    }
}

/// The file system of that id, if its settings may be changed now.
fn changeable<'r>(
    region: &'r mut Region,
    id: &str,
    now: Timestamp,
) -> Result<&'r mut FileSystem, ServiceError> {
    let file_system = region.file_system_mut(id)?;
    match file_system.state(now) {
        "available" => Ok(file_system),
        state => Err(file_system_state(id, state)),
    }
}
