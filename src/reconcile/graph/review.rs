//! Holding an apply to the plan that was reviewed.

use crate::reconcile::Error;
use crate::reconcile::plan::{Action, AttributeChange, ResourceChange, Target};

/// Refuses a change that isn't among those that were reviewed. What was to be known after apply may
/// be anything, and what is made may have attributes that only now are known.
pub(super) fn check(reviewed: &[ResourceChange], change: &ResourceChange) -> Result<(), Error> {
    let same = |other: &&ResourceChange| other.kind == change.kind && other.name == change.name;
    let planned = reviewed.iter().find(same);
    let action = planned.map_or(Action::Keep, |planned| planned.action);
    if action != change.action {
        let cause = format!(
            "its plan was to {}, and now it would {} it",
            word(action),
            word(change.action)
        );
        return Err(refused(change, cause));
    }
    let planned = planned.map(|planned| planned.attributes.as_slice());
    let beyond: Vec<_> = change
        .attributes
        .iter()
        .filter(|a| !is_covered(action, planned.unwrap_or_default(), a))
        .map(|a| a.path.as_str())
        .collect();
    if beyond.is_empty() {
        return Ok(());
    }
    let cause = format!("its plan says something else of {}", beyond.join(", "));
    Err(refused(change, cause))
}

fn is_covered(action: Action, planned: &[AttributeChange], now: &AttributeChange) -> bool {
    match planned.iter().find(|a| a.path == now.path) {
        Some(planned) => planned.new == now.new || planned.new == Target::KnownAfterApply,
        None => action == Action::Create,
    }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Keep => "leave it alone",
        Action::Create => "make",
        Action::Update => "change",
        Action::Replace => "replace",
        Action::Delete => "remove",
    }
}

fn refused(change: &ResourceChange, cause: String) -> Error {
    Error::new(
        format!("changing {} {} as reviewed", change.kind, change.name),
        cause,
        "plan again, review that plan, and apply it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{Diff, Fact};

    fn change(diff: Diff) -> ResourceChange {
        ResourceChange {
            kind: "sqs_queue".into(),
            name: "q".into(),
            action: diff.action,
            attributes: diff.attributes,
            reason: diff.reason,
        }
    }

    fn refusal(planned: Diff, now: Diff) -> Option<String> {
        let planned = [change(planned)];
        check(&planned, &change(now)).err().map(|error| error.cause)
    }

    #[test]
    fn what_was_reviewed_or_less_passes() {
        let planned = Diff::update()
            .attribute("a", Some(1), 2)
            .attribute("b", Some(1), 2);
        let now = Diff::update().attribute("a", Some(1), 2);
        assert_eq!(refusal(planned.build(), now.build()), None);
    }

    #[test]
    fn what_only_now_is_known_passes_where_the_plan_said_so() {
        let planned = Diff::create().fact("a", None::<u8>, Fact::<u8>::AfterApply);
        let now = Diff::create()
            .attribute("a", None::<u8>, 1)
            .attribute("b", None::<u8>, 2);
        assert_eq!(refusal(planned.build(), now.build()), None);
        let planned = Diff::update().fact("a", Some(1), Fact::<u8>::AfterApply);
        let now = Diff::update().attribute("a", Some(1), 2);
        assert_eq!(
            refusal(planned.build(), now.build()).as_deref(),
            Some("its plan was to leave it alone, and now it would change it")
        );
    }

    #[test]
    fn another_value_attribute_or_action_is_refused() {
        let planned = || Diff::update().attribute("a", Some(1), 2);
        let other = Diff::update()
            .attribute("a", Some(1), 3)
            .attribute("b", Some(1), 2);
        assert_eq!(
            refusal(planned().build(), other.build()).as_deref(),
            Some("its plan says something else of a, b")
        );
        let made = Diff::create().attribute("a", None::<u8>, 2);
        assert_eq!(
            refusal(planned().build(), made.build()).as_deref(),
            Some("its plan was to change, and now it would make it")
        );
        let error = check(&[], &change(planned().build())).unwrap_err();
        assert_eq!(error.doing, "changing sqs_queue q as reviewed");
    }
}
