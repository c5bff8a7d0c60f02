//! Which policy documents IAM takes.
//!
//! The rules are those of the IAM User Guide's "Grammar of the IAM JSON policy language", and the
//! refusals say what IAM says. What is well-formed and still can't be evaluated by the lab
//! ([`super::policy`]) is refused as well, so that nobody takes silence for success.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::policy::Document;

/// What a policy is attached to, on which its grammar depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identity: says what it may do, on which resources.
    Identity,
    /// A role: says who may assume it.
    Trust,
    /// Another resource (a key, a queue): says who may do what to it.
    Resource,
}

const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];

/// The members of a statement.
const MEMBERS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// Reads a document and checks it.
///
/// # Errors
/// What is wrong with it, in IAM's words.
pub fn read(text: &str, kind: Kind) -> Result<Value, String> {
    let document: Value =
        serde_json::from_str(text).map_err(|_| "This policy contains invalid Json".to_owned())?;
    check(&document, kind)?;
    Document::parse(&document)?;
    Ok(document)
}

/// How many characters of a document count towards quotas: white space between its parts doesn't.
pub fn size(document: &Value) -> usize {
    document.to_string().chars().count()
}

fn check(document: &Value, kind: Kind) -> Result<(), String> {
    let syntax = || "Syntax errors in policy.".to_owned();
    let members = document.as_object().ok_or_else(syntax)?;
    if members
        .keys()
        .any(|key| !["Version", "Id", "Statement"].contains(&key.as_str()))
    {
        return Err(syntax());
    }
    match members.get("Version").map(Value::as_str) {
        None => {}
        Some(Some(version)) if VERSIONS.contains(&version) => {}
        Some(_) => return Err("The policy must contain a valid version string.".to_owned()),
    }
    let statements = match members.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => return Err(syntax()),
    };
    let mut sids = BTreeSet::new();
    for statement in statements {
        let statement = statement.as_object().ok_or_else(syntax)?;
        if let Some(sid) = statement.get("Sid") {
            let sid = sid.as_str().ok_or_else(syntax)?;
            check_sid(sid, kind)?;
            if !sid.is_empty() && !sids.insert(sid) {
                return Err("Statement IDs (SID) in a single policy must be unique.".to_owned());
            }
        }
        check_statement(statement, kind)?;
    }
    Ok(())
}

fn check_sid(sid: &str, kind: Kind) -> Result<(), String> {
    if kind == Kind::Resource || sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
         expression [0-9A-Za-z]*"
            .to_owned(),
    )
}

fn check_statement(statement: &Map<String, Value>, kind: Kind) -> Result<(), String> {
    if statement.keys().any(|key| !MEMBERS.contains(&key.as_str()))
        || !matches!(
            statement.get("Effect").and_then(Value::as_str),
            Some("Allow" | "Deny")
        )
    {
        return Err("Syntax errors in policy.".to_owned());
    }
    let has = |one: &str, other: &str| statement.contains_key(one) || statement.contains_key(other);
    if !has("Action", "NotAction") {
        return Err("Policy statement must contain actions.".to_owned());
    }
    match kind {
        Kind::Identity if has("Principal", "NotPrincipal") => {
            return Err("Policy document should not specify a principal.".to_owned());
        }
        Kind::Identity | Kind::Resource if !has("Resource", "NotResource") => {
            return Err("Policy statement must contain resources.".to_owned());
        }
        Kind::Trust if has("Resource", "NotResource") => {
            return Err("Has prohibited field Resource".to_owned());
        }
        Kind::Trust | Kind::Resource if !has("Principal", "NotPrincipal") => {
            return Err("Missing required field Principal".to_owned());
        }
        Kind::Identity | Kind::Trust | Kind::Resource => {}
    }
    for action in texts(statement, ["Action", "NotAction"])? {
        check_action(action, kind)?;
    }
    for resource in texts(statement, ["Resource", "NotResource"])? {
        check_resource(resource)?;
    }
    Ok(())
}

/// The texts under either name, written as one or as a list.
fn texts<'a>(statement: &'a Map<String, Value>, names: [&str; 2]) -> Result<Vec<&'a str>, String> {
    let syntax = || "Syntax errors in policy.".to_owned();
    let mut texts = Vec::new();
    for value in names.iter().filter_map(|name| statement.get(*name)) {
        match value {
            Value::String(text) => texts.push(text.as_str()),
            Value::Array(list) if !list.is_empty() => {
                for text in list {
                    texts.push(text.as_str().ok_or_else(syntax)?);
                }
            }
            _ => return Err(syntax()),
        }
    }
    Ok(texts)
}

fn check_action(action: &str, kind: Kind) -> Result<(), String> {
    if action == "*" && kind != Kind::Trust {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return Err(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned(),
        );
    };
    let is_vendor = !vendor.is_empty()
        && vendor
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"*?".contains(&b));
    if !is_vendor || !is_name {
        return Err(format!("Invalid Action: {action}"));
    }
    if kind == Kind::Trust && !vendor.eq_ignore_ascii_case("sts") {
        return Err("AssumeRole policy may only specify STS AssumeRole actions.".to_owned());
    }
    Ok(())
}

fn check_resource(resource: &str) -> Result<(), String> {
    let is_arn = resource.starts_with("arn:") && resource.splitn(6, ':').count() == 6;
    if resource == "*" || is_arn {
        Ok(())
    } else {
        Err(format!(
            "Resource {resource} must be in ARN format or \"*\"."
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(statement: Value, kind: Kind) -> String {
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
        read(&document.to_string(), kind).unwrap_err()
    }

    #[test]
    fn each_kind_has_its_own_grammar() {
        let identity = json!({ "Effect": "Allow", "Action": "eks:*", "Resource": "*" });
        let trust = json!({
            "Effect": "Allow",
            "Principal": { "Service": "eks.amazonaws.com" },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        });
        let resource = json!({
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": "arn:aws:iam::111122223333:root" },
            "Action": "kms:*",
            "Resource": "*",
        });
        let all = [
            (Kind::Identity, &identity),
            (Kind::Trust, &trust),
            (Kind::Resource, &resource),
        ];
        for (kind, _) in all {
            for (of, statement) in all {
                let document = json!({ "Statement": statement }).to_string();
                assert_eq!(
                    read(&document, kind).is_ok(),
                    kind == of,
                    "{of:?} as {kind:?}"
                );
            }
        }
    }

    #[test]
    fn refusals_say_what_iam_says() {
        assert_eq!(
            read("{", Kind::Identity).unwrap_err(),
            "This policy contains invalid Json"
        );
        assert_eq!(
            read(r#"{"Version":"2012-10-18","Statement":[]}"#, Kind::Identity).unwrap_err(),
            "The policy must contain a valid version string."
        );
        for (statement, message) in [
            (json!({}), "Syntax errors in policy."),
            (
                json!({ "Effect": "Allow", "Resource": "*" }),
                "Policy statement must contain actions.",
            ),
            (
                json!({ "Effect": "Allow", "Action": "eks:*" }),
                "Policy statement must contain resources.",
            ),
            (
                json!({ "Effect": "Allow", "Action": "Describe", "Resource": "*" }),
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            (
                json!({ "Effect": "Allow", "Action": "eks:*", "Resource": "cluster/x" }),
                "Resource cluster/x must be in ARN format or \"*\".",
            ),
            (
                json!({ "Sid": "a b", "Effect": "Allow", "Action": "*", "Resource": "*" }),
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
                 regular expression [0-9A-Za-z]*",
            ),
        ] {
            assert_eq!(refusal(statement, Kind::Identity), message);
        }
        let trust = json!({
            "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "eks:DescribeCluster",
        });
        assert_eq!(
            refusal(trust, Kind::Trust),
            "AssumeRole policy may only specify STS AssumeRole actions."
        );
    }

    #[test]
    fn a_sid_is_given_once() {
        let statement = json!({ "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*" });
        let twice = json!({ "Statement": [statement, statement] }).to_string();
        assert_eq!(
            read(&twice, Kind::Identity).unwrap_err(),
            "Statement IDs (SID) in a single policy must be unique."
        );
    }
}
