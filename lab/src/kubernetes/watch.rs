//! Watching: what happened since a revision, and what happens from then on.
//!
//! Source: "Efficient detection of changes" in the Kubernetes documentation.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cause::Cause;
use super::inside::Inside;
use super::kinds::Kind;
use super::object::Object;
use super::request::{ApiRequest, Target};
use super::selectors::Selection;
use super::status::ApiError;
use super::table;

/// For how long a watch goes on that doesn't say.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(30);

/// One watch.
#[derive(Debug)]
pub(crate) struct Watch {
    kind: Kind,
    namespace: Option<String>,
    name: Option<String>,
    selection: Selection,
    /// The revision up to which everything has been told.
    revision: u64,
    /// What is there already is told first.
    begins_with_all: bool,
    /// The end of that is marked.
    marks_the_beginning: bool,
    /// Whether the client wants to know how far it is.
    pub(crate) bookmarks: bool,
    as_table: bool,
    pub(crate) timeout: Duration,
}

impl Watch {
    /// Begins to watch what a request asks for.
    ///
    /// # Errors
    /// If the request can't be understood.
    pub(crate) fn begin(
        inside: &Inside,
        request: &ApiRequest,
        kind: &Kind,
        target: &Target,
    ) -> Result<Self, ApiError> {
        let bookmarks = request.flag("allowWatchBookmarks");
        let given = request.query("resourceVersion");
        let initial = request.flag("sendInitialEvents");
        if initial && request.query("resourceVersionMatch") != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            let cause = Cause::forbidden("resourceVersionMatch", why);
            return Err(ApiError::invalid_options("ListOptions", &[cause]));
        }
        let begins_with_all = initial || matches!(given, "" | "0");
        let revision = match given {
            _ if begins_with_all => inside.revision,
            given => given
                .parse()
                .map_err(|_| ApiError::unreadable_version(given))?,
        };
        if revision > inside.revision {
            return Err(ApiError::too_large_version(revision, inside.revision));
        }
        let timeout = request
            .query("timeoutSeconds")
            .parse()
            .map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        // That the past is forgotten is told in the stream, as by a server without a cache.
        Ok(Self {
            kind: kind.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            selection: request.selection(kind)?,
            revision,
            begins_with_all,
            marks_the_beginning: initial && bookmarks,
            bookmarks,
            as_table: table::wanted(&request.accept),
            timeout,
        })
    }

    /// What has happened since the last time.
    ///
    /// # Errors
    /// If that is forgotten.
    pub(crate) fn poll(&mut self, inside: &Inside, now: Timestamp) -> Result<Vec<Value>, ApiError> {
        let qualified = self.kind.qualified();
        let mut events = Vec::new();
        if std::mem::take(&mut self.begins_with_all) {
            self.revision = inside.revision;
            for object in inside.every(&qualified).filter(|o| self.fits(o)) {
                events.push(self.event("ADDED", object, now));
            }
            if self.marks_the_beginning {
                let mut mark = self.bookmark();
                mark["object"]["metadata"]["annotations"] =
                    json!({ "k8s.io/initial-events-end": "true" });
                events.push(mark);
            }
            return Ok(events);
        }
        let changes = inside
            .since(&qualified, self.revision)
            .ok_or_else(|| too_old(self.revision, inside.revision))?;
        for change in changes {
            let fits = |object: &Option<Arc<Value>>| object.as_ref().is_some_and(|o| self.fits(o));
            let event = match (fits(&change.before), fits(&change.after)) {
                (false, true) => Some(("ADDED", change.after.clone())),
                (true, true) => Some(("MODIFIED", change.after.clone())),
                // What is no longer selected is told as it was, with the revision of the change.
                (true, false) => Some(("DELETED", change.before.clone())),
                (false, false) => None,
            };
            if let Some((what, Some(object))) = event {
                let mut object = Arc::unwrap_or_clone(object);
                object["metadata"]["resourceVersion"] = change.revision.to_string().into();
                events.push(self.event(what, &object, now));
            }
        }
        self.revision = inside.revision;
        Ok(events)
    }

    fn fits(&self, object: &Value) -> bool {
        (self.namespace.is_none() || self.namespace.as_deref() == object.namespace())
            && self
                .name
                .as_deref()
                .is_none_or(|name| name == object.name())
            && self.selection.fits(object)
    }

    fn event(&self, what: &str, object: &Value, now: Timestamp) -> Value {
        let mut object = object.clone();
        if self.kind.custom.is_some() {
            object["apiVersion"] = self.kind.api_version().into();
        }
        if self.as_table {
            object = table::of_one(&self.kind, object, now);
        }
        json!({ "type": what, "object": object })
    }

    /// How far the client is.
    pub(crate) fn bookmark(&self) -> Value {
        json!({ "type": "BOOKMARK", "object": {
            "kind": self.kind.kind, "apiVersion": self.kind.api_version(),
            "metadata": { "resourceVersion": self.revision.to_string(), "creationTimestamp": null },
        }})
    }

    /// The refusal of a watch whose beginning is forgotten.
    pub(crate) fn expired(&self) -> ApiError {
        too_old(self.revision, self.revision + 1)
    }
}

/// An error in the middle of a watch.
pub(crate) fn error(error: &ApiError) -> Value {
    json!({ "type": "ERROR", "object": error.status() })
}

fn too_old(asked: u64, now: u64) -> ApiError {
    ApiError::expired(format!("too old resource version: {asked} ({now})"))
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use crate::call::Call;

    fn now() -> Timestamp {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    fn begin(inside: &Inside, query: &str) -> Result<Watch, ApiError> {
        let call = Call {
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            ..Call::default()
        };
        let request = ApiRequest {
            call,
            ..ApiRequest::default()
        };
        let kind = kinds::find(inside, "", "v1", "namespaces").unwrap();
        Watch::begin(inside, &request, &kind, &Target::default())
    }

    fn put(inside: &mut Inside, name: &str, team: &str) {
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": { "team": team } } });
        inside.put(object, now());
    }

    fn told(watch: &mut Watch, inside: &Inside) -> Vec<String> {
        let events = watch.poll(inside, now()).unwrap();
        events
            .iter()
            .map(|e| format!("{} {}", e.text("/type"), e["object"].name()))
            .collect()
    }

    #[test]
    fn what_is_there_comes_first_and_then_each_change_once() {
        let mut inside = Inside::new("c");
        put(&mut inside, "a", "x");
        let mut watch = begin(&inside, "").unwrap();
        assert_eq!(told(&mut watch, &inside), ["ADDED a"]);
        assert!(told(&mut watch, &inside).is_empty());
        put(&mut inside, "b", "x");
        put(&mut inside, "a", "y");
        inside.delete("namespaces", None, "b");
        assert_eq!(
            told(&mut watch, &inside),
            ["ADDED b", "MODIFIED a", "DELETED b"]
        );
    }

    #[test]
    fn who_leaves_the_selection_is_deleted_for_who_watches() {
        let mut inside = Inside::new("c");
        put(&mut inside, "a", "x");
        let from = inside.revision;
        let mut watch = begin(
            &inside,
            &format!("resourceVersion={from}&labelSelector=team%3Dx"),
        )
        .unwrap();
        put(&mut inside, "a", "y");
        put(&mut inside, "b", "y");
        put(&mut inside, "b", "x");
        assert_eq!(told(&mut watch, &inside), ["DELETED a", "ADDED b"]);
    }

    #[test]
    fn the_forgotten_past_is_gone() {
        let mut inside = Inside::new("c");
        put(&mut inside, "a", "x");
        let from = inside.revision - 1;
        let mut watch = begin(&inside, &format!("resourceVersion={from}")).unwrap();
        inside.compact();
        let error = watch.poll(&inside, now()).unwrap_err();
        assert_eq!(
            (error.code.as_u16(), error.reason.as_str()),
            (410, "Expired")
        );
        assert!(
            begin(&inside, &format!("resourceVersion={from}"))
                .unwrap()
                .poll(&inside, now())
                .is_err()
        );
    }

    #[test]
    fn the_end_of_the_beginning_can_be_marked() {
        let mut inside = Inside::new("c");
        put(&mut inside, "a", "x");
        let query =
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
        let mut watch = begin(&inside, query).unwrap();
        let events = watch.poll(&inside, now()).unwrap();
        assert_eq!(events[1]["type"], "BOOKMARK");
        assert_eq!(
            events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
            "true"
        );
        assert!(begin(&inside, "sendInitialEvents=true").is_err());
    }
}
