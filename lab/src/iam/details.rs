//! GetAccountAuthorizationDetails: every role and managed policy of an account in one list.

use serde::Serialize;

use super::aws_managed::AwsManaged;
use super::error::validation;
use super::policies::PolicyView;
use super::policy_versions::VersionView;
use super::request::Request;
use super::view::RoleDetail;
use crate::call::{Answer, ServiceError};
use crate::wire::xml::Members;
use crate::world::World;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetAccountAuthorizationDetails {
    user_detail_list: Members<String>,
    group_detail_list: Members<String>,
    role_detail_list: Members<RoleDetail>,
    policies: Members<ManagedPolicyDetail>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

#[derive(Serialize)]
struct ManagedPolicyDetail {
    #[serde(flatten)]
    policy: PolicyView,
    #[serde(rename = "PolicyVersionList")]
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Members<VersionView>>,
}

enum Detail {
    Role(Box<RoleDetail>),
    Policy(Box<ManagedPolicyDetail>),
}

/// What a filter may name.
const KINDS: [&str; 5] = [
    "User",
    "Role",
    "Group",
    "LocalManagedPolicy",
    "AWSManagedPolicy",
];

/// `GetAccountAuthorizationDetails`.
pub(super) fn get(world: &mut World, request: &Request<'_>) -> Answer {
    let kinds = request.list("Filter");
    if let Some(wrong) = kinds.iter().find(|kind| !KINDS.contains(kind)) {
        return Err(not_a_kind(wrong));
    }
    let wanted = |kind: &str| kinds.is_empty() || kinds.contains(&kind);
    let account = request.account();
    let iam = world.iam(account);

    // One key orders everything, so that pages can begin at any kind.
    let mut details: Vec<(String, Detail)> = Vec::new();
    if wanted("Role") {
        details.extend(iam.roles.values().map(|role| {
            let detail = RoleDetail::new(role, iam, account);
            (
                format!("role/{}", role.name),
                Detail::Role(Box::new(detail)),
            )
        }));
    }
    if wanted("LocalManagedPolicy") {
        details.extend(iam.policies.values().map(|policy| {
            let detail = ManagedPolicyDetail {
                policy: PolicyView::own(policy, iam, account),
                versions: Some(VersionView::all_of(policy)),
            };
            of_policy(detail)
        }));
    }
    if wanted("AWSManagedPolicy") {
        let aws = AwsManaged::all().map(|policy| PolicyView::aws(policy, iam));
        details.extend(aws.filter(PolicyView::is_used).map(|policy| {
            of_policy(ManagedPolicyDetail {
                policy,
                versions: None,
            })
        }));
    }
    details.sort_by(|(one, _), (other, _)| one.cmp(other));

    let page = request.page(details, |(key, _)| key)?;
    let (mut roles, mut policies) = (Vec::new(), Vec::new());
    for (_, detail) in page.items {
        match detail {
            Detail::Role(role) => roles.push(*role),
            Detail::Policy(policy) => policies.push(*policy),
        }
    }
    request.answer(&GetAccountAuthorizationDetails {
        user_detail_list: Members::from_iter([]),
        group_detail_list: Members::from_iter([]),
        role_detail_list: roles.into_iter().collect(),
        policies: policies.into_iter().collect(),
        is_truncated: page.marker.is_some(),
        marker: page.marker,
    })
}

fn of_policy(detail: ManagedPolicyDetail) -> (String, Detail) {
    let key = format!("policy/{}", detail.policy.arn());
    (key, Detail::Policy(Box::new(detail)))
}

fn not_a_kind(value: &str) -> ServiceError {
    validation(format!(
        "1 validation error detected: Value '[{value}]' at 'filter' failed to satisfy constraint: \
         Member must satisfy constraint: [Member must satisfy enum value set: [{}]]",
        KINDS.join(", ")
    ))
}
