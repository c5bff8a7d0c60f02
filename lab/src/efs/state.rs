//! What EFS keeps of one account in one region.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::no_file_system;
use crate::call::ServiceError;

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

/// How long things take, in world time: what EFS typically needs.
pub mod takes {
    use jiff::SignedDuration;

    /// Until a new file system is `available`.
    pub const FILE_SYSTEM_CREATION: SignedDuration = SignedDuration::from_secs(6);
    /// Until a deleted file system is gone.
    pub const FILE_SYSTEM_DELETION: SignedDuration = SignedDuration::from_secs(10);
    /// Until another throughput is in effect.
    pub const FILE_SYSTEM_UPDATE: SignedDuration = SignedDuration::from_secs(10);
    /// Until automatic backups are on or off.
    pub const BACKUP_CHANGE: SignedDuration = SignedDuration::from_secs(5);
    /// Until a new mount target is `available`.
    pub const MOUNT_TARGET_CREATION: SignedDuration = SignedDuration::from_secs(80);
    /// Until a deleted mount target is gone.
    pub const MOUNT_TARGET_DELETION: SignedDuration = SignedDuration::from_secs(25);
    /// Until a new access point is `available`.
    pub const ACCESS_POINT_CREATION: SignedDuration = SignedDuration::from_secs(3);
    /// Until a deleted access point is gone.
    pub const ACCESS_POINT_DELETION: SignedDuration = SignedDuration::from_secs(3);
}

/// What EFS keeps of one account in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Region {
    /// File systems by id.
    pub file_systems: BTreeMap<String, FileSystem>,
    /// Mount targets by id.
    pub mount_targets: BTreeMap<String, MountTarget>,
    /// Access points by id.
    pub access_points: BTreeMap<String, AccessPoint>,
    /// How many of each there may be.
    pub quotas: Quotas,
}

/// How many of each there may be. The defaults are the service's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// File systems in one account and region.
    pub file_systems: usize,
    /// Access points of one file system.
    pub access_points: usize,
    /// Security groups of one mount target.
    pub security_groups: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            file_systems: 1000,
            access_points: 10_000,
            security_groups: 5,
        }
    }
}

/// When a thing came into being and, if it was deleted, when it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// When it is or was `available` for the first time.
    pub ready: Timestamp,
    /// When it is gone, once it was deleted.
    pub gone: Option<Timestamp>,
}

impl Life {
    /// Of a thing that is `available` after a while.
    pub(super) fn begin(now: Timestamp, takes: jiff::SignedDuration) -> Self {
        Self {
            ready: after(now, takes),
            gone: None,
        }
    }

    /// Of a thing that has been there since then.
    pub fn since(then: Timestamp) -> Self {
        Self {
            ready: then,
            gone: None,
        }
    }

    /// Deletes it, if it isn't being deleted already.
    pub(super) fn end(&mut self, now: Timestamp, takes: jiff::SignedDuration) {
        self.gone.get_or_insert_with(|| after(now, takes));
    }

    /// The state as EFS names it.
    pub(super) fn state(&self, now: Timestamp) -> &'static str {
        if self.gone.is_some() {
            "deleting"
        } else if now < self.ready {
            "creating"
        } else {
            "available"
        }
    }

    fn is_gone(&self, now: Timestamp) -> bool {
        self.gone.is_some_and(|gone| gone <= now)
    }
}

/// A clock at the end of time is no reason to fail: what takes a while is then done at once.
pub(super) fn after(now: Timestamp, takes: jiff::SignedDuration) -> Timestamp {
    now.checked_add(takes).unwrap_or(now)
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Its id (`fs-0…`).
    pub id: String,
    /// The token that it was made with, which no other of the account and region may have.
    pub creation_token: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is and was there.
    pub life: Life,
    /// `generalPurpose` or `maxIO`.
    pub performance_mode: String,
    /// ARN of the key that encrypts it, if it is encrypted.
    pub kms_key: Option<String>,
    /// How fast it may be.
    pub throughput: Throughput,
    /// When the throughput was last changed.
    pub throughput_changed: Option<Timestamp>,
    /// Name of the only zone that it is in; none if it is in all of the region's.
    pub zone: Option<String>,
    /// Whether backups are made.
    pub backup: Backup,
    /// When files are moved between storage classes.
    pub lifecycle: Vec<LifecyclePolicy>,
    /// Whether replication may not overwrite it.
    pub overwrite_protection: bool,
    /// Who may do what with it: a policy document, if there is one.
    pub policy: Option<Value>,
    /// Its tags, `Name` among them.
    pub tags: BTreeMap<String, String>,
}

impl FileSystem {
    /// The state as EFS names it.
    pub(super) fn state(&self, now: Timestamp) -> &'static str {
        let updating = self
            .throughput_changed
            .is_some_and(|at| now < after(at, takes::FILE_SYSTEM_UPDATE));
        match self.life.state(now) {
            "available" if updating => "updating",
            state => state,
        }
    }
}

/// How fast a file system may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Throughput {
    /// As its size earns.
    Bursting,
    /// As needed.
    Elastic,
    /// This many MiB per second.
    Provisioned(f64),
}

/// Whether automatic backups are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Whether they are wanted.
    pub enabled: bool,
    /// When that was last changed.
    pub since: Timestamp,
}

/// One rule of a file system's life cycle configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecyclePolicy {
    /// To infrequent access, after so long without access.
    #[serde(rename = "TransitionToIA")]
    ToInfrequentAccess(String),
    /// Back to the primary storage class.
    #[serde(rename = "TransitionToPrimaryStorageClass")]
    ToPrimary(String),
    /// To the archive, after so long without access.
    #[serde(rename = "TransitionToArchive")]
    ToArchive(String),
}

/// A mount target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountTarget {
    /// Its id (`fsmt-0…`).
    pub id: String,
    /// The file system that can be mounted there.
    pub file_system: String,
    /// The subnet that it is in.
    pub subnet: String,
    /// When it is and was there.
    pub life: Life,
    /// Its IPv4 address.
    pub address: String,
    /// Its network interface (`eni-0…`).
    pub network_interface: String,
    /// Ids of its security groups.
    pub security_groups: Vec<String>,
}

/// An access point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPoint {
    /// Its id (`fsap-0…`).
    pub id: String,
    /// The file system that it leads into.
    pub file_system: String,
    /// The token that it was made with.
    pub client_token: String,
    /// When it is and was there.
    pub life: Life,
    /// The user that everyone is, who comes through it.
    pub posix_user: Option<PosixUser>,
    /// The directory that they see as the root.
    pub root: RootDirectory,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A POSIX user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PosixUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary_gids: Vec<u32>,
}

/// The directory that an access point makes the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RootDirectory {
    /// Its path.
    #[serde(default = "root")]
    pub path: String,
    /// How it is made if it doesn't exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_info: Option<CreationInfo>,
}

impl Default for RootDirectory {
    fn default() -> Self {
        Self {
            path: root(),
            creation_info: None,
        }
    }
}

fn root() -> String {
    "/".to_owned()
}

/// Owner and permissions of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreationInfo {
    /// User id of the owner.
    pub owner_uid: u32,
    /// Group id of the owner.
    pub owner_gid: u32,
    /// In octal, three or four digits.
    pub permissions: String,
}

impl Region {
    /// Drops what was deleted and is gone by now.
    pub(super) fn settle(&mut self, now: Timestamp) {
        self.file_systems.retain(|_, it| !it.life.is_gone(now));
        self.mount_targets.retain(|_, it| !it.life.is_gone(now));
        self.access_points.retain(|_, it| !it.life.is_gone(now));
    }

    pub(super) fn file_system(&self, id: &str) -> Result<&FileSystem, ServiceError> {
        self.file_systems.get(id).ok_or_else(|| no_file_system(id))
    }

    pub(super) fn file_system_mut(&mut self, id: &str) -> Result<&mut FileSystem, ServiceError> {
        self.file_systems
            .get_mut(id)
            .ok_or_else(|| no_file_system(id))
    }

    /// The mount targets of a file system.
    pub fn mount_targets_of<'r>(
        &'r self,
        file_system: &'r str,
    ) -> impl Iterator<Item = &'r MountTarget> {
        self.mount_targets
            .values()
            .filter(move |target| target.file_system == file_system)
    }

    /// The access points of a file system.
    pub fn access_points_of<'r>(
        &'r self,
        file_system: &'r str,
    ) -> impl Iterator<Item = &'r AccessPoint> {
        self.access_points
            .values()
            .filter(move |point| point.file_system == file_system)
    }
}
