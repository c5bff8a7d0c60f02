//! The parts of Connect's data that psk reads.
//! Source: 1Password Connect's OpenAPI description, version 1.7.1.

use secrecy::SecretString;
use serde::Deserialize;

/// A vault that the token may read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Vault {
    /// Its id, 26 letters and digits.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// An item as it stands in a list: without its fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ItemSummary {
    /// Its id, 26 letters and digits.
    pub id: String,
    /// Its title. Titles needn't be unique in a vault.
    #[serde(default)]
    pub title: String,
}

/// An item with its fields.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Its sections, by which fields are grouped.
    #[serde(default)]
    pub sections: Vec<Section>,
    /// Its fields.
    #[serde(default)]
    pub fields: Vec<Field>,
}

/// A group of fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Section {
    /// Its id, which fields refer to.
    pub id: String,
    /// Its label.
    #[serde(default)]
    pub label: String,
}

/// One field of an item.
#[derive(Debug, Clone, Deserialize)]
pub struct Field {
    /// Its id.
    pub id: String,
    /// Its label.
    #[serde(default)]
    pub label: String,
    /// The section that it is in, if in one.
    pub section: Option<SectionId>,
    /// Its value; absent where it has none.
    pub value: Option<SecretString>,
}

/// Names a section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SectionId {
    /// The section's id.
    pub id: String,
}

impl Item {
    /// The fields that a reference's names mean: by label or id, in that section if one is named.
    pub(super) fn fields_named<'a>(
        &'a self,
        section: Option<&'a str>,
        field: &'a str,
    ) -> impl Iterator<Item = &'a Field> {
        let in_section = move |f: &Field| match section {
            None => true,
            Some(name) => f.section.as_ref().is_some_and(|of| {
                of.id == name
                    || self
                        .sections
                        .iter()
                        .any(|s| s.id == of.id && s.label == name)
            }),
        };
        self.fields
            .iter()
            .filter(move |f| (f.label == field || f.id == field) && in_section(f))
    }
}
