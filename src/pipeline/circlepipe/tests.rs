use std::fs;

use tempfile::TempDir;

use super::*;
use crate::env::Env;
use crate::pipeline::go::{Value, read_yaml};

/// A repository that a test writes: everything in one directory, as circlepipe's own tests have it.
struct Repository(TempDir);

const CONFIG: &str = "version: 2.1\n\nsetup: true\non-tag: &on-tag\n  tags:\n    only: /.*/\n\nworkflows:\n  x:\n    jobs: []\n";

const PRE: &str = "      - plan:\n          name: plan {{.instance}} change\n          role: {{.role}}\n          job: {{.jobname}}\n          \
    {{.lastjob}}\n          {{.priorapprovalrequired}}\n";

const POST: &str = "      - apply:\n          name: apply {{.instance}} change\n          requires:\n            - {{.approvaljobname}}\n";

const CONTROL: &str = "\
release:
  filter: \"*on-tag\"
  deploy: [qa, prod]
  roles:
    qa:
      deploy: [qa-1, qa-2]
      instances:
        qa-1: { region: eu, size: 012 }
        qa-2: { region: us }
    prod:
      deploy: [prod-1]
      instances:
        prod-1: { region: eu }
";

impl Repository {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
            .with("config.yml", CONFIG)
            .with("generate.yaml", CONTROL)
            .with(
                "default.json",
                r#"{"a": "default", "b": "default", "c": "default", "d": "default"}"#,
            )
            .with(
                "release.json",
                r#"{"b": "release", "c": "release", "d": "release"}"#,
            )
            .with("qa.json", r#"{"c": "qa", "d": "qa"}"#)
            .with("qa-1.json", r#"{"d": "qa-1", "region": "overridden"}"#)
            .with("pre-approve.yml", PRE)
            .with("post-approve.yml", POST)
    }

    fn with(self, path: &str, text: &str) -> Self {
        fs::write(self.0.path().join(path), text).unwrap();
        self
    }

    fn generate(&self, flags: &[(&str, &str)]) -> Result<Generated, Problems> {
        let source = SettingsSource {
            flags: [("EnvFilesPath", "."), ("PipePath", ".")]
                .iter()
                .chain(flags)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            config: None,
        };
        let mut checkout = Checkout::at(self.0.path());
        let (settings, _) = Settings::read(&source, &Env::default(), &checkout)?;
        generate("release", &settings, &mut checkout)
    }

    fn config(&self, flags: &[(&str, &str)]) -> Value {
        let generated = self.generate(flags).unwrap();
        read_yaml(&generated.files["./generated_config.yml"]).unwrap()
    }

    /// The generated workflow: each job's name and what it requires.
    fn jobs(&self, flags: &[(&str, &str)]) -> Vec<String> {
        let text = self.generate(flags).unwrap().files["./generated_config.yml"].clone();
        let config: serde_json::Value = serde_json::to_value(read_yaml(&text).unwrap()).unwrap();
        let jobs = &config["workflows"]["continuation-generated-workflow"]["jobs"];
        jobs.as_array()
            .unwrap()
            .iter()
            .map(|job| {
                let (key, given) = job.as_object().unwrap().iter().next().unwrap();
                let name = given["name"].as_str().unwrap_or(key);
                let requires = given["requires"].as_array().cloned().unwrap_or_default();
                let requires: Vec<_> = requires.iter().map(|r| r.as_str().unwrap()).collect();
                format!("{name} < {}", requires.join(", "))
            })
            .collect()
    }
}

#[test]
fn the_shipped_case_gives_its_expected_result() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/circlepipe");
    let source = SettingsSource {
        flags: [("EnvFilesPath", "."), ("PipePath", ".")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        config: Some(".circlepipe.yaml".to_owned()),
    };
    let mut checkout = Checkout::at(root);
    let (settings, notes) = Settings::read(&source, &Env::default(), &checkout).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    let generated = generate("release", &settings, &mut checkout).unwrap();
    let expected = fs::read_to_string(format!("{root}/expected_generated_config.yml")).unwrap();
    let read = |text: &str| read_yaml(text).unwrap();
    assert_eq!(
        read(&generated.files["./generated_config.yml"]),
        read(&expected)
    );
    assert_eq!(generated.files.len(), 1 + 4 + 14);
    let prod: serde_json::Value =
        serde_json::from_str(&generated.files["./prod-us-west-2.tfvars.json"]).unwrap();
    assert_eq!(prod["default_node_group_capacity_type"], "ON-DEMAND");
    assert_eq!(
        prod["from_default_changed_by_release_json"],
        "changed by release.json"
    );
    assert_eq!(prod["from_generate_aws_region"], "us-west-1");
    assert_eq!(prod["cluster_version"], "1.27");
    assert!(generated.notes.is_empty(), "{:?}", generated.notes);
}

#[test]
fn env_files_are_merged_layer_by_layer() {
    let generated = Repository::new().generate(&[]).unwrap();
    let file = |name: &str| -> serde_json::Value {
        serde_json::from_str(&generated.files[&format!("./{name}.tfvars.json")]).unwrap()
    };
    let json = serde_json::json!({"a": "default", "b": "release", "c": "qa", "d": "qa"});
    assert_eq!(file("qa"), json);
    let json = serde_json::json!({
        "a": "default", "b": "release", "c": "qa", "d": "qa-1", "region": "eu", "size": 10
    });
    assert_eq!(file("qa-1"), json);
    assert_eq!(file("prod")["c"], "release");
    assert_eq!(file("prod-1")["region"], "eu");
}

#[test]
fn env_files_may_be_yaml_on_both_sides() {
    let repository = Repository::new()
        .with("default.yaml", "a: yes\nlist: [1, x]\nmap: { k: 1.5 }\n")
        .with("qa-1.yaml", "b: \"no\"\n");
    let generated = repository
        .generate(&[
            ("EnvFilesExt", ".yaml"),
            ("EnvFilesWriteExt", ".tfvars.yml"),
        ])
        .unwrap();
    let text = &generated.files["./qa-1.tfvars.yml"];
    assert_eq!(
        read_yaml(text).unwrap().to_string(),
        "map[a:true b:no list:[1 x] map:map[k:1.5] region:eu size:10]"
    );
    let json: serde_json::Value = serde_json::from_str(
        &repository
            .generate(&[("EnvFilesExt", ".yaml")])
            .unwrap()
            .files["./qa-1.tfvars.json"],
    )
    .unwrap();
    assert_eq!(json["map"]["k"], 1.5);
}

#[test]
fn a_repository_without_a_config_gets_its_env_files_alone() {
    let repository = Repository::new();
    let source = |path: Option<&str>| SettingsSource {
        flags: [("EnvFilesPath", Some(".")), ("PipePath", path)]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect(),
        config: None,
    };
    let generated = |path| {
        let mut checkout = Checkout::at(repository.0.path());
        let (settings, _) = Settings::read(&source(path), &Env::default(), &checkout).unwrap();
        generate("release", &settings, &mut checkout)
    };
    let files = generated(None).unwrap();
    assert_eq!(files.files.len(), 5);
    assert_eq!(
        files.notes,
        ["there is no .circleci/config.yml: only the env files are written"]
    );
    let problems = generated(Some("elsewhere")).unwrap_err().to_string();
    assert!(
        problems.starts_with("elsewhere/config.yml is missing"),
        "{problems}"
    );
}

#[test]
fn a_control_file_in_json_says_the_same() {
    let json = serde_json::to_string(&read_yaml(CONTROL).unwrap()).unwrap();
    // Go's JSON doesn't mind the case of a field's name.
    let json = json.replace("\"deploy\"", "\"Deploy\"");
    let repository = Repository::new().with("multi.json", &json);
    let flags = [("PipeControlFileName", "multi.json")];
    assert_eq!(repository.config(&flags), repository.config(&[]));
}

#[test]
fn approvals_come_after_pre_jobs() {
    assert_eq!(
        Repository::new().jobs(&[]),
        [
            "plan qa-1 change < ",
            "plan qa-2 change < ",
            "approve qa changes < plan qa-1 change, plan qa-2 change",
            "apply qa-1 change < approve qa changes",
            "apply qa-2 change < approve qa changes",
            // The template's lastjob comes first; YAML's last key of a name wins.
            "plan prod-1 change < approve qa changes",
            "approve prod changes < apply qa-1 change, apply qa-2 change, plan prod-1 change",
            "apply prod-1 change < approve prod changes",
        ]
    );
}

#[test]
fn approvals_come_after_post_jobs() {
    let post =
        "      - test:\n          name: apply {{.instance}} change\n          {{.lastjob}}\n";
    let pre = "      - deploy:\n          name: plan {{.role}} change\n          {{.priorapprovalrequired}}\n";
    let jobs = Repository::new()
        .with("pre-approve.yml", pre)
        .with("post-approve.yml", post)
        .jobs(&[
            ("PipeApproveAfterPre", "false"),
            ("PipeApproveAfterPost", "true"),
            ("PipePreRoleOnly", "true"),
            ("PipeSkipApproval", "prod"),
        ]);
    assert_eq!(
        jobs,
        [
            "plan qa change < ",
            "apply qa-1 change < plan qa change",
            "apply qa-2 change < plan qa change",
            "approve qa changes < apply qa-1 change, apply qa-2 change",
            "plan prod change < approve qa changes",
            "apply prod-1 change < plan prod change",
        ]
    );
}

#[test]
fn role_only_jobs_see_the_roles_values_and_approvals_none() {
    let pre = "      - d:\n          name: plan {{.role}} change\n          c: {{.c}}\n          i: {{.instance}}\n";
    let approval = "      - {{.jobname}}:\n          type: approval\n          c: {{.c}}\n          {{.jobstobeapproved}}\n";
    let repository = Repository::new()
        .with("pre-approve.yml", pre)
        .with("approve.yml", approval);
    let config = repository.config(&[
        ("PipePreRoleOnly", "true"),
        ("PipeIsPost", "false"),
        ("PipeApprovalTemplate", "approve.yml"),
        ("PipeWorkflowName", "w"),
    ]);
    let json = serde_json::to_value(config).unwrap();
    assert_eq!(
        json["workflows"]["w"]["jobs"],
        serde_json::json!([
            {"d": {"name": "plan qa change", "c": "qa", "i": null}},
            {"approve qa changes": {"type": "approval", "c": "<no value>", "requires": ["plan qa change"]}},
            {"d": {"name": "plan prod change", "c": "release", "i": null}},
            {"approve prod changes": {"type": "approval", "c": "<no value>", "requires": ["plan prod change"]}},
        ])
    );
}

#[test]
fn all_instances_at_once_without_approvals() {
    let nightly =
        "      - test:\n          name: {{.instance}} test\n          {{.priorapprovalrequired}}\n";
    let jobs = Repository::new().with("nightly.yml", nightly).jobs(&[
        ("PipeIsApprove", "false"),
        ("PipeIsPost", "false"),
        ("PipePreTemplate", "nightly.yml"),
        ("PipePreJobName", "%s test"),
        ("PipePriorJobsRequired", "false"),
    ]);
    assert_eq!(jobs, ["qa-1 test < ", "qa-2 test < ", "prod-1 test < "]);
}

#[test]
fn a_heading_of_ones_own_and_no_env_files() {
    let repository = Repository::new()
        .with(
            "heading.yml",
            "workflows:\n  %s:\n    when: always\n    jobs:\n",
        )
        .with("qa-1.tfvars.json", "{}");
    let generated = repository
        .generate(&[
            ("PipeWorkflowHeading", "heading.yml"),
            ("EnvFilesCreate", "false"),
        ])
        .unwrap();
    assert_eq!(generated.files.len(), 1);
    let text = &generated.files["./generated_config.yml"];
    assert!(text.contains("\n  continuation-generated-workflow:\n    when: always\n"));
    assert!(!text.contains("setup: true") && text.contains("&on-tag"));
}

#[test]
fn a_job_that_requires_a_skipped_approval_is_noted() {
    let generated = Repository::new()
        .generate(&[("PipeSkipApproval", "qa")])
        .unwrap();
    assert_eq!(
        generated.notes.last().unwrap(),
        "continuation-generated-workflow: \"plan prod-1 change\" requires \"approve qa changes\", \
         which is no job of the workflow: CircleCI will refuse it"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let broken = CONTROL
        .replace("  filter: \"*on-tag\"\n", "")
        .replace("[qa-1, qa-2]", "[qa-1, qa-3, ../x]");
    for (repository, told) in [
        (
            Repository::new().with("generate.yaml", "releases: {}\n"),
            "./generate.yaml:1:1: there is no pipeline \"release\" (did you mean \"releases\"?)",
        ),
        (
            Repository::new().with("generate.yaml", &broken),
            "./generate.yaml:1:1: release has no filter (name the anchor of the CircleCI config \
             that says when its jobs run)\n\
             ./generate.yaml:4:5: release.roles.qa deploys \"qa-3\", which its instances don't have \
             (did you mean \"qa-1\"?)\n\
             ./generate.yaml:4:5: release.roles.qa.deploy: \"../x\" can't name a file",
        ),
        (
            Repository::new()
                .with("pre-approve.yml", "x\n  {{if}}\n")
                .with("post-approve.yml", "{{"),
            "./post-approve.yml:1:1: the action is not closed\n\
             ./pre-approve.yml:2:7: a value is missing",
        ),
        (
            Repository::new().with("qa.json", "{\"a\": 1,\n}"),
            "./qa.json:2:1: not valid JSON: trailing comma",
        ),
        (
            Repository::new().with("pre-approve.yml", "      - plan: \"{{.role}}\n"),
            "./generated_config.yml:13:15: the generated config is not valid YAML",
        ),
    ] {
        let problems = repository.generate(&[]).unwrap_err().to_string();
        assert!(problems.starts_with(told), "{problems}");
    }
    let problems = Repository::new()
        .generate(&[("EnvFilesExt", ".yaml")])
        .unwrap_err();
    assert_eq!(
        problems.to_string(),
        "./default.yaml is missing (it is the layer under all others, and may hold {})"
    );
}

#[test]
fn an_import_gives_roles_and_environments() {
    let control = "\
dev:
  filter: \"*on-push\"
  deploy: [sandbox]
  roles:
    sandbox:
      deploy: [sandbox-i01-aws-us-east-1]
      instances:
        sandbox-i01-aws-us-east-1: { aws_account_id: '111122223333' }
release:
  filter: \"*on-tag\"
  deploy: [qa, prod]
  roles:
    qa:
      deploy: [qa-us-west-2, qa-eu-west-1]
      instances:
        qa-us-west-2: { aws_region: us-west-2 }
        qa-eu-west-1: { aws_region: eu-west-1, from_generate: x }
    prod:
      deploy: [prod-us-west-2]
      instances:
        prod-us-west-2:
";
    let repository = Repository::new()
        .with("generate.yaml", control)
        .with("config.yml", "on-push: &on-push\n  branches: { only: main }\non-tag: &on-tag\n  tags: { only: /.*/ }\n")
        .with("default.json", r#"{"cluster_version": "1.27", "alert_channel": "x"}"#)
        .with("release.json", r#"{"cluster_log_retention": "30"}"#)
        .with("qa.json", r#"{"default_node_group_capacity_type": "ON-DEMAND"}"#)
        .with("prod-us-west-2.json", r#"{"default_node_group_max_size": "9"}"#);
    let source = SettingsSource {
        flags: [
            ("EnvFilesPath", "."),
            ("PipePath", "."),
            ("PipeSkipApproval", "qa"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        config: None,
    };
    let checkout = Checkout::at(repository.0.path());
    let (settings, _) = Settings::read(&source, &Env::default(), &checkout).unwrap();
    let imported = import(&[], &settings, &checkout).unwrap();
    let text: String = imported
        .files
        .iter()
        .map(|(path, text)| format!("--- {path}\n{text}"))
        .chain(["=== notes\n".to_owned(), imported.notes.join("\n")])
        .collect();
    insta::assert_snapshot!(text);
}
