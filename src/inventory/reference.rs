//! References to fields in 1Password: `op://vault/item[/section]/field`.
//!
//! The form follows 1Password's page on secret references: names hold letters, digits, `-`, `_`,
//! `.` and spaces; anything else is referred to by its id.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::source::Location;

const SCHEME: &str = "op://";

/// A field of an item in a 1Password vault. Holds names, never a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The vault's name or id.
    pub vault: String,
    /// The item's title or id.
    pub item: String,
    /// The label or id of the section that the field is in, if one is named.
    pub section: Option<String>,
    /// The field's label or id.
    pub field: String,
}

/// Where a reference is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceUse {
    /// The reference.
    pub reference: Reference,
    /// The settings whose values need it (`aws_account_id`).
    pub settings: BTreeSet<String>,
    /// Every place that names it.
    pub used_at: BTreeSet<Location>,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedReference {
    /// It doesn't begin with `op://`.
    #[error("it doesn't begin with op://")]
    Scheme,
    /// It has too few or too many names.
    #[error("it names {0} parts where op://vault/item[/section]/field has three or four")]
    Parts(usize),
    /// One of its names is empty.
    #[error("its {0} is empty")]
    Empty(&'static str),
    /// One of its names holds a character that a reference can't.
    #[error("its {part} holds {character:?}, which a reference can't; use the {part}'s id instead")]
    Character {
        /// Which name.
        part: &'static str,
        /// The character.
        character: char,
    },
    /// It asks for an attribute of a field.
    #[error("it asks for an attribute (?…), which psk doesn't read; refer to the field itself")]
    Attribute,
}

impl FromStr for Reference {
    type Err = MalformedReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text
            .strip_prefix(SCHEME)
            .ok_or(MalformedReference::Scheme)?;
        if path.contains('?') {
            return Err(MalformedReference::Attribute);
        }
        let parts: Vec<&str> = path.split('/').collect();
        let (vault, item, section, field) = match parts.as_slice() {
            [vault, item, field] => (vault, item, None, field),
            [vault, item, section, field] => (vault, item, Some(section), field),
            _ => return Err(MalformedReference::Parts(parts.len())),
        };
        Ok(Self {
            vault: name("vault", vault)?,
            item: name("item", item)?,
            section: section
                .map(|section| name("section", section))
                .transpose()?,
            field: name("field", field)?,
        })
    }
}

fn name(part: &'static str, text: &str) -> Result<String, MalformedReference> {
    if text.trim().is_empty() {
        return Err(MalformedReference::Empty(part));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    match text.chars().find(|&c| !fits(c)) {
        Some(character) => Err(MalformedReference::Character { part, character }),
        None => Ok(text.to_owned()),
    }
}

/// `op://vault/item/section/field`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}/", self.vault, self.item)?;
        if let Some(section) = &self.section {
            write!(f, "{section}/")?;
        }
        f.write_str(&self.field)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        text.parse::<Reference>().unwrap_err().to_string()
    }

    #[test]
    fn a_reference_reads_back_as_it_was_written() {
        for text in [
            "op://vault/item/field",
            "op://My vault/an.item/Some section/a_field-1",
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_told_why() {
        assert_eq!(complaint("https://x/y/z"), "it doesn't begin with op://");
        assert_eq!(
            complaint("op://vault/item"),
            "it names 2 parts where op://vault/item[/section]/field has three or four"
        );
        assert_eq!(complaint("op://vault//field"), "its item is empty");
        assert_eq!(
            complaint("op://vault/it:em/field"),
            "its item holds ':', which a reference can't; use the item's id instead"
        );
        assert_eq!(
            complaint("op://vault/item/one-time password?attribute=otp"),
            "it asks for an attribute (?…), which psk doesn't read; refer to the field itself"
        );
    }
}
