//! The contract between a run and whatever reports it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval};

use crate::event::{Clock, Stamped};

/// How often listeners get the time while nothing else happens.
const TICK: Duration = Duration::from_millis(100);

/// Something that reports a run. It is fed every event in order, then finished once.
#[async_trait]
pub trait Listener: Send {
    /// Takes in an event. It must not block: the next event waits. What goes wrong here is kept
    /// and returned by [`finish`](Self::finish), so that a report can't fail a run half way.
    fn on(&mut self, event: &Stamped);

    /// Takes in that time has passed, about ten times a second: for what moves without events.
    fn tick(&mut self, _now: Timestamp) {}

    /// Completes the report; the stream has ended. A listener that talks to a service waits here
    /// for its last answer.
    ///
    /// # Errors
    /// The first thing that kept the report from being told or written.
    async fn finish(&mut self) -> Result<(), ReportError>;
}

/// Why a report could not be given. The run itself is not concerned.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A stream refused what was written to it.
    #[error("writing the {what} failed: {source}")]
    Write {
        /// What was being written ("summary").
        what: &'static str,
        /// What the stream said.
        source: io::Error,
    },
    /// Somebody wasn't told of the run. That concerns neither the run nor how psk ends.
    #[error("{what}: {cause}; {next}")]
    Untold {
        /// Who wasn't told what ("Slack wasn't told how this run ended").
        what: String,
        /// Why.
        cause: String,
        /// What to do next.
        next: String,
    },
    /// The report file could not be made.
    #[error(
        "{doing} for the report file {} failed: {source}; \
         give --report a path in a directory that can be written to", path.display()
    )]
    File {
        /// The path that was asked for.
        path: PathBuf,
        /// What was being done ("creating a temporary file").
        doing: &'static str,
        /// What the file system said.
        source: io::Error,
    },
}

impl ReportError {
    /// Whether psk ends as if it weren't there.
    pub fn is_note(&self) -> bool {
        matches!(self, Self::Untold { .. })
    }
}

/// Feeds the listeners, in their order, every event of the stream until it ends, then finishes
/// each, in the same order. One that fails stops none of the others; what failed is returned.
pub async fn drive(
    mut events: UnboundedReceiver<Stamped>,
    listeners: &mut [Box<dyn Listener>],
    clock: &Clock,
) -> Vec<ReportError> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { break };
                listeners.iter_mut().for_each(|listener| listener.on(&event));
            }
            _ = ticks.tick() => {
                let now = clock();
                listeners.iter_mut().for_each(|listener| listener.tick(now));
            }
        }
    }
    let mut errors = Vec::new();
    for listener in listeners {
        errors.extend(listener.finish().await.err());
    }
    errors
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::event::{Emitter, Event};

    /// Writes down what it is given.
    struct Notes {
        name: &'static str,
        notes: Arc<Mutex<Vec<String>>>,
        fails: bool,
    }

    impl Notes {
        fn note(&self, what: &str) {
            self.notes
                .lock()
                .unwrap()
                .push(format!("{} {what}", self.name));
        }
    }

    #[async_trait]
    impl Listener for Notes {
        fn on(&mut self, event: &Stamped) {
            let Event::ClusterStarted { cluster } = &event.event else {
                panic!("unexpected")
            };
            self.note(cluster);
        }

        fn tick(&mut self, now: Timestamp) {
            self.note(&format!("tick {}", now.as_second()));
        }

        async fn finish(&mut self) -> Result<(), ReportError> {
            self.note("finish");
            if self.fails {
                let source = io::ErrorKind::BrokenPipe.into();
                return Err(ReportError::Write {
                    what: "notes",
                    source,
                });
            }
            Ok(())
        }
    }

    fn two(notes: &Arc<Mutex<Vec<String>>>) -> Vec<Box<dyn Listener>> {
        vec![
            Box::new(Notes {
                name: "a",
                notes: notes.clone(),
                fails: true,
            }),
            Box::new(Notes {
                name: "b",
                notes: notes.clone(),
                fails: false,
            }),
        ]
    }

    fn started(cluster: &str) -> Event {
        Event::ClusterStarted {
            cluster: cluster.to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_listener_gets_every_event_and_is_finished_even_after_a_failure() {
        let clock: Clock = Arc::new(|| Timestamp::UNIX_EPOCH);
        let (emitter, events) = Emitter::channel(clock.clone());
        emitter.emit(started("x"));
        emitter.emit(started("y"));
        drop(emitter);
        let notes = Arc::default();
        let errors = drive(events, &mut two(&notes), &clock).await;
        let told: Vec<String> = notes
            .lock()
            .unwrap()
            .iter()
            .filter(|note| !note.contains("tick"))
            .cloned()
            .collect();
        assert_eq!(told, ["a x", "b x", "a y", "b y", "a finish", "b finish"]);
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0]
                .to_string()
                .starts_with("writing the notes failed: ")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn time_passes_while_nothing_happens() {
        let begun = tokio::time::Instant::now();
        let clock: Clock = Arc::new(move || {
            Timestamp::UNIX_EPOCH + jiff::SignedDuration::try_from(begun.elapsed()).unwrap()
        });
        let (emitter, events) = Emitter::channel(clock.clone());
        let notes: Arc<Mutex<Vec<String>>> = Arc::default();
        let mut listeners = two(&notes);
        let quiet = async {
            tokio::time::sleep(Duration::from_millis(1050)).await;
            drop(emitter);
        };
        let (errors, ()) = tokio::join!(drive(events, &mut listeners, &clock), quiet);
        assert_eq!(errors.len(), 1);
        let notes = notes.lock().unwrap();
        assert_eq!(
            notes
                .iter()
                .filter(|note| note.starts_with("b tick"))
                .count(),
            11
        );
        assert!(notes.contains(&"b tick 1".to_owned()));
    }
}
