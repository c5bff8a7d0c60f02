//! `psk fanout`: what a run over a role's clusters finds, tells and calls.

use std::collections::{BTreeMap, BTreeSet};

use insta::{assert_snapshot, with_settings};

use crate::harness::{Files, Psk, Served, contents, psk, repository, world_of};

/// A dry run over a role, told as JSON.
fn json(role: &str) -> Psk<'static> {
    psk(["fanout", "--dry-run", "--output", "json", "--role", role])
}

/// Held as a snapshot, without what differs from run to run: times, the checkout's commit, and
/// which of several clusters made the calls whose answers they share.
macro_rules! assert_told {
    ($told:expr) => {
        with_settings!({ filters => [
            (r" · commit [0-9a-f]{10}( · tag \S+)?", " · commit [commit]"),
            (r"(default branch +)branch \S+", "${1}branch [branch]"),
            (r"\b\d\d:\d\d\b", "[time]"),
            (r"\b\d+\.\d( s)?\n", "[seconds]\n"),
            (r"\b\d+\.\d s ", "[seconds] "),
            (r" ?\d\d \((\d) deep\)  ", "[n] ($1 deep)  "),
        ]}, { assert_snapshot!($told) })
    };
}

#[test]
fn a_newcomers_first_command() {
    let run = psk(["fanout", "--role", "nonprod", "--dry-run", "--lab"])
        .run()
        .ended(0);
    assert_told!(run.stdout);
    let ends = |cluster: &str| {
        let begins = format!("{cluster}: ");
        let lines = run.stderr.lines().filter(|line| line.starts_with(&begins));
        lines.filter(|line| line.contains(" done]")).count()
    };
    for region in [
        "us-east-1",
        "us-east-2",
        "us-west-2",
        "eu-west-1",
        "eu-central-1",
    ] {
        assert_eq!(
            ends(&format!("nonprod-i01-aws-{region}")),
            1,
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_log_has_a_word_at_the_start_and_everything_at_the_end() {
    let run = psk(["fanout", "--role", "sandbox", "--dry-run", "--lab"])
        .env("CI", "true")
        .run()
        .ended(0);
    assert_told!(run.stderr);
}

#[test]
fn github_folds_what_belongs_to_one_cluster() {
    let run = psk(["fanout", "--role", "sandbox", "--dry-run", "--lab"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567")
        .env("GITHUB_REF_TYPE", "tag")
        .env("GITHUB_REF_NAME", "v1.2.3")
        .run()
        .ended(0);
    assert_told!(run.stderr.replace("0123456789 · tag v1.2.3", "of the job"));
    assert!(run.stderr.contains("commit 0123456789 · tag v1.2.3"));
}

#[test]
fn each_role_says_how_it_is_rolled_out() {
    let mut told = String::new();
    for role in ["sandbox", "qa", "mapi", "preview", "nonprod", "prod"] {
        let run = psk(["fanout", "--dry-run", "--lab", "--role", role]).run();
        let stderr = run.ended(0).stderr;
        let heading = stderr.lines().take_while(|line| !line.contains("started"));
        told.extend(heading.map(|line| format!("{line}\n")));
    }
    assert_told!(told);
}

#[test]
fn a_canary_ends_before_any_other_cluster_starts() {
    let run = psk(["fanout", "--role", "preview", "--dry-run", "--lab"])
        .run()
        .ended(0);
    let place = |what: &str| {
        let found = run.stderr.lines().position(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("no {what:?} in {}", run.stderr))
    };
    let starts: Vec<&str> = run
        .stderr
        .lines()
        .filter_map(|line| line.strip_suffix(": started"))
        .collect();
    let [canary, others @ ..] = starts.as_slice() else {
        panic!("{}", run.stderr);
    };
    assert_eq!(others.len(), 3);
    let end = place("[1/4 done]");
    assert!(place(&format!("{canary}: would change")) == end);
    for other in others {
        assert!(place(&format!("{other}: started")) > end, "{}", run.stderr);
    }
}

#[test]
fn the_state_that_the_lab_starts_in_decides_the_outcomes() {
    let outcomes = |role: &str, state: &str| -> Vec<String> {
        let run = json(role).arg(format!("--lab={state}")).run().ended(0);
        let report = run.report();
        let clusters = report["clusters"].as_array().unwrap();
        let counts = clusters.iter().map(|cluster| {
            let count = |what: &str| cluster["changes"][what].as_u64().unwrap();
            let kinds = ["create", "update", "keep"].map(|kind| count(kind) > 0);
            let outcome = cluster["outcome"].as_str().unwrap();
            match kinds {
                [true, false, false] => format!("{outcome}, all new"),
                [false, true, _] => format!("{outcome}, upgraded"),
                [false, false, true] => outcome.to_owned(),
                _ => cluster["changes"].to_string(),
            }
        });
        counts.collect()
    };
    for role in ["sandbox", "mapi", "prod"] {
        let of = if role == "prod" {
            6
        } else {
            2 - usize::from(role == "sandbox")
        };
        assert_eq!(outcomes(role, "fresh"), vec!["changed, all new"; of]);
        assert_eq!(outcomes(role, "current"), vec!["unchanged"; of]);
    }
    assert_eq!(outcomes("mapi", "behind"), ["changed, upgraded"; 2]);
    let mut prod = outcomes("prod", "behind");
    prod.sort();
    assert_eq!(prod[0], "changed, all new", "one cluster is missing");
    assert_eq!(prod[1..5], ["changed, upgraded"; 4]);
    assert_eq!(prod[5], "unchanged", "one cluster is right");
}

#[test]
fn the_report_is_all_there_is_on_standard_output_and_keeps_to_its_schema() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/report.json");
    let run = json("nonprod")
        .arg("--lab")
        .arg("--report")
        .arg(&path)
        .writing(directory.path())
        .run()
        .ended(0);
    let report = run.report();
    let schema = std::fs::read(repository().join("docs/schema/report.schema.json")).unwrap();
    let schema = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, <[&str; 0]>::default());
    assert_eq!(report["run"]["role"], "nonprod");
    assert_eq!(report["totals"]["clusters"], 6);
    assert_eq!(report["clusters"].as_array().unwrap().len(), 6);

    let written = contents(directory.path());
    assert_eq!(written.len(), 1, "the report and nothing besides");
    assert_eq!(String::from_utf8_lossy(&written[&path]), run.stdout);
}

#[test]
fn the_report_counts_the_calls_that_were_made() {
    let (files, lab) = Served::small();
    let run = json("qa").at(&files).inside(&lab).run().ended(0);
    let report = run.report();
    let all = lab.asked();
    assert_eq!(report["totals"]["calls"], all);
    let clusters = report["clusters"].as_array().unwrap();
    let sum: u64 = clusters
        .iter()
        .flat_map(|cluster| {
            cluster["calls"]["by_operation"]
                .as_object()
                .unwrap()
                .values()
        })
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(sum, all as u64);
    let deepest = clusters
        .iter()
        .map(|c| c["calls"]["longest_chain"].as_u64());
    assert_eq!(
        report["totals"]["longest_chain"].as_u64(),
        deepest.max().unwrap()
    );
}

#[test]
fn more_requests_than_files_may_be_open_are_no_reason_to_fail() {
    // Over several regions, so that the pace at which one of them is called holds nothing up.
    let regions = ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2"];
    let mut many = String::from("clusters:\n");
    for (number, region) in (1..=4).flat_map(|n| regions.map(|region| (n, region))) {
        many.push_str(&format!(
            "  many-i{number:02}-aws-{region}: {{ aws_region: {region} }}\n"
        ));
    }
    let files = Files::small().with("roles/many.yaml", &many);
    // The lab is in the same process, so every connection takes two files.
    let run = json("many")
        .at(&files)
        .arg("--lab")
        .arg("--lab-latency=50")
        .open_files(128)
        .run()
        .ended(0);
    assert_eq!(run.report()["totals"]["clusters"], 16);
}

#[test]
fn colour_is_used_where_it_is_asked_for() {
    let coloured = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = psk(["fanout", "--role", "sandbox", "--dry-run", "--lab"]);
        for arg in args {
            command = command.arg(arg);
        }
        for (name, value) in env {
            command = command.env(name, value);
        }
        command.run().ended(0).stdout.contains('\u{1b}')
    };
    assert!(!coloured(&[], &[]), "not into a pipe");
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(
        &[],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(coloured(&["--color=always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["--color=never"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn without_unicode_in_the_locale_only_ascii_is_printed() {
    let run = psk(["fanout", "--role", "sandbox", "--dry-run", "--lab"])
        .env("LANG", "C")
        .run()
        .ended(0);
    assert!(run.stdout.is_ascii() && run.stderr.is_ascii(), "{run:?}");
}

/// The inventory of this repository, in a copy.
fn shipped() -> Files {
    let mut files = Files::none();
    for (path, bytes) in ["roles", "environments"]
        .iter()
        .flat_map(|d| contents(&repository().join(d)))
    {
        let path = path
            .strip_prefix(repository())
            .unwrap()
            .display()
            .to_string();
        files = files.with(&path, &String::from_utf8(bytes).unwrap());
    }
    let pipeline = std::fs::read_to_string(repository().join("psk.yaml")).unwrap();
    files.with("psk.yaml", &pipeline)
}

#[test]
fn the_session_of_an_account_is_checked_before_anything_else_is_called_there() {
    let (files, lab) = Served::small();
    json("prod").at(&files).inside(&lab).run().ended(0);
    let calls = lab.calls();
    let accounts = ["444455556666", "221155668855"];
    for account in accounts {
        let first = calls.iter().find(|call| call.account == account).unwrap();
        assert_eq!(first.operation, "GetCallerIdentity", "{account}");
    }
    let told: BTreeSet<&str> = calls.iter().map(|call| call.account.as_str()).collect();
    assert!(told.is_superset(&BTreeSet::from(accounts)), "{told:?}");
}

#[test]
fn clusters_of_one_account_share_one_session() {
    let (files, lab) = Served::small();
    json("qa").at(&files).inside(&lab).run().ended(0);
    assert_eq!(
        (lab.count("AssumeRole"), lab.count("GetCallerIdentity")),
        (1, 1)
    );

    let (files, lab) = Served::small();
    json("prod").at(&files).inside(&lab).run().ended(0);
    assert_eq!(
        (lab.count("AssumeRole"), lab.count("GetCallerIdentity")),
        (2, 2)
    );
}

#[test]
fn sessions_are_named_and_tagged_after_the_run() {
    let (files, lab) = Served::small();
    json("qa")
        .at(&files)
        .inside(&lab)
        .without("PSK_COMMIT")
        .env("CIRCLECI", "true")
        .env("CIRCLE_SHA1", "0123456789abcdef0123456789abcdef01234567")
        .run()
        .ended(0);
    let told = lab.with_world(|world| {
        let key = world
            .credentials
            .values()
            .find(|key| key.session.is_some())
            .unwrap();
        let tags = &key.session.as_ref().unwrap().tags;
        let tags = tags.iter().map(|tag| format!("{}={}", tag.key, tag.value));
        (key.principal.clone(), tags.collect::<Vec<_>>())
    });
    assert_eq!(
        told.0,
        "arn:aws:sts::221155668855:assumed-role/PSKControlPlaneBaseRole/psk-qa-0123456789ab"
    );
    assert_eq!(
        told.1,
        [
            "pipeline=psk-test",
            "role=qa",
            "commit=0123456789abcdef0123456789abcdef01234567"
        ]
    );
}

#[test]
fn a_dry_run_only_reads_and_asks_for_nothing_twice() {
    for (files, roles) in [
        (Files::small(), vec!["qa", "prod"]),
        (shipped(), vec!["nonprod"]),
    ] {
        let world = world_of(&files, "behind");
        for role in roles {
            let lab = Served::start(world.clone(), "{}");
            let before = contents(files.root());
            let run = json(role).at(&files).inside(&lab).run().ended(0);
            assert_eq!(contents(files.root()), before, "no file is written");

            let report = run.report();
            let clusters = report["clusters"].as_array().unwrap();
            let clusters = |account: &str, region: &str| {
                let here =
                    |c: &&serde_json::Value| c["account"] == account && c["region"] == region;
                clusters.iter().filter(here).count()
            };
            let calls = lab.calls();
            let mut seen = BTreeMap::<_, usize>::new();
            for call in &calls {
                assert!(!call.writes, "{call:?}");
                let asked = (call.service, &call.account, &call.region, &call.request);
                let times = seen.entry(asked).or_default();
                *times += 1;
                // What is asked of a cluster's own API doesn't name the cluster.
                let most = match call.service {
                    "kubernetes" => clusters(&call.account, &call.region),
                    _ => 1,
                };
                assert!(*times <= most, "asked twice: {call:?}");
            }
            assert!(calls.len() > 20, "{}", calls.len());
        }
    }
}

#[test]
fn long_lists_are_read_to_their_last_page() {
    let files = Files::small();
    let mut world = serde_json::to_value(world_of(&files, "current")).unwrap();
    // The lab lists node groups by name, a hundred a page: the one to adopt comes last.
    let cluster = "qa-i01-aws-us-east-1";
    let path =
        format!("/accounts/221155668855/regions/us-east-1/eks/clusters/{cluster}/nodegroups");
    let groups = world.pointer_mut(&path).unwrap().as_object_mut().unwrap();
    let mut wanted = groups.remove("management").unwrap();
    wanted["name"] = "management-2024".into();
    for n in 0..150 {
        groups.insert(format!("a-{n:03}"), wanted.clone());
    }
    groups.insert("management-2024".to_owned(), wanted);
    let lab = Served::start(serde_json::from_value(world).unwrap(), "{}");
    let run = json("qa").at(&files).inside(&lab).run().ended(0);
    let pages = lab
        .calls()
        .iter()
        .filter(|call| call.operation == "ListNodegroups" && call.request.contains(cluster))
        .count();
    assert_eq!(pages, 2);
    assert_eq!(run.cluster(cluster)["outcome"], "unchanged");
}
