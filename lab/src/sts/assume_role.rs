//! AssumeRole: a caller with credentials gets a session of a role, often in another account.

use serde::Serialize;

use super::limits::{self, RoleArn};
use super::session::{self, AssumedRoleUser, Credentials, Grant, Issued};
use super::{NAMESPACE, access_denied};
use crate::call::{Answer, Call, ServiceError};
use crate::credentials::{Session, Tag};
use crate::iam::Role;
use crate::iam::policy::{Caller, Context, Document, Question, Verdict};
use crate::wire::form::Form;
use crate::wire::xml;
use crate::world::World;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleResult {
    credentials: Credentials,
    assumed_role_user: AssumedRoleUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    packed_policy_size: Option<usize>,
}

pub(super) fn handle(world: &mut World, call: &Call, form: &Form) -> Answer {
    let wanted = limits::role_arn(form)?;
    let session_name = limits::session_name(form)?.to_owned();
    let tags = limits::tags(form)?;
    let caller_session = call
        .access_key
        .as_ref()
        .and_then(|key| world.credentials.get(key)?.session.clone());
    let chained = caller_session.is_some();

    let role = find(world, &wanted).cloned();
    let role = role.ok_or_else(|| not_authorized(call, "sts:AssumeRole", wanted.arn))?;
    let context = context(call, form, &session_name, &tags);
    let caller = Caller::Aws {
        account: &call.account,
        arn: &call.principal,
        role: caller_session.as_ref().map(|session| session.role.as_str()),
    };
    let trusts = |action| trusts(&role, caller, action, wanted.arn, &context);
    if !trusts("sts:AssumeRole") {
        return Err(not_authorized(call, "sts:AssumeRole", wanted.arn));
    }
    if !tags.is_empty() && !trusts("sts:TagSession") {
        return Err(not_authorized(call, "sts:TagSession", wanted.arn));
    }
    let duration = limits::duration(form, role.max_session_duration, chained)?;
    let tags = with_inherited(tags, caller_session.as_ref())?;

    let packed_policy_size = session::packed_size(&tags);
    let grant = Grant {
        account: wanted.account.to_owned(),
        role_name: role.name,
        role_arn: wanted.arn.to_owned(),
        role_id: role.id,
        session_name,
        duration,
        tags,
        policies: limits::session_policies(form)?,
    };
    let Issued { credentials, user } = session::issue(world, grant, call.received);
    let result = AssumeRoleResult {
        credentials,
        assumed_role_user: user,
        packed_policy_size,
    };
    xml::query(call, NAMESPACE, &result)
}

/// The role that an ARN names, if the account has it under that path.
pub(super) fn find<'w>(world: &'w World, wanted: &RoleArn<'_>) -> Option<&'w Role> {
    let account = world.accounts.get(wanted.account)?;
    account
        .iam
        .roles
        .get(wanted.name)
        .filter(|role| role.path == wanted.path)
}

/// Whether a role's trust policy lets a caller do that.
pub(super) fn trusts(
    role: &Role,
    caller: Caller<'_>,
    action: &str,
    resource: &str,
    context: &Context,
) -> bool {
    let question = Question {
        caller,
        action,
        resource,
        context,
    };
    Document::parse(&role.trust)
        .is_ok_and(|document| document.verdict(&question) == Verdict::Allowed)
}

/// The condition keys of an AssumeRole request, as IAM's "keys available for AWS STS" lists them.
pub(super) fn context(call: &Call, form: &Form, session_name: &str, tags: &[Tag]) -> Context {
    let mut context = Context::default();
    context.set("sts:RoleSessionName", [session_name]);
    if !call.principal.is_empty() {
        context.set("aws:PrincipalArn", [call.principal.as_str()]);
        context.set("aws:PrincipalAccount", [call.account.as_str()]);
    }
    for (key, parameter) in [
        ("sts:ExternalId", "ExternalId"),
        ("sts:SourceIdentity", "SourceIdentity"),
    ] {
        if let Some(value) = form.get(parameter) {
            context.set(key, [value]);
        }
    }
    if !tags.is_empty() {
        context.set("aws:TagKeys", tags.iter().map(|tag| tag.key.as_str()));
    }
    let transitive: Vec<&str> = tags
        .iter()
        .filter(|tag| tag.transitive)
        .map(|tag| tag.key.as_str())
        .collect();
    if !transitive.is_empty() {
        context.set("sts:TransitiveTagKeys", transitive);
    }
    for tag in tags {
        context.set(&format!("aws:RequestTag/{}", tag.key), [tag.value.as_str()]);
    }
    context
}

/// Adds the transitive tags of the caller's own session, which a request may not set anew.
fn with_inherited(mut tags: Vec<Tag>, caller: Option<&Session>) -> Result<Vec<Tag>, ServiceError> {
    let inherited = caller.into_iter().flat_map(|session| &session.tags);
    for tag in inherited.filter(|tag| tag.transitive) {
        if tags.iter().any(|own| limits::same_key(&own.key, &tag.key)) {
            return Err(ServiceError::bad_request(
                "InvalidParameterValue",
                format!(
                    "The tag key {} can't be set because it conflicts with a transitive tag key \
                     from the calling session.",
                    tag.key
                ),
            ));
        }
        tags.push(tag.clone());
    }
    Ok(tags)
}

/// STS doesn't tell a role that doesn't exist from one that doesn't trust the caller.
fn not_authorized(call: &Call, action: &str, role: &str) -> ServiceError {
    access_denied(format!(
        "User: {} is not authorized to perform: {action} on resource: {role}",
        call.principal
    ))
}
