//! What comes in, made into an object of its kind: read, placed, completed and checked.

use serde_json::Value;

use super::super::inside::Inside;
use super::super::kinds::Kind;
use super::super::object::{Object, set_metadata, unset_metadata};
use super::super::status::ApiError;
use super::super::{admission, apply, defaults, kinds, pod_security, schema, validate};
use super::Writing;

impl Writing<'_> {
    pub(super) fn name_applied(&self, applied: &mut Value, name: &str) -> Result<(), ApiError> {
        if !applied["metadata"]["managedFields"].is_null() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        let (version, expected) = (applied.text("/apiVersion"), self.kind.api_version());
        if version != expected {
            return Err(ApiError::bad_request(format!(
                "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {expected}"
            )));
        }
        if applied["kind"] != self.kind.kind.as_str() {
            return Err(ApiError::not_in_schema(format!(
                "failed to merge config: expected objects of the same type, but got {} and {}",
                self.kind.kind,
                applied.text("/kind")
            )));
        }
        if applied.name().is_empty() {
            set_metadata(applied, "name", name);
        }
        if applied.name() != name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                applied.name()
            )));
        }
        self.place(applied)
    }

    pub(super) fn told(&self, name: &str) -> String {
        let key = format!("{}/{name}", self.namespace.unwrap_or_default());
        let Kind {
            group,
            version,
            kind,
            ..
        } = self.kind;
        format!("{key}; {group}/{version}, Kind={kind}")
    }

    /// Reads an object as one of its kind.
    pub(super) fn read(&self, mut object: Value) -> Result<(Value, Vec<String>), ApiError> {
        let (kind, version) = (self.kind.kind.as_str(), self.kind.api_version());
        let told = |why: &str| {
            ApiError::bad_request(format!(
                "{kind} in version \"{}\" cannot be handled as a {kind}: {why}",
                self.kind.version
            ))
        };
        let Some(map) = object.as_object_mut() else {
            return Err(told("json: it is not an object"));
        };
        map.entry("kind").or_insert_with(|| kind.into());
        map.entry("apiVersion")
            .or_insert_with(|| version.clone().into());
        let (named, in_version) = (object.text("/kind"), object.text("/apiVersion"));
        if self.kind.custom.is_none() && named != kind {
            return Err(ApiError::bad_request(format!(
                "{named} in version {in_version:?} cannot be handled as a {kind}: it is of another kind"
            )));
        }
        if in_version != version {
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({in_version}) does not match the expected API version ({version})"
            )));
        }
        if named != kind {
            return Err(ApiError::of_another_kind(self.kind, named, object.name()));
        }
        let read = schema::typed(self.kind, object).map_err(|why| told(&format!("json: {why}")))?;
        let unknown: Vec<_> = read
            .unknown
            .iter()
            .map(|path| format!("unknown field {path:?}"))
            .collect();
        let warnings = match self.validation {
            "Strict" if !unknown.is_empty() => {
                return Err(told(&format!(
                    "strict decoding error: {}",
                    unknown.join(", ")
                )));
            }
            "Ignore" => Vec::new(),
            _ => unknown,
        };
        Ok((read.object, warnings))
    }

    /// Puts an object into the namespace of the request.
    pub(super) fn place(&self, object: &mut Value) -> Result<(), ApiError> {
        match (self.namespace, object.namespace()) {
            (Some(wanted), Some(has)) if wanted != has && !has.is_empty() => {
                Err(ApiError::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ))
            }
            (Some(wanted), _) => {
                set_metadata(object, "namespace", wanted);
                Ok(())
            }
            (None, _) => {
                unset_metadata(object, "namespace");
                Ok(())
            }
        }
    }

    /// Takes out of a new object what only the server sets.
    pub(super) fn clear_new(&self, object: &mut Value) {
        for member in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "managedFields",
        ] {
            unset_metadata(object, member);
        }
        if self.kind.status
            && let Some(map) = object.as_object_mut()
        {
            map.shift_remove("status");
        }
    }

    /// A new object with defaults and what admission adds, checked.
    pub(super) fn prepared(&self, inside: &mut Inside, object: Value) -> Result<Value, ApiError> {
        let mut object = object;
        self.namespace_must_take(inside, object.name())?;
        // Applied objects haven't been read as their kind yet.
        let (read, _) = self.read(object)?;
        object = read;
        defaults::fill(self.kind, &mut object);
        if !self.manager.applies {
            // What admission adds belongs to nobody.
            apply::note_update(
                self.kind,
                &Value::Null,
                &mut object,
                &self.manager,
                self.now,
            );
        }
        admission::admit_new(inside, self.kind, &mut object)?;
        let causes = validate::check(self.kind, &object, None);
        if !causes.is_empty() {
            return Err(ApiError::invalid(self.kind, object.name(), &causes));
        }
        pod_security::check(inside, self.kind, &object)?;
        Ok(object)
    }

    pub(super) fn namespace_must_take(&self, inside: &Inside, name: &str) -> Result<(), ApiError> {
        let Some(namespace) = self.namespace else {
            return Ok(());
        };
        let Some(there) = inside.get("namespaces", None, namespace) else {
            let namespaces = kinds::find(inside, "", "v1", "namespaces");
            return Err(namespaces.map_or_else(ApiError::not_served, |kind| {
                ApiError::not_found(&kind, namespace)
            }));
        };
        if there.is_going() {
            return Err(ApiError::namespace_terminating(self.kind, name, namespace));
        }
        Ok(())
    }
}
