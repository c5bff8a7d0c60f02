//! Writes a served world down whenever it has changed.
//!
//! An answer to a call that writes is sent only after the world is on disk. Calls that come
//! together share one writing: whoever waits for the file finds that the one before wrote its
//! change too.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::state::{self, StateError};
use crate::world::World;

/// Keeps one world in one directory.
#[derive(Debug)]
pub(crate) struct Keeper {
    directory: PathBuf,
    changes: AtomicU64,
    /// How many changes the file holds. Held locked while it is written.
    kept: Mutex<u64>,
}

impl Keeper {
    pub(crate) fn new(directory: PathBuf) -> Self {
        // One change that isn't kept: the world as it begins.
        Self {
            directory,
            changes: AtomicU64::new(1),
            kept: Mutex::new(0),
        }
    }

    /// Notes that the world has changed. Called while the world is locked.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns once every change noted so far is in the file.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) async fn keep<W: Deref<Target = World>>(
        &self,
        lock: impl Fn() -> W,
    ) -> Result<(), StateError> {
        let wanted = self.changes.load(Ordering::SeqCst);
        let mut kept = self.kept.lock().await;
        if *kept >= wanted {
            return Ok(());
        }
        let (bytes, changes) = {
            let world = lock();
            (
                serde_json::to_vec(&*world),
                self.changes.load(Ordering::SeqCst),
            )
        };
        let bytes = bytes.map_err(|source| StateError::Unwritable { source })?;
        state::save(&self.directory, &bytes)?;
        *kept = changes;
        Ok(())
    }
}
