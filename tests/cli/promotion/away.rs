//! GitHub away at the start, in the middle and at the end; a run that is told to stop.

use psk_lab::github::StatusState;

use super::{Promotion, fleet, proof};
#[test]
fn without_github_a_dry_run_works_and_a_run_that_writes_says_what_it_takes() {
    let promotion = Promotion::new();
    let run = promotion
        .fanout("sandbox")
        .arg("--dry-run")
        .without("GITHUB_TOKEN")
        .run()
        .ended(0);
    let check = &run.report()["gate"]["checks"][0];
    assert_eq!(check["met"], "unknown");
    let told = promotion.refused(promotion.fanout("sandbox").without("GITHUB_TOKEN"));
    assert!(
        told.contains("no token for GitHub: neither GITHUB_TOKEN nor GH_TOKEN is set"),
        "{told}"
    );
    let told = promotion.refused(promotion.fanout("sandbox").without("GITHUB_REPOSITORY"));
    assert!(told.contains("no repository on GitHub is known"), "{told}");
}

#[test]
fn github_away_at_the_start_touches_nothing() {
    let down = r#"{"rules":[{"service":"github","effect":
        {"error":{"status":503,"code":"","message":"unicorn"}}}]}"#;
    let promotion = Promotion::of(fleet(), down);
    let told = promotion.refused(promotion.fanout("sandbox"));
    assert!(told.contains("answered 503: unicorn"), "{told}");
}

#[test]
fn a_proof_that_github_does_not_take_in_is_told_and_the_next_run_makes_it() {
    // The first write is the role's beginning; all after it are refused, as long as the lab runs.
    let refuse = r#"{"rules":[{"service":"github","operation":"repos/create-commit-status","at":[2,3,4],
        "effect":{"error":{"status":403,"code":"","message":"Resource not accessible by integration"}}}]}"#;
    let promotion = Promotion::of(fleet(), refuse);
    let run = promotion
        .pushed(["fanout", "--role", "sandbox"])
        .run()
        .ended(10);
    assert!(
        run.stdout.contains("Statuses that GitHub did not take in:"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("  psk/sandbox success: 1 unchanged in "),
        "{}",
        run.stdout
    );
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(told.contains("a run is under way"), "{told}");
    promotion.fanout("sandbox").run().ended(0);
    promotion.fanout("qa").run().ended(0);
}

#[test]
fn github_away_in_the_middle_fails_nothing_and_loses_nothing() {
    let away = r#"{"rules":[{"service":"github","operation":"repos/create-commit-status","at":[2,3,4],
        "effect":{"error":{"status":503,"code":"","message":"unicorn"}}}]}"#;
    let promotion = Promotion::of(fleet(), away);
    let run = promotion.fanout("sandbox").run().ended(0);
    assert_eq!(proof(&run)["state"], "success");
    assert_eq!(proof(&run)["undelivered"], serde_json::json!([]));
    let cluster = promotion.last("psk/sandbox/sandbox-i01-aws-us-east-1");
    assert_eq!(cluster.state, StatusState::Success);
    promotion.fanout("qa").run().ended(0);
}

#[test]
fn a_signal_finalises_every_status() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let hang = r#"{"rules":[{"service":"eks","operation":"DescribeCluster","effect":"hang"}]}"#;
        let promotion = Promotion::of(fleet(), hang);
        let running = promotion.fanout("sandbox").start();
        promotion
            .lab
            .wait_for(|call| call.operation == "DescribeCluster");
        running.signal(signal);
        running.finish().ended(code);
        for context in ["psk/sandbox", "psk/sandbox/sandbox-i01-aws-us-east-1"] {
            let status = promotion.last(context);
            assert_eq!(status.state, StatusState::Error, "{context}");
        }
        let told = promotion.refused(promotion.fanout("qa"));
        assert!(
            told.contains("psk-release[bot] says error: 1 cancelled in "),
            "{told}"
        );
    }
}

/// A signal ends a run that waits for its gate, and nothing was done.
#[test]
fn a_run_that_waits_for_its_gate_can_be_stopped() {
    let files = fleet().replace("roles/qa.yaml", "after:", "rollout: { soak: 30m }\nafter:");
    let promotion = Promotion::of(files, "{}").held(&["sandbox"]);
    let before = promotion.writes();
    let running = promotion.fanout("qa").arg("--wait-for-gate=1h").start();
    running.wait_for("waiting for ");
    running.signal("TERM");
    let run = running.finish().ended(143);
    assert_eq!(run.outcomes(), ["qa-i01-aws-us-east-1 cancelled"]);
    assert_eq!(promotion.writes(), before);
}
