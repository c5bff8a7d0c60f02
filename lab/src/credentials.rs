//! Access keys: long-lived ones of users, and those that STS issues for sessions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::Ids;

/// A secret key, whom it speaks for, and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// The account that it belongs to.
    pub account: String,
    /// The secret that requests are signed with.
    pub secret: String,
    /// ARN of the user or of the session.
    pub principal: String,
    /// The unique id that GetCallerIdentity returns.
    pub user_id: String,
    /// What a temporary key has besides; a user's key has none.
    pub session: Option<Session>,
}

/// What makes a key temporary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The token that has to accompany each request.
    pub token: String,
    /// When it ends, in real time.
    pub expires: Timestamp,
    /// ARN of the role, with its path.
    pub role: String,
    /// Session tags in effect, inherited ones included.
    pub tags: Vec<Tag>,
    /// What limits the session besides its role.
    #[serde(default)]
    pub policies: SessionPolicies,
}

/// The policies that a session was asked for with. It may do what both they and its role allow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionPolicies {
    /// A document.
    pub inline: Option<Value>,
    /// ARNs of managed policies.
    pub managed: Vec<String>,
}

impl SessionPolicies {
    /// Whether there is none, so that the role alone decides.
    pub fn is_empty(&self) -> bool {
        self.inline.is_none() && self.managed.is_empty()
    }
}

/// A session tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether sessions that are chained from this one inherit it.
    pub transitive: bool,
}

/// A fresh id for a key of a user (`AKIA…`).
pub fn user_key_id(ids: &mut Ids) -> String {
    format!("AKIA{}", ids.base32(16))
}

/// A fresh id for a key of a session (`ASIA…`).
pub fn session_key_id(ids: &mut Ids) -> String {
    format!("ASIA{}", ids.base32(16))
}

/// A fresh secret access key.
pub fn secret_key(ids: &mut Ids) -> String {
    ids.secret(40)
}

/// A fresh session token. Its length is of no meaning; clients must take any.
pub fn session_token(ids: &mut Ids) -> String {
    (0..4).map(|_| ids.secret(43)).collect()
}
