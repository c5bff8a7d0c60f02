//! Roles: made, read, changed, deleted.

use serde::Serialize;

use super::error::{already_exists, delete_conflict, limit_exceeded, no_such_entity, unmodifiable};
use super::request::{ARN, DESCRIPTION, ROLE_NAME, Request};
use super::state::{Account, Role, is_taken};
use super::view::RoleView;
use super::{attachments, trust};
use crate::call::{Answer, ServiceError};
use crate::wire::xml::Members;
use crate::world::World;

/// How many roles an account may have, a quota that can be raised.
const MOST_ROLES: usize = 1000;
const SESSION: std::ops::RangeInclusive<u32> = 3600..=43_200;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OneRole {
    pub(super) role: RoleView,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListRoles {
    roles: Members<RoleView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// `CreateRole`.
pub(super) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let account = request.account();
    let name = request.required("RoleName", ROLE_NAME)?;
    let path = request.path("Path")?;
    let trust = trust::read(world, request.document("AssumeRolePolicyDocument")?)?;
    let duration = request.number("MaxSessionDuration", SESSION)?;
    let description = request.optional("Description", DESCRIPTION)?;
    let boundary = boundary(world, request)?;
    let tags = request.tags()?;
    if path.starts_with("/aws-service-role/") {
        return Err(super::error::validation(
            "The path /aws-service-role/ is reserved for service-linked roles.",
        ));
    }
    let roles = &world.iam(account).roles;
    if is_taken(roles, name) {
        return Err(already_exists(format!(
            "Role with name {name} already exists."
        )));
    }
    if roles.len() >= MOST_ROLES {
        return Err(limit_exceeded(format!(
            "Cannot exceed quota for RolesPerAccount: {MOST_ROLES}"
        )));
    }
    let id = format!("AROA{}", world.ids.base32(17));
    let role = Role {
        max_session_duration: duration.unwrap_or(Role::DEFAULT_SESSION),
        description: description.map(str::to_owned),
        boundary,
        tags,
        ..Role::new(path, name, id, trust, request.now())
    };
    let view = RoleView::whole(&role, account);
    world.iam(account).roles.insert(name.to_owned(), role);
    request.answer(&OneRole { role: view })
}

/// `GetRole`.
pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let role = find(world.iam(request.account()), request)?;
    request.answer(&OneRole {
        role: RoleView::whole(role, request.account()),
    })
}

/// `ListRoles`.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let prefix = request.optional("PathPrefix", ARN)?.unwrap_or("/");
    let roles = world.iam(request.account()).roles.values();
    let page = request.page(roles.filter(|role| role.path.starts_with(prefix)), |role| {
        &role.name
    })?;
    request.answer(&ListRoles {
        roles: page
            .items
            .into_iter()
            .map(|role| RoleView::listed(role, request.account()))
            .collect(),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

/// `UpdateRole`. As documented, a duration that isn't said is the default one, while a description
/// that isn't said stays.
pub(super) fn update(world: &mut World, request: &Request<'_>) -> Answer {
    #[derive(Serialize)]
    struct Nothing {}

    let duration = request.number("MaxSessionDuration", SESSION)?;
    let description = request.optional("Description", DESCRIPTION)?;
    let role = find_own(world.iam(request.account()), request)?;
    role.max_session_duration = duration.unwrap_or(Role::DEFAULT_SESSION);
    if request.raw("Description").is_some() {
        role.description = description.map(str::to_owned);
    }
    request.answer(&Nothing {})
}

/// `UpdateRoleDescription`.
pub(super) fn update_description(world: &mut World, request: &Request<'_>) -> Answer {
    let description = request.optional("Description", DESCRIPTION)?;
    let role = find_own(world.iam(request.account()), request)?;
    role.description = description.map(str::to_owned);
    let role = RoleView::whole(role, request.account());
    request.answer(&OneRole { role })
}

/// `UpdateAssumeRolePolicy`.
pub(super) fn update_trust(world: &mut World, request: &Request<'_>) -> Answer {
    let trust = trust::read(world, request.document("PolicyDocument")?)?;
    find_own(world.iam(request.account()), request)?.trust = trust;
    request.done()
}

/// `DeleteRole`.
pub(super) fn delete(world: &mut World, request: &Request<'_>) -> Answer {
    let iam = world.iam(request.account());
    let role = find_own(iam, request)?;
    let name = role.name.clone();
    if !role.attached.is_empty() {
        return Err(delete_conflict(
            "Cannot delete entity, must detach all policies first.",
        ));
    }
    if !role.inline.is_empty() {
        return Err(delete_conflict(
            "Cannot delete entity, must delete policies first.",
        ));
    }
    let in_profile = |profile: &super::InstanceProfile| profile.role.as_ref() == Some(&name);
    if iam.instance_profiles.values().any(in_profile) {
        return Err(delete_conflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    iam.roles.remove(&name);
    request.done()
}

/// `PutRolePermissionsBoundary`.
pub(super) fn put_boundary(world: &mut World, request: &Request<'_>) -> Answer {
    request.required("PermissionsBoundary", ARN)?;
    let boundary = boundary(world, request)?;
    find_own(world.iam(request.account()), request)?.boundary = boundary;
    request.done()
}

/// `DeleteRolePermissionsBoundary`.
pub(super) fn delete_boundary(world: &mut World, request: &Request<'_>) -> Answer {
    let role = find_own(world.iam(request.account()), request)?;
    if role.boundary.take().is_none() {
        return Err(no_such_entity(format!(
            "Role {} doesn't have a permissions boundary.",
            role.name
        )));
    }
    request.done()
}

/// The policy that a request bounds a role by.
fn boundary(world: &mut World, request: &Request<'_>) -> Result<Option<String>, ServiceError> {
    let Some(arn) = request.optional("PermissionsBoundary", ARN)? else {
        return Ok(None);
    };
    attachments::must_exist(world.iam(request.account()), request.account(), arn)?;
    Ok(Some(arn.to_owned()))
}

/// The role that a request names.
pub(super) fn find<'w>(iam: &'w Account, request: &Request<'_>) -> Result<&'w Role, ServiceError> {
    let name = request.required("RoleName", ROLE_NAME)?;
    iam.roles.get(name).ok_or_else(|| not_found(name))
}

/// The role that a request names, to be changed.
pub(super) fn find_mut<'w>(
    iam: &'w mut Account,
    request: &Request<'_>,
) -> Result<&'w mut Role, ServiceError> {
    let name = request.required("RoleName", ROLE_NAME)?;
    iam.roles.get_mut(name).ok_or_else(|| not_found(name))
}

/// The role that a request names, to be changed, unless it is a service's own.
pub(super) fn find_own<'w>(
    iam: &'w mut Account,
    request: &Request<'_>,
) -> Result<&'w mut Role, ServiceError> {
    let role = find_mut(iam, request)?;
    if role.is_service_linked() {
        return Err(unmodifiable(&role.name));
    }
    Ok(role)
}

pub(super) fn not_found(name: &str) -> ServiceError {
    no_such_entity(format!("The role with name {name} cannot be found."))
}
