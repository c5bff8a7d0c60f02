//! AWS Identity and Access Management: roles with their policies, managed policies, instance
//! profiles and OpenID Connect providers, as the IAM API reference describes them (Query).
//!
//! Users and groups aren't simulated: the one user is the identity that the lab hands out.
//! [`policy`] evaluates documents, [`grammar`] says which documents IAM takes.

mod attachments;
mod aws_managed;
mod compare;
mod condition;
mod details;
mod error;
pub mod grammar;
mod inline;
mod instance_profiles;
mod needs;
mod oidc;
mod policies;
pub mod policy;
mod policy_versions;
mod request;
mod roles;
mod service_linked;
mod state;
mod tags;
#[cfg(test)]
mod tests;
mod trust;
mod variables;
mod view;

use crate::call::{Answer, Call};
use crate::front::service::invalid_action;
use crate::operations::Operations;
use crate::world::World;

pub use aws_managed::AwsManaged;
pub(crate) use needs::needs;
pub use service_linked::{LinkedService, ensure as ensure_service_linked_role};
pub use state::{
    Account, InstanceProfile, ManagedPolicy, OidcProvider, PolicyVersion, Role, oidc_provider_arn,
};

pub(crate) use trust::unknown_principal;

use request::Request;

/// The XML namespace of its answers.
pub const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

type Serve = fn(&mut World, &Request<'_>) -> Answer;

/// Every operation, and what answers it.
const OPERATIONS: Operations<Serve> = Operations(&[
    ("CreateRole", roles::create),
    ("GetRole", roles::get),
    ("ListRoles", roles::list),
    ("UpdateRole", roles::update),
    ("UpdateRoleDescription", roles::update_description),
    ("UpdateAssumeRolePolicy", roles::update_trust),
    ("DeleteRole", roles::delete),
    ("PutRolePermissionsBoundary", roles::put_boundary),
    ("DeleteRolePermissionsBoundary", roles::delete_boundary),
    ("PutRolePolicy", inline::put),
    ("GetRolePolicy", inline::get),
    ("ListRolePolicies", inline::list),
    ("DeleteRolePolicy", inline::delete),
    ("AttachRolePolicy", attachments::attach),
    ("DetachRolePolicy", attachments::detach),
    ("ListAttachedRolePolicies", attachments::list),
    ("ListEntitiesForPolicy", attachments::entities),
    ("CreatePolicy", policies::create),
    ("GetPolicy", policies::get),
    ("ListPolicies", policies::list),
    ("DeletePolicy", policies::delete),
    ("CreatePolicyVersion", policy_versions::create),
    ("GetPolicyVersion", policy_versions::get),
    ("ListPolicyVersions", policy_versions::list),
    ("DeletePolicyVersion", policy_versions::delete),
    ("SetDefaultPolicyVersion", policy_versions::set_default),
    ("CreateOpenIDConnectProvider", oidc::create),
    ("GetOpenIDConnectProvider", oidc::get),
    ("ListOpenIDConnectProviders", oidc::list),
    ("DeleteOpenIDConnectProvider", oidc::delete),
    ("AddClientIDToOpenIDConnectProvider", oidc::add_client_id),
    (
        "RemoveClientIDFromOpenIDConnectProvider",
        oidc::remove_client_id,
    ),
    (
        "UpdateOpenIDConnectProviderThumbprint",
        oidc::update_thumbprints,
    ),
    ("CreateInstanceProfile", instance_profiles::create),
    ("GetInstanceProfile", instance_profiles::get),
    ("ListInstanceProfiles", instance_profiles::list),
    (
        "ListInstanceProfilesForRole",
        instance_profiles::list_for_role,
    ),
    ("AddRoleToInstanceProfile", instance_profiles::add_role),
    (
        "RemoveRoleFromInstanceProfile",
        instance_profiles::remove_role,
    ),
    ("DeleteInstanceProfile", instance_profiles::delete),
    ("CreateServiceLinkedRole", service_linked::create),
    ("DeleteServiceLinkedRole", service_linked::delete),
    (
        "GetServiceLinkedRoleDeletionStatus",
        service_linked::deletion_status,
    ),
    ("TagRole", tags::tag),
    ("TagPolicy", tags::tag),
    ("TagInstanceProfile", tags::tag),
    ("TagOpenIDConnectProvider", tags::tag),
    ("UntagRole", tags::untag),
    ("UntagPolicy", tags::untag),
    ("UntagInstanceProfile", tags::untag),
    ("UntagOpenIDConnectProvider", tags::untag),
    ("ListRoleTags", tags::list),
    ("ListPolicyTags", tags::list),
    ("ListInstanceProfileTags", tags::list),
    ("ListOpenIDConnectProviderTags", tags::list),
    ("GetAccountAuthorizationDetails", details::get),
]);

/// Every operation's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.names()
}

/// Answers one request.
///
/// # Errors
/// IAM's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let request = Request::new(call);
    let serve = OPERATIONS
        .find(&call.operation)
        .ok_or_else(|| invalid_action(call))?;
    serve(world, &request)
}
