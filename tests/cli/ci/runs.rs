//! The orb's and the action's command lines, run for real: their own steps, with the variables that the CI systems set,
//! against the lab.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use psk_lab::github::{StatusState, Tag};
use serde_json::Value as Json;

use super::yaml::read;
use crate::harness::{CANARY, Files, Served, repository, world_of};

/// A step of a CI system: what its shell runs, and with which variables.
struct Step {
    script: String,
    variables: BTreeMap<String, String>,
    directory: PathBuf,
    home: tempfile::TempDir,
}

/// How a step ended.
struct Ended {
    code: Option<i32>,
    log: String,
    report: Json,
}

impl Step {
    fn new(script: &str, files: &Files, lab: &Served) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("psk/bin")).unwrap();
        symlink(
            assert_cmd::cargo::cargo_bin!("psk"),
            home.path().join("psk/bin/psk"),
        )
        .unwrap();
        let mut variables: BTreeMap<String, String> = lab.exports().into_iter().collect();
        for (name, value) in [
            ("PATH", path().as_str()),
            ("LANG", "C.UTF-8"),
            ("CI", "true"),
            ("HOME", home.path().to_str().unwrap()),
            ("PSK_HOME", home.path().join("psk").to_str().unwrap()),
            ("PSK_POLL_INTERVAL", "0.05"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        Self {
            script: script.to_owned(),
            variables,
            directory: files.root().to_owned(),
            home,
        }
    }

    /// The orb's step that deploys a role, as a CircleCI job of the tag runs it.
    fn of_orb(role: &str, files: &Files, lab: &Served) -> Self {
        Self::of_orbs("fanout", &[("role", role)], files, lab)
    }

    /// The step of one of the orb's commands.
    fn of_orbs(command: &str, parameters: &[(&str, &str)], files: &Files, lab: &Served) -> Self {
        let orb = read(&super::orb::pack());
        let command = &orb["commands"][command];
        let run = &command["steps"][0]["run"];
        let given = |name: &str| {
            let value = match parameters.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => *value,
                None => command["parameters"][name]["default"].as_str().unwrap(),
            };
            value.to_owned()
        };
        let script = run["command"].as_str().unwrap().replace("\\<<", "<<");
        let mut step = Self::new(&script, files, lab);
        for (name, value) in run["environment"].as_object().unwrap() {
            let value = expand(value.as_str().unwrap(), "<< parameters.", " >>", given);
            step.variables.insert(name.clone(), value);
        }
        let repository = step.variables.remove("GITHUB_REPOSITORY").unwrap();
        for (name, value) in [
            ("CIRCLECI", "true"),
            ("CIRCLE_SHA1", &tagged(lab)),
            ("CIRCLE_TAG", TAG),
            ("CIRCLE_BUILD_URL", "https://circleci.com/gh/org/repo/1"),
            (
                "CIRCLE_REPOSITORY_URL",
                &format!("git@github.com:{repository}.git"),
            ),
        ] {
            step.variables.insert(name.to_owned(), value.to_owned());
        }
        step
    }

    /// The action's step that only looks, as a runner of GitHub Actions runs it.
    fn looking(role: &str, tag: &str, files: &Files, lab: &Served) -> Self {
        Self::of_action(role, tag, "--dry-run", files, lab)
    }

    /// The action's step, as a runner of GitHub Actions runs it.
    fn of_action(role: &str, tag: &str, args: &str, files: &Files, lab: &Served) -> Self {
        let action = read(&fs::read_to_string(repository().join("action.yml")).unwrap());
        let run = &action["runs"]["steps"][1];
        let exports: BTreeMap<String, String> = lab.exports().into_iter().collect();
        let given = |name: &str| match name {
            "inputs.role" => role.to_owned(),
            "inputs.args" => args.to_owned(),
            "inputs.connect-token" => exports["OP_CONNECT_TOKEN"].clone(),
            "github.action_path" => repository().display().to_string(),
            name => {
                let input = name.strip_prefix("inputs.").unwrap();
                let default = action["inputs"][input]["default"].as_str().unwrap();
                if default == "${{ github.token }}" {
                    exports["GITHUB_TOKEN"].clone()
                } else {
                    default.to_owned()
                }
            }
        };
        let mut step = Self::new(run["run"].as_str().unwrap(), files, lab);
        for (name, value) in run["env"].as_object().unwrap() {
            let value = expand(value.as_str().unwrap(), "${{ ", " }}", given);
            step.variables.insert(name.clone(), value);
        }
        // The action hands these on under psk's own names.
        step.variables.remove("OP_CONNECT_TOKEN");
        step.variables.remove("GITHUB_TOKEN");
        let file = |name: &str| step.home.path().join(name).display().to_string();
        let named = [
            ("GITHUB_STEP_SUMMARY", file("summary.md")),
            ("GITHUB_OUTPUT", file("output")),
        ];
        for (name, value) in [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SHA", &tagged(lab)),
            ("GITHUB_REF_TYPE", "tag"),
            ("GITHUB_REF_NAME", tag),
        ]
        .into_iter()
        .chain(named.iter().map(|(name, value)| (*name, value.as_str())))
        {
            step.variables.insert(name.to_owned(), value.to_owned());
        }
        step
    }

    fn start(&self) -> Child {
        let log = fs::File::create(self.home.path().join("log")).unwrap();
        // As both systems run a step's script: from a file, by a shell that ends at the first failure.
        let script = self.home.path().join("step.sh");
        fs::write(&script, &self.script).unwrap();
        Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(script)
            .env_clear()
            .envs(&self.variables)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn run(&self, lab: &Served) -> Ended {
        self.ended(self.start(), lab)
    }

    fn ended(&self, mut child: Child, lab: &Served) -> Ended {
        let code = child.wait().unwrap().code();
        let log = fs::read_to_string(self.home.path().join("log")).unwrap();
        // The runner takes a mask for itself and shows it to nobody.
        let log: String = log
            .lines()
            .filter(|line| !line.starts_with("::add-mask::"))
            .map(|line| format!("{line}\n"))
            .collect();
        let results = self.directory.join("psk-results");
        let told: Vec<String> = ["report.json", "junit.xml"]
            .map(|name| results.join(name))
            .iter()
            .chain(&["summary.md", "output"].map(|name| self.home.path().join(name)))
            .filter_map(|path| fs::read_to_string(path).ok())
            .chain([log.clone()])
            .collect();
        let secrets = lab.secrets();
        for secret in secrets.iter().map(String::as_str).chain([CANARY]) {
            assert!(
                !told.iter().any(|text| text.contains(secret)),
                "a secret is told"
            );
        }
        let report = fs::read_to_string(results.join("report.json"))
            .map_or(Json::Null, |text| serde_json::from_str(&text).unwrap());
        Ended { code, log, report }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the scripts run bash's usual programs"
)]
pub(super) fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

/// A CI system's own templates, filled in.
fn expand(text: &str, open: &str, close: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let (name, after) = after.split_once(close).unwrap();
        out.push_str(before);
        out.push_str(&value(name));
        rest = after;
    }
    out + rest
}

/// The tag of the release.
const TAG: &str = "v1.2.3";

/// The commit that is rolled out, which bears the tag at GitHub.
fn tagged(lab: &Served) -> String {
    lab.with_world(|world| {
        let repository = &mut world.github.repositories[0];
        let commit = repository.branches["main"].clone();
        let tag = Tag {
            commit: commit.clone(),
            annotation: None,
        };
        repository.tags.insert(TAG.to_owned(), tag);
        commit
    })
}

/// The small inventory's world, behind and fast, with these faults.
fn world(faults: &str) -> (Files, Served) {
    let files = Files::small();
    let lab = Served::fast(world_of(&files, "behind"), faults);
    (files, lab)
}

/// The states of a role's commit status, the earliest first, and the page that the last one leads to.
fn told_of(role: &str, lab: &Served) -> (Vec<StatusState>, Option<String>) {
    let context = format!("psk/{role}");
    lab.with_world(|world| {
        let statuses = &world.github.repositories[0].statuses;
        let of_role: Vec<_> = statuses.iter().filter(|s| s.context == context).collect();
        let url = of_role.last().and_then(|status| status.target_url.clone());
        (of_role.iter().map(|status| status.state).collect(), url)
    })
}

/// One cluster of qa fails.
const FAULT: &str = r#"{"rules":[{"service":"eks","region":"eu-west-1","effect":
    {"error":{"status":403,"code":"AccessDeniedException","message":"no\n::set-output name=x::y"}}}]}"#;

#[test]
fn the_orb_deploys_a_role_and_proves_it() {
    let (files, lab) = world("{}");
    let ended = Step::of_orb("qa", &files, &lab).run(&lab);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(ended.report["run"]["tag"], TAG);
    assert_eq!(ended.report["totals"]["changed"], 2);
    let junit = fs::read_to_string(files.root().join("psk-results/junit.xml")).unwrap();
    assert_eq!(junit.matches("<testsuite ").count(), 3);
    let (states, url) = told_of("qa", &lab);
    assert_eq!(states, [StatusState::Pending, StatusState::Success]);
    assert_eq!(url.as_deref(), Some("https://circleci.com/gh/org/repo/1"));
    let next = Step::of_orb("prod", &files, &lab).run(&lab);
    assert_eq!(next.code, Some(0), "{}", next.log);
}

#[test]
fn the_orb_deploys_what_was_approved_part_by_part_and_seals_it() {
    let (files, lab) = world("{}");
    let plan = ("plan_file", "psk-plan/qa.json");
    let role = ("role", "qa");
    let step = |command: &str, parameters: &[(&str, &str)]| {
        let ended = Step::of_orbs(command, parameters, &files, &lab).run(&lab);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        ended
    };
    step("plan", &[role, plan]);
    for (part, changed) in [("--shard 1/2", 1), ("--shard 2/2", 1)] {
        let ended = step("fanout", &[role, plan, ("args", part)]);
        assert_eq!(ended.report["run"]["command"], "apply");
        assert_eq!(ended.report["totals"]["changed"], changed, "{part}");
    }
    assert_eq!(told_of("qa", &lab).0, []);
    step("seal", &[role]);
    assert_eq!(told_of("qa", &lab).0, [StatusState::Success]);
    // Of what was approved nothing is left to apply: the clusters have moved.
    let again = Step::of_orbs("fanout", &[role, plan], &files, &lab).run(&lab);
    assert_eq!(again.code, Some(13), "{}", again.log);
}

/// A file's references are filled in, and the log tells none of the values.
#[test]
fn the_orb_injects_a_file() {
    let files = Files::small().with(
        "settings.tpl",
        "client = {{ op://empc-lab/svc-auth0/pskctl-cli-client-id }}\n",
    );
    let lab = Served::start(world_of(&files, "current"), "{}");
    let parameters = [("input", "settings.tpl"), ("output", "settings")];
    let ended = Step::of_orbs("inject", &parameters, &files, &lab).run(&lab);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let injected = fs::read_to_string(files.root().join("settings")).unwrap();
    assert_eq!(
        injected,
        format!("client = {CANARY}-pskctl-cli-client-id\n")
    );
}

/// What runs by the clock only looks, and its job is red where something isn't as it should be.
#[test]
fn the_orbs_nightly_steps_tell_what_is_wrong() {
    let (files, lab) = world("{}");
    let step = |command: &str, args: &str| {
        let parameters = [("role", "qa"), ("args", args)];
        let ended = Step::of_orbs(command, &parameters, &files, &lab).run(&lab);
        assert_eq!(ended.report["run"]["command"], command);
        let junit = fs::read_to_string(files.root().join("psk-results/junit.xml")).unwrap();
        assert_eq!(junit.matches("<testsuite ").count(), 3, "{junit}");
        ended.code
    };
    assert_eq!(step("drift", ""), Some(20));
    assert_eq!(step("verify", "--only aws-cluster"), Some(10));
    let deployed = Step::of_orb("qa", &files, &lab).run(&lab);
    assert_eq!(deployed.code, Some(0), "{}", deployed.log);
    assert_eq!(step("drift", ""), Some(0));
    assert_eq!(step("verify", "--only aws-cluster"), Some(0));
}

#[test]
fn the_orbs_job_fails_where_a_cluster_does() {
    let (files, lab) = world(FAULT);
    let ended = Step::of_orb("qa", &files, &lab).run(&lab);
    assert_eq!(ended.code, Some(10), "{}", ended.log);
    assert_eq!(ended.report["totals"]["failed"], 1);
    let junit = fs::read_to_string(files.root().join("psk-results/junit.xml")).unwrap();
    assert_eq!(junit.matches("<failure").count(), 1, "{junit}");
    let (states, _) = told_of("qa", &lab);
    assert_eq!(states, [StatusState::Pending, StatusState::Failure]);
    let next = Step::of_orb("prod", &files, &lab).run(&lab);
    assert_eq!(next.code, Some(11), "{}", next.log);
}

#[test]
fn the_action_deploys_a_role_and_tells_of_it() {
    let (files, lab) = world("{}");
    let step = Step::of_action("qa", TAG, "", &files, &lab);
    let ended = step.run(&lab);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let summary = step.file("summary.md");
    assert!(
        summary.starts_with("## psk fanout qa: success\n"),
        "{summary}"
    );
    assert!(summary.contains("```mermaid\nflowchart LR\n"), "{summary}");
    assert!(summary.contains("<details><summary>"), "{summary}");
    assert_eq!(
        step.file("output"),
        "outcome<<psk\nsuccess\npsk\nchanged<<psk\n2\npsk\nfailed<<psk\n0\npsk\n\
         report<<psk_\npsk-results/report.json\npsk_\n"
    );
    let (states, _) = told_of("qa", &lab);
    assert_eq!(states, [StatusState::Pending, StatusState::Success]);
}

#[test]
fn the_action_annotates_the_cluster_that_failed() {
    let (files, lab) = world(FAULT);
    let step = Step::of_action("qa", TAG, "", &files, &lab);
    let ended = step.run(&lab);
    assert_eq!(ended.code, Some(10), "{}", ended.log);
    let errors: Vec<&str> = ended
        .log
        .lines()
        .filter(|line| line.starts_with("::error "))
        .collect();
    assert_eq!(errors.len(), 1, "{}", ended.log);
    assert!(
        errors[0].starts_with("::error title=qa-i01-aws-eu-west-1::failed in observe"),
        "{}",
        errors[0]
    );
    assert!(!ended.log.contains("\n::set-output"), "{}", ended.log);
    assert!(
        step.file("output")
            .starts_with("outcome<<psk\nfailure\npsk\n")
    );
}

/// One cluster never answers; the job is cancelled while psk waits for it.
#[test]
fn a_cancelled_job_is_told_as_one() {
    let fault = r#"{"rules":[{"service":"eks","region":"eu-west-1","effect":"hang"}]}"#;
    for action in [false, true] {
        let (files, lab) = world(fault);
        let step = if action {
            Step::of_action("qa", TAG, "", &files, &lab)
        } else {
            Step::of_orb("qa", &files, &lab)
        };
        let child = step.start();
        lab.wait_for(|call| call.service == "eks" && call.region == "eu-west-1");
        let kill = format!("kill -TERM {}", child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        let ended = step.ended(child, &lab);
        assert_eq!(ended.code, Some(143), "{}", ended.log);
        assert_eq!(ended.report["run"]["interrupted"], "SIGTERM");
        assert_eq!(told_of("qa", &lab).0.last(), Some(&StatusState::Error));
        if action {
            assert!(
                step.file("output")
                    .starts_with("outcome<<psk\ncancelled\npsk\n")
            );
        }
    }
}

/// Whatever a branch, tag or role is called, nothing runs and no line of the log is a command that psk didn't mean.
#[test]
fn hostile_names_do_nothing() {
    let described = "description: \"a\\n::set-output name=x::y\\n$(touch owned) `id` ${{ secrets.x }}\"\nclusters:";
    let files = Files::small().replace("roles/qa.yaml", "clusters:", described);
    let lab = Served::start(world_of(&files, "behind"), "{}");
    let hostile = [
        "$(touch owned)`touch owned`",
        "v1\n::set-output name=x::y\n::error::z",
        "'; touch owned; '\"",
        "a: [b, {c}] # & * ! | > %",
        "x\r::add-mask::y\u{1b}[31m",
        "../../etc --role prod",
    ];
    for name in hostile {
        let by_tag = Step::looking("qa", name, &files, &lab);
        let ended = by_tag.run(&lab);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.log);
        assert_eq!(ended.report["run"]["tag"], name);
        let mut by_branch = Step::looking("qa", name, &files, &lab);
        let kind = ("GITHUB_REF_TYPE".to_owned(), "branch".to_owned());
        by_branch.variables.extend([kind]);
        let pushed = by_branch.run(&lab);
        assert_eq!(pushed.code, Some(0), "{name}: {}", pushed.log);
        let of_orb = [("role", "qa"), ("args", "--dry-run")];
        let mut by_orb = Step::of_orbs("fanout", &of_orb, &files, &lab);
        let tag = ("CIRCLE_TAG".to_owned(), name.to_owned());
        by_orb.variables.extend([tag]);
        let circled = by_orb.run(&lab);
        assert_eq!(circled.code, Some(0), "{name}: {}", circled.log);
        assert_eq!(circled.report["run"]["tag"], name);
        let by_role = Step::looking(name, "v1", &files, &lab);
        let refused = by_role.run(&lab);
        assert_eq!(refused.code, Some(2), "{name}: {}", refused.log);
        for log in [&ended.log, &pushed.log, &circled.log, &refused.log] {
            // Carriage returns begin a line too.
            for line in log.split(['\n', '\r']) {
                let meant = line.starts_with("::group::") || line == "::endgroup::";
                assert!(!line.starts_with("::") || meant, "{name}: {line}");
            }
            assert!(!log.contains('\u{1b}'), "{log}");
        }
        for step in [&by_tag, &by_branch] {
            let summary = step.file("summary.md");
            assert!(
                !summary.lines().any(|line| line.starts_with("::")),
                "{summary}"
            );
        }
        assert!(!Path::new(&by_tag.directory).join("owned").exists());
    }
}
