//! What went wrong in a call to a cluster's Kubernetes API: what psk was doing, what the API said,
//! what to do next.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use crate::aws::{CallError, NotFound};
use crate::reconcile;

/// A call that the API server refused, or that never reached it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct Error {
    /// What was being done, and to which cluster ("applying StorageClass x in qa-i01-…").
    pub doing: String,
    /// What failed, in the API server's own words where it answered.
    pub cause: String,
    /// What to do next.
    pub next: String,
    /// The HTTP status, where there was an answer.
    pub code: Option<u16>,
    /// What the API server said in its own form, where it did.
    pub status: Option<Box<Status>>,
}

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The field, as the API server names it (`.spec.replicas`).
    pub field: String,
    /// What the API server says, which names the manager.
    pub message: String,
}

const MEND: &str = "mend what the API server names, then run again; what is done stays done";

/// Source: Kubernetes API reference, `Status`, `details.causes`; and "Server-Side Apply",
/// conflicts.
const CONFLICT: &str = "FieldManagerConflict";

/// How the API server begins to say that an applied object has a field that its kind doesn't have.
/// It gives 500 for that and no reason, as though the fault were its own. Source: kubernetes/kubernetes
/// issues 122480 and 139253.
const UNTYPED: &str = "failed to create typed patch object";

impl Error {
    /// An error that psk itself found.
    pub(crate) fn new(
        doing: impl Into<String>,
        cause: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            doing: doing.into(),
            cause: cause.into(),
            next: next.into(),
            code: None,
            status: None,
        }
    }

    /// The API server's answer to a call, which was no success.
    pub(super) fn answered(doing: String, code: u16, body: &[u8]) -> Self {
        let status: Option<Status> = serde_json::from_slice(body)
            .ok()
            .filter(|status: &Status| status.message.is_some() || status.reason.is_some());
        let cause = match &status {
            Some(Status {
                message: Some(message),
                ..
            }) if !message.is_empty() => message.clone(),
            Some(Status {
                reason: Some(reason),
                ..
            }) => reason.clone(),
            // What stands between psk and the API server may answer in a form of its own.
            _ => format!("the answer was HTTP {code}"),
        };
        let next = match code {
            401 => {
                "the API server doesn't know the role that psk assumes: see to it that the cluster has an access entry for aws_assume_role, then run again"
            }
            403 => {
                "the role that psk assumes may not do this: give its access entry AmazonEKSClusterAdminPolicy, then run again"
            }
            500 if cause.starts_with(UNTYPED) => MEND,
            429 | 500..=599 => {
                "the API server failed at every retry: see the cluster's health in the EKS console, then run again"
            }
            _ => MEND,
        };
        Self {
            doing,
            cause,
            next: next.to_owned(),
            code: Some(code),
            status: status.map(Box::new),
        }
    }

    /// A call that got no answer.
    pub(super) fn unreached(doing: String, cause: String) -> Self {
        Self::new(
            doing,
            cause,
            "check that the cluster's API server can be reached from here (endpoint_public_access, the VPC, HTTPS_PROXY), then run again",
        )
    }

    /// The reason that the API server gives in one word (`AlreadyExists`).
    pub fn reason(&self) -> Option<&str> {
        self.status.as_ref()?.reason.as_deref()
    }

    /// Whether what was asked for doesn't exist: the object, its namespace or its kind.
    pub fn is_not_found(&self) -> bool {
        self.code == Some(404)
    }

    /// Whether the API server doesn't know the kind: its definition isn't there yet. An object that
    /// isn't there is told with its name.
    pub fn is_unknown_kind(&self) -> bool {
        let named = |status: &Status| {
            let name = status.details.as_ref().and_then(|d| d.name.as_deref());
            name.is_some_and(|name| !name.is_empty())
        };
        self.is_not_found() && !self.status.as_deref().is_some_and(named)
    }

    /// Whether the API server doesn't know who psk is.
    pub fn is_unauthorized(&self) -> bool {
        self.code == Some(401)
    }

    /// Whether psk may not do this: the API server doesn't know who it is, or lets it do less.
    pub fn is_denied(&self) -> bool {
        matches!(self.code, Some(401 | 403))
    }

    /// Whether the API server refuses the object as it is: a field that can't change, a wrong value.
    pub fn is_invalid(&self) -> bool {
        self.code == Some(422)
    }

    /// Whether the same call may be answered otherwise in a while.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.code, Some(429 | 500 | 502 | 503 | 504)) && !self.cause.starts_with(UNTYPED)
    }

    /// Whether an object of this name is there already.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == Some("AlreadyExists")
    }

    /// Whether a version of the past is asked for that the API server no longer has.
    pub fn is_expired(&self) -> bool {
        self.code == Some(410) || matches!(self.reason(), Some("Expired" | "Gone"))
    }

    /// The fields that others own with other values, where that is why an apply was refused.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let details = self.status.as_ref().and_then(|s| s.details.as_ref());
        let causes = details
            .and_then(|d| d.causes.as_deref())
            .unwrap_or_default();
        causes
            .iter()
            .filter(|cause| cause.reason.as_deref() == Some(CONFLICT))
            .map(|cause| Conflict {
                field: cause.field.clone().unwrap_or_default(),
                message: cause.message.clone().unwrap_or_default(),
            })
            .collect()
    }
}

impl NotFound for Error {
    fn is_not_found(&self) -> bool {
        self.is_not_found()
    }
}

impl From<Error> for reconcile::Error {
    fn from(error: Error) -> Self {
        Self::new(error.doing, error.cause, error.next)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Self::new(error.doing, error.cause, error.next)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(code: u16, body: serde_json::Value) -> Error {
        Error::answered("doing x".into(), code, body.to_string().as_bytes())
    }

    #[test]
    fn an_object_that_is_not_there_is_told_from_a_kind_that_is_not_there() {
        let object = answered(
            404,
            json!({"kind": "Status", "message": "storageclasses.storage.k8s.io \"x\" not found", "reason": "NotFound",
                   "details": {"name": "x", "group": "storage.k8s.io", "kind": "storageclasses"}, "code": 404}),
        );
        assert!(object.is_not_found() && !object.is_unknown_kind());
        let kind = answered(
            404,
            json!({"kind": "Status", "message": "the server could not find the requested resource", "reason": "NotFound",
                   "details": {}, "code": 404}),
        );
        assert!(kind.is_unknown_kind());
        let text = Error::answered("doing x".into(), 404, b"404 page not found");
        assert!(text.is_unknown_kind());
        assert_eq!(text.to_string(), "doing x: the answer was HTTP 404");
    }

    #[test]
    fn a_conflict_names_field_and_manager() {
        let error = answered(
            409,
            json!({"kind": "Status", "reason": "Conflict", "code": 409,
                   "message": "Apply failed with 1 conflict: conflict with \"argocd\": .spec.replicas",
                   "details": {"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"argocd\"", "field": ".spec.replicas"}]}}),
        );
        assert_eq!(
            error.conflicts(),
            [Conflict {
                field: ".spec.replicas".into(),
                message: "conflict with \"argocd\"".into()
            }]
        );
    }
}
