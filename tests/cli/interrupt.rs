//! A run that is interrupted ends soon, with a report of how far it came.

use std::time::{Duration, Instant};

use crate::harness::{Files, Psk, Run, Served, contents, psk, world_of};

/// One cluster at a time: two in us-east-1, then one whose EKS never answers, then one more.
fn stuck() -> (Files, Served) {
    let files = Files::small().replace(
        "roles/qa.yaml",
        "rollout: { failure_tolerance: 100% }",
        "  qa-i01-aws-us-west-2: { aws_region: us-west-2 }\n\
         rollout: { max_concurrent: 1, region_order: [us-east-1, eu-west-1] }",
    );
    let fault = r#"{"rules":[{"service":"eks","region":"eu-west-1","effect":"hang"}]}"#;
    let lab = Served::start(world_of(&files, "behind"), fault);
    (files, lab)
}

fn fanout<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    psk(["fanout", "--dry-run", "--role", "qa"])
        .at(files)
        .inside(lab)
}

/// The run, interrupted once the call that never ends is under way.
fn interrupted(psk: Psk<'_>, lab: &Served, signal: &str) -> Run {
    let running = psk.start();
    lab.wait_for(|call| call.service == "eks" && call.region == "eu-west-1");
    let signalled = Instant::now();
    running.signal(signal);
    let run = running.finish();
    assert!(
        signalled.elapsed() < Duration::from_secs(10),
        "{:?}",
        signalled.elapsed()
    );
    run
}

#[test]
fn ctrl_c_ends_with_a_report_of_what_was_cancelled() {
    let (files, lab) = stuck();
    let run = interrupted(fanout(&files, &lab), &lab, "INT").ended(130);
    for line in [
        "cancelled qa-i01-aws-eu-west-1: during observe",
        "cancelled qa-i01-aws-us-west-2: before it started",
        "Interrupted by SIGINT; run the same command again to continue.",
    ] {
        assert!(
            run.stdout.lines().any(|l| l == line),
            "no {line:?} in {}",
            run.stdout
        );
    }
    assert!(
        run.stdout
            .contains("4 clusters: 1 would change, 1 unchanged, 2 cancelled"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_ci_runners_cancellation_is_reported_to_machines_too() {
    let (files, lab) = stuck();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.json");
    let command = fanout(&files, &lab)
        .arg("--output=json")
        .arg("--report")
        .arg(&path)
        .writing(directory.path());
    let run = interrupted(command, &lab, "TERM").ended(143);
    let outcomes = run.outcomes();
    let [right, behind, observed, waiting] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(
        [right, behind].map(|told| told.contains("us-east-1")),
        [true; 2]
    );
    assert_eq!(observed, "qa-i01-aws-eu-west-1 cancelled");
    assert_eq!(waiting, "qa-i01-aws-us-west-2 cancelled");
    assert_eq!(run.report()["run"]["interrupted"], "SIGTERM");
    assert_eq!(
        run.cluster("qa-i01-aws-eu-west-1")["reason"],
        "during observe"
    );
    assert_eq!(
        run.cluster("qa-i01-aws-us-west-2")["reason"],
        "before it started"
    );
    let written = &contents(directory.path())[&path];
    assert_eq!(String::from_utf8_lossy(written), run.stdout);
}

#[test]
fn a_session_that_is_never_given_holds_up_no_interruption() {
    let files = Files::small();
    let fault = r#"{"rules":[{"service":"sts","operation":"AssumeRole","effect":"hang"}]}"#;
    let lab = Served::start(world_of(&files, "behind"), fault);
    let running = fanout(&files, &lab).arg("--output=json").start();
    lab.wait_for(|call| call.operation == "AssumeRole");
    running.signal("INT");
    let run = running.finish().ended(130);
    let report = run.report();
    let reasons: Vec<_> = report["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["reason"])
        .collect();
    assert_eq!(reasons, ["during session"; 3]);
}

#[test]
fn a_vault_that_never_answers_holds_up_no_interruption() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let files = Files::small();
        let fault = r#"{"rules":[{"service":"connect","effect":"hang"}]}"#;
        let lab = Served::start(world_of(&files, "behind"), fault);
        let running = fanout(&files, &lab).arg("--output=json").start();
        lab.wait_for(|call| call.service == "connect");
        running.signal(signal);
        let run = running.finish().ended(code);
        assert_eq!(
            run.outcomes(),
            [
                "qa-i01-aws-eu-west-1 cancelled",
                "qa-i01-aws-us-east-1 cancelled",
                "qa-i02-aws-us-east-1 cancelled"
            ]
        );
        let cluster = run.cluster("qa-i01-aws-eu-west-1");
        assert_eq!(cluster["reason"], "before it started");
        assert_eq!(cluster["region"], "eu-west-1");
        assert_eq!(
            cluster["account"],
            "op://empc-lab/aws-nonprod/aws-account-id"
        );
        assert_eq!(run.report()["run"]["interrupted"], format!("SIG{signal}"));
    }
}

#[test]
fn a_run_in_its_own_lab_is_interrupted_as_soon() {
    let files = Files::small().with(
        "faults.json",
        r#"{"rules":[{"service":"eks","region":"eu-west-1","effect":"hang"}]}"#,
    );
    let running = psk([
        "fanout",
        "--dry-run",
        "--role",
        "qa",
        "--lab",
        "--output=json",
    ])
    .arg("--lab-faults=faults.json")
    .at(&files)
    .start();
    running.wait_for("[2/3 done]");
    let signalled = Instant::now();
    running.signal("INT");
    let run = running.finish().ended(130);
    assert!(
        signalled.elapsed() < Duration::from_secs(10),
        "{:?}",
        signalled.elapsed()
    );
    assert_eq!(
        run.outcomes(),
        [
            "qa-i01-aws-eu-west-1 cancelled",
            "qa-i01-aws-us-east-1 changed",
            "qa-i02-aws-us-east-1 unchanged"
        ]
    );
}
