//! The checks that prove a cluster good: run after an apply, by `psk verify`, and nightly.
//!
//! Each is a function with a name, what it needs and a deadline. Those that don't build on one another
//! run together. They watch for their condition instead of sleeping, say what they saw when they fail,
//! and clean up after themselves whatever happens.

mod aws;
mod check;
mod evidence;
mod list;
mod node;
mod pods;
mod presence;
mod room;
mod volume;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use check::{Check, Finding};
pub use list::CHECKS;

use crate::aws::{CallError, Doing, Memo, OrAbsent, Session};
use crate::event::{CheckOutcome, CheckResult};
use crate::inventory::{Cluster, Settings, VerifySettings};
use crate::kubernetes::{Access, Endpoint, Kind};

/// The cluster that is checked, and what the checks share.
#[derive(Debug)]
pub struct Subject {
    session: Session,
    /// What EKS says of the cluster, if there is one, as the checks begin.
    described: Result<Option<aws_sdk_eks::types::Cluster>, CallError>,
    access: Result<Access, String>,
    settings: Settings,
    name: String,
    run: String,
    cancel: CancellationToken,
    addons: Memo<String, Option<aws_sdk_eks::types::Addon>>,
}

impl Subject {
    /// The cluster as it can be reached now. One that can't be reached fails the checks that need it.
    pub async fn new(cluster: &Cluster, session: Session, cancel: CancellationToken) -> Self {
        let name = cluster.name.to_string();
        let answer = session.eks().describe_cluster().name(&name).send().await;
        let answer = answer.doing(|| format!("describing cluster {name}"));
        let described = answer.or_absent().map(|answer| answer?.cluster);
        let endpoint = match &described {
            Ok(cluster) => Endpoint::told(&name, cluster.as_ref()),
            Err(error) => Err(error.clone().into()),
        };
        let access = match endpoint {
            Ok(endpoint) => Access::open(&session, &name, &endpoint).await,
            Err(error) => Err(error),
        };
        Self {
            described,
            access: access.map_err(|error| format!("{error}; next: {}", error.next)),
            session,
            settings: cluster.settings.clone(),
            name,
            run: format!("{:08x}", rand::random::<u32>()),
            cancel,
            addons: Memo::default(),
        }
    }

    fn cluster(&self) -> &str {
        &self.name
    }

    fn access(&self) -> Result<&Access, Finding> {
        self.access
            .as_ref()
            .map_err(|cause| Finding::new(cause.as_str()))
    }

    fn has(&self, addon: &str) -> bool {
        self.settings.addons.iter().any(|has| has.name == addon)
    }

    fn now(&self) -> Timestamp {
        let now = self.session.identity().now();
        Timestamp::try_from(now).unwrap_or(Timestamp::MAX)
    }

    /// An object outside of namespaces, if it is there.
    async fn find<T: DeserializeOwned>(
        &self,
        kind: &Kind,
        name: &str,
    ) -> Result<Option<T>, Finding> {
        match self.access()?.get(kind, None, name).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How long a check may wait: as long as it likes, unless the settings say less.
    fn deadline(&self, check: &Check) -> Duration {
        check.deadline.min(self.settings.verify.deadline.duration())
    }

    /// The longest that a run of all checks can take.
    fn longest(&self) -> Duration {
        // Chains of checks are three long at most; see the list.
        CHECKS
            .iter()
            .map(|check| self.deadline(check))
            .max()
            .unwrap_or_default()
            * 3
    }
}

/// Which checks are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Only these; all where empty.
    pub only: Vec<String>,
    /// Not these.
    pub skip: Vec<String>,
}

impl Chosen {
    /// The names among these that no check has.
    pub fn unknown(&self) -> Vec<&str> {
        let known = |name: &&str| !CHECKS.iter().any(|check| check.name == *name);
        let named = self.only.iter().chain(&self.skip).map(String::as_str);
        named.filter(known).collect()
    }

    /// Whether nothing is left out of what a cluster's settings hold it to.
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty()
    }

    /// Whether a check is run on a cluster with these settings.
    fn has(&self, check: &Check, settings: &VerifySettings) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == check.name);
        let asked = if self.only.is_empty() {
            !settings.skip.iter().any(|name| name.as_str() == check.name)
        } else {
            named(&self.only)
        };
        asked && !named(&self.skip)
    }
}

type Step = Shared<BoxFuture<'static, bool>>;

/// Runs the chosen checks and tells each result as it comes. Gives all of them, in the order of the
/// list.
pub async fn verify(
    subject: Arc<Subject>,
    chosen: &Chosen,
    tell: impl Fn(&CheckResult) + Send + Sync + 'static,
    say: impl Fn(String) + Send + Sync,
) -> Vec<CheckResult> {
    if let Ok(access) = subject.access() {
        match room::sweep(access, subject.now()).await {
            Ok(names) if names.is_empty() => {}
            Ok(names) => say(format!(
                "removed what a killed run left: {}",
                names.join(", ")
            )),
            // What can't be listed will fail the checks themselves.
            Err(error) => say(error.to_string()),
        }
    }
    let results = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
    let tell = Arc::new(tell);
    let mut steps: BTreeMap<&str, Step> = BTreeMap::new();
    for (place, check) in CHECKS.iter().enumerate() {
        let applies = check.addon.is_none_or(|addon| subject.has(addon));
        if !applies || !chosen.has(check, &subject.settings.verify) {
            continue;
        }
        // A check that isn't run keeps no other from running.
        let before: Vec<(&'static str, Step)> = check
            .after
            .iter()
            .filter_map(|name| Some((*name, steps.get(name)?.clone())))
            .collect();
        let (subject, results, tell) = (subject.clone(), results.clone(), tell.clone());
        let step = async move {
            let mut missing = Vec::new();
            for (name, step) in before {
                if !step.await {
                    missing.push(name);
                }
            }
            let began = Instant::now();
            let (outcome, message) = if subject.cancel.is_cancelled() {
                let why = "the run was interrupted".to_owned();
                (CheckOutcome::Skipped, Some(why))
            } else if !missing.is_empty() {
                let why = format!("it builds on {}, which didn't pass", missing.join(" and "));
                (CheckOutcome::Skipped, Some(why))
            } else {
                let deadline = began + subject.deadline(check);
                match (check.run)(subject.clone(), deadline).await {
                    Ok(()) => (CheckOutcome::Passed, None),
                    Err(_) if subject.cancel.is_cancelled() => {
                        let why = "the run was interrupted".to_owned();
                        (CheckOutcome::Skipped, Some(why))
                    }
                    Err(finding) => (CheckOutcome::Failed, Some(finding.to_string())),
                }
            };
            let result = CheckResult {
                name: check.name.to_owned(),
                outcome,
                seconds: (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
                message,
            };
            tell(&result);
            let passed = result.outcome == CheckOutcome::Passed;
            results
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .insert(place, result);
            passed
        };
        steps.insert(check.name, in_calls_scope(step).boxed().shared());
    }
    join_all(steps.into_values()).await;
    let mut results = results
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    std::mem::take(&mut *results).into_values().collect()
}

/// A check is a branch of its own in the count of calls.
async fn in_calls_scope(step: impl Future<Output = bool>) -> bool {
    crate::calls::in_scope(step).await.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_known_by_name_and_build_on_earlier_ones() {
        let mut seen = Vec::new();
        for check in CHECKS {
            assert!(!seen.contains(&check.name), "{}", check.name);
            for before in check.after {
                assert!(seen.contains(before), "{} after {before}", check.name);
            }
            assert!(!check.about.is_empty() && check.deadline > Duration::ZERO);
            seen.push(check.name);
        }
    }

    /// Settings of a cluster that isn't held to these checks.
    fn settings(skip: &[&str]) -> VerifySettings {
        VerifySettings {
            image: String::new(),
            node_selector: BTreeMap::new(),
            ebs_size: "4Gi".parse().unwrap(),
            ebs_grown: "8Gi".parse().unwrap(),
            block_write_mib: "1".parse().unwrap(),
            deadline: "1m".parse().unwrap(),
            skip: skip.iter().map(|name| name.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn what_a_cluster_is_not_held_to_is_run_only_by_name() {
        let settings = settings(&["nodes"]);
        let nodes = CHECKS.iter().find(|check| check.name == "nodes").unwrap();
        assert!(!Chosen::default().has(nodes, &settings));
        assert!(Chosen::default().is_all());
        let only = vec!["nodes".to_owned()];
        let named = Chosen { only, skip: vec![] };
        assert!(named.has(nodes, &settings));
    }

    #[test]
    fn only_and_skip_choose_by_name() {
        let chosen = Chosen {
            only: vec!["nodes".into(), "coredns".into()],
            skip: vec!["coredns".into()],
        };
        let names: Vec<_> = CHECKS
            .iter()
            .filter(|check| chosen.has(check, &settings(&[])))
            .map(|check| check.name)
            .collect();
        assert_eq!(names, ["nodes"]);
        assert!(chosen.unknown().is_empty() && !chosen.is_all());
        let wrong = Chosen {
            only: vec!["node".into()],
            skip: vec![],
        };
        assert_eq!(wrong.unknown(), ["node"]);
    }
}
