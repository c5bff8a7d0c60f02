//! The task against a GitHub that only counts, in a time that passes at once.

use std::sync::Mutex;

use super::*;
use crate::event::{
    CallSummary, ClusterRef, Emitter, Failure, Interruption, Outcome, RunStarted, Step,
};
use crate::github::Cause;
use crate::release::proof::words;
use crate::report::drive;

const LATENCY: Duration = Duration::from_millis(180);

/// A GitHub that takes in statuses, each after a while, as long as it is there.
struct Fake {
    begun: Instant,
    taken: Mutex<Vec<(Duration, NewStatus)>>,
    refused: Mutex<Vec<Duration>>,
    /// Away from then until then.
    away: Option<(Duration, Duration)>,
    /// Says this to everything.
    always: Option<Cause>,
    /// The first one asks for this long a pause.
    asks: Mutex<Option<Duration>>,
    creator: &'static str,
}

impl Fake {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            taken: Mutex::default(),
            refused: Mutex::default(),
            away: None,
            always: None,
            asks: Mutex::default(),
            creator: "psk-release[bot]",
        }
    }

    fn taken(&self) -> Vec<(Duration, NewStatus)> {
        self.taken.lock().unwrap().clone()
    }

    /// The last state of each context.
    fn last(&self) -> BTreeMap<String, StatusState> {
        self.taken()
            .into_iter()
            .map(|(_, status)| (status.context, status.state))
            .collect()
    }

    /// The most that came within one minute.
    fn busiest_minute(&self) -> usize {
        let taken = self.taken();
        let within = |from: Duration| {
            taken
                .iter()
                .filter(|(at, _)| *at >= from && *at < from + Duration::from_secs(60))
                .count()
        };
        taken.iter().map(|(at, _)| within(*at)).max().unwrap_or(0)
    }
}

#[async_trait]
impl StatusSink for Fake {
    async fn write(&self, status: &NewStatus) -> Result<Option<String>, GitHubError> {
        let at = self.begun.elapsed();
        tokio::time::sleep(LATENCY).await;
        let away = self.away.filter(|(from, to)| at >= *from && at < *to);
        let asked = self.asks.lock().unwrap().take();
        let cause = match (asked, away, &self.always) {
            (Some(wait), ..) => Some(Cause::Limited {
                wait,
                message: "slow down".into(),
            }),
            (_, Some(_), _) => Some(Cause::Away("connection refused".into())),
            (.., always) => always.clone(),
        };
        match cause {
            Some(cause) => {
                self.refused.lock().unwrap().push(at);
                Err(GitHubError {
                    doing: format!("writing status {}", status.context),
                    host: "https://github.example".into(),
                    cause,
                })
            }
            None => {
                assert!(status.description.chars().count() <= DESCRIPTION_LIMIT);
                self.taken.lock().unwrap().push((at, status.clone()));
                Ok(Some(self.creator.to_owned()))
            }
        }
    }
}

/// A run over some clusters, each of which starts and ends at its time.
struct Run {
    clusters: Vec<(Duration, Duration, Outcome)>,
    per: StatusPer,
    whole: bool,
    good_end: GoodEnd,
    stop: Stop,
    signal_at: Option<Duration>,
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn name(n: usize) -> String {
    format!("qa-i{n:03}-aws-us-east-1")
}

impl Run {
    fn of(clusters: Vec<(Duration, Duration, Outcome)>) -> Self {
        Self {
            clusters,
            per: StatusPer::Auto,
            whole: true,
            good_end: GoodEnd::Holds,
            stop: Stop::default(),
            signal_at: None,
        }
    }

    /// All clusters at once, each as long.
    fn alike(clusters: usize, takes: Duration) -> Self {
        Self::of(
            (0..clusters)
                .map(|_| (Duration::ZERO, takes, Outcome::Unchanged))
                .collect(),
        )
    }

    fn per(self, per: StatusPer) -> Self {
        Self { per, ..self }
    }

    /// Runs it and returns what became of the statuses and how long after the last cluster.
    async fn published(self, github: &Arc<Fake>) -> (Publication, Duration) {
        let begun = github.begun;
        let clock: Clock = Arc::new(move || {
            let start: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
            start + jiff::SignedDuration::try_from(begun.elapsed()).unwrap()
        });
        let about = About {
            repository: "acme/base".parse().unwrap(),
            commit: "1111111111111111111111111111111111111111".into(),
            role: "qa".into(),
            digest: "9f86d081884c7d65".into(),
            key: Some("a key".into()),
            trusted: vec!["psk-release[bot]".into()],
            prefix: "psk".into(),
            per: self.per,
            url: Some("https://ci.example/1".into()),
            versions: BTreeMap::new(),
            overridden: None,
            whole: self.whole,
            good_end: self.good_end,
        };
        let (listener, publication) =
            publish(about, github.clone(), clock.clone(), self.stop.clone());
        let (emitter, events) = Emitter::channel(clock.clone());
        let clusters = (0..self.clusters.len()).map(|n| ClusterRef {
            name: name(n),
            region: "us-east-1".into(),
            account: "111122223333".into(),
        });
        emitter.emit(Event::RunStarted(RunStarted {
            command: "fanout".into(),
            role: "qa".into(),
            dry_run: false,
            commit: None,
            tag: None,
            force_upgrade: None,
            inventory_digest: String::new(),
            clusters: clusters.collect(),
            schedule: Vec::new(),
        }));
        let work = self
            .clusters
            .into_iter()
            .enumerate()
            .map(|(n, (starts, ends, outcome))| {
                let (emitter, stop) = (emitter.clone(), self.stop.clone());
                async move {
                    tokio::time::sleep_until(begun + starts).await;
                    emitter.emit(Event::ClusterStarted { cluster: name(n) });
                    let outcome = tokio::select! {
                        () = tokio::time::sleep_until(begun + ends) => outcome,
                        () = stop.wind_down().cancelled() => {
                            // The engine's own grace.
                            tokio::time::sleep(seconds(7)).await;
                            Outcome::Cancelled { during: "during apply".into() }
                        }
                    };
                    emitter.emit(Event::ClusterFinished(ClusterFinished {
                        cluster: name(n),
                        outcome,
                        calls: CallSummary::default(),
                        elapsed: ends - starts,
                    }));
                }
            });
        let signal = async {
            if let Some(at) = self.signal_at {
                tokio::time::sleep_until(begun + at).await;
                self.stop.signalled(Interruption::Sigterm);
            }
        };
        let work = futures::future::join_all(work.collect::<Vec<_>>());
        let mut listeners: Vec<Box<dyn Listener>> = vec![Box::new(listener)];
        let run = async {
            futures::join!(work, signal);
            let ended = Instant::now();
            let publication = publication.await.unwrap();
            drop(emitter);
            (publication, ended.elapsed())
        };
        let (published, _) = tokio::join!(run, drive(events, &mut listeners, &clock));
        published
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_says_what_it_does_and_did() {
    let github = Arc::new(Fake::new());
    let failure = Outcome::Failed(Failure {
        step: Step::Verify,
        doing: "checking".into(),
        cause: "coredns not Ready".into(),
        already_changed: Vec::new(),
        next: String::new(),
    });
    let run = Run::of(vec![
        (seconds(0), seconds(60), Outcome::Changed { resources: 4 }),
        (seconds(5), seconds(90), failure),
    ]);
    let (publication, after) = run.published(&github).await;
    assert_eq!(
        (publication.state, publication.proves()),
        (Some(StatusState::Failure), false)
    );
    assert!(after < seconds(1), "{after:?}");
    let told: Vec<String> = github
        .taken()
        .iter()
        .map(|(_, s)| {
            format!(
                "{} {}: {}",
                s.context,
                s.state.as_str(),
                words(&s.description)
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "psk/qa pending: rolling out to 2 clusters",
            "psk/qa/qa-i000-aws-us-east-1 pending: under way",
            "psk/qa/qa-i001-aws-us-east-1 pending: under way",
            "psk/qa/qa-i000-aws-us-east-1 success: 4 resources changed in 1m",
            "psk/qa failure: 1 failed, 1 changed in 1m 30s; qa-i001-aws-us-east-1: verify failed: checking: coredns not Ready",
            "psk/qa/qa-i001-aws-us-east-1 failure: verify failed: checking: coredns not Ready",
        ]
    );
    assert_eq!(
        github.taken()[0].1.target_url.as_deref(),
        Some("https://ci.example/1")
    );
}

#[tokio::test(start_paused = true)]
async fn three_hundred_clusters_keep_to_githubs_pace_and_end_right() {
    for per in [StatusPer::Auto, StatusPer::Cluster] {
        let github = Arc::new(Fake::new());
        let (publication, _) = Run::alike(300, seconds(600))
            .per(per)
            .published(&github)
            .await;
        assert!(publication.proves(), "{publication:?}");
        assert!(github.busiest_minute() < 80, "{}", github.busiest_minute());
        let contexts = if per == StatusPer::Cluster { 301 } else { 1 };
        let last = github.last();
        assert_eq!(last.len(), contexts);
        assert!(last.values().all(|state| *state == StatusState::Success));
        // The role's is among the first; the clusters' take their time.
        let proof = github
            .taken()
            .iter()
            .position(|(_, s)| s.context == "psk/qa" && s.state == StatusState::Success);
        let done = github
            .taken()
            .iter()
            .position(|(_, s)| s.state == StatusState::Success);
        assert!(proof.unwrap() < done.unwrap() + 3, "{proof:?} {done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn three_hundred_clusters_that_end_at_once_are_told_within_the_hours_limit() {
    let github = Arc::new(Fake::new());
    let run = Run::alike(300, seconds(1)).per(StatusPer::Cluster);
    let (publication, after) = run.published(&github).await;
    assert_eq!(publication.undelivered, []);
    assert!(github.busiest_minute() < 80);
    assert!(github.taken().len() < 500);
    assert!(after < seconds(6 * 60), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_every_status_that_is_pending_within_ten_seconds() {
    for clusters in [6, 200, 300] {
        for signal in [seconds(2), seconds(45), seconds(300)] {
            let github = Arc::new(Fake::new());
            let mut run = Run::alike(clusters, seconds(600)).per(StatusPer::Cluster);
            run.signal_at = Some(signal);
            let (publication, _) = run.published(&github).await;
            let last = github.taken().iter().map(|(at, _)| *at).max().unwrap() + LATENCY;
            assert!(last < signal + seconds(10), "{clusters}: {last:?}");
            assert!(github.begun.elapsed() < signal + seconds(10), "{clusters}");
            let pending: Vec<_> = github
                .last()
                .into_iter()
                .filter(|(_, s)| *s == StatusState::Pending)
                .collect();
            assert_eq!(pending, [], "{clusters} clusters, signal at {signal:?}");
            assert_eq!(publication.state, Some(StatusState::Error));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn github_away_in_the_middle_loses_nothing() {
    let mut github = Fake::new();
    github.away = Some((seconds(1), seconds(200)));
    let github = Arc::new(github);
    let (publication, _) = Run::alike(4, seconds(180)).published(&github).await;
    assert!(publication.proves());
    assert_eq!(publication.undelivered, []);
    assert!(
        github
            .last()
            .values()
            .all(|state| *state == StatusState::Success)
    );
    let tries = github.refused.lock().unwrap().len();
    assert!(tries < 30, "it was asked {tries} times while it was away");
}

#[tokio::test(start_paused = true)]
async fn github_away_for_good_is_told() {
    let mut github = Fake::new();
    github.away = Some((seconds(10), Duration::MAX));
    let github = Arc::new(github);
    let (publication, after) = Run::alike(2, seconds(60)).published(&github).await;
    assert!(!publication.proves());
    assert_eq!(publication.state, None);
    assert!(
        after >= PATIENCE && after < PATIENCE + seconds(5),
        "{after:?}"
    );
    let contexts: Vec<&str> = publication
        .undelivered
        .iter()
        .map(|u| u.context.as_str())
        .collect();
    assert_eq!(
        contexts,
        [
            "psk/qa",
            "psk/qa/qa-i000-aws-us-east-1",
            "psk/qa/qa-i001-aws-us-east-1"
        ]
    );
    let role = &publication.undelivered[0];
    assert_eq!(
        (role.state, role.description.as_str()),
        (StatusState::Success, "2 unchanged in 1m")
    );
    assert!(
        role.cause.ends_with("can't be reached: connection refused"),
        "{}",
        role.cause
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_not_tried_again() {
    let mut github = Fake::new();
    github.always = Some(Cause::Refused {
        status: 401,
        message: "Bad credentials".into(),
    });
    let github = Arc::new(github);
    let (publication, after) = Run::alike(1, seconds(60)).published(&github).await;
    assert!(after < seconds(2), "{after:?}");
    assert_eq!(publication.undelivered.len(), 2);
    assert_eq!(
        github.refused.lock().unwrap().len(),
        4,
        "a beginning and an end of each"
    );
}

#[tokio::test(start_paused = true)]
async fn github_is_left_alone_for_as_long_as_it_asks() {
    let github = Fake::new();
    *github.asks.lock().unwrap() = Some(seconds(47));
    let github = Arc::new(github);
    let (publication, _) = Run::alike(3, seconds(90)).published(&github).await;
    assert!(publication.proves());
    let first = github.taken()[0].0;
    assert!(first >= seconds(47), "{first:?}");
    assert_eq!(
        github.refused.lock().unwrap().len(),
        1,
        "nothing else was sent meanwhile"
    );
}

#[tokio::test(start_paused = true)]
async fn a_proof_by_someone_who_is_not_trusted_proves_nothing() {
    let mut github = Fake::new();
    github.creator = "mallory";
    let github = Arc::new(github);
    let (publication, _) = Run::alike(1, seconds(60)).published(&github).await;
    assert_eq!(publication.state, Some(StatusState::Success));
    assert!(!publication.proves());
    assert_eq!(
        publication.disbelieved.as_deref(),
        Some("it is by mallory, and promotion.trusted_creators are psk-release[bot]")
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_taken_apart_is_no_success() {
    let github = Arc::new(Fake::new());
    let mut run = Run::alike(1, seconds(60));
    (run.whole, run.good_end) = (false, GoodEnd::TakenApart);
    let (publication, _) = run.published(&github).await;
    assert!(publication.is_complete());
    let taken = github.taken();
    let told = taken.iter().map(|(_, s)| (s.state, s.description.as_str()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (StatusState::Pending, "under way"),
            (StatusState::Error, "taken apart in 1m")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_which_not_everything_was_checked_is_no_success() {
    let github = Arc::new(Fake::new());
    let mut run = Run::alike(1, seconds(60));
    (run.whole, run.good_end) = (false, GoodEnd::Unchecked);
    run.published(&github).await;
    let taken = github.taken();
    let (_, last) = taken.last().unwrap();
    assert_eq!(last.state, StatusState::Error);
    assert_eq!(
        last.description,
        "not proven, checks were left out: unchanged in 1m"
    );
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_role_says_nothing_of_the_role() {
    let github = Arc::new(Fake::new());
    let mut run = Run::alike(2, seconds(60)).per(StatusPer::Role);
    run.whole = false;
    let (publication, _) = run.published(&github).await;
    assert!(publication.is_complete() && !publication.proves());
    let contexts: Vec<String> = github.last().into_keys().collect();
    assert_eq!(
        contexts,
        [
            "psk/qa/qa-i000-aws-us-east-1",
            "psk/qa/qa-i001-aws-us-east-1"
        ],
        "each cluster has a status, whatever the settings say: without it no part is known to be done"
    );
}
