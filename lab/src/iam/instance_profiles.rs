//! Instance profiles, which give EC2 instances their roles.

use serde::Serialize;

use super::error::{already_exists, delete_conflict, limit_exceeded, no_such_entity};
use super::request::{ARN, LONG_NAME, ROLE_NAME, Request};
use super::roles;
use super::state::{Account, InstanceProfile, is_taken};
use super::view::InstanceProfileView;
use crate::call::{Answer, ServiceError};
use crate::wire::xml::Members;
use crate::world::World;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OneInstanceProfile {
    instance_profile: InstanceProfileView,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListInstanceProfiles {
    instance_profiles: Members<InstanceProfileView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// `CreateInstanceProfile`.
pub(super) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let account = request.account();
    let name = request.required("InstanceProfileName", LONG_NAME)?;
    let path = request.path("Path")?;
    let tags = request.tags()?;
    if is_taken(&world.iam(account).instance_profiles, name) {
        return Err(already_exists(format!(
            "Instance Profile {name} already exists."
        )));
    }
    let profile = InstanceProfile {
        path: path.to_owned(),
        name: name.to_owned(),
        id: format!("AIPA{}", world.ids.base32(17)),
        created: request.now(),
        role: None,
        tags,
    };
    let iam = world.iam(account);
    let view = InstanceProfileView::new(&profile, iam, account);
    iam.instance_profiles.insert(name.to_owned(), profile);
    request.answer(&OneInstanceProfile {
        instance_profile: view,
    })
}

/// `GetInstanceProfile`.
pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let account = request.account();
    let iam = world.iam(account);
    let name = request.required("InstanceProfileName", LONG_NAME)?;
    let profile = iam.instance_profiles.get(name);
    let profile = profile.ok_or_else(|| not_found(name))?;
    request.answer(&OneInstanceProfile {
        instance_profile: InstanceProfileView::new(profile, iam, account),
    })
}

/// `ListInstanceProfiles`.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let prefix = request.optional("PathPrefix", ARN)?.unwrap_or("/");
    let iam = world.iam(request.account());
    listed(request, iam, |profile| profile.path.starts_with(prefix))
}

/// `ListInstanceProfilesForRole`.
pub(super) fn list_for_role(world: &mut World, request: &Request<'_>) -> Answer {
    let iam = world.iam(request.account());
    let role = &roles::find(iam, request)?.name;
    listed(request, iam, |profile| profile.role.as_ref() == Some(role))
}

fn listed(request: &Request<'_>, iam: &Account, fits: impl Fn(&InstanceProfile) -> bool) -> Answer {
    let fitting = iam
        .instance_profiles
        .values()
        .filter(|profile| fits(profile));
    let page = request.page(fitting, |profile| &profile.name)?;
    request.answer(&ListInstanceProfiles {
        instance_profiles: page
            .items
            .into_iter()
            .map(|profile| InstanceProfileView::new(profile, iam, request.account()))
            .collect(),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

/// `AddRoleToInstanceProfile`.
pub(super) fn add_role(world: &mut World, request: &Request<'_>) -> Answer {
    let iam = world.iam(request.account());
    let role = roles::find_own(iam, request)?.name.clone();
    let profile = find(iam, request)?;
    if profile.role.is_some() {
        return Err(limit_exceeded(
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
        ));
    }
    profile.role = Some(role);
    request.done()
}

/// `RemoveRoleFromInstanceProfile`.
pub(super) fn remove_role(world: &mut World, request: &Request<'_>) -> Answer {
    let role = request.required("RoleName", ROLE_NAME)?;
    let profile = find(world.iam(request.account()), request)?;
    if profile.role.as_deref() != Some(role) {
        return Err(no_such_entity(format!(
            "Role {role} is not in instance profile {}.",
            profile.name
        )));
    }
    profile.role = None;
    request.done()
}

/// `DeleteInstanceProfile`.
pub(super) fn delete(world: &mut World, request: &Request<'_>) -> Answer {
    let iam = world.iam(request.account());
    let profile = find(iam, request)?;
    if profile.role.is_some() {
        return Err(delete_conflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    let name = profile.name.clone();
    iam.instance_profiles.remove(&name);
    request.done()
}

/// The instance profile that a request names.
pub(super) fn find<'w>(
    iam: &'w mut Account,
    request: &Request<'_>,
) -> Result<&'w mut InstanceProfile, ServiceError> {
    let name = request.required("InstanceProfileName", LONG_NAME)?;
    iam.instance_profiles
        .get_mut(name)
        .ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> ServiceError {
    no_such_entity(format!("Instance Profile {name} cannot be found."))
}
