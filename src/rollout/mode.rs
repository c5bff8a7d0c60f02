//! How far a run goes with each cluster.

/// How far a run goes with each cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only read, and tell what would change.
    Plan,
    /// Only read, and tell what would change and why it differs.
    Drift,
    /// Make the changes and wait until they have settled.
    Apply,
    /// Take apart what psk made.
    Destroy(Destroy),
    /// Change nothing that is there, and check that the cluster works.
    Verify,
    /// Keep the outputs of the cluster as it is.
    Outputs {
        /// Only read, and tell what would be written.
        dry_run: bool,
    },
}

/// How a cluster is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destroy {
    /// Whether the file system and the key go too.
    pub delete_data: bool,
    /// Only read, and tell what would go.
    pub dry_run: bool,
}

impl Mode {
    /// Whether anything is written.
    pub fn writes(self) -> bool {
        match self {
            Self::Plan | Self::Drift => false,
            // Checks write what they need, and take it away again.
            Self::Apply | Self::Verify => true,
            Self::Destroy(destroy) => !destroy.dry_run,
            Self::Outputs { dry_run } => !dry_run,
        }
    }

    /// Whether it counts with which settings a cluster was applied.
    pub fn notes_settings(self) -> bool {
        matches!(self, Self::Apply | Self::Drift)
    }

    /// Whether clusters' outputs are kept.
    pub fn keeps_outputs(self) -> bool {
        matches!(self, Self::Apply | Self::Outputs { .. })
    }
}
