//! What GitHub Actions shows of a run: the step's summary, its annotations and its outputs.
//!
//! Source: GitHub documentation, "Workflow commands for GitHub Actions". A step's summary may have 1 MiB; of its
//! annotations, ten of a kind are kept. The runner reads commands from every line that a step prints, so nothing
//! that comes from outside may begin one, or end the value that it is written into.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use async_trait::async_trait;

use super::aggregate::Aggregate;
use super::document::{ClusterReport, OutcomeKind, Report};
use super::lines::escape_data;
use super::listener::{Listener, ReportError};
use super::words;
use crate::env::Env;
use crate::event::{Publication, Stamped};
use crate::reconcile::render::render;
use crate::style::Style;
use crate::text::{count, visible};

/// The most bytes that a step's summary may have.
const MOST: usize = 1024 * 1024;

/// The most annotations of a kind that a step may make.
const ANNOTATIONS: usize = 10;

const CUT: &str =
    "\n> The summary ends here: GitHub shows no more than 1 MiB. The report has all of it.\n";

/// Tells GitHub Actions of a run when it ends.
pub struct GitHub<W> {
    out: W,
    summary: Option<PathBuf>,
    outputs: Option<PathBuf>,
    report: Option<PathBuf>,
    promotion: String,
    aggregate: Aggregate,
}

impl<W: Write + Send> GitHub<W> {
    /// Writes where the environment says, annotations to `out`. `report` is where the report is written;
    /// `promotion` is the graph of roles in Mermaid's language.
    pub fn new(out: W, env: &Env, report: Option<PathBuf>, promotion: String) -> Self {
        let path = |name| env.get(name).map(PathBuf::from);
        Self {
            out,
            summary: path("GITHUB_STEP_SUMMARY"),
            outputs: path("GITHUB_OUTPUT"),
            report,
            promotion,
            aggregate: Aggregate::default(),
        }
    }
}

#[async_trait]
impl<W: Write + Send> Listener for GitHub<W> {
    fn on(&mut self, event: &Stamped) {
        self.aggregate.on(event);
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        let Some(report) = self.aggregate.report() else {
            return Ok(());
        };
        let error = |what| move |source| ReportError::Write { what, source };
        self.out
            .write_all(annotations(&report).as_bytes())
            .map_err(error("annotations"))?;
        if let Some(path) = &self.outputs {
            let text = outputs(&report, self.report.as_ref());
            append(path, &text).map_err(error("step's outputs"))?;
        }
        if let Some(path) = &self.summary {
            // Steps of one job share no file, but commands of one step do.
            let taken = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            let room = MOST.saturating_sub(usize::try_from(taken).unwrap_or(MOST));
            let text = summary(&report, &self.promotion, room);
            append(path, &text).map_err(error("step's summary"))?;
        }
        Ok(())
    }
}

fn append(path: &PathBuf, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// `success`, `failure` or `cancelled`.
fn outcome(report: &Report) -> &'static str {
    let totals = &report.totals;
    if report.run.interrupted.is_some() {
        "cancelled"
    } else if totals.changed + totals.unchanged == totals.clusters
        && report
            .statuses
            .as_ref()
            .is_none_or(Publication::is_complete)
    {
        "success"
    } else {
        "failure"
    }
}

fn outputs(report: &Report, path: Option<&PathBuf>) -> String {
    let path = path.map(|path| path.display().to_string());
    [
        ("outcome", outcome(report).to_owned()),
        ("changed", report.totals.changed.to_string()),
        ("failed", report.totals.failed.to_string()),
        ("report", path.unwrap_or_default()),
    ]
    .map(|(name, value)| output(name, &value))
    .concat()
}

/// One output, between delimiters that its value doesn't hold.
fn output(name: &str, value: &str) -> String {
    let mut delimiter = "psk".to_owned();
    while value.contains(&delimiter) {
        delimiter.push('_');
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

/// An error for each failed cluster, as long as GitHub keeps them; the last says how many more there are.
fn annotations(report: &Report) -> String {
    let failed: Vec<&ClusterReport> = report
        .clusters
        .iter()
        .filter(|cluster| cluster.outcome == OutcomeKind::Failed)
        .collect();
    let named = if failed.len() > ANNOTATIONS {
        ANNOTATIONS - 1
    } else {
        failed.len()
    };
    let (named, others) = failed.split_at(named);
    let mut out = String::new();
    for cluster in named {
        let told = cluster.failure.as_ref().map_or(String::new(), |failure| {
            format!(
                "failed in {}: {failure}\nnext: {}",
                failure.step, failure.next
            )
        });
        error_command(&cluster.name, &told, &mut out);
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|cluster| cluster.name.as_str()).collect();
        let title = format!("{} more failed", count(others.len(), "cluster"));
        error_command(&title, &names.join(", "), &mut out);
    }
    out
}

fn error_command(title: &str, told: &str, out: &mut String) {
    let title = escape_data(&visible(title))
        .replace(':', "%3A")
        .replace(',', "%2C");
    // Each line by itself: what is hidden in one is made visible, the line breaks stay.
    let told: Vec<_> = told.lines().map(visible).collect();
    let _ = writeln!(
        out,
        "::error title={title}::{}",
        escape_data(&told.join("\n"))
    );
}

/// The summary in Markdown, in at most so many bytes.
fn summary(report: &Report, promotion: &str, room: usize) -> String {
    let mut text = String::new();
    let room = room.saturating_sub(CUT.len());
    for piece in pieces(report, promotion) {
        if text.len() + piece.len() > room {
            text.push_str(CUT);
            return text;
        }
        text.push_str(&piece);
    }
    text
}

/// The summary in pieces, each of which may be the last.
fn pieces(report: &Report, promotion: &str) -> Vec<String> {
    let run = &report.run;
    let totals = &report.totals;
    let mut pieces = vec![format!(
        "## psk {} {}: {}\n\n",
        plain(&run.command),
        plain(&run.role),
        outcome(report)
    )];
    let mut facts = vec![count(totals.clusters, "cluster")];
    for (kind, n) in [
        (OutcomeKind::Changed, totals.changed),
        (OutcomeKind::Unchanged, totals.unchanged),
        (OutcomeKind::Failed, totals.failed),
        (OutcomeKind::Skipped, totals.skipped),
        (OutcomeKind::Cancelled, totals.cancelled),
    ] {
        if n > 0 {
            facts.push(format!("{n} {}", words::outcome(kind, run.dry_run)));
        }
    }
    if let Some(tag) = &run.tag {
        facts.push(format!("tag {}", plain(tag)));
    }
    if let Some(commit) = &run.commit {
        facts.push(format!(
            "commit {}",
            plain(&commit.chars().take(10).collect::<String>())
        ));
    }
    facts.push(format!("{:.1} s", run.seconds));
    pieces.push(format!("{}\n\n", facts.join(" · ")));
    let overridden = report
        .gate
        .as_ref()
        .and_then(|gate| gate.overridden.as_ref());
    if let Some(reason) = overridden {
        pieces.push(format!(
            "**The gate was shut, and overridden:** {}\n\n",
            plain(reason)
        ));
    }
    if let Some(publication) = &report.statuses {
        pieces.push(format!("{}\n\n", plain(&words::published(publication))));
    }
    pieces.push(
        "| cluster | region | outcome | changes | seconds |\n| --- | --- | --- | --- | --: |\n"
            .to_owned(),
    );
    pieces.extend(
        report
            .clusters
            .iter()
            .map(|cluster| row(cluster, run.dry_run)),
    );
    pieces.push("\n".to_owned());
    if !promotion.is_empty() {
        pieces.push(fenced("mermaid", promotion));
    }
    for cluster in &report.clusters {
        if let Some(failure) = &cluster.failure {
            let mut text = format!(
                "### {} failed in {}\n\n",
                plain(&cluster.name),
                failure.step
            );
            let _ = writeln!(text, "while {}:\n", plain(&failure.doing));
            text.push_str(&fenced("text", &shown(&failure.cause)));
            if !failure.already_changed.is_empty() {
                text.push_str("already changed:\n\n");
                for change in &failure.already_changed {
                    let _ = writeln!(text, "- {}", plain(change));
                }
                text.push('\n');
            }
            let _ = writeln!(text, "next: {}\n", plain(&failure.next));
            pieces.push(text);
        }
    }
    for cluster in &report.clusters {
        if let Some(plan) = &cluster.plan
            && plan.counts().changed() > 0
        {
            let title = format!("{}: {}", cluster.name, words::changes(&plan.counts()));
            pieces.push(format!(
                "<details><summary>{}</summary>\n\n{}</details>\n\n",
                plain(&title),
                fenced("text", &shown(&render(plan, &Style::PLAIN)))
            ));
        }
    }
    pieces
}

fn row(cluster: &ClusterReport, dry_run: bool) -> String {
    let changes = cluster
        .changes
        .filter(|changes| changes.changed() > 0)
        .map_or_else(String::new, |changes| words::changes(&changes));
    format!(
        "| {} | {} | {} | {} | {:.1} |\n",
        plain(&cluster.name),
        plain(&cluster.region),
        words::outcome(cluster.outcome, dry_run),
        plain(&changes),
        cluster.seconds
    )
}

/// A text in which Markdown and HTML find nothing, on one line.
fn plain(text: &str) -> String {
    let line = text
        .split(['\n', '\r'])
        .map(visible)
        .collect::<Vec<_>>()
        .join(" ");
    line.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Named in numbers, they stand for themselves: no link, mention, code or column of a table.
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '@' | '#' | '!' | ':' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
        out
    })
}

/// A text of several lines in which nothing is hidden.
fn shown(text: &str) -> String {
    text.lines().map(|line| visible(line) + "\n").collect()
}

/// A block that the text in it can't end.
fn fenced(language: &str, text: &str) -> String {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn of(events: &[Stamped]) -> Report {
        let mut aggregate = Aggregate::default();
        events.iter().for_each(|event| aggregate.on(event));
        aggregate.report().unwrap()
    }

    #[test]
    fn all_outcomes() {
        let report = of(&testing::all_outcomes());
        let promotion = "graph LR\n  r0[qa] --> r1[prod]\n";
        insta::assert_snapshot!(format!(
            "{}---\n{}---\n{}",
            summary(&report, promotion, MOST),
            annotations(&report),
            outputs(&report, Some(&PathBuf::from("psk-results/report.json")))
        ));
    }

    #[test]
    fn an_override_and_a_proof_that_is_not_there_are_told() {
        use crate::github::StatusState;
        use crate::release::gate::Gate;

        let mut report = of(&testing::many(2));
        report.run.dry_run = false;
        assert_eq!(outcome(&report), "success");
        report.gate = Some(Gate {
            role: "nonprod".into(),
            checks: Vec::new(),
            overridden: Some("incident <12>".into()),
        });
        report.statuses = Some(Publication {
            context: "psk/nonprod".into(),
            whole: true,
            state: Some(StatusState::Success),
            description: "2 unchanged".into(),
            undelivered: Vec::new(),
            disbelieved: Some("it is by mallory".into()),
        });
        assert_eq!(outcome(&report), "failure");
        let text = summary(&report, "", MOST);
        let told = "**The gate was shut, and overridden:** incident &lt;12&gt;\n";
        assert!(text.contains(told), "{text}");
        assert!(text.contains("it proves nothing"), "{text}");
    }

    #[test]
    fn the_files_that_the_runner_names_are_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("summary"), "before\n").unwrap();
        let env = ["summary", "output"]
            .map(|name| {
                let variable = match name {
                    "summary" => "GITHUB_STEP_SUMMARY",
                    _ => "GITHUB_OUTPUT",
                };
                (variable.to_owned(), path(name).display().to_string())
            })
            .into_iter()
            .collect();
        let mut out = Vec::new();
        let mut listener = GitHub::new(&mut out, &env, None, String::new());
        testing::interrupted()
            .iter()
            .for_each(|event| listener.on(event));
        futures::executor::block_on(listener.finish()).unwrap();
        let summary = std::fs::read_to_string(path("summary")).unwrap();
        assert!(summary.starts_with("before\n## psk "), "{summary}");
        let outputs = std::fs::read_to_string(path("output")).unwrap();
        assert!(
            outputs.starts_with("outcome<<psk\ncancelled\npsk\n"),
            "{outputs}"
        );
    }

    #[test]
    fn no_summary_is_longer_than_github_takes() {
        let mut report = of(&testing::many(20));
        report.clusters = report
            .clusters
            .iter()
            .cycle()
            .take(20_000)
            .cloned()
            .collect();
        let text = summary(&report, "", MOST);
        assert!(text.len() <= MOST, "{}", text.len());
        assert!(text.ends_with(CUT));
        assert!(!summary(&of(&testing::many(20)), "", MOST).contains(CUT));
        assert!(summary(&report, "", 0).len() <= CUT.len());
    }

    #[test]
    fn more_failures_than_annotations_are_counted() {
        let mut report = of(&testing::all_outcomes());
        let failed = report
            .clusters
            .iter()
            .find(|c| c.failure.is_some())
            .unwrap()
            .clone();
        report.clusters = vec![failed; 12];
        let text = annotations(&report);
        assert_eq!(text.lines().count(), ANNOTATIONS);
        assert!(text.lines().all(|line| line.starts_with("::error title=")));
        assert!(text.contains("title=3 clusters more failed::"), "{text}");
        report.clusters.truncate(10);
        assert_eq!(annotations(&report).lines().count(), 10);
    }

    #[test]
    fn nothing_hostile_gets_through() {
        let report = of(&testing::hostile());
        let commands = annotations(&report);
        for line in commands.lines() {
            assert!(line.starts_with("::error title="), "{line}");
            // The second ends the title, which holds none of its own; what follows is data to the line's end.
            let title = line
                .trim_start_matches("::error title=")
                .split("::")
                .next()
                .unwrap();
            assert!(!title.contains(':') && !title.contains(','), "{line}");
        }
        let text = summary(&report, "", MOST);
        assert!(
            !text.lines().any(|line| line.trim_start().starts_with("::")),
            "{text}"
        );
        assert!(
            !text.contains("<script") && !text.contains("\u{1b}"),
            "{text}"
        );
        assert_eq!(
            output("x", "a\npsk\nb psk_"),
            "x<<psk__\na\npsk\nb psk_\npsk__\n"
        );
        assert_eq!(
            plain("<a href='x'>|`::set-output\n$(id)"),
            "&lt;a href='x'&gt;&#124;&#96;&#58;&#58;set-output &#36;(id)"
        );
        assert_eq!(fenced("text", "a ``` b"), "````text\na ``` b\n````\n\n");
    }
}
