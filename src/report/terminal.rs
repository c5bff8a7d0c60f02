//! Live progress for a person who watches: a line per cluster and a rollup, redrawn in place.
//!
//! [`frame`] decides what is shown, purely; indicatif puts it on the screen.

use async_trait::async_trait;
use console::measure_text_width;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use jiff::Timestamp;

use super::aggregate::{Aggregate, ClusterState, since};
use super::document::OutcomeKind;
use super::listener::{Listener, ReportError};
use super::screen::Parked;
use super::{gate, words};
use crate::event::{Event, Outcome, Stamped};
use crate::style::{Ink, Style};
use crate::text::{count, pad, shorten, visible};

/// Below this width, regions are left out: cluster names end in them.
const WIDTH_FOR_REGIONS: usize = 90;
/// Columns for the longest clock, `00:00` (an hour more just pushes the line).
const CLOCK: usize = 5;

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// Draws a run's progress while it goes on and leaves one line of it behind.
pub struct Terminal {
    aggregate: Aggregate,
    screen: ProgressBar,
    size: Box<dyn Fn() -> Size + Send>,
    style: Style,
    now: Timestamp,
    turns: usize,
}

impl Terminal {
    /// Draws to a terminal; `size` tells how large it is at the moment.
    pub fn new(
        term: impl TermLike + 'static,
        size: impl Fn() -> Size + Send + 'static,
        style: Style,
    ) -> Self {
        let target = ProgressDrawTarget::term_like(Box::new(Parked(term)));
        // The template is constant and well-formed; the fallback would only add a spinner.
        let whole_frame = ProgressStyle::with_template("{msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let screen = ProgressBar::with_draw_target(None, target).with_style(whole_frame);
        Self {
            aggregate: Aggregate::default(),
            screen,
            size: Box::new(size),
            style,
            now: Timestamp::UNIX_EPOCH,
            turns: 0,
        }
    }

    /// Draws to standard error, which must be a terminal that can move its cursor.
    pub fn on_stderr(style: Style) -> Self {
        let term = console::Term::buffered_stderr();
        let size = {
            let term = term.clone();
            move || {
                let (rows, columns) = term.size();
                Size { rows, columns }
            }
        };
        Self::new(term, size, style)
    }

    fn draw(&self) {
        let view = View {
            now: self.now,
            size: (self.size)(),
            turn: self.turns,
            style: &self.style,
        };
        let lines = frame(&self.aggregate, &view);
        if !lines.is_empty() {
            self.screen.set_message(lines.join("\n"));
        }
    }
}

#[async_trait]
impl Listener for Terminal {
    fn on(&mut self, event: &Stamped) {
        self.aggregate.on(event);
        self.now = event.at;
        match &event.event {
            Event::RunStarted(run) => {
                self.screen
                    .println(words::heading(run, &self.style).join("\n"));
                self.draw();
            }
            Event::Gated(gate) => {
                let lines = gate::lines(gate, &self.style);
                self.screen.println(lines.join("\n"));
            }
            Event::RunFinished { .. } => self.draw(),
            // The next tick shows it: a burst of events is one change of the picture.
            _ => {}
        }
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = now;
        self.turns = self.turns.wrapping_add(1);
        self.draw();
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        if self.aggregate.run().is_some() {
            let columns = (self.size)().columns.into();
            let rollup = rollup(&self.aggregate, self.now, columns, &self.style);
            // The empty line sets off what is printed next, on the line after it.
            self.screen.finish_with_message(format!("{rollup}\n\n"));
        }
        Ok(())
    }
}

/// What decides how the same state looks at the moment.
struct View<'a> {
    now: Timestamp,
    size: Size,
    turn: usize,
    style: &'a Style,
}

/// The lines to be shown: every cluster if they all fit, else those that run; the rollup last.
fn frame(aggregate: &Aggregate, view: &View<'_>) -> Vec<String> {
    let Some((_, run)) = aggregate.run() else {
        return Vec::new();
    };
    // One row for the rollup, one so that the frame never scrolls the screen.
    let room = usize::from(view.size.rows).saturating_sub(2);
    let all = aggregate.clusters();
    let mut shown: Vec<&ClusterState> = all.iter().collect();
    let mut more = None;
    if shown.len() > room {
        shown.retain(|state| state.is_running());
        if shown.len() > room {
            let left_out = shown.len() - room.saturating_sub(1);
            shown.truncate(room.saturating_sub(1));
            more = Some(left_out);
        }
    }
    let columns = usize::from(view.size.columns);
    let names = shown
        .iter()
        .map(|s| measure_text_width(&visible(&s.cluster.name)))
        .max()
        .unwrap_or(0);
    let regions = if columns < WIDTH_FOR_REGIONS {
        0
    } else {
        shown
            .iter()
            .map(|s| measure_text_width(&visible(&s.cluster.region)))
            .max()
            .unwrap_or(0)
    };
    let mut lines: Vec<String> = shown
        .into_iter()
        .map(|state| {
            let (mark, elapsed, told) = tell(state, run.dry_run, view);
            let mut line = format!("{mark} {}", pad(&visible(&state.cluster.name), names));
            if regions > 0 {
                let region = pad(&visible(&state.cluster.region), regions);
                line.push_str(&format!("  {}", view.style.paint(Ink::Faint, region)));
            }
            format!("{line}  {elapsed:CLOCK$}  {told}")
        })
        .collect();
    if let Some(more) = more {
        let line = format!("  {} and {more} more running", view.style.ellipsis());
        lines.push(view.style.paint(Ink::Faint, line));
    }
    lines.push(rollup(aggregate, view.now, columns, view.style));
    lines
        .iter()
        .map(|line| shorten(line.trim_end(), columns, view.style.ellipsis()).into_owned())
        .collect()
}

/// A cluster's mark, the time it took so far, and where it stands.
fn tell(state: &ClusterState, dry_run: bool, view: &View<'_>) -> (String, String, String) {
    let style = view.style;
    match (&state.finished, state.started) {
        (Some((_, finished)), _) => {
            let kind = OutcomeKind::from(&finished.outcome);
            let ink = words::outcome_ink(kind);
            let mut told = style.paint(ink, words::outcome(kind, dry_run));
            if let Some(detail) = detail(state, &finished.outcome) {
                told.push_str(&format!("  {detail}"));
            }
            let elapsed = words::clock(finished.elapsed);
            (style.paint(ink, mark(kind, style)), elapsed, told)
        }
        (None, Some(started)) => {
            let step = state.step().map_or("starting", |step| step.as_str());
            let told = match &state.message {
                Some(message) => format!("{step}: {}", visible(message)),
                None => step.to_owned(),
            };
            (spinner(view), words::clock(since(started, view.now)), told)
        }
        (None, None) => {
            let told = style.paint(Ink::Faint, "waiting");
            (" ".to_owned(), String::new(), told)
        }
    }
}

/// The spinner as it stands at this turn.
fn spinner(view: &View<'_>) -> String {
    let turns: &[&str] = if view.style.unicode {
        &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
    } else {
        &["|", "/", "-", "\\"]
    };
    turns[view.turn % turns.len()].to_owned()
}

/// What is worth a few more words of a cluster that ended.
fn detail(state: &ClusterState, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Unchanged => None,
        Outcome::Changed { .. } => state
            .plan
            .as_ref()
            .map(|plan| words::changes(&plan.counts())),
        // The rest of what was seen stands in the summary.
        Outcome::Failed(failure) => {
            let told = failure.to_string();
            let first = told.lines().next().unwrap_or_default();
            Some(visible(first).into_owned())
        }
        Outcome::Skipped { reason: why } | Outcome::Cancelled { during: why } => {
            Some(visible(why).into_owned())
        }
    }
}

fn mark(kind: OutcomeKind, style: &Style) -> &'static str {
    match (kind, style.unicode) {
        (OutcomeKind::Unchanged | OutcomeKind::Changed, true) => "✓",
        (OutcomeKind::Unchanged | OutcomeKind::Changed, false) => "*",
        (OutcomeKind::Failed, true) => "✗",
        (OutcomeKind::Failed, false) => "x",
        (OutcomeKind::Skipped | OutcomeKind::Cancelled, true) => "-",
        (OutcomeKind::Skipped | OutcomeKind::Cancelled, false) => ".",
    }
}

/// `3/6 done · 2 changed · 1 failed · 00:12`, the clock always in sight.
fn rollup(aggregate: &Aggregate, now: Timestamp, columns: usize, style: &Style) -> String {
    let tally = aggregate.tally();
    let dry_run = aggregate.run().is_some_and(|(_, run)| run.dry_run);
    let mut line = words::progress(&tally, dry_run, style);
    let waiting = tally.total - tally.done() - tally.running;
    if waiting > 0 && tally.running > 0 {
        line.push_str(&format!(
            "{}{} waiting",
            style.dot(),
            count(waiting, "cluster")
        ));
    }
    let clock = format!("{}{}", style.dot(), words::clock(aggregate.elapsed(now)));
    let room = columns.saturating_sub(measure_text_width(&clock));
    format!("{}{clock}", shorten(&line, room, style.ellipsis()))
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::event::Step;
    use crate::report::testing::{self, at, moment, shown};

    fn terminal(rows: u16, columns: u16, style: Style) -> (InMemoryTerm, Terminal) {
        let screen = InMemoryTerm::new(rows, columns);
        let size = {
            let screen = screen.clone();
            move || Size {
                rows: screen.height(),
                columns: screen.width(),
            }
        };
        (screen.clone(), Terminal::new(screen, size, style))
    }

    fn unicode() -> Style {
        Style {
            unicode: true,
            ..Style::PLAIN
        }
    }

    /// What the screen shows at some moments of the run with all outcomes.
    fn pictures(rows: u16, columns: u16, style: Style) -> String {
        let (screen, mut terminal) = terminal(rows, columns, style);
        let mut events = testing::all_outcomes().into_iter().peekable();
        let mut pictures = Vec::new();
        for seconds in [0.0, 0.7, 1.4, 3.0] {
            while let Some(event) = events.next_if(|event| event.at <= moment(seconds)) {
                terminal.on(&event);
            }
            terminal.tick(moment(seconds));
            pictures.push(format!("--- {seconds} s\n{}", screen.contents()));
        }
        futures::executor::block_on(terminal.finish()).unwrap();
        pictures.push(format!("--- finished\n{}", screen.contents()));
        pictures.join("\n")
    }

    #[test]
    fn a_run_from_start_to_end() {
        insta::assert_snapshot!(pictures(24, 110, unicode()));
    }

    #[test]
    fn a_narrow_screen_without_unicode() {
        let style = Style {
            width: 60,
            ..Style::PLAIN
        };
        insta::assert_snapshot!(pictures(24, 60, style));
    }

    #[test]
    fn more_clusters_than_rows_shows_the_running_ones() {
        let (screen, mut terminal) = terminal(8, 80, unicode());
        let events = testing::many(200);
        let (start, rest) = events.split_at(1);
        terminal.on(&start[0]);
        let mut pictures = Vec::new();
        for (i, event) in rest.iter().enumerate() {
            terminal.on(event);
            if [0, 40, 420, 790].contains(&i) {
                terminal.tick(event.at);
                assert!(screen.contents().lines().count() <= 8);
                pictures.push(format!("--- after {i} events\n{}", screen.contents()));
            }
        }
        insta::assert_snapshot!(pictures.join("\n"));
    }

    #[test]
    fn colours_mark_outcomes() {
        let mut aggregate = Aggregate::default();
        testing::all_outcomes()
            .iter()
            .for_each(|event| aggregate.on(event));
        let style = Style {
            colour: true,
            ..unicode()
        };
        let size = Size {
            rows: 24,
            columns: 80,
        };
        let view = View {
            now: moment(2.0),
            size,
            turn: 0,
            style: &style,
        };
        insta::assert_snapshot!(shown(&frame(&aggregate, &view).join("\n")));
    }

    #[test]
    fn hostile_names_and_messages_stay_on_their_line() {
        let (screen, mut terminal) = terminal(12, 100, unicode());
        for event in testing::hostile() {
            terminal.on(&event);
        }
        terminal.tick(moment(1.0));
        insta::assert_snapshot!(screen.contents());
    }

    #[test]
    fn nothing_is_drawn_before_the_run_or_of_an_empty_one() {
        let (screen, mut terminal) = terminal(8, 80, unicode());
        terminal.tick(moment(0.0));
        assert_eq!(screen.contents(), "");
        futures::executor::block_on(terminal.finish()).unwrap();
        assert_eq!(screen.contents(), "");
        let (screen, mut terminal) = self::terminal(8, 80, unicode());
        testing::empty().iter().for_each(|event| terminal.on(event));
        futures::executor::block_on(terminal.finish()).unwrap();
        insta::assert_snapshot!(screen.contents());
    }

    #[test]
    fn what_the_terminal_echoes_breaks_no_frame() {
        let (screen, mut terminal) = terminal(12, 100, unicode());
        let run = testing::run(&["qa-i01-aws-us-east-2", "qa-i01-aws-us-west-2"], true);
        terminal.on(&at(0.0, Event::RunStarted(run)));
        terminal.tick(moment(0.1));
        let before = screen.contents();
        // Ctrl-C, as a terminal shows it at the cursor.
        screen.write_str("^C").unwrap();
        terminal.tick(moment(0.2));
        assert_eq!(screen.contents(), before);
    }

    #[test]
    fn the_spinner_turns_and_the_clock_runs_without_events() {
        let (screen, mut terminal) = terminal(8, 100, unicode());
        let run = testing::run(&["qa-i01-aws-us-east-2"], true);
        terminal.on(&at(0.0, Event::RunStarted(run)));
        let cluster = "qa-i01-aws-us-east-2".to_owned();
        terminal.on(&at(
            0.0,
            Event::ClusterStarted {
                cluster: cluster.clone(),
            },
        ));
        terminal.on(&at(
            0.5,
            Event::StepStarted {
                cluster,
                step: Step::Session,
            },
        ));
        terminal.tick(moment(1.0));
        let before = screen.contents();
        terminal.tick(moment(61.0));
        let after = screen.contents();
        assert!(
            before.contains("⠙ qa-i01-aws-us-east-2  us-east-2  00:01  session"),
            "{before}"
        );
        assert!(
            after.contains("⠹ qa-i01-aws-us-east-2  us-east-2  01:01  session"),
            "{after}"
        );
    }
}
