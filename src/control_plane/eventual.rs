//! Patience with services that don't see at once what another call has just made.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::CallError;
use crate::reconcile::{Error, Polling, Progress, State};

/// How long a service may take to see what was just made. IAM's changes usually spread within
/// seconds. Source: IAM User Guide, "Changes that I make are not always immediately visible".
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Whether EKS refuses a role that it may only not see yet. It says so in words, under the code of
/// every other invalid parameter.
/// Source: EKS API reference, InvalidParameterException; EKS User Guide, "Troubleshoot problems with
/// Amazon EKS clusters and nodes".
pub(super) fn role_is_unseen(error: &CallError) -> bool {
    error.has_code(&["InvalidParameterException", "InvalidRequestException"])
        && error.cause.to_lowercase().contains("role")
}

/// Repeats `call` while it fails in a way that may `pass` once `what` is visible everywhere. After
/// two minutes the service's own error stands.
pub(super) async fn until_visible<T, F>(
    polling: Polling,
    what: &str,
    progress: &Progress,
    pass: impl Fn(&CallError) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, CallError>>,
{
    let began = Instant::now();
    let pass = &pass;
    polling
        .until(what, PATIENCE * 2, progress, || {
            let sent = call();
            let patient = began.elapsed() < PATIENCE;
            async move {
                match sent.await {
                    Ok(done) => Ok(State::Done(done)),
                    Err(error) if patient && pass(&error) => {
                        Ok(State::UnderWay("not visible everywhere yet".to_owned()))
                    }
                    Err(error) => Err(error.into()),
                }
            }
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn refused(code: &str) -> CallError {
        CallError {
            code: Some(code.into()),
            ..CallError::new("making x", format!("{code}: no such role"), "mend it")
        }
    }

    async fn call(failures: u32, code: &str) -> (Result<u32, Error>, u32) {
        let calls = Cell::new(0);
        let silent = Progress::new(Default::default(), |_| {});
        let outcome = until_visible(
            Polling::default(),
            "role x",
            &silent,
            |error| error.has_code(&["NoSuchEntity"]),
            || {
                calls.set(calls.get() + 1);
                let made = calls.get();
                async move {
                    if made > failures {
                        Ok(made)
                    } else {
                        Err(refused(code))
                    }
                }
            },
        )
        .await;
        (outcome, calls.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again() {
        assert_eq!(call(3, "NoSuchEntity").await, (Ok(4), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_ends_in_the_services_own_words() {
        let (outcome, calls) = call(u32::MAX, "NoSuchEntity").await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "making x: NoSuchEntity: no such role"
        );
        assert!(calls > 5, "{calls}");
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_failure_stands_at_once() {
        let (outcome, calls) = call(3, "AccessDenied").await;
        assert!(outcome.is_err());
        assert_eq!(calls, 1);
    }
}
