//! Managed policies: those of the account, made and deleted, and those of AWS, read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::aws_managed::AwsManaged;
use super::error::{
    already_exists, delete_conflict, limit_exceeded, malformed_document, no_such_entity,
};
use super::grammar::{self, Kind};
use super::request::{ARN, DESCRIPTION, LONG_NAME, Request};
use super::state::{Account, ManagedPolicy, PolicyVersion, is_taken};
use super::view::{self, TagView};
use crate::call::{Answer, ServiceError};
use crate::wire::xml::Members;
use crate::world::World;

/// How many characters a managed policy has at most, white space not counted.
pub(super) const MOST_CHARACTERS: usize = 6144;
/// How many customer managed policies an account may have, a quota that can be raised.
const MOST_POLICIES: usize = 1500;
/// The version in effect of a policy of AWS's. The real numbers grow with each revision.
const AWS_VERSION: &str = "v1";

/// `Policy`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PolicyView {
    policy_name: String,
    policy_id: String,
    arn: String,
    path: String,
    default_version_id: String,
    attachment_count: usize,
    permissions_boundary_usage_count: usize,
    is_attachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    create_date: String,
    update_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Members<TagView>>,
}

impl PolicyView {
    /// A customer managed policy as lists show it, without tags.
    pub(super) fn own(policy: &ManagedPolicy, iam: &Account, account: &str) -> Self {
        let arn = policy.arn(account);
        Self {
            policy_name: policy.name.clone(),
            policy_id: policy.id.clone(),
            path: policy.path.clone(),
            default_version_id: version_id(policy.default_version),
            attachment_count: iam.roles_with(&arn).count(),
            permissions_boundary_usage_count: bounds(iam, &arn),
            is_attachable: true,
            description: None,
            create_date: view::time(policy.created),
            update_date: view::time(policy.updated),
            tags: None,
            arn,
        }
    }

    fn own_whole(policy: &ManagedPolicy, iam: &Account, account: &str) -> Self {
        Self {
            description: policy.description.clone(),
            tags: Some(view::tags(&policy.tags)),
            ..Self::own(policy, iam, account)
        }
    }

    /// A policy of AWS's.
    pub(super) fn aws(policy: AwsManaged, iam: &Account) -> Self {
        let arn = policy.arn();
        let long_ago = view::time(jiff::Timestamp::UNIX_EPOCH);
        Self {
            policy_name: policy.name.to_owned(),
            policy_id: policy.id(),
            path: policy.path.to_owned(),
            default_version_id: AWS_VERSION.to_owned(),
            attachment_count: iam.roles_with(&arn).count(),
            permissions_boundary_usage_count: bounds(iam, &arn),
            is_attachable: true,
            description: None,
            create_date: long_ago.clone(),
            update_date: long_ago,
            tags: None,
            arn,
        }
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    pub(super) fn is_used(&self) -> bool {
        self.attachment_count + self.permissions_boundary_usage_count > 0
    }
}

fn bounds(iam: &Account, arn: &str) -> usize {
    let is_bound = |role: &&super::Role| role.boundary.as_deref() == Some(arn);
    iam.roles.values().filter(is_bound).count()
}

/// A version's number as the API writes it.
pub(super) fn version_id(number: u32) -> String {
    format!("v{number}")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OnePolicy {
    policy: PolicyView,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListPolicies {
    policies: Members<PolicyView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// `CreatePolicy`.
pub(super) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let account = request.account();
    let name = request.required("PolicyName", LONG_NAME)?;
    let path = request.path("Path")?;
    let description = request.optional("Description", DESCRIPTION)?;
    let document = document(request)?;
    let tags = request.tags()?;
    let policies = &world.iam(account).policies;
    if is_taken(policies, name) {
        return Err(already_exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    if policies.len() >= MOST_POLICIES {
        return Err(limit_exceeded(format!(
            "Cannot exceed quota for PoliciesPerAccount: {MOST_POLICIES}"
        )));
    }
    let id = format!("ANPA{}", world.ids.base32(17));
    let now = request.now();
    let version = PolicyVersion {
        document,
        created: now,
    };
    let policy = ManagedPolicy {
        path: path.to_owned(),
        name: name.to_owned(),
        id,
        description: description.map(str::to_owned),
        created: now,
        updated: now,
        versions: BTreeMap::from([(1, version)]),
        default_version: 1,
        next_version: 2,
        tags,
    };
    let iam = world.iam(account);
    let view = PolicyView::own_whole(&policy, iam, account);
    iam.policies.insert(name.to_owned(), policy);
    request.answer(&OnePolicy { policy: view })
}

/// The document in a request, checked.
pub(super) fn document(request: &Request<'_>) -> Result<serde_json::Value, ServiceError> {
    let text = request.document("PolicyDocument")?;
    let document = grammar::read(text, Kind::Identity).map_err(malformed_document)?;
    if grammar::size(&document) > MOST_CHARACTERS {
        return Err(limit_exceeded(format!(
            "Cannot exceed quota for PolicySize: {MOST_CHARACTERS}"
        )));
    }
    Ok(document)
}

/// `GetPolicy`.
pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let account = request.account();
    let iam = world.iam(account);
    let policy = match AwsManaged::of(arn) {
        Some(policy) => PolicyView::aws(policy, iam),
        None => PolicyView::own_whole(find(iam, account, arn)?, iam, account),
    };
    request.answer(&OnePolicy { policy })
}

/// `ListPolicies`.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let scope = request.optional("Scope", ARN)?.unwrap_or("All");
    let prefix = request.optional("PathPrefix", ARN)?.unwrap_or("/");
    let only_attached = request.flag("OnlyAttached");
    let account = request.account();
    let iam = world.iam(account);
    let aws = AwsManaged::all().map(|policy| PolicyView::aws(policy, iam));
    let own = iam
        .policies
        .values()
        .map(|policy| PolicyView::own(policy, iam, account));
    let mut policies: Vec<PolicyView> = match scope {
        "AWS" => aws.collect(),
        "Local" => own.collect(),
        _ => own.chain(aws).collect(),
    };
    policies.retain(|policy| {
        policy.path.starts_with(prefix) && (policy.attachment_count > 0 || !only_attached)
    });
    policies.sort_by(|one, other| one.arn.cmp(&other.arn));
    let page = request.page(policies, |policy| &policy.arn)?;
    request.answer(&ListPolicies {
        policies: page.items.into_iter().collect(),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

/// `DeletePolicy`.
pub(super) fn delete(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let account = request.account();
    let iam = world.iam(account);
    let policy = find(iam, account, arn)?;
    if iam.roles_with(arn).next().is_some() || bounds(iam, arn) > 0 {
        return Err(delete_conflict(
            "Cannot delete a policy attached to entities.",
        ));
    }
    if policy.versions.len() > 1 {
        return Err(delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete \
             the policy's versions. The default version is deleted with the policy.",
        ));
    }
    let name = policy.name.clone();
    iam.policies.remove(&name);
    request.done()
}

/// The account's policy that an ARN names.
pub(super) fn find<'w>(
    iam: &'w Account,
    account: &str,
    arn: &str,
) -> Result<&'w ManagedPolicy, ServiceError> {
    iam.policy(account, arn).ok_or_else(|| not_found(arn))
}

/// The account's policy that an ARN names, to be changed.
pub(super) fn find_mut<'w>(
    iam: &'w mut Account,
    account: &str,
    arn: &str,
) -> Result<&'w mut ManagedPolicy, ServiceError> {
    let name = find(iam, account, arn)?.name.clone();
    iam.policies.get_mut(&name).ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> ServiceError {
    no_such_entity(format!("Policy {arn} was not found."))
}
