//! What the statuses of a run say.

use std::time::Duration;

use crate::event::{ClusterFinished, Outcome};
use crate::github::StatusState;
use crate::release::gate::span;
use crate::text::{count, visible};

use super::queue::Saying;

/// A role when its run starts.
pub(super) fn role_started(clusters: usize) -> Saying {
    Saying {
        state: StatusState::Pending,
        words: format!("rolling out to {}", count(clusters, "cluster")),
    }
}

/// A cluster when its work starts.
pub(super) fn cluster_started() -> Saying {
    Saying {
        state: StatusState::Pending,
        words: "under way".to_owned(),
    }
}

/// A cluster's end. `version` is the Kubernetes version that its settings ask for.
pub(super) fn cluster(end: &ClusterFinished, version: Option<&str>) -> Saying {
    let took = span(end.elapsed);
    let version = version.map_or(String::new(), |version| format!("; v{version}"));
    let (state, words) = match &end.outcome {
        Outcome::Unchanged => (
            StatusState::Success,
            format!("unchanged in {took}{version}"),
        ),
        Outcome::Changed { resources } => {
            let changed = count(*resources, "resource");
            (
                StatusState::Success,
                format!("{changed} changed in {took}{version}"),
            )
        }
        Outcome::Failed(failure) => (
            StatusState::Failure,
            format!("{} failed: {failure}", failure.step),
        ),
        Outcome::Skipped { reason } => (StatusState::Error, format!("not started: {reason}")),
        Outcome::Cancelled { during } => (StatusState::Error, format!("cancelled {during}")),
    };
    Saying {
        state,
        words: plain(&words),
    }
}

/// A cluster that came to a good end, as far as was looked. No success, as that would count as a proof.
pub(super) fn unchecked(saying: Saying) -> Saying {
    Saying {
        state: StatusState::Error,
        words: format!("not proven, checks were left out: {}", saying.words),
    }
}

/// A cluster that was taken apart.
pub(super) fn taken_apart(end: &ClusterFinished) -> Saying {
    Saying {
        state: StatusState::Error,
        words: format!("taken apart in {}", span(end.elapsed)),
    }
}

/// A role's end: `4 changed, 2 unchanged in 12m; v1.35`, and of what went wrong the first.
pub(super) fn role(ends: &[&ClusterFinished], took: Duration, version: Option<&str>) -> Saying {
    let of = |is: fn(&Outcome) -> bool| ends.iter().filter(|end| is(&end.outcome)).count();
    let counts = [
        ("failed", of(|o| matches!(o, Outcome::Failed(_)))),
        ("cancelled", of(|o| matches!(o, Outcome::Cancelled { .. }))),
        ("skipped", of(|o| matches!(o, Outcome::Skipped { .. }))),
        ("changed", of(|o| matches!(o, Outcome::Changed { .. }))),
        ("unchanged", of(|o| matches!(o, Outcome::Unchanged))),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(what, n)| format!("{n} {what}"))
        .collect();
    let mut words = format!("{} in {}", told.join(", "), span(took));
    let failed = ends.iter().find_map(|end| match &end.outcome {
        Outcome::Failed(failure) => Some((&end.cluster, failure)),
        _ => None,
    });
    let held = !ends.is_empty() && ends.iter().all(|end| end.outcome.is_success());
    let state = match &failed {
        Some((cluster, failure)) => {
            words.push_str(&format!("; {cluster}: {} failed: {failure}", failure.step));
            StatusState::Failure
        }
        None if held => StatusState::Success,
        None => StatusState::Error,
    };
    if let (Some(version), StatusState::Success) = (version, state) {
        words.push_str(&format!("; v{version}"));
    }
    Saying {
        state,
        words: plain(&words),
    }
}

/// The text with nothing hidden in it, and without what a proof's seal is told by.
fn plain(text: &str) -> String {
    visible(text).replace('[', "(").replace(']', ")")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CallSummary, Failure, Step};

    fn end(cluster: &str, outcome: Outcome) -> ClusterFinished {
        ClusterFinished {
            cluster: cluster.to_owned(),
            outcome,
            calls: CallSummary::default(),
            elapsed: Duration::from_secs(725),
        }
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure {
            step: Step::Verify,
            doing: "checking kube-system".into(),
            cause: "coredns not Ready [0/2]\n+1 more".into(),
            already_changed: Vec::new(),
            next: String::new(),
        })
    }

    #[test]
    fn a_cluster_says_how_it_ended() {
        let told = |outcome| {
            let Saying { state, words } = cluster(&end("c", outcome), Some("1.35"));
            format!("{}: {words}", state.as_str())
        };
        assert_eq!(
            told(Outcome::Unchanged),
            "success: unchanged in 12m 5s; v1.35"
        );
        assert_eq!(
            told(Outcome::Changed { resources: 4 }),
            "success: 4 resources changed in 12m 5s; v1.35"
        );
        assert_eq!(
            told(failed()),
            "failure: verify failed: checking kube-system: coredns not Ready (0/2)\\n+1 more"
        );
        let reason = "canary a failed".into();
        assert_eq!(
            told(Outcome::Skipped { reason }),
            "error: not started: canary a failed"
        );
        let during = "during observe".into();
        assert_eq!(
            told(Outcome::Cancelled { during }),
            "error: cancelled during observe"
        );
    }

    #[test]
    fn a_role_says_how_many_ended_how() {
        let changed = end("a", Outcome::Changed { resources: 1 });
        let right = end("b", Outcome::Unchanged);
        let bad = end("c", failed());
        let cancelled = end(
            "d",
            Outcome::Cancelled {
                during: "during plan".into(),
            },
        );
        let told = |ends: &[&ClusterFinished]| {
            let Saying { state, words } = role(ends, Duration::from_secs(720), Some("1.35"));
            format!("{}: {words}", state.as_str())
        };
        assert_eq!(
            told(&[&changed, &right]),
            "success: 1 changed, 1 unchanged in 12m; v1.35"
        );
        assert_eq!(
            told(&[&changed, &bad, &cancelled]),
            "failure: 1 failed, 1 cancelled, 1 changed in 12m; c: verify failed: \
             checking kube-system: coredns not Ready (0/2)\\n+1 more"
        );
        assert_eq!(
            told(&[&right, &cancelled]),
            "error: 1 cancelled, 1 unchanged in 12m"
        );
        assert_eq!(told(&[]), "error:  in 12m");
    }
}
