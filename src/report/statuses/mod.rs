//! Commit statuses: one for the role, whose success is the proof that it holds the release, and, as
//! long as there is room for them, one for each cluster.
//!
//! [`Statuses`] is a listener that only passes on what happens. A task of its own decides what is to
//! be said, keeps to GitHub's pace, and goes on until everything has been taken in or there is no
//! hope that it will be. GitHub being away holds up no cluster and fails none.

mod pace;
mod queue;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use self::queue::{Next, Queue, Saying};
use super::listener::{Listener, ReportError};
use crate::event::{Clock, ClusterFinished, Event, Publication, Stamped, Undelivered};
use crate::fanout::Stop;
use crate::github::{GitHub, GitHubError, NewStatus, Repository, StatusState};
use crate::inventory::StatusPer;
use crate::release::proof::{
    Claim, DESCRIPTION_LIMIT, cluster_subject, cut, is_trusted, role_context,
};

/// For how long after the clusters have ended GitHub may be away before psk gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long after the clusters have ended psk waits because GitHub asks it to.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// The pauses while GitHub is away, of which each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An interrupted run ends within ten seconds, its reports included.
const AFTER_SIGNAL: Duration = Duration::from_millis(9_300);
/// GitHub asks for one request after the other (GitHub docs, "Best practices for using the REST
/// API"). Only a run that must end within seconds has this many under way at once.
const HURRIED: usize = 8;
/// After a second signal only what is under way is waited for, and not for long.
const AT_ONCE: Duration = Duration::from_millis(1_000);

/// Where statuses go.
#[async_trait]
pub trait StatusSink: Send + Sync + 'static {
    /// Writes one and says whose it is.
    ///
    /// # Errors
    /// GitHub's own.
    async fn write(&self, status: &NewStatus) -> Result<Option<String>, GitHubError>;
}

/// The statuses of one commit on GitHub.
#[derive(Debug)]
pub struct CommitStatuses {
    /// The client.
    pub github: GitHub,
    /// The commit, as a full SHA.
    pub commit: String,
}

#[async_trait]
impl StatusSink for CommitStatuses {
    async fn write(&self, status: &NewStatus) -> Result<Option<String>, GitHubError> {
        self.github.create_status(&self.commit, status).await
    }
}

/// What the statuses of a run are about.
#[derive(Debug, Clone)]
pub struct About {
    /// The repository.
    pub repository: Repository,
    /// The commit, as a full SHA.
    pub commit: String,
    /// The role.
    pub role: String,
    /// The inventory's digest, whole.
    pub digest: String,
    /// The key that proofs are signed with, if they are.
    pub key: Option<SecretString>,
    /// Whose proofs count; empty where that is whoever psk is.
    pub trusted: Vec<String>,
    /// What every context begins with.
    pub prefix: String,
    /// What gets a status of its own.
    pub per: StatusPer,
    /// The run's page.
    pub url: Option<String>,
    /// The Kubernetes version that each cluster's settings ask for.
    pub versions: BTreeMap<String, String>,
    /// Why the gate was passed although it was shut.
    pub overridden: Option<String>,
    /// Whether the run is over all clusters of the role. A part of them gets statuses of its own, by
    /// which [`crate::release::parts`] tells when all parts are done; the role's is left alone.
    pub whole: bool,
    /// What a cluster that ended well shows.
    pub good_end: GoodEnd,
}

/// What a cluster that ended well shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoodEnd {
    /// That it holds the release.
    Holds,
    /// Nothing: checks were left out.
    Unchecked,
    /// That it is gone.
    TakenApart,
}

/// What passes on a run's events to the task that writes its statuses.
pub struct Statuses(mpsc::UnboundedSender<Stamped>);

#[async_trait]
impl Listener for Statuses {
    fn on(&mut self, event: &Stamped) {
        let matters = matches!(
            event.event,
            Event::RunStarted(_) | Event::ClusterStarted { .. } | Event::ClusterFinished(_)
        );
        if matters {
            // The task ends when all is said; what comes after that changes nothing.
            drop(self.0.send(event.clone()));
        }
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        Ok(())
    }
}

/// Starts the task that writes a run's statuses. It ends, with what became of them, some time after
/// the last cluster has: when all are taken in, or when there is no hope left, or when an interrupted
/// run must end.
pub fn publish(
    about: About,
    sink: Arc<dyn StatusSink>,
    clock: Clock,
    stop: Stop,
) -> (Statuses, JoinHandle<Publication>) {
    let (sender, events) = mpsc::unbounded_channel();
    let publisher = Publisher {
        about,
        sink,
        clock,
        stop,
        queue: Queue::default(),
        role: None,
        started: None,
        places: BTreeMap::new(),
        names: BTreeMap::new(),
        ends: BTreeMap::new(),
        final_text: None,
        state: None,
        creator: None,
        failures: 0,
        trouble: None,
        ended: None,
    };
    (Statuses(sender), tokio::spawn(publisher.run(events)))
}

struct Publisher {
    about: About,
    sink: Arc<dyn StatusSink>,
    clock: Clock,
    stop: Stop,
    queue: Queue,
    /// The role's place in the queue, where it has one.
    role: Option<usize>,
    started: Option<Timestamp>,
    /// Each cluster of the run, with its context's place where it has one.
    places: BTreeMap<String, Option<usize>>,
    /// The clusters by their contexts' places.
    names: BTreeMap<usize, String>,
    ends: BTreeMap<String, ClusterFinished>,
    /// The role's last word as it was sent last.
    final_text: Option<String>,
    /// The role's state, once taken in.
    state: Option<StatusState>,
    creator: Option<String>,
    /// Failures since the last success.
    failures: u32,
    trouble: Option<GitHubError>,
    /// When the last cluster ended, or the last success after that.
    ended: Option<Instant>,
}

impl Publisher {
    async fn run(mut self, mut events: mpsc::UnboundedReceiver<Stamped>) -> Publication {
        let mut under_way = FuturesUnordered::new();
        let (mut open, mut deadline) = (true, None);
        let (wind_down, at_once) = (self.stop.wind_down().clone(), self.stop.at_once().clone());
        let (mut winding_down, mut stopping) = (false, false);
        loop {
            let now = Instant::now();
            let mut wake = deadline;
            let side_by_side = if winding_down { HURRIED } else { 1 };
            while let next = self.queue.next(now, side_by_side)
                && next != Next::Idle
            {
                match next {
                    Next::Send(place, saying) => {
                        let status = self.status(place, &saying);
                        let sink = self.sink.clone();
                        under_way.push(async move { (place, saying, sink.write(&status).await) });
                    }
                    Next::Wait(at) => {
                        wake = Some(wake.map_or(at, |wake: Instant| wake.min(at)));
                        break;
                    }
                    Next::Idle => {}
                }
            }
            let told = self.ended.is_some();
            if (told || !open)
                && under_way.is_empty()
                && (self.queue.is_settled() || self.is_hopeless(now))
            {
                break;
            }
            if let Some(ended) = self.ended.filter(|_| self.failures > 0) {
                let patience = ended + PATIENCE;
                wake = Some(wake.map_or(patience, |wake| wake.min(patience)));
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                break;
            }
            tokio::select! {
                biased;
                event = events.recv(), if open => match event {
                    Some(event) => self.on(event),
                    None => open = false,
                },
                Some((place, saying, result)) = under_way.next() => self.answered(place, &saying, result),
                () = wind_down.cancelled(), if !winding_down => {
                    winding_down = true;
                    deadline = Some(Instant::now() + AFTER_SIGNAL);
                }
                () = at_once.cancelled(), if !stopping => {
                    stopping = true;
                    let soon = Instant::now() + AT_ONCE;
                    deadline = Some(deadline.map_or(soon, |deadline: Instant| deadline.min(soon)));
                }
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
        drop(under_way);
        self.publication()
    }

    /// Whether nothing more can be hoped for, now that the clusters have ended.
    fn is_hopeless(&self, now: Instant) -> bool {
        let Some(ended) = self.ended else {
            // The run broke off before its clusters ended.
            return true;
        };
        let asked = self.trouble.as_ref().and_then(GitHubError::wait);
        match asked {
            Some(wait) => wait > LONGEST_WAIT || now >= ended + LONGEST_WAIT,
            None => self.failures > 0 && now >= ended + PATIENCE,
        }
    }

    fn on(&mut self, stamped: Stamped) {
        match stamped.event {
            Event::RunStarted(run) => {
                self.started = Some(stamped.at);
                let role = role_context(&self.about.prefix, &self.about.role);
                if self.about.whole {
                    let place = self.queue.add(role.clone());
                    self.queue
                        .say(place, words::role_started(run.clusters.len()));
                    self.role = Some(place);
                }
                let each = match self.about.per {
                    _ if !self.about.whole => true,
                    StatusPer::Cluster => true,
                    StatusPer::Role => false,
                    StatusPer::Auto => fits(run.clusters.len()),
                };
                for cluster in run.clusters {
                    let context = format!("{role}/{}", cluster.name);
                    let place = each.then(|| self.queue.add(context));
                    self.names
                        .extend(place.map(|place| (place, cluster.name.clone())));
                    self.places.insert(cluster.name, place);
                }
            }
            Event::ClusterStarted { cluster } => {
                if let Some(Some(place)) = self.places.get(&cluster) {
                    self.queue.say(*place, words::cluster_started());
                }
            }
            Event::ClusterFinished(end) => {
                let version = self.about.versions.get(&end.cluster);
                if let Some(Some(place)) = self.places.get(&end.cluster) {
                    let mut saying = words::cluster(&end, version.map(String::as_str));
                    if saying.state == StatusState::Success {
                        match self.about.good_end {
                            GoodEnd::Holds => {}
                            GoodEnd::Unchecked => saying = words::unchecked(saying),
                            GoodEnd::TakenApart => saying = words::taken_apart(&end),
                        }
                    }
                    if !self.about.whole {
                        saying.words = self.told_of_override(saying.words);
                    }
                    self.queue.say(*place, saying);
                }
                self.ends.insert(end.cluster.clone(), end);
                if self
                    .places
                    .keys()
                    .all(|cluster| self.ends.contains_key(cluster))
                {
                    self.all_ended(stamped.at);
                }
            }
            _ => {}
        }
    }

    fn all_ended(&mut self, at: Timestamp) {
        let took = self.started.map_or(Duration::ZERO, |started| {
            at.duration_since(started).try_into().unwrap_or_default()
        });
        let ends: Vec<&ClusterFinished> = self.ends.values().collect();
        let mut versions: Vec<&str> = self.about.versions.values().map(String::as_str).collect();
        versions.sort_unstable();
        versions.dedup();
        let version = match versions.as_slice() {
            [version] => Some(*version),
            _ => None,
        };
        let mut saying = words::role(&ends, took, version);
        saying.words = self.told_of_override(saying.words);
        if let Some(role) = self.role {
            self.queue.say(role, saying);
        }
        self.ended = Some(Instant::now());
    }

    fn told_of_override(&self, words: String) -> String {
        match &self.about.overridden {
            Some(reason) => format!("gate overridden ({}): {words}", cut(reason, 40)),
            None => words,
        }
    }

    /// The status as it is sent. A success is sealed at that moment, so that what is sent twice can be
    /// told apart.
    fn status(&mut self, place: usize, saying: &Saying) -> NewStatus {
        let role = &self.about.role;
        let subject = match self.names.get(&place) {
            Some(cluster) => cluster_subject(role, cluster),
            None => role.clone(),
        };
        let description = if saying.state == StatusState::Success {
            let claim = Claim {
                repository: &self.about.repository,
                commit: &self.about.commit,
                role: &subject,
                digest: &self.about.digest,
                key: self.about.key.as_ref(),
            };
            claim.text(&saying.words, (self.clock)())
        } else {
            cut(&saying.words, DESCRIPTION_LIMIT)
        };
        if self.role == Some(place) && saying.state != StatusState::Pending {
            self.final_text = Some(description.clone());
        }
        NewStatus {
            context: self.queue.name(place).to_owned(),
            state: saying.state,
            description,
            target_url: self.about.url.clone(),
        }
    }

    fn answered(
        &mut self,
        place: usize,
        saying: &Saying,
        result: Result<Option<String>, GitHubError>,
    ) {
        let now = Instant::now();
        match result {
            Ok(creator) => {
                self.queue.delivered(place, now);
                self.creator = creator.or(self.creator.take());
                if self.role == Some(place) && saying.state != StatusState::Pending {
                    self.state = Some(saying.state);
                }
                (self.failures, self.trouble) = (0, None);
                if self.ended.is_some() {
                    self.ended = Some(now);
                }
            }
            Err(error) if error.may_pass() => {
                self.failures += 1;
                let doubled = FIRST_PAUSE * 2u32.saturating_pow(self.failures.min(10) - 1);
                let wait = error.wait().unwrap_or_else(|| doubled.min(LONGEST_PAUSE));
                self.queue.failed(place, now, wait);
                self.trouble = Some(error);
            }
            Err(error) => {
                self.queue.refused(place, now, error.to_string());
                self.trouble = Some(error);
            }
        }
    }

    fn publication(self) -> Publication {
        let why = match &self.trouble {
            Some(error) => error.to_string(),
            None => "the run had to end".to_owned(),
        };
        let undelivered = self
            .queue
            .left()
            .into_iter()
            .map(|(context, saying, refused)| Undelivered {
                context: context.to_owned(),
                state: saying.state,
                description: saying.words.clone(),
                cause: refused.unwrap_or(&why).to_owned(),
            });
        let trusted = &self.about.trusted;
        let disbelieved = self
            .creator
            .as_ref()
            .filter(|creator| !trusted.is_empty() && !is_trusted(creator, trusted))
            .map(|creator| {
                let trusted = trusted.join(", ");
                format!("it is by {creator}, and promotion.trusted_creators are {trusted}")
            });
        Publication {
            context: role_context(&self.about.prefix, &self.about.role),
            whole: self.about.whole,
            state: self.state,
            description: self.final_text.clone().unwrap_or_default(),
            undelivered: undelivered.collect(),
            disbelieved: disbelieved
                .filter(|_| !self.about.whole || self.state == Some(StatusState::Success)),
        }
    }
}

/// Whether there is room for a beginning and an end of each of these clusters, and of their role.
fn fits(clusters: usize) -> bool {
    2 * (clusters + 1) <= pace::PER_HOUR
}
