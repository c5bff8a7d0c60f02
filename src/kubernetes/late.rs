//! Values of manifests that other resources tell, some of them only once they have been made.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::reconcile::{Error, Fact, Handle};

/// A text that a resource of the same plan tells.
#[derive(Clone)]
pub struct Late {
    index: usize,
    get: Arc<dyn Fn() -> Fact<String> + Send + Sync>,
    seen: Arc<dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync>,
}

impl Late {
    /// What `tell` reads out of the resource of `handle`.
    pub fn new<T: Clone + Send + Sync + 'static>(
        handle: &Handle<T>,
        tell: impl Fn(T) -> String + Send + Sync + 'static,
    ) -> Self {
        let (getting, seeing) = (handle.clone(), handle.clone());
        Self {
            index: handle.index(),
            get: Arc::new(move || getting.get().map(&tell)),
            seen: Arc::new(move || {
                let handle = seeing.clone();
                async move { handle.observed().await.map(drop) }.boxed()
            }),
        }
    }

    /// The place in the graph of the resource that tells it.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// The text, if it is known.
    pub(super) fn get(&self) -> Fact<String> {
        (self.get)()
    }

    /// Waits until the resource has been observed.
    ///
    /// # Errors
    /// It couldn't be.
    pub(super) async fn observed(&self) -> Result<(), Error> {
        (self.seen)().await
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Late").field(&self.get()).finish()
    }
}
