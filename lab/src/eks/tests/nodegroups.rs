//! Managed node groups, from creation to deletion.

use serde_json::json;

use super::*;

const GROUPS: &str = "/clusters/c/node-groups";
const GROUP: &str = "/clusters/c/node-groups/g";

fn with_group(body: Value) -> Bench {
    let mut bench = Bench::with_cluster(json!({ "version": "1.35" }));
    bench.template("c-g", &[json!({}), json!({})]);
    let mut whole = group("g");
    for (member, value) in body.as_object().expect("an object") {
        whole[member] = value.clone();
    }
    bench.post(GROUPS, whole).expect("created");
    bench.wait(TEN_MINUTES);
    bench
}

#[test]
fn a_node_group_becomes_active_with_the_newest_image() {
    let mut bench = Bench::with_cluster(json!({}));
    let created = bench.post(GROUPS, group("g")).expect("created")["nodegroup"].take();
    assert_eq!(created["status"], "CREATING");
    assert_eq!(created.get("resources"), None);
    bench.wait(TEN_MINUTES);
    let group = bench.get(GROUP).expect("known")["nodegroup"].take();
    assert_eq!(group["status"], "ACTIVE");
    assert_eq!(group["version"], "1.35");
    assert_eq!(group["releaseVersion"], "1.51.0-47438798");
    assert_eq!(
        group["scalingConfig"],
        json!({ "minSize": 1, "maxSize": 2, "desiredSize": 2 })
    );
    assert_eq!(
        group["updateConfig"],
        json!({ "maxUnavailable": 1, "updateStrategy": "DEFAULT" })
    );
    assert_eq!(group["diskSize"], 20);
    assert_eq!(group["capacityType"], "ON_DEMAND");
    assert_eq!(group["health"], json!({ "issues": [] }));
    let asg = group["resources"]["autoScalingGroups"][0]["name"]
        .as_str()
        .expect("a name");
    let uuid = group["nodegroupArn"]
        .as_str()
        .and_then(|arn| arn.rsplit('/').next());
    assert_eq!(asg.strip_prefix("eks-g-"), uuid);
    assert_eq!(bench.read(GROUPS, "/nodegroups"), json!(["g"]));
}

#[test]
fn its_nodes_are_let_in() {
    let mut bench = with_group(json!({}));
    let entry =
        "/clusters/c/access-entries/arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fc-eks-node-group";
    assert_eq!(bench.read(entry, "/accessEntry/type"), "EC2_LINUX");
    assert_eq!(
        bench.read(entry, "/accessEntry/kubernetesGroups"),
        json!(["system:nodes"])
    );
}

#[test]
fn refuses_what_is_not_valid() {
    for (member, value, part) in [
        ("nodegroupName", json!("g!"), "node group name 'g!'"),
        ("subnets", json!(["subnet-2-node-a"]), "cluster's VPC vpc-1"),
        ("subnets", json!([]), "No subnets"),
        ("nodeRole", json!("x"), "not the ARN of an IAM role"),
        (
            "amiType",
            json!("BOTTLEROCKET_RISCV"),
            "'BOTTLEROCKET_RISCV' is not an AMI type",
        ),
        (
            "amiType",
            json!("AL2_ARM_64"),
            "not supported for kubernetes version 1.35",
        ),
        (
            "instanceTypes",
            json!(["m7g.enormous"]),
            "do not exist: [m7g.enormous]",
        ),
        (
            "instanceTypes",
            json!(["m5.large"]),
            "[m5.large] is not a valid instance type",
        ),
        (
            "version",
            json!("1.34"),
            "must equal the cluster's version 1.35",
        ),
        (
            "releaseVersion",
            json!("1.0.0-0"),
            "release version 1.0.0-0 is not valid",
        ),
        (
            "scalingConfig",
            json!({ "minSize": 3, "maxSize": 1, "desiredSize": 2 }),
            "greater than maximum",
        ),
        ("diskSize", json!(0), "diskSize 0"),
        (
            "launchTemplate",
            json!({}),
            "Exactly one of launch template name",
        ),
        ("remoteAccess", json!({}), "unknown field `remoteAccess`"),
    ] {
        let mut bench = Bench::with_cluster(json!({}));
        let mut body = group("g");
        body[member] = value;
        let (code, message) = refusal(bench.post(GROUPS, body));
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains(part), "{message}");
        assert_eq!(bench.read(GROUPS, "/nodegroups"), json!([]));
    }
}

#[test]
fn a_launch_template_says_the_disk() {
    let mut bench = Bench::with_cluster(json!({}));
    bench.template("c-g", &[json!({}), json!({}), json!({})]);
    let mut body = group("g");
    body["launchTemplate"] = json!({ "name": "c-g", "version": "3" });
    body["diskSize"] = json!(50);
    let (_, message) = refusal(bench.post(GROUPS, body.clone()));
    assert_eq!(
        message,
        "Disk size must be specified within the launch template."
    );
    body.as_object_mut().expect("an object").remove("diskSize");
    let made = bench.post(GROUPS, body).expect("created")["nodegroup"].take();
    assert_eq!(made.get("diskSize"), None);
    assert_eq!(made["launchTemplate"]["name"], "c-g");
    assert_eq!(made["launchTemplate"]["version"], "3");
    assert!(
        made["launchTemplate"]["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("lt-0"))
    );
}

#[test]
fn limits_and_states_of_the_cluster_hold() {
    let mut bench = Bench::new();
    bench.post("/clusters", creation("c")).expect("created");
    assert_eq!(
        code(bench.post(GROUPS, group("g"))),
        "InvalidRequestException"
    );
    bench.wait(TEN_MINUTES);
    bench.region().quotas.nodegroups = 1;
    bench.post(GROUPS, group("g")).expect("created");
    let refused = bench.post(GROUPS, group("g")).expect_err("exists");
    assert_eq!(refused.code, "ResourceInUseException");
    assert_eq!(
        (
            &refused.fields["clusterName"],
            &refused.fields["nodegroupName"]
        ),
        (&json!("c"), &json!("g"))
    );
    assert_eq!(
        code(bench.post(GROUPS, group("h"))),
        "ResourceLimitExceededException"
    );
    assert_eq!(
        code(bench.get("/clusters/d/node-groups")),
        "ResourceNotFoundException"
    );
}

#[test]
fn the_same_token_makes_one_node_group() {
    let mut bench = Bench::with_cluster(json!({}));
    let mut body = group("g");
    body["clientRequestToken"] = json!("t");
    let first = bench.post(GROUPS, body.clone()).expect("created");
    assert_eq!(bench.post(GROUPS, body.clone()).expect("repeated"), first);
    body["diskSize"] = json!(30);
    assert_eq!(code(bench.post(GROUPS, body)), "InvalidParameterException");
}

#[test]
fn without_a_network_plugin_nodes_never_join() {
    let bare = json!({ "bootstrapSelfManagedAddons": false });
    let mut bench = Bench::with_cluster(bare.clone());
    bench.post(GROUPS, group("g")).expect("accepted");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(GROUP, "/nodegroup/status"), "CREATE_FAILED");
    assert_eq!(
        bench.read(GROUP, "/nodegroup/health/issues/0/code"),
        "NodeCreationFailure"
    );
    let mut bench = Bench::with_cluster(bare);
    bench.post(GROUPS, group("g")).expect("accepted");
    bench
        .post("/clusters/c/addons", json!({ "addonName": "vpc-cni" }))
        .expect("accepted");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(GROUP, "/nodegroup/status"), "ACTIVE");
}

#[test]
fn a_rehearsed_failure_shows_in_its_health_or_its_update() {
    let mut bench = Bench::with_cluster(json!({}));
    bench.fail_once(Happening::NodegroupCreation, "AsgInstanceLaunchFailures");
    bench.post(GROUPS, group("g")).expect("accepted");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(GROUP, "/nodegroup/status"), "CREATE_FAILED");
    let issue = bench.read(GROUP, "/nodegroup/health/issues/0");
    assert_eq!(issue["code"], "AsgInstanceLaunchFailures");
    bench.delete(GROUP).expect("deleted");
    bench.wait(TEN_MINUTES);
    bench.post(GROUPS, group("g")).expect("accepted");
    bench.wait(TEN_MINUTES);
    bench.fail_once(Happening::NodegroupUpdate, "PodEvictionFailure");
    let id = update_id(bench.post(&format!("{GROUP}/update-version"), json!({})));
    bench.wait(TEN_MINUTES);
    let update = bench.read(
        &format!("/clusters/c/updates/{id}?nodegroupName=g"),
        "/update",
    );
    assert_eq!(update["status"], "Failed");
    assert_eq!(update["errors"][0]["errorCode"], "PodEvictionFailure");
    assert_eq!(bench.read(GROUP, "/nodegroup/status"), "DEGRADED");
    bench
        .post(&format!("{GROUP}/update-version"), json!({}))
        .expect("accepted");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(GROUP, "/nodegroup/status"), "ACTIVE");
    assert_eq!(bench.read(GROUP, "/nodegroup/health/issues"), json!([]));
}

#[test]
fn pods_that_a_budget_keeps_fail_an_update_that_is_not_forced() {
    let mut bench = with_group(json!({}));
    let update = |bench: &mut Bench, force: bool| {
        let body = json!({ "force": force });
        let id = update_id(bench.post(&format!("{GROUP}/update-version"), body));
        let kept = BTreeMap::from([("g".to_owned(), vec!["web-1".to_owned()])]);
        let eks = bench.world.eks(ACCOUNT, REGION);
        eks.keep_pods("c", kept);
        bench.wait(TEN_MINUTES);
        let path = format!("/clusters/c/updates/{id}?nodegroupName=g");
        bench.read(&path, "/update")
    };
    let failed = update(&mut bench, false);
    assert_eq!(failed["status"], "Failed");
    assert_eq!(failed["errors"][0]["errorCode"], "PodEvictionFailure");
    assert_eq!(failed["errors"][0]["resourceIds"], json!(["web-1"]));
    assert_eq!(update(&mut bench, true)["status"], "Successful");
}

#[test]
fn configuration_is_changed_member_by_member() {
    let taint =
        |key: &str, value: &str| json!({ "key": key, "value": value, "effect": "NO_SCHEDULE" });
    let mut bench = with_group(json!({
        "labels": { "a": "1", "b": "2" },
        "taints": [taint("dedicated", "x"), taint("gpu", "y")],
    }));
    let body = json!({
        "labels": { "addOrUpdateLabels": { "a": "9", "c": "3" }, "removeLabels": ["b"] },
        "taints": { "addOrUpdateTaints": [taint("dedicated", "management")], "removeTaints": [taint("gpu", "y")] },
        "scalingConfig": { "maxSize": 7 },
        "updateConfig": { "maxUnavailablePercentage": 33 },
    });
    let answer = bench
        .post(&format!("{GROUP}/update-config"), body)
        .expect("accepted");
    assert_eq!(answer["update"]["type"], "ConfigUpdate");
    assert_eq!(bench.read(GROUP, "/nodegroup/status"), "UPDATING");
    assert_eq!(
        bench.read(GROUP, "/nodegroup/labels"),
        json!({ "a": "1", "b": "2" })
    );
    assert_eq!(
        code(bench.post(
            &format!("{GROUP}/update-config"),
            json!({ "scalingConfig": { "maxSize": 8 } })
        )),
        "ResourceInUseException"
    );
    bench.wait(TEN_MINUTES);
    let group = bench.get(GROUP).expect("known")["nodegroup"].take();
    assert_eq!(group["labels"], json!({ "a": "9", "c": "3" }));
    assert_eq!(group["taints"], json!([taint("dedicated", "management")]));
    assert_eq!(
        group["scalingConfig"],
        json!({ "minSize": 1, "maxSize": 7, "desiredSize": 2 })
    );
    assert_eq!(
        group["updateConfig"],
        json!({ "maxUnavailablePercentage": 33, "updateStrategy": "DEFAULT" })
    );
    assert_eq!(
        code(bench.post(&format!("{GROUP}/update-config"), json!({}))),
        "InvalidParameterException"
    );
}

#[test]
fn a_version_update_goes_to_the_clusters_version_and_the_newest_image() {
    let mut bench = with_group(json!({ "releaseVersion": "1.49.0-5b90d1c7" }));
    bench
        .post("/clusters/c/updates", json!({ "version": "1.36" }))
        .expect("accepted");
    bench.wait(AN_HOUR);
    let raise = |body: Value| (format!("{GROUP}/update-version"), body);
    let (path, body) = raise(json!({}));
    let answer = bench.post(&path, body).expect("accepted");
    assert_eq!(answer["update"]["type"], "VersionUpdate");
    assert_eq!(
        answer["update"]["params"][1],
        json!({ "type": "ReleaseVersion", "value": "1.51.0-47438798" })
    );
    assert_eq!(bench.read(GROUP, "/nodegroup/version"), "1.35");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(GROUP, "/nodegroup/version"), "1.36");
    assert_eq!(
        bench.read(GROUP, "/nodegroup/releaseVersion"),
        "1.51.0-47438798"
    );
}

#[test]
fn versions_and_images_never_go_back_or_ahead() {
    let mut bench = with_group(json!({ "releaseVersion": "1.50.1-c6a8e024" }));
    let path = format!("{GROUP}/update-version");
    for (body, expected) in [
        (json!({ "version": "1.36" }), "InvalidParameterException"),
        (json!({ "version": "1.34" }), "InvalidRequestException"),
        (
            json!({ "releaseVersion": "1.49.0-5b90d1c7" }),
            "InvalidRequestException",
        ),
        (
            json!({ "releaseVersion": "9.9.9-0" }),
            "InvalidParameterException",
        ),
        (
            json!({ "launchTemplate": { "name": "x" } }),
            "InvalidRequestException",
        ),
    ] {
        assert_eq!(code(bench.post(&path, body.clone())), expected, "{body}");
    }
    bench
        .post(
            &path,
            json!({ "releaseVersion": "1.51.0-47438798", "force": true }),
        )
        .expect("accepted");
}

#[test]
fn a_launch_template_changes_its_version_only() {
    let mut bench = with_group(json!({ "launchTemplate": { "name": "c-g", "version": "1" } }));
    let path = format!("{GROUP}/update-version");
    let other = json!({ "launchTemplate": { "name": "other", "version": "1" } });
    assert_eq!(code(bench.post(&path, other)), "InvalidRequestException");
    bench
        .post(
            &path,
            json!({ "launchTemplate": { "name": "c-g", "version": "2" } }),
        )
        .expect("accepted");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(GROUP, "/nodegroup/launchTemplate/version"), "2");
}

#[test]
fn deletion_takes_a_while_and_repeats_harmlessly() {
    let mut bench = with_group(json!({}));
    assert_eq!(
        bench.delete(GROUP).expect("accepted")["nodegroup"]["status"],
        "DELETING"
    );
    assert!(bench.delete(GROUP).is_ok());
    bench.wait(TEN_MINUTES);
    let refused = bench.get(GROUP).expect_err("gone");
    assert_eq!(refused.message, "No node group found for name: g.");
    bench.post(GROUPS, group("g")).expect("made again");
    assert_eq!(code(bench.delete(GROUP)), "ResourceInUseException");
}
