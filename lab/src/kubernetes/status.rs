//! How the API says no: a `Status`, in the words of Kubernetes' own API server.
//!
//! Source: `k8s.io/apimachinery/pkg/api/errors`, which makes these messages.

use http::StatusCode;
use serde_json::{Value, json};

use super::cause::{self, Cause};
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

    /// A version of built-in kinds has no such path.
    pub(crate) fn no_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about_nothing()
    }

    /// The options of a request aren't what they have to be. `options` is their kind.
    pub(crate) fn invalid_options(options: &str, causes: &[Cause]) -> Self {
        let message = format!(
            "{options}.meta.k8s.io \"\" is invalid: {}",
            cause::told(causes)
        );
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        let causes: Vec<Value> = causes.iter().map(Cause::view).collect();
        *error.details = json!({ "group": "meta.k8s.io", "kind": options, "causes": causes });
        error
    }

    /// What a patch makes of an object can't be read as one of its kind; says why.
    pub(crate) fn of_patched(self, patched: &str) -> Self {
        let Some((_, why)) = self.message.split_once(" cannot be handled as a ") else {
            return self;
        };
        let why = why.split_once(": ").map_or(why, |(_, why)| why);
        let cause = Cause::invalid("patch", &patched.into(), why);
        let message = format!(" \"\" is invalid: {}", cause.told());
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        *error.details = json!({ "causes": [cause.view()] });
        error
    }

    /// An object isn't the one that is to be deleted. `what` is the name of its property that is another.
    pub(crate) fn precondition(
        kind: &Kind,
        name: &str,
        what: &str,
        wanted: &str,
        has: &str,
    ) -> Self {
        let ended = match what {
            "UID" => "The object might have been deleted and then recreated",
            _ => "The object might have been modified",
        };
        let of = match kind.group.as_str() {
            "" => kind.kind.clone(),
            group => format!("{}.{group}", kind.kind),
        };
        let message = format!(
            "Operation cannot be fulfilled on {of} {name:?}: the {what} in the precondition ({wanted}) does not match the {what} in record ({has}). {ended}"
        );
        let mut error = Self::new(StatusCode::CONFLICT, "Conflict", message).about(kind, name);
        error.details["kind"] = kind.kind.as_str().into();
        error
    }

    fn about_nothing(mut self) -> Self {
        *self.details = json!({});
        self
    }

    /// What is answered in the place of a `Status`, if anything is.
    pub(crate) fn text(&self) -> Option<&str> {
        (self.code == StatusCode::NOT_FOUND && self.message == NOT_SERVED).then_some(NOT_SERVED)
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} not found", kind.qualified());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(kind, name)
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str, is_going: bool) -> Self {
        let going = if is_going {
            "object is being deleted: "
        } else {
            ""
        };
        let message = format!("{going}{} {name:?} already exists", kind.qualified());
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
        let told = cause::told(causes);
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

    /// A patch fits its kind of patch and not the object. Why, isn't told.
    pub(crate) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).about_nothing()
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

    /// What is asked for is of no revision. Not even that is told as a bad request: a real API server's storage
    /// refuses it, which its handlers don't expect.
    pub(crate) fn unreadable_version(given: &str) -> Self {
        let message = format!(
            "resourceVersion: Invalid value: {given:?}: strconv.ParseUint: parsing {given:?}: invalid syntax"
        );
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
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
        .about_nothing()
    }

    /// A built-in kind takes no such patch.
    pub(crate) fn unsupported_patch() -> Self {
        let message = "415: Unsupported Media Type";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            message,
        )
        .about_nothing()
    }

    /// A body can't be read that says that it is something other than these.
    pub(crate) fn unsupported_media_type(known: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            known.join(", ")
        );
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            message,
        )
    }

    /// An object that can only be replaced by one that names the revision that it replaces, doesn't.
    pub(crate) fn no_version(kind: &Kind, name: &str) -> Self {
        let why = "must be specified for an update";
        let cause = Cause::invalid("metadata.resourceVersion", &0.into(), why);
        let mut error = Self::invalid(kind, name, &[cause]);
        let of = format!("{}.{}", kind.kind, kind.group);
        error.message = error.message.replacen(&of, &kind.qualified(), 1);
        error.details["kind"] = kind.plural.as_str().into();
        error
    }

    /// The object says that it is of another kind. `cause` says which there is.
    pub(crate) fn of_another_kind(kind: &Kind, named: &str, name: &str) -> Self {
        let why = format!("must be {}", kind.kind);
        let cause = Cause::invalid("kind", &named.into(), &why);
        let other = Kind {
            kind: named.to_owned(),
            ..kind.clone()
        };
        Self::invalid(&other, name, &[cause])
    }

    /// A size that an object doesn't have.
    pub(crate) fn no_replicas() -> Self {
        let why = "the spec replicas field \".spec.replicas\" does not exist";
        let mut error = Self::internal(&why);
        *error.details = json!({ "causes": [{ "message": why }] });
        error
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
