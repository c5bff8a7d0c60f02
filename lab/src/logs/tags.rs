//! Tags of log groups.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::groups::by_arn;
use super::invalid_parameter;
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json as wire;
use crate::world::World;

const MOST_TAGS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagResource {
    resource_arn: String,
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UntagResource {
    resource_arn: String,
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListTagsForResource {
    resource_arn: String,
}

/// Checks keys, values and number of tags.
pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    for (key, value) in tags {
        if key.is_empty()
            || key.chars().count() > 128
            || value.chars().count() > 256
            || !key.chars().chain(value.chars()).all(allowed)
            || key.to_lowercase().starts_with("aws:")
        {
            return Err(invalid_parameter(format!("The tag '{key}' is not valid.")));
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(ServiceError::bad_request(
            "TooManyTagsException",
            format!("A resource has at most {MOST_TAGS} tags."),
        ));
    }
    Ok(())
}

/// `TagResource`.
pub(super) fn tag(world: &mut World, call: &Call) -> Answer {
    let input: TagResource = wire::parameters(call)?;
    let group = by_arn(world, call, &input.resource_arn)?;
    let mut tags = group.tags.clone();
    tags.extend(input.tags);
    check(&tags)?;
    group.tags = tags;
    wire::done()
}

/// `UntagResource`.
pub(super) fn untag(world: &mut World, call: &Call) -> Answer {
    let input: UntagResource = wire::parameters(call)?;
    let group = by_arn(world, call, &input.resource_arn)?;
    group.tags.retain(|key, _| !input.tag_keys.contains(key));
    wire::done()
}

/// `ListTagsForResource`.
pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let input: ListTagsForResource = wire::parameters(call)?;
    let group = by_arn(world, call, &input.resource_arn)?;
    wire::answer(&json!({ "tags": group.tags }))
}
