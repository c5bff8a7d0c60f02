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
    /// Whether it opens them for reading only.
    #[serde(default)]
    pub read_only: bool,
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
    /// Whether it is one of the favourites.
    #[serde(default)]
    pub favorite: bool,
    /// The web addresses that it is for, as they were given.
    #[serde(default)]
    pub urls: Vec<Url>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Its sections.
    pub sections: Vec<Section>,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// The kinds of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are 1Password's and say it all")]
pub enum Category {
    Login,
    Password,
    ApiCredential,
    Server,
    Database,
    CreditCard,
    Membership,
    Passport,
    SoftwareLicense,
    OutdoorLicense,
    SecureNote,
    WirelessRouter,
    BankAccount,
    DriverLicense,
    Identity,
    RewardProgram,
    Document,
    EmailAccount,
    SocialSecurityNumber,
    MedicalRecord,
    SshKey,
    Custom,
}

/// A web address of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Url {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether it is the first of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
    /// The address.
    pub href: String,
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
    /// What the field is to the kind of item that it is in; empty for most.
    #[serde(default)]
    pub purpose: Purpose,
    /// Its name.
    pub label: String,
    /// Its value.
    pub value: String,
}

/// The kinds of fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldType {
    /// Plain text.
    #[default]
    String,
    /// Text that clients hide.
    Concealed,
    /// A web address.
    Url,
    /// A mail address.
    Email,
    /// The seed of one-time passwords.
    Totp,
    /// A day.
    Date,
    /// A month.
    MonthYear,
    /// One of several choices.
    Menu,
}

/// What a field is to the kind of item that it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Purpose {
    /// Nothing in particular.
    #[default]
    #[serde(rename = "")]
    None,
    /// Who logs in.
    Username,
    /// By what.
    Password,
    /// What else there is to say.
    Notes,
}

impl Server {
    /// Whether the token of that name opens a vault.
    pub(super) fn may_see(&self, token: &str, vault: &str) -> bool {
        self.tokens_for(token, vault).next().is_some()
    }

    /// Whether it opens a vault for writing.
    pub(super) fn may_write(&self, token: &str, vault: &str) -> bool {
        self.tokens_for(token, vault).any(|known| !known.read_only)
    }

    fn tokens_for<'s>(&'s self, token: &'s str, vault: &'s str) -> impl Iterator<Item = &'s Token> {
        let opens = move |known: &&Token| {
            let vaults = known.vaults.as_ref();
            known.name == token && vaults.is_none_or(|ids| ids.iter().any(|id| id == vault))
        };
        self.tokens.values().filter(opens)
    }
}
