//! Making, changing and removing items.
//!
//! A server is one of several that write to an account's vaults, so it writes against the content of
//! the vault that it knows of: of two writes into one vault that are under way at once, the later one
//! is refused. Clients are told `Internal server conflict` then; source: 1Password's own Terraform
//! provider, whose parallel writes met it (issues 108 and 222 of 1Password/terraform-provider-onepassword).

use std::collections::BTreeSet;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::FullItem;
use super::vault::{Category, Field, FieldType, Item, Purpose, Section, Url, Vault};
use super::{error, is_id};
use crate::call::{Answer, Call, Reply, ServiceError};
use crate::ids::Ids;
use crate::world::World;

/// Length of the ids of items and fields.
const ID_LENGTH: usize = 26;

/// Length of a generated value, and the most that one may have.
const GENERATED: (usize, usize) = (32, 64);

/// Answers a request to write, if it is one.
pub(super) fn handle(world: &mut World, call: &Call, vault: &str, item: &str) -> Answer {
    let now = call.now;
    let World { connect, ids, .. } = world;
    if !connect.may_write(&call.principal, vault) {
        let message = format!("vault {vault} is not in scope");
        return Err(error(StatusCode::FORBIDDEN, &message));
    }
    let vault = connect
        .vaults
        .iter_mut()
        .find(|known| known.id == vault)
        .ok_or_else(|| error(StatusCode::NOT_FOUND, &format!("vault {vault} not found")))?;
    if call
        .basis
        .is_some_and(|basis| basis != vault.content_version)
    {
        return Err(error(StatusCode::CONFLICT, "Internal server conflict"));
    }
    match call.operation.as_str() {
        "CreateVaultItem" => create(vault, ids, call),
        "UpdateVaultItem" => {
            let index = position(vault, item)?;
            let given = ItemBody::read(&call.body)?;
            change(vault, index, given, ids, now)
        }
        "PatchVaultItem" => {
            let index = position(vault, item)?;
            patch(vault, index, ids, call)
        }
        "DeleteVaultItem" => {
            let index = position(vault, item)?;
            vault.items.remove(index);
            touch(vault, now);
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(error(StatusCode::NOT_FOUND, "Path not found")),
    }
}

fn touch(vault: &mut Vault, now: Timestamp) {
    vault.content_version += 1;
    vault.updated = now;
}

fn position(vault: &Vault, id: &str) -> Result<usize, ServiceError> {
    if !is_id(id) {
        return Err(bad("Invalid Item UUID"));
    }
    let found = vault.items.iter().position(|item| item.id == id);
    found.ok_or_else(|| error(StatusCode::NOT_FOUND, &format!("item {id} not found")))
}

fn create(vault: &mut Vault, ids: &mut Ids, call: &Call) -> Answer {
    let given = ItemBody::read(&call.body)?;
    let item = Item {
        id: new_id(ids),
        version: 1,
        created: call.now,
        updated: call.now,
        ..given.item(&vault.id, ids)?
    };
    vault.items.push(item);
    touch(vault, call.now);
    answer(vault, vault.items.len() - 1)
}

/// Puts what was given in the place of an item.
fn change(
    vault: &mut Vault,
    index: usize,
    given: ItemBody,
    ids: &mut Ids,
    now: Timestamp,
) -> Answer {
    let new = given.item(&vault.id, ids)?;
    if let Some(old) = vault.items.get_mut(index) {
        *old = Item {
            id: old.id.clone(),
            version: old.version + 1,
            created: old.created,
            updated: now,
            ..new
        };
    }
    touch(vault, now);
    answer(vault, index)
}

fn answer(vault: &Vault, index: usize) -> Answer {
    match vault.items.get(index) {
        Some(item) => Reply::json(&FullItem::new(vault, item)),
        None => Err(error(StatusCode::NOT_FOUND, "item not found")),
    }
}

/// One step of a patch.
#[derive(Deserialize)]
struct Step {
    op: String,
    path: String,
    value: Option<Value>,
}

fn patch(vault: &mut Vault, index: usize, ids: &mut Ids, call: &Call) -> Answer {
    let steps: Vec<Step> = serde_json::from_slice(&call.body)
        .map_err(|cause| bad(&format!("Invalid patch: {cause}")))?;
    let item = vault.items.get(index);
    let item = item.ok_or_else(|| error(StatusCode::NOT_FOUND, "item not found"))?;
    if steps.is_empty() {
        return answer(vault, index);
    }
    let mut document =
        serde_json::to_value(FullItem::new(vault, item)).map_err(|e| ServiceError::internal(&e))?;
    for step in steps {
        take(&mut document, step)?;
    }
    let given: ItemBody = serde_json::from_value(document).map_err(|cause| unreadable(&cause))?;
    change(vault, index, given, ids, call.now)
}

/// Takes one step. The document is an item's, in which a field is named by its id and not by its
/// place.
fn take(document: &mut Value, step: Step) -> Result<(), ServiceError> {
    let refused = |cause: String| {
        bad(&format!(
            "Invalid patch: {} {}: {cause}",
            step.op, step.path
        ))
    };
    if !["add", "remove", "replace"].contains(&step.op.as_str()) {
        return Err(refused("only add, remove and replace are supported".into()));
    }
    if step.path == "/" || step.path.is_empty() {
        *document = step.value.clone().unwrap_or_default();
        return Ok(());
    }
    let path = pointer(document, &step.path).map_err(refused)?;
    let mut operation = json!({ "op": step.op, "path": path });
    if let (Some(value), false) = (&step.value, step.op == "remove") {
        operation["value"] = value.clone();
    }
    let patch: json_patch::Patch =
        serde_json::from_value(json!([operation])).map_err(|cause| refused(cause.to_string()))?;
    json_patch::patch(document, &patch).map_err(|cause| refused(cause.to_string()))
}

/// The pointer into the document that a patch's path means.
fn pointer(document: &Value, path: &str) -> Result<String, String> {
    let mut segments = path.splitn(4, '/').skip(1);
    match (segments.next(), segments.next(), segments.next()) {
        (Some("fields"), None, _) => Ok("/fields/-".to_owned()),
        (Some("fields"), Some(id), rest) => {
            let fields = document["fields"].as_array();
            let index = fields
                .and_then(|fields| fields.iter().position(|field| field["id"] == *id))
                .ok_or_else(|| format!("the item has no field {id}"))?;
            Ok(match rest {
                Some(rest) => format!("/fields/{index}/{rest}"),
                None => format!("/fields/{index}"),
            })
        }
        _ => Ok(path.to_owned()),
    }
}

/// An item as a client sends it. What only the server decides is passed over.
#[derive(Deserialize)]
struct ItemBody {
    #[serde(default)]
    title: String,
    vault: Option<Id>,
    category: Option<Value>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    favorite: bool,
    #[serde(default)]
    urls: Vec<Url>,
    #[serde(default)]
    sections: Vec<SectionBody>,
    #[serde(default)]
    fields: Vec<FieldBody>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct SectionBody {
    id: Option<String>,
    #[serde(default)]
    label: String,
}

#[derive(Deserialize)]
struct FieldBody {
    id: Option<String>,
    section: Option<Id>,
    r#type: Option<String>,
    #[serde(default)]
    purpose: Purpose,
    #[serde(default)]
    label: String,
    value: Option<String>,
    #[serde(default)]
    generate: bool,
    recipe: Option<Recipe>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Recipe {
    length: Option<usize>,
    character_sets: Option<Vec<String>>,
    exclude_characters: String,
}

impl ItemBody {
    fn read(body: &[u8]) -> Result<Self, ServiceError> {
        serde_json::from_slice(body).map_err(|cause| unreadable(&cause))
    }

    /// The item that this describes, in that vault. What the server decides isn't decided yet.
    fn item(self, vault: &str, ids: &mut Ids) -> Result<Item, ServiceError> {
        if self.vault.is_none_or(|given| given.id != vault) {
            return Err(bad("The item's vault is not the one in the path"));
        }
        let category: Option<Category> = self
            .category
            .and_then(|category| serde_json::from_value(category).ok());
        let category = category.ok_or_else(|| bad("Invalid item category"))?;
        let sections: Vec<_> = self
            .sections
            .into_iter()
            .map(|section| Section {
                id: section.id.unwrap_or_else(|| new_id(ids)),
                label: section.label,
            })
            .collect();
        let fields = self.fields.into_iter().map(|field| field.field(ids));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        let mut known = BTreeSet::new();
        for field in &fields {
            if !known.insert(field.id.as_str()) {
                return Err(bad(&format!("Several fields have the id {}", field.id)));
            }
            let section = field.section.as_ref();
            if section.is_some_and(|id| !sections.iter().any(|section| section.id == *id)) {
                let message = format!("Field {} is in a section that the item has not", field.id);
                return Err(bad(&message));
            }
        }
        Ok(Item {
            id: String::new(),
            title: self.title,
            category,
            version: 0,
            tags: self.tags,
            favorite: self.favorite,
            urls: self.urls,
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            sections,
            fields,
        })
    }
}

impl FieldBody {
    fn field(self, ids: &mut Ids) -> Result<Field, ServiceError> {
        let kind = match self.r#type {
            None => FieldType::default(),
            // The description's own example writes it in small letters.
            Some(kind) => serde_json::from_value(json!(kind.to_uppercase()))
                .map_err(|_| bad(&format!("Invalid field type {kind}")))?,
        };
        let value = match self.value {
            Some(value) if !value.is_empty() || !self.generate => value,
            _ if self.generate => self.recipe.unwrap_or_default().value(ids)?,
            _ => String::new(),
        };
        Ok(Field {
            id: self.id.unwrap_or_else(|| new_id(ids)),
            section: self.section.map(|section| section.id),
            kind,
            purpose: self.purpose,
            label: self.label,
            value,
        })
    }
}

impl Recipe {
    fn value(&self, ids: &mut Ids) -> Result<String, ServiceError> {
        let (usual, most) = GENERATED;
        let length = self.length.unwrap_or(usual);
        if !(1..=most).contains(&length) {
            return Err(bad(&format!("The length must be from 1 to {most}")));
        }
        let has = |set: &str| {
            let sets = self.character_sets.as_ref();
            sets.is_none_or(|sets| sets.is_empty() || sets.iter().any(|known| known == set))
        };
        let sets = [
            (
                "LETTERS",
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
            ),
            ("DIGITS", "0123456789"),
            ("SYMBOLS", "!@.-_*"),
        ];
        let alphabet: Vec<char> = sets
            .iter()
            .filter(|(name, _)| has(name))
            .flat_map(|(_, characters)| characters.chars())
            .filter(|character| !self.exclude_characters.contains(*character))
            .collect();
        if alphabet.is_empty() {
            return Err(bad("The recipe leaves no character"));
        }
        let bytes = [ids.bytes(), ids.bytes()].concat();
        let characters = bytes.iter().take(length);
        Ok(characters
            .filter_map(|byte| alphabet.get(usize::from(*byte) % alphabet.len()))
            .collect())
    }
}

fn new_id(ids: &mut Ids) -> String {
    ids.base32(ID_LENGTH).to_lowercase()
}

fn unreadable(cause: &serde_json::Error) -> ServiceError {
    bad(&format!("Invalid item: {cause}"))
}

fn bad(message: &str) -> ServiceError {
    error(StatusCode::BAD_REQUEST, message)
}
