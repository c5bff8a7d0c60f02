//! What has to be written, what may be written next, and when.

use std::time::Duration;

use tokio::time::Instant;

use super::pace::Pace;
use crate::github::StatusState;

/// What is to be said in a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Saying {
    pub(super) state: StatusState,
    pub(super) words: String,
}

impl Saying {
    fn is_final(&self) -> bool {
        self.state != StatusState::Pending
    }
}

/// One context: what GitHub has of it, and what it should have.
#[derive(Debug)]
struct Line {
    name: String,
    wanted: Option<Saying>,
    under_way: Option<Saying>,
    /// GitHub has a pending status of it, or may have.
    pending: bool,
    done: bool,
    refused: Option<String>,
}

/// The contexts of a run, the role's first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: Vec<Line>,
    pace: Pace,
    /// Nothing is sent before.
    hold: Option<Instant>,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this saying of that line.
    Send(usize, Saying),
    /// Nothing before that moment, unless something changes.
    Wait(Instant),
    /// Nothing, unless something changes.
    Idle,
}

impl Queue {
    /// Adds a context and returns its place. The first one goes before all others.
    pub(super) fn add(&mut self, name: String) -> usize {
        self.lines.push(Line {
            name,
            wanted: None,
            under_way: None,
            pending: false,
            done: false,
            refused: None,
        });
        self.lines.len() - 1
    }

    pub(super) fn name(&self, line: usize) -> &str {
        self.lines.get(line).map_or("", |line| &line.name)
    }

    /// Has a context say something; what it was to say before is overtaken.
    pub(super) fn say(&mut self, line: usize, saying: Saying) {
        if let Some(line) = self.lines.get_mut(line)
            && !line.done
        {
            line.wanted = Some(saying);
        }
    }

    /// Lets nothing be sent before that moment.
    pub(super) fn hold(&mut self, until: Instant) {
        self.hold = Some(self.hold.map_or(until, |hold| hold.max(until)));
    }

    /// What is to be done now, with at most `side_by_side` under way at once. Whatever is sent is under way until [`Self::delivered`] or
    /// [`Self::failed`].
    pub(super) fn next(&mut self, now: Instant, side_by_side: usize) -> Next {
        if self
            .lines
            .iter()
            .filter(|line| line.under_way.is_some())
            .count()
            >= side_by_side
        {
            return Next::Idle;
        }
        let mut candidates: Vec<(bool, usize)> = self
            .lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.under_way.is_none() && !line.done)
            .filter_map(|(place, line)| Some((!line.wanted.as_ref()?.is_final(), place)))
            .collect();
        candidates.sort_unstable();
        let Some((is_pending, place)) = candidates.first().copied() else {
            return Next::Idle;
        };
        if let Some(hold) = self.hold.filter(|hold| *hold > now) {
            return Next::Wait(hold);
        }
        let (soon, later) = if is_pending { self.owed(place) } else { (0, 0) };
        match self.pace.allows(now, soon, later) {
            Ok(()) => self
                .take(place)
                .map_or(Next::Idle, |saying| Next::Send(place, saying)),
            Err(Some(at)) => Next::Wait(at),
            Err(None) => Next::Idle,
        }
    }

    /// How many writes must be possible after a pending status of that line: at once those that end
    /// what is pending, should the run be stopped; within the hour the end of every line.
    fn owed(&self, place: usize) -> (usize, usize) {
        let others = self
            .lines
            .iter()
            .enumerate()
            .filter(|(other, line)| *other != place && !line.done);
        let pending = others.clone().filter(|(_, line)| line.pending).count();
        (pending + 1, others.count() + 1)
    }

    fn take(&mut self, place: usize) -> Option<Saying> {
        let line = self.lines.get_mut(place)?;
        let saying = line.wanted.take()?;
        line.under_way = Some(saying.clone());
        line.pending |= !saying.is_final();
        self.pace.sent();
        Some(saying)
    }

    /// GitHub took it in.
    pub(super) fn delivered(&mut self, place: usize, now: Instant) {
        self.pace.answered(now);
        if let Some(line) = self.lines.get_mut(place)
            && let Some(saying) = line.under_way.take()
            && saying.is_final()
        {
            line.done = true;
            line.pending = false;
            line.wanted = None;
        }
    }

    /// GitHub didn't take it in, and might later: it is wanted again, unless overtaken.
    pub(super) fn failed(&mut self, place: usize, now: Instant, wait: Duration) {
        self.pace.answered(now);
        self.hold(now + wait);
        if let Some(line) = self.lines.get_mut(place)
            && let Some(saying) = line.under_way.take()
        {
            line.wanted.get_or_insert(saying);
        }
    }

    /// GitHub will never take it in.
    pub(super) fn refused(&mut self, place: usize, now: Instant, cause: String) {
        self.pace.answered(now);
        if let Some(line) = self.lines.get_mut(place)
            && let Some(saying) = line.under_way.take()
        {
            line.refused = Some(cause);
            if saying.is_final() {
                line.done = true;
                line.wanted.get_or_insert(saying);
            } else {
                line.pending = false;
            }
        }
    }

    /// Whether every context's end has been taken in, or refused for good.
    pub(super) fn is_settled(&self) -> bool {
        self.lines.iter().all(|line| line.done)
    }

    /// What was not taken in: context, saying, and why where GitHub said why.
    pub(super) fn left(&self) -> Vec<(&str, &Saying, Option<&str>)> {
        self.lines
            .iter()
            .filter_map(|line| {
                let saying = line.wanted.as_ref().or(line.under_way.as_ref())?;
                Some((line.name.as_str(), saying, line.refused.as_deref()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saying(state: StatusState) -> Saying {
        Saying {
            state,
            words: state.as_str().to_owned(),
        }
    }

    fn queue(lines: usize) -> Queue {
        let mut queue = Queue::default();
        for line in 0..lines {
            queue.add(format!("psk/{line}"));
        }
        queue
    }

    fn sent(queue: &mut Queue) -> Vec<(usize, StatusState)> {
        let now = Instant::now();
        let mut sent = Vec::new();
        while let Next::Send(line, saying) = queue.next(now, 8) {
            sent.push((line, saying.state));
            queue.delivered(line, now);
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn ends_come_first_and_the_roles_before_all() {
        let mut queue = queue(4);
        queue.say(3, saying(StatusState::Pending));
        queue.say(2, saying(StatusState::Success));
        queue.say(0, saying(StatusState::Success));
        assert_eq!(
            sent(&mut queue),
            [
                (0, StatusState::Success),
                (2, StatusState::Success),
                (3, StatusState::Pending)
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_overtaken_pending_is_never_sent() {
        let mut queue = queue(1);
        queue.say(0, saying(StatusState::Pending));
        queue.say(0, saying(StatusState::Failure));
        assert_eq!(sent(&mut queue), [(0, StatusState::Failure)]);
        queue.say(0, saying(StatusState::Pending));
        assert_eq!(
            queue.next(Instant::now(), 8),
            Next::Idle,
            "an end is the end"
        );
        assert!(queue.is_settled());
    }

    #[tokio::test(start_paused = true)]
    async fn one_status_of_a_context_is_under_way_at_a_time() {
        let now = Instant::now();
        let mut queue = queue(1);
        queue.say(0, saying(StatusState::Pending));
        assert!(matches!(queue.next(now, 8), Next::Send(0, _)));
        queue.say(0, saying(StatusState::Success));
        assert_eq!(queue.next(now, 8), Next::Idle);
        queue.failed(0, now, Duration::ZERO);
        assert_eq!(
            sent(&mut queue),
            [(0, StatusState::Success)],
            "the failed one is overtaken"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_pending_than_could_be_ended_at_once() {
        let now = Instant::now();
        let mut queue = queue(200);
        for line in 0..200 {
            queue.say(line, saying(StatusState::Pending));
        }
        let pending = sent(&mut queue).len();
        assert_eq!(pending, 35, "half of what a minute takes");
        for line in 0..pending {
            queue.say(line, saying(StatusState::Error));
        }
        assert_eq!(sent(&mut queue).len(), pending);
        assert_eq!(
            queue.next(now, 8),
            Next::Wait(now + Duration::from_secs(60))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_github_refuses_for_good_is_told_and_not_sent_again() {
        let now = Instant::now();
        let mut queue = queue(1);
        queue.say(0, saying(StatusState::Success));
        assert!(matches!(queue.next(now, 8), Next::Send(..)));
        queue.refused(0, now, "too long".into());
        assert_eq!(queue.next(now, 8), Next::Idle, "{queue:?}");
        assert!(queue.is_settled());
        let success = saying(StatusState::Success);
        assert_eq!(queue.left(), [("psk/0", &success, Some("too long"))]);
    }
}
