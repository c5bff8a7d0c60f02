//! One message in Slack for a run: posted when it starts, changed in place as it goes on, and at its end
//! the result.
//!
//! [`SlackMessage`] is a listener that only says what the message should be. A task of its own posts it and
//! keeps to Slack's pace: what has been overtaken meanwhile is never sent. Nothing of it can hold up a run
//! or fail it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::aggregate::{Aggregate, Tally};
use super::listener::{Listener, ReportError};
use super::words;
use crate::event::{Event, Failure, Interruption, Outcome, Stamped};
use crate::fanout::Stop;
use crate::slack::{Posted, Slack, SlackError, escaped};
use crate::text::count;

/// The shortest time between two changes of the message: Slack lets a method of its tier 3 be called fifty
/// times a minute, and several runs may share a bot.
const PACE: Duration = Duration::from_secs(5);
/// How long the end of a run waits for Slack.
const PATIENCE: Duration = Duration::from_secs(20);
/// Failed clusters that are named, and how much of a cause is told.
const NAMED: usize = 5;
const CAUSE: usize = 200;
/// Hexadecimal digits of a commit that people are shown.
const SHORT_COMMIT: usize = 10;

/// What a message says besides what happens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The pipeline's name.
    pub pipeline: String,
    /// The run's page.
    pub url: Option<String>,
    /// Who started it.
    pub actor: Option<String>,
    /// How many clusters the role has; a run over fewer says nothing of the role.
    pub clusters: usize,
    /// Why the role's gate was passed although it was shut, if it was.
    pub overridden: Option<String>,
    /// Whether checks are left out, so that a good end says nothing of the role.
    pub unchecked: bool,
}

/// Keeps a run's message in Slack as it should be.
pub struct SlackMessage {
    telling: Telling,
    text: watch::Sender<Option<String>>,
    task: Option<JoinHandle<Result<(), SlackError>>>,
    stop: Stop,
}

impl SlackMessage {
    /// A message in that channel, of a run that may be stopped.
    pub fn start(slack: Slack, channel: String, about: About, stop: Stop) -> Self {
        let (text, texts) = watch::channel(None);
        Self {
            telling: Telling::new(about),
            text,
            task: Some(tokio::spawn(keep_posted(slack, channel, texts))),
            stop,
        }
    }
}

/// What is known of a run, and how it is put. Pure.
struct Telling {
    about: About,
    aggregate: Aggregate,
    interrupted: Option<Interruption>,
    ended: bool,
    /// Whether all that proves the release held is there; `None` where nothing has to be.
    proven: Option<bool>,
}

impl Telling {
    fn new(about: About) -> Self {
        Self {
            about,
            aggregate: Aggregate::default(),
            interrupted: None,
            ended: false,
            proven: None,
        }
    }

    /// Takes in an event, and tells whether the message is another one now.
    fn on(&mut self, stamped: &Stamped) -> bool {
        self.aggregate.on(stamped);
        match &stamped.event {
            Event::RunStarted(_) | Event::ClusterStarted { .. } | Event::ClusterFinished(_) => true,
            Event::Published(publication) => {
                self.proven = Some(publication.is_complete());
                false
            }
            Event::RunFinished { interrupted, .. } => {
                self.interrupted = *interrupted;
                self.ended = true;
                true
            }
            _ => false,
        }
    }

    /// The message as it should be now.
    fn say(&self) -> Option<String> {
        let (_, run) = self.aggregate.run()?;
        let tally = self.aggregate.tally();
        let release = match (&run.tag, &run.commit) {
            (Some(tag), Some(commit)) => format!("`{}` ({})", escaped(tag), short(commit)),
            (Some(tag), None) => format!("`{}`", escaped(tag)),
            (None, Some(commit)) => format!("`{}`", short(commit)),
            (None, None) => "no commit".to_owned(),
        };
        let role = format!("*{}*", escaped(&run.role));
        let whole = tally.total == self.about.clusters;
        let part = format!(
            "{} of {}",
            tally.total,
            count(self.about.clusters, "cluster")
        );
        let head = match (self.ended, tally.unchanged + tally.changed == tally.total) {
            (false, _) => format!(":hourglass_flowing_sand: {role}: rolling out {release}"),
            (true, true) if self.proven == Some(false) => {
                format!(
                    ":warning: {role}: {release} is rolled out, and there is no proof of it on GitHub"
                )
            }
            (true, true) if self.about.unchecked => {
                format!(":warning: {role}: {release} is rolled out, and not every check was run")
            }
            (true, true) if whole => format!(":white_check_mark: {role} holds {release}"),
            (true, true) => format!(":white_check_mark: {part} of {role} hold {release}"),
            (true, false) if self.interrupted.is_some() => {
                format!(":warning: {role}: rolling out {release} was interrupted")
            }
            (true, false) => format!(":x: {role}: rolling out {release} failed"),
        };
        let mut facts = vec![escaped(&self.about.pipeline)];
        if whole {
            facts.push(count(tally.total, "cluster"));
        } else {
            facts.push(part);
        }
        facts.extend(counts(&tally));
        if self.ended {
            let elapsed = self.aggregate.elapsed(jiff::Timestamp::UNIX_EPOCH);
            facts.push(words::clock(elapsed));
        }
        let actor = self.about.actor.iter();
        facts.extend(actor.map(|actor| format!("by {}", escaped(actor))));
        let url = self.about.url.iter();
        facts.extend(url.map(|url| format!("<{}|job>", escaped(url))));
        let mut lines = vec![head, facts.join(" · ")];
        let overridden = self.about.overridden.iter();
        lines.extend(overridden.map(|reason| {
            format!(
                ":rotating_light: the gate was overridden: {}",
                escaped(reason)
            )
        }));
        lines.extend(self.failures());
        Some(lines.join("\n"))
    }

    fn failures(&self) -> Vec<String> {
        let failed = self.aggregate.clusters().iter().filter_map(|state| {
            let (_, finished) = state.finished.as_ref()?;
            match &finished.outcome {
                Outcome::Failed(failure) => Some(failed(&state.cluster.name, failure)),
                _ => None,
            }
        });
        let all: Vec<_> = failed.collect();
        let more = all.len().saturating_sub(NAMED);
        let mut lines: Vec<_> = all.into_iter().take(NAMED).collect();
        if more > 0 {
            lines.push(format!("• and {more} more"));
        }
        lines
    }
}

fn failed(cluster: &str, failure: &Failure) -> String {
    let cause = failure.cause.lines().next().unwrap_or_default();
    let mut cause: String = cause.chars().take(CAUSE).collect();
    if cause.len() < failure.cause.len() {
        cause.push('…');
    }
    let (cluster, doing) = (escaped(cluster), escaped(&failure.doing));
    format!(
        "• {cluster} failed in {}: {doing}: {}",
        failure.step,
        escaped(&cause)
    )
}

fn short(commit: &str) -> String {
    commit.chars().take(SHORT_COMMIT).collect()
}

fn counts(tally: &Tally) -> Vec<String> {
    let told = [
        (tally.changed, "changed"),
        (tally.unchanged, "unchanged"),
        (tally.failed, "failed"),
        (tally.skipped, "skipped"),
        (tally.cancelled, "cancelled"),
        (tally.running, "running"),
    ];
    told.into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect()
}

#[async_trait]
impl Listener for SlackMessage {
    fn on(&mut self, stamped: &Stamped) {
        if self.telling.on(stamped) {
            self.text.send_replace(self.telling.say());
        }
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        let (ended, _) = watch::channel(None);
        // With the sender gone the task sends what is left, and ends.
        drop(std::mem::replace(&mut self.text, ended));
        let Some(mut task) = self.task.take() else {
            return Ok(());
        };
        let (cause, next) = match self.stop.within(PATIENCE, &mut task).await {
            Some(Ok(Ok(()))) => return Ok(()),
            Some(Ok(Err(error))) => (error.to_string(), error.next()),
            Some(Err(panicked)) => (panicked.to_string(), "report this as a bug"),
            None => {
                task.abort();
                (
                    "no answer came in time".to_owned(),
                    "see whether Slack is up",
                )
            }
        };
        Err(ReportError::Untold {
            what: "Slack wasn't told how this run ended".to_owned(),
            cause,
            next: next.to_owned(),
        })
    }
}

/// Posts the first text and changes the message to each that comes, the last one in any case. A change
/// that fails is made up for by the next.
async fn keep_posted(
    slack: Slack,
    channel: String,
    mut texts: watch::Receiver<Option<String>>,
) -> Result<(), SlackError> {
    let mut posted: Option<Posted> = None;
    let mut outcome = Ok(());
    let mut shown = None;
    let mut last = None;
    loop {
        let more = texts.changed().await.is_ok();
        if let (true, Some(last)) = (more, last) {
            // Whatever comes until then goes out as one change; the end is waited for no longer.
            let ended = async { while texts.changed().await.is_ok() {} };
            tokio::select! {
                () = sleep_until(last + PACE) => {}
                () = ended => {}
            }
        }
        let text = texts.borrow_and_update().clone();
        if let Some(wanted) = text.filter(|text| shown.as_ref() != Some(text)) {
            outcome = match &posted {
                None => slack
                    .post(&channel, &wanted)
                    .await
                    .map(|new| posted = Some(new)),
                Some(posted) => slack.update(posted, &wanted).await,
            };
            last = Some(Instant::now());
            shown = outcome.is_ok().then_some(wanted);
        }
        if !more {
            return outcome;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn told(events: &[Stamped], clusters: usize) -> String {
        said(events, clusters, false)
    }

    fn said(events: &[Stamped], clusters: usize, unchecked: bool) -> String {
        let mut telling = Telling::new(About {
            pipeline: "base".into(),
            url: Some("https://ci.example/?a=1&b=2".into()),
            actor: Some("<me>".into()),
            clusters,
            overridden: Some("the <pager> rang".into()),
            unchecked,
        });
        events.iter().for_each(|event| {
            telling.on(event);
        });
        telling.say().unwrap()
    }

    #[test]
    fn a_run_under_way_and_at_its_end() {
        let events = testing::all_outcomes();
        let clusters = events.len();
        let all = match &events[0].event {
            Event::RunStarted(run) => run.clusters.len(),
            _ => 0,
        };
        let begun = told(&events[..clusters / 3], all);
        insta::assert_snapshot!(format!(
            "{begun}\n\n{}\n\n{}",
            told(&events, all),
            told(&events, all + 3)
        ));
    }

    #[test]
    fn a_run_that_left_checks_out_says_nothing_of_the_role() {
        let mut events = testing::all_outcomes();
        for stamped in &mut events {
            if let Event::ClusterFinished(end) = &mut stamped.event {
                end.outcome = Outcome::Unchanged;
            }
        }
        let head = |unchecked| {
            let said = said(&events, 0, unchecked);
            said.lines().next().unwrap().to_owned()
        };
        assert!(head(true).ends_with("is rolled out, and not every check was run"));
        assert!(!head(false).contains("check was run"));
    }

    #[test]
    fn a_run_that_never_started_has_no_message() {
        assert_eq!(Telling::new(About::default()).say(), None);
    }
}
