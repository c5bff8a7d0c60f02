//! `psk pipeline`: what CI runs, generated.

use std::fs;
use std::path::Path;

use psk_lab::plausible::plausible;

use crate::harness::{Files, contents, psk, repository};

/// A copy of the whole case that circlepipe's users have, all of it in one directory.
fn circlepipe() -> Files {
    let fixture = repository().join("tests/fixtures/circlepipe");
    contents(&fixture)
        .into_iter()
        .fold(Files::none(), |files, (path, bytes)| {
            let name = path.strip_prefix(&fixture).unwrap().to_str().unwrap();
            files.with(name, &String::from_utf8(bytes).unwrap())
        })
}

/// A file's lines, but for blank ones and blanks at their ends, which mean nothing in YAML.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

const FLAGS: [&str; 10] = [
    "pipeline",
    "generate",
    "--circlepipe",
    "release",
    "--config",
    ".circlepipe.yaml",
    "--EnvFilesPath",
    ".",
    "--PipePath",
    ".",
];

#[test]
fn a_circlepipe_repository_gives_what_circlepipe_gives() {
    let files = circlepipe();
    let run = psk(FLAGS).at(&files).run().ended(0);
    assert!(
        run.stdout.ends_with("19 files, 19 written\n"),
        "{}",
        run.stdout
    );
    assert_eq!(run.stderr, "");
    assert_eq!(
        lines(&files.root().join("generated_config.yml")),
        lines(&files.root().join("expected_generated_config.yml")),
    );
    let again = psk(FLAGS).arg("--check").at(&files).run().ended(0);
    assert_eq!(again.stdout, "19 files as generated\n");
    let files = files.replace("prod.json", "\"50\"", "\"51\"");
    let stale = psk(FLAGS).arg("--check").at(&files).run();
    assert_eq!(stale.code, Some(20));
    assert!(
        stale
            .stdout
            .contains("./prod.tfvars.json is not as it would be generated"),
        "{}",
        stale.stdout
    );
}

#[test]
fn every_setting_may_be_a_flag_or_a_variable() {
    let files = circlepipe();
    let run = psk(FLAGS)
        .arg("--PipeIsPost=false")
        .arg("--PipeOutFile=flag.yml")
        .env("CIRCLEPIPE_PIPEOUTFILE", "variable.yml")
        .env("CIRCLEPIPE_PIPEWORKFLOWNAME", "from the variable")
        .env("CIRCLEPIPE_PIPEISAPPROVE", "false")
        .at(&files)
        .run()
        .ended(0);
    assert!(run.stdout.contains("wrote ./flag.yml\n"), "{}", run.stdout);
    let config = lines(&files.root().join("flag.yml"));
    assert!(config.contains(&"  from the variable:".to_owned()));
    let jobs: Vec<_> = config
        .iter()
        .filter(|line| line.starts_with("      - terraform/") || line.contains("type: approval"))
        .collect();
    assert_eq!(jobs.len(), 14);
    assert!(jobs.iter().all(|job| *job == "      - terraform/plan:"));
}

#[test]
fn what_is_wrong_in_a_circlepipe_repository_is_told_with_its_place() {
    let files = circlepipe().replace("pre-approve.yml", "{{.filter}}", "{{.filter");
    let told = psk(FLAGS).at(&files).run().refused(12);
    assert!(told.contains("pre-approve.yml:16:11"), "{told}");
    let told = psk(["pipeline", "generate", "--circlepipe", "relase"])
        .arg("--EnvFilesPath=.")
        .at(&circlepipe())
        .run()
        .refused(12);
    assert!(told.contains("there is no pipeline \"relase\""), "{told}");
    assert!(told.contains("did you mean \"release\"?"), "{told}");
}

#[test]
fn an_imported_repository_is_an_inventory() {
    let vault = plausible("empc-lab", "aws-nonprod", "aws-account-id");
    let files = circlepipe()
        .replace("default.json", "\"cluster_version\": \"1.27\"", &format!(
            "\"cluster_version\": \"1.35\", \"aws_account_id\": \"{vault}\", \
             \"node_subnet_identifier\": \"node\", \"intra_subnet_identifier\": \"intra\", \
             \"auto_refresh_management_node_group\": \"true\", \"management_node_group_role\": \"management\", \
             \"karpenter_chart_version\": \"1.11.1\""
        ))
        .replace(
            "default.json",
            "\"oidc_client_id\": \"\"",
            "\"oidc_client_id\": \"{{ op://empc-lab/svc-auth0/pskctl-cli-client-id }}\"",
        );
    let import = psk([
        "inventory",
        "import",
        "--EnvFilesPath=.",
        "--PipePath=.",
        "--to=imported",
        "--circlepipe",
    ]);
    let run = import.at(&files).run().ended(0);
    assert!(
        run.stderr
            .contains("note: preview-us-west-2 became preview-i01-aws-us-west-2"),
        "{}",
        run.stderr
    );
    let checked = psk(["--root=imported", "inventory", "check"])
        .at(&files)
        .run()
        .ended(0);
    assert!(
        checked
            .stdout
            .starts_with("The inventory is valid: 7 roles, 19 clusters"),
        "{}",
        checked.stdout
    );
    let told = psk([
        "inventory",
        "import",
        "--EnvFilesPath=.",
        "--PipePath=.",
        "--to=imported",
        "--circlepipe",
    ])
    .at(&files)
    .run()
    .refused(2);
    assert!(
        told.contains("there already: environments/default.yaml"),
        "{told}"
    );
}
