//! What KMS keeps of one account in one region, and how keys are named.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{invalid_state, not_found};
use crate::call::{Call, ServiceError};

/// What KMS keeps of one account in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Region {
    /// Keys by their id.
    pub keys: BTreeMap<String, Key>,
    /// Aliases by their name (`alias/eks/…`).
    pub aliases: BTreeMap<String, Alias>,
}

/// A symmetric key that the account manages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Its id, a UUID.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: Timestamp,
    /// For people.
    pub description: String,
    /// Whether it can be used.
    pub state: KeyState,
    /// Its policy: a document.
    pub policy: Value,
    /// How often its material is rotated, if it is.
    pub rotation: Option<Rotation>,
    /// Grants by their id.
    pub grants: BTreeMap<String, Grant>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    /// It can.
    Enabled,
    /// It can't, until it is enabled again.
    Disabled,
    /// It can't, and it will be gone.
    PendingDeletion {
        /// From when on.
        at: Timestamp,
    },
}

/// How often a key's material is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// In days.
    pub period: u32,
    /// When it was last rotated, or rotation was begun.
    pub since: Timestamp,
}

/// Leave for a principal to use a key, which services take for resources that they encrypt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Its name, by which a repeated request is known.
    pub name: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Who may use the key.
    pub grantee: String,
    /// Who may give the grant back.
    pub retiring: Option<String>,
    /// What for.
    pub operations: Vec<String>,
    /// Under which encryption context.
    pub constraints: Option<Value>,
}

/// Another name of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The key's id.
    pub key: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last given to a key.
    pub updated: Timestamp,
}

impl KeyState {
    /// As on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
        }
    }
}

impl Key {
    /// Refuses what can't be done to a key that will be deleted.
    pub(super) fn must_stay(&self) -> Result<(), ServiceError> {
        match self.state {
            KeyState::Enabled | KeyState::Disabled => Ok(()),
            KeyState::PendingDeletion { .. } => {
                Err(invalid_state(format!("{} is pending deletion.", self.arn)))
            }
        }
    }

    /// Refuses what needs a key that can be used.
    pub(super) fn must_be_enabled(&self) -> Result<(), ServiceError> {
        self.must_stay()?;
        match self.state {
            KeyState::Disabled => Err(super::error::disabled(&self.arn)),
            KeyState::Enabled | KeyState::PendingDeletion { .. } => Ok(()),
        }
    }
}

impl Region {
    /// Forgets the keys whose waiting period is over, with their aliases.
    pub fn forget_deleted(&mut self, now: Timestamp) {
        let is_over =
            |key: &Key| matches!(key.state, KeyState::PendingDeletion { at } if at <= now);
        if self.keys.values().any(is_over) {
            self.keys.retain(|_, key| !is_over(key));
            let keys = &self.keys;
            self.aliases
                .retain(|_, alias| keys.contains_key(&alias.key));
        }
    }

    /// The key that an id, an ARN, an alias or an alias's ARN names.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub(crate) fn find(&self, name: &str, call: &Call) -> Result<&Key, ServiceError> {
        let local =
            local_name(name, call).ok_or_else(|| not_found(format!("Invalid arn {name}")))?;
        if local.starts_with("alias/") {
            let alias = self
                .aliases
                .get(local)
                .ok_or_else(|| not_found(format!("Alias {} is not found.", arn(call, local))))?;
            return self.by_id(&alias.key, call);
        }
        self.by_id(local.strip_prefix("key/").unwrap_or(local), call)
    }

    /// The key that an id or an ARN names, to be changed. Most operations take no alias.
    pub(super) fn find_mut(&mut self, name: &str, call: &Call) -> Result<&mut Key, ServiceError> {
        if name.contains("alias/") {
            return Err(not_found(format!("Invalid keyId '{name}'")));
        }
        let id = self.find(name, call)?.id.clone();
        let missing = no_key(&id, call);
        self.keys.get_mut(&id).ok_or(missing)
    }

    fn by_id(&self, id: &str, call: &Call) -> Result<&Key, ServiceError> {
        self.keys.get(id).ok_or_else(|| no_key(id, call))
    }
}

fn no_key(id: &str, call: &Call) -> ServiceError {
    if id.len() == 36 {
        let arn = arn(call, &format!("key/{id}"));
        not_found(format!("Key '{arn}' does not exist"))
    } else {
        not_found(format!("Invalid keyId '{id}'"))
    }
}

/// What an ARN of this account and region names; a name that isn't an ARN as it is.
fn local_name<'n>(name: &'n str, call: &Call) -> Option<&'n str> {
    if name.starts_with("arn:") {
        name.strip_prefix(&arn(call, ""))
    } else {
        Some(name)
    }
}

/// An ARN of KMS in a call's account and region.
pub(super) fn arn(call: &Call, resource: &str) -> String {
    format!("arn:aws:kms:{}:{}:{resource}", call.region, call.account)
}
