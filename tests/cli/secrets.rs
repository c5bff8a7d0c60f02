//! No secret is told or written, however much psk is asked to tell. Every run of these tests is
//! searched for canaries; here are the runs that would be the likeliest to let one out.

use psk_lab::state;

use crate::harness::{Files, Served, identity_token, psk, secrets_of, world_of};

/// Retries, a refusal, and a cluster that fails.
const FAULTS: &str = r#"{"rules":[
    {"service":"connect","operation":"GetVaultItemById","at":1,"effect":"throttle"},
    {"service":"sts","operation":"AssumeRole","at":1,"effect":"reset_after"},
    {"service":"eks","region":"us-west-2","effect":
      {"error":{"status":403,"code":"AccessDeniedException","message":"no"}}}]}"#;

#[test]
fn the_most_verbose_log_holds_no_secret() {
    let (files, lab) = Served::small_with(FAULTS);
    let run = psk(["fanout", "--role", "prod", "--dry-run"])
        .at(&files)
        .inside(&lab)
        .env("RUST_LOG", "trace")
        .run()
        .ended(10);
    for level in [" DEBUG ", " TRACE "] {
        assert!(run.stderr.contains(level), "{}", run.stderr);
    }
    assert!(!run.stderr.contains('\u{1b}'), "no colours go into a pipe");
}

#[test]
fn asking_for_the_deepest_parts_of_the_exchange_tells_no_token() {
    let targets = [
        "aws_smithy_runtime",
        "aws_smithy_runtime::client::orchestrator",
        "aws_smithy_runtime::client::orchestrator::http",
        "aws_smithy_runtime::client::orchestrator::auth",
        "aws_sdk_sts",
        "aws_config",
        "aws_sigv4::http_request::sign",
        "reqwest",
        "hyper::proto",
        "hyper_util::client",
        "psk",
    ];
    let log = targets.map(|target| format!("{target}=trace")).join(",");
    let (files, lab) = Served::small_with(FAULTS);
    let token = identity_token(|_| {});
    let run = psk(["fanout", "--role", "prod", "--dry-run", "--output", "json"])
        .at(&files)
        .inside(&lab)
        .without("AWS_ACCESS_KEY_ID")
        .env(
            "AWS_ROLE_ARN",
            "arn:aws:iam::123456789012:role/PSKRoles/psk-ci",
        )
        .env("CIRCLE_OIDC_TOKEN_V2", &token)
        .env("RUST_LOG", &log)
        .hiding(&token)
        .run()
        .ended(10);
    let of_aws = |level: &str| {
        let mut lines = run.stderr.lines();
        lines.any(|line| line.contains(level) && line.contains(" aws_smithy_runtime::"))
    };
    assert!(of_aws(" DEBUG "), "{}", run.stderr);
    assert!(!of_aws(" TRACE "), "whole answers are left out");
}

#[test]
fn the_lab_in_the_same_process_tells_no_secret_either() {
    let directory = tempfile::tempdir().unwrap();
    let written = tempfile::tempdir().unwrap();
    let world = world_of(&Files::small(), "behind");
    state::save(directory.path(), &serde_json::to_vec(&world).unwrap()).unwrap();
    let files = Files::small();
    let run = psk([
        "fanout",
        "--role",
        "prod",
        "--dry-run",
        "--lab",
        "--lab-state",
    ])
    .arg(directory.path())
    .arg("--report")
    .arg(written.path().join("report.json"))
    .at(&files)
    .env("RUST_LOG", "trace")
    .writing(written.path())
    .run()
    .ended(0);
    let world = state::load(directory.path()).unwrap().unwrap();
    let secrets = secrets_of(&world);
    assert!(secrets.len() > 4, "the sessions of the run are among them");
    let report = std::fs::read_to_string(written.path().join("report.json")).unwrap();
    for text in [&run.stdout, &run.stderr, &report] {
        let found = secrets.iter().find(|secret| text.contains(*secret));
        assert_eq!(found, None);
    }
}

#[test]
fn a_planted_secret_would_be_found() {
    // The search itself, on a command that prints a secret because it is told to.
    let told = std::panic::catch_unwind(|| {
        psk(["lab", "run", "--", "sh", "-c", "echo $LEAK"])
            .env("LEAK", "told-by-mistake")
            .hiding("told-by-mistake")
            .run()
    });
    let told = *told.unwrap_err().downcast::<String>().unwrap();
    assert!(told.contains("a secret stands in stdout"), "{told}");
}
