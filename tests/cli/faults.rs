//! What goes wrong while a run is under way stays with the cluster that it happened to, and is told
//! in full.

use insta::{assert_snapshot, with_settings};
use serde_json::Value as Json;

use crate::harness::{Files, Peer, Psk, Run, Served, psk, world_of};

/// The account of the small inventory's qa clusters, as the lab's vault has it.
const QA: &str = "221155668855";

fn fanout(role: &str) -> Psk<'static> {
    psk(["fanout", "--dry-run", "--output", "json", "--role", role])
}

/// What the report tells of the one cluster that failed: step, doing, cause, next.
#[track_caller]
fn failure(run: &Run, cluster: &str) -> [String; 4] {
    let cluster = run.cluster(cluster);
    assert_eq!(cluster["outcome"], "failed");
    assert_eq!(
        cluster["failure"]["already_changed"],
        Json::Array(Vec::new())
    );
    ["step", "doing", "cause", "next"]
        .map(|key| cluster["failure"][key].as_str().unwrap().to_owned())
}

#[test]
fn one_clusters_api_is_down_and_the_others_finish() {
    let fault = r#"{"rules":[{"service":"eks","region":"eu-west-1","effect":
        {"error":{"status":503,"code":"ServiceUnavailableException","message":"down for now"}}}]}"#;
    let (files, lab) = Served::small_with(fault);
    let run = fanout("qa")
        .at(&files)
        .inside(&lab)
        .env("AWS_MAX_ATTEMPTS", "2")
        .run()
        .ended(10);
    assert_eq!(
        run.outcomes(),
        [
            "qa-i01-aws-eu-west-1 failed",
            "qa-i01-aws-us-east-1 changed",
            "qa-i02-aws-us-east-1 unchanged"
        ]
    );
    let [step, doing, cause, next] = failure(&run, "qa-i01-aws-eu-west-1");
    assert_eq!(step, "observe");
    assert!(
        doing.starts_with("listing ") || doing.starts_with("describing "),
        "{doing}"
    );
    assert!(
        cause.starts_with("ServiceUnavailableException: down for now"),
        "{cause}"
    );
    assert_eq!(
        next,
        "the service failed at every retry: see the AWS Health Dashboard for its state in this \
         region, then run again"
    );
    assert!(
        run.stderr
            .contains("qa-i01-aws-eu-west-1: failed in observe"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_service_that_can_not_be_reached_is_told_with_what_to_check() {
    let (files, lab) = Served::small();
    let gone = Peer::start(|_| ("200 OK", "text/plain", String::new())).url();
    let run = fanout("qa")
        .at(&files)
        .inside(&lab)
        .env("AWS_ENDPOINT_URL_EC2", &gone)
        .env("AWS_MAX_ATTEMPTS", "1")
        .run()
        .ended(10);
    let [step, doing, cause, next] = failure(&run, "qa-i01-aws-eu-west-1");
    assert_eq!(step, "observe");
    assert_eq!(doing, "looking for the clusters' subnets in eu-west-1");
    assert!(cause.contains("Connection refused"), "{cause}");
    assert_eq!(
        next,
        "check that the service's endpoint can be reached from here (network, proxy, \
         AWS_ENDPOINT_URL), then run again"
    );
}

#[test]
fn throttles_are_met_counted_and_outlasted() {
    let fault = r#"{"rules":[
        {"service":"eks","at":[1,3],"effect":"throttle"},
        {"service":"ec2","at":2,"effect":"throttle"},
        {"service":"ssm","at":1,"effect":"throttle"},
        {"service":"sts","at":2,"effect":"throttle"}]}"#;
    let (files, lab) = Served::small_with(fault);
    let run = fanout("qa").at(&files).inside(&lab).run().ended(0);
    let totals = &run.report()["totals"];
    assert_eq!(totals["throttles"], 5);
    assert_eq!(totals["retries"], 5);
    let calls = totals["calls"].as_u64().unwrap();
    assert_eq!(
        calls + 5,
        lab.asked() as u64,
        "a retry is no call of its own"
    );

    let lab = Served::start(world_of(&files, "behind"), fault);
    let told = psk(["fanout", "--dry-run", "--role", "qa"])
        .at(&files)
        .inside(&lab)
        .run();
    let told = told.ended(0).stdout;
    assert!(told.contains(" · 5 throttles met · "), "{told}");
}

#[test]
fn resets_and_server_errors_are_tried_again() {
    let fault = r#"{"rules":[
        {"service":"sts","operation":"AssumeRole","at":1,"effect":"reset"},
        {"service":"ec2","at":1,"effect":"reset_after"},
        {"service":"eks","at":2,"effect":
          {"error":{"status":500,"code":"ServerException","message":"oops"}}},
        {"service":"ssm","at":1,"effect":
          {"error":{"status":503,"code":"InternalServerError","message":"oops"}}}]}"#;
    let (files, lab) = Served::small_with(fault);
    let run = fanout("qa").at(&files).inside(&lab).run().ended(0);
    assert_eq!(run.report()["totals"]["retries"], 4);
    assert_eq!(run.report()["totals"]["throttles"], 0);
}

#[test]
fn too_many_attempts_that_are_no_number_are_refused() {
    let (files, lab) = Served::small();
    let told = fanout("qa")
        .at(&files)
        .inside(&lab)
        .env("AWS_MAX_ATTEMPTS", "0")
        .run()
        .refused(1);
    assert_eq!(
        told,
        "error: reading AWS_MAX_ATTEMPTS: \"0\" is no number of attempts\n next: set it to 1 or \
         more, or leave it unset\n"
    );
}

#[test]
fn a_missing_vpc_and_too_few_subnets_fail_their_own_clusters() {
    let files = Files::small();
    let mut world = world_of(&files, "behind");
    world.ec2(QA, "eu-west-1").vpcs.clear();
    let ec2 = world.ec2(QA, "us-east-1");
    let vpc = ec2
        .vpcs
        .values()
        .find(|vpc| vpc.tags["Name"] == "qa-i02-aws-us-east-1-vpc");
    let vpc = vpc.unwrap().id.clone();
    ec2.subnets.retain(|_, subnet| {
        subnet.vpc_id != vpc || subnet.tags["Tier"] != "intra" || subnet.zone.ends_with('a')
    });
    let lab = Served::start(world, "{}");
    let run = fanout("qa").at(&files).inside(&lab).run().ended(10);
    assert_eq!(
        failure(&run, "qa-i01-aws-eu-west-1"),
        [
            "observe",
            "looking for VPC qa-i01-aws-eu-west-1-vpc",
            "no VPC in eu-west-1 has the tag Name=qa-i01-aws-eu-west-1-vpc",
            "run the network pipeline for this cluster first, or correct cluster_name or aws_region"
        ]
    );
    assert_eq!(
        failure(&run, "qa-i02-aws-us-east-1"),
        [
            "observe",
            &format!("looking for the subnets of {vpc} tagged Tier=intra"),
            "they are in 1 availability zone(s), and EKS wants two at least",
            "tag the subnets in the network pipeline, or correct node_subnet_identifier or \
             intra_subnet_identifier"
        ]
    );
    assert_eq!(run.cluster("qa-i01-aws-us-east-1")["outcome"], "changed");
}

#[test]
fn a_role_that_may_not_be_assumed_fails_the_clusters_of_its_account_only() {
    let files = Files::small().replace(
        "roles/prod.yaml",
        "after",
        "rollout: { failure_tolerance: 2 }\nafter",
    );
    let refused = |change: fn(&mut psk_lab::iam::Account)| {
        let mut world = world_of(&files, "current");
        change(world.iam("444455556666"));
        let lab = Served::start(world, "{}");
        let run = fanout("prod").at(&files).inside(&lab).run().ended(10);
        assert_eq!(
            run.cluster("prod-i01-aws-us-west-2")["outcome"],
            "unchanged"
        );
        let told = failure(&run, "prod-i01-aws-us-east-1");
        let calls = lab.calls();
        assert!(
            calls.iter().all(|call| call.account != "444455556666"),
            "{calls:?}"
        );
        told
    };
    let role = "arn:aws:iam::444455556666:role/PSKRoles/PSKControlPlaneBaseRole";
    let expected = [
        "session".to_owned(),
        format!("assuming {role}"),
        format!(
            "AccessDenied: User: arn:aws:iam::123456789012:user/psk-lab is not authorized to \
             perform: sts:AssumeRole on resource: {role}"
        ),
        "allow this action to the role that psk assumes (aws_assume_role) or, for sts, let that \
         role trust psk's identity; then run again"
            .to_owned(),
    ];
    assert_eq!(
        refused(|iam| iam.roles.clear()),
        expected,
        "it doesn't exist"
    );
    let untrusting = |iam: &mut psk_lab::iam::Account| {
        for role in iam.roles.values_mut() {
            role.trust["Statement"][0]["Principal"]["AWS"] =
                "arn:aws:iam::999988887777:root".into();
        }
    };
    assert_eq!(refused(untrusting), expected, "it doesn't trust psk");
}

/// A STS whose sessions are all of one account, whoever's role is assumed.
fn sts_of(account: &'static str) -> Peer {
    Peer::start(move |request| {
        let (operation, result) = if request.contains("Action=AssumeRole&") {
            (
                "AssumeRole",
                "<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret\
                 </SecretAccessKey><SessionToken>token</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
                    .to_owned(),
            )
        } else {
            let result = format!(
                "<Arn>arn:aws:sts::{account}:assumed-role/r/s</Arn><UserId>AROA:s</UserId>\
                 <Account>{account}</Account>"
            );
            ("GetCallerIdentity", result)
        };
        let body = format!(
            "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <{operation}Result>{result}</{operation}Result></{operation}Response>"
        );
        ("200 OK", "text/xml", body)
    })
}

#[test]
fn an_account_that_is_not_the_expected_one_is_left_alone() {
    let (files, lab) = Served::small();
    let sts = sts_of("999988887777");
    let run = fanout("qa")
        .at(&files)
        .inside(&lab)
        .env("AWS_ENDPOINT_URL_STS", &sts.url())
        .run()
        .ended(10);
    for cluster in [
        "qa-i01-aws-eu-west-1",
        "qa-i01-aws-us-east-1",
        "qa-i02-aws-us-east-1",
    ] {
        assert_eq!(
            failure(&run, cluster),
            [
                "session",
                &format!("checking that psk is in account {QA}"),
                &format!(
                    "the session of arn:aws:iam::{QA}:role/PSKRoles/PSKControlPlaneBaseRole is in \
                     account 999988887777"
                ),
                "correct aws_account_id or aws_assume_role in the cluster's settings, or the \
                 credentials psk was started with"
            ]
        );
    }
    assert_eq!(
        sts.requests().len(),
        2,
        "AssumeRole and GetCallerIdentity, once"
    );
    assert_eq!(
        lab.aws_calls(),
        <[&str; 0]>::default(),
        "nothing else was called"
    );
}

#[test]
fn past_the_tolerance_nothing_new_starts() {
    let files = Files::small().replace(
        "roles/qa.yaml",
        "failure_tolerance: 100%",
        "max_concurrent: 1, region_order: [eu-west-1]",
    );
    let mut world = world_of(&files, "behind");
    world.ec2(QA, "eu-west-1").vpcs.clear();
    let lab = Served::start(world.clone(), "{}");
    let run = psk(["fanout", "--dry-run", "--role", "qa"])
        .at(&files)
        .inside(&lab)
        .run();
    with_settings!({ filters => [(r"\d+\.\d\b", "[seconds]")] }, {
        assert_snapshot!(run.ended(10).stdout);
    });

    let lab = Served::start(world, "{}");
    let run = fanout("qa").at(&files).inside(&lab).run().ended(10);
    assert_eq!(
        run.outcomes(),
        [
            "qa-i01-aws-eu-west-1 failed",
            "qa-i01-aws-us-east-1 skipped",
            "qa-i02-aws-us-east-1 skipped"
        ]
    );
    assert_eq!(
        run.cluster("qa-i02-aws-us-east-1")["reason"],
        "qa-i01-aws-eu-west-1 failed"
    );
    let calls = lab.aws_calls();
    assert!(
        !calls
            .iter()
            .any(|call| call.ends_with("us-east-1") && !call.starts_with("sts")),
        "{calls:?}"
    );
}
