//! What EKS has on offer, as it answers.

use serde_json::json;

use super::*;

fn versions(bench: &mut Bench, query: &str) -> Vec<String> {
    let answer = bench
        .get(&format!("/cluster-versions{query}"))
        .expect("listed");
    let list = answer["clusterVersions"]
        .as_array()
        .expect("a list")
        .clone();
    list.iter()
        .filter_map(|v| v["clusterVersion"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn cluster_versions_are_filtered() {
    let mut bench = Bench::new();
    assert_eq!(
        versions(&mut bench, ""),
        ["1.36", "1.35", "1.34", "1.33", "1.32", "1.31"]
    );
    assert_eq!(
        versions(&mut bench, "?includeAll=true")
            .last()
            .map(String::as_str),
        Some("1.30")
    );
    assert_eq!(versions(&mut bench, "?defaultOnly=true"), ["1.36"]);
    assert_eq!(
        versions(&mut bench, "?versionStatus=EXTENDED_SUPPORT"),
        ["1.33", "1.32", "1.31"]
    );
    assert_eq!(versions(&mut bench, "?status=unsupported"), ["1.30"]);
    assert_eq!(
        versions(&mut bench, "?clusterVersions=1.34&clusterVersions=1.35"),
        ["1.35", "1.34"]
    );
    assert_eq!(
        code(bench.get("/cluster-versions?versionStatus=GOOD")),
        "InvalidParameterException"
    );
    assert_eq!(
        code(bench.get("/cluster-versions?defaultOnly=maybe")),
        "InvalidParameterException"
    );
}

#[test]
fn a_cluster_version_tells_its_support() {
    let mut bench = Bench::new();
    let version = bench.read(
        "/cluster-versions?clusterVersions=1.33",
        "/clusterVersions/0",
    );
    assert_eq!(version["versionStatus"], "EXTENDED_SUPPORT");
    assert_eq!(version["status"], "extended-support");
    assert_eq!(version["defaultVersion"], false);
    assert_eq!(version["kubernetesPatchVersion"], "1.33.12");
    assert!(version["releaseDate"].is_number());
}

#[test]
fn addon_versions_are_those_that_work_with_the_cluster() {
    let mut bench = Bench::new();
    let path = "/addons/supported-versions?addonName=vpc-cni&kubernetesVersion=1.35";
    let answer = bench.get(path).expect("listed");
    let addon = &answer["addons"][0];
    assert_eq!(
        (&addon["owner"], &addon["publisher"]),
        (&json!("aws"), &json!("eks"))
    );
    let releases = addon["addonVersions"].as_array().expect("releases");
    assert_eq!(releases[0]["addonVersion"], "v1.22.3-eksbuild.1");
    let mut defaults = 0;
    for release in releases {
        let compatibilities = release["compatibilities"].as_array().expect("a list");
        assert_eq!(compatibilities.len(), 1, "{release}");
        assert_eq!(compatibilities[0]["clusterVersion"], "1.35");
        defaults += usize::from(compatibilities[0]["defaultVersion"] == true);
    }
    assert_eq!(defaults, 1);
}

#[test]
fn addons_are_filtered_and_listed_in_pages() {
    let mut bench = Bench::new();
    let names = |answer: Value| -> Vec<String> {
        let list = answer["addons"].as_array().expect("a list").clone();
        list.iter()
            .filter_map(|a| a["addonName"].as_str().map(str::to_owned))
            .collect()
    };
    let base = "/addons/supported-versions";
    let storage = names(bench.get(&format!("{base}?types=storage")).expect("listed"));
    assert_eq!(
        storage,
        [
            "aws-ebs-csi-driver",
            "aws-efs-csi-driver",
            "snapshot-controller"
        ]
    );
    let community = names(
        bench
            .get(&format!("{base}?owners=community"))
            .expect("listed"),
    );
    assert_eq!(community, ["metrics-server"]);
    assert_eq!(
        names(
            bench
                .get(&format!("{base}?publishers=someone"))
                .expect("listed")
        )
        .len(),
        0
    );
    assert_eq!(
        names(
            bench
                .get(&format!("{base}?kubernetesVersion=1.99"))
                .expect("listed")
        )
        .len(),
        0
    );
    assert_eq!(
        code(bench.get(&format!("{base}?kubernetesVersion=new"))),
        "InvalidParameterException"
    );
    let page = bench.get(&format!("{base}?maxResults=5")).expect("listed");
    let token = page["nextToken"].as_str().expect("more").to_owned();
    let rest = bench
        .get(&format!("{base}?maxResults=5&nextToken={token}"))
        .expect("listed");
    assert_eq!(names(page).len() + names(rest).len(), 9);
}

#[test]
fn an_addons_configuration_schema_is_told() {
    let mut bench = Bench::new();
    let path = "/addons/configuration-schemas?addonName=aws-ebs-csi-driver&addonVersion=";
    let answer = bench
        .get(&format!("{path}v1.58.0-eksbuild.1"))
        .expect("known");
    let schema = answer["configurationSchema"].as_str().expect("a string");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    assert!(schema["properties"]["controller"].is_object());
    let identity = &answer["podIdentityConfiguration"][0];
    assert_eq!(identity["serviceAccount"], "ebs-csi-controller-sa");
    assert_eq!(
        identity["recommendedManagedPolicies"],
        json!(["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"])
    );
    assert_eq!(
        code(bench.get(&format!("{path}v0.0.1"))),
        "ResourceNotFoundException"
    );
}
