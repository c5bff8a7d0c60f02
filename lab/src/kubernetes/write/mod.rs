//! Writing objects: what the server does to each before it keeps it.

mod deleting;
mod incoming;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::apply::{self, Manager};
use super::inside::Inside;
use super::kinds::Kind;
use super::object::{self, Object, set_metadata, unset_metadata};
use super::place::Place;
use super::schema;
use super::status::ApiError;
use super::{admission, defaults, patch, validate};

pub(crate) use deleting::{CLEAN_UP, Deletion, delete, deleting};

/// How an object is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Writing<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) manager: Manager<'a>,
    pub(crate) dry_run: bool,
    /// `Strict`, `Warn` or `Ignore`.
    pub(crate) validation: &'a str,
    pub(crate) now: Timestamp,
}

/// A patch by its kind.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
    Apply { object: Value, force: bool },
}

/// What was written, what the client should be told besides, and whether it is new.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Value,
    pub(crate) warnings: Vec<String>,
    pub(crate) created: bool,
}

impl Writing<'_> {
    /// Puts in a new object.
    ///
    /// # Errors
    /// The API's own.
    pub(crate) fn create(&self, inside: &mut Inside, object: Value) -> Result<Written, ApiError> {
        let (mut object, warnings) = self.read(object)?;
        self.place(&mut object)?;
        if object.name().is_empty()
            && let Some(prefix) = object["metadata"]["generateName"].as_str()
        {
            let name = format!("{prefix}{}", inside.suffix());
            set_metadata(&mut object, "name", name);
        }
        if !object.text("/metadata/resourceVersion").is_empty() {
            return Err(ApiError::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        self.clear_new(&mut object);
        let object = self.prepared(inside, object)?;
        self.put_new(inside, object, warnings)
    }

    fn put_new(
        &self,
        inside: &mut Inside,
        mut object: Value,
        warnings: Vec<String>,
    ) -> Result<Written, ApiError> {
        let name = object.name().to_owned();
        let qualified = self.kind.qualified();
        if let Some(there) = inside.get(&qualified, self.namespace, &name) {
            return Err(ApiError::already_exists(self.kind, &name, there.is_going()));
        }
        let object = if self.dry_run {
            let uid = inside.uid();
            set_metadata(&mut object, "uid", uid);
            set_metadata(&mut object, "creationTimestamp", object::time(self.now));
            if self.kind.has_generation() {
                set_metadata(&mut object, "generation", 1);
            }
            object
        } else {
            Arc::unwrap_or_clone(inside.create(&qualified, object, self.now))
        };
        Ok(Written {
            object,
            warnings,
            created: true,
        })
    }

    /// Replaces an object by another.
    ///
    /// # Errors
    /// The API's own.
    pub(crate) fn update(
        &self,
        inside: &mut Inside,
        name: &str,
        object: Value,
    ) -> Result<Written, ApiError> {
        let before = self.there(inside, name)?;
        let (mut object, warnings) = self.read(object)?;
        self.place(&mut object)?;
        if object.name() != name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                object.name()
            )));
        }
        if self.kind.is_replaced_by_version() && object.text("/metadata/resourceVersion").is_empty()
        {
            return Err(ApiError::no_version(self.kind, name));
        }
        let object = self.changed(inside, &before, object)?;
        Ok(self.keep(inside, &before, object, warnings))
    }

    /// Changes an object by a patch; applying makes it if it isn't there.
    ///
    /// # Errors
    /// The API's own.
    pub(crate) fn patch(
        &self,
        inside: &mut Inside,
        name: &str,
        patch: Patch,
    ) -> Result<Written, ApiError> {
        if let Patch::Apply { object, force } = patch {
            return self.apply(inside, name, object, force);
        }
        let before = self.there(inside, name)?;
        let mut object = before.clone();
        match patch {
            Patch::Json(patch) => patch::json(&mut object, patch)?,
            Patch::Merge(patch) => patch::merge(&mut object, &patch),
            Patch::Strategic(patch) => {
                patch::must_be_in_order(&patch, &Place::top(self.kind))?;
                patch::strategic(&mut object, &patch, &Place::top(self.kind));
            }
            Patch::Apply { .. } => {}
        }
        let patched = object.to_string();
        let (mut object, warnings) = self.read(object).map_err(|why| why.of_patched(&patched))?;
        self.place(&mut object)?;
        if object.name() != name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                object.name()
            )));
        }
        let object = self.changed(inside, &before, object)?;
        Ok(self.keep(inside, &before, object, warnings))
    }

    fn apply(
        &self,
        inside: &mut Inside,
        name: &str,
        object: Value,
        force: bool,
    ) -> Result<Written, ApiError> {
        let mut applied = object;
        self.name_applied(&mut applied, name)?;
        let read = schema::typed(self.kind, applied.clone()).map_err(|why| {
            ApiError::not_in_schema(format!(
                "failed to create typed patch object ({}): {why}",
                self.told(name)
            ))
        })?;
        if let Some(custom) = &self.kind.custom
            && let Some(why) = schema::mistyped(custom.schema(), &applied, "")
        {
            return Err(ApiError::not_in_schema(format!(
                "failed to create typed patch object ({}): {why}",
                self.told(name)
            )));
        }
        if let [first, ..] = read.unknown.as_slice() {
            return Err(ApiError::not_in_schema(format!(
                "failed to create typed patch object ({}): .{first}: field not declared in schema",
                self.told(name)
            )));
        }
        // In the way in which the server writes it, but without what the types add.
        shape(&mut applied, &read.object);
        if self.kind.status
            && self.manager.subresource.is_none()
            && let Some(map) = applied.as_object_mut()
        {
            map.shift_remove("status");
        }
        let before = inside
            .get(&self.kind.qualified(), self.namespace, name)
            .cloned();
        let Some(before) = before else {
            let mut object = apply::apply(
                self.kind,
                &Value::Null,
                &applied,
                &self.manager,
                force,
                self.now,
            )?;
            let owners = object["metadata"]["managedFields"].clone();
            self.clear_new(&mut object);
            let mut object = self.prepared(inside, object)?;
            set_metadata(&mut object, "managedFields", owners);
            return self.put_new(inside, object, Vec::new());
        };
        if let Some(uid) = applied["metadata"]["uid"].as_str()
            && uid != before.uid()
        {
            return Err(ApiError::conflict(
                self.kind,
                name,
                "uid mismatch: the provided object specified uid but the existing one has another",
            ));
        }
        self.must_be_newest(&before, &applied)?;
        let merged = apply::apply(self.kind, &before, &applied, &self.manager, force, self.now)?;
        let owners = merged["metadata"]["managedFields"].clone();
        let (merged, _) = self.read(merged)?;
        let mut object = self.changed(inside, &before, merged)?;
        set_metadata(&mut object, "managedFields", owners);
        let unchanged = without_owners(&object) == without_owners(&before);
        if unchanged && same_owners(&object, &before) {
            object = before.clone();
        }
        Ok(self.keep(inside, &before, object, Vec::new()))
    }

    fn there(&self, inside: &Inside, name: &str) -> Result<Value, ApiError> {
        inside
            .get(&self.kind.qualified(), self.namespace, name)
            .cloned()
            .ok_or_else(|| ApiError::not_found(self.kind, name))
    }

    /// What becomes of an object that is there.
    fn changed(
        &self,
        inside: &Inside,
        before: &Value,
        mut after: Value,
    ) -> Result<Value, ApiError> {
        self.must_be_newest(before, &after)?;
        let name = before.name();
        let uid = after.uid();
        if !uid.is_empty() && uid != before.uid() {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                self.kind.storage_key(before),
                before.uid()
            );
            return Err(ApiError::conflict(self.kind, name, &why));
        }
        for member in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "resourceVersion",
            "selfLink",
            "generateName",
        ] {
            match before["metadata"].get(member) {
                Some(value) => set_metadata(&mut after, member, value.clone()),
                None => unset_metadata(&mut after, member),
            }
        }
        self.keep_other_part(before, &mut after);
        defaults::fill(self.kind, &mut after);
        apply::note_update(self.kind, before, &mut after, &self.manager, self.now);
        admission::admit_change(inside, self.kind, before, &mut after)?;
        let causes = validate::check(self.kind, &after, Some(before));
        if !causes.is_empty() {
            return Err(ApiError::invalid(self.kind, name, &causes));
        }
        if before.is_going() {
            let had = before.finalizers();
            if let Some(new) = after.finalizers().into_iter().find(|f| !had.contains(f)) {
                let cause = super::cause::Cause::forbidden(
                    "metadata.finalizers",
                    &format!(
                        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{new:?}}}"
                    ),
                );
                // It is looked at twice: as every object is, and as one of its kind.
                return Err(ApiError::invalid(self.kind, name, &[cause.clone(), cause]));
            }
        }
        if self.kind.has_generation() && asked(&after) != asked(before) {
            let generation = before.number("/metadata/generation").unwrap_or(0) + 1;
            set_metadata(&mut after, "generation", generation);
        }
        Ok(after)
    }

    /// The object's own path leaves the status, and the status' path leaves all else.
    fn keep_other_part(&self, before: &Value, after: &mut Value) {
        let put_back = |after: &mut Value, member: &str| {
            if let Some(map) = after.as_object_mut() {
                match before.get(member) {
                    Some(value) => map.insert(member.to_owned(), value.clone()),
                    None => map.shift_remove(member),
                };
            }
        };
        match self.manager.subresource {
            Some("status") => {
                let members: Vec<String> = before
                    .as_object()
                    .into_iter()
                    .chain(after.as_object())
                    .flat_map(|map| map.keys().cloned())
                    .collect();
                for member in members {
                    if !matches!(member.as_str(), "status" | "metadata") {
                        put_back(after, &member);
                    }
                }
            }
            _ if self.kind.status => put_back(after, "status"),
            _ => {}
        }
    }

    fn must_be_newest(&self, before: &Value, after: &Value) -> Result<(), ApiError> {
        let named = after.text("/metadata/resourceVersion");
        if named.is_empty() || named == before.text("/metadata/resourceVersion") {
            Ok(())
        } else {
            Err(ApiError::stale(self.kind, before.name()))
        }
    }

    fn keep(
        &self,
        inside: &mut Inside,
        before: &Value,
        object: Value,
        warnings: Vec<String>,
    ) -> Written {
        let unchanged =
            without_owners(&object) == without_owners(before) && same_owners(&object, before);
        let object = if self.dry_run {
            object
        } else if unchanged {
            before.clone()
        } else if object.is_going()
            && object.finalizers().is_empty()
            && object
                .number("/metadata/deletionGracePeriodSeconds")
                .unwrap_or(0)
                == 0
            && self.kind.kind != "Namespace"
        {
            // The last one who had to agree to the deletion has.
            inside.replace(&self.kind.qualified(), object.clone());
            inside.delete(&self.kind.qualified(), self.namespace, object.name());
            object
        } else {
            Arc::unwrap_or_clone(inside.replace(&self.kind.qualified(), object))
        };
        Written {
            object,
            warnings,
            created: false,
        }
    }
}

/// What an object asks for: all but metadata and status.
fn asked(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.shift_remove("metadata");
        map.shift_remove("status");
    }
    object
}

fn without_owners(object: &Value) -> Value {
    let mut object = object.clone();
    unset_metadata(&mut object, "managedFields");
    unset_metadata(&mut object, "resourceVersion");
    object
}

/// Whether the same managers own the same fields, whenever they came to.
fn same_owners(one: &Value, other: &Value) -> bool {
    let owners = |object: &Value| -> Vec<Value> {
        let all = object.list("/metadata/managedFields").iter();
        all.map(|entry| {
            let mut entry = entry.clone();
            if let Some(map) = entry.as_object_mut() {
                map.shift_remove("time");
            }
            entry
        })
        .collect()
    };
    owners(one) == owners(other)
}

/// Writes what `object` holds in the way of `like`, which holds the same and more.
fn shape(object: &mut Value, like: &Value) {
    match (&mut *object, like) {
        (Value::Object(map), Value::Object(like)) => {
            map.retain(|name, value| !value.is_null() || like.contains_key(name));
            for (name, value) in map.iter_mut() {
                if let Some(like) = like.get(name) {
                    shape(value, like);
                }
            }
        }
        (Value::Array(list), Value::Array(like)) if list.len() == like.len() => {
            for (value, like) in list.iter_mut().zip(like) {
                shape(value, like);
            }
        }
        _ => *object = like.clone(),
    }
}
