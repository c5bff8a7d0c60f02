//! Trust policies, and whether the principals that a policy names exist.

use serde_json::Value;

use super::error::{limit_exceeded, malformed_document};
use super::grammar::{self, Kind};
use crate::call::ServiceError;
use crate::world::World;

/// How many characters a trust policy has at most, a quota that can be raised.
const MOST_CHARACTERS: usize = 2048;

/// Reads a trust policy.
pub(super) fn read(world: &World, text: &str) -> Result<Value, ServiceError> {
    let document = grammar::read(text, Kind::Trust).map_err(malformed_document)?;
    if grammar::size(&document) > MOST_CHARACTERS {
        return Err(limit_exceeded(format!(
            "Cannot exceed quota for ACLSizePerRole: {MOST_CHARACTERS}"
        )));
    }
    if let Some((kind, principal)) = unknown_principal(world, &document) {
        return Err(malformed_document(format!(
            "Invalid principal in policy: \"{}\":\"{principal}\"",
            kind.to_uppercase()
        )));
    }
    Ok(document)
}

/// Kind and name of the first principal in a document that doesn't exist.
///
/// IAM looks principals up when a policy is saved. A federated one it takes as it is.
pub(crate) fn unknown_principal(world: &World, document: &Value) -> Option<(String, String)> {
    let statements = match document.get("Statement")? {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    statements
        .iter()
        .filter_map(|statement| statement.get("Principal")?.as_object())
        .flatten()
        .flat_map(|(kind, names)| {
            let names = match names {
                Value::Array(names) => names.as_slice(),
                one => std::slice::from_ref(one),
            };
            names.iter().map(move |name| (kind, name))
        })
        .find_map(|(kind, name)| {
            let name = name.as_str().unwrap_or_default();
            let exists = match kind.as_str() {
                "AWS" => name == "*" || exists(world, name),
                "Service" => name.ends_with(".amazonaws.com"),
                "Federated" => !name.is_empty(),
                _ => false,
            };
            (!exists).then(|| (kind.clone(), name.to_owned()))
        })
}

/// Whether an account, user or role exists. The lab knows its own accounts whole; of others it
/// takes for granted that they exist, but not what is in them.
fn exists(world: &World, name: &str) -> bool {
    if is_account(name) {
        return true;
    }
    let mut parts = name.splitn(6, ':').skip(2);
    let (Some(service), Some(_region), Some(account), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    if !is_account(account) || !name.starts_with("arn:aws:") {
        return false;
    }
    let role = |name: &str| {
        let account = world.accounts.get(account);
        account.and_then(|account| account.iam.roles.get(name))
    };
    match (service, resource.split_once('/')) {
        ("iam", None) => resource == "root",
        ("iam", Some(("role", path_and_name))) => {
            let role_name = path_and_name.rsplit('/').next().unwrap_or_default();
            role(role_name).is_some_and(|role| role.arn(account) == name)
        }
        ("iam", Some(("user", _))) => world
            .credentials
            .values()
            .any(|credential| credential.principal == name),
        ("sts", Some(("assumed-role", session))) => session
            .split_once('/')
            .is_some_and(|(name, session)| !session.is_empty() && role(name).is_some()),
        _ => false,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}
