//! Inline policies of roles.

use serde::Serialize;

use super::error::{limit_exceeded, malformed_document, no_such_entity};
use super::grammar::{self, Kind};
use super::request::{LONG_NAME, Request};
use super::{roles, view};
use crate::call::{Answer, ServiceError};
use crate::wire::xml::Members;
use crate::world::World;

/// How many characters the inline policies of a role have together at most, white space not
/// counted.
const MOST_CHARACTERS: usize = 10_240;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetRolePolicy {
    role_name: String,
    policy_name: String,
    policy_document: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListRolePolicies {
    policy_names: Members<String>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// `PutRolePolicy`: makes a policy or replaces the one of that name.
pub(super) fn put(world: &mut World, request: &Request<'_>) -> Answer {
    let name = request.required("PolicyName", LONG_NAME)?;
    let text = request.document("PolicyDocument")?;
    let role = roles::find_own(world.iam(request.account()), request)?;
    let document = grammar::read(text, Kind::Identity).map_err(malformed_document)?;
    let others = role.inline.iter().filter(|(other, _)| *other != name);
    let used: usize = others.map(|(_, policy)| grammar::size(policy)).sum();
    if used + grammar::size(&document) > MOST_CHARACTERS {
        return Err(limit_exceeded(format!(
            "Maximum policy size of {MOST_CHARACTERS} bytes exceeded for role {}",
            role.name
        )));
    }
    role.inline.insert(name.to_owned(), document);
    request.done()
}

/// `GetRolePolicy`.
pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let name = request.required("PolicyName", LONG_NAME)?;
    let role = roles::find(world.iam(request.account()), request)?;
    let document = role.inline.get(name).ok_or_else(|| not_found(name))?;
    request.answer(&GetRolePolicy {
        role_name: role.name.clone(),
        policy_name: name.to_owned(),
        policy_document: view::document(document),
    })
}

/// `ListRolePolicies`.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let role = roles::find(world.iam(request.account()), request)?;
    let page = request.page(role.inline.keys(), |name| name)?;
    request.answer(&ListRolePolicies {
        policy_names: page.items.into_iter().cloned().collect(),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

/// `DeleteRolePolicy`.
pub(super) fn delete(world: &mut World, request: &Request<'_>) -> Answer {
    let name = request.required("PolicyName", LONG_NAME)?;
    let role = roles::find_own(world.iam(request.account()), request)?;
    role.inline.remove(name).ok_or_else(|| not_found(name))?;
    request.done()
}

fn not_found(name: &str) -> ServiceError {
    no_such_entity(format!("The role policy with name {name} cannot be found."))
}
