//! The difference between what one resource is and what it should be.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Fact;
use super::plan::{Action, AttributeChange, Target};

/// What has to be done to one resource, and which of its attributes differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// What has to be done.
    pub action: Action,
    /// The attributes that differ; for a resource to be made, all that are set.
    pub attributes: Vec<AttributeChange>,
    /// Why, where the attributes alone don't say it.
    pub reason: Option<String>,
    /// Every attribute that was compared as it was found, whether or not it differs; nothing of a
    /// resource that doesn't exist. Of a secret only whether it differs.
    pub found: BTreeMap<String, Value>,
    /// Every attribute that was compared as it is wanted; `None` where one isn't known yet, or is
    /// secret.
    pub wanted: Option<BTreeMap<String, Value>>,
}

impl Diff {
    /// Starts comparing a resource that exists.
    pub fn update() -> DiffBuilder {
        DiffBuilder::new(true)
    }

    /// Starts describing a resource that has to be made.
    pub fn create() -> DiffBuilder {
        DiffBuilder::new(false)
    }

    /// Whether the attribute at `path`, or one below it, differs.
    pub fn touches(&self, path: &str) -> bool {
        self.attributes.iter().any(|a| {
            a.path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// Collects the attributes that differ.
#[derive(Debug)]
pub struct DiffBuilder {
    exists: bool,
    replaces: bool,
    attributes: Vec<AttributeChange>,
    reasons: Vec<String>,
    found: BTreeMap<String, Value>,
    wanted: Option<BTreeMap<String, Value>>,
}

impl DiffBuilder {
    fn new(exists: bool) -> Self {
        Self {
            exists,
            replaces: false,
            attributes: Vec::new(),
            reasons: Vec::new(),
            found: BTreeMap::new(),
            wanted: Some(BTreeMap::new()),
        }
    }

    /// Compares one attribute. `old` is `None` where it isn't set or nothing exists.
    pub fn attribute(self, path: &str, old: Option<impl Serialize>, new: impl Serialize) -> Self {
        self.values(path, old.and_then(value), value(new))
    }

    /// Compares one attribute that is at hand as plain values; `None` where it isn't set.
    pub fn values(mut self, path: &str, old: Option<Value>, new: Option<Value>) -> Self {
        // Of most resources, most is alike, and nothing has to be copied.
        if old != new {
            self.attributes.push(AttributeChange {
                path: path.into(),
                old: old.clone(),
                new: new.clone().map_or(Target::Unset, Target::Value),
                sensitive: false,
            });
        }
        self.note(path, old);
        if let Some(wanted) = &mut self.wanted {
            wanted.insert(path.to_owned(), new.unwrap_or_default());
        }
        self
    }

    /// Compares one attribute whose wanted value may not be known before apply. An attribute of a
    /// resource that exists is taken to stay as it is until the value is known.
    pub fn fact(
        mut self,
        path: &str,
        old: Option<impl Serialize>,
        new: Fact<impl Serialize>,
    ) -> Self {
        match new {
            Fact::Known(new) => self.attribute(path, old, new),
            Fact::AfterApply if self.exists => {
                self.note(path, old.and_then(value));
                self.wanted = None;
                self
            }
            Fact::AfterApply => {
                self.wanted = None;
                self.known_after_apply(path)
            }
        }
    }

    /// Notes an attribute that only the service can tell.
    pub fn known_after_apply(mut self, path: &str) -> Self {
        if !self.exists {
            self.attributes.push(AttributeChange {
                path: path.into(),
                old: None,
                new: Target::KnownAfterApply,
                sensitive: false,
            });
        }
        self
    }

    /// Notes that a secret attribute differs, without its values.
    pub fn secret(mut self, path: &str, differs: bool) -> Self {
        self.note(path, Some(differs.into()));
        self.wanted = None;
        if differs {
            self.attributes.push(AttributeChange {
                path: path.into(),
                old: None,
                new: if self.exists {
                    Target::Unset
                } else {
                    Target::KnownAfterApply
                },
                sensitive: true,
            });
        }
        self
    }

    /// Says why, in words.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reasons.push(reason.into());
        self
    }

    /// Hands the comparison to a function that several kinds share.
    pub fn with(self, compare: impl FnOnce(Self) -> Self) -> Self {
        compare(self)
    }

    /// Says that the service can't change these attributes in place: if one of them differs, the
    /// resource is replaced.
    pub fn replacing(mut self, paths: &[&str]) -> Self {
        self.replaces |= self
            .attributes
            .iter()
            .any(|a| paths.contains(&a.path.as_str()));
        self
    }

    fn note(&mut self, path: &str, old: Option<Value>) {
        if self.exists {
            self.found.insert(path.to_owned(), old.unwrap_or_default());
        }
    }

    /// The difference.
    pub fn build(self) -> Diff {
        let action = if !self.exists {
            Action::Create
        } else if self.attributes.is_empty() {
            Action::Keep
        } else if self.replaces {
            Action::Replace
        } else {
            Action::Update
        };
        let reason = (!self.reasons.is_empty()).then(|| self.reasons.join("; "));
        Diff {
            action,
            attributes: self.attributes,
            reason,
            found: self.found,
            wanted: self.wanted,
        }
    }
}

/// A plain value for a plan; an unset one (`null`) is `None`.
fn value(v: impl Serialize) -> Option<Value> {
    // Only maps with keys that aren't strings fail, and plans hold none.
    serde_json::to_value(v).ok().filter(|v| !v.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_attributes_make_no_difference() {
        let diff = Diff::update()
            .attribute("a", Some("1.34"), "1.34")
            .attribute("b", None::<u8>, None::<u8>)
            .build();
        assert_eq!((diff.action, diff.attributes.len()), (Action::Keep, 0));
    }

    #[test]
    fn a_changed_attribute_is_told_with_old_and_new() {
        let diff = Diff::update()
            .attribute("scaling.max", Some(3), 5)
            .because("wider")
            .build();
        assert_eq!(diff.action, Action::Update);
        assert_eq!(diff.attributes[0].old, Some(3.into()));
        assert_eq!(diff.attributes[0].new, Target::Value(5.into()));
        assert!(diff.touches("scaling") && diff.touches("scaling.max"));
        assert!(!diff.touches("scal") && !diff.touches("scaling.max.x"));
    }

    #[test]
    fn what_was_found_is_noted_whether_or_not_it_differs() {
        let diff = Diff::update()
            .attribute("same", Some(1), 1)
            .attribute("other", Some(1), 2)
            .attribute("missing", None::<u8>, 2)
            .fact("unknown", Some("x"), Fact::<String>::AfterApply)
            .secret("client_id", true)
            .build();
        assert_eq!(
            serde_json::to_value(&diff.found).unwrap(),
            serde_json::json!({
                "same": 1, "other": 1, "missing": null, "unknown": "x", "client_id": true,
            })
        );
        let made = Diff::create().attribute("same", None::<u8>, 1).build();
        assert!(made.found.is_empty());
    }

    #[test]
    fn what_is_wanted_is_noted_where_all_of_it_is_known() {
        let known = |old: u8| Diff::update().attribute("a", Some(old), 2).build();
        assert_eq!(known(1).wanted, known(2).wanted);
        assert_eq!(known(1).wanted.unwrap()["a"], 2);
        let unknown = Diff::update().fact("b", Some("x"), Fact::<String>::AfterApply);
        assert_eq!(unknown.build().wanted, None);
        assert_eq!(Diff::update().secret("c", false).build().wanted, None);
    }

    #[test]
    fn an_unknown_value_shows_only_for_what_is_to_be_made() {
        let unknown = || Fact::<String>::AfterApply;
        let made = Diff::create().fact("id", None::<String>, unknown()).build();
        assert_eq!(made.attributes[0].new, Target::KnownAfterApply);
        let kept = Diff::update().fact("id", Some("x"), unknown()).build();
        assert_eq!(kept.action, Action::Keep);
    }

    #[test]
    fn a_secret_shows_that_it_differs_and_nothing_more() {
        let diff = Diff::update().secret("client_id", true).build();
        assert_eq!(diff.action, Action::Update);
        assert_eq!(
            (&diff.attributes[0].old, &diff.attributes[0].new),
            (&None, &Target::Unset)
        );
    }
}
