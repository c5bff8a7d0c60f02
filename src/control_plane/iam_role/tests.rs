//! A role compared with what is wanted of it, and read out of an account's details.

use aws_sdk_iam::types::{AttachedPolicy, PolicyDetail};
use serde_json::json;

use super::*;
use crate::reconcile::plan::{Action, Target};

const CLUSTER_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";

fn trust() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "eks.amazonaws.com" },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }],
    })
}

fn use_of_key() -> Value {
    json!({ "Statement": [{ "Effect": "Allow", "Action": "kms:Encrypt", "Resource": "arn:key" }] })
}

fn wanted() -> Wanted {
    Wanted {
        arn: "arn:aws:iam::111122223333:role/x-cluster".into(),
        path: "/".into(),
        name: "x-cluster".into(),
        description: "EKS control plane of x".into(),
        trust: trust().into(),
        managed_policies: [CLUSTER_POLICY.to_owned()].into(),
        inline_policies: [("encryption".to_owned(), use_of_key().into())].into(),
        tags: [("cluster".to_owned(), "x".to_owned())].into(),
    }
}

fn right() -> Observed {
    Observed {
        name: "x-cluster".into(),
        arn: wanted().arn,
        trust: trust(),
        managed_policies: [CLUSTER_POLICY.to_owned(), "arn:theirs".to_owned()].into(),
        inline_policies: [
            ("encryption".to_owned(), use_of_key()),
            ("theirs".to_owned(), json!({})),
        ]
        .into(),
        tags: [("cluster", "x"), ("team", "theirs")]
            .map(|(k, v)| (k.into(), v.into()))
            .into(),
    }
}

fn paths(diff: &Diff) -> Vec<&str> {
    diff.attributes.iter().map(|a| a.path.as_str()).collect()
}

#[test]
fn a_right_role_is_kept_with_what_others_gave_it() {
    assert_eq!(diff(&wanted(), Some(&right())).action, Action::Keep);
}

#[test]
fn a_missing_role_is_made_with_all_its_parts() {
    let made = diff(&wanted(), None);
    assert_eq!(made.action, Action::Create);
    assert_eq!(
        paths(&made),
        [
            "path",
            "assume_role_policy",
            "managed_policies.AmazonEKSClusterPolicy",
            "inline_policies.encryption",
            "tags.cluster"
        ]
    );
}

#[test]
fn a_half_made_role_lacks_exactly_what_it_has_not() {
    let half = Observed {
        managed_policies: BTreeSet::new(),
        inline_policies: BTreeMap::new(),
        ..right()
    };
    assert_eq!(
        paths(&diff(&wanted(), Some(&half))),
        [
            "managed_policies.AmazonEKSClusterPolicy",
            "inline_policies.encryption"
        ]
    );
}

#[test]
fn a_policy_that_someone_changed_is_told_with_both_documents() {
    let mut is = right();
    is.inline_policies.insert("encryption".into(), json!({}));
    let changed = diff(&wanted(), Some(&is));
    assert_eq!(paths(&changed), ["inline_policies.encryption"]);
    assert_eq!(changed.attributes[0].old, Some(json!({})));
    assert_eq!(changed.attributes[0].new, Target::Value(use_of_key()));
}

#[test]
fn a_role_is_read_out_of_the_accounts_details() {
    let encoded = |document: &Value| {
        percent_encoding::utf8_percent_encode(
            &document.to_string(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string()
    };
    let attached = |arn: &str| AttachedPolicy::builder().policy_arn(arn).build();
    let inline = |name: &str, document: &Value| {
        PolicyDetail::builder()
            .policy_name(name)
            .policy_document(encoded(document))
            .build()
    };
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let detail = RoleDetail::builder()
        .role_name("x-cluster")
        .arn(wanted().arn)
        .assume_role_policy_document(encoded(&trust()))
        .attached_managed_policies(attached(CLUSTER_POLICY))
        .attached_managed_policies(attached("arn:theirs"))
        .role_policy_list(inline("encryption", &use_of_key()))
        .role_policy_list(inline("theirs", &json!({})))
        .tags(tag("cluster", "x"))
        .tags(tag("team", "theirs"))
        .build();
    assert_eq!(from_detail(&detail), right());
}

/// Whether an ARN pattern of a policy covers an ARN; `*` stands for any text, slashes included.
pub(in crate::control_plane) fn covers(pattern: &str, arn: &str) -> bool {
    let (start, rest) = pattern.split_once('*').unwrap();
    let Some(mut arn) = arn.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<_> = rest.split('*').collect();
    let end = parts.pop().unwrap();
    for part in parts {
        let Some(at) = arn.find(part) else {
            return false;
        };
        arn = &arn[at + part.len()..];
    }
    arn.ends_with(end)
}

#[test]
fn psk_may_change_the_roles_that_it_makes_or_adopts_and_not_its_own() {
    let allowed = |role: &str| {
        let arn = format!("arn:aws:iam::111122223333:role/{role}");
        ROLES.iter().any(|pattern| {
            let pattern = pattern.replace("{partition}", "aws");
            covers(&pattern.replace("{account}", "111122223333"), &arn)
        })
    };
    for role in [
        "x-cluster",
        "x-cluster-20250101000000000000000001",
        "management-arm-rkt-mng-eks-node-group-20250101000000000000000001",
        "PSKRoles/x-efs-csi-controller-sa",
        "KarpenterController-x",
        "Karpenter-x",
    ] {
        assert!(allowed(role), "{role}");
    }
    assert!(!allowed("PSKRoles/PSKControlPlaneBaseRole"));
    assert!(!allowed("OrganizationAccountAccessRole"));
}
