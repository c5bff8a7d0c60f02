//! In which order a release goes through the roles, and what else keeps it back.

use psk_lab::github::StatusState;
use serde_json::Value as Json;

use super::{BOT, Promotion, fleet, proof, repository};
use crate::harness::{CANARY, psk};
#[test]
fn a_release_goes_through_every_role_in_its_order_and_in_no_other() {
    let promotion = Promotion::new();
    let roles = ["sandbox", "qa", "preview", "nonprod", "prod", "mapi"];
    let after = |role: &str| match role {
        "sandbox" => None,
        "qa" => Some("sandbox"),
        "preview" | "mapi" => Some("qa"),
        "nonprod" => Some("preview"),
        _ => Some("nonprod"),
    };
    let mut held: Vec<&str> = Vec::new();
    for role in roles {
        for other in roles {
            let open = after(other).is_none_or(|before| held.contains(&before));
            if !open {
                let told = promotion.refused(promotion.fanout(other));
                let missing = format!("{} holds this release", after(other).unwrap());
                assert!(told.contains(&missing), "{told}");
            }
        }
        let run = promotion.fanout(role).run().ended(0);
        assert_eq!(proof(&run)["state"], "success", "{role}");
        assert_eq!(run.report()["gate"]["overridden"], Json::Null);
        held.push(role);
    }
    let [pending, success] = promotion.statuses("psk/prod").try_into().unwrap();
    assert_eq!(
        pending,
        format!("Pending by {BOT}: rolling out to 1 cluster")
    );
    assert!(
        success.starts_with(&format!("Success by {BOT}: 1 unchanged in ")),
        "{success}"
    );
    assert!(
        success.contains("; v1.35 [inv=") && success.contains(" sig="),
        "{success}"
    );
    assert_eq!(
        promotion.last("psk/prod").target_url.as_deref(),
        Some("https://ci.example/7")
    );
    let cluster = promotion.last("psk/prod/prod-i01-aws-us-east-1");
    assert_eq!(cluster.state, StatusState::Success);
    let told = promotion
        .lab
        .with_world(|world| format!("{:?}", repository(world).statuses));
    let secrets = promotion.lab.secrets();
    for secret in secrets.iter().map(String::as_str).chain([CANARY]) {
        assert!(!told.contains(secret), "a status tells a secret");
    }
    let board = promotion.board();
    let of_roles = board["roles"].as_array().unwrap();
    assert!(
        of_roles.iter().all(|role| role["proof"]["by"] == BOT),
        "{board:#}"
    );
}

#[test]
fn the_trigger_has_to_match() {
    let promotion = Promotion::new().held(&["sandbox"]);
    let told = promotion.refused(promotion.pushed(["fanout", "--role", "qa"]));
    assert!(
        told.contains("the commit bears no tag that is known here"),
        "{told}"
    );
    let told = promotion.refused(promotion.tagged(["fanout", "--role", "sandbox"]));
    assert!(told.contains("tag v0.0.0-lab on no branch"), "{told}");
    let feature = promotion
        .pushed(["fanout", "--role", "sandbox"])
        .env("PSK_BRANCH", "feature");
    let told = promotion.refused(feature);
    assert!(told.contains("branch feature, not main"), "{told}");
    let gone = promotion
        .tagged(["fanout", "--role", "qa"])
        .env("PSK_TAG", "v9");
    let told = promotion.refused(gone);
    assert!(told.contains("GitHub has no tag v9"), "{told}");
}

#[test]
fn a_freeze_stops_everything() {
    let promotion = Promotion::new().held(&["sandbox"]);
    promotion.freeze(StatusState::Error);
    for role in ["sandbox", "qa"] {
        let told = promotion.refused(promotion.fanout(role));
        assert!(
            told.contains("psk/freeze on main is error: incident 12"),
            "{told}"
        );
    }
    promotion.freeze(StatusState::Success);
    promotion.fanout("qa").run().ended(0);
}

#[test]
fn an_override_is_told_everywhere() {
    let promotion = Promotion::new();
    let run = promotion
        .tagged([
            "fanout",
            "--role",
            "prod",
            "--override-gate",
            "incident 12",
            "--report",
            "r.json",
        ])
        .run()
        .ended(0);
    assert!(
        run.stderr
            .contains("gate of prod: SHUT, AND OVERRIDDEN: incident 12"),
        "{}",
        run.stderr
    );
    let text = promotion.last("psk/prod").description.unwrap();
    assert!(
        text.starts_with("gate overridden (incident 12): 1 unchanged in "),
        "{text}"
    );
    let report = std::fs::read_to_string(promotion.files.root().join("r.json")).unwrap();
    let report: Json = serde_json::from_str(&report).unwrap();
    assert_eq!(report["gate"]["overridden"], "incident 12");
}

#[test]
fn a_dry_run_shows_the_gate_and_is_not_refused() {
    let promotion = Promotion::new();
    let run = promotion
        .tagged(["fanout", "--role", "prod", "--dry-run"])
        .run()
        .ended(0);
    assert!(run.stderr.contains("gate of prod: shut"), "{}", run.stderr);
    assert!(
        run.stderr.contains("next: psk fanout --role sandbox"),
        "{}",
        run.stderr
    );
    assert_eq!(promotion.writes(), <[&str; 0]>::default());
}

#[test]
fn a_dirty_checkout_releases_nothing() {
    let promotion = Promotion::new();
    let git = |args: &[&str]| {
        let status = std::process::Command::new("git")
            .arg("-C")
            .arg(promotion.files.root())
            .args(args)
            .status();
        assert!(status.unwrap().success());
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&[
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "commit",
        "-q",
        "-m",
        "x",
    ]);
    std::fs::write(
        promotion.files.root().join("environments/qa.yaml"),
        "log_retention_days: 30\n",
    )
    .unwrap();
    let run = promotion.fanout("sandbox").without("PSK_COMMIT");
    let told = promotion.refused(run);
    assert!(
        told.contains(
            "this can't be released: the checkout is not what its commit says: environments/qa.yaml"
        ),
        "{told}"
    );
}

#[test]
fn the_board_tells_where_a_release_stands() {
    let promotion = Promotion::new().held(&["sandbox"]);
    let run = promotion.tagged(["promote", "status"]).run().ended(0);
    assert!(
        run.stdout.contains("\nNext:\n  psk fanout --role qa\n"),
        "{}",
        run.stdout
    );
    let waits = "not until qa holds this release: no status of it on this commit";
    assert!(run.stdout.contains(waits), "{}", run.stdout);
    let board = promotion.board();
    let may: Vec<&str> = board["roles"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|role| role["may_run"] == true)
        .map(|role| role["role"].as_str().unwrap())
        .collect();
    assert_eq!(may, ["qa"], "sandbox takes a push");
    assert_eq!(board["roles"][0]["proof"]["url"], "https://ci.example/7");
    let graph = promotion
        .tagged(["promote", "status", "--output=mermaid"])
        .run()
        .ended(0)
        .stdout;
    assert!(
        graph.starts_with("flowchart LR\n  r0[\"sandbox<br/>held since "),
        "{graph}"
    );
    assert!(
        graph.contains("  r1[\"qa<br/>may run now\"]:::next\n  r0 --> r1\n"),
        "{graph}"
    );
    let unknown = promotion
        .tagged(["promote", "status", "--sha", "nope"])
        .run()
        .refused(2);
    assert!(unknown.contains("\"nope\" is no commit"), "{unknown}");
}

#[test]
fn the_newcomers_command_is_proved_in_its_own_lab() {
    let files = fleet();
    let run = psk([
        "fanout",
        "--role",
        "sandbox",
        "--lab=current",
        "--output=json",
    ])
    .at(&files)
    .run()
    .ended(0);
    assert_eq!(proof(&run)["state"], "success");
    let state = tempfile::tempdir().unwrap();
    let kept = |args: [&str; 5]| {
        psk(args)
            .arg("--lab-state")
            .arg(state.path())
            .at(&files)
            .run()
    };
    kept([
        "fanout",
        "--role",
        "sandbox",
        "--lab=current",
        "--output=json",
    ])
    .ended(0);
    kept(["fanout", "--role", "qa", "--lab=current", "--output=json"]).ended(0);
    kept(["fanout", "--role", "prod", "--lab=current", "--output=json"]).ended(11);
}

#[test]
fn a_freeze_in_the_pipelines_file_holds_for_its_time_and_says_why() {
    let files = fleet().replace(
        "psk.yaml",
        "promotion:\n",
        "promotion:\n  freeze: [{ from: 2000-01-01T00:00:00Z, to: 2100-01-01T00:00:00Z, reason: stocktaking }]\n",
    );
    let promotion = Promotion::of(files, "{}");
    let told = promotion.refused(promotion.fanout("sandbox"));
    assert!(
        told.contains("psk.yaml, until 2100-01-01 00:00Z: stocktaking"),
        "{told}"
    );
}

/// Whatever command changes a role's clusters, it is held to the role's gate.
#[test]
fn no_command_slips_past_the_gate() {
    let promotion = Promotion::new();
    promotion
        .tagged(["plan", "--role", "qa", "--out", "plan.json"])
        .run()
        .ended(0);
    for command in [
        ["apply", "--role", "qa"],
        ["apply", "--cluster", "qa-i01-aws-us-east-1"],
        ["apply", "plan.json", "--role=qa"],
    ] {
        let told = promotion.refused(promotion.tagged(command));
        assert!(told.contains("sandbox holds this release"), "{told}");
    }
    let promotion = promotion.held(&["sandbox"]);
    let run = promotion
        .tagged(["apply", "plan.json", "--output=json"])
        .run()
        .ended(0);
    assert_eq!(proof(&run)["state"], "success");
    promotion.fanout("preview").run().ended(0);
}

#[test]
fn nothing_is_taken_apart_in_a_freeze_and_a_role_that_lost_a_cluster_holds_nothing() {
    let files = fleet().replace(
        "environments/default.yaml",
        "eks_version:",
        "deletion_protection: false\neks_version:",
    );
    let promotion = Promotion::fast(files).held(&["sandbox"]);
    let cluster = "sandbox-i01-aws-us-east-1";
    let destroy = || {
        let args = ["destroy", "--cluster", cluster, "--confirm", cluster];
        promotion.pushed(args).arg("--poll-interval=0.05")
    };
    promotion.freeze(StatusState::Error);
    let told = promotion.refused(destroy());
    assert!(
        told.contains("psk/freeze on main is error: incident 12"),
        "{told}"
    );
    assert!(!told.contains("started by a push"), "{told}");
    promotion.freeze(StatusState::Success);
    destroy().run().ended(0);
    let told = promotion.refused(promotion.fanout("qa"));
    let why =
        "after its proof psk/sandbox/sandbox-i01-aws-us-east-1 came to be error: taken apart in";
    assert!(told.contains(why), "{told}");
}

#[test]
fn a_gate_that_lacks_time_alone_is_waited_for_and_no_longer_than_asked() {
    let soak = |soak: &str| {
        let rollout = format!("rollout: {{ soak: {soak} }}\nafter:");
        let files = fleet().replace("roles/qa.yaml", "after:", &rollout);
        Promotion::of(files, "{}").held(&["sandbox"])
    };
    let promotion = soak("4s");
    let held = promotion.last("psk/sandbox").created;
    promotion
        .fanout("qa")
        .arg("--wait-for-gate=1m")
        .run()
        .ended(0);
    let begun = promotion.lab.with_world(|world| {
        let statuses = &repository(world).statuses;
        statuses
            .iter()
            .find(|status| status.context == "psk/qa")
            .unwrap()
            .created
    });
    assert!(
        begun >= held + jiff::SignedDuration::from_secs(4),
        "{held} {begun}"
    );

    let promotion = soak("30m");
    let told = promotion.refused(promotion.fanout("qa").arg("--wait-for-gate=29m"));
    assert!(told.contains("sandbox has held it for 30m"), "{told}");
    // What time doesn't help with isn't waited for.
    let told = promotion.refused(promotion.fanout("preview").arg("--wait-for-gate=1h"));
    assert!(told.contains("qa holds this release"), "{told}");
}
