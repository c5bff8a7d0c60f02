//! What a person reads when a run is over: each cluster's plan or failure, who didn't take part and
//! why, the table, and the totals.

use std::fmt::Write as _;
use std::io::Write;

use async_trait::async_trait;

use super::aggregate::Aggregate;
use super::alike::alike;
use super::document::{ClusterReport, OutcomeKind, Report, Run};
use super::listener::{Listener, ReportError};
use super::table::table;
use super::words;
use crate::event::{CheckOutcome, CheckResult, Failure, Stamped};
use crate::reconcile::render::{render, render_applied};
use crate::style::{Ink, Style};
use crate::text::{count, shorten, visible};

/// Columns that an output's value may take: a certificate is of no use on a screen, and all of it is in
/// the report.
const LONGEST_VALUE: usize = 80;

/// Writes the summary when the run ends.
pub struct Summary<W> {
    out: W,
    style: Style,
    aggregate: Aggregate,
}

impl<W: Write + Send> Summary<W> {
    /// Writes to `out`.
    pub fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            aggregate: Aggregate::default(),
        }
    }
}

#[async_trait]
impl<W: Write + Send> Listener for Summary<W> {
    fn on(&mut self, event: &Stamped) {
        self.aggregate.on(event);
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        let Some(report) = self.aggregate.report() else {
            return Ok(());
        };
        let text = summarize(&report, &self.style);
        let written = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
        written.map_err(|source| ReportError::Write {
            what: "summary",
            source,
        })
    }
}

/// The whole text. Its paragraphs are set apart by blank lines.
fn summarize(report: &Report, style: &Style) -> String {
    let mut paragraphs: Vec<String> = alike(&report.clusters)
        .into_iter()
        .filter_map(|(cluster, others)| {
            let text = details(cluster, &report.run, style)?;
            Some(text + &also(&others, style))
        })
        .collect();
    paragraphs.extend(left_out(&report.clusters, style));
    if !report.warnings.is_empty() {
        paragraphs.push(warnings(&report.warnings, style));
    }
    if !report.clusters.is_empty() {
        paragraphs.push(table(report, style));
    }
    paragraphs.push(totals(report, style));
    paragraphs.extend(statuses(report, style));
    paragraphs.join("\n")
}

/// What the run proves, and the statuses that GitHub doesn't have.
fn statuses(report: &Report, style: &Style) -> Option<String> {
    let publication = report.statuses.as_ref()?;
    let ink = if publication.is_complete() {
        Ink::Added
    } else {
        Ink::Removed
    };
    let mut text = format!("{}\n", style.paint(ink, words::published(publication)));
    if publication.undelivered.is_empty() {
        return Some(text);
    }
    let _ = writeln!(text, "Statuses that GitHub did not take in:");
    for status in &publication.undelivered {
        let (context, state) = (visible(&status.context), status.state.as_str());
        let _ = writeln!(
            text,
            "  {context} {state}: {}",
            visible(&status.description)
        );
        let _ = writeln!(text, "    {}", visible(&status.cause));
    }
    let next = format!("psk fanout --role {}", visible(&report.run.role));
    let _ = writeln!(
        text,
        "{} {next}: what is right stays as it is, and the statuses are written",
        style.paint(Ink::Strong, "next:")
    );
    Some(text)
}

/// The names of further clusters of which the same is to be said.
fn also(others: &[&ClusterReport], style: &Style) -> String {
    let mut text = String::new();
    if !others.is_empty() {
        let _ = writeln!(
            text,
            "  the same in {}:",
            count(others.len(), "other cluster")
        );
        for other in others {
            let name = style.paint(Ink::Strong, visible(&other.name));
            let _ = writeln!(text, "    {name}");
        }
    }
    text
}

/// What is to be said of one cluster; nothing of one that is right or never started.
fn details(cluster: &ClusterReport, run: &Run, style: &Style) -> Option<String> {
    // Where they are a run's whole purpose; they are in every report.
    let outputs = cluster
        .outputs
        .as_ref()
        .filter(|_| run.command == "outputs");
    let mut text = String::new();
    if let Some(plan) = &cluster.plan
        && (plan.counts().changed() > 0 || !plan.warnings.is_empty())
    {
        let applied = cluster.outcome == OutcomeKind::Changed && !run.dry_run;
        text.push_str(&if applied {
            render_applied(plan, style)
        } else {
            render(plan, style)
        });
    } else if cluster.failure.is_some()
        || !cluster.warnings.is_empty()
        || !cluster.checks.is_empty()
        || outputs.is_some()
    {
        let name = style.paint(Ink::Strong, visible(&cluster.name));
        let (region, account) = (visible(&cluster.region), visible(&cluster.account));
        // Writing to a String can't fail, here as below.
        let _ = writeln!(text, "{name}  {region}  {account}");
    }
    text.push_str(&warnings(&cluster.warnings, style));
    if !cluster.checks.is_empty() {
        let _ = writeln!(text, "  {}", words::checks(&cluster.checks));
        let skipped = |c: &&CheckResult| c.outcome == CheckOutcome::Skipped;
        for check in cluster.checks.iter().filter(skipped) {
            for line in words::check(check) {
                let line = format!("    {}", visible(&line));
                let _ = writeln!(text, "{}", style.paint(Ink::Faint, line));
            }
        }
    }
    if let Some(outputs) = outputs {
        let _ = writeln!(text, "  {}", visible(&words::outputs(outputs, run.dry_run)));
        let width = outputs.fields.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in &outputs.fields {
            let value = visible(value);
            let value = shorten(&value, LONGEST_VALUE, style.ellipsis());
            let _ = writeln!(text, "    {:width$}  {value}", visible(name));
        }
    }
    if let Some(failure) = &cluster.failure {
        text.push_str(&explain(failure, cluster.seconds, style));
    }
    (!text.is_empty()).then_some(text)
}

fn explain(failure: &Failure, seconds: f64, style: &Style) -> String {
    let mut text = String::new();
    let head = format!("  failed in {} after {seconds:.1} s", failure.step);
    let _ = writeln!(text, "{}", style.paint(Ink::Removed, head));
    let _ = writeln!(text, "    while {}", visible(&failure.doing));
    for (i, line) in failure.cause.lines().enumerate() {
        let label = if i == 0 { "cause:" } else { "" };
        let _ = writeln!(text, "    {label:6} {}", visible(line));
    }
    if failure.already_changed.is_empty() {
        let _ = writeln!(text, "    nothing had been changed");
    } else {
        let _ = writeln!(text, "    already changed:");
        for change in &failure.already_changed {
            let _ = writeln!(text, "      {}", visible(change));
        }
    }
    let _ = writeln!(
        text,
        "    {} {}",
        style.paint(Ink::Strong, "next:"),
        visible(&failure.next)
    );
    text
}

/// The clusters that didn't take part or not to the end, and why.
fn left_out(clusters: &[ClusterReport], style: &Style) -> Option<String> {
    let mut text = String::new();
    for cluster in clusters {
        let Some(reason) = &cluster.reason else {
            continue;
        };
        let word = style.paint(
            words::outcome_ink(cluster.outcome),
            words::outcome(cluster.outcome, false),
        );
        let _ = writeln!(
            text,
            "{word} {}: {}",
            visible(&cluster.name),
            visible(reason)
        );
    }
    (!text.is_empty()).then_some(text)
}

fn warnings(warnings: &[String], style: &Style) -> String {
    warnings.iter().fold(String::new(), |text, warning| {
        let line = format!("  ! {}", visible(warning));
        text + &style.paint(Ink::Changed, line) + "\n"
    })
}

/// The last line, and one more where the run was interrupted.
fn totals(report: &Report, style: &Style) -> String {
    let totals = &report.totals;
    let dry_run = report.run.dry_run;
    let states = [
        (OutcomeKind::Changed, totals.changed),
        (OutcomeKind::Unchanged, totals.unchanged),
        (OutcomeKind::Failed, totals.failed),
        (OutcomeKind::Skipped, totals.skipped),
        (OutcomeKind::Cancelled, totals.cancelled),
    ];
    let told: Vec<_> = states
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(kind, n)| {
            style.paint(
                words::outcome_ink(kind),
                format!("{n} {}", words::outcome(kind, dry_run)),
            )
        })
        .collect();
    let mut clusters = count(totals.clusters, "cluster");
    if !told.is_empty() {
        clusters = format!("{clusters}: {}", told.join(", "));
    }
    let mut facts = vec![clusters, words::calls(totals.calls, totals.longest_chain)];
    if totals.throttles > 0 {
        let throttles = usize::try_from(totals.throttles).unwrap_or(usize::MAX);
        facts.push(format!("{} met", count(throttles, "throttle")));
    }
    facts.push(format!("{:.1} s", report.run.seconds));
    let mut text = facts.join(style.dot()) + "\n";
    if let Some(signal) = report.run.interrupted {
        let _ = writeln!(
            text,
            "{} by {signal}; run the same command again to continue.",
            style.paint(Ink::Replaced, "Interrupted")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, shown};

    fn summary(events: &[Stamped], style: Style) -> String {
        let mut out = Vec::new();
        let mut summary = Summary::new(&mut out, style);
        events.iter().for_each(|event| summary.on(event));
        futures::executor::block_on(summary.finish()).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn unicode(width: u16) -> Style {
        Style {
            unicode: true,
            colour: false,
            width,
        }
    }

    #[test]
    fn all_outcomes_on_a_wide_page() {
        insta::assert_snapshot!(summary(&testing::all_outcomes(), unicode(120)));
    }

    #[test]
    fn all_outcomes_on_a_narrow_page_in_ascii() {
        let style = Style {
            width: 60,
            ..Style::PLAIN
        };
        insta::assert_snapshot!(summary(&testing::all_outcomes(), style));
    }

    #[test]
    fn all_outcomes_in_colour() {
        let style = Style {
            colour: true,
            ..unicode(100)
        };
        insta::assert_snapshot!(shown(&summary(&testing::all_outcomes(), style)));
    }

    #[test]
    fn what_was_applied_is_told_as_done() {
        insta::assert_snapshot!(summary(&testing::applied(), unicode(100)));
    }

    #[test]
    fn an_interrupted_run() {
        insta::assert_snapshot!(summary(&testing::interrupted(), unicode(100)));
    }

    #[test]
    fn a_run_over_nothing_and_no_run_at_all() {
        insta::assert_snapshot!(summary(&testing::empty(), unicode(100)));
        assert_eq!(summary(&[], unicode(100)), "");
    }

    #[test]
    fn nothing_hostile_gets_through() {
        let text = summary(&testing::hostile(), unicode(100));
        for line in text.lines() {
            assert!(!line.trim_start().starts_with("::"), "{line}");
            assert!(!line.contains("##["), "{line}");
        }
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn two_hundred_clusters() {
        let text = summary(&testing::many(200), unicode(100));
        assert_eq!(
            text.lines()
                .filter(|line| line.contains("would change "))
                .count(),
            100
        );
        insta::assert_snapshot!(text.lines().last().unwrap_or_default());
    }

    #[test]
    fn a_broken_stream_is_told() {
        let mut summary = Summary::new(testing::Broken, Style::PLAIN);
        testing::empty().iter().for_each(|event| summary.on(event));
        let error = futures::executor::block_on(summary.finish()).unwrap_err();
        assert_eq!(error.to_string(), "writing the summary failed: broken pipe");
    }
}
