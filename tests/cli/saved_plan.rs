//! `psk plan --out` and `psk apply`: what is applied is what was reviewed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::harness::{Files, Psk, Served, psk, world_of};

const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// A plan of the small inventory's clusters, saved.
struct Saved {
    files: Files,
    lab: Served,
    directory: TempDir,
}

impl Saved {
    fn of(files: Files, scope: [&str; 2]) -> Self {
        let lab = Served::fast(world_of(&files, "behind"), r#"{"rules":[]}"#);
        let directory = tempfile::tempdir().unwrap();
        let saved = Self {
            files,
            lab,
            directory,
        };
        saved.plan(scope).run().ended(0);
        saved
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("plan.json")
    }

    fn read(&self) -> Json {
        serde_json::from_slice(&fs::read(self.path()).unwrap()).unwrap()
    }

    fn plan(&self, [flag, name]: [&str; 2]) -> Psk<'_> {
        let command = psk(["plan", flag, name, "--out"]).arg(self.path());
        self.run(command)
    }

    fn apply(&self) -> Psk<'_> {
        self.run(psk(["apply"]).arg(self.path()))
    }

    fn run<'a>(&'a self, command: Psk<'a>) -> Psk<'a> {
        command
            .at(&self.files)
            .writing(self.directory.path())
            .inside(&self.lab)
    }

    /// The calls that changed something, so far.
    fn writes(&self) -> Vec<String> {
        let reads = ["Describe", "List", "Get", "AssumeRole"];
        let calls = self.lab.aws_calls();
        let is_write = |call: &&String| {
            let operation = call.split_once(':').unwrap().1;
            !reads.iter().any(|read| operation.starts_with(read))
        };
        calls.iter().filter(is_write).cloned().collect()
    }

    /// Says no to applying it, and has changed nothing.
    #[track_caller]
    fn refusal(&self) -> String {
        let before = self.writes();
        let told = self.apply().run().refused(13);
        assert_eq!(self.writes(), before, "{told}");
        told
    }
}

fn one() -> [&'static str; 2] {
    ["--cluster", CLUSTER]
}

#[test]
fn a_saved_plan_is_its_owners_alone_and_is_applied_as_it_says() {
    let saved = Saved::of(Files::small(), one());
    let mode = fs::metadata(saved.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(saved.writes(), [""; 0], "planning only reads");
    let plan = saved.read();
    assert_eq!(plan["role"], "qa");
    assert_eq!(plan["cluster"], CLUSTER);
    let planned = &plan["clusters"][0]["plan"];
    assert_eq!(planned["cluster"], CLUSTER);

    let run = saved.apply().arg("--output").arg("json").run().ended(0);
    let applied = &run.cluster(CLUSTER);
    assert_eq!(applied["outcome"], "changed");
    assert_eq!(&applied["plan"], planned, "what was reviewed was done");
    assert_ne!(saved.writes(), [""; 0]);

    let again = psk(["plan", "--detailed-exitcode", "--cluster", CLUSTER]);
    saved.run(again).run().ended(0);
}

#[test]
fn a_plan_that_was_applied_is_stale() {
    let saved = Saved::of(Files::small(), one());
    saved.apply().run().ended(0);
    let told = saved.refusal();
    assert!(
        told.contains("1 cluster has moved since; nothing has been changed"),
        "{told}"
    );
    let line = format!("eks_cluster {CLUSTER} version: was \"1.34\", is what the settings ask for");
    assert!(told.contains(&line), "{told}");
}

#[test]
fn what_somebody_changed_meanwhile_is_named_and_nothing_is_written_anywhere() {
    let saved = Saved::of(Files::small(), ["--role", "qa"]);
    saved.lab.with_world(|world| {
        let mut whole = serde_json::to_value(&*world).unwrap();
        let accounts = whole["accounts"].as_object_mut().unwrap().values_mut();
        let regions = accounts.filter_map(|account| account["regions"].get_mut("us-east-1"));
        let mut clusters = regions.flat_map(|region| {
            let clusters = region["eks"]["clusters"].as_object_mut();
            clusters.into_iter().flatten()
        });
        let (_, cluster) = clusters.find(|(name, _)| *name == CLUSTER).unwrap();
        let tags = cluster["tags"].as_object_mut().unwrap();
        tags.remove("role").unwrap();
        *world = serde_json::from_value(whole).unwrap();
    });
    let told = saved.refusal();
    let line =
        format!("eks_cluster {CLUSTER} tags.role: was what the settings ask for, is not set");
    assert!(told.contains(&line), "{told}");
    assert_eq!(told.matches("\n    ").count(), 1, "{told}");
}

#[test]
fn other_settings_are_named_and_so_is_another_commit() {
    let saved = Saved::of(Files::small(), one());
    let plan = saved.read();
    let default = "environments/default.yaml";
    let from = "management_node_group_max_size: 3";
    let files = Files::small().replace(default, from, "management_node_group_max_size: 4");
    let other = psk(["apply"])
        .arg(saved.path())
        .at(&files)
        .inside(&saved.lab);
    let told = other.run().refused(13);
    let line = "settings management_node_group_max_size: it has changed";
    assert!(told.contains(line), "{told}");

    let files = Files::small().replace("roles/prod.yaml", "after: [qa]", "after: []");
    let other = psk(["apply"])
        .arg(saved.path())
        .at(&files)
        .inside(&saved.lab);
    let told = other.run().refused(13);
    assert!(
        told.contains("though not these clusters' settings"),
        "{told}"
    );

    let mut plan = plan;
    plan["commit"] = json!("a".repeat(40));
    fs::write(saved.path(), plan.to_string()).unwrap();
    let commit = "b".repeat(40);
    let other = saved.apply().env("PSK_COMMIT", &commit);
    let told = other.run().refused(13);
    assert!(told.contains(&format!("and this is {commit}")), "{told}");
    assert_eq!(saved.writes(), [""; 0]);
}

#[test]
fn what_is_no_saved_plan_is_refused_with_what_is_wrong_with_it() {
    let files = Files::small();
    let told = |text: &str| {
        let files = Files::small().with("plan.json", text);
        psk(["apply", "plan.json"]).at(&files).run().refused(2)
    };
    assert!(told("").contains("is no plan that psk has saved, or is damaged"));
    let report = r#"{"schema_version": 1, "run": {}}"#;
    assert!(told(report).contains("is no plan that psk has saved, or is damaged"));
    let newer = told(r#"{"schema_version": 99, "psk_version": "9.0.0"}"#);
    assert!(
        newer.contains("has the form of version 99, and this psk reads version 1"),
        "{newer}"
    );
    let told = psk(["apply", "none.json"]).at(&files).run().refused(2);
    assert!(told.contains("reading the plan none.json"), "{told}");
    let told = psk(["apply"]).at(&files).run().refused(2);
    assert!(
        told.contains("<FILE|--role <ROLE>|--cluster <CLUSTER>>"),
        "{told}"
    );
}

#[test]
fn a_plan_that_is_not_whole_is_not_saved() {
    let files = Files::small();
    let faults = r#"{"rules":[{"operation":"DescribeCluster","region":"eu-west-1","effect":{"error":{"status":403,"code":"AccessDeniedException","message":"no"}}}]}"#;
    let lab = Served::start(world_of(&files, "behind"), faults);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.json");
    let command = psk(["plan", "--role", "qa", "--out"]).arg(&path);
    let run = command.at(&files).inside(&lab).run().ended(10);
    assert!(
        run.stderr
            .contains("the plan wasn't saved, because it isn't whole")
    );
    assert!(!path.exists());

    let nowhere = Path::new("none/plan.json");
    let command = psk(["plan", "--role", "qa", "--out"]).arg(nowhere);
    let told = command.at(&files).inside(&lab).run().refused(2);
    assert!(
        told.contains("making a place for the plan none/plan.json"),
        "{told}"
    );
}

#[test]
fn a_climb_is_planned_rung_by_rung_and_applied_like_that() {
    let files = Files::small().replace(
        "environments/default.yaml",
        "eks_version: \"1.35\"",
        "eks_version: \"1.34\"",
    );
    let lab = Served::fast(world_of(&files, "behind"), r#"{"rules":[]}"#);
    let saved = Saved {
        files: Files::small(),
        lab,
        directory: tempfile::tempdir().unwrap(),
    };
    let run = saved.plan(one()).run().ended(0);
    assert!(run.stdout.contains("rung 1.34: "), "{}", run.stdout);
    assert!(
        run.stdout.contains("rung 1.35 is planned as things stand"),
        "{}",
        run.stdout
    );
    let plan = saved.read();
    let rungs = plan["clusters"][0]["plan"]["rungs"].as_array().unwrap();
    let versions: Vec<_> = rungs.iter().map(|rung| &rung["version"]).collect();
    assert_eq!(versions, ["1.34", "1.35"]);
    let version_of = |rung: &Json| {
        let resources = rung["resources"].as_array().unwrap();
        let cluster = resources
            .iter()
            .find(|r| r["kind"] == "eks_cluster")
            .unwrap();
        let attributes = cluster["attributes"].as_array().unwrap();
        let version = attributes.iter().find(|a| a["path"] == "version").unwrap();
        (version["old"].clone(), version["new"]["value"].clone())
    };
    assert_eq!(version_of(&rungs[0]), (json!("1.33"), json!("1.34")));
    assert_eq!(version_of(&rungs[1]), (json!("1.34"), json!("1.35")));

    saved.apply().run().ended(0);
    let again = psk(["plan", "--detailed-exitcode", "--cluster", CLUSTER]);
    saved.run(again).run().ended(0);
}

#[test]
fn what_is_due_can_be_applied_without_a_file() {
    let files = Files::small();
    let lab = Served::fast(world_of(&files, "behind"), r#"{"rules":[]}"#);
    let apply = psk(["apply", "--cluster", CLUSTER, "--output", "json"]);
    let run = apply.at(&files).inside(&lab).run().ended(0);
    assert_eq!(run.outcomes(), [format!("{CLUSTER} changed")]);
    assert_eq!(run.report()["run"]["dry_run"], false);
    let plan = psk(["plan", "--detailed-exitcode", "--cluster", CLUSTER]);
    plan.at(&files).inside(&lab).run().ended(0);
}

#[test]
fn the_reason_for_a_forced_upgrade_stands_in_the_report() {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "behind"), r#"{"rules":[]}"#);
    let plan = || {
        psk([
            "plan",
            "--cluster",
            CLUSTER,
            "--force-upgrade",
            "checked by hand",
        ])
    };
    let run = plan()
        .arg("--output")
        .arg("json")
        .at(&files)
        .inside(&lab)
        .run()
        .ended(0);
    assert_eq!(run.report()["run"]["force_upgrade"], "checked by hand");
    let run = plan().at(&files).inside(&lab).run().ended(0);
    assert!(
        run.stderr
            .contains("upgrades are forced, whatever EKS's insights say: checked by hand")
    );
    psk(["plan", "--cluster", CLUSTER, "--force-upgrade", ""])
        .at(&files)
        .run()
        .refused(2);
}
