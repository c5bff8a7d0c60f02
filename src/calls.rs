//! Counts the API calls that are made for one cluster, and the longest chain of them in which each
//! had to wait for the one before.
//!
//! A chain is a matter of cause, not of time: two calls that could have run together don't lengthen
//! it, however they fell in time. So every piece of concurrent work runs in a scope of its own
//! ([`in_scope`], [`join_all`]) that begins at the depth where it was started; whoever waits for its
//! result goes on from the depth that it reached ([`advance_to`]).

use std::cell::Cell;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::FutureExt;
use futures::future::Either;
use tokio::time::Instant;

use crate::event::{CallSummary, MadeCall};

/// The running count of one cluster's calls. Clones count together.
#[derive(Clone, Default)]
pub struct CallLog(Arc<Log>);

#[derive(Default)]
struct Log {
    summary: Mutex<CallSummary>,
    observer: OnceLock<Observer>,
}

type Observer = Box<dyn Fn(MadeCall) + Send + Sync>;

impl CallLog {
    /// The count so far.
    pub fn summary(&self) -> CallSummary {
        self.0
            .summary
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says to whom each call is told from now on. Only the first observer counts.
    pub fn observe(&self, observer: impl Fn(MadeCall) + Send + Sync + 'static) {
        drop(self.0.observer.set(Box::new(observer)));
    }

    fn update(&self, change: impl FnOnce(&mut CallSummary)) {
        let summary = self.0.summary.lock();
        change(&mut summary.unwrap_or_else(PoisonError::into_inner));
    }
}

impl std::fmt::Debug for CallLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CallLog").field(&self.summary()).finish()
    }
}

/// Where and when a call began.
#[derive(Debug, Clone, Copy)]
pub struct Began {
    depth: u32,
    at: Instant,
}

/// A call begins here and now.
pub fn begin() -> Began {
    Began {
        depth: depth(),
        at: Instant::now(),
    }
}

struct Scope {
    log: CallLog,
    depth: Cell<u32>,
}

tokio::task_local! {
    static SCOPE: Scope;
}

/// Runs `work` with its calls counted in `log`, as a chain that starts at depth zero.
pub fn counted<F: Future>(log: CallLog, work: F) -> impl Future<Output = F::Output> {
    let scope = Scope {
        log,
        depth: Cell::new(0),
    };
    SCOPE.scope(scope, work)
}

/// Runs `work` as a branch of the current chain and tells the depth that it reached. Outside of
/// [`counted`] it just runs.
pub fn in_scope<F: Future>(work: F) -> impl Future<Output = (F::Output, u32)> {
    // No async function: it would hold `work` once for each place where it awaits it.
    let scope = SCOPE.try_with(|s| Scope {
        log: s.log.clone(),
        depth: Cell::new(s.depth.get()),
    });
    match scope {
        Ok(scope) => Either::Left(SCOPE.scope(scope, work.map(|output| (output, depth())))),
        Err(_) => Either::Right(work.map(|output| (output, 0))),
    }
}

/// Runs all of `work` at once, each as its own branch; the chain goes on from the deepest.
pub async fn join_all<F: Future>(work: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let ended = futures::future::join_all(work.into_iter().map(in_scope)).await;
    let mut outputs = Vec::with_capacity(ended.len());
    for (output, depth) in ended {
        advance_to(depth);
        outputs.push(output);
    }
    outputs
}

/// Runs two things at once, each as its own branch; the chain goes on from the deeper.
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let ((a, depth_of_a), (b, depth_of_b)) = futures::join!(in_scope(a), in_scope(b));
    advance_to(depth_of_a.max(depth_of_b));
    (a, b)
}

/// Runs two things at once, each as its own branch, until both have succeeded or one has failed; the
/// chain goes on from the deeper of those that succeeded.
///
/// # Errors
/// The first failure, with which the other is dropped.
pub async fn try_join<A, B, E>(
    a: impl Future<Output = Result<A, E>>,
    b: impl Future<Output = Result<B, E>>,
) -> Result<(A, B), E> {
    let ((a, depth_of_a), (b, depth_of_b)) =
        futures::try_join!(in_scope(a).map(flat), in_scope(b).map(flat))?;
    advance_to(depth_of_a.max(depth_of_b));
    Ok((a, b))
}

fn flat<T, E>((ended, depth): (Result<T, E>, u32)) -> Result<(T, u32), E> {
    Ok((ended?, depth))
}

/// How many calls the current chain is long; zero outside of [`counted`].
pub fn depth() -> u32 {
    SCOPE.try_with(|s| s.depth.get()).unwrap_or(0)
}

/// Says that the current chain waited for something that came about at `depth`.
pub fn advance_to(depth: u32) {
    let _outside_of_a_count = SCOPE.try_with(|s| s.depth.set(s.depth.get().max(depth)));
}

/// Counts one finished call that took `attempts` attempts, of which `throttles` were answered with
/// "slow down".
pub fn record(operation: &str, began: Began, attempts: u32, throttles: u64) {
    let _outside_of_a_count = SCOPE.try_with(|scope| {
        let depth = scope.depth.get().max(began.depth + 1);
        scope.depth.set(depth);
        scope.log.update(|summary| {
            summary.total += 1;
            summary.retries += u64::from(attempts.saturating_sub(1));
            summary.throttles += throttles;
            summary.longest_chain = summary.longest_chain.max(depth);
            *summary
                .by_operation
                .entry(operation.to_owned())
                .or_default() += 1;
        });
        if let Some(observer) = scope.log.0.observer.get() {
            observer(MadeCall {
                operation: operation.to_owned(),
                elapsed: began.at.elapsed(),
                attempts,
                throttles,
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn call() {
        let began = begin();
        tokio::task::yield_now().await;
        record("svc:Op", began, 1, 0);
    }

    #[tokio::test]
    async fn calls_in_a_row_make_a_chain_and_calls_side_by_side_do_not() {
        let log = CallLog::default();
        counted(log.clone(), async {
            call().await;
            join_all([2, 1, 3].map(|n| async move {
                for _ in 0..n {
                    call().await;
                }
            }))
            .await;
            join(call(), async {
                call().await;
                call().await;
            })
            .await;
            call().await;
        })
        .await;
        let summary = log.summary();
        assert_eq!((summary.total, summary.longest_chain), (11, 7));
        assert_eq!(summary.by_operation["svc:Op"], 11);
    }

    #[tokio::test]
    async fn who_waits_for_anothers_result_goes_on_from_its_depth() {
        let log = CallLog::default();
        let shared = tokio::sync::OnceCell::new();
        let fetch = || async {
            let (_, reached) = shared
                .get_or_init(|| {
                    in_scope(async {
                        call().await;
                        call().await;
                    })
                })
                .await;
            advance_to(*reached);
            call().await;
        };
        counted(log.clone(), async { join_all([fetch(), fetch()]).await }).await;
        assert_eq!((log.summary().total, log.summary().longest_chain), (4, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_is_told_to_who_observes() {
        let log = CallLog::default();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        log.observe(move |call| heard.lock().unwrap().push(call));
        counted(log, async {
            let began = begin();
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            record("svc:Op", began, 3, 1);
        })
        .await;
        let call = MadeCall {
            operation: "svc:Op".into(),
            elapsed: std::time::Duration::from_secs(2),
            attempts: 3,
            throttles: 1,
        };
        assert_eq!(*told.lock().unwrap(), [call]);
    }

    #[tokio::test]
    async fn outside_of_a_count_nothing_is_counted_and_nothing_breaks() {
        call().await;
        assert_eq!(depth(), 0);
    }
}
