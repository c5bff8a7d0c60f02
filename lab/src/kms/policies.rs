//! Key policies. A key has one, whose name is `default`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::not_found;
use super::page::Paging;
use crate::call::{Answer, Call, ServiceError};
use crate::iam::grammar::{self, Kind};
use crate::iam::policy::{Caller, Context, Document, Question, Verdict};
use crate::iam::unknown_principal;
use crate::wire::json as wire;
use crate::world::World;

const NAME: &str = "default";
/// How many bytes a key policy has at most.
const LARGEST: usize = 32 * 1024;
const DEFAULT_PAGE: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
    policy: String,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetKeyPolicy {
    key_id: String,
    policy_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListKeyPolicies {
    key_id: String,
    #[serde(flatten)]
    paging: Paging,
}

/// The policy of a key that is made without one: the account's IAM policies decide.
pub(crate) fn default(account: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
}

/// Reads a policy. Unless told otherwise, KMS takes none that locks its author out.
pub(super) fn read(
    world: &World,
    call: &Call,
    text: &str,
    bypass_lockout_check: bool,
) -> Result<Value, ServiceError> {
    if text.len() > LARGEST {
        return Err(super::error::limit_exceeded(format!(
            "A key policy has at most {LARGEST} bytes."
        )));
    }
    let document = grammar::read(text, Kind::Resource).map_err(malformed)?;
    if unknown_principal(world, &document).is_some() {
        return Err(malformed(
            "Policy contains a statement with one or more invalid principals.",
        ));
    }
    if !bypass_lockout_check && !lets_change(world, call, &document)? {
        return Err(malformed(
            "The new key policy will not allow you to update the key policy in the future.",
        ));
    }
    Ok(document)
}

fn lets_change(world: &World, call: &Call, document: &Value) -> Result<bool, ServiceError> {
    let session = call
        .access_key
        .as_ref()
        .and_then(|key| world.credentials.get(key)?.session.as_ref());
    let question = Question {
        caller: Caller::Aws {
            account: &call.account,
            arn: &call.principal,
            role: session.map(|session| session.role.as_str()),
        },
        action: "kms:PutKeyPolicy",
        resource: "*",
        context: &Context::default(),
    };
    let document = Document::parse(document).map_err(malformed)?;
    Ok(document.verdict(&question) == Verdict::Allowed)
}

fn malformed(message: impl Into<String>) -> ServiceError {
    ServiceError::bad_request("MalformedPolicyDocumentException", message)
}

/// `PutKeyPolicy`.
pub(super) fn put(world: &mut World, call: &Call) -> Answer {
    let input: PutKeyPolicy = wire::parameters(call)?;
    must_be_default(input.policy_name.as_deref())?;
    let policy = read(
        world,
        call,
        &input.policy,
        input.bypass_policy_lockout_safety_check,
    )?;
    let region = world.kms(&call.account, &call.region);
    region.find_mut(&input.key_id, call)?.policy = policy;
    wire::done()
}

/// `GetKeyPolicy`.
pub(super) fn get(world: &mut World, call: &Call) -> Answer {
    let input: GetKeyPolicy = wire::parameters(call)?;
    must_be_default(input.policy_name.as_deref())?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    wire::answer(&json!({ "Policy": key.policy.to_string(), "PolicyName": NAME }))
}

/// `ListKeyPolicies`.
pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let ListKeyPolicies { key_id, paging } = wire::parameters(call)?;
    world
        .kms(&call.account, &call.region)
        .find_mut(&key_id, call)?;
    let names = vec![(NAME.to_owned(), NAME.into())];
    wire::answer(&paging.answer("PolicyNames", names, DEFAULT_PAGE)?)
}

fn must_be_default(name: Option<&str>) -> Result<(), ServiceError> {
    match name {
        None | Some(NAME) => Ok(()),
        Some(_) => Err(not_found("No such policy exists")),
    }
}
