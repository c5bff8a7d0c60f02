//! Versions of managed policies.

use serde::Serialize;

use super::aws_managed::AwsManaged;
use super::error::{delete_conflict, limit_exceeded, no_such_entity};
use super::policies::{self, version_id};
use super::request::{ARN, Request};
use super::state::{ManagedPolicy, PolicyVersion};
use super::view;
use crate::call::{Answer, ServiceError};
use crate::wire::xml::Members;
use crate::world::World;

const MOST_VERSIONS: usize = 5;

/// `PolicyVersion`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VersionView {
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    version_id: String,
    is_default_version: bool,
    create_date: String,
}

impl VersionView {
    fn listed(policy: &ManagedPolicy, number: u32, version: &PolicyVersion) -> Self {
        Self {
            document: None,
            version_id: version_id(number),
            is_default_version: number == policy.default_version,
            create_date: view::time(version.created),
        }
    }

    fn whole(policy: &ManagedPolicy, number: u32, version: &PolicyVersion) -> Self {
        Self {
            document: Some(view::document(&version.document)),
            ..Self::listed(policy, number, version)
        }
    }

    /// Every version with its document, newest first.
    pub(super) fn all_of(policy: &ManagedPolicy) -> Members<Self> {
        policy
            .versions
            .iter()
            .rev()
            .map(|(number, version)| Self::whole(policy, *number, version))
            .collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OneVersion {
    policy_version: VersionView,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListPolicyVersions {
    versions: Members<VersionView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// `CreatePolicyVersion`.
pub(super) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let document = policies::document(request)?;
    let policy = policies::find_mut(world.iam(request.account()), request.account(), arn)?;
    if policy.versions.len() >= MOST_VERSIONS {
        return Err(limit_exceeded(format!(
            "A managed policy can have up to {MOST_VERSIONS} versions. Before you create a new \
             version, you must delete an existing version."
        )));
    }
    let number = policy.next_version;
    policy.next_version += 1;
    if request.flag("SetAsDefault") {
        policy.default_version = number;
        policy.updated = request.now();
    }
    let version = PolicyVersion {
        document,
        created: request.now(),
    };
    let policy_version = VersionView::listed(policy, number, &version);
    policy.versions.insert(number, version);
    request.answer(&OneVersion { policy_version })
}

/// `GetPolicyVersion`.
pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let id = request.required("VersionId", ARN)?;
    if let Some(policy) = AwsManaged::of(arn) {
        return aws_version(request, policy, id);
    }
    let policy = policies::find(world.iam(request.account()), request.account(), arn)?;
    let number = number(policy, arn, id)?;
    let version = policy.versions.get(&number);
    let version = version.ok_or_else(|| not_found(arn, id))?;
    request.answer(&OneVersion {
        policy_version: VersionView::whole(policy, number, version),
    })
}

fn aws_version(request: &Request<'_>, policy: AwsManaged, id: &str) -> Answer {
    let arn = policy.arn();
    if id != version_id(1) {
        return Err(not_found(&arn, id));
    }
    let document = policy.document().ok_or_else(|| {
        ServiceError::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "ServiceFailure",
            format!("The lab knows that {arn} exists, but not what it allows."),
        )
    })?;
    request.answer(&OneVersion {
        policy_version: VersionView {
            document: Some(view::document(&document)),
            version_id: id.to_owned(),
            is_default_version: true,
            create_date: view::time(jiff::Timestamp::UNIX_EPOCH),
        },
    })
}

/// `ListPolicyVersions`.
pub(super) fn list(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let policy = policies::find(world.iam(request.account()), request.account(), arn)?;
    let versions: Vec<VersionView> = policy
        .versions
        .iter()
        .map(|(number, version)| VersionView::listed(policy, *number, version))
        .collect();
    // A policy has too few versions for their numbers to sort otherwise than their ids, until the
    // tenth; so the ids are what pages go by.
    let mut versions = versions;
    versions.sort_by(|one, other| one.version_id.cmp(&other.version_id));
    let page = request.page(versions, |version| &version.version_id)?;
    request.answer(&ListPolicyVersions {
        versions: page.items.into_iter().collect(),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

/// `DeletePolicyVersion`.
pub(super) fn delete(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let id = request.required("VersionId", ARN)?;
    let policy = policies::find_mut(world.iam(request.account()), request.account(), arn)?;
    let number = number(policy, arn, id)?;
    if number == policy.default_version {
        return Err(delete_conflict(
            "Cannot delete the default version of a policy.",
        ));
    }
    policy.versions.remove(&number);
    request.done()
}

/// `SetDefaultPolicyVersion`.
pub(super) fn set_default(world: &mut World, request: &Request<'_>) -> Answer {
    let arn = request.required("PolicyArn", ARN)?;
    let id = request.required("VersionId", ARN)?;
    let policy = policies::find_mut(world.iam(request.account()), request.account(), arn)?;
    policy.default_version = number(policy, arn, id)?;
    policy.updated = request.now();
    request.done()
}

/// The number of a version that the policy has.
fn number(policy: &ManagedPolicy, arn: &str, id: &str) -> Result<u32, ServiceError> {
    id.strip_prefix('v')
        .and_then(|number| number.parse().ok())
        .filter(|number| policy.versions.contains_key(number))
        .ok_or_else(|| not_found(arn, id))
}

fn not_found(arn: &str, id: &str) -> ServiceError {
    no_such_entity(format!(
        "Policy {arn} version {id} does not exist or is not attachable."
    ))
}
