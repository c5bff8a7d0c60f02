//! Managed policies attached to roles.

use serde::Serialize;

use super::aws_managed::AwsManaged;
use super::error::{limit_exceeded, no_such_entity};
use super::request::{ARN, Request};
use super::roles;
use super::state::Account;
use crate::call::{Answer, ServiceError};
use crate::wire::xml::Members;
use crate::world::World;

/// How many managed policies a role may have, a quota that can be raised.
const MOST_ATTACHED: usize = 10;

/// `AttachedPolicy`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttachedPolicy {
    policy_name: String,
    policy_arn: String,
}

impl AttachedPolicy {
    pub(super) fn new(arn: &str) -> Self {
        Self {
            policy_name: arn.rsplit('/').next().unwrap_or_default().to_owned(),
            policy_arn: arn.to_owned(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListAttachedRolePolicies {
    attached_policies: Members<AttachedPolicy>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListEntitiesForPolicy {
    policy_groups: Members<String>,
    policy_users: Members<String>,
    policy_roles: Members<PolicyRole>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyRole {
    role_name: String,
    role_id: String,
}

/// `AttachRolePolicy`. Attaching what is attached changes nothing and succeeds.
pub(super) fn attach(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?.to_owned();
    let iam = world.iam(request.account());
    roles::find_own(iam, request)?;
    must_exist(iam, request.account(), &arn)?;
    if AwsManaged::of(&arn).is_some_and(|policy| policy.is_service_linked()) {
        return Err(ServiceError::bad_request(
            "PolicyNotAttachable",
            format!("Cannot attach a Service Role Policy to a Customer Role: {arn}"),
        ));
    }
    let role = roles::find_own(iam, request)?;
    if !role.attached.contains(&arn) && role.attached.len() >= MOST_ATTACHED {
        return Err(limit_exceeded(format!(
            "Cannot exceed quota for PoliciesPerRole: {MOST_ATTACHED}"
        )));
    }
    role.attached.insert(arn);
    request.done()
}

/// `DetachRolePolicy`.
pub(super) fn detach(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let role = roles::find_own(world.iam(request.account()), request)?;
    if !role.attached.remove(arn) {
        return Err(no_such_entity(format!("Policy {arn} was not found.")));
    }
    request.done()
}

/// `ListAttachedRolePolicies`.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let prefix = request.optional("PathPrefix", ARN)?.unwrap_or("/");
    let role = roles::find(world.iam(request.account()), request)?;
    let fitting = role
        .attached
        .iter()
        .filter(|arn| path_of(arn).starts_with(prefix));
    let page = request.page(fitting, |arn| arn)?;
    request.answer(&ListAttachedRolePolicies {
        attached_policies: page
            .items
            .into_iter()
            .map(|arn| AttachedPolicy::new(arn))
            .collect(),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

/// `ListEntitiesForPolicy`. Only roles have policies here.
pub(super) fn entities(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let prefix = request.optional("PathPrefix", ARN)?.unwrap_or("/");
    let kind = request.optional("EntityFilter", ARN)?.unwrap_or("Role");
    let iam = world.iam(request.account());
    must_exist(iam, request.account(), arn)?;
    let fitting = iam
        .roles_with(arn)
        .filter(|role| role.path.starts_with(prefix) && kind == "Role");
    let page = request.page(fitting, |role| &role.name)?;
    request.answer(&ListEntitiesForPolicy {
        policy_groups: Members::from_iter([]),
        policy_users: Members::from_iter([]),
        policy_roles: page
            .items
            .into_iter()
            .map(|role| PolicyRole {
                role_name: role.name.clone(),
                role_id: role.id.clone(),
            })
            .collect(),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

/// Checks that an ARN names a managed policy, AWS's or the account's.
pub(super) fn must_exist(iam: &Account, account: &str, arn: &str) -> Result<(), ServiceError> {
    if AwsManaged::of(arn).is_some() || iam.policy(account, arn).is_some() {
        return Ok(());
    }
    if arn.split(':').count() < 6 || !arn.starts_with("arn:") {
        return Err(super::error::invalid_input(format!(
            "ARN {arn} is not valid."
        )));
    }
    Err(no_such_entity(format!(
        "Policy {arn} does not exist or is not attachable."
    )))
}

/// The path in a policy's ARN, with a slash on both ends.
fn path_of(arn: &str) -> &str {
    let path = arn.split_once(":policy").map_or("/", |(_, rest)| rest);
    path.rfind('/').map_or("/", |slash| &path[..=slash])
}
