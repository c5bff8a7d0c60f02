//! Tags of keys.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::error::limit_exceeded;
use super::page::Paging;
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json as wire;
use crate::world::World;

const MOST_TAGS: usize = 50;
const DEFAULT_PAGE: usize = 50;

/// A tag on the wire.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    tag_key: String,
    tag_value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagResource {
    key_id: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UntagResource {
    key_id: String,
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListResourceTags {
    key_id: String,
    #[serde(flatten)]
    paging: Paging,
}

/// What becomes of tags when these are put on.
pub(super) fn read(
    new: Vec<Tag>,
    mut tags: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ServiceError> {
    for Tag { tag_key, tag_value } in new {
        let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
        if tag_key.is_empty()
            || tag_key.chars().count() > 128
            || tag_value.chars().count() > 256
            || !tag_key.chars().chain(tag_value.chars()).all(allowed)
            || tag_key.to_lowercase().starts_with("aws:")
        {
            return Err(ServiceError::bad_request(
                "TagException",
                format!("The tag '{tag_key}' is not valid."),
            ));
        }
        tags.insert(tag_key, tag_value);
    }
    if tags.len() > MOST_TAGS {
        return Err(limit_exceeded(format!(
            "A key has at most {MOST_TAGS} tags."
        )));
    }
    Ok(tags)
}

/// `TagResource`.
pub(super) fn tag(world: &mut World, call: &Call) -> Answer {
    let input: TagResource = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    key.must_stay()?;
    key.tags = read(input.tags, key.tags.clone())?;
    wire::done()
}

/// `UntagResource`.
pub(super) fn untag(world: &mut World, call: &Call) -> Answer {
    let input: UntagResource = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    key.must_stay()?;
    key.tags.retain(|key, _| !input.tag_keys.contains(key));
    wire::done()
}

/// `ListResourceTags`.
pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let input: ListResourceTags = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    let tags = key
        .tags
        .iter()
        .map(|(key, value)| (key.clone(), json!({ "TagKey": key, "TagValue": value })))
        .collect();
    wire::answer(&input.paging.answer("Tags", tags, DEFAULT_PAGE)?)
}
