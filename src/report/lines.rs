//! Plain lines for a CI log: a word when a cluster starts, all of it in one piece when it ends, and
//! a sign of life where nothing else is said for a while.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::aggregate::{Aggregate, ClusterState, since};
use super::listener::{Listener, ReportError};
use super::{gate, words};
use crate::event::{ClusterFinished, Event, Failure, Outcome, Stamped};
use crate::style::Style;
use crate::text::visible;

/// After this much silence the log is told what is still running. CI systems stop a job that says
/// nothing for long: CircleCI after ten minutes, unless told otherwise (`no_output_timeout`).
const SILENCE: Duration = Duration::from_secs(60);
/// At most this many running clusters are named in a sign of life.
const NAMED: usize = 3;

/// How lines that belong together are held together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Groups {
    /// GitHub Actions' `::group::` and `::endgroup::`, which its log viewer folds.
    GitHub,
    /// A heading and indented lines, for logs without groups such as CircleCI's.
    Indented,
}

/// Writes a run to a log.
pub struct Lines<W> {
    out: W,
    groups: Groups,
    style: Style,
    aggregate: Aggregate,
    notes: HashMap<String, Vec<String>>,
    last_word: Option<Timestamp>,
    error: Option<io::Error>,
}

impl<W: Write + Send> Lines<W> {
    /// Writes to `out`. Of the style only the symbols count: logs are kept free of colours.
    pub fn new(out: W, groups: Groups, style: Style) -> Self {
        Self {
            out,
            groups,
            style: Style {
                colour: false,
                ..style
            },
            aggregate: Aggregate::default(),
            notes: HashMap::new(),
            last_word: None,
            error: None,
        }
    }

    /// Keeps a line of a cluster until the cluster ends.
    fn note(&mut self, cluster: &str, at: Timestamp, line: &str) {
        let begun = self
            .aggregate
            .cluster(cluster)
            .and_then(|state| state.started)
            .unwrap_or(at);
        let line = format!("{} {line}", words::clock(since(begun, at)));
        self.notes.entry(cluster.to_owned()).or_default().push(line);
    }

    fn say(&mut self, at: Timestamp, lines: &[String]) {
        self.last_word = Some(at);
        if self.error.is_some() {
            return;
        }
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let written = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
        self.error = written.err();
    }

    /// Writes all that was kept of a cluster.
    fn close(&mut self, at: Timestamp, finished: &ClusterFinished) {
        let mut notes = self.notes.remove(&finished.cluster).unwrap_or_default();
        if let Outcome::Failed(failure) = &finished.outcome {
            notes.extend(explain(failure));
        }
        let title = self.title(finished);
        let lines = match self.groups {
            _ if notes.is_empty() => vec![title],
            Groups::GitHub => {
                let open = format!("::group::{}", escape_data(&title));
                [open]
                    .into_iter()
                    .chain(notes)
                    .chain(["::endgroup::".to_owned()])
                    .collect()
            }
            Groups::Indented => {
                let notes = notes.into_iter().map(|note| format!("  {note}"));
                [title].into_iter().chain(notes).collect()
            }
        };
        self.say(at, &lines);
    }

    /// `nonprod-i01-aws-us-east-1: would change +1 ~3, 14 calls (4 deep), 1.2 s [3/6 done]`
    fn title(&self, finished: &ClusterFinished) -> String {
        let mut facts = vec![match &finished.outcome {
            Outcome::Failed(failure) => format!("failed in {}", failure.step),
            Outcome::Skipped { reason: why } | Outcome::Cancelled { during: why } => {
                format!("{}: {}", finished.outcome.as_str(), visible(why))
            }
            outcome => words::outcome(outcome.into(), self.dry_run()).to_owned(),
        }];
        if let Outcome::Changed { .. } = finished.outcome
            && let Some(plan) = self
                .aggregate
                .cluster(&finished.cluster)
                .and_then(|s| s.plan.as_ref())
        {
            facts.push(words::changes(&plan.counts()));
        }
        if finished.calls.total > 0 {
            facts.push(words::calls(
                finished.calls.total,
                finished.calls.longest_chain,
            ));
        }
        if !finished.elapsed.is_zero() {
            facts.push(format!("{:.1} s", finished.elapsed.as_secs_f64()));
        }
        let tally = self.aggregate.tally();
        format!(
            "{}: {} [{}/{} done]",
            visible(&finished.cluster),
            facts.join(", "),
            tally.done(),
            tally.total
        )
    }

    fn dry_run(&self) -> bool {
        self.aggregate.run().is_some_and(|(_, run)| run.dry_run)
    }

    /// What still runs, and where it stands.
    fn sign_of_life(&self, now: Timestamp) -> Option<String> {
        let (started, _) = self.aggregate.run()?;
        let running: Vec<_> = self
            .aggregate
            .clusters()
            .iter()
            .filter(|state| state.is_running())
            .collect();
        let (named, others) = running.split_at(running.len().min(NAMED));
        let mut told: Vec<String> = named.iter().map(|state| standing(state)).collect();
        if !others.is_empty() {
            told.push(format!("{} more", others.len()));
        }
        if told.is_empty() {
            return None;
        }
        let elapsed = words::clock(since(*started, now));
        Some(format!(
            "still running after {elapsed}: {}",
            told.join(", ")
        ))
    }
}

#[async_trait]
impl<W: Write + Send> Listener for Lines<W> {
    fn on(&mut self, stamped: &Stamped) {
        self.aggregate.on(stamped);
        let at = stamped.at;
        match &stamped.event {
            Event::RunStarted(run) => self.say(at, &words::heading(run, &self.style)),
            Event::ClusterStarted { cluster } => {
                self.say(at, &[format!("{}: started", visible(cluster))]);
            }
            Event::StepStarted { cluster, step } => self.note(cluster, at, step.as_str()),
            Event::Progress { cluster, message } => self.note(cluster, at, &visible(message)),
            Event::Planned { plan } => {
                let counts = plan.counts();
                let line = format!("{}, {} unchanged", words::changes(&counts), counts.keep);
                self.note(&plan.cluster, at, &format!("planned: {line}"));
            }
            Event::Checked { cluster, check } => {
                for line in words::check(check) {
                    self.note(cluster, at, &visible(&line));
                }
            }
            Event::Warning {
                cluster: Some(cluster),
                message,
            } => {
                self.note(cluster, at, &format!("warning: {}", visible(message)));
            }
            Event::Warning {
                cluster: None,
                message,
            } => {
                self.say(at, &[format!("warning: {}", visible(message))]);
            }
            Event::Called { .. } => {}
            Event::Outputs { cluster, outputs } => {
                self.note(
                    cluster,
                    at,
                    &visible(&words::outputs(outputs, self.dry_run())),
                );
            }
            Event::ClusterFinished(finished) => self.close(at, finished),
            Event::Gated(gate) => self.say(at, &gate::lines(gate, &self.style)),
            Event::Published(publication) => {
                let line = words::published(publication);
                self.say(at, &[line]);
            }
            Event::RunFinished {
                elapsed,
                interrupted,
            } => {
                let progress =
                    words::progress(&self.aggregate.tally(), self.dry_run(), &self.style);
                let mut line = format!("{progress}{}{}", self.style.dot(), words::clock(*elapsed));
                if let Some(signal) = interrupted {
                    line.push_str(&format!("{}interrupted by {signal}", self.style.dot()));
                }
                // The empty line sets off what is printed next.
                self.say(at, &[line, String::new()]);
            }
        }
    }

    fn tick(&mut self, now: Timestamp) {
        if self
            .last_word
            .is_some_and(|last| since(last, now) >= SILENCE)
            && let Some(line) = self.sign_of_life(now)
        {
            self.say(now, &[line]);
        }
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        match self.error.take() {
            Some(source) => Err(ReportError::Write {
                what: "log",
                source,
            }),
            None => Ok(()),
        }
    }
}

/// A failure over some lines, none of which begins with what a service said.
fn explain(failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("failed: {}", visible(&failure.doing))];
    lines.extend(
        failure
            .cause
            .lines()
            .map(|line| format!("cause: {}", visible(line))),
    );
    for change in &failure.already_changed {
        lines.push(format!("already changed: {}", visible(change)));
    }
    lines.push(format!("next: {}", visible(&failure.next)));
    lines
}

/// `nonprod-i01-aws-us-east-1 (apply: node group UPDATING)`
fn standing(state: &ClusterState) -> String {
    let step = state.step().map_or("starting", |step| step.as_str());
    let name = visible(&state.cluster.name);
    match &state.message {
        Some(message) => format!("{name} ({step}: {})", visible(message)),
        None => format!("{name} ({step})"),
    }
}

/// The data of a GitHub workflow command, encoded as its runner decodes it (actions/runner,
/// `ActionCommand.cs`).
pub(super) fn escape_data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, at, moment};

    fn written(groups: Groups, events: &[Stamped]) -> String {
        let mut out = Vec::new();
        let mut lines = Lines::new(
            &mut out,
            groups,
            Style {
                unicode: true,
                ..Style::PLAIN
            },
        );
        events.iter().for_each(|event| lines.on(event));
        futures::executor::block_on(lines.finish()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_outcomes_in_a_log_with_groups() {
        insta::assert_snapshot!(written(Groups::GitHub, &testing::all_outcomes()));
    }

    #[test]
    fn all_outcomes_in_a_log_without_groups() {
        insta::assert_snapshot!(written(Groups::Indented, &testing::all_outcomes()));
    }

    #[test]
    fn an_empty_and_an_interrupted_run() {
        insta::assert_snapshot!(written(Groups::Indented, &testing::empty()));
        insta::assert_snapshot!(written(Groups::Indented, &testing::interrupted()));
    }

    #[test]
    fn nothing_hostile_becomes_a_workflow_command() {
        let text = written(Groups::GitHub, &testing::hostile());
        for line in text.lines() {
            let ours = line.starts_with("::group::") || line == "::endgroup::";
            assert!(ours || !line.trim_start().starts_with("::"), "{line}");
            assert!(!line.contains("##["), "{line}");
        }
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn data_of_commands_is_encoded() {
        assert_eq!(escape_data("100% of\r\n%0A"), "100%25 of%0D%0A%250A");
    }

    #[test]
    fn a_minute_of_silence_is_broken_once() {
        let names = ["a", "b", "c", "d", "e"];
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out, Groups::Indented, Style::PLAIN);
        lines.tick(moment(500.0));
        lines.on(&at(0.0, Event::RunStarted(testing::run(&names, false))));
        for name in names {
            lines.on(&at(
                1.0,
                Event::ClusterStarted {
                    cluster: name.to_owned(),
                },
            ));
        }
        let message = "cluster CREATING".to_owned();
        lines.on(&at(
            50.0,
            Event::Progress {
                cluster: "a".to_owned(),
                message,
            },
        ));
        for seconds in [60.9, 61.0, 61.1, 120.9, 121.5] {
            lines.tick(moment(seconds));
        }
        drop(lines);
        let text = String::from_utf8(out).unwrap();
        let signs: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("still"))
            .collect();
        let rest = "a (starting: cluster CREATING), b (starting), c (starting), 2 more";
        assert_eq!(
            signs,
            [
                format!("still running after 01:01: {rest}"),
                format!("still running after 02:01: {rest}"),
            ]
        );
    }

    #[test]
    fn a_log_that_broke_is_told_at_the_end() {
        let mut lines = Lines::new(testing::Broken, Groups::Indented, Style::PLAIN);
        testing::all_outcomes()
            .iter()
            .for_each(|event| lines.on(event));
        let error = futures::executor::block_on(lines.finish()).unwrap_err();
        assert_eq!(error.to_string(), "writing the log failed: broken pipe");
    }
}
