//! The world's time. It may run faster than real time, so that what takes a service ten minutes
//! takes the lab seconds.
//!
//! Nothing ticks: life cycles are told by timestamps, and a service derives the state of a thing
//! from them when it is asked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Maps real time to the world's time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Real time at which `base` was true.
    start: Timestamp,
    /// The world's time at `start`.
    base: Timestamp,
    /// Seconds of the world per real second.
    speed: f64,
}

impl Clock {
    /// A clock that shows real time, running at its pace.
    pub fn real(now: Timestamp) -> Self {
        Self {
            start: now,
            base: now,
            speed: 1.0,
        }
    }

    /// The world's time at a moment of real time.
    pub fn at(&self, real: Timestamp) -> Timestamp {
        let elapsed = real.duration_since(self.start).as_secs_f64() * self.speed;
        SignedDuration::try_from_secs_f64(elapsed)
            .ok()
            .and_then(|elapsed| self.base.checked_add(elapsed).ok())
            .unwrap_or(if elapsed < 0.0 {
                self.base
            } else {
                Timestamp::MAX
            })
    }

    /// How much real time passes between two moments of the world.
    pub fn until(&self, now: Timestamp, then: Timestamp) -> Duration {
        let seconds = then.duration_since(now).as_secs_f64() / self.speed;
        Duration::try_from_secs_f64(seconds).unwrap_or(if seconds < 0.0 {
            Duration::ZERO
        } else {
            Duration::MAX
        })
    }

    /// The world's time when the clock was last set.
    pub fn base(&self) -> Timestamp {
        self.base
    }

    /// Changes the pace from this moment of real time on, without a jump.
    pub fn set_speed(&mut self, real: Timestamp, speed: f64) {
        *self = Self {
            start: real,
            base: self.at(real),
            speed,
        };
    }

    /// Moves the world's time on, as if that long had passed.
    pub fn advance(&mut self, by: SignedDuration) {
        self.base = self.base.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_fast_clock_runs_ahead_and_changing_its_pace_does_not_jump() {
        let mut clock = Clock::real(at(1000));
        assert_eq!(clock.at(at(1010)), at(1010));

        clock.set_speed(at(1010), 60.0);
        assert_eq!(clock.at(at(1010)), at(1010));
        assert_eq!(clock.at(at(1020)), at(1610));

        clock.set_speed(at(1020), 1.0);
        assert_eq!(clock.at(at(1021)), at(1611));
    }

    #[test]
    fn time_can_be_moved_on_by_hand() {
        let mut clock = Clock::real(at(1000));
        clock.advance(SignedDuration::from_mins(10));
        assert_eq!(clock.at(at(1005)), at(1605));
    }

    #[test]
    fn a_clock_that_leaves_the_calendar_stops_at_its_end() {
        let mut clock = Clock::real(at(1000));
        clock.set_speed(at(1000), 1e18);
        assert_eq!(clock.at(at(2000)), Timestamp::MAX);
    }
}
