//! Checks go on through whatever befalls the API server and the watches of it.

use super::{CLUSTER, FAST, NO_FAULTS, left_behind};
use crate::harness::{Files, Run, Served, psk, world_of};

/// Seconds that pass in these worlds for each real one: a check that waits for a node lasts a second.
const SLOW: f64 = 20.0;

/// Runs checks that wait for a node and for two pods, while faults happen. All pass, and nothing stays.
fn goes_on(speed: f64, faults: &str) -> (Served, Run) {
    let files = Files::small();
    let lab = Served::at(world_of(&files, "current"), faults, speed);
    let run = psk(["verify", "--output", "json", "--cluster", CLUSTER])
        .arg("--only=node-amd64")
        .arg("--only=ebs-volume")
        .arg("--only=efs-shared")
        .at(&files)
        .inside(&lab)
        .run()
        .ended(0);
    let checks = run.cluster(CLUSTER)["checks"].clone();
    let outcomes: Vec<_> = checks
        .as_array()
        .unwrap()
        .iter()
        .map(|check| &check["outcome"])
        .collect();
    assert_eq!(outcomes, ["passed"; 3]);
    assert_eq!(left_behind(&lab), [""; 0]);
    (lab, run)
}

/// How often a call was answered with a status.
fn answered(lab: &Served, operation: &str, status: Option<u16>) -> usize {
    let calls = lab.calls().into_iter();
    calls
        .filter(|call| call.operation == operation && call.status == status)
        .count()
}

#[test]
fn watches_that_are_cut_off_go_on() {
    let (lab, _) = goes_on(
        SLOW,
        r#"{"rules":[{"service":"kubernetes","operation":"watch *","effect":{"cut_after_ms":150}}]}"#,
    );
    assert!(lab.count("watch pods") > 3, "they were never cut off");
}

#[test]
fn watches_whose_past_is_gone_begin_anew() {
    let (lab, _) = goes_on(
        SLOW,
        r#"{"rules":[{"service":"kubernetes","operation":"watch *","effect":{"expire_after_ms":150}}]}"#,
    );
    let (lists, watches) = (lab.count("list pods"), lab.count("watch pods"));
    // Pods are watched from the moment they were made, so that a list comes only after a loss; but for
    // that of the deployment's pods.
    assert!(lists > 1, "{lists} lists, {watches} watches");
}

#[test]
fn a_past_that_is_gone_before_a_watch_begins_is_listed_again() {
    let expired = r#"{"rules":[{"service":"kubernetes","operation":"watch pods","at":[1,2,3],
        "effect":{"error":{"status":410,"code":"Expired","message":"too old resource version: 1 (2)"}}}]}"#;
    let (lab, _) = goes_on(SLOW, expired);
    assert_eq!(answered(&lab, "watch pods", Some(410)), 3);
}

#[test]
fn a_token_that_expires_in_mid_watch_is_made_anew() {
    // A token tells its age in whole seconds, so that one of one second may be old at once.
    let (lab, _) = goes_on(
        SLOW / 4.0,
        r#"{"token_seconds":2,"rules":[{"service":"kubernetes","operation":"watch *","effect":{"cut_after_ms":1200}}]}"#,
    );
    assert!(
        lab.calls()
            .iter()
            .any(|call| call.service == "kubernetes" && call.status == Some(401)),
        "no token had expired"
    );
}

#[test]
fn an_api_server_that_is_away_for_twenty_seconds_is_waited_for() {
    let (lab, _) = goes_on(
        SLOW,
        r#"{"rules":[{"service":"kubernetes","operation":"watch pods","at":2,"effect":{"away_seconds":20}}]}"#,
    );
    assert_eq!(answered(&lab, "watch pods", None), 1);
}

#[test]
fn calls_that_fail_once_are_made_again_and_make_nothing_twice() {
    for effect in [
        r#""throttle""#,
        r#""reset""#,
        r#""reset_after""#,
        r#"{"error":{"status":500,"code":"InternalError","message":"etcdserver: leader changed"}}"#,
    ] {
        let rule = r#"{"service":"kubernetes","writes":true,"first":true,"effect":"#;
        let (lab, run) = goes_on(FAST, &format!(r#"{{"rules":[{rule}{effect}}}]}}"#));
        let calls = run.cluster(CLUSTER)["calls"].clone();
        assert!(calls["retries"].as_u64().unwrap() > 5, "{effect}: {calls}");
        let namespaces = lab.count("create namespaces");
        assert_eq!(namespaces, 6, "{effect}");
    }
}

#[test]
fn nothing_befalls_an_undisturbed_run() {
    let (lab, run) = goes_on(FAST, NO_FAULTS);
    assert_eq!(run.cluster(CLUSTER)["calls"]["retries"], 0);
    assert_eq!(lab.count("create namespaces"), 3);
    // Those of the deployment's; what psk made by itself is watched from then on.
    assert_eq!(lab.count("list pods"), 1);
}
