//! What a cluster's run failed of, in one piece.

use crate::aws::CallError;
use crate::event::{Failure, Step};
use crate::reconcile::Error;
use crate::reconcile::plan::{Action, ResourceChange};

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Self::new(error.doing, error.cause, error.next)
    }
}

pub(super) fn failure(step: Step, errors: impl IntoIterator<Item = Error>) -> Failure {
    failure_after(step, errors, &[])
}

/// One failure of a cluster out of all that went wrong in a step: the first is told in full, the
/// others by what they were doing and their cause, and all that had been changed before.
pub(super) fn failure_after(
    step: Step,
    errors: impl IntoIterator<Item = Error>,
    done: &[ResourceChange],
) -> Failure {
    let mut errors = errors.into_iter();
    let mut told = std::collections::BTreeSet::new();
    let first = errors.next().unwrap_or_else(|| {
        Error::new(
            format!("running step {step}"),
            "no reason was given",
            "report this as a bug",
        )
    });
    told.insert(first.to_string());
    let mut cause = first.cause;
    // Resources that look at the same thing fail of the same cause, which is told once.
    for other in errors.filter(|error| told.insert(error.to_string())) {
        cause.push_str(&format!("; also {other}"));
    }
    let verb = |action| match action {
        Action::Create => "made",
        Action::Replace => "replaced",
        Action::Delete => "removed",
        Action::Keep | Action::Update => "changed",
    };
    let already = done
        .iter()
        .map(|c| format!("{} {} {}", verb(c.action), c.kind, c.name));
    Failure {
        step,
        doing: first.doing,
        cause,
        already_changed: already.collect(),
        next: first.next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_all_causes_and_what_was_done_before() {
        let error = |n: u8| {
            Error::new(
                format!("doing {n}"),
                format!("cause {n}"),
                format!("next {n}"),
            )
        };
        let change = ResourceChange {
            kind: "eks_cluster".into(),
            name: "c".into(),
            action: Action::Create,
            attributes: vec![],
            reason: None,
        };
        let failure = failure_after(Step::Apply, [error(1), error(2), error(1)], &[change]);
        assert_eq!(
            failure.to_string(),
            "doing 1: cause 1; also doing 2: cause 2"
        );
        assert_eq!(failure.already_changed, ["made eks_cluster c"]);
        assert_eq!(failure.next, "next 1");
    }
}
