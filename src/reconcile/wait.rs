//! Waiting until a service has done what it was asked to.

use std::future::Future;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::{Error, Progress};

/// How often a service is asked whether it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// The longest pause between two questions. The first ones come sooner.
    pub interval: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15),
        }
    }
}

/// What a service says of something that takes its time.
#[derive(Debug)]
pub enum State<T> {
    /// It is done; this came out.
    Done(T),
    /// It is under way; what the service calls its state (`UPDATING`).
    UnderWay(String),
}

impl Polling {
    /// Asks `probe` until it says that `what` is done, tells `progress` each state with the time
    /// that has passed, and gives up after `deadline`.
    ///
    /// # Errors
    /// What `probe` failed with, or that the deadline has passed.
    pub async fn until<T, F>(
        self,
        what: &str,
        deadline: Duration,
        progress: &Progress,
        mut probe: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<State<T>, Error>>,
    {
        let began = Instant::now();
        let mut pause = self.interval / 8;
        loop {
            let state = match probe().await? {
                State::Done(outcome) => return Ok(outcome),
                State::UnderWay(state) => state,
            };
            let elapsed = began.elapsed();
            if elapsed >= deadline {
                return Err(Error::new(
                    format!("waiting for {what}"),
                    format!("it was still {state} after {}", minutes(elapsed)),
                    "run again: psk goes on waiting where it stopped; if it stays, ask AWS support",
                ));
            }
            progress.say(format!("{what} {state}, {}", minutes(elapsed)));
            // Jitter keeps many clusters from asking in step.
            let jittered = pause.mul_f64(rand::rng().random_range(0.75..=1.0));
            tokio::select! {
                () = tokio::time::sleep(jittered) => {}
                () = progress.cancelled() => {
                    return Err(Error::cancelled(format!("waiting for {what}")));
                }
            }
            pause = (pause * 2).min(self.interval);
        }
    }
}

fn minutes(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds < 60 {
        format!("{seconds}s")
    } else {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_sooner_at_first_and_never_faster_than_is_useful() {
        let asked = Mutex::new(Vec::new());
        let began = Instant::now();
        let polling = Polling {
            interval: Duration::from_secs(16),
        };
        let silent = Progress::new(CancellationToken::new(), |_| {});
        let outcome = polling
            .until("cluster x", Duration::from_secs(600), &silent, || async {
                let mut asked = asked.lock().unwrap();
                asked.push(began.elapsed());
                Ok(if asked.len() < 8 {
                    State::UnderWay("CREATING".into())
                } else {
                    State::Done(asked.len())
                })
            })
            .await;
        assert_eq!(outcome, Ok(8));
        let asked = asked.into_inner().unwrap();
        let pauses: Vec<_> = asked
            .windows(2)
            .map(|w| (w[1] - w[0]).as_secs_f64())
            .collect();
        assert!(pauses[0] <= 2.1 && pauses[0] >= 1.4, "{pauses:?}");
        assert!(
            pauses[4..].iter().all(|p| (11.9..=16.1).contains(p)),
            "{pauses:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_deadline_it_says_what_the_state_was() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let progress = {
            let said = said.clone();
            Progress::new(CancellationToken::new(), move |line| {
                said.lock().unwrap().push(line)
            })
        };
        let error = Polling::default()
            .until("cluster x", Duration::from_secs(90), &progress, || async {
                Ok(State::<()>::UnderWay("CREATING".into()))
            })
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("waiting for cluster x: it was still CREATING after 1m"),
            "{error}"
        );
        assert_eq!(said.lock().unwrap()[0], "cluster x CREATING, 0s");
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupted_run_stops_waiting_at_once() {
        let cancel = CancellationToken::new();
        let progress = {
            let cancel = cancel.clone();
            Progress::new(cancel.clone(), move |_| cancel.cancel())
        };
        let began = Instant::now();
        let error = Polling::default()
            .until("cluster x", Duration::from_secs(600), &progress, || async {
                Ok(State::<()>::UnderWay("CREATING".into()))
            })
            .await
            .unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
