//! A release on its way through the roles: what the gate lets through, what it refuses, what is
//! proved by whose word. All through the binary, in one lab each.

use psk_lab::github::{AccountType, Repository, Status, StatusState, Token, TokenKind};
use psk_lab::world::World;
use serde_json::Value as Json;

use crate::harness::{Files, Psk, Run, Served, psk, world_of};

const BOT: &str = "psk-release[bot]";

/// Six roles of one cluster each, in the order of the shipped inventory.
fn fleet() -> Files {
    let role = |name: &str, head: &str| {
        format!("{head}clusters:\n  {name}-i01-aws-us-east-1: {{ aws_region: us-east-1 }}\n")
    };
    Files::small()
        .with(
            "psk.yaml",
            "name: psk-test\npromotion:\n  trusted_creators: [\"psk-release[bot]\"]\n  \
             signing_key: \"{{ op://empc-lab/svc-psk/promotion-key }}\"\n",
        )
        .with("roles/sandbox.yaml", &role("sandbox", "trigger: push\n"))
        .with("roles/qa.yaml", &role("qa", "after: [sandbox]\n"))
        .with("roles/preview.yaml", &role("preview", "after: [qa]\n"))
        .with("roles/nonprod.yaml", &role("nonprod", "after: [preview]\n"))
        .with("roles/prod.yaml", &role("prod", "after: [nonprod]\n"))
        .with("roles/mapi.yaml", &role("mapi", "after: [qa]\n"))
}

/// The fleet's world, in which every cluster is as it should be.
struct Promotion {
    files: Files,
    lab: Served,
    commit: String,
}

impl Promotion {
    fn new() -> Self {
        Self::of(fleet(), "{}")
    }

    fn of(files: Files, faults: &str) -> Self {
        let world = world_of(&files, "current");
        let commit = repository(&world).branches["main"].clone();
        let lab = Served::start(world, faults);
        Self { files, lab, commit }
    }

    /// A command in a job of the default branch.
    fn pushed<const N: usize>(&self, args: [&str; N]) -> Psk<'_> {
        let psk = psk(args).at(&self.files).inside(&self.lab);
        psk.env("PSK_COMMIT", &self.commit)
            .env("PSK_BRANCH", "main")
            .env("PSK_RUN_URL", "https://ci.example/7")
    }

    /// A command in a job of the tag.
    fn tagged<const N: usize>(&self, args: [&str; N]) -> Psk<'_> {
        self.pushed(args)
            .without("PSK_BRANCH")
            .env("PSK_TAG", "v0.0.0-lab")
    }

    fn fanout(&self, role: &str) -> Psk<'_> {
        let args = [
            "fanout",
            "--output=json",
            "--poll-interval=0.1",
            "--role",
            role,
        ];
        if role == "sandbox" {
            self.pushed(args)
        } else {
            self.tagged(args)
        }
    }

    /// The roles before that one hold the release.
    fn held(self, roles: &[&str]) -> Self {
        for role in roles {
            self.fanout(role).run().ended(0);
        }
        self
    }

    /// Is refused by the gate, and nothing is written anywhere.
    fn refused(&self, psk: Psk<'_>) -> String {
        let before = self.writes();
        let told = psk.run().refused(11);
        assert_eq!(self.writes(), before);
        told
    }

    /// What was written, to whatever service.
    fn writes(&self) -> Vec<String> {
        let reads = |operation: &str| {
            let name = operation
                .split_once('/')
                .map_or(operation, |(_, name)| name);
            [
                "Get", "List", "Describe", "Assume", "get", "list", "graphql",
            ]
            .iter()
            .any(|verb| name.starts_with(verb))
        };
        let calls = self.lab.calls();
        let written = calls.iter().filter(|call| !reads(&call.operation));
        written
            .map(|call| format!("{} {}", call.service, call.operation))
            .collect()
    }

    /// Every status of a context, the earliest first, as `state by creator: text`.
    fn statuses(&self, context: &str) -> Vec<String> {
        self.lab.with_world(|world| {
            let statuses = repository(world).statuses.iter();
            statuses
                .filter(|status| status.context == context)
                .map(|status| {
                    let text = status.description.as_deref().unwrap_or_default();
                    format!("{:?} by {}: {text}", status.state, status.creator)
                })
                .collect()
        })
    }

    /// The last status of a context.
    fn last(&self, context: &str) -> Status {
        self.lab.with_world(|world| {
            let statuses = repository(world).statuses.iter().rev();
            statuses
                .clone()
                .find(|status| status.context == context)
                .unwrap()
                .clone()
        })
    }

    /// Puts a status there, by whatever way it came.
    fn forge(&self, change: impl FnOnce(&mut Status), context: &str) {
        let mut status = self.last(context);
        change(&mut status);
        self.lab.with_world(|world| {
            status.id = world.github.next_id();
            repository_mut(world).statuses.push(status);
        });
    }

    fn board(&self) -> Json {
        self.tagged(["promote", "status", "--output=json"])
            .run()
            .ended(0)
            .report()
    }
}

fn repository(world: &World) -> &Repository {
    &world.github.repositories[0]
}

fn repository_mut(world: &mut World) -> &mut Repository {
    &mut world.github.repositories[0]
}

fn proof(run: &Run) -> Json {
    run.report()["statuses"].clone()
}

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
fn another_commits_proof_is_not_believed() {
    let promotion = Promotion::new().held(&["sandbox"]);
    let other = "9".repeat(40);
    promotion.lab.with_world(|world| {
        let repository = repository_mut(world);
        let commit = repository.commits.values().next().unwrap().clone();
        repository.commits.insert(other.clone(), commit);
        repository
            .tags
            .get_mut("v0.0.0-lab")
            .unwrap()
            .commit
            .clone_from(&other);
    });
    let qa = || promotion.fanout("qa").env("PSK_COMMIT", &other);
    let told = promotion.refused(qa());
    assert!(told.contains("no status of it on this commit"), "{told}");
    // Even by who is trusted: the signature is over the commit.
    promotion.forge(|status| status.sha.clone_from(&other), "psk/sandbox");
    let told = promotion.refused(qa());
    assert!(told.contains("its proof's signature is wrong"), "{told}");
}

#[test]
fn another_creators_proof_is_not_believed() {
    let promotion = Promotion::new().held(&["sandbox"]);
    promotion.lab.with_world(|world| {
        world.github.account("mallory", AccountType::User);
        for status in &mut repository_mut(world).statuses {
            status.creator = "mallory".into();
        }
    });
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(
        told.contains("its status is by mallory, who is not trusted"),
        "{told}"
    );
}

#[test]
fn a_proof_of_another_inventory_is_not_believed() {
    let mut promotion = Promotion::new().held(&["sandbox"]);
    promotion.files = promotion
        .files
        .with("environments/prod.yaml", "log_retention_days: 30\n");
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(told.contains("it holds another inventory"), "{told}");
}

#[test]
fn a_proof_that_is_younger_than_the_soak_is_waited_for() {
    let files = fleet().replace("roles/qa.yaml", "after:", "rollout: { soak: 30m }\nafter:");
    let promotion = Promotion::of(files, "{}").held(&["sandbox"]);
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(told.contains("sandbox has held it for 30m"), "{told}");
    assert!(told.contains("next: wait until "), "{told}");
    promotion.lab.with_world(|world| {
        for status in &mut repository_mut(world).statuses {
            status.created -= jiff::SignedDuration::from_mins(30);
        }
    });
    promotion.fanout("qa").run().ended(0);
}

#[test]
fn a_proof_that_was_changed_or_made_by_hand_is_not_believed() {
    let promotion = Promotion::new().held(&["sandbox"]);
    let text = promotion.last("psk/sandbox").description.unwrap();
    let (before, _) = text.rsplit_once("sig=").unwrap();
    for (forged, doubt) in [
        (
            format!("{before}sig=AAAAAAAAAAAAAAAAAAAAAA]"),
            "its proof's signature is wrong",
        ),
        (format!("{}]", before.trim_end()), "its proof is not signed"),
        ("all fine".to_owned(), "it was made by hand"),
    ] {
        promotion.forge(|status| status.description = Some(forged), "psk/sandbox");
        let told = promotion.refused(promotion.fanout("qa"));
        assert!(told.contains(doubt), "{told}");
    }
}

#[test]
fn a_later_failure_beats_a_success_and_so_does_it_beat_a_copy() {
    let promotion = Promotion::new().held(&["sandbox"]);
    let success = promotion.last("psk/sandbox");
    let failed = |status: &mut Status| {
        status.state = StatusState::Failure;
        status.description = Some("1 failed in 2m".into());
    };
    promotion.forge(failed, "psk/sandbox");
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(
        told.contains("psk-release[bot] says failure: 1 failed in 2m"),
        "{told}"
    );
    promotion.forge(|status| *status = success, "psk/sandbox");
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(
        told.contains("its proof is a copy of an earlier one"),
        "{told}"
    );
}

#[test]
fn statuses_of_clusters_are_no_proof() {
    let promotion = Promotion::new().held(&["sandbox"]);
    promotion.lab.with_world(|world| {
        repository_mut(world)
            .statuses
            .retain(|status| status.context != "psk/sandbox");
    });
    assert_eq!(
        promotion
            .last("psk/sandbox/sandbox-i01-aws-us-east-1")
            .state,
        StatusState::Success
    );
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(told.contains("no status of it on this commit"), "{told}");
}

#[test]
fn a_role_that_is_rolled_out_in_parts_is_held_once_it_is_sealed() {
    let two = "trigger: push\nclusters:\n  sandbox-i01-aws-us-east-1: { aws_region: us-east-1 }\n  \
               sandbox-i02-aws-us-east-1: { aws_region: us-east-1 }\n";
    let promotion = Promotion::of(fleet().with("roles/sandbox.yaml", two), "{}");
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

#[test]
fn a_role_with_a_failed_cluster_is_not_held() {
    let fault = r#"{"rules":[{"service":"eks","operation":"DescribeCluster","effect":
        {"error":{"status":400,"code":"InvalidParameterException","message":"no"}}}]}"#;
    let promotion = Promotion::of(fleet(), fault);
    let run = promotion.fanout("sandbox").run().ended(10);
    assert_eq!(proof(&run)["state"], "failure");
    let told = promotion.refused(promotion.fanout("qa"));
    assert!(
        told.contains("psk-release[bot] says failure: 1 failed in "),
        "{told}"
    );
}

#[test]
fn a_freeze_stops_everything() {
    let promotion = Promotion::new().held(&["sandbox"]);
    promotion.forge(
        |status| {
            status.context = "psk/freeze".into();
            status.state = StatusState::Error;
            status.description = Some("incident 12".into());
        },
        "psk/sandbox",
    );
    for role in ["sandbox", "qa"] {
        let told = promotion.refused(promotion.fanout(role));
        assert!(
            told.contains("psk/freeze on main is error: incident 12"),
            "{told}"
        );
    }
    promotion.forge(|status| status.state = StatusState::Success, "psk/freeze");
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
fn a_token_that_is_not_trusted_proves_nothing() {
    let promotion = Promotion::new();
    promotion.lab.with_world(|world| {
        world.github.account("mallory", AccountType::User);
        let token = Token {
            login: "mallory".into(),
            kind: TokenKind::Personal,
            writes_statuses: true,
            expires: None,
        };
        world.github.tokens.insert("ghp_mallory".into(), token);
    });
    let run = promotion
        .fanout("sandbox")
        .env("GITHUB_TOKEN", "ghp_mallory")
        .hiding("ghp_mallory");
    let run = run.run().ended(10);
    assert!(
        proof(&run)["disbelieved"]
            .as_str()
            .unwrap()
            .starts_with("it is by mallory")
    );
}

#[test]
fn without_trusted_creators_the_runs_own_word_counts() {
    let files = fleet().with("psk.yaml", "name: psk-test\n");
    let promotion = Promotion::of(files, "{}").held(&["sandbox", "qa"]);
    let text = promotion.last("psk/qa").description.unwrap();
    assert!(!text.contains("sig="), "{text}");
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
        graph.starts_with("flowchart LR\n  sandbox[\"sandbox<br/>held since "),
        "{graph}"
    );
    assert!(
        graph.contains("  qa[\"qa<br/>may run now\"]:::next\n  sandbox --> qa\n"),
        "{graph}"
    );
    let unknown = promotion
        .tagged(["promote", "status", "--sha", "nope"])
        .run()
        .refused(2);
    assert!(unknown.contains("\"nope\" is no commit"), "{unknown}");
}

#[test]
fn a_signal_finalises_every_status() {
    let hang = r#"{"rules":[{"service":"eks","operation":"DescribeCluster","effect":"hang"}]}"#;
    let promotion = Promotion::of(fleet(), hang);
    let running = promotion.fanout("sandbox").start();
    promotion
        .lab
        .wait_for(|call| call.operation == "DescribeCluster");
    running.signal("TERM");
    running.finish().ended(143);
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
