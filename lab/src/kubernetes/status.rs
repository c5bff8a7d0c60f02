//! How the API says no: a `Status`, in the words of Kubernetes' own API server.
//!
//! Source: `k8s.io/apimachinery/pkg/api/errors`, which makes these messages.

use http::StatusCode;
use serde_json::{Value, json};

use super::kinds::Kind;

/// What is said of a path that leads nowhere.
const NOT_SERVED: &str = "404 page not found";

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) code: StatusCode,
    pub(crate) reason: String,
    pub(crate) message: String,
    details: Box<Value>,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u64>,
    /// Where a list may go on all the same.
    goes_on: Option<String>,
}

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    reason: &'static str,
    message: String,
    field: String,
}

impl Cause {
    /// A value that may not be there. `value` is shown as it is.
    pub(crate) fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value}: {why}"),
            field: field.to_owned(),
        }
    }

    /// A value that must be there.
    pub(crate) fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        Self {
            reason: "FieldValueRequired",
            message,
            field: field.to_owned(),
        }
    }

    /// A value that may not be given or changed.
    pub(crate) fn forbidden(field: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {why}"),
            field: field.to_owned(),
        }
    }

    /// A value that isn't one of those that are known.
    pub(crate) fn not_supported(field: &str, value: &str, known: &[&str]) -> Self {
        let known: Vec<_> = known.iter().map(|k| format!("{k:?}")).collect();
        Self {
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: {value:?}: supported values: {}",
                known.join(", ")
            ),
            field: field.to_owned(),
        }
    }

    /// A value that stands there already.
    pub(crate) fn duplicate(field: &str, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            message: format!("Duplicate value: {value}"),
            field: field.to_owned(),
        }
    }

    /// A text that is too long.
    pub(crate) fn too_long(field: &str, most: u64) -> Self {
        Self {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {most} bytes"),
            field: field.to_owned(),
        }
    }

    /// More values than there may be.
    pub(crate) fn too_many(field: &str, count: usize, most: u64) -> Self {
        Self {
            reason: "FieldValueTooMany",
            message: format!("Too many: {count}: must have at most {most} items"),
            field: field.to_owned(),
        }
    }

    /// A field that another manager owns.
    pub(crate) fn conflict(manager: &str, field: &str) -> Self {
        Self {
            reason: "FieldManagerConflict",
            message: format!("conflict with {manager}"),
            field: field.to_owned(),
        }
    }

    /// The field and what is wrong with it.
    pub(crate) fn told(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }

    fn view(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message, "field": self.field })
    }
}

impl ApiError {
    fn new(code: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            details: Box::default(),
            retry_after: None,
            goes_on: None,
        }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        let mut details = json!({});
        if !name.is_empty() {
            details["name"] = name.into();
        }
        if !kind.group.is_empty() {
            details["group"] = kind.group.as_str().into();
        }
        details["kind"] = kind.plural.as_str().into();
        *self.details = details;
        self
    }

    /// With any status and reason, as a file of faults asks.
    pub(crate) fn any(code: StatusCode, reason: &str, message: &str) -> Self {
        Self::new(code, reason, message)
    }

    /// Nobody knows who is asking.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// Whoever is asking may not.
    pub(crate) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let what = if name.is_empty() {
            kind.qualified()
        } else {
            format!("{} {name:?}", kind.qualified())
        };
        let message = format!("{what} is forbidden: {why}");
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(kind, name)
    }

    /// Whoever is asking may not see this path.
    pub(crate) fn forbidden_path(user: &str, verb: &str, path: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Forbidden",
            format!("forbidden: User {user:?} cannot {verb} path {path:?}"),
        )
    }

    /// A namespace that is going away takes nothing new.
    pub(crate) fn namespace_terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut error = Self::forbidden(kind, name, &why);
        error.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        error
    }

    /// The API has no such path. That is the one refusal that isn't told by a `Status`.
    pub(crate) fn not_served() -> Self {
        Self::new(StatusCode::NOT_FOUND, "", NOT_SERVED)
    }

    /// What is answered in the place of a `Status`, if anything is.
    pub(crate) fn text(&self) -> Option<&str> {
        (self.code == StatusCode::NOT_FOUND && self.message == NOT_SERVED).then_some(NOT_SERVED)
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} not found", kind.qualified());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(kind, name)
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", kind.qualified());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(kind, name)
    }

    /// Someone else was faster.
    pub(crate) fn stale(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        )
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            kind.qualified()
        );
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(kind, name)
    }

    /// What is applied has other owners. `causes` name them.
    pub(crate) fn apply_conflict(causes: &[Cause]) -> Self {
        let told = if let [one] = causes {
            format!("1 conflict: {}: {}", one.message, one.field)
        } else {
            let mut lines: Vec<String> = Vec::new();
            let mut managers: Vec<&str> = causes.iter().map(|c| c.message.as_str()).collect();
            managers.dedup();
            for manager in managers {
                lines.push(format!("{}:", manager.replacen("conflict", "conflicts", 1)));
                let fields = causes.iter().filter(|c| c.message == manager);
                lines.extend(fields.map(|c| format!("- {}", c.field)));
            }
            format!("{} conflicts: {}", causes.len(), lines.join("\n"))
        };
        let message = format!("Apply failed with {told}");
        let mut error = Self::new(StatusCode::CONFLICT, "Conflict", message);
        *error.details = json!({ "causes": causes.iter().map(Cause::view).collect::<Vec<_>>() });
        error
    }

    /// The object isn't what its kind asks for.
    pub(crate) fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        let told: Vec<_> = causes.iter().map(Cause::told).collect();
        let told = match told.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let qualified = if kind.group.is_empty() {
            kind.kind.clone()
        } else {
            format!("{}.{}", kind.kind, kind.group)
        };
        let mut error = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            format!("{qualified} {name:?} is invalid: {told}"),
        )
        .about(kind, name);
        error.details["kind"] = kind.kind.as_str().into();
        error.details["causes"] = causes.iter().map(Cause::view).collect();
        error
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// What an applied object holds isn't in its kind's schema.
    pub(crate) fn not_in_schema(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// A patch fits its kind of patch and not the object.
    pub(crate) fn unprocessable(cause: &dyn std::fmt::Display) -> Self {
        let message = "the server rejected our request due to an error in our request";
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        *error.details = json!({ "causes": [{
            "reason": "UnexpectedServerResponse", "message": cause.to_string(),
        }]});
        error
    }

    /// What is asked for is of a future that the server hasn't seen.
    pub(crate) fn too_large_version(asked: u64, now: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {now}");
        let mut error = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
        *error.details = json!({ "retryAfterSeconds": 1, "causes": [{
            "reason": "ResourceVersionTooLarge", "message": "Too large resource version",
        }]});
        error.retry_after = Some(1);
        error
    }

    /// The same, and the list may go on from there, though not as it was.
    pub(crate) fn going_on(mut self, token: String) -> Self {
        self.goes_on = Some(token);
        self
    }

    /// What was asked for is no longer remembered.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    pub(crate) fn unsupported_media_type(given: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml; not {given}"
            ),
        )
    }

    /// A budget lets no pod go.
    pub(crate) fn disruption_budget(budget: &str, healthy: i64, wanted: i64) -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        );
        *error.details = json!({ "causes": [{
            "reason": "DisruptionBudget",
            "message": format!("The disruption budget {budget} needs {wanted} healthy pods and has {healthy} currently"),
        }]});
        error
    }

    /// The client calls too often.
    pub(crate) fn too_many_requests() -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "Too many requests, please try again later.",
        );
        error.retry_after = Some(1);
        *error.details = json!({ "retryAfterSeconds": 1 });
        error
    }

    /// A failure of the lab itself.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            format!("Internal error occurred: {cause}"),
        )
    }

    /// As a `Status` object.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        });
        if let Some(token) = &self.goes_on {
            status["metadata"]["continue"] = token.as_str().into();
        }
        if !self.reason.is_empty() {
            status["reason"] = self.reason.as_str().into();
        }
        if !self.details.is_null() {
            status["details"] = (*self.details).clone();
        }
        status["code"] = self.code.as_u16().into();
        status
    }
}

/// What deleting answers once the object is gone.
pub(crate) fn deleted(kind: &Kind, name: &str, uid: &str) -> Value {
    let mut details = json!({ "name": name, "kind": kind.plural, "uid": uid });
    if !kind.group.is_empty() {
        details["group"] = kind.group.as_str().into();
    }
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    })
}
