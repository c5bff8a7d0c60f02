//! How fast statuses may be written.
//!
//! GitHub takes 80 requests that make content in a minute and 500 in an hour (GitHub docs, "About
//! secondary rate limits"), counted over everything that the same account does. psk stays below.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// At most this many in any minute; the rest is left to others.
pub(super) const PER_MINUTE: usize = 70;
/// At most this many in any hour.
pub(super) const PER_HOUR: usize = 450;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The writes of the last hour. One counts from its answer, not from its sending: GitHub has
/// taken it in by then, whenever that was, so that no minute of GitHub's holds more than one of these.
#[derive(Debug, Default)]
pub(super) struct Pace {
    answered: VecDeque<Instant>,
    under_way: usize,
}

impl Pace {
    /// Whether one more may be sent now, so that `soon` more could follow at once and `later` more
    /// within the hour.
    ///
    /// # Errors
    /// When it may be sent; `None` where there will never be room for that many.
    pub(super) fn allows(
        &mut self,
        now: Instant,
        soon: usize,
        later: usize,
    ) -> Result<(), Option<Instant>> {
        while self.answered.front().is_some_and(|at| now >= *at + HOUR) {
            self.answered.pop_front();
        }
        let minute = self.room(now, MINUTE, PER_MINUTE, soon);
        let hour = self.room(now, HOUR, PER_HOUR, later);
        match (minute, hour) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(None), _) | (_, Err(None)) => Err(None),
            (Err(at), Ok(())) | (Ok(()), Err(at)) => Err(at),
            (Err(one), Err(other)) => Err(one.max(other)),
        }
    }

    fn room(
        &self,
        now: Instant,
        span: Duration,
        limit: usize,
        reserve: usize,
    ) -> Result<(), Option<Instant>> {
        if reserve >= limit {
            return Err(None);
        }
        let recent = self.answered.iter().filter(|at| now < **at + span);
        let recent: Vec<_> = recent.collect();
        let wanted = recent.len() + self.under_way + reserve + 1;
        let Some(excess) = wanted.checked_sub(limit).filter(|excess| *excess > 0) else {
            return Ok(());
        };
        // So many have to leave first; what is under way hasn't been answered yet.
        let leaves = recent.get(excess - 1).map_or(now + span, |at| **at + span);
        Err(Some(leaves))
    }

    pub(super) fn sent(&mut self) {
        self.under_way += 1;
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        self.answered.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(now: Instant, writes: usize) -> Pace {
        let mut pace = Pace::default();
        for _ in 0..writes {
            pace.sent();
            pace.answered(now);
        }
        pace
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_minute_is_waited_for() {
        let now = Instant::now();
        let mut pace = full(now, PER_MINUTE - 1);
        assert_eq!(pace.allows(now, 0, 0), Ok(()));
        pace.sent();
        assert_eq!(pace.allows(now, 0, 0), Err(Some(now + MINUTE)));
        pace.answered(now + Duration::from_secs(5));
        assert_eq!(
            pace.allows(now + Duration::from_secs(59), 0, 0),
            Err(Some(now + MINUTE))
        );
        assert_eq!(pace.allows(now + MINUTE, 0, 0), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_kept_for_what_must_follow() {
        let now = Instant::now();
        let mut pace = full(now, 40);
        assert_eq!(pace.allows(now, 29, 0), Ok(()));
        assert_eq!(pace.allows(now, 30, 0), Err(Some(now + MINUTE)));
        assert_eq!(pace.allows(now, PER_MINUTE, 0), Err(None));
        assert_eq!(pace.allows(now, 0, PER_HOUR), Err(None));
        assert_eq!(pace.allows(now, 0, PER_HOUR - 40), Err(Some(now + HOUR)));
    }
}
