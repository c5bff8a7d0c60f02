//! Tags of file systems and access points.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::{bad_request, no_access_point, no_file_system};
use super::request::{Kind, Request};
use super::state::{Region, Tags};
use crate::call::{Answer, Reply, ServiceError};
use crate::ids::Ids;

const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// A tag as EFS writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// Tags as EFS writes them.
pub(super) fn listed(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

/// The tags of something that has `before` and gets these.
///
/// # Errors
/// `BadRequest` if there are too many, or one isn't as the API reference has them.
pub(super) fn with(before: &Tags, tags: Vec<Tag>) -> Result<Tags, ServiceError> {
    let mut given = BTreeMap::new();
    for Tag { key, value } in tags {
        check(&key, &value).map_err(bad_request)?;
        if given.insert(key.clone(), value).is_some() {
            return Err(bad_request(format!("Tag key '{key}' is given twice")));
        }
    }
    let mut after = before.clone();
    after.extend(given);
    if after.len() > MOST_TAGS {
        return Err(bad_request(format!(
            "A resource has at most {MOST_TAGS} tags, not {}",
            after.len()
        )));
    }
    Ok(after)
}

fn check(key: &str, value: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    if key.is_empty() || key.chars().count() > LONGEST_KEY || !key.chars().all(allowed) {
        return Err(format!("'{key}' is not a valid tag key"));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(format!("Tag key '{key}' begins with the reserved 'aws:'"));
    }
    if value.chars().count() > LONGEST_VALUE || !value.chars().all(allowed) {
        return Err(format!("'{value}' is not a valid value of tag '{key}'"));
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TagResource {
    tags: Vec<Tag>,
}

/// `TagResource`: adds tags and changes the values of those that are there.
pub(super) fn tag(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let input: TagResource = request.body()?;
    let tags = find(region, request)?;
    *tags = with(tags, input.tags)?;
    Reply::json(&json!({}))
}

/// `UntagResource`.
pub(super) fn untag(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let query = &request.call.query;
    let keys: Vec<&String> = query
        .iter()
        .filter(|(name, _)| name == "tagKeys")
        .map(|(_, key)| key)
        .collect();
    if keys.is_empty() || keys.len() > MOST_TAGS {
        return Err(bad_request(format!(
            "tagKeys must name 1 to {MOST_TAGS} tags"
        )));
    }
    find(region, request)?.retain(|key, _| !keys.contains(&key));
    Reply::json(&json!({}))
}

/// `ListTagsForResource`.
pub(super) fn list(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let tags = listed(find(region, request)?);
    let items = tags.into_iter().map(|tag| (tag.key.clone(), tag)).collect();
    let page = request.page(items, "MaxResults", "NextToken")?;
    let mut answer = json!({ "Tags": page.items });
    if let Some(next) = page.next {
        answer["NextToken"] = next.into();
    }
    Reply::json(&answer)
}

/// The tags of the resource that the path names.
fn find<'r>(region: &'r mut Region, request: &Request<'_>) -> Result<&'r mut Tags, ServiceError> {
    if let Ok(id) = request.id(Kind::AccessPoint) {
        let point = region.access_points.get_mut(id);
        return point
            .map(|point| &mut point.tags)
            .ok_or_else(|| no_access_point(id));
    }
    let id = request.id(Kind::FileSystem)?;
    let file_system = region.file_systems.get_mut(id);
    file_system
        .map(|it| &mut it.tags)
        .ok_or_else(|| no_file_system(id))
}
