//! Tags of rules, by ARN.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::{invalid, no_rule};
use super::{Region, rule_arn};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json;

const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

type Tags = BTreeMap<String, String>;

/// A tag as EventBridge writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// The tags of something that has `before` and gets these.
pub(super) fn with(before: &Tags, tags: Vec<Tag>) -> Result<Tags, ServiceError> {
    let mut after = before.clone();
    for Tag { key, value } in tags {
        let is_fine = (1..=LONGEST_KEY).contains(&key.chars().count())
            && value.chars().count() <= LONGEST_VALUE
            && !key.to_ascii_lowercase().starts_with("aws:");
        if !is_fine {
            return Err(invalid(format!(
                "Tag '{key}' has a key or a value that a tag can't have."
            )));
        }
        after.insert(key, value);
    }
    if after.len() > MOST_TAGS {
        return Err(invalid(format!(
            "A resource may have {MOST_TAGS} tags, not {}.",
            after.len()
        )));
    }
    Ok(after)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagResource {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "Tags")]
    tags: Vec<Tag>,
}

/// `TagResource`: adds tags and changes the values of those that are there.
pub(super) fn tag(here: &mut Region, call: &Call) -> Answer {
    let input: TagResource = json::parameters(call)?;
    let tags = find(here, call, &input.arn)?;
    *tags = with(tags, input.tags)?;
    json::answer(&json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UntagResource {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "TagKeys")]
    keys: Vec<String>,
}

/// `UntagResource`.
pub(super) fn untag(here: &mut Region, call: &Call) -> Answer {
    let input: UntagResource = json::parameters(call)?;
    find(here, call, &input.arn)?.retain(|key, _| !input.keys.contains(key));
    json::answer(&json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListTags {
    #[serde(rename = "ResourceARN")]
    arn: String,
}

/// `ListTagsForResource`.
pub(super) fn list(here: &mut Region, call: &Call) -> Answer {
    let input: ListTags = json::parameters(call)?;
    let tags: Vec<Tag> = find(here, call, &input.arn)?
        .iter()
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect();
    json::answer(&json!({ "Tags": tags }))
}

/// The tags of the rule with this ARN.
fn find<'r>(here: &'r mut Region, call: &Call, arn: &str) -> Result<&'r mut Tags, ServiceError> {
    let name = arn
        .strip_prefix(&rule_arn(&call.account, &call.region, ""))
        .ok_or_else(|| {
            invalid(format!(
                "'{arn}' is not an ARN of a rule in this account and region"
            ))
        })?;
    let rule = here.rules.get_mut(name);
    rule.map(|rule| &mut rule.tags).ok_or_else(|| no_rule(name))
}
