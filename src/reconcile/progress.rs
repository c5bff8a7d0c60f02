//! Where a resource says how far it is, and learns that it should stop.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// Where a resource says how far it is ("UPDATING, 3m12s"). Clones say it to the same listener.
#[derive(Clone)]
pub struct Progress {
    listener: Arc<dyn Fn(String) + Send + Sync>,
    cancel: CancellationToken,
}

impl Progress {
    /// Progress that is told to `listener`, one short line at a time, until `cancel` is set.
    pub fn new(
        cancel: CancellationToken,
        listener: impl Fn(String) + Send + Sync + 'static,
    ) -> Self {
        Self {
            listener: Arc::new(listener),
            cancel,
        }
    }

    /// Says how far the resource is.
    pub fn say(&self, line: impl Into<String>) {
        (self.listener)(line.into());
    }

    /// Whether nothing new should be started.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until nothing new should be started.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}
