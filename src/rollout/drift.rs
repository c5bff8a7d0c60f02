//! Why a cluster isn't what its settings ask for, by what psk noted when it last applied it.

use crate::aws::{CallError, Session};
use crate::control_plane::Base;
use crate::control_plane::stamp::Stamp;
use crate::reconcile::plan::{Action, Cause, Drift, Plan};

/// The plan with why each resource differs. `settings` is the digest of the cluster's settings.
pub(super) fn told_as_drift(mut plan: Plan, base: &Base, settings: &str) -> Plan {
    let facts = base.cluster.get().known();
    let stamp = facts.and_then(|facts| facts.applied);
    let intended = base.graph.intended();
    for change in &mut plan.resources {
        if change.action == Action::Keep {
            continue;
        }
        let mut wanted = intended.iter();
        let wanted = wanted.find(|i| i.kind == change.kind && i.name == change.name);
        let cause = match (&stamp, wanted) {
            (Some(stamp), Some(wanted)) => stamp.cause(settings, wanted),
            _ => Cause::Unknown,
        };
        let reasons = [Some(cause.as_str().to_owned()), change.reason.take()];
        let reasons: Vec<_> = reasons.into_iter().flatten().collect();
        change.reason = Some(reasons.join("; "));
        plan.drift.push(Drift {
            kind: change.kind.clone(),
            name: change.name.clone(),
            cause,
        });
    }
    plan.warnings.extend(last_applied(stamp.as_ref(), settings));
    plan
}

/// What is to be said of the last apply; nothing where the settings are those that it applied.
fn last_applied(stamp: Option<&Stamp>, settings: &str) -> Option<String> {
    let Some(stamp) = stamp else {
        return Some("psk hasn't applied this cluster yet, or its note on it is gone".to_owned());
    };
    if stamp.has_settings(settings) {
        return None;
    }
    let at = stamp.commit().map(|commit| format!(", at commit {commit}"));
    let at = at.unwrap_or_default();
    Some(format!(
        "the settings have changed since they were last applied{at}"
    ))
}

/// Notes on a cluster what was applied, unless the same is noted already.
pub(super) async fn note(
    base: &Base,
    session: &Session,
    settings: &str,
    commit: Option<&str>,
) -> Result<(), CallError> {
    let Some(facts) = base.cluster.get().known() else {
        return Ok(());
    };
    let stamp = Stamp::of(settings, commit, &base.graph.intended());
    if facts.applied.is_some_and(|noted| noted.is_like(&stamp)) {
        return Ok(());
    }
    stamp.write(session, &facts.arn).await
}
