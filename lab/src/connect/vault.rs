//! Vaults, items and tokens as the server keeps them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the server keeps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Server {
    /// Access tokens by the text that clients send.
    pub tokens: BTreeMap<String, Token>,
    /// Vaults in the order of their making.
    pub vaults: Vec<Vault>,
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// Ids of the vaults that it opens; `None` is all of them.
    pub vaults: Option<Vec<String>>,
}

/// A vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vault {
    /// Its id, 26 characters of lowercase base32.
    pub id: String,
    /// Its name, which needn't be unique.
    pub name: String,
    /// Counts changes of the items in it.
    pub content_version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When an item in it last changed.
    pub updated: Timestamp,
    /// The items in it.
    pub items: Vec<Item>,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its id, 26 characters of lowercase base32.
    pub id: String,
    /// Its title, which needn't be unique.
    pub title: String,
    /// What kind of item it is.
    pub category: Category,
    /// Counts its changes, from 1.
    pub version: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Its sections.
    pub sections: Vec<Section>,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// The kinds of items that the lab makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Category {
    /// A login.
    Login,
    /// A password.
    Password,
    /// An API credential.
    ApiCredential,
    /// A server.
    Server,
    /// A secure note.
    SecureNote,
}

/// A named group of an item's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its id, unique in the item.
    pub id: String,
    /// Its name.
    pub label: String,
}

/// A field of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its id, unique in the item.
    pub id: String,
    /// Id of the section that it is in, if in one.
    pub section: Option<String>,
    /// What kind of value it has.
    pub kind: FieldType,
    /// Its name.
    pub label: String,
    /// Its value.
    pub value: String,
}

/// The kinds of fields that the lab makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldType {
    /// Plain text.
    String,
    /// Text that clients hide.
    Concealed,
    /// A web address.
    Url,
    /// A mail address.
    Email,
}

impl Server {
    /// Whether the token of that name opens a vault.
    pub(super) fn may_see(&self, token: &str, vault: &str) -> bool {
        self.tokens
            .values()
            .filter(|known| known.name == token)
            .any(|known| {
                known
                    .vaults
                    .as_ref()
                    .is_none_or(|vaults| vaults.iter().any(|id| id == vault))
            })
    }
}
