//! Clusters that are there from the start.

use serde_json::json;

use super::super::{Condition, SeedError, seed};
use super::*;
use crate::seed::pipeline;
use crate::seed::{ClusterSeed, NodeGroupSeed};

fn settings() -> ClusterSeed {
    let words = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    ClusterSeed {
        name: "c".to_owned(),
        role: "nonprod".to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        assume_role: "PSKRoles/PSKControlPlaneBaseRole".to_owned(),
        eks_version: "1.35".to_owned(),
        log_types: words(&["api", "scheduler"]),
        node_tier: "node".to_owned(),
        intra_tier: "intra".to_owned(),
        node_group: NodeGroupSeed {
            name: "management".to_owned(),
            role: "management".to_owned(),
            ami_type: "BOTTLEROCKET_ARM_64".to_owned(),
            instance_types: words(&["t4g.2xlarge"]),
            capacity_type: "SPOT".to_owned(),
            disk_size: 50,
            desired_size: 1,
            min_size: 1,
            max_size: 3,
            max_unavailable: "33%".to_owned(),
        },
        support_type: "STANDARD".to_owned(),
        addon_configuration: [(
            "coredns".to_owned(),
            json!({"autoScaling": {"enabled": true}}),
        )]
        .into(),
        pipeline: "a-pipeline".to_owned(),
        addons: words(&[
            "vpc-cni",
            "coredns",
            "kube-proxy",
            "aws-ebs-csi-driver",
            "aws-efs-csi-driver",
            "eks-pod-identity-agent",
        ]),
        tags: vec![("team".to_owned(), "labs".to_owned())],
        ..ClusterSeed::default()
    }
}

fn seeded(condition: Condition) -> Bench {
    let mut bench = Bench::new();
    let now = bench.now;
    let here = bench.world.region(ACCOUNT, REGION);
    let settings = settings();
    let blueprint = pipeline::blueprint(&settings, condition, now);
    seed(&mut here.eks, &here.ec2, &blueprint, now).expect("seeded");
    bench
}

const GROUP: &str = "/clusters/c/node-groups/management";

fn addon_versions(bench: &mut Bench) -> Vec<(String, String, String)> {
    let version = bench.read("/clusters/c", "/cluster/version");
    let version = version.as_str().expect("a version").to_owned();
    settings()
        .addons
        .into_iter()
        .map(|name| {
            let has = bench.read(&format!("/clusters/c/addons/{name}"), "/addon/addonVersion");
            let offered =
                format!("/addons/supported-versions?addonName={name}&kubernetesVersion={version}");
            let newest = bench.read(&offered, "/addons/0/addonVersions/0/addonVersion");
            let word = |value: Value| value.as_str().expect("a version").to_owned();
            (name, word(has), word(newest))
        })
        .collect()
}

#[test]
fn a_right_cluster_is_what_its_settings_ask_for() {
    let mut bench = seeded(Condition::Right);
    let cluster = bench.get("/clusters/c").expect("there")["cluster"].take();
    assert_eq!(cluster["status"], "ACTIVE");
    assert_eq!(cluster["version"], "1.35");
    assert_eq!(cluster["accessConfig"]["authenticationMode"], "API");
    assert_eq!(
        cluster["logging"]["clusterLogging"][0]["types"],
        json!(["api", "scheduler"])
    );
    assert_eq!(
        cluster["resourcesVpcConfig"]["subnetIds"],
        json!(["subnet-1-intra-a", "subnet-1-intra-b", "subnet-1-intra-c"])
    );
    assert_eq!(cluster["resourcesVpcConfig"]["endpointPrivateAccess"], true);
    assert_eq!(cluster["deletionProtection"], true);
    assert!(cluster["encryptionConfig"][0]["provider"]["keyArn"].is_string());
    for (tag, value) in [
        ("karpenter.sh/discovery", "c"),
        ("role", "nonprod"),
        ("cluster", "c"),
        ("kubernetes.io/cluster/c", "owned"),
        ("team", "labs"),
    ] {
        assert_eq!(cluster["tags"][tag], value, "{tag}");
    }
    let group = bench.get(GROUP).expect("there")["nodegroup"].take();
    assert_eq!(group["releaseVersion"], "1.51.0-47438798");
    assert_eq!(group["labels"]["karpenter.sh/controller"], "true");
    assert_eq!(
        group["taints"],
        json!([{ "key": "dedicated", "value": "management", "effect": "NO_SCHEDULE" }])
    );
    assert_eq!(group["launchTemplate"]["name"], "c-management");
    assert_eq!(group["capacityType"], "SPOT");
    for (name, has, newest) in addon_versions(&mut bench) {
        assert_eq!(has, newest, "{name}");
        assert_eq!(
            bench.read(&format!("/clusters/c/addons/{name}"), "/addon/status"),
            "ACTIVE",
            "{name}"
        );
    }
    let entries = bench.read("/clusters/c/access-entries", "/accessEntries");
    assert_eq!(entries.as_array().map(Vec::len), Some(3));
}

#[test]
fn a_cluster_that_is_behind_can_be_upgraded() {
    let mut bench = seeded(Condition::Behind);
    assert_eq!(bench.read("/clusters/c", "/cluster/version"), "1.34");
    assert_eq!(bench.read(GROUP, "/nodegroup/version"), "1.34");
    assert_ne!(
        bench.read(GROUP, "/nodegroup/releaseVersion"),
        "1.51.0-47438798"
    );
    for (name, has, newest) in addon_versions(&mut bench) {
        assert_ne!(has, newest, "{name}");
    }
    bench
        .post("/clusters/c/updates", json!({ "version": "1.35" }))
        .expect("nothing blocks it");
}

#[test]
fn what_is_seeded_would_have_been_accepted() {
    let mut bench = seeded(Condition::Right);
    for name in settings().addons {
        let update = format!("/clusters/c/addons/{name}/update");
        bench
            .post(&update, json!({}))
            .expect("a valid version and configuration");
    }
    let wider = json!({ "scalingConfig": { "maxSize": 4 } });
    bench
        .post(&format!("{GROUP}/update-config"), wider)
        .expect("valid labels and taints");
    bench.wait(TEN_MINUTES);
    bench.template("c-management", &[json!({}), json!({})]);
    let next = json!({ "launchTemplate": { "name": "c-management", "version": "2" } });
    bench
        .post(&format!("{GROUP}/update-version"), next)
        .expect("the same template");
}

#[test]
fn settings_that_eks_cannot_have_are_named() {
    type Break = fn(&mut ClusterSeed);
    let broken: [(Break, &str); 4] = [
        (
            |s| s.eks_version = "1.20".to_owned(),
            "no Kubernetes version '1.20'",
        ),
        (|s| s.node_group.ami_type = "X".to_owned(), "AMI type 'X'"),
        (|s| s.addons.push("x".to_owned()), "no add-on 'x'"),
        (|s| s.intra_tier = "attic".to_owned(), "Tier is 'attic'"),
    ];
    for (break_it, part) in broken {
        let mut bench = Bench::new();
        let now = bench.now;
        let mut settings = settings();
        break_it(&mut settings);
        let here = bench.world.region(ACCOUNT, REGION);
        let blueprint = pipeline::blueprint(&settings, Condition::Right, now);
        let refused: SeedError = seed(&mut here.eks, &here.ec2, &blueprint, now).expect_err(part);
        assert!(refused.to_string().contains(part), "{refused}");
        assert_eq!(bench.read("/clusters", "/clusters"), json!([]));
    }
}
