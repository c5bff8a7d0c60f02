//! Sends the events of a watch as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::listener::{Body, Interrupted, Place, json_bytes};
use super::watch::{self, Watch};
use crate::server::{Shared, real_time};

/// How often a client that wants to know is told how far it is.
const BOOKMARK_EVERY: Duration = Duration::from_secs(30);

/// The shortest time to wait for something to happen in the world, however fast its clock runs.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// How a watch ends that a fault ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is broken off.
    Cut,
    /// It is told that its revision has expired.
    Expired,
}

struct Streaming {
    shared: Arc<Shared>,
    place: Arc<Place>,
    watch: Watch,
    stop: CancellationToken,
    changes: tokio::sync::watch::Receiver<u64>,
    pending: VecDeque<Bytes>,
    deadline: Instant,
    bookmark_at: Instant,
    end: Option<(Instant, End)>,
    is_over: bool,
}

pub(super) fn stream_of(
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    watch: Box<Watch>,
    end: Option<(Duration, End)>,
    stop: &CancellationToken,
) -> Response<Body> {
    let now = Instant::now();
    let state = Streaming {
        changes: shared.changes(),
        shared: shared.clone(),
        place: place.clone(),
        stop: stop.clone(),
        pending: VecDeque::new(),
        deadline: now + watch.timeout,
        bookmark_at: now + BOOKMARK_EVERY,
        end: end.map(|(after, how)| (now + after, how)),
        is_over: false,
        watch: *watch,
    };
    let frames = stream::unfold(state, |mut state| async move {
        let next = state.next().await?;
        Some((next.map(Frame::data), state))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

impl Streaming {
    /// The next events, once there are some; none when the watch is over.
    async fn next(&mut self) -> Option<Result<Bytes, Interrupted>> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                return Some(Ok(bytes));
            }
            if self.is_over {
                return None;
            }
            let now = Instant::now();
            if let Some((at, how)) = self.end
                && at <= now
            {
                self.is_over = true;
                match how {
                    End::Cut => return Some(Err(Interrupted)),
                    End::Expired => self.tell(&watch::error(&self.watch.expired())),
                }
                continue;
            }
            let due = match self.look() {
                Ok(due) => due,
                Err(interrupted) => {
                    self.is_over = true;
                    return Some(Err(interrupted));
                }
            };
            if !self.pending.is_empty() {
                continue;
            }
            if self.deadline <= now {
                self.is_over = true;
                if self.watch.bookmarks {
                    self.tell(&self.watch.bookmark());
                }
                continue;
            }
            if self.watch.bookmarks && self.bookmark_at <= now {
                self.bookmark_at = now + BOOKMARK_EVERY;
                self.tell(&self.watch.bookmark());
                continue;
            }
            self.wait(due).await;
        }
    }

    fn tell(&mut self, event: &Value) {
        self.pending.push_back(json_bytes(event).into());
    }

    /// Takes what has happened, and says how long it is until something will of itself.
    fn look(&mut self) -> Result<Option<Duration>, Interrupted> {
        let shared = self.shared.clone();
        let mut world = shared.world();
        // Whatever changes from now on is a reason to look again.
        self.changes.borrow_and_update();
        let clock = world.clock;
        let now = clock.at(real_time());
        let place = self.place.clone();
        let seen = super::visit(&mut world, &place, now, |here| {
            if here.inside.away_until.is_some_and(|until| until > now) {
                return Err(Interrupted);
            }
            Ok((self.watch.poll(here.inside, now), here.next()))
        });
        let (events, due) = seen.ok_or(Interrupted)??;
        match events {
            Ok(events) => {
                for event in &events {
                    self.pending.push_back(json_bytes(event).into());
                }
            }
            Err(error) => {
                self.pending
                    .push_back(json_bytes(&watch::error(&error)).into());
                self.is_over = true;
            }
        }
        Ok(due.map(|due: Timestamp| clock.until(now, due).max(SHORTEST_WAIT)))
    }

    /// Waits until there may be something to tell.
    async fn wait(&mut self, due: Option<Duration>) {
        let mut until = self.deadline;
        if self.watch.bookmarks {
            until = until.min(self.bookmark_at);
        }
        if let Some((at, _)) = self.end {
            until = until.min(at);
        }
        if let Some(due) = due {
            until = until.min(Instant::now() + due);
        }
        let stopped = tokio::select! {
            changed = self.changes.changed() => changed.is_err(),
            () = tokio::time::sleep_until(until) => false,
            () = self.stop.cancelled() => true,
        };
        self.is_over |= stopped;
    }
}
