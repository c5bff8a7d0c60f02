//! What went wrong in a call to AWS: what psk was doing, what AWS said, what to do next.

use crate::web::innermost;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;

/// A call that AWS refused, or that never reached it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct CallError {
    /// What was being done ("describing node group management-arm-rkt-mng").
    pub doing: String,
    /// What failed, in the service's own words, with its error code where it gave one.
    pub cause: String,
    /// The service's error code (`ResourceNotFoundException`), where it answered at all.
    pub code: Option<String>,
    /// What to do next.
    pub next: String,
}

/// Codes by which the services of the control plane base say that a named thing doesn't exist.
const NOT_FOUND: &[&str] = &[
    "ResourceNotFoundException",
    "NotFoundException",
    "NoSuchEntity",
    "ParameterNotFound",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "FileSystemNotFound",
    "PolicyNotFound",
    "InvalidLaunchTemplateName.NotFoundException",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidGroup.NotFound",
    "InvalidVpcID.NotFound",
];

/// Codes by which AWS says that the caller may not do this.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
];

/// Codes by which AWS says that the credentials themselves are no good.
const BAD_CREDENTIALS: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidIdentityToken",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
];

/// Codes by which a service says that the fault is its own.
/// Sources: "Common error types" and the errors of the operations in each service's API reference.
const FAILED_INSIDE: &[&str] = &[
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "ServerException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Unavailable",
];

/// Codes by which AWS asks to slow down.
/// Source: the list that AWS's SDK retry behaviour names as throttling errors.
pub(super) const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
];

impl CallError {
    /// An error that psk itself found while `doing` something with AWS.
    pub fn new(
        doing: impl Into<String>,
        cause: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            doing: doing.into(),
            cause: cause.into(),
            code: None,
            next: next.into(),
        }
    }

    /// Whether the service says that the thing asked for doesn't exist.
    pub fn is_not_found(&self) -> bool {
        self.has_code(NOT_FOUND)
    }

    /// Whether the service answered with one of these error codes.
    pub fn has_code(&self, codes: &[&str]) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| codes.contains(&code))
    }

    fn from_sdk<E, R>(doing: String, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        // Credentials are fetched inside the call that needs them first. If that failed, the story
        // is that of the credentials, which is told by the error that psk's provider gave.
        if let Some(inner) = sources(error).find_map(|e| e.downcast_ref::<Self>()) {
            return inner.clone();
        }
        let code = error.code().map(str::to_owned);
        let cause = match (&code, error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            (None, Some(message)) => message.to_owned(),
            (None, None) => innermost(error),
        };
        let next = match &code {
            Some(code) => next_for_code(code),
            None if sources(error).any(|e| e.is::<CredentialsError>()) => {
                NO_CREDENTIALS.to_owned()
            }
            None if matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) => {
                "check that the service's endpoint can be reached from here (network, proxy, AWS_ENDPOINT_URL), then run again".to_owned()
            }
            None => "run again; if it stays, run with RUST_LOG=debug to see the exchange".to_owned(),
        };
        Self {
            doing,
            cause,
            code,
            next,
        }
    }
}

/// What to do where psk has no credentials at all.
const NO_CREDENTIALS: &str = "give psk credentials (keys or a profile in the environment, or AWS_ROLE_ARN in a CI job that has an identity token), then run again; or rehearse with --lab";

/// Why there are no credentials, asked for outside of any call.
pub(super) fn credentials_error(doing: String, error: &CredentialsError) -> CallError {
    match sources(error).find_map(|e| e.downcast_ref::<CallError>()) {
        Some(inner) => inner.clone(),
        None => CallError::new(doing, innermost(error), NO_CREDENTIALS),
    }
}

fn next_for_code(code: &str) -> String {
    let next = if DENIED.contains(&code) {
        "allow this action to the role that psk assumes (aws_assume_role) or, for sts, let that role trust psk's identity; then run again"
    } else if BAD_CREDENTIALS.contains(&code) {
        "renew the credentials that psk was started with, then run again"
    } else if THROTTLED.contains(&code) {
        "the account's request limits were still exhausted after every retry: run again later, or lower rollout.max_concurrent"
    } else if FAILED_INSIDE.contains(&code) {
        "the service failed at every retry: see the AWS Health Dashboard for its state in this region, then run again"
    } else {
        "mend what the service names, then run again; what is done stays done"
    };
    next.to_owned()
}

fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |e| e.source())
}

/// Says what was being done when an AWS call failed.
pub trait Doing<T> {
    /// Turns the SDK's error into a [`CallError`] that says what was being done.
    ///
    /// # Errors
    /// The call's own failure.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, CallError>;
}

impl<T, E, R> Doing<T> for Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, CallError> {
        self.map_err(|error| CallError::from_sdk(what(), &error))
    }
}

impl<T> Doing<T> for Result<T, BuildError> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, CallError> {
        self.map_err(|error| CallError::new(what(), error.to_string(), "report this as a bug"))
    }
}

/// A failure that may be that the thing asked for doesn't exist.
pub trait NotFound {
    /// Whether the service says that the thing doesn't exist.
    fn is_not_found(&self) -> bool;
}

impl NotFound for CallError {
    fn is_not_found(&self) -> bool {
        self.is_not_found()
    }
}

/// Reads an absent thing as `None`.
pub trait OrAbsent<T, E> {
    /// `Ok(None)` where the service says that the thing doesn't exist.
    ///
    /// # Errors
    /// Every other failure.
    fn or_absent(self) -> Result<Option<T>, E>;
}

impl<T, E: NotFound> OrAbsent<T, E> for Result<T, E> {
    fn or_absent(self) -> Result<Option<T>, E> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
