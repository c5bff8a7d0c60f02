//! Add-ons, from creation to deletion.

use serde_json::json;

use super::*;

const ADDONS: &str = "/clusters/c/addons";

#[test]
fn an_addon_becomes_active_with_the_default_version() {
    let mut bench = Bench::with_cluster(json!({}));
    let made = bench.post(
        ADDONS,
        json!({ "addonName": "vpc-cni", "tags": { "a": "b" } }),
    );
    let made = made.expect("created")["addon"].take();
    assert_eq!(made["status"], "CREATING");
    assert_eq!(made["addonVersion"], "v1.21.2-eksbuild.1");
    bench.wait(TEN_MINUTES);
    let addon = bench.get("/clusters/c/addons/vpc-cni").expect("known")["addon"].take();
    assert_eq!(addon["status"], "ACTIVE");
    assert_eq!(addon["tags"], json!({ "a": "b" }));
    assert_eq!(bench.read(ADDONS, "/addons"), json!(["vpc-cni"]));
    assert_eq!(
        code(bench.post(ADDONS, json!({ "addonName": "vpc-cni" }))),
        "ResourceInUseException"
    );
}

#[test]
fn refuses_what_is_not_valid() {
    let mut bench = Bench::with_cluster(json!({}));
    for (body, part) in [
        (
            json!({ "addonName": "nope" }),
            "Addon nope specified is not supported in 1.35",
        ),
        (
            json!({ "addonName": "coredns", "addonVersion": "v1.11.4-eksbuild.24" }),
            "not supported",
        ),
        (
            json!({ "addonName": "kube-proxy", "addonVersion": "v1.36.3-eksbuild.2" }),
            "not supported",
        ),
        (
            json!({ "addonName": "coredns", "configurationValues": "{\"replicas\":2}" }),
            "replicas",
        ),
        (
            json!({ "addonName": "coredns", "serviceAccountRoleArn": "x" }),
            "not the ARN of an IAM role",
        ),
        (
            json!({ "addonName": "coredns", "podIdentityAssociations": [{ "serviceAccount": "x", "roleArn": NODE_ROLE }] }),
            "no service account x",
        ),
        (
            json!({ "addonName": "coredns", "resolveConflicts": "MERGE" }),
            "MERGE",
        ),
    ] {
        let refused = bench.post(ADDONS, body).expect_err(part);
        assert_eq!(refused.code, "InvalidParameterException");
        assert!(refused.message.contains(part), "{}", refused.message);
    }
    assert_eq!(bench.read(ADDONS, "/addons"), json!([]));
}

#[test]
fn deployments_wait_for_nodes() {
    let mut bench = Bench::with_cluster(json!({}));
    for name in ["coredns", "kube-proxy"] {
        bench
            .post(ADDONS, json!({ "addonName": name }))
            .expect("created");
    }
    bench.wait(TEN_MINUTES);
    let coredns = "/clusters/c/addons/coredns";
    assert_eq!(
        bench.read("/clusters/c/addons/kube-proxy", "/addon/status"),
        "ACTIVE"
    );
    assert_eq!(bench.read(coredns, "/addon/status"), "DEGRADED");
    let issue = bench.read(coredns, "/addon/health/issues/0/code");
    assert_eq!(issue, "InsufficientNumberOfReplicas");
    bench
        .post("/clusters/c/node-groups", group("g"))
        .expect("created");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(coredns, "/addon/status"), "ACTIVE");
    assert_eq!(bench.read(coredns, "/addon/health/issues"), json!([]));
}

#[test]
fn an_update_changes_what_it_names_and_keeps_the_rest() {
    let mut bench = Bench::with_cluster(json!({}));
    let role = "arn:aws:iam::111122223333:role/PSKRoles/c-vpc-cni";
    let values = r#"{"env":{"ENABLE_PREFIX_DELEGATION":"true"}}"#;
    let body = json!({ "addonName": "vpc-cni", "serviceAccountRoleArn": role, "configurationValues": values });
    bench.post(ADDONS, body).expect("created");
    bench.wait(TEN_MINUTES);
    let addon = "/clusters/c/addons/vpc-cni";
    let body = json!({ "addonVersion": "v1.22.3-eksbuild.1", "resolveConflicts": "OVERWRITE" });
    let answer = bench
        .post(&format!("{addon}/update"), body)
        .expect("accepted");
    let id = answer["update"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(answer["update"]["type"], "AddonUpdate");
    assert_eq!(bench.read(addon, "/addon/status"), "UPDATING");
    assert_eq!(
        code(bench.post(&format!("{addon}/update"), json!({}))),
        "ResourceInUseException"
    );
    bench.wait(TEN_MINUTES);
    let after = bench.get(addon).expect("known")["addon"].take();
    assert_eq!(after["status"], "ACTIVE");
    assert_eq!(after["addonVersion"], "v1.22.3-eksbuild.1");
    assert_eq!(after["serviceAccountRoleArn"], role);
    assert_eq!(after["configurationValues"], values);
    let status = bench.read(
        &format!("/clusters/c/updates/{id}?addonName=vpc-cni"),
        "/update/status",
    );
    assert_eq!(status, "Successful");
    let wrong = json!({ "addonVersion": "v0.0.1" });
    assert_eq!(
        code(bench.post(&format!("{addon}/update"), wrong)),
        "InvalidParameterException"
    );
}

#[test]
fn failures_show_in_the_addons_health() {
    let mut bench = Bench::with_cluster(json!({}));
    bench.fail_once(Happening::AddonCreation, "AdmissionRequestDenied");
    bench
        .post(ADDONS, json!({ "addonName": "kube-proxy" }))
        .expect("accepted");
    bench.wait(TEN_MINUTES);
    let addon = "/clusters/c/addons/kube-proxy";
    assert_eq!(bench.read(addon, "/addon/status"), "CREATE_FAILED");
    assert_eq!(
        bench.read(addon, "/addon/health/issues/0/code"),
        "AdmissionRequestDenied"
    );
    bench.fail_once(Happening::AddonUpdate, "ConfigurationConflict");
    let id = update_id(bench.post(&format!("{addon}/update"), json!({})));
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(addon, "/addon/status"), "UPDATE_FAILED");
    let update = bench.read(
        &format!("/clusters/c/updates/{id}?addonName=kube-proxy"),
        "/update",
    );
    assert_eq!(update["errors"][0]["errorCode"], "ConfigurationConflict");
    bench
        .post(&format!("{addon}/update"), json!({}))
        .expect("accepted");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(addon, "/addon/status"), "ACTIVE");
}

#[test]
fn pod_identities_come_and_go_with_the_addon() {
    let mut bench = Bench::with_cluster(json!({}));
    let identity = |role: &str| json!([{ "serviceAccount": "ebs-csi-controller-sa", "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/{role}") }]);
    let body =
        json!({ "addonName": "aws-ebs-csi-driver", "podIdentityAssociations": identity("one") });
    let made = bench.post(ADDONS, body).expect("created");
    let owner = made["addon"]["addonArn"].clone();
    assert_eq!(
        made["addon"]["podIdentityAssociations"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let list = "/clusters/c/pod-identity-associations";
    let id = bench.read(list, "/associations/0/associationId");
    assert_eq!(bench.read(list, "/associations/0/ownerArn"), owner);
    let id = id.as_str().expect("an id").to_owned();
    assert_eq!(
        code(bench.delete(&format!("{list}/{id}"))),
        "InvalidRequestException"
    );
    bench.wait(TEN_MINUTES);
    let addon = "/clusters/c/addons/aws-ebs-csi-driver";
    bench
        .post(
            &format!("{addon}/update"),
            json!({ "podIdentityAssociations": identity("two") }),
        )
        .expect("accepted");
    bench.wait(TEN_MINUTES);
    let role = bench.read(&format!("{list}/{id}"), "/association/roleArn");
    assert_eq!(role, "arn:aws:iam::111122223333:role/two");
    bench.delete(addon).expect("deleted");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(list, "/associations"), json!([]));
    assert_eq!(code(bench.get(addon)), "ResourceNotFoundException");
}

#[test]
fn the_same_token_makes_one_addon() {
    let mut bench = Bench::with_cluster(json!({}));
    let body = json!({ "addonName": "vpc-cni", "clientRequestToken": "t" });
    let first = bench.post(ADDONS, body.clone()).expect("created");
    assert_eq!(bench.post(ADDONS, body).expect("repeated"), first);
}
