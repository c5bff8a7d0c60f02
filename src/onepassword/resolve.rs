//! Values for `op://` references.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use secrecy::SecretString;

use super::access::OnePassword;
use super::error::Error;
use super::find::{Found, find_item, find_vault};
use super::model::Item;
use crate::inventory::Reference;

/// Each reference with its value, or with why it has none.
pub type Resolved = BTreeMap<Reference, Result<SecretString, String>>;

/// Reads every reference's value, all at once, each vault and each item once.
///
/// # Errors
/// 1Password itself refuses or can't be reached. A reference that names nothing is no such error; it
/// comes back with its reason, so that all of them can be told together.
pub async fn resolve(
    onepassword: &dyn OnePassword,
    references: &[Reference],
) -> Result<Resolved, Error> {
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
        .map(|(vault, items)| resolve_vault(onepassword, vault, items));
    Ok(try_join_all(vaults).await?.into_iter().flatten().collect())
}

async fn resolve_vault(
    onepassword: &dyn OnePassword,
    vault: &str,
    items: BTreeMap<&str, BTreeSet<&Reference>>,
) -> Result<Resolved, Error> {
    let vault_id = match find_vault(onepassword, vault).await? {
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
            let item = find_item(onepassword, vault, vault_id, title).await?;
            Ok::<_, Error>(
                references
                    .into_iter()
                    .map(move |r| (r.clone(), item.clone().and_then(|i| value(&i, r)))),
            )
        }
    });
    Ok(try_join_all(items).await?.into_iter().flatten().collect())
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
