//! Finding the one vault, item or field that a name means.

use super::access::OnePassword;
use super::error::Error;
use super::model::Item;

/// A thing found, or why it wasn't.
pub(super) type Found<T> = Result<T, String>;

/// The id of the vault of that name or id.
pub(super) async fn find_vault(
    onepassword: &dyn OnePassword,
    name: &str,
) -> Result<Found<String>, Error> {
    let vaults = onepassword.vaults_named(name).await?;
    let ids: Vec<_> = vaults.into_iter().map(|v| v.id).collect();
    match ids.as_slice() {
        [id] => Ok(Ok(id.clone())),
        [] if is_id(name) => match onepassword.vault(name).await {
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

/// The item of that title or id in a vault, which is named for messages and by its id.
pub(super) async fn find_item(
    onepassword: &dyn OnePassword,
    vault: &str,
    vault_id: &str,
    title: &str,
) -> Result<Found<Item>, Error> {
    let none = || format!("vault {vault:?} has no item {title:?}");
    let id = match find_title(onepassword, vault, vault_id, title).await? {
        Ok(Some(id)) => id,
        Ok(None) if is_id(title) => title.to_owned(),
        Ok(None) => return Ok(Err(none())),
        Err(several) => return Ok(Err(several)),
    };
    match onepassword.item(vault_id, &id).await {
        Ok(item) => Ok(Ok(item)),
        Err(error) if error.is_not_found() => Ok(Err(none())),
        Err(error) => Err(error),
    }
}

/// The id of the one item of that title, if there is one.
pub(super) async fn find_title(
    onepassword: &dyn OnePassword,
    vault: &str,
    vault_id: &str,
    title: &str,
) -> Result<Found<Option<String>>, Error> {
    let items = onepassword.items_titled(vault_id, title).await?;
    let ids: Vec<_> = items.into_iter().map(|i| i.id).collect();
    Ok(match ids.as_slice() {
        [] => Ok(None),
        [id] => Ok(Some(id.clone())),
        several => Err(format!(
            "vault {vault:?} has several items {title:?}: {}",
            several.join(", ")
        )),
    })
}

/// Ids are 26 lower-case letters and digits.
fn is_id(name: &str) -> bool {
    name.len() == 26
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}
