//! IAM from request to answer.

use jiff::Timestamp;
use serde_json::json;

use super::{Role, handle};
use crate::call::Call;
use crate::world::World;

const ACCOUNT: &str = "111122223333";
const CLUSTER_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#;
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*"}]}"#;

struct Bench(World);

impl Bench {
    fn new() -> Self {
        Self(World::empty(Timestamp::UNIX_EPOCH, [5; 32]))
    }

    /// With the role `c-cluster`.
    fn with_role() -> Self {
        let mut bench = Self::new();
        bench
            .ask(
                "CreateRole",
                &[
                    ("RoleName", "c-cluster"),
                    ("AssumeRolePolicyDocument", TRUST),
                ],
            )
            .unwrap();
        bench
    }

    /// The answer's XML, or the error's code.
    fn ask(&mut self, operation: &str, form: &[(&str, &str)]) -> Result<String, String> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let call = Call {
            operation: operation.to_owned(),
            account: ACCOUNT.to_owned(),
            region: "us-east-1".to_owned(),
            principal: format!("arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/run"),
            body: body.into_bytes(),
            request_id: "r".to_owned(),
            now: "2026-11-23T08:00:00.5Z".parse().unwrap(),
            ..Call::default()
        };
        handle(&mut self.0, &call)
            .map(|reply| String::from_utf8(reply.body).unwrap())
            .map_err(|error| error.code)
    }

    fn code(&mut self, operation: &str, form: &[(&str, &str)]) -> String {
        self.ask(operation, form).unwrap_err()
    }
}

/// The texts of all elements of that name.
fn elements(body: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    body.split(&open)
        .skip(1)
        .map(|rest| rest.split(&close).next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_role_is_made_with_path_tags_and_encoded_trust() {
    let mut bench = Bench::new();
    let made = bench
        .ask(
            "CreateRole",
            &[
                ("RoleName", "c-vpc-cni"),
                ("Path", "/PSKRoles/"),
                ("AssumeRolePolicyDocument", TRUST),
                ("Description", "for <pods> & more"),
                ("MaxSessionDuration", "7200"),
                ("Tags.member.1.Key", "cluster"),
                ("Tags.member.1.Value", "c"),
            ],
        )
        .unwrap();
    assert_eq!(
        elements(&made, "Arn"),
        ["arn:aws:iam::111122223333:role/PSKRoles/c-vpc-cni"]
    );
    assert_eq!(elements(&made, "CreateDate"), ["2026-11-23T08:00:00Z"]);
    let encoded = &elements(&made, "AssumeRolePolicyDocument")[0];
    assert!(
        encoded.starts_with("%7B%22Version%22%3A%222012-10-17%22"),
        "{encoded}"
    );

    let got = bench.ask("GetRole", &[("RoleName", "c-vpc-cni")]).unwrap();
    assert_eq!(
        elements(&got, "Description"),
        ["for &lt;pods&gt; &amp; more"]
    );
    assert_eq!(elements(&got, "MaxSessionDuration"), ["7200"]);
    assert!(got.contains("<Tags><member><Key>cluster</Key><Value>c</Value></member></Tags>"));
    assert!(got.contains("<RoleLastUsed/>"));
    let list = bench
        .ask("ListRoles", &[("PathPrefix", "/PSKRoles/")])
        .unwrap();
    assert_eq!(elements(&list, "RoleName"), ["c-vpc-cni"]);
    assert!(!list.contains("<Tags>"), "a list tells no tags");
    let none = bench
        .ask("ListRoles", &[("PathPrefix", "/other/")])
        .unwrap();
    assert_eq!(elements(&none, "RoleName"), [""; 0]);
}

#[test]
fn what_makes_no_role_is_refused() {
    let mut bench = Bench::with_role();
    let role = |name: &str, trust: &str| -> Vec<(String, String)> {
        vec![
            ("RoleName".into(), name.into()),
            ("AssumeRolePolicyDocument".into(), trust.into()),
        ]
    };
    let absent = TRUST.replace(
        r#"{"Service":"eks.amazonaws.com"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:role/absent"}"#,
    );
    let long = TRUST.replace(
        "eks.amazonaws.com",
        &format!("{}.amazonaws.com", "x".repeat(2048)),
    );
    for (form, code) in [
        (role("C-Cluster", TRUST), "EntityAlreadyExists"),
        (role("a b", TRUST), "ValidationError"),
        (role(&"r".repeat(65), TRUST), "ValidationError"),
        (role("other", POLICY), "MalformedPolicyDocument"),
        (role("other", &absent), "MalformedPolicyDocument"),
        (role("other", &long), "LimitExceeded"),
        (role("other", ""), "ValidationError"),
    ] {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(bench.code("CreateRole", &form), code, "{form:?}");
    }
    let present = TRUST.replace(
        r#"{"Service":"eks.amazonaws.com"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:role/c-cluster"}"#,
    );
    let form = [
        ("RoleName", "other"),
        ("AssumeRolePolicyDocument", &present),
    ];
    assert!(bench.ask("CreateRole", &form).is_ok());
    assert_eq!(
        bench.code("GetRole", &[("RoleName", "none")]),
        "NoSuchEntity"
    );
}

#[test]
fn a_role_goes_when_nothing_hangs_on_it() {
    let mut bench = Bench::with_role();
    let role = ("RoleName", "c-cluster");
    bench
        .ask("AttachRolePolicy", &[role, ("PolicyArn", CLUSTER_POLICY)])
        .unwrap();
    bench
        .ask(
            "PutRolePolicy",
            &[role, ("PolicyName", "key"), ("PolicyDocument", POLICY)],
        )
        .unwrap();
    bench
        .ask("CreateInstanceProfile", &[("InstanceProfileName", "p")])
        .unwrap();
    bench
        .ask(
            "AddRoleToInstanceProfile",
            &[("InstanceProfileName", "p"), role],
        )
        .unwrap();
    let undo: [(&str, Vec<(&str, &str)>); 3] = [
        (
            "DetachRolePolicy",
            vec![role, ("PolicyArn", CLUSTER_POLICY)],
        ),
        ("DeleteRolePolicy", vec![role, ("PolicyName", "key")]),
        (
            "RemoveRoleFromInstanceProfile",
            vec![("InstanceProfileName", "p"), role],
        ),
    ];
    for (operation, form) in &undo {
        assert_eq!(bench.code("DeleteRole", &[role]), "DeleteConflict");
        bench.ask(operation, form).unwrap();
        assert_eq!(
            bench.code(operation, form),
            "NoSuchEntity",
            "{operation} again"
        );
    }
    bench.ask("DeleteRole", &[role]).unwrap();
    assert_eq!(bench.code("DeleteRole", &[role]), "NoSuchEntity");
}

#[test]
fn managed_policies_attach_by_arn_and_more_than_once() {
    let mut bench = Bench::with_role();
    let role = ("RoleName", "c-cluster");
    for _ in 0..2 {
        bench
            .ask("AttachRolePolicy", &[role, ("PolicyArn", CLUSTER_POLICY)])
            .unwrap();
    }
    let list = bench.ask("ListAttachedRolePolicies", &[role]).unwrap();
    assert_eq!(elements(&list, "PolicyArn"), [CLUSTER_POLICY]);
    assert_eq!(elements(&list, "PolicyName"), ["AmazonEKSClusterPolicy"]);
    let entities = bench
        .ask("ListEntitiesForPolicy", &[("PolicyArn", CLUSTER_POLICY)])
        .unwrap();
    assert_eq!(elements(&entities, "RoleName"), ["c-cluster"]);
    for (arn, code) in [
        ("arn:aws:iam::aws:policy/NoSuchPolicyAtAll", "NoSuchEntity"),
        ("AmazonEKSClusterPolicy", "InvalidInput"),
        (
            "arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy",
            "PolicyNotAttachable",
        ),
    ] {
        assert_eq!(
            bench.code("AttachRolePolicy", &[role, ("PolicyArn", arn)]),
            code
        );
    }
    for n in 0..10 {
        let (name, arn) = (
            format!("p{n}"),
            format!("arn:aws:iam::{ACCOUNT}:policy/p{n}"),
        );
        bench
            .ask(
                "CreatePolicy",
                &[("PolicyName", &name), ("PolicyDocument", POLICY)],
            )
            .unwrap();
        let attached = bench.ask("AttachRolePolicy", &[role, ("PolicyArn", &arn)]);
        assert_eq!(attached.is_ok(), n < 9, "ten is the quota: {attached:?}");
    }
}

#[test]
fn inline_policies_are_replaced_read_and_limited() {
    let mut bench = Bench::with_role();
    let role = ("RoleName", "c-cluster");
    let put = |name: &'static str, document: &str| -> Vec<(&'static str, String)> {
        vec![
            ("RoleName", "c-cluster".into()),
            ("PolicyName", name.into()),
            ("PolicyDocument", document.into()),
        ]
    };
    let mut ask = |form: Vec<(&str, String)>| {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
        bench.ask("PutRolePolicy", &form)
    };
    ask(put("key", POLICY)).unwrap();
    ask(put("key", &POLICY.replace("eks:*", "kms:Decrypt"))).unwrap();
    let large = POLICY.replace("eks:*", &format!("eks:{}", "x".repeat(10_240)));
    assert_eq!(ask(put("more", &large)), Err("LimitExceeded".into()));
    assert_eq!(
        ask(put("more", TRUST)),
        Err("MalformedPolicyDocument".into())
    );

    let got = bench
        .ask("GetRolePolicy", &[role, ("PolicyName", "key")])
        .unwrap();
    assert!(elements(&got, "PolicyDocument")[0].contains("kms%3ADecrypt"));
    let list = bench.ask("ListRolePolicies", &[role]).unwrap();
    assert!(
        list.contains("<PolicyNames><member>key</member></PolicyNames>"),
        "{list}"
    );
}

#[test]
fn one_request_tells_every_role_with_its_policies() {
    let mut bench = Bench::with_role();
    let role = ("RoleName", "c-cluster");
    bench
        .ask("AttachRolePolicy", &[role, ("PolicyArn", CLUSTER_POLICY)])
        .unwrap();
    bench
        .ask(
            "PutRolePolicy",
            &[role, ("PolicyName", "key"), ("PolicyDocument", POLICY)],
        )
        .unwrap();
    bench
        .ask(
            "CreatePolicy",
            &[("PolicyName", "own"), ("PolicyDocument", POLICY)],
        )
        .unwrap();
    let roles = bench
        .ask(
            "GetAccountAuthorizationDetails",
            &[("Filter.member.1", "Role")],
        )
        .unwrap();
    assert_eq!(elements(&roles, "RoleName"), ["c-cluster"]);
    assert!(roles.contains(
        "<AttachedManagedPolicies><member><PolicyName>AmazonEKSClusterPolicy</PolicyName>"
    ));
    assert!(roles.contains("<RolePolicyList><member><PolicyName>key</PolicyName>"));
    assert!(roles.contains("<Policies/>"), "{roles}");
    assert!(roles.contains("<IsTruncated>false</IsTruncated>"));

    let all = bench.ask("GetAccountAuthorizationDetails", &[]).unwrap();
    assert!(
        all.contains("<PolicyVersionList><member><Document>"),
        "{all}"
    );
    let mut seen = 0;
    let mut marker = String::new();
    loop {
        let page = [("MaxItems", "1"), ("Marker", marker.as_str())];
        let page = bench.ask("GetAccountAuthorizationDetails", &page).unwrap();
        seen += elements(&page, "RoleId").len() + elements(&page, "PolicyId").len();
        match elements(&page, "Marker").pop() {
            Some(next) => marker = next,
            None => break,
        }
    }
    assert_eq!(
        seen, 3,
        "the role, the account's policy and the one of AWS's in use"
    );
    assert_eq!(
        bench.code(
            "GetAccountAuthorizationDetails",
            &[("Filter.member.1", "Roles")]
        ),
        "ValidationError"
    );
}

#[test]
fn policies_have_at_most_five_versions() {
    let mut bench = Bench::new();
    bench
        .ask(
            "CreatePolicy",
            &[("PolicyName", "own"), ("PolicyDocument", POLICY)],
        )
        .unwrap();
    let arn = ("PolicyArn", "arn:aws:iam::111122223333:policy/own");
    let version = [arn, ("PolicyDocument", POLICY), ("SetAsDefault", "true")];
    for _ in 0..4 {
        bench.ask("CreatePolicyVersion", &version).unwrap();
    }
    assert_eq!(bench.code("CreatePolicyVersion", &version), "LimitExceeded");
    let got = bench.ask("GetPolicy", &[arn]).unwrap();
    assert_eq!(elements(&got, "DefaultVersionId"), ["v5"]);
    assert_eq!(bench.code("DeletePolicy", &[arn]), "DeleteConflict");
    let delete = |id: &'static str| [arn, ("VersionId", id)];
    assert_eq!(
        bench.code("DeletePolicyVersion", &delete("v5")),
        "DeleteConflict"
    );
    for id in ["v1", "v2", "v3", "v4"] {
        bench.ask("DeletePolicyVersion", &delete(id)).unwrap();
    }
    let made = bench.ask("CreatePolicyVersion", &version).unwrap();
    assert_eq!(
        elements(&made, "VersionId"),
        ["v6"],
        "numbers aren't used again"
    );
    bench.ask("DeletePolicyVersion", &delete("v5")).unwrap();
    bench.ask("DeletePolicy", &[arn]).unwrap();
    assert_eq!(bench.code("GetPolicy", &[arn]), "NoSuchEntity");
    let aws = bench
        .ask("GetPolicy", &[("PolicyArn", CLUSTER_POLICY)])
        .unwrap();
    assert_eq!(elements(&aws, "PolicyName"), ["AmazonEKSClusterPolicy"]);
}

#[test]
fn an_issuer_is_registered_once_with_or_without_thumbprint() {
    let mut bench = Bench::new();
    let url = "https://oidc.eks.us-east-1.amazonaws.com/id/ABC";
    let made = bench
        .ask(
            "CreateOpenIDConnectProvider",
            &[("Url", url), ("ClientIDList.member.1", "sts.amazonaws.com")],
        )
        .unwrap();
    let arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC";
    assert_eq!(elements(&made, "OpenIDConnectProviderArn"), [arn]);
    let provider = ("OpenIDConnectProviderArn", arn);
    let got = bench.ask("GetOpenIDConnectProvider", &[provider]).unwrap();
    assert_eq!(
        elements(&got, "Url"),
        ["oidc.eks.us-east-1.amazonaws.com/id/ABC"],
        "IAM tells it without its scheme"
    );
    assert!(got.contains("<ClientIDList><member>sts.amazonaws.com</member></ClientIDList>"));
    assert_eq!(
        bench.code("CreateOpenIDConnectProvider", &[("Url", url)]),
        "EntityAlreadyExists"
    );
    for wrong in [
        "http://x.example",
        "https://",
        "https://x.example:8443/a",
        "https://x?y",
    ] {
        assert_eq!(
            bench.code("CreateOpenIDConnectProvider", &[("Url", wrong)]),
            "ValidationError",
            "{wrong}"
        );
    }
    let tag = [
        provider,
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", "v"),
    ];
    bench.ask("TagOpenIDConnectProvider", &tag).unwrap();
    let list = bench
        .ask("ListOpenIDConnectProviderTags", &[provider])
        .unwrap();
    assert_eq!(elements(&list, "Key"), ["k"]);
    bench
        .ask("DeleteOpenIDConnectProvider", &[provider])
        .unwrap();
    assert_eq!(
        bench.code("DeleteOpenIDConnectProvider", &[provider]),
        "NoSuchEntity"
    );
}

#[test]
fn service_linked_roles_are_the_services_own() {
    let mut bench = Bench::new();
    let service = [("AWSServiceName", "eks-nodegroup.amazonaws.com")];
    let made = bench.ask("CreateServiceLinkedRole", &service).unwrap();
    assert_eq!(
        elements(&made, "Arn"),
        [
            "arn:aws:iam::111122223333:role/aws-service-role/eks-nodegroup.amazonaws.com/\
          AWSServiceRoleForAmazonEKSNodegroup"
        ]
    );
    assert_eq!(
        bench.code("CreateServiceLinkedRole", &service),
        "InvalidInput"
    );
    let role = ("RoleName", "AWSServiceRoleForAmazonEKSNodegroup");
    for (operation, more) in [
        ("DeleteRole", None),
        ("AttachRolePolicy", Some(("PolicyArn", CLUSTER_POLICY))),
        ("UpdateAssumeRolePolicy", Some(("PolicyDocument", TRUST))),
    ] {
        let form: Vec<_> = [role].into_iter().chain(more).collect();
        assert_eq!(
            bench.code(operation, &form),
            "UnmodifiableEntity",
            "{operation}"
        );
    }
    let deleted = bench.ask("DeleteServiceLinkedRole", &[role]).unwrap();
    let task = elements(&deleted, "DeletionTaskId").remove(0);
    let status = bench
        .ask(
            "GetServiceLinkedRoleDeletionStatus",
            &[("DeletionTaskId", &task)],
        )
        .unwrap();
    assert_eq!(elements(&status, "Status"), ["SUCCEEDED"]);
}

#[test]
fn tags_are_told_apart_without_regard_to_case() {
    let mut bench = Bench::with_role();
    let role = ("RoleName", "c-cluster");
    let tags = |one: &'static str, other: &'static str| {
        [
            role,
            ("Tags.member.1.Key", one),
            ("Tags.member.1.Value", "x"),
            ("Tags.member.2.Key", other),
            ("Tags.member.2.Value", "y"),
        ]
    };
    bench.ask("TagRole", &tags("Cluster", "role")).unwrap();
    bench.ask("TagRole", &tags("cluster", "other")).unwrap();
    bench
        .ask("UntagRole", &[role, ("TagKeys.member.1", "OTHER")])
        .unwrap();
    let list = bench.ask("ListRoleTags", &[role]).unwrap();
    assert_eq!(elements(&list, "Key"), ["cluster", "role"]);
    for (form, code) in [
        (tags("a", "A"), "InvalidInput"),
        (tags("aws:x", "b"), "InvalidInput"),
        (tags("a<b", "b"), "ValidationError"),
    ] {
        assert_eq!(bench.code("TagRole", &form), code, "{form:?}");
    }
}

#[test]
fn an_update_keeps_the_description_and_resets_the_duration() {
    let mut bench = Bench::with_role();
    let role = ("RoleName", "c-cluster");
    let both = [role, ("MaxSessionDuration", "7200"), ("Description", "d")];
    bench.ask("UpdateRole", &both).unwrap();
    bench.ask("UpdateRole", &[role]).unwrap();
    let kept: &Role = &bench.0.iam(ACCOUNT).roles["c-cluster"];
    assert_eq!(kept.description.as_deref(), Some("d"));
    assert_eq!(kept.max_session_duration, 3600);
    assert_eq!(
        bench.code("UpdateRole", &[role, ("MaxSessionDuration", "60")]),
        "ValidationError"
    );
    let trust = TRUST.replace("eks.", "ec2.");
    bench
        .ask(
            "UpdateAssumeRolePolicy",
            &[role, ("PolicyDocument", &trust)],
        )
        .unwrap();
    let kept = &bench.0.iam(ACCOUNT).roles["c-cluster"];
    assert_eq!(
        kept.trust["Statement"][0]["Principal"],
        json!({ "Service": "ec2.amazonaws.com" })
    );
}
