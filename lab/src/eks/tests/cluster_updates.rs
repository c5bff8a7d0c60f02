//! Updates of the control plane.

use serde_json::json;

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn version(bench: &mut Bench) -> Value {
    bench.read("/clusters/c", "/cluster/version")
}

fn upgrade(bench: &mut Bench, version: &str) -> Served {
    bench.post("/clusters/c/updates", json!({ "version": version }))
}

#[test]
fn a_version_update_takes_its_time_and_tells_how_it_goes() {
    let mut bench = Bench::with_cluster(json!({}));
    let id = update_id(upgrade(&mut bench, "1.36"));
    let path = format!("/clusters/c/updates/{id}");
    let update = bench.get(&path).expect("known")["update"].take();
    assert_eq!(update["status"], "InProgress");
    assert_eq!(update["type"], "VersionUpdate");
    assert_eq!(
        update["params"][0],
        json!({ "type": "Version", "value": "1.36" })
    );
    assert_eq!(bench.read("/clusters/c", "/cluster/status"), "UPDATING");
    assert_eq!(version(&mut bench), "1.35");
    bench.wait(AN_HOUR);
    assert_eq!(bench.read(&path, "/update/status"), "Successful");
    assert_eq!(version(&mut bench), "1.36");
    assert_eq!(
        bench.read("/clusters/c", "/cluster/platformVersion"),
        "eks.7"
    );
    assert_eq!(bench.read("/clusters/c/updates", "/updateIds"), json!([id]));
}

#[test]
fn versions_rise_one_minor_at_a_time() {
    let mut bench = Bench::with_cluster(json!({ "version": "1.34" }));
    for (to, part) in [
        ("1.36", "minor version update from 1.34 to 1.36"),
        ("1.34", "already at version 1.34"),
        ("1.30", "unsupported Kubernetes version 1.30"),
        ("1.37", "unsupported Kubernetes version 1.37"),
    ] {
        let (code, message) = refusal(upgrade(&mut bench, to));
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains(part), "{message}");
    }
    let (code, message) = refusal(upgrade(&mut bench, "1.33"));
    assert_eq!(code, "InvalidRequestException");
    assert!(message.contains("rolled back"), "{message}");
}

#[test]
fn an_upgrade_can_be_rolled_back_for_seven_days() {
    let mut bench = Bench::with_cluster(json!({}));
    upgrade(&mut bench, "1.36").expect("accepted");
    bench.wait(DAY * 6);
    let id = update_id(upgrade(&mut bench, "1.35"));
    let kind = bench.read(&format!("/clusters/c/updates/{id}"), "/update/type");
    assert_eq!(kind, "VersionRollback");
    bench.wait(AN_HOUR);
    assert_eq!(version(&mut bench), "1.35");
    // Rolled back once, it was never upgraded from anything.
    assert_eq!(code(upgrade(&mut bench, "1.34")), "InvalidRequestException");
    upgrade(&mut bench, "1.36").expect("accepted");
    bench.wait(DAY * 8);
    assert_eq!(code(upgrade(&mut bench, "1.35")), "InvalidRequestException");
}

#[test]
fn nodes_may_lag_three_minors_but_never_lead() {
    let mut bench = Bench::with_cluster(json!({ "version": "1.32" }));
    bench
        .post("/clusters/c/node-groups", group("g"))
        .expect("created");
    for to in ["1.33", "1.34", "1.35"] {
        upgrade(&mut bench, to).expect("accepted");
        bench.wait(AN_HOUR);
    }
    let forced = json!({ "version": "1.36", "force": true });
    let refused = bench
        .post("/clusters/c/updates", forced)
        .expect_err("too far");
    assert_eq!(refused.code, "InvalidRequestException");
    assert_eq!(refused.fields["nodegroupName"], "g");
    bench
        .post("/clusters/c/node-groups/g/update-version", json!({}))
        .expect("accepted");
    bench.wait(AN_HOUR);
    assert_eq!(code(upgrade(&mut bench, "1.34")), "InvalidRequestException");
}

#[test]
fn one_update_at_a_time() {
    let mut bench = Bench::with_cluster(json!({}));
    upgrade(&mut bench, "1.36").expect("accepted");
    let refused = upgrade(&mut bench, "1.36").expect_err("busy");
    assert_eq!(
        (refused.code.as_str(), refused.status.as_u16()),
        ("ResourceInUseException", 409)
    );
    let logging =
        json!({ "logging": { "clusterLogging": [{ "types": ["api"], "enabled": true }] } });
    assert_eq!(
        code(bench.post("/clusters/c/update-config", logging.clone())),
        "ResourceInUseException"
    );
    assert_eq!(
        code(bench.post("/clusters/c/node-groups", group("g"))),
        "InvalidRequestException"
    );
    bench.wait(AN_HOUR);
    assert!(bench.post("/clusters/c/update-config", logging).is_ok());
}

#[test]
fn the_same_token_begins_one_update() {
    let mut bench = Bench::with_cluster(json!({}));
    let body = json!({ "version": "1.36", "clientRequestToken": "t" });
    let first = update_id(bench.post("/clusters/c/updates", body.clone()));
    assert_eq!(
        update_id(bench.post("/clusters/c/updates", body.clone())),
        first
    );
    bench.wait(AN_HOUR);
    assert_eq!(update_id(bench.post("/clusters/c/updates", body)), first);
    let other = json!({ "version": "1.35", "clientRequestToken": "t" });
    assert_eq!(
        code(bench.post("/clusters/c/updates", other)),
        "InvalidParameterException"
    );
}

#[test]
fn a_failed_update_changes_nothing_and_tells_why() {
    let mut bench = Bench::with_cluster(json!({}));
    bench.fail_once(Happening::ClusterUpdate, "IpNotAvailable");
    let id = update_id(upgrade(&mut bench, "1.36"));
    bench.wait(AN_HOUR);
    let update = bench
        .get(&format!("/clusters/c/updates/{id}"))
        .expect("known")["update"]
        .take();
    assert_eq!(update["status"], "Failed");
    assert_eq!(update["errors"][0]["errorCode"], "IpNotAvailable");
    assert_eq!(update["errors"][0]["resourceIds"], json!(["i-0"]));
    assert_eq!(version(&mut bench), "1.35");
    assert_eq!(bench.read("/clusters/c", "/cluster/status"), "ACTIVE");
    upgrade(&mut bench, "1.36").expect("accepted");
    bench.wait(AN_HOUR);
    assert_eq!(version(&mut bench), "1.36");
}

#[test]
fn each_kind_of_configuration_is_changed_by_its_own_update() {
    let both = json!({ "endpointPrivateAccess": true });
    let log = json!({ "clusterLogging": [{ "types": ["audit", "api"], "enabled": true }] });
    for (member, value, kind, pointer, expected) in [
        (
            "resourcesVpcConfig",
            both,
            "EndpointAccessUpdate",
            "/resourcesVpcConfig/endpointPrivateAccess",
            json!(true),
        ),
        (
            "resourcesVpcConfig",
            json!({ "subnetIds": ["subnet-1-intra-b", "subnet-1-intra-c"] }),
            "VpcConfigUpdate",
            "/resourcesVpcConfig/subnetIds",
            json!(["subnet-1-intra-b", "subnet-1-intra-c"]),
        ),
        (
            "logging",
            log,
            "LoggingUpdate",
            "/logging/clusterLogging/0/types",
            json!(["api", "audit"]),
        ),
        (
            "upgradePolicy",
            json!({ "supportType": "STANDARD" }),
            "UpgradePolicyUpdate",
            "/upgradePolicy/supportType",
            json!("STANDARD"),
        ),
        (
            "deletionProtection",
            json!(true),
            "DeletionProtectionUpdate",
            "/deletionProtection",
            json!(true),
        ),
        (
            "zonalShiftConfig",
            json!({ "enabled": true }),
            "ZonalShiftConfigUpdate",
            "/zonalShiftConfig/enabled",
            json!(true),
        ),
        (
            "controlPlaneScalingConfig",
            json!({ "tier": "tier-xl" }),
            "ControlPlaneScalingConfigUpdate",
            "/controlPlaneScalingConfig/tier",
            json!("tier-xl"),
        ),
    ] {
        let mut bench = Bench::with_cluster(json!({}));
        let body = json!({ member: value });
        let before = bench.read("/clusters/c", &format!("/cluster{pointer}"));
        let answer = bench
            .post("/clusters/c/update-config", body.clone())
            .expect(member);
        assert_eq!(answer["update"]["type"], kind);
        assert_eq!(
            bench.read("/clusters/c", &format!("/cluster{pointer}")),
            before,
            "{member}"
        );
        bench.wait(TEN_MINUTES);
        assert_eq!(
            bench.read("/clusters/c", &format!("/cluster{pointer}")),
            expected,
            "{member}"
        );
        let (code, message) = refusal(bench.post("/clusters/c/update-config", body));
        assert_eq!(code, "InvalidParameterException");
        assert!(
            message.contains("already at the desired configuration"),
            "{message}"
        );
    }
}

#[test]
fn configuration_changes_are_checked() {
    let mut bench = Bench::with_cluster(json!({}));
    for (body, part) in [
        (json!({}), "names none"),
        (
            json!({ "deletionProtection": true, "zonalShiftConfig": { "enabled": true } }),
            "Only one type",
        ),
        (
            json!({ "accessConfig": { "authenticationMode": "CONFIG_MAP" } }),
            "not back",
        ),
        (
            json!({ "resourcesVpcConfig": { "endpointPublicAccess": false } }),
            "cannot be disabled",
        ),
        (
            json!({ "resourcesVpcConfig": { "subnetIds": ["subnet-2-node-a", "subnet-2-node-b"] } }),
            "cluster's VPC vpc-1",
        ),
        (
            json!({ "resourcesVpcConfig": { "subnetIds": ["subnet-1-node-a", "subnet-1-node-b"], "endpointPrivateAccess": true } }),
            "one update",
        ),
        (
            json!({ "resourcesVpcConfig": { "publicAccessCidrs": ["10.0.0.1/8"] } }),
            "not an IPv4 CIDR",
        ),
    ] {
        let (code, message) = refusal(bench.post("/clusters/c/update-config", body));
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn the_authentication_mode_moves_forward() {
    let mode = json!({ "authenticationMode": "CONFIG_MAP" });
    let mut bench = Bench::with_cluster(json!({ "accessConfig": mode }));
    let to_api = json!({ "accessConfig": { "authenticationMode": "API" } });
    bench
        .post("/clusters/c/update-config", to_api)
        .expect("accepted");
    bench.wait(TEN_MINUTES);
    assert_eq!(
        bench.read("/clusters/c", "/cluster/accessConfig/authenticationMode"),
        "API"
    );
}

#[test]
fn secrets_are_encrypted_once_and_for_all() {
    let mut bench = Bench::with_cluster(json!({}));
    let key = bench.key();
    let body = json!({ "encryptionConfig": [{ "resources": ["secrets"], "provider": { "keyArn": key } }] });
    let path = "/clusters/c/encryption-config/associate";
    let answer = bench.post(path, body.clone()).expect("accepted");
    assert_eq!(answer["update"]["type"], "AssociateEncryptionConfig");
    bench.wait(TEN_MINUTES);
    let stored = bench.read("/clusters/c", "/cluster/encryptionConfig/0/provider/keyArn");
    assert_eq!(stored, key);
    assert_eq!(code(bench.post(path, body)), "InvalidRequestException");
    let mut bench = Bench::with_cluster(json!({}));
    assert_eq!(
        code(bench.post(path, json!({ "encryptionConfig": [] }))),
        "InvalidParameterException"
    );
}

#[test]
fn updates_belong_to_what_they_are_of() {
    let mut bench = Bench::with_cluster(json!({}));
    bench
        .post("/clusters/c/node-groups", group("g"))
        .expect("created");
    bench.wait(TEN_MINUTES);
    let size = json!({ "scalingConfig": { "maxSize": 5 } });
    let id = update_id(bench.post("/clusters/c/node-groups/g/update-config", size));
    assert_eq!(
        code(bench.get(&format!("/clusters/c/updates/{id}"))),
        "ResourceNotFoundException"
    );
    assert!(
        bench
            .get(&format!("/clusters/c/updates/{id}?nodegroupName=g"))
            .is_ok()
    );
    assert_eq!(bench.read("/clusters/c/updates", "/updateIds"), json!([]));
    assert_eq!(
        bench.read("/clusters/c/updates?nodegroupName=g", "/updateIds"),
        json!([id])
    );
    assert_eq!(
        code(bench.get("/clusters/c/updates?addonName=coredns")),
        "ResourceNotFoundException"
    );
}
