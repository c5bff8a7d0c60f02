//! Vaults and items as the server tells of them.

use jiff::Timestamp;
use serde::Serialize;

use super::vault::{Category, Field, FieldType, Item, Purpose, Section, Url, Vault};

/// The version that the lab says it is, that of the API's description.
const VERSION: &str = "1.7.1";

#[derive(Serialize)]
pub(super) struct Health {
    name: &'static str,
    version: &'static str,
    dependencies: [Dependency; 2],
}

#[derive(Serialize)]
struct Dependency {
    service: &'static str,
    status: &'static str,
}

impl Health {
    pub(super) fn active() -> Self {
        let active = |service| Dependency {
            service,
            status: "ACTIVE",
        };
        Self {
            name: "1Password Connect API",
            version: VERSION,
            dependencies: [active("sync"), active("sqlite")],
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VaultAnswer<'a> {
    id: &'a str,
    name: &'a str,
    attribute_version: u64,
    content_version: u64,
    items: usize,
    r#type: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> VaultAnswer<'a> {
    pub(super) fn new(vault: &'a Vault) -> Self {
        Self {
            id: &vault.id,
            name: &vault.name,
            attribute_version: 1,
            content_version: vault.content_version,
            items: vault.items.len(),
            r#type: "USER_CREATED",
            created_at: vault.created,
            updated_at: vault.updated,
        }
    }
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemSummary<'a> {
    id: &'a str,
    title: &'a str,
    vault: Id<'a>,
    category: Category,
    favorite: bool,
    tags: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    urls: &'a [Url],
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> ItemSummary<'a> {
    pub(super) fn new(vault: &'a Vault, item: &'a Item) -> Self {
        Self {
            id: &item.id,
            title: &item.title,
            vault: Id { id: &vault.id },
            category: item.category,
            favorite: item.favorite,
            tags: &item.tags,
            urls: &item.urls,
            version: item.version,
            created_at: item.created,
            updated_at: item.updated,
        }
    }
}

#[derive(Serialize)]
pub(super) struct FullItem<'a> {
    #[serde(flatten)]
    summary: ItemSummary<'a>,
    sections: &'a [Section],
    fields: Vec<FieldAnswer<'a>>,
}

#[derive(Serialize)]
struct FieldAnswer<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<SectionRef<'a>>,
    r#type: FieldType,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<Purpose>,
    label: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct SectionRef<'a> {
    id: &'a str,
    label: &'a str,
}

impl<'a> FullItem<'a> {
    pub(super) fn new(vault: &'a Vault, item: &'a Item) -> Self {
        let field = |field: &'a Field| FieldAnswer {
            id: &field.id,
            section: item
                .sections
                .iter()
                .find(|section| field.section.as_ref() == Some(&section.id))
                .map(|section| SectionRef {
                    id: &section.id,
                    label: &section.label,
                }),
            r#type: field.kind,
            purpose: Some(field.purpose).filter(|purpose| *purpose != Purpose::None),
            label: &field.label,
            value: &field.value,
        };
        Self {
            summary: ItemSummary::new(vault, item),
            sections: &item.sections,
            fields: item.fields.iter().map(field).collect(),
        }
    }
}
