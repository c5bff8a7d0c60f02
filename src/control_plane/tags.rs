//! Tags: psk keeps those that it sets and leaves those of others alone.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Tag;

use crate::reconcile::DiffBuilder;

/// Tags as every service has them.
pub type Tags = BTreeMap<String, String>;

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
