//! Tags of queues.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::error::{invalid_parameter, missing};
use super::{Region, queues};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json;

const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tag {
    queue_url: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

/// `TagQueue`: adds tags and changes the values of those that are there.
pub(super) fn tag(here: &mut Region, call: &Call) -> Answer {
    let input: Tag = json::parameters(call)?;
    let queue = queues::find(here, call, input.queue_url)?;
    let mut tags = queue.tags.clone();
    tags.extend(input.tags.ok_or_else(|| missing("Tags"))?);
    check(&tags)?;
    queue.tags = tags;
    json::answer_1_0(&json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Untag {
    queue_url: Option<String>,
    tag_keys: Option<Vec<String>>,
}

/// `UntagQueue`.
pub(super) fn untag(here: &mut Region, call: &Call) -> Answer {
    let input: Untag = json::parameters(call)?;
    let queue = queues::find(here, call, input.queue_url)?;
    let keys = input.tag_keys.ok_or_else(|| missing("TagKeys"))?;
    queue.tags.retain(|key, _| !keys.contains(key));
    json::answer_1_0(&json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct List {
    queue_url: Option<String>,
}

/// `ListQueueTags`.
pub(super) fn list(here: &mut Region, call: &Call) -> Answer {
    let input: List = json::parameters(call)?;
    let queue = queues::find(here, call, input.queue_url)?;
    if queue.tags.is_empty() {
        return json::answer_1_0(&json!({}));
    }
    json::answer_1_0(&json!({ "Tags": queue.tags }))
}

/// Checks all tags that a queue is to have.
pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    if tags.len() > MOST_TAGS {
        return Err(invalid_parameter(format!(
            "Too many tags for a queue: {}, and it may have {MOST_TAGS}.",
            tags.len()
        )));
    }
    for (key, value) in tags {
        let is_fine = (1..=LONGEST_KEY).contains(&key.chars().count())
            && value.chars().count() <= LONGEST_VALUE
            && !key.to_ascii_lowercase().starts_with("aws:");
        if !is_fine {
            return Err(invalid_parameter(format!(
                "Tag '{key}' has a key or a value that a tag can't have."
            )));
        }
    }
    Ok(())
}
