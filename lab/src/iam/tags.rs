//! Tags of roles, policies, instance profiles and identity providers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::request::{ARN, Request, check_count};
use super::view::{self, TagView};
use super::{instance_profiles, oidc, policies, roles};
use crate::call::{Answer, ServiceError};
use crate::wire::xml::Members;
use crate::world::World;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListTags {
    tags: Members<TagView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// `TagRole` and its like.
pub(super) fn tag(world: &mut World, request: &Request<'_>) -> Answer {
    let new = request.tags()?;
    let tags = tagged(world, request)?;
    let mut changed = tags.clone();
    for (key, value) in new {
        changed.retain(|other, _| !other.eq_ignore_ascii_case(&key));
        changed.insert(key, value);
    }
    check_count(changed.len())?;
    *tags = changed;
    request.done()
}

/// `UntagRole` and its like.
pub(super) fn untag(world: &mut World, request: &Request<'_>) -> Answer {
    let keys: Vec<String> = request
        .list("TagKeys")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let tags = tagged(world, request)?;
    tags.retain(|key, _| !keys.iter().any(|gone| gone.eq_ignore_ascii_case(key)));
    request.done()
}

/// `ListRoleTags` and its like.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let tags = tagged(world, request)?;
    let page = request.page(tags.iter(), |(key, _)| key)?;
    let tags = page
        .items
        .into_iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    request.answer(&ListTags {
        tags: view::tags(&tags),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

/// The tags of what the request is about, which its operation's name says.
fn tagged<'w>(
    world: &'w mut World,
    request: &Request<'_>,
) -> Result<&'w mut BTreeMap<String, String>, ServiceError> {
    let iam = world.iam(request.account());
    let operation = request.operation();
    if operation.contains("Role") {
        let role = if operation.starts_with("List") {
            roles::find_mut(iam, request)?
        } else {
            roles::find_own(iam, request)?
        };
        Ok(&mut role.tags)
    } else if operation.contains("Policy") {
        let arn = request.required("PolicyArn", ARN)?;
        Ok(&mut policies::find_mut(iam, request.account(), arn)?.tags)
    } else if operation.contains("InstanceProfile") {
        Ok(&mut instance_profiles::find(iam, request)?.tags)
    } else {
        Ok(&mut oidc::find(iam, request)?.tags)
    }
}
