//! The control plane base as it is found: a right cluster needs nothing and few calls, and one that
//! Terraform made keeps all that it is.

use std::collections::BTreeSet;

use crate::harness::{Files, Served, psk, world_of};

#[test]
fn a_right_cluster_needs_no_change_and_few_calls_of_which_five_wait_for_one_another() {
    let plan = [
        "plan",
        "--cluster",
        "qa-i01-aws-us-east-1",
        "--output",
        "json",
    ];
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), "{}");
    let run = psk(plan).at(&files).inside(&lab).run().ended(0);
    let cluster = run.cluster("qa-i01-aws-us-east-1");
    assert_eq!(cluster["outcome"], "unchanged", "{}", run.stdout);
    // What is in AWS, and inside the cluster eight objects, two charts and the list of them.
    assert_eq!(cluster["changes"]["keep"], 32 + 11);
    let of_aws = lab.aws_calls().len();
    assert!(of_aws <= 30, "{cluster:#}");
    let all = lab.asked();
    assert_eq!(cluster["calls"]["total"], all, "the report tells all");
    // A list of each kind and of helm's releases, and the list of what psk applied.
    assert!(all - of_aws <= 7, "{cluster:#}");
    let chain = cluster["calls"]["longest_chain"].as_u64().unwrap();
    assert!(chain <= 5, "{cluster:#}");
}

#[test]
fn a_rollout_describes_a_cluster_once_to_plan_and_once_to_prove_it() {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), "{}");
    let apply = psk([
        "apply",
        "--only=aws-cluster",
        "--cluster",
        "qa-i01-aws-us-east-1",
    ]);
    let apply = apply
        .arg("--override-gate=this test is about calls")
        .at(&files);
    apply.inside(&lab).run().ended(0);
    let calls = lab.aws_calls();
    let described = calls
        .iter()
        .filter(|call| call.starts_with("eks:DescribeCluster "));
    assert_eq!(described.count(), 2);
}

#[test]
fn what_an_account_and_region_have_is_asked_for_once_for_all_clusters() {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), "{}");
    let run = psk(["plan", "--role", "qa", "--output", "json"]);
    run.at(&files).inside(&lab).run().ended(0);
    for (operation, times) in [
        // The two regions of one account.
        ("DescribeSubnets", 2),
        ("DescribeSecurityGroups", 2),
        ("DescribeLaunchTemplateVersions", 2),
        ("DescribeFileSystems", 2),
        ("DescribeLogGroups", 2),
        ("ListRules", 2),
        ("DescribeAddonVersions", 2),
        ("GetAccountAuthorizationDetails", 1),
        ("DescribeVpcs", 0),
    ] {
        assert_eq!(lab.count(operation), times, "{operation}");
    }
}

#[test]
fn pods_that_get_their_roles_by_pod_identity_need_no_oidc_provider() {
    let files = Files::small();
    let settings = std::fs::read_to_string(files.root().join("environments/default.yaml"));
    let settings = format!("{}workload_identity: pod_identity\n", settings.unwrap());
    let files = files.with("environments/default.yaml", &settings);
    let lab = Served::start(world_of(&files, "current"), "{}");
    let run = psk(["plan", "--role", "qa", "--output", "json"]);
    let run = run.at(&files).inside(&lab).run().ended(0);
    let outcomes = run.outcomes();
    assert!(
        outcomes.iter().all(|o| o.ends_with(" unchanged")),
        "{outcomes:?}"
    );
    assert_eq!(lab.count("GetOpenIDConnectProvider"), 0);
}

#[test]
fn a_cluster_of_terraforms_is_adopted_with_nothing_made_anew() {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "adopted"), "{}");
    let run = psk(["plan", "--role", "qa", "--output", "json"]);
    let run = run.at(&files).inside(&lab).run().ended(0);
    let cluster = run.cluster("qa-i01-aws-us-east-1");
    let changes = &cluster["changes"];
    for none in ["replace", "delete"] {
        assert_eq!(changes[none], 0, "{cluster:#}");
    }
    // Inside it psk's own comes beside what Terraform made.
    let (inside, resources): (Vec<_>, Vec<_>) = cluster["plan"]["resources"]
        .as_array()
        .unwrap()
        .iter()
        .partition(|resource| {
            resource["kind"]
                .as_str()
                .unwrap()
                .starts_with("kubernetes_")
        });
    assert!(
        resources
            .iter()
            .all(|resource| resource["action"] != "create")
    );
    let made = inside
        .iter()
        .filter(|resource| resource["action"] == "create");
    assert_eq!(made.count(), 9, "{inside:#?}");
    let kept: BTreeSet<_> = resources
        .iter()
        .filter(|resource| resource["action"] == "keep")
        .map(|resource| resource["kind"].as_str().unwrap())
        .collect();
    let alike = [
        "cloudwatch_log_group",
        "efs_mount_targets",
        "eks_access_entry",
        "events_rule",
        "helm_release",
        "kms_key",
        "sqs_queue",
    ];
    assert_eq!(kept, BTreeSet::from(alike));
    // Everything else has psk's tags to get; what differs besides is Terraform's doing.
    let differs: BTreeSet<_> = resources
        .iter()
        .flat_map(|resource| {
            let kind = resource["kind"].as_str().unwrap();
            let attributes = resource["attributes"].as_array().unwrap();
            attributes.iter().map(move |attribute| {
                let path = attribute["path"].as_str().unwrap();
                format!("{kind} {path}")
            })
        })
        .filter(|difference| !difference.contains(" tags."))
        .collect();
    insta::assert_snapshot!(differs.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_node_group_that_was_made_without_a_launch_template_keeps_to_that() {
    let files = Files::small();
    let mut world = serde_json::to_value(world_of(&files, "current")).unwrap();
    let cluster = "qa-i01-aws-us-east-1";
    let region = "/accounts/221155668855/regions/us-east-1";
    let group = format!("{region}/eks/clusters/{cluster}/nodegroups/management/spec");
    let group = world.pointer_mut(&group).unwrap().as_object_mut().unwrap();
    assert!(group.remove("launch_template").is_some());
    let templates = world.pointer_mut(&format!("{region}/ec2/launch_templates"));
    templates.unwrap().as_object_mut().unwrap().clear();
    let lab = Served::start(serde_json::from_value(world).unwrap(), "{}");
    let run = psk(["plan", "--cluster", cluster, "--output", "json"]);
    let run = run.at(&files).inside(&lab).run().ended(0);
    assert_eq!(
        run.cluster(cluster)["outcome"],
        "unchanged",
        "{}",
        run.stdout
    );
}
