//! The table at the end of a run: a row per cluster, as wide as there is room for.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle,
};

use super::document::{ClusterReport, OutcomeKind, Report};
use super::words;
use crate::style::{Ink, Style};
use crate::text::{shorten, visible};

const HEADER: [&str; 6] = [
    "cluster", "region", "outcome", "changes", "calls", "seconds",
];
const CLUSTER: usize = 0;
/// Columns that are left out, in this order, until the rest fits. Names end in the region.
const DISPENSABLE: [usize; 3] = [1, 4, 3];
/// Columns that hold numbers.
const NUMBERS: [usize; 2] = [4, 5];
/// Blanks between columns: a column's padding and the blank that stands for a border.
const GAP: u16 = 2;
/// A cluster's name is not cut below this.
const SHORTEST_NAME: u16 = 12;

/// The table, ending in a line break. Every cluster is exactly one line.
pub(super) fn table(report: &Report, style: &Style) -> String {
    let rows = report
        .clusters
        .iter()
        .map(|cluster| row(cluster, report.run.dry_run))
        .collect();
    let lines = arrange(rows, style);
    let inks = [Some(Ink::Strong), Some(Ink::Faint)].into_iter().chain(
        report
            .clusters
            .iter()
            .map(|cluster| row_ink(cluster.outcome)),
    );
    lines
        .iter()
        .zip(inks)
        .fold(String::new(), |out, (line, ink)| {
            let line = line.trim_end();
            out + &ink.map_or_else(|| line.to_owned(), |ink| style.paint(ink, line)) + "\n"
        })
}

/// The rows as lines under a header and a rule.
fn arrange(mut rows: Vec<[String; 6]>, style: &Style) -> Vec<String> {
    let mut widths: Vec<u16> = build(&rows, style).column_max_content_widths();
    let mut hidden = Vec::new();
    for column in DISPENSABLE {
        if total(&widths, &hidden) > style.width {
            hidden.push(column);
        }
    }
    let excess = total(&widths, &hidden).saturating_sub(style.width);
    if excess > 0 {
        widths[CLUSTER] = widths[CLUSTER].saturating_sub(excess).max(SHORTEST_NAME);
        for row in &mut rows {
            let name = shorten(&row[CLUSTER], widths[CLUSTER].into(), style.ellipsis());
            row[CLUSTER] = name.into_owned();
        }
    }
    let mut table = build(&rows, style);
    for column in hidden {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    table.lines().collect()
}

/// The width of a table with columns of these widths; the last column's gap doesn't show.
fn total(widths: &[u16], hidden: &[usize]) -> u16 {
    let shown = widths
        .iter()
        .enumerate()
        .filter(|(column, _)| !hidden.contains(column));
    shown
        .map(|(_, width)| width + GAP)
        .sum::<u16>()
        .saturating_sub(GAP)
}

fn build(rows: &[[String; 6]], style: &Style) -> Table {
    let rule = if style.unicode { '─' } else { '-' };
    let rule = LineStyle::none().fill(rule).junction(rule);
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(rule))
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(HEADER)
        .add_rows(rows.iter().cloned());
    for (i, column) in table.column_iter_mut().enumerate() {
        let last = i + 1 == HEADER.len();
        column.set_padding((0, if last { 0 } else { GAP - 1 }));
        if NUMBERS.contains(&i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row(cluster: &ClusterReport, dry_run: bool) -> [String; 6] {
    let started = cluster.seconds > 0.0 || !cluster.steps.is_empty();
    let when_started = |text: String| if started { text } else { String::new() };
    [
        visible(&cluster.name).into_owned(),
        visible(&cluster.region).into_owned(),
        words::outcome(cluster.outcome, dry_run).to_owned(),
        changes(cluster),
        when_started(format!(
            "{} ({} deep)",
            cluster.calls.total, cluster.calls.longest_chain
        )),
        when_started(format!("{:.1}", cluster.seconds)),
    ]
}

/// What a cluster's plan changes; of one that failed, how much of it was done.
fn changes(cluster: &ClusterReport) -> String {
    match (&cluster.failure, &cluster.changes) {
        (Some(failure), Some(counts)) if !failure.already_changed.is_empty() => {
            format!("{} of {}", failure.already_changed.len(), counts.changed())
        }
        (None, Some(counts)) if cluster.reason.is_none() => words::changes(counts),
        _ => String::new(),
    }
}

fn row_ink(kind: OutcomeKind) -> Option<Ink> {
    match kind {
        OutcomeKind::Unchanged => None,
        kind => Some(words::outcome_ink(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, shown};

    fn wide(width: u16) -> String {
        let style = Style {
            width,
            unicode: true,
            colour: false,
        };
        table(&testing::report(&testing::all_outcomes()), &style)
    }

    #[test]
    fn columns_go_as_room_does() {
        let told: Vec<_> = [100, 70, 50, 40, 10]
            .map(|width| format!("--- {width}\n{}", wide(width)))
            .into();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn nothing_is_wider_than_the_page() {
        for width in 40..120 {
            let text = wide(width);
            let widest = text.lines().map(console::measure_text_width).max().unwrap();
            assert!(widest <= usize::from(width), "{width}: {widest}\n{text}");
        }
    }

    #[test]
    fn rows_have_the_colour_of_their_outcome() {
        let style = Style {
            width: 60,
            unicode: false,
            colour: true,
        };
        let report = testing::report(&testing::all_outcomes());
        insta::assert_snapshot!(shown(&table(&report, &style)));
    }

    #[test]
    fn two_hundred_clusters_are_two_hundred_rows() {
        let report = testing::report(&testing::many(200));
        assert_eq!(table(&report, &Style::PLAIN).lines().count(), 202);
    }
}
