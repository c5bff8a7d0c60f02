//! Which cluster may start now, and when to start no more. Pure: it is told what ended and asked
//! what may begin; the engine does both.

use std::ops::Range;

use super::rollout::Rollout;
use super::schedule::{Schedule, Wave};
use super::words;
use crate::event::Outcome;

/// Goes through a schedule. Clusters are meant by their place in [`Schedule::clusters`].
///
/// A cluster may start when its wave has begun, fewer clusters are under way than the width allows
/// and nothing has halted the run. A wave begins when every cluster of the one before has ended. The
/// run halts when a canary doesn't succeed, or when more clusters have failed than the tolerance
/// allows, counted over all waves.
#[derive(Debug)]
pub struct Dispatch<'a> {
    schedule: &'a Schedule,
    wave: usize,
    next: usize,
    running: usize,
    failed: Vec<&'a str>,
    halted: Option<String>,
}

impl<'a> Dispatch<'a> {
    /// At the start of a schedule.
    pub fn new(schedule: &'a Schedule) -> Self {
        Self {
            schedule,
            wave: 0,
            next: 0,
            running: 0,
            failed: Vec::new(),
            halted: None,
        }
    }

    /// A cluster that may start now; it counts as under way from here on.
    pub fn start(&mut self) -> Option<usize> {
        if self.halted.is_some() || self.running >= self.rollout().width(self.failed.len()) {
            return None;
        }
        let mut wave = self.current()?;
        if self.next == wave.clusters.end && self.running == 0 {
            self.wave += 1;
            wave = self.current()?;
        }
        let index = self.next;
        wave.clusters.contains(&index).then(|| {
            self.next += 1;
            self.running += 1;
            index
        })
    }

    /// A cluster that was under way has ended.
    pub fn ended(&mut self, index: usize, outcome: &Outcome) {
        self.running = self.running.saturating_sub(1);
        let name = self.schedule.clusters()[index].name.as_str();
        if matches!(outcome, Outcome::Failed(_)) {
            self.failed.push(name);
        }
        if self.halted.is_none() {
            self.halted = self.reason_to_halt(name, outcome);
        }
    }

    /// Why nothing new starts any more; `None` while the run goes on.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// Takes out the clusters that haven't started: they never will.
    pub fn give_up(&mut self) -> Range<usize> {
        let end = self.schedule.clusters().len();
        std::mem::replace(&mut self.next, end)..end
    }

    fn reason_to_halt(&self, name: &str, outcome: &Outcome) -> Option<String> {
        let canary = self.current().is_some_and(|wave| wave.canary);
        let tolerance = self.rollout().failure_tolerance;
        if canary && !outcome.is_success() {
            return Some(match outcome {
                Outcome::Cancelled { .. } => format!("canary {name} was cancelled"),
                _ => format!("canary {name} failed"),
            });
        }
        (self.failed.len() > tolerance).then(|| {
            let failed = words::list(&self.failed);
            match tolerance {
                0 => format!("{failed} failed"),
                _ => format!(
                    "{failed} failed, more than the {} tolerated",
                    words::count(tolerance, "failure")
                ),
            }
        })
    }

    fn current(&self) -> Option<&'a Wave> {
        self.schedule.waves().get(self.wave)
    }

    fn rollout(&self) -> &'a Rollout {
        self.schedule.rollout()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ClusterRef, Failure, Step};
    use crate::fanout::{Mode, Order};

    /// Clusters a, b, c, …, all in one region.
    fn schedule(clusters: usize, rollout: Rollout) -> Schedule {
        let clusters = ('a'..='z')
            .take(clusters)
            .map(|name| ClusterRef {
                name: name.into(),
                region: "us-east-1".into(),
                account: "111122223333".into(),
            })
            .collect();
        Schedule::new(clusters, rollout, Order::ByName)
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure {
            step: Step::Observe,
            doing: "describing the cluster".into(),
            cause: "ServerException".into(),
            already_changed: Vec::new(),
            next: "run again".into(),
        })
    }

    const NONE: [usize; 0] = [];

    fn startable(dispatch: &mut Dispatch<'_>) -> Vec<usize> {
        std::iter::from_fn(|| dispatch.start()).collect()
    }

    #[test]
    fn no_wider_than_max_concurrent() {
        let schedule = schedule(
            3,
            Rollout {
                max_concurrent: 2,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(startable(&mut dispatch), [0, 1]);
        dispatch.ended(1, &Outcome::Unchanged);
        assert_eq!(startable(&mut dispatch), [2]);
    }

    #[test]
    fn with_a_width_of_one_each_waits_for_the_one_before() {
        let schedule = schedule(
            3,
            Rollout {
                max_concurrent: 1,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        for index in 0..3 {
            assert_eq!(startable(&mut dispatch), [index]);
            dispatch.ended(index, &Outcome::Unchanged);
        }
        assert_eq!(startable(&mut dispatch), NONE);
    }

    #[test]
    fn without_tolerance_the_first_failure_halts_the_run() {
        let schedule = schedule(
            4,
            Rollout {
                max_concurrent: 2,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(startable(&mut dispatch), [0, 1]);
        dispatch.ended(1, &failed());
        assert_eq!(dispatch.halted(), Some("b failed"));
        assert_eq!(startable(&mut dispatch), NONE);
        assert_eq!(dispatch.give_up(), 2..4);
        assert_eq!(dispatch.give_up(), 4..4);
    }

    #[test]
    fn the_reason_names_all_that_failed_and_what_was_tolerated() {
        let schedule = schedule(
            3,
            Rollout {
                max_concurrent: 2,
                failure_tolerance: 1,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(startable(&mut dispatch), [0, 1]);
        dispatch.ended(1, &failed());
        assert_eq!(dispatch.halted(), None);
        dispatch.ended(0, &failed());
        assert_eq!(
            dispatch.halted(),
            Some("b and a failed, more than the 1 failure tolerated")
        );
    }

    #[test]
    fn strict_narrows_with_each_failure() {
        let schedule = schedule(
            9,
            Rollout {
                max_concurrent: 9,
                failure_tolerance: 2,
                mode: Mode::Strict,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(startable(&mut dispatch), [0, 1, 2]);
        dispatch.ended(0, &failed());
        assert_eq!(startable(&mut dispatch), NONE);
        dispatch.ended(1, &Outcome::Unchanged);
        assert_eq!(startable(&mut dispatch), [3]);
        dispatch.ended(2, &failed());
        assert_eq!(startable(&mut dispatch), NONE);
        dispatch.ended(3, &Outcome::Unchanged);
        assert_eq!(startable(&mut dispatch), [4]);
        dispatch.ended(4, &failed());
        assert_eq!(
            dispatch.halted(),
            Some("a, c and e failed, more than the 2 failures tolerated")
        );
    }

    #[test]
    fn a_canary_that_fails_halts_the_run_whatever_the_tolerance() {
        let schedule = schedule(
            4,
            Rollout {
                failure_tolerance: 4,
                canary: 2,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(startable(&mut dispatch), [0, 1]);
        dispatch.ended(0, &Outcome::Unchanged);
        assert_eq!(startable(&mut dispatch), NONE);
        dispatch.ended(1, &failed());
        assert_eq!(dispatch.halted(), Some("canary b failed"));
        assert_eq!(dispatch.give_up(), 2..4);
    }

    #[test]
    fn what_ends_after_the_halt_changes_nothing_about_it() {
        let schedule = schedule(
            3,
            Rollout {
                canary: 2,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(startable(&mut dispatch), [0, 1]);
        dispatch.ended(1, &failed());
        dispatch.ended(0, &Outcome::Unchanged);
        assert_eq!(dispatch.halted(), Some("canary b failed"));
        assert_eq!(startable(&mut dispatch), NONE);
    }

    #[test]
    fn a_canary_that_was_cancelled_has_not_succeeded() {
        let schedule = schedule(
            2,
            Rollout {
                canary: 1,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(startable(&mut dispatch), [0]);
        let during = "during observe".into();
        dispatch.ended(0, &Outcome::Cancelled { during });
        assert_eq!(dispatch.halted(), Some("canary a was cancelled"));
    }

    #[test]
    fn the_rest_follows_the_canaries_that_succeeded() {
        let schedule = schedule(
            3,
            Rollout {
                canary: 1,
                ..Rollout::default()
            },
        );
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(startable(&mut dispatch), [0]);
        dispatch.ended(0, &Outcome::Changed { resources: 2 });
        assert_eq!(startable(&mut dispatch), [1, 2]);
    }

    #[test]
    fn an_empty_schedule_starts_nothing() {
        let schedule = schedule(0, Rollout::default());
        let mut dispatch = Dispatch::new(&schedule);
        assert_eq!(dispatch.start(), None);
        assert_eq!(dispatch.give_up(), 0..0);
        assert_eq!(dispatch.halted(), None);
    }
}
