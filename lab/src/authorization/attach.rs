//! Gives a role the policies that its sessions are judged by.

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::iam::grammar::{self, Kind};
use crate::iam::{ManagedPolicy, PolicyVersion};
use crate::ids;
use crate::world::World;

/// Most characters of a managed policy, white space not counted, and most policies that a role may
/// have attached. Source: IAM User Guide, "IAM and AWS STS quotas".
const MOST_CHARACTERS: usize = 6144;
const MOST_ATTACHED: usize = 10;

/// A policy that IAM wouldn't take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// There is no such role.
    #[error("account {account} has no role {role}")]
    Role {
        /// The account.
        account: String,
        /// The role's path and name.
        role: String,
    },
    /// IAM refuses the document.
    #[error("policy {number}: {why}")]
    Document {
        /// Its place among the role's, from 1.
        number: usize,
        /// What IAM says of it.
        why: String,
    },
    /// A role can't have so many.
    #[error("a role has at most {MOST_ATTACHED} managed policies, not {0}")]
    TooMany(usize),
}

/// Makes managed policies of these documents and attaches them to a role, which loses all others.
/// `role` is path and name (`PSKRoles/PSKControlPlaneBaseRole`).
///
/// # Errors
/// If the account has no such role, or IAM wouldn't take a document.
pub fn attach(
    world: &mut World,
    account: &str,
    role: &str,
    documents: &[Value],
) -> Result<(), PolicyError> {
    if documents.len() > MOST_ATTACHED {
        return Err(PolicyError::TooMany(documents.len()));
    }
    for (number, document) in (1..).zip(documents) {
        check(document).map_err(|why| PolicyError::Document { number, why })?;
    }
    let born = world.clock.base();
    let iam = world.iam(account);
    let name = role.rsplit('/').next().unwrap_or(role);
    let found = iam
        .roles
        .get_mut(name)
        .filter(|found| found.arn(account).ends_with(role));
    let Some(found) = found else {
        return Err(PolicyError::Role {
            account: account.to_owned(),
            role: role.to_owned(),
        });
    };
    found.inline.clear();
    found.attached.clear();
    for (number, document) in (1..).zip(documents) {
        let policy = managed(account, &found.path, name, number, document, born);
        found.attached.insert(policy.arn(account));
        iam.policies.insert(policy.name.clone(), policy);
    }
    Ok(())
}

fn check(document: &Value) -> Result<(), String> {
    grammar::read(&document.to_string(), Kind::Identity)?;
    let size = grammar::size(document);
    if size > MOST_CHARACTERS {
        return Err(format!(
            "Cannot exceed quota for PolicySize: {MOST_CHARACTERS}, and it has {size} characters"
        ));
    }
    Ok(())
}

fn managed(
    account: &str,
    path: &str,
    role: &str,
    number: u32,
    document: &Value,
    born: Timestamp,
) -> ManagedPolicy {
    let name = format!("{role}-{number}");
    let version = PolicyVersion {
        document: document.clone(),
        created: born,
    };
    ManagedPolicy {
        path: path.to_owned(),
        id: format!("ANPA{}", ids::stable_base32(17, &[account, path, &name])),
        name,
        description: None,
        created: born,
        updated: born,
        versions: [(1, version)].into(),
        default_version: 1,
        next_version: 2,
        tags: [].into(),
    }
}
