//! What is asked of a run of checks, and what it writes.

use super::{NO_FAULTS, files};
use crate::harness::{Served, contents, psk, repository, world_of};

#[test]
fn a_check_that_does_not_exist_is_named_with_those_that_do() {
    let run = psk(["verify", "--role", "qa", "--only", "node"]).run();
    let told = run.refused(2);
    assert!(told.contains("there is no check \"node\""), "{told}");
    assert!(told.contains("node-amd64"), "{told}");
}

#[test]
fn checks_are_written_as_junit_a_suite_for_each_cluster() {
    let files = files();
    let lab = Served::start(world_of(&files, "current"), NO_FAULTS);
    let path = files.root().join("checks.xml");
    psk(["verify", "--role", "qa", "--only", "aws-queue", "--junit"])
        .arg(&path)
        .at(&files)
        .inside(&lab)
        .run()
        .ended(0);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("<testsuite ").count(), 3, "{text}");
    assert_eq!(
        text.matches("<testcase name=\"aws-queue\"").count(),
        3,
        "{text}"
    );
}

/// Where psk lets time pass: to back off, to ask again, to keep to a pace, and to a deadline. Nowhere
/// does it wait a fixed time for something to be done.
const WAIT: [&str; 12] = [
    "aws/pace.rs",
    "cli/lab/helm.rs",
    "cli/release.rs",
    "fanout/engine.rs",
    "github/client.rs",
    "kubernetes/access/call.rs",
    "kubernetes/watch.rs",
    "onepassword/connect.rs",
    "onepassword/writer.rs",
    "pipeline/api.rs",
    "reconcile/wait.rs",
    "slack.rs",
];

#[test]
fn nothing_waits_a_fixed_time() {
    let src = repository().join("src");
    let sleeps = |text: &str| {
        let (code, _tests) = text.split_once("#[cfg(test)]").unwrap_or((text, ""));
        code.contains("time::sleep") || code.contains("thread::sleep")
    };
    let found: Vec<_> = contents(&src)
        .into_iter()
        .filter(|(path, _)| !path.ends_with("tests.rs"))
        .filter(|(_, bytes)| sleeps(&String::from_utf8_lossy(bytes)))
        .map(|(path, _)| path.strip_prefix(&src).unwrap().display().to_string())
        .collect();
    assert_eq!(found, WAIT);
}
