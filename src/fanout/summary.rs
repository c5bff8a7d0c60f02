//! How a run over many clusters ended.

use crate::event::{ClusterFinished, Outcome};

/// Every cluster's end, in the order of the schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// One entry per cluster of the schedule.
    pub clusters: Vec<ClusterFinished>,
}

/// How many clusters ended in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// Already what they should be.
    pub unchanged: usize,
    /// Changed.
    pub changed: usize,
    /// Failed.
    pub failed: usize,
    /// Never started.
    pub skipped: usize,
    /// Stopped, or not started, by an interruption.
    pub cancelled: usize,
}

impl Summary {
    /// How many clusters ended in each state.
    pub fn counts(&self) -> OutcomeCounts {
        let mut counts = OutcomeCounts::default();
        for cluster in &self.clusters {
            match cluster.outcome {
                Outcome::Unchanged => counts.unchanged += 1,
                Outcome::Changed { .. } => counts.changed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Skipped { .. } => counts.skipped += 1,
                Outcome::Cancelled { .. } => counts.cancelled += 1,
            }
        }
        counts
    }

    /// Whether the work succeeded on every cluster. A run over no clusters proves nothing, so it
    /// holds nothing. What it is that the clusters hold depends on the work: after a dry run it is
    /// a plan, not the release.
    pub fn held(&self) -> bool {
        !self.clusters.is_empty()
            && self
                .clusters
                .iter()
                .all(|cluster| cluster.outcome.is_success())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::CallSummary;

    fn summary(outcomes: &[Outcome]) -> Summary {
        let cluster = |outcome: &Outcome| ClusterFinished {
            cluster: "mapi-i01-aws-us-east-2".into(),
            outcome: outcome.clone(),
            calls: CallSummary::default(),
            elapsed: Duration::ZERO,
        };
        Summary {
            clusters: outcomes.iter().map(cluster).collect(),
        }
    }

    #[test]
    fn held_means_every_cluster() {
        let changed = Outcome::Changed { resources: 1 };
        let skipped = Outcome::Skipped {
            reason: "canary a failed".into(),
        };
        assert!(summary(&[Outcome::Unchanged, changed.clone()]).held());
        assert!(!summary(&[Outcome::Unchanged, changed, skipped]).held());
        assert!(!summary(&[]).held());
    }

    #[test]
    fn counts_tell_the_states_apart() {
        let cancelled = Outcome::Cancelled {
            during: "during plan".into(),
        };
        let counts = summary(&[Outcome::Unchanged, cancelled.clone(), cancelled]).counts();
        assert_eq!(
            counts,
            OutcomeCounts {
                unchanged: 1,
                cancelled: 2,
                ..OutcomeCounts::default()
            }
        );
    }
}
