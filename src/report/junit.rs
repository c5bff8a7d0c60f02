//! `--junit FILE`: the run as test results, which CI systems show: a suite for each cluster, a case
//! for each step and each check.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::aggregate::Aggregate;
use super::document::{ClusterReport, OutcomeKind, Report};
use super::listener::{Listener, ReportError};
use crate::event::{CheckOutcome, CheckResult, Stamped};
use crate::text::visible;

/// Writes a run as JUnit when it ends.
pub struct Junit {
    path: PathBuf,
    aggregate: Aggregate,
}

impl Junit {
    /// Writes to `path`, whose directory is made where there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            aggregate: Aggregate::default(),
        }
    }

    fn error(&self, doing: &'static str, source: std::io::Error) -> ReportError {
        ReportError::File {
            path: self.path.clone(),
            doing,
            source,
        }
    }
}

#[async_trait]
impl Listener for Junit {
    fn on(&mut self, event: &Stamped) {
        self.aggregate.on(event);
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        let Some(report) = self.aggregate.report() else {
            return Ok(());
        };
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)
                .map_err(|source| self.error("creating the directory", source))?;
        }
        let text = junit(&report)
            .to_string()
            .map_err(|error| self.error("making the XML", std::io::Error::other(error)))?;
        fs::write(&self.path, text).map_err(|source| self.error("writing", source))
    }
}

fn junit(report: &Report) -> quick_junit::Report {
    let name = format!("psk {} {}", report.run.command, report.run.role);
    let mut junit = quick_junit::Report::new(visible(&name).into_owned());
    junit.set_time(seconds(report.run.seconds));
    junit.add_test_suites(report.clusters.iter().map(suite));
    junit
}

fn suite(cluster: &ClusterReport) -> TestSuite {
    let mut suite = TestSuite::new(cluster.name.as_str());
    suite.set_time(seconds(cluster.seconds));
    for step in &cluster.steps {
        let failure = cluster
            .failure
            .as_ref()
            .filter(|failure| failure.step == step.step);
        let status = match failure {
            None => TestCaseStatus::success(),
            Some(failure) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(visible(&failure.to_string()).into_owned());
                let changed = match failure.already_changed.as_slice() {
                    [] => "nothing had been changed".to_owned(),
                    changed => format!("already changed: {}", changed.join(", ")),
                };
                status.set_description(format!("{changed}\nnext: {}", failure.next));
                status
            }
        };
        let mut case = case(cluster, step.step.as_str(), status);
        case.set_time(seconds(step.seconds));
        suite.add_test_case(case);
    }
    suite.add_test_cases(cluster.checks.iter().map(|check| checked(cluster, check)));
    let reason = cluster.reason.as_deref().unwrap_or_default();
    match cluster.outcome {
        OutcomeKind::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(visible(reason).into_owned());
            suite.add_test_case(case(cluster, "start", status));
        }
        OutcomeKind::Cancelled => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(format!("cancelled: {}", visible(reason)));
            suite.add_test_case(case(cluster, "finish", status));
        }
        _ => {}
    }
    suite
}

/// A check: what was seen, cause first, is what CI systems show of it.
fn checked(cluster: &ClusterReport, check: &CheckResult) -> TestCase {
    let message = check.message.as_deref().unwrap_or_default();
    let mut lines = message.lines().map(visible);
    let mut status = match check.outcome {
        CheckOutcome::Passed => TestCaseStatus::success(),
        CheckOutcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        CheckOutcome::Skipped => TestCaseStatus::skipped(),
    };
    if check.outcome != CheckOutcome::Passed {
        status.set_message(lines.next().unwrap_or_default().into_owned());
        status.set_description(lines.collect::<Vec<_>>().join("\n"));
    }
    let mut case = case(cluster, &check.name, status);
    case.set_time(seconds(check.seconds));
    case
}

fn case(cluster: &ClusterReport, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(cluster.name.as_str());
    case
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::report::testing;

    fn written(events: &[Stamped]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/junit.xml");
        let mut listener = Junit::new(&path);
        events.iter().for_each(|event| listener.on(event));
        futures::executor::block_on(listener.finish()).unwrap();
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn every_outcome_has_its_cases() {
        insta::assert_snapshot!(written(&testing::all_outcomes()));
    }

    #[test]
    fn every_check_is_a_case_of_its_own() {
        let mut events = testing::all_outcomes();
        let check = |name: &str, outcome, message: Option<&str>| Event::Checked {
            cluster: testing::A.to_owned(),
            check: CheckResult {
                name: name.to_owned(),
                outcome,
                seconds: 0.5,
                message: message.map(str::to_owned),
            },
        };
        let seen = "pod writer failed\npod writer: exit code 1 <&>";
        events.push(testing::at(0.5, check("nodes", CheckOutcome::Passed, None)));
        events.push(testing::at(
            0.6,
            check("ebs-volume", CheckOutcome::Failed, Some(seen)),
        ));
        let text = written(&events);
        assert!(text.contains("<testcase name=\"nodes\""), "{text}");
        assert!(
            text.contains("<failure message=\"pod writer failed\">"),
            "{text}"
        );
        assert!(
            text.contains("pod writer: exit code 1 &lt;&amp;&gt;"),
            "{text}"
        );
    }

    #[test]
    fn nothing_hostile_breaks_the_xml() {
        let text = written(&testing::hostile());
        assert!(text.ends_with("</testsuites>\n"), "{text}");
        assert!(!text.contains("\u{1b}"));
    }
}
