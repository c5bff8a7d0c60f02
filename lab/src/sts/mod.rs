//! AWS Security Token Service: who somebody is, and sessions of roles.
//!
//! Limits and error codes are those of the STS API reference. Sessions begin and end in real time,
//! since their holders count by their own clocks.

mod assume_role;
mod limits;
mod needs;
mod session;
mod web_identity;

use http::StatusCode;
use serde::Serialize;

use crate::call::{Answer, Call, ServiceError};
use crate::front::refusal::Refusal;
use crate::front::service::{Service, invalid_action};
use crate::operations::Operations;
use crate::wire::form::Form;
use crate::wire::xml;
use crate::world::World;

pub(crate) use needs::needs;

/// The XML namespace of its answers.
pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Whether an operation takes no signature.
pub fn is_unsigned(operation: &str) -> bool {
    operation == "AssumeRoleWithWebIdentity"
}

/// The account of the role that a request wants to assume.
pub fn account_of_role(form: &Form) -> Option<String> {
    form.get("RoleArn")?.split(':').nth(4).map(str::to_owned)
}

type Serve = fn(&mut World, &Call, &Form) -> Answer;

/// Every operation, and what answers it.
const OPERATIONS: Operations<Serve> = Operations(&[
    ("AssumeRole", assume_role::handle),
    ("AssumeRoleWithWebIdentity", web_identity::handle),
    ("GetCallerIdentity", caller_identity),
]);

/// Every operation's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.names()
}

/// Answers one request.
///
/// # Errors
/// STS's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let serve = OPERATIONS
        .find(&call.operation)
        .ok_or_else(|| invalid_action(call))?;
    serve(world, call, &Form::of(call))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentity<'a> {
    arn: &'a str,
    user_id: &'a str,
    account: &'a str,
}

/// GetCallerIdentity, which needs no permission.
fn caller_identity(world: &mut World, call: &Call, _: &Form) -> Answer {
    let credential = call
        .access_key
        .as_ref()
        .and_then(|key| world.credentials.get(key))
        .ok_or_else(|| Refusal::UnknownKey.error(Service::Sts))?;
    let identity = CallerIdentity {
        arn: &credential.principal,
        user_id: &credential.user_id,
        account: &credential.account,
    };
    xml::query(call, NAMESPACE, &identity)
}

fn access_denied(message: String) -> ServiceError {
    ServiceError::new(StatusCode::FORBIDDEN, "AccessDenied", message)
}
