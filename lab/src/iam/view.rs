//! How IAM's answers write what it keeps.

use std::collections::BTreeMap;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use super::attachments::AttachedPolicy;
use super::state::{InstanceProfile, Role};
use crate::iam::Account;
use crate::wire::xml::Members;

/// What RFC 3986 lets stand as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A policy document as IAM's answers hold it: percent-encoded JSON.
pub(super) fn document(document: &Value) -> String {
    utf8_percent_encode(&document.to_string(), ESCAPED).to_string()
}

/// A time.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A tag.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagView {
    key: String,
    value: String,
}

/// Tags, in the order of their keys.
pub(super) fn tags(tags: &BTreeMap<String, String>) -> Members<TagView> {
    tags.iter()
        .map(|(key, value)| TagView {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

/// `Role`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RoleView {
    path: String,
    role_name: String,
    role_id: String,
    arn: String,
    create_date: String,
    assume_role_policy_document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    max_session_duration: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Members<TagView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_last_used: Option<LastUsed>,
}

/// `AttachedPermissionsBoundary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Boundary {
    permissions_boundary_type: &'static str,
    permissions_boundary_arn: String,
}

/// `RoleLastUsed`, of which the lab keeps no record: like a role that was never used.
#[derive(Debug, Serialize)]
pub(super) struct LastUsed {}

impl RoleView {
    /// What a list of roles tells of one: neither tags, boundary nor last use.
    pub(super) fn listed(role: &Role, account: &str) -> Self {
        Self {
            path: role.path.clone(),
            role_name: role.name.clone(),
            role_id: role.id.clone(),
            arn: role.arn(account),
            create_date: time(role.created),
            assume_role_policy_document: document(&role.trust),
            description: role.description.clone(),
            max_session_duration: role.max_session_duration,
            permissions_boundary: None,
            tags: None,
            role_last_used: None,
        }
    }

    /// All that there is to tell of a role by itself.
    pub(super) fn whole(role: &Role, account: &str) -> Self {
        Self {
            permissions_boundary: boundary(role),
            tags: Some(tags(&role.tags)),
            role_last_used: Some(LastUsed {}),
            ..Self::listed(role, account)
        }
    }
}

fn boundary(role: &Role) -> Option<Boundary> {
    role.boundary.clone().map(|arn| Boundary {
        permissions_boundary_type: "Policy",
        permissions_boundary_arn: arn,
    })
}

/// `InstanceProfile`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InstanceProfileView {
    path: String,
    instance_profile_name: String,
    instance_profile_id: String,
    arn: String,
    create_date: String,
    roles: Members<RoleView>,
    tags: Members<TagView>,
}

impl InstanceProfileView {
    pub(super) fn new(profile: &InstanceProfile, iam: &Account, account: &str) -> Self {
        let role = profile.role.as_ref().and_then(|name| iam.roles.get(name));
        Self {
            path: profile.path.clone(),
            instance_profile_name: profile.name.clone(),
            instance_profile_id: profile.id.clone(),
            arn: profile.arn(account),
            create_date: time(profile.created),
            roles: role
                .map(|role| RoleView::listed(role, account))
                .into_iter()
                .collect(),
            tags: tags(&profile.tags),
        }
    }
}

/// `RoleDetail`: a role with all of its policies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RoleDetail {
    path: String,
    role_name: String,
    role_id: String,
    arn: String,
    create_date: String,
    assume_role_policy_document: String,
    instance_profile_list: Members<InstanceProfileView>,
    role_policy_list: Members<PolicyDetail>,
    attached_managed_policies: Members<AttachedPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary>,
    tags: Members<TagView>,
    role_last_used: LastUsed,
}

/// `PolicyDetail`: an inline policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDetail {
    policy_name: String,
    policy_document: String,
}

impl RoleDetail {
    pub(super) fn new(role: &Role, iam: &Account, account: &str) -> Self {
        let profiles = iam
            .instance_profiles
            .values()
            .filter(|profile| profile.role.as_ref() == Some(&role.name));
        Self {
            path: role.path.clone(),
            role_name: role.name.clone(),
            role_id: role.id.clone(),
            arn: role.arn(account),
            create_date: time(role.created),
            assume_role_policy_document: document(&role.trust),
            instance_profile_list: profiles
                .map(|profile| InstanceProfileView::new(profile, iam, account))
                .collect(),
            role_policy_list: role
                .inline
                .iter()
                .map(|(name, policy)| PolicyDetail {
                    policy_name: name.clone(),
                    policy_document: document(policy),
                })
                .collect(),
            attached_managed_policies: role
                .attached
                .iter()
                .map(|arn| AttachedPolicy::new(arn))
                .collect(),
            permissions_boundary: boundary(role),
            tags: tags(&role.tags),
            role_last_used: LastUsed {},
        }
    }
}
