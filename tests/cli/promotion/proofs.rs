//! What proves that a role holds a release, and what does not.

use psk_lab::github::{AccountType, Status, StatusState, Token, TokenKind};

use super::{Promotion, fleet, proof, repository_mut};
use crate::harness::github_app;
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
fn a_token_that_is_not_trusted_proves_nothing() {
    let promotion = Promotion::new();
    promotion.lab.with_world(|world| {
        world.github.account("mallory", AccountType::User);
        let token = Token {
            login: "mallory".into(),
            kind: TokenKind::Personal,
            writes_statuses: true,
            writes_contents: true,
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

/// A cluster that was rolled out by itself after its role's proof, and failed: the role is not what its
/// proof says.
#[test]
fn a_cluster_that_failed_since_then_undoes_its_roles_proof() {
    let two = "trigger: push\nclusters:\n  sandbox-i01-aws-us-east-1: { aws_region: us-east-1 }\n  \
               sandbox-i01-aws-us-west-2: { aws_region: us-west-2 }\n";
    let files = fleet().with("roles/sandbox.yaml", two);
    let fault = r#"{"rules":[{"service":"eks","region":"us-west-2","operation":"DescribeNodegroup","at":[2],
        "effect":{"error":{"status":400,"code":"InvalidParameterException","message":"no"}}}]}"#;
    let promotion = Promotion::of(files, fault).held(&["sandbox"]);
    let alone = || {
        let fanout = promotion.fanout("sandbox");
        fanout.arg("--cluster").arg("sandbox-i01-aws-us-west-2")
    };
    alone().run().ended(10);
    let told = promotion.refused(promotion.fanout("qa"));
    let why =
        "after its proof psk/sandbox/sandbox-i01-aws-us-west-2 came to be failure: observe failed";
    assert!(told.contains(why), "{told}");
    alone().run().ended(0);
    promotion.fanout("qa").run().ended(0);
}

/// A GitHub App in the place of a token: it finds its installation, and what it proves bears its name.
#[test]
fn an_app_proves_by_its_own_name() {
    let promotion = Promotion::of(fleet().with("psk.yaml", "name: psk-test\n"), "{}");
    let pem = github_app(&promotion.lab);
    let by_app = |role: &str, written: &str| {
        let fanout = promotion.fanout(role).without("GITHUB_TOKEN");
        let fanout = fanout.env("GITHUB_APP_ID", "12").hiding(&pem);
        fanout.env("GITHUB_APP_PRIVATE_KEY", written)
    };
    by_app("sandbox", &pem).run().ended(0);
    assert_eq!(promotion.last("psk/sandbox").creator, "acme-releases[bot]");
    // In a variable of one line the line breaks are written out.
    by_app("qa", &pem.replace('\n', "\\n")).run().ended(0);
    let told = promotion.refused(promotion.fanout("preview"));
    let why = "its status is by acme-releases[bot], who is not trusted";
    assert!(told.contains(why), "{told}");
}

/// Whose word counts, where statuses are and how they are called stands in psk.yaml alone.
#[test]
fn policy_is_the_pipelines_and_a_role_cannot_loosen_it() {
    let files = fleet().replace(
        "roles/qa.yaml",
        "after:",
        "promotion: { trusted_creators: [eve] }\nafter:",
    );
    let promotion = Promotion::new();
    let told = promotion.refused_with(12, promotion.fanout("qa").at(&files));
    assert!(told.contains("unknown key \"promotion\""), "{told}");

    let elsewhere = fleet().replace(
        "psk.yaml",
        "promotion:",
        "repository: psk-lab/other\nstatuses: { prefix: ship }\npromotion:",
    );
    promotion.lab.with_world(|world| {
        let mut other = world.github.repositories[0].clone();
        other.name = "other".into();
        other.owner = "psk-lab".into();
        world.github.repositories.push(other);
    });
    promotion.fanout("sandbox").at(&elsewhere).run().ended(0);
    let contexts = |n: usize| {
        promotion.lab.with_world(|world| {
            let statuses = &world.github.repositories[n].statuses;
            let mut contexts: Vec<String> = statuses.iter().map(|s| s.context.clone()).collect();
            contexts.dedup();
            contexts
        })
    };
    assert_eq!(contexts(0), <[&str; 0]>::default());
    assert_eq!(
        contexts(1).first().map(String::as_str),
        Some("ship/sandbox")
    );
}
