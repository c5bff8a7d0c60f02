//! What in a cluster waits for its time.
//!
//! A controller that has to let time pass names what it waits for; the first time it asks, the
//! timer is set, and once its time has come it goes off, once. So nothing ticks, and what a cluster
//! is like follows from the world's time alone.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The timers of one cluster, by what they are for: an object's uid and a word.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Timers(BTreeMap<String, Timestamp>);

impl Timers {
    /// Whether that long has passed since this was first asked. If so, the timer is gone.
    pub(super) fn passed(
        &mut self,
        uid: &str,
        what: &str,
        takes: SignedDuration,
        now: Timestamp,
    ) -> bool {
        let due = now.checked_add(takes).unwrap_or(now);
        self.reached(uid, what, due, now)
    }

    /// Whether the moment has come that was named when this was first asked. If so, the timer is
    /// gone.
    pub(super) fn reached(
        &mut self,
        uid: &str,
        what: &str,
        due: Timestamp,
        now: Timestamp,
    ) -> bool {
        let name = format!("{uid} {what}");
        let due = *self.0.entry(name.clone()).or_insert(due);
        if due <= now {
            self.0.remove(&name);
            true
        } else {
            false
        }
    }

    /// Sees to it that someone looks again, and again after that.
    pub(super) fn again(&mut self, uid: &str, what: &str, every: SignedDuration, now: Timestamp) {
        if self.passed(uid, what, every, now) {
            self.passed(uid, what, every, now);
        }
    }

    /// Sets a timer anew.
    pub(super) fn set(&mut self, uid: &str, what: &str, due: Timestamp) {
        self.0.insert(format!("{uid} {what}"), due);
    }

    /// Gives one up.
    pub(super) fn cancel(&mut self, uid: &str, what: &str) {
        self.0.remove(&format!("{uid} {what}"));
    }

    /// Gives up all that an object has.
    pub(super) fn forget(&mut self, uid: &str) {
        let prefix = format!("{uid} ");
        self.0.retain(|name, _| !name.starts_with(&prefix));
    }

    /// When the next one goes off.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.values().min().copied()
    }

    /// Whether all whose time has come are for something that begins with this word.
    pub(super) fn are_all_due_of(&self, now: Timestamp, word: &str) -> bool {
        self.0
            .iter()
            .filter(|(_, due)| **due <= now)
            .all(|(name, _)| name.split(' ').nth(1) == Some(word))
    }

    /// Gives up those whose time has come and that nobody asked for.
    pub(super) fn drop_missed(&mut self, now: Timestamp) {
        self.0.retain(|_, due| *due > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_goes_off_once_when_its_time_has_come() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let second = SignedDuration::from_secs(1);
        let mut timers = Timers::default();
        assert!(!timers.passed("a", "start", second, now));
        assert_eq!(timers.next(), Some(now + second));
        // Asking again doesn't put it off.
        assert!(!timers.passed("a", "start", second, now + second / 2));
        assert!(timers.passed("a", "start", second, now + second));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn what_is_gone_waits_for_nothing() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut timers = Timers::default();
        timers.set("a", "x", now);
        timers.set("ab", "x", now);
        timers.forget("a");
        assert!(timers.reached("ab", "x", now, now));
        assert_eq!(timers.next(), None);
    }
}
