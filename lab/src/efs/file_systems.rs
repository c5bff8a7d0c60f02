//! File systems.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{
    bad_request, file_system_exists, file_system_in_use, file_system_state, limit_exceeded,
    no_file_system, no_place, too_many_requests,
};
use super::request::{Kind, Request, answer_with, nothing};
use super::state::{Backup, FileSystem, Life, Region, Tags, Throughput, takes};
use super::tags::{self, Tag};
use crate::call::{Answer, Reply, ServiceError};
use crate::ids::{Ids, digest, uuid_from};

const LONGEST_TOKEN: usize = 64;
/// Most provisioned throughput in MiB per second.
const MOST_MIBPS: f64 = 3414.0;
/// How long another throughput has to stay before it may be changed again or be lowered.
const BETWEEN_UPDATES: SignedDuration = SignedDuration::from_hours(24);
/// What a file system without files takes, in bytes.
const EMPTY: u32 = 6144;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    creation_token: String,
    performance_mode: Option<String>,
    #[serde(default)]
    encrypted: bool,
    kms_key_id: Option<String>,
    throughput_mode: Option<String>,
    provisioned_throughput_in_mibps: Option<f64>,
    availability_zone_name: Option<String>,
    backup: Option<bool>,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// `CreateFileSystem`. A creation token makes one file system, ever.
pub(super) fn create(region: &mut Region, request: &Request<'_>, ids: &mut Ids) -> Answer {
    let input: Create = request.body()?;
    check_token("CreationToken", &input.creation_token)?;
    let same = |it: &&FileSystem| it.creation_token == input.creation_token;
    if let Some(existing) = region.file_systems.values().find(same) {
        return Err(file_system_exists(&existing.id, &input.creation_token));
    }
    let throughput = throughput(
        input.throughput_mode.as_deref().unwrap_or("bursting"),
        input.provisioned_throughput_in_mibps,
    )?;
    let performance_mode = input
        .performance_mode
        .unwrap_or_else(|| "generalPurpose".to_owned());
    check_performance(
        &performance_mode,
        throughput,
        input.availability_zone_name.as_deref(),
    )?;
    if let Some(zone) = &input.availability_zone_name {
        check_zone(request, zone)?;
    }
    let kms_key = kms_key(request, input.encrypted, input.kms_key_id)?;
    let tags = tags::with(&Tags::new(), input.tags)?;
    if region.file_systems.len() >= region.quotas.file_systems {
        return Err(limit_exceeded(
            "FileSystemLimitExceeded",
            "You have reached the maximum number of file systems per account.",
        ));
    }
    let now = request.call.now;
    let file_system = FileSystem {
        id: format!("fs-0{}", ids.hex(16)),
        creation_token: input.creation_token,
        created_at: now,
        life: Life::begin(now, takes::FILE_SYSTEM_CREATION),
        performance_mode,
        kms_key,
        throughput,
        throughput_changed: None,
        backup: Backup {
            // One Zone file systems are backed up unless that is refused.
            enabled: input
                .backup
                .unwrap_or(input.availability_zone_name.is_some()),
            since: now,
        },
        zone: input.availability_zone_name,
        lifecycle: Vec::new(),
        overwrite_protection: true,
        policy: None,
        tags,
    };
    let answer = view(region, request, &file_system);
    region
        .file_systems
        .insert(file_system.id.clone(), file_system);
    answer_with(StatusCode::CREATED, &answer)
}

/// `DescribeFileSystems`: one by id, one by creation token, or all. A token that no file system has
/// finds nothing, which isn't an error.
pub(super) fn describe(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let id = request.query_id("FileSystemId", Kind::FileSystem)?;
    let token = request.call.query("CreationToken");
    if id.is_some() && token.is_some() {
        return Err(bad_request(
            "Request cannot contain both a file system ID and a creation token.",
        ));
    }
    if let Some(id) = id
        && !region.file_systems.contains_key(id)
    {
        return Err(no_file_system(id));
    }
    let found = region
        .file_systems
        .values()
        .filter(|it| id.is_none_or(|id| it.id == id))
        .filter(|it| token.is_none_or(|token| it.creation_token == token))
        .map(|it| (it.id.clone(), view(region, request, it)))
        .collect();
    let page = request.page(found, "MaxItems", "Marker")?;
    let mut answer = json!({ "FileSystems": page.items });
    if let Some(marker) = request.call.query("Marker") {
        answer["Marker"] = marker.into();
    }
    if let Some(next) = page.next {
        answer["NextMarker"] = next.into();
    }
    Reply::json(&answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Update {
    throughput_mode: Option<String>,
    provisioned_throughput_in_mibps: Option<f64>,
}

/// `UpdateFileSystem`: changes the throughput, at most once a day unless it is raised.
pub(super) fn update(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let id = request.id(Kind::FileSystem)?;
    let input: Update = request.body()?;
    let now = request.call.now;
    let file_system = region.file_system_mut(id)?;
    let state = file_system.state(now);
    if state != "available" {
        return Err(file_system_state(id, state));
    }
    let mode = input.throughput_mode.as_deref();
    let wanted = throughput(
        mode.unwrap_or(mode_of(file_system.throughput).0),
        input.provisioned_throughput_in_mibps,
    )?;
    check_performance(
        &file_system.performance_mode,
        wanted,
        file_system.zone.as_deref(),
    )?;
    if wanted != file_system.throughput {
        let raised = matches!(
            (file_system.throughput, wanted),
            (Throughput::Provisioned(is), Throughput::Provisioned(wanted)) if wanted > is
        );
        let recent = file_system
            .throughput_changed
            .is_some_and(|at| now.duration_since(at) < BETWEEN_UPDATES);
        if recent && !raised {
            return Err(too_many_requests(
                "Wait 24 hours before changing the throughput mode or lowering the throughput again.",
            ));
        }
        file_system.throughput = wanted;
        file_system.throughput_changed = Some(now);
    }
    let answer = view(region, request, region.file_system(id)?);
    answer_with(StatusCode::ACCEPTED, &answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct UpdateProtection {
    replication_overwrite_protection: String,
}

/// `UpdateFileSystemProtection`.
pub(super) fn update_protection(
    region: &mut Region,
    request: &Request<'_>,
    _ids: &mut Ids,
) -> Answer {
    let id = request.id(Kind::FileSystem)?;
    let input: UpdateProtection = request.body()?;
    let protected = match input.replication_overwrite_protection.as_str() {
        "ENABLED" => true,
        "DISABLED" => false,
        other => {
            return Err(bad_request(format!(
                "ReplicationOverwriteProtection can be set to ENABLED or DISABLED, not '{other}'"
            )));
        }
    };
    let file_system = region.file_system_mut(id)?;
    let state = file_system.state(request.call.now);
    if state != "available" {
        return Err(file_system_state(id, state));
    }
    file_system.overwrite_protection = protected;
    Reply::json(&protection(file_system))
}

/// `DeleteFileSystem`. Its data is lost; mount targets have to go first.
pub(super) fn delete(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let id = request.id(Kind::FileSystem)?;
    region.file_system(id)?;
    let targets = region.mount_targets_of(id).count();
    if targets > 0 {
        return Err(file_system_in_use(format!(
            "File system '{id}' has {targets} mount target(s); delete them first."
        )));
    }
    let now = request.call.now;
    region
        .file_system_mut(id)?
        .life
        .end(now, takes::FILE_SYSTEM_DELETION);
    // Access points go with the file system.
    region.access_points.retain(|_, it| it.file_system != id);
    nothing()
}

/// A creation or client token: 1 to 64 characters.
pub(super) fn check_token(member: &str, token: &str) -> Result<(), ServiceError> {
    if (1..=LONGEST_TOKEN).contains(&token.chars().count()) {
        Ok(())
    } else {
        Err(bad_request(format!(
            "{member} must have 1 to {LONGEST_TOKEN} characters"
        )))
    }
}

fn throughput(mode: &str, mibps: Option<f64>) -> Result<Throughput, ServiceError> {
    match (mode, mibps) {
        ("bursting", None) => Ok(Throughput::Bursting),
        ("elastic", None) => Ok(Throughput::Elastic),
        ("provisioned", Some(mibps)) if (1.0..=MOST_MIBPS).contains(&mibps) => {
            Ok(Throughput::Provisioned(mibps))
        }
        ("provisioned", Some(mibps)) => Err(bad_request(format!(
            "ProvisionedThroughputInMibps must be 1 to {MOST_MIBPS}, not {mibps}"
        ))),
        ("provisioned", None) => Err(bad_request(
            "ThroughputMode 'provisioned' needs ProvisionedThroughputInMibps",
        )),
        ("bursting" | "elastic", Some(_)) => Err(bad_request(format!(
            "ProvisionedThroughputInMibps can't be set with ThroughputMode '{mode}'"
        ))),
        _ => Err(bad_request(format!("'{mode}' is not a throughput mode"))),
    }
}

fn check_performance(
    mode: &str,
    throughput: Throughput,
    zone: Option<&str>,
) -> Result<(), ServiceError> {
    match mode {
        "generalPurpose" => Ok(()),
        "maxIO" if zone.is_some() || throughput == Throughput::Elastic => Err(bad_request(
            "PerformanceMode 'maxIO' can't be had in One Zone or with elastic throughput",
        )),
        "maxIO" => Ok(()),
        _ => Err(bad_request(format!("'{mode}' is not a performance mode"))),
    }
}

/// The zone has to be one of the region's: its name with a letter behind it.
fn check_zone(request: &Request<'_>, zone: &str) -> Result<(), ServiceError> {
    let letter = zone.strip_prefix(request.call.region.as_str());
    match letter.map(str::as_bytes) {
        Some([b'a'..=b'f']) => Ok(()),
        _ => Err(no_place(
            "UnsupportedAvailabilityZone",
            format!("Availability Zone '{zone}' doesn't exist or has no EFS"),
        )),
    }
}

/// ARN of the key that is to encrypt a file system: the one that is asked for, or the account's
/// own for EFS.
fn kms_key(
    request: &Request<'_>,
    encrypted: bool,
    asked: Option<String>,
) -> Result<Option<String>, ServiceError> {
    let (account, region) = (&request.call.account, &request.call.region);
    let arn = |key: &str| format!("arn:aws:kms:{region}:{account}:{key}");
    Ok(match (encrypted, asked) {
        (false, None) => None,
        (false, Some(_)) => {
            return Err(bad_request("KmsKeyId needs Encrypted to be true"));
        }
        (true, None) => Some(own_key(account, region)),
        (true, Some(key)) if key.starts_with("arn:") => Some(key),
        (true, Some(alias)) if alias.starts_with("alias/") => Some(arn(&alias)),
        (true, Some(id)) => Some(arn(&format!("key/{id}"))),
    })
}

/// ARN of the key that EFS has for itself in an account and region (alias
/// `aws/elasticfilesystem`).
pub fn own_key(account: &str, region: &str) -> String {
    let id = uuid_from(digest(&[account, region, "aws/elasticfilesystem"]));
    format!("arn:aws:kms:{region}:{account}:key/{id}")
}

fn mode_of(throughput: Throughput) -> (&'static str, Option<f64>) {
    match throughput {
        Throughput::Bursting => ("bursting", None),
        Throughput::Elastic => ("elastic", None),
        Throughput::Provisioned(mibps) => ("provisioned", Some(mibps)),
    }
}

fn protection(file_system: &FileSystem) -> Value {
    let protection = if file_system.overwrite_protection {
        "ENABLED"
    } else {
        "DISABLED"
    };
    json!({ "ReplicationOverwriteProtection": protection })
}

/// Its tags, with the one by which EFS marks what it backs up.
/// Source: EFS User Guide, "Managing automatic backups of EFS file systems".
fn marked(it: &FileSystem) -> Tags {
    let mut tags = it.tags.clone();
    if it.backup.enabled {
        let mark = "aws:elasticfilesystem:default-backup";
        tags.insert(mark.to_owned(), "enabled".to_owned());
    }
    tags
}

/// A `FileSystemDescription`.
fn view(region: &Region, request: &Request<'_>, it: &FileSystem) -> Value {
    let now: Timestamp = request.call.now;
    let (mode, mibps) = mode_of(it.throughput);
    let mut view = json!({
        "OwnerId": request.call.account,
        "CreationToken": it.creation_token,
        "FileSystemId": it.id,
        "FileSystemArn": request.arn(Kind::FileSystem, &it.id),
        "CreationTime": it.created_at.as_second(),
        "LifeCycleState": it.state(now),
        "NumberOfMountTargets": region.mount_targets_of(&it.id).count(),
        "SizeInBytes": {
            "Value": EMPTY,
            "ValueInIA": 0,
            "ValueInStandard": EMPTY,
            "ValueInArchive": 0,
        },
        "PerformanceMode": it.performance_mode,
        "Encrypted": it.kms_key.is_some(),
        "ThroughputMode": mode,
        "Tags": tags::listed(&marked(it)),
        "FileSystemProtection": protection(it),
    });
    let zone_id = it.zone.as_ref().and_then(|zone| {
        let mut subnets = request.ec2.subnets.values();
        Some(subnets.find(|subnet| subnet.zone == *zone)?.zone_id.clone())
    });
    let optional = [
        ("Name", it.tags.get("Name").cloned().map(Value::from)),
        ("KmsKeyId", it.kms_key.clone().map(Value::from)),
        ("ProvisionedThroughputInMibps", mibps.map(Value::from)),
        ("AvailabilityZoneName", it.zone.clone().map(Value::from)),
        ("AvailabilityZoneId", zone_id.map(Value::from)),
    ];
    for (member, value) in optional {
        if let Some(value) = value {
            view[member] = value;
        }
    }
    view
}
