//! The words that all listeners for people share, so that a run is told alike everywhere.

use std::time::Duration;

use console::measure_text_width;

use super::aggregate::Tally;
use super::document::OutcomeKind;
use crate::event::{
    CheckOutcome, CheckResult, KeptOutputs, OutputsWritten, Publication, RunStarted,
};
use crate::reconcile::plan::Counts;
use crate::release::proof;
use crate::style::{Ink, Style};
use crate::text::{count, visible};

/// Hexadecimal digits of a commit that people are shown.
const SHORT_COMMIT: usize = 10;

/// What the run is about, then its schedule, a line each.
pub(super) fn heading(run: &RunStarted, style: &Style) -> Vec<String> {
    let mode = if run.dry_run {
        " (dry run: nothing is written)"
    } else {
        ""
    };
    let mut facts = vec![
        format!("psk {} {}{mode}", visible(&run.command), visible(&run.role)),
        count(run.clusters.len(), "cluster"),
    ];
    if let Some(commit) = &run.commit {
        let short: String = commit.chars().take(SHORT_COMMIT).collect();
        facts.push(format!("commit {}", visible(&short)));
    }
    if let Some(tag) = &run.tag {
        facts.push(format!("tag {}", visible(tag)));
    }
    let schedule = run
        .schedule
        .iter()
        .map(|line| format!("  {}", visible(line)));
    let force = run.force_upgrade.iter();
    let force = force.map(|reason| {
        let reason = visible(reason);
        format!("  upgrades are forced, whatever EKS's insights say: {reason}")
    });
    let heading = wrapped(facts, style).into_iter();
    heading.chain(schedule).chain(force).collect()
}

/// What became of the role's commit status: `psk/qa: success, 3 unchanged in 12m`.
pub(super) fn published(publication: &Publication) -> String {
    let context = visible(&publication.context);
    if !publication.whole {
        return format!("{context}: left alone, as this run was over a part of it");
    }
    let words = visible(proof::words(&publication.description)).into_owned();
    match (publication.state, &publication.disbelieved) {
        (Some(state), None) => format!("{context}: {}, {words}", state.as_str()),
        (Some(state), Some(why)) => format!(
            "{context}: {}, {words}; it proves nothing: {}",
            state.as_str(),
            visible(why)
        ),
        (None, _) => format!("{context}: not written"),
    }
}

/// The parts on one line, or on more where they don't fit.
fn wrapped(parts: Vec<String>, style: &Style) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        if let Some(line) = lines.last_mut() {
            let longer = format!("{line}{}{part}", style.dot());
            if measure_text_width(&longer) <= style.width.into() {
                *line = longer;
                continue;
            }
        }
        let indent = if lines.is_empty() { "" } else { "  " };
        lines.push(format!("{indent}{part}"));
    }
    lines
}

/// A cluster's final state, in a dry run as the prospect that it is.
pub(super) fn outcome(kind: OutcomeKind, dry_run: bool) -> &'static str {
    match kind {
        OutcomeKind::Unchanged => "unchanged",
        OutcomeKind::Changed if dry_run => "would change",
        OutcomeKind::Changed => "changed",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Skipped => "skipped",
        OutcomeKind::Cancelled => "cancelled",
    }
}

/// The colour that a final state has everywhere.
pub(super) fn outcome_ink(kind: OutcomeKind) -> Ink {
    match kind {
        OutcomeKind::Unchanged => Ink::Added,
        OutcomeKind::Changed => Ink::Changed,
        OutcomeKind::Failed => Ink::Removed,
        OutcomeKind::Skipped => Ink::Faint,
        OutcomeKind::Cancelled => Ink::Replaced,
    }
}

/// `+1 ~3 -/+1 -2`: what a plan changes, by the signs that the plan itself uses.
pub(super) fn changes(counts: &Counts) -> String {
    let signed = [
        ("+", counts.create),
        ("~", counts.update),
        ("-/+", counts.replace),
        ("-", counts.delete),
    ];
    let told: Vec<_> = signed
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(sign, n)| format!("{sign}{n}"))
        .collect();
    if told.is_empty() {
        "none".to_owned()
    } else {
        told.join(" ")
    }
}

/// `check ebs-volume failed, 12.3 s: …`, and what was seen, a line each.
pub(super) fn check(check: &CheckResult) -> Vec<String> {
    let outcome = check.outcome.as_str();
    let head = match check.outcome {
        CheckOutcome::Skipped => format!("check {} {outcome}", check.name),
        _ => format!("check {} {outcome}, {:.1} s", check.name, check.seconds),
    };
    let mut seen = check.message.iter().flat_map(|message| message.lines());
    let head = match seen.next() {
        Some(cause) => format!("{head}: {cause}"),
        None => head,
    };
    let rest = seen.map(|line| format!("  {line}"));
    std::iter::once(head).chain(rest).collect()
}

/// `outputs: item psk-aws-qa-i01-aws-us-east-2 of vault empc-lab changed`.
pub(super) fn outputs(outputs: &KeptOutputs, dry_run: bool) -> String {
    let written = match (outputs.written, dry_run) {
        (OutputsWritten::Unchanged, _) => "unchanged",
        (OutputsWritten::Changed, false) => "changed",
        (OutputsWritten::Changed, true) => "would change",
        (OutputsWritten::Made, false) => "made",
        (OutputsWritten::Made, true) => "would be made",
    };
    let KeptOutputs { vault, item, .. } = outputs;
    format!("outputs: item {item} of vault {vault} {written}")
}

/// `26 checks: 25 passed, 1 failed`.
pub(super) fn checks(checks: &[CheckResult]) -> String {
    let outcomes = [
        CheckOutcome::Passed,
        CheckOutcome::Failed,
        CheckOutcome::Skipped,
    ];
    let told: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| {
            let n = checks.iter().filter(|c| c.outcome == outcome).count();
            (n, outcome)
        })
        .filter(|(n, _)| *n > 0)
        .map(|(n, outcome)| format!("{n} {}", outcome.as_str()))
        .collect();
    format!("{}: {}", count(checks.len(), "check"), told.join(", "))
}

/// `14 calls (4 deep)`: calls made, and how many had to wait for one another.
pub(super) fn calls(total: u64, longest_chain: u32) -> String {
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    format!("{} ({longest_chain} deep)", count(total, "call"))
}

/// `3/6 done · 2 changed · 1 failed`, each part only where it isn't zero.
pub(super) fn progress(tally: &Tally, dry_run: bool, style: &Style) -> String {
    let mut parts = vec![format!("{}/{} done", tally.done(), tally.total)];
    let states = [
        (OutcomeKind::Changed, tally.changed),
        (OutcomeKind::Unchanged, tally.unchanged),
        (OutcomeKind::Failed, tally.failed),
        (OutcomeKind::Skipped, tally.skipped),
        (OutcomeKind::Cancelled, tally.cancelled),
    ];
    for (kind, n) in states.into_iter().filter(|(_, n)| *n > 0) {
        let told = format!("{n} {}", outcome(kind, dry_run));
        parts.push(style.paint(outcome_ink(kind), told));
    }
    parts.join(style.dot())
}

/// `00:12`, `1:02:03`: time that passed, as a clock shows it.
pub(super) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_as_a_clock_does() {
        let told = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!([told(0), told(72), told(3599)], ["00:00", "01:12", "59:59"]);
        assert_eq!([told(3600), told(36_061)], ["1:00:00", "10:01:01"]);
    }

    #[test]
    fn changes_are_told_by_sign() {
        let counts = Counts {
            keep: 8,
            create: 1,
            update: 3,
            replace: 2,
            delete: 4,
        };
        assert_eq!(changes(&counts), "+1 ~3 -/+2 -4");
        assert_eq!(
            changes(&Counts {
                keep: 8,
                ..Counts::default()
            }),
            "none"
        );
    }

    #[test]
    fn progress_leaves_out_what_there_is_none_of() {
        let tally = Tally {
            total: 6,
            running: 3,
            changed: 2,
            failed: 1,
            ..Tally::default()
        };
        assert_eq!(
            progress(&tally, false, &Style::PLAIN),
            "3/6 done, 2 changed, 1 failed"
        );
        assert_eq!(
            progress(&tally, true, &Style::PLAIN),
            "3/6 done, 2 would change, 1 failed"
        );
        assert_eq!(progress(&Tally::default(), true, &Style::PLAIN), "0/0 done");
    }
}
