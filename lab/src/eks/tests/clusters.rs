//! Clusters, from creation to deletion.

use serde_json::json;

use super::*;

#[test]
fn a_cluster_becomes_active_and_only_then_has_an_endpoint() {
    let mut bench = Bench::new();
    let answer = bench.post("/clusters", creation("c")).expect("created");
    assert_eq!(answer["cluster"]["status"], "CREATING");
    let while_creating = bench.get("/clusters/c").expect("known");
    for absent in ["endpoint", "certificateAuthority", "identity"] {
        assert_eq!(while_creating["cluster"].get(absent), None, "{absent}");
    }
    bench.wait(TEN_MINUTES);
    let cluster = bench.get("/clusters/c").expect("known")["cluster"].take();
    assert_eq!(cluster["status"], "ACTIVE");
    assert_eq!(
        cluster["arn"],
        "arn:aws:eks:us-east-1:111122223333:cluster/c"
    );
    assert_eq!(cluster["version"], "1.35");
    assert_eq!(cluster["createdAt"], json!(1_795_420_800.0));
    assert_eq!(cluster["resourcesVpcConfig"]["vpcId"], "vpc-1");
    let endpoint = cluster["endpoint"].as_str().expect("an endpoint");
    let issuer = cluster["identity"]["oidc"]["issuer"]
        .as_str()
        .expect("an issuer");
    let id = issuer.rsplit('/').next().expect("an id");
    assert_eq!(
        endpoint,
        format!("https://{id}.gr7.us-east-1.eks.amazonaws.com")
    );
    let pem = cluster["certificateAuthority"]["data"]
        .as_str()
        .expect("a certificate");
    let pem = data_encoding::BASE64
        .decode(pem.as_bytes())
        .expect("base64");
    assert!(pem.starts_with(b"-----BEGIN CERTIFICATE-----\n"));
}

#[test]
fn what_a_request_leaves_out_gets_the_documented_default() {
    let mut bench = Bench::new();
    let mut body = creation("c");
    body.as_object_mut()
        .expect("an object")
        .retain(|k, _| k != "version" && k != "accessConfig");
    let cluster = bench.post("/clusters", body).expect("created")["cluster"].take();
    assert_eq!(cluster["version"], "1.36");
    assert_eq!(cluster["accessConfig"]["authenticationMode"], "CONFIG_MAP");
    assert_eq!(cluster["resourcesVpcConfig"]["endpointPublicAccess"], true);
    assert_eq!(
        cluster["resourcesVpcConfig"]["endpointPrivateAccess"],
        false
    );
    assert_eq!(
        cluster["resourcesVpcConfig"]["publicAccessCidrs"],
        json!(["0.0.0.0/0"])
    );
    assert_eq!(cluster["upgradePolicy"]["supportType"], "EXTENDED");
    assert_eq!(cluster["deletionProtection"], false);
    assert_eq!(cluster["logging"]["clusterLogging"][0]["enabled"], false);
    assert_eq!(cluster.get("encryptionConfig"), None);
}

#[test]
fn refuses_what_is_not_valid() {
    for (member, value, code_expected, part) in [
        (
            "name",
            json!("-c"),
            "InvalidParameterException",
            "cluster name '-c'",
        ),
        (
            "version",
            json!("1.30"),
            "InvalidParameterException",
            "unsupported Kubernetes version 1.30",
        ),
        (
            "version",
            json!("1.99"),
            "InvalidParameterException",
            "unsupported Kubernetes version 1.99",
        ),
        (
            "version",
            json!("latest"),
            "InvalidParameterException",
            "'latest' is not a Kubernetes",
        ),
        (
            "roleArn",
            json!("c-cluster"),
            "InvalidParameterException",
            "not the ARN of an IAM role",
        ),
        (
            "resourcesVpcConfig",
            json!({ "subnetIds": ["subnet-9"] }),
            "InvalidParameterException",
            "'subnet-9' does not exist",
        ),
        (
            "resourcesVpcConfig",
            json!({ "subnetIds": ["subnet-1-node-a", "subnet-1-intra-a"] }),
            "InvalidParameterException",
            "two different AZs",
        ),
        (
            "resourcesVpcConfig",
            json!({ "subnetIds": ["subnet-1-node-a", "subnet-1-node-b"], "endpointPublicAccess": false }),
            "InvalidParameterException",
            "cannot be disabled",
        ),
        (
            "encryptionConfig",
            json!([{ "resources": ["pods"] }]),
            "InvalidParameterException",
            "secrets",
        ),
        (
            "tags",
            json!({ "aws:x": "y" }),
            "InvalidParameterException",
            "aws:",
        ),
        (
            "logging",
            json!({ "clusterLogging": [{ "types": ["apis"], "enabled": true }] }),
            "InvalidParameterException",
            "apis",
        ),
        (
            "outpostConfig",
            json!({}),
            "InvalidParameterException",
            "unknown field `outpostConfig`",
        ),
    ] {
        let mut bench = Bench::new();
        let mut body = creation("c");
        body[member] = value;
        let (code, message) = refusal(bench.post("/clusters", body));
        assert_eq!(code, code_expected, "{message}");
        assert!(message.contains(part), "{message}");
        assert_eq!(bench.read("/clusters", "/clusters"), json!([]));
    }
}

#[test]
fn a_version_in_extended_support_needs_a_policy_that_allows_it() {
    let mut bench = Bench::new();
    let mut body = creation("c");
    body["version"] = json!("1.32");
    body["upgradePolicy"] = json!({ "supportType": "STANDARD" });
    assert_eq!(
        code(bench.post("/clusters", body.clone())),
        "InvalidParameterException"
    );
    body["upgradePolicy"] = json!({ "supportType": "EXTENDED" });
    assert!(bench.post("/clusters", body).is_ok());
}

#[test]
fn the_same_token_makes_one_cluster() {
    let mut bench = Bench::new();
    let mut body = creation("c");
    body["clientRequestToken"] = json!("t-1");
    let first = bench.post("/clusters", body.clone()).expect("created");
    assert_eq!(
        bench.post("/clusters", body.clone()).expect("repeated"),
        first
    );
    assert_eq!(first["cluster"]["clientRequestToken"], "t-1");
    let mut other = body.clone();
    other["version"] = json!("1.36");
    assert_eq!(
        code(bench.post("/clusters", other)),
        "InvalidParameterException"
    );
    body["clientRequestToken"] = json!("t-2");
    let refused = bench.post("/clusters", body).expect_err("exists");
    assert_eq!(refused.code, "ResourceInUseException");
    assert_eq!(refused.status, http::StatusCode::CONFLICT);
    assert_eq!(refused.fields["clusterName"], "c");
}

#[test]
fn the_quota_of_clusters_is_kept() {
    let mut bench = Bench::new();
    bench.region().quotas.clusters = 1;
    bench.post("/clusters", creation("c")).expect("created");
    assert_eq!(
        code(bench.post("/clusters", creation("d"))),
        "ResourceLimitExceededException"
    );
}

#[test]
fn clusters_are_listed_in_pages() {
    let mut bench = Bench::new();
    for name in ["c", "a", "b"] {
        bench.post("/clusters", creation(name)).expect("created");
    }
    let first = bench.get("/clusters?maxResults=2").expect("a page");
    assert_eq!(first["clusters"], json!(["a", "b"]));
    let token = first["nextToken"].as_str().expect("more");
    let second = bench
        .get(&format!("/clusters?maxResults=2&nextToken={token}"))
        .expect("a page");
    assert_eq!(second, json!({ "clusters": ["c"] }));
}

#[test]
fn a_failed_creation_tells_why() {
    let mut bench = Bench::new();
    bench.fail_once(Happening::ClusterCreation, "Ec2SubnetNotFound");
    bench.post("/clusters", creation("c")).expect("accepted");
    bench.wait(TEN_MINUTES);
    let cluster = bench.get("/clusters/c").expect("known")["cluster"].take();
    assert_eq!(cluster["status"], "FAILED");
    assert_eq!(cluster["health"]["issues"][0]["code"], "Ec2SubnetNotFound");
    bench.delete("/clusters/c").expect("deleted");
    bench.wait(TEN_MINUTES);
    bench.post("/clusters", creation("c")).expect("accepted");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read("/clusters/c", "/cluster/status"), "ACTIVE");
}

#[test]
fn deletion_waits_for_protection_and_node_groups() {
    let mut bench = Bench::with_cluster(json!({ "deletionProtection": true }));
    bench
        .post("/clusters/c/node-groups", group("g"))
        .expect("created");
    assert_eq!(code(bench.delete("/clusters/c")), "ResourceInUseException");
    bench.wait(TEN_MINUTES);
    bench.delete("/clusters/c/node-groups/g").expect("deleted");
    bench.wait(TEN_MINUTES);
    assert_eq!(code(bench.delete("/clusters/c")), "InvalidRequestException");
    bench
        .post(
            "/clusters/c/update-config",
            json!({ "deletionProtection": false }),
        )
        .expect("accepted");
    assert_eq!(code(bench.delete("/clusters/c")), "ResourceInUseException");
    bench.wait(TEN_MINUTES);
    let answer = bench.delete("/clusters/c").expect("deleted");
    assert_eq!(answer["cluster"]["status"], "DELETING");
    assert_eq!(bench.read("/clusters/c", "/cluster/status"), "DELETING");
    bench.wait(TEN_MINUTES);
    let refused = bench.get("/clusters/c").expect_err("gone");
    assert_eq!(refused.code, "ResourceNotFoundException");
    assert_eq!(refused.message, "No cluster found for name: c.");
}

#[test]
fn a_cluster_made_again_is_another_one() {
    let mut bench = Bench::with_cluster(json!({}));
    let before = bench.read("/clusters/c", "/cluster/endpoint");
    bench.delete("/clusters/c").expect("deleted");
    bench.wait(TEN_MINUTES);
    bench.post("/clusters", creation("c")).expect("created");
    bench.wait(TEN_MINUTES);
    assert_ne!(bench.read("/clusters/c", "/cluster/endpoint"), before);
}

#[test]
fn another_region_and_account_has_its_own_clusters() {
    let mut bench = Bench::with_cluster(json!({}));
    let elsewhere = Call {
        account: "444455556666".to_owned(),
        region: REGION.to_owned(),
        method: Method::GET,
        path: "/clusters/c".to_owned(),
        now: bench.now,
        ..Call::default()
    };
    let refused = handle(&mut bench.world, &elsewhere).expect_err("not there");
    assert_eq!(refused.code, "ResourceNotFoundException");
}

#[test]
fn unknown_paths_and_bad_json_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(code(bench.get("/nothing")), "UnknownOperationException");
    let call = Call {
        method: Method::POST,
        path: "/clusters".to_owned(),
        body: b"{".to_vec(),
        ..Call::default()
    };
    let refused = handle(&mut bench.world, &call).expect_err("not JSON");
    assert_eq!(refused.code, "SerializationException");
}

#[test]
fn the_state_survives_being_written_down() {
    let mut bench = Bench::with_cluster(json!({}));
    bench
        .post("/clusters/c/node-groups", group("g"))
        .expect("created");
    bench
        .post("/clusters/c/addons", json!({ "addonName": "vpc-cni" }))
        .expect("created");
    let kept = serde_json::to_string(bench.region()).expect("written");
    *bench.region() = serde_json::from_str(&kept).expect("read");
    bench.wait(TEN_MINUTES);
    assert_eq!(
        bench.read("/clusters/c/node-groups/g", "/nodegroup/status"),
        "ACTIVE"
    );
    assert_eq!(
        bench.read("/clusters/c/addons/vpc-cni", "/addon/status"),
        "ACTIVE"
    );
}
