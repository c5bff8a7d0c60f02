//! Whole runs of checks: on a right cluster, two at once, interrupted, and killed.

use std::time::{Duration, Instant};

use psk_lab::kubernetes::Mishap;
use serde_json::json;

use super::{CLUSTER, FAST, NO_FAULTS, change, left_behind, trouble};
use crate::harness::{Files, Psk, Run, Served, psk, world_of};

/// A right cluster in which nodes, pods and volumes come soon.
fn right() -> (Files, Served) {
    let files = Files::small().checked();
    let lab = Served::at(world_of(&files, "current"), NO_FAULTS, FAST);
    (files, lab)
}

/// A cluster that never gets a node for arm64, so that a run of the check is under way for minutes.
fn stuck() -> (Files, Served) {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), NO_FAULTS);
    let message = "InsufficientInstanceCapacity".to_owned();
    change(&lab, |inside| {
        inside.troubles.push(trouble(
            "default-arm-node-pool",
            Mishap::NoCapacity { message },
        ));
    });
    (files, lab)
}

fn verify<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    psk(["verify", "--output", "json", "--cluster", CLUSTER])
        .at(files)
        .inside(lab)
}

/// Every check was run and passed.
fn all_passed(run: &Run) {
    let checks = run.cluster(CLUSTER)["checks"].clone();
    let told = checks.as_array().unwrap().iter();
    let mut told: Vec<_> = told
        .map(|check| {
            (
                check["name"].as_str().unwrap(),
                check["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    let mut wanted: Vec<_> = psk::verify::CHECKS
        .iter()
        .map(|check| (check.name, "passed"))
        .collect();
    // They are told as they end.
    told.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
}

#[test]
fn a_right_cluster_passes_every_check_and_is_left_as_it_was() {
    let (files, lab) = right();
    all_passed(&verify(&files, &lab).run().ended(0));
    assert_eq!(left_behind(&lab), [""; 0]);
    lab.wait_until(|| {
        change(&lab, |inside| {
            inside.every("persistentvolumes").count()
                + inside.every("nodeclaims.karpenter.sh").count()
                == 0
        })
    });
}

#[test]
fn two_runs_at_once_do_not_meet() {
    let (files, lab) = right();
    let runs = [(); 2].map(|()| verify(&files, &lab).start());
    for run in runs {
        all_passed(&run.finish().ended(0));
    }
    assert_eq!(left_behind(&lab), [""; 0]);
    assert_eq!(lab.count("create namespaces"), 12);
}

#[test]
fn a_pod_that_is_taken_away_before_it_ended_fails_its_check_at_once() {
    // At its own pace: its pods are far from done.
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), NO_FAULTS);
    let running = verify(&files, &lab).arg("--only=efs-shared").start();
    lab.wait_for(|call| call.operation == "watch pods");
    let room = left_behind(&lab).remove(0);
    change(&lab, |inside| {
        assert!(inside.delete("pods", Some(&room), "second").is_some());
    });
    let run = running.finish().ended(10);
    let told = run.cluster(CLUSTER)["checks"][0]["message"].to_string();
    let cause = "pod second was deleted before it ended";
    assert!(told.contains(cause), "{told}");
}

#[test]
fn ctrl_c_takes_away_what_the_checks_have_made() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (files, lab) = stuck();
        let running = verify(&files, &lab)
            .arg("--only=node-arm64")
            .arg("--only=efs-shared")
            .start();
        lab.wait_for(|call| call.operation == "create deployments");
        let signalled = Instant::now();
        running.signal(signal);
        let run = running.finish().ended(code);
        let took = signalled.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert_eq!(run.outcomes(), [format!("{CLUSTER} cancelled")]);
        // What is being deleted goes by itself.
        lab.wait_until(|| left_behind(&lab).is_empty());
    }
}

#[test]
fn what_a_killed_run_left_is_found_and_removed_once_no_run_can_be_using_it() {
    let (files, lab) = stuck();
    let running = verify(&files, &lab).arg("--only=node-arm64").start();
    lab.wait_for(|call| call.operation == "create deployments");
    running.kill();
    let left = left_behind(&lab);
    assert_eq!(left.len(), 1);

    // Another run may be using it, for all that this one knows.
    let sweep = || {
        psk(["verify", "--cluster", CLUSTER, "--only=namespaces"])
            .at(&files)
            .inside(&lab)
            .run()
            .ended(0)
    };
    sweep();
    assert_eq!(left_behind(&lab), left);

    change(&lab, |inside| {
        let mut namespace = inside.get("namespaces", None, &left[0]).unwrap().clone();
        namespace["metadata"]["annotations"]["psk.dev/expires"] = json!("2026-01-01T00:00:00Z");
        assert!(inside.put(namespace, super::now()));
    });
    let run = sweep();
    let told = format!("removed what a killed run left: {}", left[0]);
    assert!(run.stderr.contains(&told), "no {told:?} in {}", run.stderr);
    lab.wait_until(|| left_behind(&lab).is_empty());
}
