//! Roles that several jobs roll out, each a part of its clusters.

use psk::inventory::{Inventory, Trigger};
use psk::pipeline::{Per, graph};
use psk_lab::github::{Status, StatusState};
use serde_json::Value as Json;

use super::{Promotion, fleet, proof};
use crate::harness::{Files, Psk};

/// The fleet with a second cluster in the sandbox.
fn two() -> Files {
    let two = "trigger: push\nclusters:\n  sandbox-i01-aws-us-east-1: { aws_region: us-east-1 }\n  \
               sandbox-i02-aws-us-east-1: { aws_region: us-east-1 }\n";
    fleet().with("roles/sandbox.yaml", two)
}

#[test]
fn a_role_that_is_rolled_out_in_parts_is_held_once_it_is_sealed() {
    // GitHub is busy when the seal is written, which is the first status of the role's own.
    let busy = r#"{"rules":[{"service":"github","operation":"repos/create-commit-status","at":[5],
        "effect":{"error":{"status":503,"code":"","message":"unicorn"}}}]}"#;
    let promotion = Promotion::of(two(), busy);
    let part = |shard: &str| promotion.fanout("sandbox").arg(shard).run().ended(0);
    let seal = || promotion.pushed(["promote", "seal", "--role", "sandbox"]);
    assert_eq!(proof(&part("--shard=1/2"))["state"], Json::Null);
    let told = promotion.refused(seal());
    assert!(
        told.contains("1 of 2 clusters of sandbox are not proven to hold the release"),
        "{told}"
    );
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(told.contains("no status of it on this commit"), "{told}");
    part("--shard=2/2");
    let sealed = seal().run().ended(0).stdout;
    assert_eq!(
        sealed,
        "psk/sandbox: success, 2 clusters hold it, rolled out in parts\n"
    );
    promotion.fanout("qa").run().ended(0);
}

/// A run over the whole role that failed, and said nothing of its clusters, is not sealed over.
#[test]
fn a_role_that_failed_since_its_parts_were_done_is_not_sealed() {
    let promotion = Promotion::of(two(), "{}");
    let part = |shard: &str| promotion.fanout("sandbox").arg(shard).run().ended(0);
    let seal = || promotion.pushed(["promote", "seal", "--role", "sandbox"]);
    part("--shard=1/2");
    part("--shard=2/2");
    let failed = |status: &mut Status| {
        status.context = "psk/sandbox".into();
        status.state = StatusState::Failure;
        status.description = Some("1 failed in 2m".into());
    };
    promotion.forge(failed, "psk/sandbox/sandbox-i01-aws-us-east-1");
    let told = promotion.refused(seal());
    let why = "sandbox-i02-aws-us-east-1: sandbox came to be failure since then";
    assert!(told.contains(why), "{told}");
    part("--shard=1/2");
    part("--shard=2/2");
    seal().run().ended(0);
}

/// One person approves a plan of the whole role, and several jobs apply it, each a part.
#[test]
fn a_plan_that_was_approved_is_applied_part_by_part() {
    let promotion = Promotion::of(two(), "{}");
    promotion
        .pushed(["plan", "--role", "sandbox", "--out", "plan.json"])
        .run()
        .ended(0);
    let part = |part: &str| {
        let apply = promotion.pushed(["apply", "plan.json", "--role=sandbox", "--output=json"]);
        apply.arg(part)
    };
    let seal = || promotion.pushed(["promote", "seal", "--role", "sandbox"]);
    for (which, cluster) in [
        ("--shard=1/2", "sandbox-i01-aws-us-east-1"),
        (
            "--cluster=sandbox-i02-aws-us-east-1",
            "sandbox-i02-aws-us-east-1",
        ),
    ] {
        promotion.refused(seal());
        let run = part(which).run().ended(0);
        assert_eq!(run.outcomes(), [format!("{cluster} unchanged")]);
        assert_eq!(proof(&run)["state"], Json::Null);
    }
    seal().run().ended(0);
    let status = promotion.last("psk/sandbox");
    assert_eq!(status.state, StatusState::Success);

    let usage = |psk: Psk<'_>| psk.run().refused(2);
    let other = usage(promotion.pushed(["apply", "plan.json", "--role=qa"]));
    assert!(
        other.contains("the saved plan is of sandbox, not of qa"),
        "{other}"
    );
    let unknown = usage(part("--cluster=qa-i01-aws-us-east-1"));
    let told = "the saved plan has no cluster qa-i01-aws-us-east-1";
    assert!(unknown.contains(told), "{unknown}");
}

/// Every job of a generated pipeline, run in its order: the release gets to the end of the graph.
#[test]
fn the_jobs_of_a_generated_pipeline_take_a_release_to_the_end() {
    let two = "after: [nonprod]\napproval: required\nclusters:\n  \
               prod-i01-aws-us-east-1: { aws_region: us-east-1 }\n  \
               prod-i02-aws-us-east-1: { aws_region: us-east-1 }\n";
    let files = fleet().with("roles/prod.yaml", two);
    let inventory = Inventory::load(files.root()).unwrap();
    let promotion = Promotion::of(files, "{}").held(&["sandbox"]);
    std::fs::create_dir(promotion.files.root().join("psk-plan")).unwrap();
    let jobs = graph::release(&inventory, Trigger::Tag, Per::Shards(2));
    let mut ran = Vec::new();
    for job in &jobs {
        assert!(job.requires.iter().all(|name| ran.contains(name)), "{job}");
        if let Some(arguments) = job.arguments() {
            let psk = promotion.tagged(["--color=never"]);
            let psk = arguments
                .iter()
                .fold(psk, |psk, argument| psk.arg(argument));
            psk.run().ended(0);
        }
        ran.push(job.name());
    }
    assert!(ran.contains(&"seal prod".to_owned()), "{ran:?}");
    let board = promotion.board();
    let roles = board["roles"].as_array().unwrap();
    let without = roles.iter().find(|role| role["proof"].is_null());
    assert_eq!(without, None);
}

/// What checks would have found isn't known, so no role can follow, and no parts be sealed.
#[test]
fn a_run_that_leaves_checks_out_proves_nothing() {
    let checked = two().replace("environments/default.yaml", "aws-roles, ", "");
    let promotion = Promotion::of(checked, "{}");
    let seal = || promotion.pushed(["promote", "seal", "--role", "sandbox"]);
    for part in ["--skip=aws-roles", "--only=aws-cluster"] {
        let run = promotion.fanout("sandbox").arg(part).run().ended(0);
        assert_eq!(proof(&run)["state"], Json::Null);
        let told = "checks are left out (--only, --skip): this run proves nothing";
        assert!(run.stderr.contains(told), "{}", run.stderr);
        assert_eq!(promotion.statuses("psk/sandbox"), [""; 0]);
        for cluster in ["sandbox-i01-aws-us-east-1", "sandbox-i02-aws-us-east-1"] {
            let last = promotion.last(&format!("psk/sandbox/{cluster}"));
            assert_eq!(last.state, StatusState::Error);
        }
        promotion.refused(promotion.fanout("qa"));
        promotion.refused(seal());
    }
    promotion.fanout("sandbox").run().ended(0);
    promotion.fanout("qa").run().ended(0);
}
