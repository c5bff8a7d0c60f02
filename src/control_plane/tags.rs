//! Tags: psk keeps those that it sets and leaves those of others alone.
//!
//! What psk makes gets one tag more, in the very call that makes it and never later. What psk adopts
//! lacks it, and so a destroy knows whose a thing is.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Tag;

use crate::reconcile::{DiffBuilder, Fate};

/// Tags as every service has them.
pub type Tags = BTreeMap<String, String>;

/// The tag of what psk has made.
const MARK: (&str, &str) = ("made-by", "psk");

/// The tags of something that is being made.
pub(super) fn made(tags: &Tags) -> Tags {
    let mut tags = tags.clone();
    tags.insert(MARK.0.to_owned(), MARK.1.to_owned());
    tags
}

/// What a destroy does with something that has these tags.
pub(super) fn fate(tags: &Tags) -> Fate {
    let (key, value) = MARK;
    if tags.get(key).is_some_and(|is| is == value) {
        Fate::Remove
    } else {
        Fate::Leave(format!(
            "psk didn't make it: it lacks the tag {key}={value}"
        ))
    }
}

/// Compares the tags that psk sets, each as its own attribute.
pub(super) fn diff(mut diff: DiffBuilder, is: Option<&Tags>, wanted: &Tags) -> DiffBuilder {
    for (key, value) in wanted {
        let old = is.and_then(|tags| tags.get(key));
        diff = diff.attribute(&format!("tags.{key}"), old, value);
    }
    diff
}

/// Tags in the form that EC2 takes.
pub(super) fn for_ec2(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// Tags in the form that EC2 gives.
pub(super) fn from_ec2(tags: &[Tag]) -> Tags {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn only_what_psk_made_is_removed() {
        let wanted = tags(&[("pipeline", "p"), ("role", "qa")]);
        assert_eq!(fate(&made(&wanted)), Fate::Remove);
        let others = [wanted, Tags::new(), tags(&[("made-by", "terraform")])];
        for others in others {
            assert!(matches!(fate(&others), Fate::Leave(_)), "{others:?}");
        }
    }

    #[test]
    fn the_mark_of_what_psk_made_is_no_difference() {
        use crate::reconcile::Diff;
        use crate::reconcile::plan::Action;
        let wanted = tags(&[("role", "qa")]);
        for is in [made(&wanted), wanted.clone()] {
            let same = diff(Diff::update(), Some(&is), &wanted).build();
            assert_eq!(same.action, Action::Keep);
        }
    }
}
