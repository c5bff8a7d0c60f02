//! The parts of 1Password's data that psk reads and writes. The CLI prints the same members.
//! Source: 1Password Connect's OpenAPI description, version 1.7.1.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

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

/// An item to be made.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Its title.
    pub title: String,
    /// What kind of item it is (`API_CREDENTIAL`).
    pub category: &'static str,
    /// Its fields.
    pub fields: Vec<NewField>,
}

/// A field to be made.
#[derive(Debug, Clone)]
pub struct NewField {
    /// Its label.
    pub label: String,
    /// Whether clients hide its value.
    pub concealed: bool,
    /// Its value.
    pub value: SecretString,
}

/// A change to one field of an item.
#[derive(Debug, Clone)]
pub enum FieldChange {
    /// The field of that id gets another value.
    Set {
        /// The field's id.
        id: String,
        /// The value.
        value: SecretString,
    },
    /// A field is added, outside of any section.
    Add(NewField),
}

impl NewField {
    /// The field as 1Password reads it.
    pub(super) fn to_json(&self) -> Value {
        let kind = if self.concealed {
            "CONCEALED"
        } else {
            "STRING"
        };
        json!({ "label": self.label, "type": kind, "value": self.value.expose_secret() })
    }
}

impl FieldChange {
    /// The value that it brings.
    pub(super) fn value(&self) -> &SecretString {
        match self {
            Self::Set { value, .. } | Self::Add(NewField { value, .. }) => value,
        }
    }
}

impl Item {
    /// The one field of that label: one outside of any section goes before those in sections.
    ///
    /// # Errors
    /// That there are several, with their ids.
    pub fn field_labelled(&self, label: &str) -> Result<Option<&Field>, String> {
        let labelled: Vec<_> = self.fields.iter().filter(|f| f.label == label).collect();
        let outside: Vec<_> = labelled
            .iter()
            .filter(|f| f.section.is_none())
            .copied()
            .collect();
        let fields = if outside.is_empty() {
            labelled
        } else {
            outside
        };
        match fields.as_slice() {
            [] => Ok(None),
            [field] => Ok(Some(field)),
            several => {
                let ids: Vec<_> = several.iter().map(|field| field.id.as_str()).collect();
                Err(format!("has several fields {label:?}: {}", ids.join(", ")))
            }
        }
    }

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
