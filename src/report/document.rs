//! The report of a run as data: what `--output json` prints and `--report FILE` writes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{
    CallSummary, CheckResult, Failure, Interruption, KeptOutputs, Outcome, Publication, Step,
};
use crate::reconcile::plan::{Counts, Plan};
use crate::release::gate::Gate;

/// Version of the report's JSON form. It rises when a reader of the old form could be misled.
pub const REPORT_SCHEMA_VERSION: u32 = 1;

/// What a run of psk set out to do and how it ended, cluster by cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this form; it rises when a reader of an older form could be misled.
    pub schema_version: u32,
    /// The run as a whole.
    pub run: Run,
    /// What the role asks for before a release may get to it; null where it wasn't asked.
    pub gate: Option<Gate>,
    /// The effective schedule in words, a line each.
    pub schedule: Vec<String>,
    /// Every cluster of the run, in the order of the schedule.
    pub clusters: Vec<ClusterReport>,
    /// Sums over all clusters.
    pub totals: Totals,
    /// Warnings that concern no single cluster.
    pub warnings: Vec<String>,
    /// What became of the run's commit statuses; null where it wrote none.
    pub statuses: Option<Publication>,
}

/// The run as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The subcommand: `fanout`, `plan`, …
    pub command: String,
    /// The role (release tier) that was run over.
    pub role: String,
    /// Whether the run only read: a changed cluster is then one that would change.
    pub dry_run: bool,
    /// The commit that was rolled out, as a full SHA; null where none is known.
    pub commit: Option<String>,
    /// The tag that was rolled out; null where there is none.
    pub tag: Option<String>,
    /// Why clusters were upgraded although EKS's insights spoke against it; absent where they
    /// weren't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_upgrade: Option<String>,
    /// Digest of the resolved inventory, secrets excluded.
    pub inventory_digest: String,
    /// When the run started.
    pub started: Timestamp,
    /// When it ended; null where it broke off without a word.
    pub finished: Option<Timestamp>,
    /// Wall time in seconds; up to the last event where the run broke off.
    pub seconds: f64,
    /// The signal that ended the run early; null where none did.
    pub interrupted: Option<Interruption>,
}

/// One cluster's part in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterReport {
    /// The cluster's name.
    pub name: String,
    /// AWS region.
    pub region: String,
    /// AWS account, twelve digits.
    pub account: String,
    /// The state that it ended in.
    pub outcome: OutcomeKind,
    /// How many resources the plan keeps, makes, changes, replaces and removes; null where there
    /// was no plan.
    pub changes: Option<Counts>,
    /// The API calls made for this cluster.
    pub calls: CallSummary,
    /// Wall time in seconds; zero where it never started.
    pub seconds: f64,
    /// The steps it went through, in order.
    pub steps: Vec<StepReport>,
    /// What would be changed, or was; null where the cluster never got that far.
    pub plan: Option<Plan>,
    /// What went wrong; null unless the outcome is `failed`.
    pub failure: Option<Failure>,
    /// Why it was skipped or where it stood when it was cancelled; null for other outcomes.
    pub reason: Option<String>,
    /// What a person should know of it that stopped nothing.
    pub warnings: Vec<String>,
    /// The checks that were made of it, in the order in which they ended; empty where it wasn't
    /// verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    /// What others need to know of it, and where that is kept; absent where it wasn't written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<KeptOutputs>,
}

/// One step of a cluster and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    /// The step.
    pub step: Step,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// How a cluster ended, without the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// It already was what its settings ask for.
    Unchanged,
    /// It was changed, or in a dry run, it would be.
    Changed,
    /// Something went wrong.
    Failed,
    /// It was never started.
    Skipped,
    /// It was stopped, or not started, because the run was interrupted.
    Cancelled,
}

impl From<&Outcome> for OutcomeKind {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Changed { .. } => Self::Changed,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Skipped { .. } => Self::Skipped,
            Outcome::Cancelled { .. } => Self::Cancelled,
        }
    }
}

/// Sums over all clusters of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Clusters in the run.
    pub clusters: usize,
    /// Clusters that already were right.
    pub unchanged: usize,
    /// Clusters that were changed, or in a dry run, would be.
    pub changed: usize,
    /// Clusters that failed.
    pub failed: usize,
    /// Clusters that were never started.
    pub skipped: usize,
    /// Clusters that an interruption stopped or kept from starting.
    pub cancelled: usize,
    /// Resources in all plans together.
    pub resources: Counts,
    /// API calls made, retries not counted.
    pub calls: u64,
    /// Attempts beyond the first of a call.
    pub retries: u64,
    /// Answers that asked to slow down.
    pub throttles: u64,
    /// The longest chain of calls, in any one cluster, of which each had to wait for the one before.
    pub longest_chain: u32,
}

impl Totals {
    /// The sums over these clusters.
    pub(super) fn of(clusters: &[ClusterReport]) -> Self {
        let mut totals = Self {
            clusters: clusters.len(),
            ..Self::default()
        };
        for cluster in clusters {
            *match cluster.outcome {
                OutcomeKind::Unchanged => &mut totals.unchanged,
                OutcomeKind::Changed => &mut totals.changed,
                OutcomeKind::Failed => &mut totals.failed,
                OutcomeKind::Skipped => &mut totals.skipped,
                OutcomeKind::Cancelled => &mut totals.cancelled,
            } += 1;
            if let Some(changes) = cluster.changes {
                totals.resources.keep += changes.keep;
                totals.resources.create += changes.create;
                totals.resources.update += changes.update;
                totals.resources.replace += changes.replace;
                totals.resources.delete += changes.delete;
            }
            totals.calls += cluster.calls.total;
            totals.retries += cluster.calls.retries;
            totals.throttles += cluster.calls.throttles;
            totals.longest_chain = totals.longest_chain.max(cluster.calls.longest_chain);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::report::testing;

    #[test]
    fn the_published_schema_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/report.schema.json");
        let fresh = serde_json::to_string_pretty(&schemars::schema_for!(Report)).unwrap() + "\n";
        let published = fs::read_to_string(&path).unwrap_or_default();
        if published != fresh {
            fs::write(&path, fresh).unwrap();
            panic!(
                "docs/schema/report.schema.json was stale; it is written anew: look at it and commit it"
            );
        }
    }

    #[test]
    fn the_json_form_is_as_documented() {
        insta::assert_json_snapshot!(testing::report(&testing::all_outcomes()));
    }

    #[test]
    fn a_report_survives_its_json_form() {
        let report = testing::report(&testing::all_outcomes());
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
