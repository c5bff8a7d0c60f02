//! What EKS looks at before it begins: roles, keys and launch templates.

use serde_json::json;

use super::*;

fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

#[test]
fn the_role_of_a_cluster_must_trust_eks() {
    let mut bench = Bench::new();
    bench.role("for-ec2", &["ec2"]);
    for name in ["nobody", "for-ec2", "PSKRoles/c-cluster"] {
        let mut body = creation("c");
        body["roleArn"] = json!(role(name));
        let told = refusal(bench.post("/clusters", body));
        assert_eq!(
            told,
            (
                "InvalidParameterException".to_owned(),
                format!(
                    "Role with arn: {}, could not be assumed because it does not exist or the trusted \
                     entity is not correct",
                    role(name)
                )
            )
        );
    }
}

#[test]
fn the_role_of_nodes_must_trust_ec2() {
    let mut bench = Bench::with_cluster(json!({}));
    bench.role("for-eks", &["eks"]);
    for (name, part) in [
        ("nobody", "The role with name nobody cannot be found."),
        (
            "for-eks",
            "Following required service principals [ec2.amazonaws.com] were not found in the trust \
             relationships of nodeRole arn:aws:iam::111122223333:role/for-eks",
        ),
    ] {
        let mut body = group("g");
        body["nodeRole"] = json!(role(name));
        let told = refusal(bench.post("/clusters/c/node-groups", body));
        assert_eq!(
            told,
            ("InvalidParameterException".to_owned(), part.to_owned())
        );
    }
}

#[test]
fn the_role_of_pods_must_let_its_sessions_be_tagged() {
    let mut bench = Bench::with_cluster(json!({}));
    bench.role("for-pods", &["pods.eks"]);
    let trust = &mut bench
        .world
        .iam(ACCOUNT)
        .roles
        .get_mut("for-pods")
        .expect("made")
        .trust;
    trust["Statement"][0]["Action"] = json!("sts:AssumeRole");
    let path = "/clusters/c/pod-identity-associations";
    for (name, part) in [("nobody", "does not exist"), ("for-pods", "Trust policy")] {
        let body = json!({ "namespace": "n", "serviceAccount": "s", "roleArn": role(name) });
        let (code, message) = refusal(bench.post(path, body));
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains(part), "{message}");
    }
    let made = json!({ "namespace": "n", "serviceAccount": "s", "roleArn": role("KarpenterController-c") });
    let id = bench.post(path, made).expect("made")["association"]["associationId"].take();
    let changed = json!({ "roleArn": role("for-pods") });
    let path = format!("{path}/{}", id.as_str().expect("an id"));
    assert_eq!(
        code(bench.post(&path, changed)),
        "InvalidParameterException"
    );
}

#[test]
fn a_key_must_be_there_and_enabled() {
    let mut bench = Bench::new();
    let key = bench.key();
    let with = |key: &str| {
        let mut body = creation("c");
        body["encryptionConfig"] =
            json!([{ "resources": ["secrets"], "provider": { "keyArn": key } }]);
        body
    };
    let missing =
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000");
    let (code, message) = refusal(bench.post("/clusters", with(&missing)));
    assert_eq!(code, "InvalidRequestException");
    assert!(message.contains("does not exist"), "{message}");
    for found in bench.world.kms(ACCOUNT, REGION).keys.values_mut() {
        found.state = crate::kms::KeyState::Disabled;
    }
    let (_, message) = refusal(bench.post("/clusters", with(&key)));
    assert!(message.contains("is disabled"), "{message}");
    for found in bench.world.kms(ACCOUNT, REGION).keys.values_mut() {
        found.state = crate::kms::KeyState::Enabled;
    }
    bench.post("/clusters", with(&key)).expect("created");
}

#[test]
fn a_launch_template_must_leave_to_eks_what_is_its_own() {
    let mut bench = Bench::with_cluster(json!({}));
    let versions = [
        json!({}),
        json!({ "instanceType": "m7g.large" }),
        json!({ "iamInstanceProfile": { "name": "x" } }),
    ];
    bench.template("c-g", &versions);
    let with = |version: &str| {
        let mut body = group("g");
        body["launchTemplate"] = json!({ "name": "c-g", "version": version });
        body
    };
    for (version, code, part) in [
        (
            "2",
            "InvalidRequestException",
            "Cannot specify instance types",
        ),
        ("3", "InvalidParameterException", "iamInstanceProfile"),
        (
            "4",
            "InvalidRequestException",
            "Could not find the specified version 4",
        ),
    ] {
        let told = refusal(bench.post("/clusters/c/node-groups", with(version)));
        assert_eq!(told.0, code);
        assert!(told.1.contains(part), "{}", told.1);
    }
    let made = bench
        .post("/clusters/c/node-groups", with("$Default"))
        .expect("created");
    assert_eq!(made["nodegroup"]["launchTemplate"]["version"], "1");
}

#[test]
fn an_account_gets_the_roles_of_the_services_that_it_uses() {
    let mut bench = Bench::with_cluster(json!({}));
    let has = |bench: &mut Bench, name: &str| bench.world.iam(ACCOUNT).roles.contains_key(name);
    assert!(has(&mut bench, "AWSServiceRoleForAmazonEKS"));
    assert!(!has(&mut bench, "AWSServiceRoleForAmazonEKSNodegroup"));
    bench
        .post("/clusters/c/node-groups", super::group("g"))
        .expect("created");
    assert!(has(&mut bench, "AWSServiceRoleForAmazonEKSNodegroup"));
}
