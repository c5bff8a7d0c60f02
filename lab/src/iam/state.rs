//! What IAM keeps of one account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What IAM keeps of one account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Roles by name, which is unique in an account whatever the path.
    pub roles: BTreeMap<String, Role>,
    /// Customer managed policies by name, which is unique likewise.
    pub policies: BTreeMap<String, ManagedPolicy>,
    /// Instance profiles by name.
    pub instance_profiles: BTreeMap<String, InstanceProfile>,
    /// OpenID Connect identity providers by their URL without `https://`.
    pub oidc_providers: BTreeMap<String, OidcProvider>,
    /// The names of the roles as they were last asked for.
    #[serde(skip)]
    names: Arc<[String]>,
}

impl Account {
    /// The names of all roles. Every call to a cluster asks for them, and they hardly ever change.
    pub(crate) fn role_names(&mut self) -> Arc<[String]> {
        if !self.names.iter().eq(self.roles.keys()) {
            self.names = self.roles.keys().cloned().collect();
        }
        self.names.clone()
    }
}

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its path, with a slash on both ends (`/PSKRoles/`).
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its unique id (`AROA…`).
    pub id: String,
    /// Who may assume it: a policy document.
    pub trust: Value,
    /// How long its sessions may last, in seconds: 3600 to 43200.
    pub max_session_duration: u32,
    /// When it was made.
    pub created: Timestamp,
    /// For people.
    pub description: Option<String>,
    /// ARNs of the managed policies that are attached to it.
    pub attached: BTreeSet<String>,
    /// Its inline policies' documents by name.
    pub inline: BTreeMap<String, Value>,
    /// ARN of the managed policy that bounds what it may be allowed.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Role {
    /// The longest session that a role allows unless it is told otherwise, in seconds.
    pub const DEFAULT_SESSION: u32 = 3600;

    /// A role that may do nothing yet.
    pub fn new(
        path: impl Into<String>,
        name: impl Into<String>,
        id: impl Into<String>,
        trust: Value,
        created: Timestamp,
    ) -> Self {
        Self {
            path: path.into(),
            name: name.into(),
            id: id.into(),
            trust,
            max_session_duration: Self::DEFAULT_SESSION,
            created,
            description: None,
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            boundary: None,
            tags: BTreeMap::new(),
        }
    }

    /// Its ARN in an account, with its path.
    pub fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:role{}{}", self.path, self.name)
    }

    /// Whether it is a service's own, which nobody else may change.
    pub fn is_service_linked(&self) -> bool {
        self.path.starts_with("/aws-service-role/")
    }
}

/// A customer managed policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// Its path, with a slash on both ends.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its unique id (`ANPA…`).
    pub id: String,
    /// For people.
    pub description: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When its default version was last changed.
    pub updated: Timestamp,
    /// Its versions by number, at most five.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The number of the version in effect.
    pub default_version: u32,
    /// The number that the next version gets: numbers aren't used again.
    pub next_version: u32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// What it allows.
    pub document: Value,
    /// When it was made.
    pub created: Timestamp,
}

impl ManagedPolicy {
    /// Its ARN in an account, with its path.
    pub fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:policy{}{}", self.path, self.name)
    }

    /// The document in effect.
    pub fn document(&self) -> Option<&Value> {
        self.versions
            .get(&self.default_version)
            .map(|version| &version.document)
    }
}

/// What gives an EC2 instance its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Its path, with a slash on both ends.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its unique id (`AIPA…`).
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// The name of its role: there is at most one.
    pub role: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl InstanceProfile {
    /// Its ARN in an account, with its path.
    pub fn arn(&self, account: &str) -> String {
        format!(
            "arn:aws:iam::{account}:instance-profile{}{}",
            self.path, self.name
        )
    }
}

/// An identity provider whose tokens AssumeRoleWithWebIdentity takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcProvider {
    /// Audiences that tokens may be for.
    pub client_ids: Vec<String>,
    /// SHA-1 digests of the certificates that its keys may be served with, in hexadecimal.
    pub thumbprints: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// ARN of the identity provider for an issuer (its URL without `https://`).
pub fn oidc_provider_arn(account: &str, issuer: &str) -> String {
    format!("arn:aws:iam::{account}:oidc-provider/{issuer}")
}

impl Account {
    /// The customer managed policy that an ARN of this account names.
    pub fn policy(&self, account: &str, arn: &str) -> Option<&ManagedPolicy> {
        let name = arn.rsplit('/').next()?;
        self.policies
            .get(name)
            .filter(|policy| policy.arn(account) == arn)
    }

    /// Roles that a managed policy is attached to.
    pub fn roles_with<'a>(&'a self, policy: &'a str) -> impl Iterator<Item = &'a Role> {
        self.roles
            .values()
            .filter(move |role| role.attached.contains(policy))
    }
}

/// Whether something has that name already. IAM tells names apart by case nowhere.
pub(super) fn is_taken<T>(names: &BTreeMap<String, T>, name: &str) -> bool {
    names.keys().any(|other| other.eq_ignore_ascii_case(name))
}
