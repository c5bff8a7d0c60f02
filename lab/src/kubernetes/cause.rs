//! What is wrong with an object or with a request's options, in the words of Kubernetes' own API server.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation/field`, which makes these messages.

use serde_json::{Value, json};

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    reason: &'static str,
    pub(super) message: String,
    pub(super) field: String,
}

/// What there is one or more of.
fn of(count: u64, what: &str) -> String {
    format!("{what}{}", if count == 1 { "" } else { "s" })
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

    /// A value that names something that isn't there.
    pub(crate) fn not_found(field: &str, value: &str) -> Self {
        Self {
            reason: "FieldValueNotFound",
            message: format!("Not found: {value:?}"),
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

    /// The same of a value that isn't a text, as it is shown.
    pub(crate) fn not_supported_as(field: &str, shown: &str, known: &[&str]) -> Self {
        let mut cause = Self::not_supported(field, "", known);
        cause.message = cause.message.replacen("\"\"", shown, 1);
        cause
    }

    /// A text that is too long.
    pub(crate) fn too_long(field: &str, most: u64) -> Self {
        Self {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {most} {}", of(most, "byte")),
            field: field.to_owned(),
        }
    }

    /// More values than there may be.
    pub(crate) fn too_many(field: &str, count: usize, most: u64) -> Self {
        Self {
            reason: "FieldValueTooMany",
            message: format!(
                "Too many: {count}: must have at most {most} {}",
                of(most, "item")
            ),
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

    /// As a `Status` has it.
    pub(crate) fn view(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message, "field": self.field })
    }
}

/// Everything that is wrong, as a message tells it.
pub(crate) fn told(causes: &[Cause]) -> String {
    let mut told: Vec<_> = causes.iter().map(Cause::told).collect();
    told.dedup();
    match told.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
