//! Answers that many clusters need, fetched once a run.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::CallError;
use crate::calls;

/// One answer, and how deep in its chain of calls it was had.
type Kept<V, E> = Arc<OnceCell<(Result<V, E>, u32)>>;

/// Answers, and when each was asked for.
type Asked<K, V, E> = HashMap<K, (Instant, Kept<V, E>)>;

/// A value per key, fetched by whoever asks first while the others wait. A failure is kept as
/// well: what AWS refused to one cluster it isn't asked again by the next.
#[derive(Debug)]
pub struct Memo<K, V, E = CallError> {
    kept: Mutex<Asked<K, V, E>>,
    fresh_for: Option<Duration>,
}

impl<K, V, E> Default for Memo<K, V, E> {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            fresh_for: None,
        }
    }
}

impl<K, V, E> Memo<K, V, E> {
    /// A memo whose values are fetched again by whoever asks later than that.
    pub fn fresh_for(age: Duration) -> Self {
        Self {
            kept: Mutex::default(),
            fresh_for: Some(age),
        }
    }
}

impl<K: Eq + Hash, V: Clone, E: Clone> Memo<K, V, E> {
    /// The value for `key`, from `fetch` if no one has asked for it yet.
    ///
    /// # Errors
    /// What `fetch` failed with, whoever's it was.
    pub async fn get<F>(&self, key: K, fetch: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let cell = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let (asked, cell) = kept.entry(key).or_insert_with(|| (now, Kept::default()));
            if self
                .fresh_for
                .is_some_and(|age| now.duration_since(*asked) > age)
            {
                (*asked, *cell) = (now, Kept::default());
            }
            Arc::clone(cell)
        };
        // Boxed, so that those who only wait don't hold room for a fetch.
        let fetch = || Box::pin(calls::in_scope(fetch()));
        let (answer, depth) = cell.get_or_init(fetch).await;
        calls::advance_to(*depth);
        answer.clone()
    }

    /// Forgets the value for `key`: it is fetched again by whoever asks next.
    pub fn forget(&self, key: &K) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn each_key_is_fetched_once_also_when_it_fails() {
        let memo = Memo::<&str, u32>::default();
        let fetched = AtomicU32::new(0);
        let (memo, counter) = (&memo, &fetched);
        let ask = |key: &'static str| {
            memo.get(key, move || async move {
                tokio::task::yield_now().await;
                match (key, counter.fetch_add(1, Ordering::SeqCst)) {
                    ("good", n) => Ok(n),
                    _ => Err(CallError::new("asking", "no", "stop")),
                }
            })
        };
        let (a, b, c, d) = tokio::join!(ask("good"), ask("good"), ask("bad"), ask("bad"));
        assert_eq!(a, b);
        assert!(a.is_ok() && c.is_err() && c == d);
        assert_eq!(fetched.load(Ordering::SeqCst), 2);
        memo.forget(&"good");
        assert_eq!(ask("good").await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_grown_old_is_fetched_again() {
        let memo = Memo::<(), u32>::fresh_for(Duration::from_secs(60));
        let fetched = AtomicU32::new(0);
        let counter = &fetched;
        let ask = || {
            memo.get((), move || async move {
                Ok(counter.fetch_add(1, Ordering::SeqCst))
            })
        };
        assert_eq!(ask().await, Ok(0));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(ask().await, Ok(0));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ask().await, Ok(1));
    }
}
