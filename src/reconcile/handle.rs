//! What one resource may know of another before it exists.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::Error;
use crate::calls;

/// A fact about a resource: known, or to be known once the resource has been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact<T> {
    /// This is so.
    Known(T),
    /// Only the service can tell, after apply.
    AfterApply,
}

impl<T> Fact<T> {
    /// The fact, if it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::AfterApply => None,
        }
    }

    /// The fact, for a change that can't be made without it. What tells it is made first, so it is
    /// known by then unless the service withholds it.
    ///
    /// # Errors
    /// It isn't known.
    pub fn required(self, doing: impl FnOnce() -> String) -> Result<T, Error> {
        self.known().ok_or_else(|| {
            Error::new(
                doing(),
                "AWS hasn't told yet what this builds on",
                "run again once what it builds on is active",
            )
        })
    }

    /// The same fact by reference.
    pub fn as_ref(&self) -> Fact<&T> {
        match self {
            Self::Known(value) => Fact::Known(value),
            Self::AfterApply => Fact::AfterApply,
        }
    }

    /// A fact that follows from this one.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(f(value)),
            Self::AfterApply => Fact::AfterApply,
        }
    }
}

/// Whether a resource has been observed, and how deep in its chain of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    NotYet,
    At(u32),
    /// It couldn't be observed, so who waits for it can't be either.
    Never,
}

/// What the rest of the graph may know of one resource. Clones look at the same resource.
#[derive(Debug)]
pub struct Handle<T> {
    index: usize,
    fact: Arc<RwLock<Fact<T>>>,
    seen: watch::Receiver<Seen>,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self {
            index: self.index,
            fact: self.fact.clone(),
            seen: self.seen.clone(),
        }
    }
}

/// The graph's end of a [`Handle`].
#[derive(Debug)]
pub(super) struct Slot<T> {
    fact: Arc<RwLock<Fact<T>>>,
    seen: watch::Sender<Seen>,
}

/// A handle for the resource at `index` of a graph and the graph's end of it.
pub(super) fn handle<T>(index: usize) -> (Slot<T>, Handle<T>) {
    let fact = Arc::new(RwLock::new(Fact::AfterApply));
    let (sender, receiver) = watch::channel(Seen::NotYet);
    (
        Slot {
            fact: fact.clone(),
            seen: sender,
        },
        Handle {
            index,
            fact,
            seen: receiver,
        },
    )
}

impl<T> Slot<T> {
    pub(super) fn set(&self, fact: Fact<T>) {
        *self.fact.write().unwrap_or_else(PoisonError::into_inner) = fact;
    }

    pub(super) fn announce(&self, seen: Seen) {
        self.seen.send_replace(seen);
    }
}

impl<T: Clone> Handle<T> {
    /// What is known of the resource now: before it is observed, and while it doesn't exist,
    /// [`Fact::AfterApply`].
    pub fn get(&self) -> Fact<T> {
        self.fact
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the resource has been observed, for an `observe` that builds on another's.
    ///
    /// # Errors
    /// The resource couldn't be observed. The graph reports that failure itself, once: pass this
    /// one on.
    pub async fn observed(&self) -> Result<Fact<T>, Error> {
        let mut seen = self.seen.clone();
        let seen = seen
            .wait_for(|seen| *seen != Seen::NotYet)
            .await
            .map_or(Seen::Never, |s| *s);
        match seen {
            Seen::At(depth) => {
                calls::advance_to(depth);
                Ok(self.get())
            }
            Seen::NotYet | Seen::Never => Err(Error::blocked()),
        }
    }
}

impl<T> Handle<T> {
    /// The resource's place in its graph, for [`super::Resource::needs`].
    pub fn index(&self) -> usize {
        self.index
    }
}
