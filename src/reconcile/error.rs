//! What stops a resource: what was being done, what failed, what to do next.

/// A resource that can't be observed, compared, changed or settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct Error {
    /// What was being done ("describing node group management-arm-rkt-mng").
    pub doing: String,
    /// What failed, in the service's own words where a service said it.
    pub cause: String,
    /// What to do next.
    pub next: String,
    kind: Kind,
}

impl Error {
    /// An error of this resource's own.
    pub fn new(
        doing: impl Into<String>,
        cause: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            doing: doing.into(),
            cause: cause.into(),
            next: next.into(),
            kind: Kind::Own,
        }
    }

    /// A stop that is another resource's fault.
    pub(super) fn blocked() -> Self {
        Self {
            doing: "waiting for another resource".into(),
            cause: "it failed".into(),
            next: "see the other resource's failure".into(),
            kind: Kind::Blocked,
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.kind == Kind::Blocked
    }

    /// A stop because the run was interrupted while the service was still at it.
    pub(crate) fn cancelled(doing: impl Into<String>) -> Self {
        Self {
            kind: Kind::Cancelled,
            ..Self::new(
                doing,
                "the run was interrupted",
                "run again: psk goes on where it stopped",
            )
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.kind == Kind::Cancelled
    }
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The resource's own.
    Own,
    /// Another resource's, which is the one to report.
    Blocked,
    /// Nobody's: the run was interrupted.
    Cancelled,
}
