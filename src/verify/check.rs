//! What a check is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::Subject;
use crate::aws::CallError;
use crate::kubernetes;

/// One check of a cluster.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name, by which it is chosen and reported.
    pub name: &'static str,
    /// What it makes sure of, in a few words.
    pub about: &'static str,
    /// The add-on without which there is nothing to check.
    pub addon: Option<&'static str>,
    /// Checks that must pass first, because this one can't without what they check.
    pub after: &'static [&'static str],
    /// How long it waits for its condition.
    pub deadline: Duration,
    /// The check itself.
    pub(super) run: Run,
}

/// A check under way.
pub(super) type Checked = BoxFuture<'static, Result<(), Finding>>;

/// How a check is run: on what, and until when.
pub(super) type Run = fn(Arc<Subject>, Instant) -> Checked;

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// What a check that failed has seen: the cause first, then everything that may explain it, a line
/// each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding(pub Vec<String>);

impl Finding {
    /// A cause that needs no more to be said.
    pub(super) fn new(cause: impl Into<String>) -> Self {
        Self(vec![cause.into()])
    }

    /// With more of what was seen.
    pub(super) fn with(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.0.extend(evidence);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl From<kubernetes::Error> for Finding {
    fn from(error: kubernetes::Error) -> Self {
        Self::new(format!("{error}; next: {}", error.next))
    }
}

impl From<CallError> for Finding {
    fn from(error: CallError) -> Self {
        Self::new(format!("{error}; next: {}", error.next))
    }
}
