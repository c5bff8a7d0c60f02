//! Values for `op://` references.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use secrecy::SecretString;

use super::connect::{Connect, ConnectError};
use super::model::Item;
use crate::inventory::Reference;

/// Each reference with its value, or with why it has none.
pub type Resolved = BTreeMap<Reference, Result<SecretString, String>>;

/// Reads every reference's value, all at once, each vault and each item once.
///
/// # Errors
/// Connect itself refuses or can't be reached. A reference that names nothing is no such error; it
/// comes back with its reason, so that all of them can be told together.
pub async fn resolve(
    connect: &Connect,
    references: &[Reference],
) -> Result<Resolved, ConnectError> {
    let mut wanted: BTreeMap<&str, BTreeMap<&str, BTreeSet<&Reference>>> = BTreeMap::new();
    for reference in references {
        wanted
            .entry(&reference.vault)
            .or_default()
            .entry(&reference.item)
            .or_default()
            .insert(reference);
    }
    let vaults = wanted
        .into_iter()
        .map(|(vault, items)| resolve_vault(connect, vault, items));
    Ok(try_join_all(vaults).await?.into_iter().flatten().collect())
}

async fn resolve_vault(
    connect: &Connect,
    vault: &str,
    items: BTreeMap<&str, BTreeSet<&Reference>>,
) -> Result<Resolved, ConnectError> {
    let vault_id = match find_vault(connect, vault).await? {
        Ok(id) => id,
        Err(reason) => {
            let references = items.into_values().flatten();
            return Ok(references
                .map(|r| (r.clone(), Err(reason.clone())))
                .collect());
        }
    };
    let items = items.into_iter().map(|(title, references)| {
        let vault_id = &vault_id;
        async move {
            let item = find_item(connect, vault, vault_id, title).await?;
            Ok(references
                .into_iter()
                .map(move |r| (r.clone(), item.clone().and_then(|i| value(&i, r)))))
        }
    });
    Ok(try_join_all(items).await?.into_iter().flatten().collect())
}

/// A thing found, or why it wasn't.
type Found<T> = Result<T, String>;

async fn find_vault(connect: &Connect, name: &str) -> Result<Found<String>, ConnectError> {
    let vaults = connect.vaults_named(name).await?;
    let ids: Vec<_> = vaults.into_iter().map(|v| v.id).collect();
    match ids.as_slice() {
        [id] => Ok(Ok(id.clone())),
        [] if is_id(name) => match connect.vault(name).await {
            Ok(vault) => Ok(Ok(vault.id)),
            Err(error) if error.is_not_found() => Ok(Err(no_vault(name))),
            Err(error) => Err(error),
        },
        [] => Ok(Err(no_vault(name))),
        several => Ok(Err(format!(
            "several vaults are named {name:?}: {}",
            several.join(", ")
        ))),
    }
}

fn no_vault(name: &str) -> String {
    format!("the token sees no vault {name:?}")
}

async fn find_item(
    connect: &Connect,
    vault: &str,
    vault_id: &str,
    title: &str,
) -> Result<Found<Item>, ConnectError> {
    let items = connect.items_titled(vault_id, title).await?;
    let ids: Vec<_> = items.into_iter().map(|i| i.id).collect();
    let id = match ids.as_slice() {
        [id] => id.as_str(),
        [] if is_id(title) => title,
        [] => return Ok(Err(format!("vault {vault:?} has no item {title:?}"))),
        several => {
            return Ok(Err(format!(
                "vault {vault:?} has several items {title:?}: {}",
                several.join(", ")
            )));
        }
    };
    match connect.item(vault_id, id).await {
        Ok(item) => Ok(Ok(item)),
        Err(error) if error.is_not_found() => {
            Ok(Err(format!("vault {vault:?} has no item {title:?}")))
        }
        Err(error) => Err(error),
    }
}

fn value(item: &Item, reference: &Reference) -> Found<SecretString> {
    let mut fields = item.fields_named(reference.section.as_deref(), &reference.field);
    let (first, second) = (fields.next(), fields.next());
    match (first, second) {
        (Some(field), None) => field
            .value
            .clone()
            .ok_or_else(|| format!("field {:?} has no value", reference.field)),
        (Some(_), Some(_)) => Err(format!(
            "item {:?} has several fields {:?}; name the section",
            reference.item, reference.field
        )),
        (None, _) => Err(format!(
            "item {:?} has no field {:?}",
            reference.item, reference.field
        )),
    }
}

/// Connect's ids are 26 lower-case letters and digits.
fn is_id(name: &str) -> bool {
    name.len() == 26
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn item() -> Item {
        serde_json::from_value(serde_json::json!({
            "id": "i",
            "sections": [{"id": "s1", "label": "first"}, {"id": "s2"}],
            "fields": [
                {"id": "f1", "type": "STRING", "label": "host", "value": "a", "section": {"id": "s1"}},
                {"id": "f2", "type": "STRING", "label": "host", "value": "b", "section": {"id": "s2"}},
                {"id": "f3", "type": "CONCEALED", "label": "token", "value": "c"},
                {"id": "f4", "type": "STRING", "label": "empty"}
            ]
        }))
        .unwrap()
    }

    fn found(section: Option<&str>, field: &str) -> Found<String> {
        let reference = Reference {
            vault: "v".into(),
            item: "i".into(),
            section: section.map(str::to_owned),
            field: field.into(),
        };
        value(&item(), &reference).map(|v| v.expose_secret().to_owned())
    }

    #[test]
    fn fields_are_found_by_label_or_id_and_section() {
        assert_eq!(found(None, "token"), Ok("c".into()));
        assert_eq!(found(None, "f3"), Ok("c".into()));
        assert_eq!(found(Some("first"), "host"), Ok("a".into()));
        assert_eq!(found(Some("s2"), "host"), Ok("b".into()));
    }

    #[test]
    fn what_cannot_be_meant_says_why() {
        assert_eq!(
            found(None, "nope"),
            Err("item \"i\" has no field \"nope\"".into())
        );
        assert_eq!(
            found(None, "host"),
            Err("item \"i\" has several fields \"host\"; name the section".into())
        );
        assert_eq!(
            found(None, "empty"),
            Err("field \"empty\" has no value".into())
        );
        assert_eq!(
            found(Some("second"), "token"),
            Err("item \"i\" has no field \"token\"".into())
        );
    }
}
