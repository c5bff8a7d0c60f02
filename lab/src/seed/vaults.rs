//! The vaults of a fleet.

use super::Secret;
use crate::connect::{Category, Field, FieldType, Item, Purpose, Section, Vault};
use crate::ids::stable_base32;
use crate::world::World;

/// Length of the ids of vaults, items and fields.
const ID_LENGTH: usize = 26;

/// Puts values into the vaults, which are made as needed. What is there stays as it is.
pub(super) fn fill(world: &mut World, secrets: &[Secret]) {
    let now = world.clock.base();
    for secret in secrets {
        let vaults = &mut world.connect.vaults;
        let vault = find_or_add(
            vaults,
            |vault| vault.name == secret.vault,
            || Vault {
                id: id(&[&secret.vault]),
                name: secret.vault.clone(),
                content_version: 1,
                created: now,
                updated: now,
                items: Vec::new(),
            },
        );
        let item = find_or_add(
            &mut vault.items,
            |item| item.title == secret.item,
            || Item {
                id: id(&[&secret.vault, &secret.item]),
                title: secret.item.clone(),
                category: Category::ApiCredential,
                version: 1,
                tags: Vec::new(),
                favorite: false,
                urls: Vec::new(),
                created: now,
                updated: now,
                sections: Vec::new(),
                fields: Vec::new(),
            },
        );
        let section = secret.section.as_ref().map(|label| {
            let section = find_or_add(
                &mut item.sections,
                |section| section.label == *label,
                || Section {
                    id: id(&[&secret.vault, &secret.item, label]),
                    label: label.clone(),
                },
            );
            section.id.clone()
        });
        find_or_add(
            &mut item.fields,
            |field| field.section == section && field.label == secret.field,
            || Field {
                id: id(&[
                    &secret.vault,
                    &secret.item,
                    section.as_deref().unwrap_or_default(),
                    &secret.field,
                ]),
                section: section.clone(),
                kind: kind(&secret.field, &secret.value),
                purpose: Purpose::None,
                label: secret.field.clone(),
                value: secret.value.clone(),
            },
        );
    }
}

fn find_or_add<T>(
    all: &mut Vec<T>,
    is_it: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> &mut T {
    let index = all.iter().position(is_it).unwrap_or_else(|| {
        all.push(make());
        all.len() - 1
    });
    &mut all[index]
}

fn id(names: &[&str]) -> String {
    stable_base32(ID_LENGTH, names).to_lowercase()
}

fn kind(label: &str, value: &str) -> FieldType {
    let label = label.to_lowercase();
    if value.starts_with("https://") {
        FieldType::Url
    } else if ["token", "secret", "password", "key"]
        .iter()
        .any(|word| label.contains(word))
    {
        FieldType::Concealed
    } else {
        FieldType::String
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn secret(item: &str, section: Option<&str>, field: &str, value: &str) -> Secret {
        Secret {
            vault: "empc-lab".into(),
            item: item.into(),
            section: section.map(str::to_owned),
            field: field.into(),
            value: value.into(),
        }
    }

    #[test]
    fn fields_of_one_item_come_together_and_what_is_there_stays() {
        let mut world = World::empty(Timestamp::UNIX_EPOCH, [0; 32]);
        fill(
            &mut world,
            &[
                secret("a", None, "token", "1"),
                secret("b", None, "token", "2"),
            ],
        );
        fill(
            &mut world,
            &[
                secret("a", None, "token", "new"),
                secret("a", Some("ci"), "token", "3"),
            ],
        );

        let vault = &world.connect.vaults[0];
        assert_eq!(world.connect.vaults.len(), 1);
        assert_eq!(vault.items.len(), 2);
        let item = &vault.items[0];
        let values: Vec<&str> = item
            .fields
            .iter()
            .map(|field| field.value.as_str())
            .collect();
        assert_eq!(values, ["1", "3"]);
        assert_eq!(item.fields[1].section.as_ref(), Some(&item.sections[0].id));
        assert_eq!(item.fields[0].kind, FieldType::Concealed);
        assert_ne!(item.fields[0].id, item.fields[1].id);
        assert_eq!(item.id.len(), 26);
    }
}
