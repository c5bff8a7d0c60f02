//! `psk fanout` without `--dry-run`: clusters are taken to what their settings ask for, from whatever
//! they are.

use psk_lab::eks::{Failure, Finding, FindingStatus, Happening, Issue};
use psk_lab::world::World;

use crate::harness::{Files, Psk, Run, Served, contents, psk, repository, world_of};

const ACCOUNT: &str = "221155668855";

/// A run over a role of an inventory in a fast world, which is asked often.
fn fanout<'a>(role: &str, files: &Files, lab: &'a Served) -> Psk<'a> {
    let gate = "--override-gate=its tests are elsewhere";
    let command = [
        "fanout",
        "--output=json",
        "--poll-interval=0.1",
        gate,
        "--role",
    ];
    psk(command).arg(role).at(files).inside(lab)
}

fn plan(role: &str, files: &Files, lab: &Served) -> Run {
    let run = psk(["plan", "--output", "json", "--role"]).arg(role);
    run.at(files).inside(lab).run().ended(0)
}

fn all(run: &Run, outcome: &str) {
    let outcomes = run.outcomes();
    let ends = |told: &String| told.ends_with(&format!(" {outcome}"));
    assert!(outcomes.iter().all(ends), "{outcomes:?}\n{}", run.stderr);
}

/// The operations that the lab was asked for and that write, in order, about one cluster.
fn writes(lab: &Served, cluster: &str) -> Vec<String> {
    let reads = ["Describe", "Get", "List", "AssumeRole"];
    let calls = lab.calls();
    let calls = calls.iter().filter(|call| call.request.contains(cluster));
    calls
        .filter(|call| call.service == "eks")
        .map(|call| call.operation.clone())
        .filter(|operation| !reads.iter().any(|prefix| operation.starts_with(prefix)))
        .collect()
}

#[test]
fn from_whatever_it_is_a_role_gets_right_and_then_needs_nothing() {
    for start in ["fresh", "behind", "adopted"] {
        let files = Files::small().with(
            "roles/qa.yaml",
            "clusters:\n  qa-i01-aws-us-east-1: { aws_region: us-east-1 }\n",
        );
        let lab = Served::fast(world_of(&files, start), "{}");
        all(&fanout("qa", &files, &lab).run().ended(0), "changed");
        all(&plan("qa", &files, &lab), "unchanged");
        all(&fanout("qa", &files, &lab).run().ended(0), "unchanged");
    }
}

#[test]
fn a_fanout_from_any_state_ends_with_every_check_of_each_cluster() {
    let files = Files::small().checked().with(
        "roles/qa.yaml",
        "clusters:\n  qa-i01-aws-us-east-1: { aws_region: us-east-1 }\n",
    );
    for state in ["fresh", "behind", "current", "adopted"] {
        let run = psk([
            "fanout",
            "--role=qa",
            "--output=json",
            "--poll-interval=0.2",
        ])
        .arg(format!("--lab={state}"))
        .arg("--lab-speed=600")
        .at(&files)
        .run()
        .ended(0);
        let cluster = run.cluster("qa-i01-aws-us-east-1");
        let checks = cluster["checks"].as_array().unwrap();
        assert_eq!(checks.len(), 26);
        let passed = checks.iter().all(|check| check["outcome"] == "passed");
        assert!(passed, "{checks:#?}");
    }
}

#[test]
fn several_clusters_get_right_side_by_side_from_whatever_they_are() {
    for start in ["fresh", "behind", "adopted"] {
        let files = Files::small();
        let lab = Served::fast(world_of(&files, start), "{}");
        let run = fanout("qa", &files, &lab).run().ended(0);
        let changed = run.outcomes();
        let changed = changed.iter().filter(|o| o.ends_with(" changed")).count();
        assert_eq!(changed, if start == "behind" { 2 } else { 3 }, "{start}");
        all(&plan("qa", &files, &lab), "unchanged");
    }
}

#[test]
fn progress_is_told_with_state_and_elapsed_time() {
    let files = Files::small();
    // Slow enough for an add-on to be seen while it is being made, however busy the machine is.
    let lab = Served::at(world_of(&files, "fresh"), "{}", 200.0);
    let run = fanout("qa", &files, &lab).env("CI", "true").run().ended(0);
    for told in [
        "cluster qa-i01-aws-us-east-1 CREATING, 0s",
        "node group management CREATING, 0s",
        "add-on coredns CREATING, 0s",
        "identity provider Auth0 InProgress, 0s",
    ] {
        assert!(run.stderr.contains(told), "no {told:?} in {}", run.stderr);
    }
}

#[test]
fn how_often_aws_is_asked_comes_from_the_command_line_or_the_environment() {
    let told = |command: Psk<'_>| command.run().refused(2);
    let fanout = || psk(["fanout", "--role", "qa", "--lab"]);
    let arg = told(fanout().arg("--poll-interval=0"));
    assert!(arg.contains("from 0.01 to 3600"), "{arg}");
    let env = told(fanout().env("PSK_POLL_INTERVAL", "soon"));
    assert!(env.contains("PSK_POLL_INTERVAL is \"soon\""), "{env}");
}

/// The small inventory, asking for another Kubernetes version.
fn asking_for(files: Files, version: &str) -> Files {
    let from = format!("eks_version: \"{}\"", "1.35");
    let to = format!("eks_version: \"{version}\"");
    files.replace("environments/default.yaml", &from, &to)
}

#[test]
fn a_control_plane_climbs_rung_by_rung_and_everything_of_it_with_it() {
    let seeded = asking_for(Files::small(), "1.34");
    let world = world_of(&seeded, "behind");
    let files = Files::small();
    let lab = Served::fast(world, "{}");
    let cluster = "qa-i01-aws-us-east-1";
    let run = fanout("qa", &files, &lab).run().ended(0);
    all(&plan("qa", &files, &lab), "unchanged");
    assert_eq!(run.cluster(cluster)["outcome"], "changed");

    let order: Vec<_> = writes(&lab, cluster)
        .into_iter()
        .filter(|operation| {
            [
                "StartInsightsRefresh",
                "UpdateClusterVersion",
                "UpdateNodegroupVersion",
                "UpdateAddon",
            ]
            .contains(&operation.as_str())
        })
        .collect();
    let rung = |addons: usize| {
        let mut rung = vec![
            "StartInsightsRefresh",
            "UpdateClusterVersion",
            "UpdateNodegroupVersion",
        ];
        rung.extend(vec!["UpdateAddon"; addons]);
        rung
    };
    let first = order
        .iter()
        .rposition(|o| o == "StartInsightsRefresh")
        .unwrap();
    let (one, two) = order.split_at(first);
    assert_eq!(one, rung(one.len() - 3));
    assert_eq!(two, rung(two.len() - 3));
    let calls = lab.calls();
    let addons = calls
        .iter()
        .filter(|call| call.operation == "UpdateAddon" && call.request.contains(cluster));
    let addons: Vec<_> = addons
        .map(|call| call.request.contains("kube-proxy"))
        .collect();
    assert!(
        addons[0] && addons[one.len() - 3],
        "kube-proxy goes before the others: {addons:?}"
    );
    assert!(
        run.stderr.contains("Kubernetes 1.34, rung 1 of 2"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_control_plane_that_can_not_get_there_is_left_alone() {
    let world = world_of(&Files::small(), "current");
    let lab = Served::fast(world, "{}");
    for (version, cause, next) in [
        (
            "1.34",
            "it runs Kubernetes 1.35 and its settings ask for 1.34: a control plane doesn't go down",
            "set eks_version to one of 1.35, 1.36",
        ),
        (
            "1.99",
            "EKS has no Kubernetes 1.99 here",
            "set eks_version to one of 1.35, 1.36",
        ),
    ] {
        let files = asking_for(Files::small(), version);
        let run = fanout("qa", &files, &lab).run().ended(10);
        let cluster = run.cluster("qa-i01-aws-us-east-1");
        let failure = &cluster["failure"];
        assert_eq!(failure["cause"], cause, "{failure:#}");
        assert_eq!(failure["next"], next, "{failure:#}");
    }
    assert_eq!(writes(&lab, ""), <[&str; 0]>::default());
}

#[test]
fn an_insight_in_error_blocks_an_upgrade_in_its_own_words_unless_it_is_forced() {
    let files = Files::small();
    let mut world = world_of(&files, "behind");
    world.eks(ACCOUNT, "us-east-1").findings.push(Finding {
        cluster_contains: "qa-i01".into(),
        name: "Deprecated APIs removed in Kubernetes v1.35".into(),
        description: "Looks at the API's audit log".into(),
        status: FindingStatus::Error,
        reason: "kube-thing/1.0 used v1beta1 in the last 30 days".into(),
        recommendation: "Move it on".into(),
        resources: Vec::new(),
    });
    let lab = Served::fast(world, "{}");
    let blocked = fanout("qa", &files, &lab).run().ended(10);
    let failure = &blocked.cluster("qa-i01-aws-us-east-1")["failure"];
    let cause = failure["cause"].as_str().unwrap();
    assert!(
        cause.contains("Deprecated APIs removed in Kubernetes v1.35: kube-thing/1.0 used v1beta1"),
        "{failure:#}"
    );
    assert!(
        failure["next"]
            .as_str()
            .unwrap()
            .contains("--force-upgrade")
    );
    let forced = fanout("qa", &files, &lab)
        .arg("--force-upgrade")
        .arg("kube-thing is gone");
    forced.run().ended(0);
    all(&plan("qa", &files, &lab), "unchanged");
}

#[test]
fn what_another_run_has_set_going_is_awaited_and_not_done_again() {
    let files = Files::small();
    let world = world_of(&files, "behind");
    let lab = Served::fast(
        world,
        r#"{"rules":[
        {"operation":"DescribeUpdate","at":1,"effect":{"error":
            {"status":400,"code":"InvalidRequestException","message":"the run ends here"}}}]}"#,
    );
    // A run that fails while its update is in progress leaves it so.
    fanout("prod", &files, &lab).run().ended(10);
    fanout("prod", &files, &lab).run().ended(0);
    all(&plan("prod", &files, &lab), "unchanged");
    for cluster in ["prod-i01-aws-us-east-1", "prod-i01-aws-us-west-2"] {
        let raised = writes(&lab, cluster);
        let raised = raised.iter().filter(|o| *o == "UpdateClusterVersion");
        assert_eq!(raised.count(), 1, "{cluster}");
    }
}

#[test]
fn an_interrupted_run_leaves_what_is_under_way_to_the_next_one() {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "fresh"), "{}");
    let running = fanout("prod", &files, &lab).start();
    for region in ["us-east-1", "us-west-2"] {
        lab.wait_for(|call| call.operation == "CreateCluster" && call.region == region);
    }
    running.signal("INT");
    all(&running.finish().ended(130), "cancelled");

    let world = lab.with_world(|world| world.clone());
    let lab = Served::fast(world, "{}");
    all(&fanout("prod", &files, &lab).run().ended(0), "changed");
    assert_eq!(lab.count("CreateCluster"), 0);
    all(&plan("prod", &files, &lab), "unchanged");
}

#[test]
fn a_role_that_eks_does_not_see_yet_is_waited_for() {
    let unseen = |operation: &str, message: &str| {
        format!(
            r#"{{"operation":"{operation}","at":[1,2],"effect":{{"error":{{"status":400,
            "code":"InvalidParameterException","message":"{message}"}}}}}}"#
        )
    };
    let rules = [
        unseen(
            "CreateCluster",
            "Role with arn: r, could not be assumed because it does not exist",
        ),
        unseen("CreateNodegroup", "The role with name r cannot be found."),
        unseen("CreateAddon", "Role r does not exist"),
        unseen(
            "CreateAccessEntry",
            "The specified principalArn is invalid: invalid principal.",
        ),
        unseen(
            "CreatePodIdentityAssociation",
            "Role provided does not exist",
        ),
    ];
    let files = Files::small();
    let faults = format!(r#"{{"rules":[{}]}}"#, rules.join(","));
    let lab = Served::fast(world_of(&files, "fresh"), &faults);
    fanout("prod", &files, &lab).run().ended(0);
    all(&plan("prod", &files, &lab), "unchanged");
}

/// What fails after EKS has accepted it, once.
fn failure(of: Happening, code: &str, message: &str) -> Failure {
    Failure {
        of,
        name_contains: String::new(),
        issue: Issue {
            code: code.into(),
            message: message.into(),
            resource_ids: vec!["i-1".into()],
        },
        times: Some(1),
    }
}

#[test]
fn a_failed_update_is_told_in_eks_own_words_with_what_had_been_changed_and_the_next_run_goes_on() {
    let files = Files::small();
    let mut world = world_of(&files, "behind");
    let evicts_none = failure(
        Happening::NodegroupUpdate,
        "PodEvictionFailure",
        "Reached max retries while trying to evict pods",
    );
    world.eks(ACCOUNT, "us-west-2").failures.push(evicts_none);
    let lab = Served::fast(world, "{}");
    let run = fanout("prod", &files, &lab).run().ended(10);
    let failure = &run.cluster("prod-i01-aws-us-west-2")["failure"];
    assert_eq!(
        failure["cause"],
        "PodEvictionFailure: Reached max retries while trying to evict pods (i-1)"
    );
    assert_eq!(
        failure["already_changed"],
        serde_json::json!(["changed eks_cluster prod-i01-aws-us-west-2"])
    );
    assert_eq!(run.cluster("prod-i01-aws-us-east-1")["outcome"], "changed");
    fanout("prod", &files, &lab).run().ended(0);
    all(&plan("prod", &files, &lab), "unchanged");
}

#[test]
fn a_node_group_that_never_came_up_is_made_again_by_the_next_run() {
    let files = Files::small();
    let mut world = world_of(&files, "fresh");
    let joins_none = failure(
        Happening::NodegroupCreation,
        "NodeCreationFailure",
        "Instances failed to join the kubernetes cluster",
    );
    world.eks(ACCOUNT, "us-west-2").failures.push(joins_none);
    let lab = Served::fast(world, "{}");
    let run = fanout("prod", &files, &lab).run().ended(10);
    let cause = &run.cluster("prod-i01-aws-us-west-2")["failure"]["cause"];
    let cause = cause.as_str().unwrap();
    assert!(
        cause.contains("CREATE_FAILED: NodeCreationFailure: Instances failed"),
        "{cause}"
    );
    let again = plan("prod", &files, &lab);
    assert_eq!(
        again.cluster("prod-i01-aws-us-west-2")["changes"]["replace"],
        1
    );
    fanout("prod", &files, &lab).run().ended(0);
    all(&plan("prod", &files, &lab), "unchanged");
}

#[test]
fn what_is_in_use_is_waited_for() {
    let in_use = |operation: &str| {
        format!(
            r#"{{"operation":"{operation}","at":[1,3],"effect":{{"error":{{"status":409,
            "code":"ResourceInUseException","message":"an update is in progress"}}}}}}"#
        )
    };
    let rules: Vec<_> = [
        "UpdateClusterVersion",
        "UpdateNodegroupVersion",
        "UpdateAddon",
    ]
    .map(in_use)
    .into();
    let files = Files::small();
    let faults = format!(r#"{{"rules":[{}]}}"#, rules.join(","));
    let lab = Served::fast(world_of(&files, "behind"), &faults);
    fanout("prod", &files, &lab).run().ended(0);
    all(&plan("prod", &files, &lab), "unchanged");
}

/// Runs over the small inventory's role qa with something wrong in us-east-1, and tells how its first
/// cluster failed; the one in the other region is complete.
fn with(files: Files, spoil: impl FnOnce(&mut World)) -> (String, String) {
    let mut world = world_of(&Files::small(), "fresh");
    spoil(&mut world);
    let lab = Served::fast(world, "{}");
    let run = fanout("qa", &files, &lab).run().ended(10);
    let other = run.cluster("qa-i01-aws-eu-west-1");
    assert_eq!(other["outcome"], "changed", "{other:#}");
    let failure = &run.cluster("qa-i01-aws-us-east-1")["failure"];
    let text = |key: &str| failure[key].as_str().unwrap().to_owned();
    (text("cause"), text("next"))
}

#[test]
fn a_missing_vpc_fails_its_cluster_alone() {
    let (cause, next) = with(Files::small(), |world| {
        world.ec2(ACCOUNT, "us-east-1").vpcs.clear();
    });
    assert_eq!(
        cause,
        "no VPC in us-east-1 has the tag Name=qa-i01-aws-us-east-1-vpc"
    );
    assert!(next.contains("network pipeline"), "{next}");
}

#[test]
fn too_few_subnets_fail_their_cluster_alone() {
    let (cause, _) = with(Files::small(), |world| {
        let ec2 = world.ec2(ACCOUNT, "us-east-1");
        ec2.subnets.retain(|_, subnet| subnet.zone.ends_with('a'));
    });
    assert_eq!(
        cause,
        "they are in 1 availability zone(s), and EKS wants two at least"
    );
}

#[test]
fn an_exhausted_cluster_quota_fails_its_cluster_alone() {
    let (cause, _) = with(Files::small(), |world| {
        world.eks(ACCOUNT, "us-east-1").quotas.clusters = 0;
    });
    assert!(
        cause.contains("ResourceLimitExceededException: Cluster quota of 0 exceeded"),
        "{cause}"
    );
}

#[test]
fn an_unsupported_version_fails_its_cluster_alone() {
    let own = "eks_version: \"1.22\"\n";
    let files = Files::small().with("environments/qa-i01-aws-us-east-1.yaml", own);
    let (cause, next) = with(files, |_| {});
    assert!(
        cause.starts_with("EKS has no Kubernetes 1.22 here"),
        "{cause}"
    );
    assert!(next.starts_with("set eks_version to one of "), "{next}");
}

#[test]
fn a_bad_instance_type_fails_its_cluster_alone() {
    let own = "management_node_group_instance_types: [t4g.hugest]\n";
    let files = Files::small().with("environments/qa-i01-aws-us-east-1.yaml", own);
    let (cause, _) = with(files, |_| {});
    assert!(cause.contains("InvalidParameterException"), "{cause}");
    assert!(cause.contains("t4g.hugest"), "{cause}");
}

#[test]
fn all_clusters_of_the_shipped_inventory_come_from_nothing_through_throttles() {
    let files = shipped();
    let faults = r#"{"seed":7,"rules":[{"chance":0.02,"effect":"throttle"}]}"#;
    let lab = Served::fast(world_of(&files, "fresh"), faults);
    let mut clusters = 0;
    let mut throttles = 0;
    for role in ["sandbox", "qa", "mapi", "preview", "nonprod", "prod"] {
        let run = fanout(role, &files, &lab).run().ended(0);
        all(&run, "changed");
        let totals = &run.report()["totals"];
        clusters += totals["clusters"].as_u64().unwrap();
        throttles += totals["throttles"].as_u64().unwrap();
        all(&plan(role, &files, &lab), "unchanged");
    }
    assert_eq!(clusters, 21);
    assert!(throttles > 0, "none of some thousand calls was throttled");
}

/// The inventory of this repository, in a copy.
fn shipped() -> Files {
    let mut files = Files::none();
    for (path, bytes) in ["roles", "environments"]
        .iter()
        .flat_map(|d| contents(&repository().join(d)))
    {
        let path = path.strip_prefix(repository()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        files = files.with(&path.display().to_string(), &text);
    }
    let pipeline = std::fs::read_to_string(repository().join("psk.yaml")).unwrap();
    files.with("psk.yaml", &pipeline).held_to_one_check()
}
