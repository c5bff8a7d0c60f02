//! Ending a run early: SIGINT and SIGTERM, and what they mean for the clusters under way.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::event::Interruption;

/// How long after the first signal a run waits for anything at all: it ends within ten seconds.
const END: Duration = Duration::from_millis(9_800);

/// A run's way of being stopped. Clones stop the same run.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    wind_down: CancellationToken,
    at_once: CancellationToken,
    signal: Arc<OnceLock<(Interruption, Instant)>>,
}

impl Stop {
    /// Takes a signal: the first one winds the run down, any further one ends it at once.
    pub fn signalled(&self, signal: Interruption) {
        if self.signal.set((signal, Instant::now())).is_ok() {
            self.wind_down.cancel();
        } else {
            self.at_once.cancel();
        }
    }

    /// The signal that stopped the run, if one did. Further signals don't replace it.
    pub fn interruption(&self) -> Option<Interruption> {
        self.signal.get().map(|(signal, _)| *signal)
    }

    /// Waits for something that comes after the clusters: as long as is usual, but not beyond the time
    /// by which a run that was stopped has to end, nor after a second signal. `None` if it took longer.
    pub async fn within<F: Future>(&self, usual: Duration, something: F) -> Option<F::Output> {
        let over = async {
            self.wind_down.cancelled().await;
            let signalled = self.signal.get().map(|(_, at)| *at);
            tokio::select! {
                () = sleep_until(signalled.unwrap_or_else(Instant::now) + END) => {}
                () = self.at_once.cancelled() => {}
            }
        };
        tokio::select! {
            biased;
            done = timeout(usual, something) => done.ok(),
            () = over => None,
        }
    }

    /// Cancelled when nothing new shall start and what is under way shall come to an end.
    pub fn wind_down(&self) -> &CancellationToken {
        &self.wind_down
    }

    /// Cancelled when what is still under way shall not be waited for any longer.
    pub fn at_once(&self) -> &CancellationToken {
        &self.at_once
    }
}

/// Has SIGINT and SIGTERM stop the run from now on, instead of the process. The listening ends with
/// the runtime.
///
/// # Errors
/// When the operating system refuses the signal handlers.
pub fn stop_on_signals(stop: Stop) -> io::Result<()> {
    let signals = stream::select(
        signals(SignalKind::interrupt(), Interruption::Sigint)?,
        signals(SignalKind::terminate(), Interruption::Sigterm)?,
    );
    tokio::spawn(signals.for_each(move |signal| {
        stop.signalled(signal);
        std::future::ready(())
    }));
    Ok(())
}

fn signals(
    kind: SignalKind,
    name: Interruption,
) -> io::Result<impl Stream<Item = Interruption> + Send> {
    let mut signal = signal(kind)?;
    Ok(stream::poll_fn(move |context| signal.poll_recv(context)).map(move |()| name))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_first_signal_winds_down_and_the_second_ends_at_once() {
        let stop = Stop::default();
        assert_eq!(stop.interruption(), None);

        stop.signalled(Interruption::Sigterm);
        assert!(stop.wind_down().is_cancelled());
        assert!(!stop.at_once().is_cancelled());

        stop.signalled(Interruption::Sigint);
        assert!(stop.at_once().is_cancelled());
        assert_eq!(stop.interruption(), Some(Interruption::Sigterm));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_last_is_waited_for_until_a_run_has_to_end() {
        let waited = async |stop: &Stop, usual: u64| {
            let begun = Instant::now();
            let usual = Duration::from_secs(usual);
            let done = stop.within(usual, std::future::pending::<()>()).await;
            assert_eq!(done, None);
            begun.elapsed().as_millis()
        };
        let stop = Stop::default();
        assert_eq!(waited(&stop, 20).await, 20_000);
        assert_eq!(stop.within(Duration::ZERO, async { 1 }).await, Some(1));

        stop.signalled(Interruption::Sigint);
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(waited(&stop, 20).await, 2_800);
        assert_eq!(waited(&stop, 20).await, 0);
        assert_eq!(stop.within(END, async { 1 }).await, Some(1));

        let stop = Stop::default();
        stop.signalled(Interruption::Sigint);
        stop.signalled(Interruption::Sigint);
        assert_eq!(waited(&stop, 20).await, 0);
    }

    #[tokio::test]
    async fn signals_to_the_process_arrive_and_do_not_end_it() {
        let send = |signal: &str| {
            let status = Command::new("kill")
                .args(["-s", signal, &std::process::id().to_string()])
                .status()
                .unwrap();
            assert!(status.success());
        };
        let stop = Stop::default();
        stop_on_signals(stop.clone()).unwrap();

        send("INT");
        stop.wind_down().cancelled().await;
        assert_eq!(stop.interruption(), Some(Interruption::Sigint));
        assert!(!stop.at_once().is_cancelled());

        send("TERM");
        stop.at_once().cancelled().await;
        assert_eq!(stop.interruption(), Some(Interruption::Sigint));
    }
}
