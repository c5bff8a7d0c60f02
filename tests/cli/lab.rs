//! `psk lab` and `--lab`: the same commands against a world that is served, run in or kept.

use std::path::Path;

use insta::assert_snapshot;

use crate::harness::{CANARY, Files, Psk, contents, psk};

fn outcomes(psk: Psk<'_>) -> Vec<String> {
    psk.run().ended(0).outcomes()
}

fn fanout() -> Psk<'static> {
    psk(["fanout", "--role", "qa", "--dry-run", "--output", "json"])
}

#[test]
fn the_environment_alone_leads_into_a_served_lab() {
    let files = Files::small();
    let mut lab = psk(["lab", "up", "--start", "current"]).at(&files).start();
    let mut inside = fanout().at(&files);
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "PSK_HELM") {
        let line = lab.line();
        let export = line
            .strip_prefix("export ")
            .and_then(|rest| rest.split_once('='));
        let (name, value) = export.unwrap_or_else(|| panic!("{line:?} is no export"));
        inside = inside.env(name, value);
        names.push(name.to_owned());
    }
    assert_eq!(
        names,
        [
            "AWS_ENDPOINT_URL",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "CIRCLECI_CLI_HOST",
            "CIRCLE_TOKEN",
            "CIRCLE_CONTINUATION_KEY",
            "OP_CONNECT_HOST",
            "OP_CONNECT_TOKEN",
            "SLACK_API_URL",
            "GITHUB_API_URL",
            "GITHUB_GRAPHQL_URL",
            "GITHUB_TOKEN",
            "GITHUB_REPOSITORY",
            "PSK_COMMIT",
            "PSK_TAG",
            "PSK_BRANCH",
            "PSK_HELM"
        ]
    );
    let of_served = outcomes(inside);
    lab.signal("INT");
    assert_eq!(lab.finish().ended(0).stdout, "");
    assert_eq!(
        of_served,
        outcomes(fanout().at(&files).arg("--lab=current"))
    );
    assert_eq!(of_served.len(), 3);
}

#[test]
fn a_command_runs_inside_a_lab_and_nothing_leads_out_of_it() {
    let files = Files::small();
    let run = psk(["lab", "run", "--", "sh", "-c", "env | cut -d= -f1 | sort"])
        .at(&files)
        .env("GH_TOKEN", "of-the-user")
        .env("GITHUB_APP_ID", "of-the-user")
        .env("AWS_PROFILE", "of-the-user")
        .env("AWS_SESSION_TOKEN", "of-the-user")
        .env("AWS_ENDPOINT_URL_EKS", "https://eks.example.com")
        .env("OP_SERVICE_ACCOUNT_TOKEN", "of-the-user")
        .env("CIRCLE_OIDC_TOKEN_V2", "of-the-user")
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", "https://example.com")
        .env("EDITOR", "stays")
        .run()
        .ended(0);
    let names: Vec<&str> = run
        .stdout
        .lines()
        .filter(|name| !["_", "PWD", "OLDPWD", "SHLVL"].contains(name))
        .collect();
    assert_eq!(
        names,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_DEFAULT_REGION",
            "AWS_ENDPOINT_URL",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "CIRCLECI_CLI_HOST",
            "CIRCLE_CONTINUATION_KEY",
            "CIRCLE_TOKEN",
            "EDITOR",
            "GITHUB_API_URL",
            "GITHUB_GRAPHQL_URL",
            "GITHUB_REPOSITORY",
            "GITHUB_TOKEN",
            "LANG",
            "OP_CONNECT_HOST",
            "OP_CONNECT_TOKEN",
            "PATH",
            "PSK_BRANCH",
            "PSK_COMMIT",
            "PSK_HELM",
            "PSK_TAG",
            "SLACK_API_URL"
        ]
    );
}

#[test]
fn psk_itself_runs_inside_a_lab() {
    let files = Files::small();
    let inner = ["fanout", "--role", "qa", "--dry-run", "--output", "json"];
    let mut command = psk(["lab", "run", "--start", "fresh", "--"])
        .at(&files)
        .arg(assert_cmd::cargo::cargo_bin!("psk"));
    for arg in inner {
        command = command.arg(arg);
    }
    assert_eq!(
        outcomes(command),
        outcomes(fanout().at(&files).arg("--lab=fresh"))
    );
}

#[test]
fn a_commands_exit_code_is_passed_on() {
    let code = |script: &str| psk(["lab", "run", "--", "sh", "-c", script]).run().code;
    assert_eq!(code("exit 0"), Some(0));
    assert_eq!(code("exit 7"), Some(7));
    assert_eq!(code("kill -KILL $$"), Some(1), "it has none to pass on");
    let told = psk(["lab", "run", "--", "no-such-command"])
        .run()
        .refused(2);
    assert!(
        told.starts_with("error: starting no-such-command: "),
        "{told}"
    );
    let told = psk(["lab", "run"]).run().refused(2);
    assert!(told.contains("<COMMAND>"), "{told}");
}

#[test]
fn a_world_is_kept_between_runs() {
    let files = Files::small();
    let state = tempfile::tempdir().unwrap();
    let run = |start: &str| {
        let start = format!("--lab={start}");
        outcomes(
            fanout()
                .at(&files)
                .arg(start)
                .arg("--lab-state")
                .arg(state.path()),
        )
    };
    let fresh = run("fresh");
    assert!(
        fresh.iter().all(|told| told.ends_with(" changed")),
        "{fresh:?}"
    );
    assert_eq!(run("current"), fresh, "the world is the one that was kept");

    let kept = contents(state.path());
    let world = kept.values().next().unwrap();
    assert_eq!(kept.len(), 1);
    assert!(!String::from_utf8_lossy(world).contains(CANARY));

    std::fs::write(state.path().join("world.json"), "{}").unwrap();
    let told = fanout()
        .at(&files)
        .arg("--lab")
        .arg("--lab-state")
        .arg(state.path())
        .run()
        .refused(1);
    assert!(told.contains("delete it to begin anew"), "{told}");
}

#[test]
fn a_faults_file_takes_effect_and_its_mistakes_are_told() {
    let files = Files::small().with(
        "faults.json",
        r#"{"rules":[{"service":"eks","at":1,"effect":"throttle"}]}"#,
    );
    let with = |files: &Files, path: &str| {
        fanout()
            .at(files)
            .arg("--lab")
            .arg("--lab-faults")
            .arg(Path::new(path))
            .run()
    };
    let run = with(&files, "faults.json").ended(0);
    assert_eq!(run.report()["totals"]["throttles"], 1);

    let wrong = files.with(
        "faults.json",
        "{\"rules\": [\n  { \"effect\": \"slow\" }\n]}",
    );
    assert_snapshot!(with(&wrong, "faults.json").refused(2));
    assert_snapshot!(with(&wrong, "nowhere.json").refused(2));
}
