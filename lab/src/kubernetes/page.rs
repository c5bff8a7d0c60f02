//! Lists, a page at a time.
//!
//! Source: "Retrieving large results sets in chunks" in the Kubernetes documentation.

use std::sync::Arc;

use data_encoding::BASE64URL;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cause::Cause;
use super::inside::Inside;
use super::kinds::Kind;
use super::object::Object;
use super::request::ApiRequest;
use super::status::ApiError;

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) metadata: Value,
}

/// Where the next page begins, in the form that `continue` has.
#[derive(Debug, Serialize, Deserialize)]
struct Continue {
    v: String,
    /// The revision of the list; [`NEWEST`] where its own is forgotten.
    rv: i64,
    /// The first key that is not on the page before.
    start: String,
}

const CONTINUE_VERSION: &str = "meta.k8s.io/v1";

/// Goes on with what there is now.
const NEWEST: i64 = -1;

impl Continue {
    fn encoded(revision: i64, start: &str) -> Result<String, ApiError> {
        let token = Self {
            v: CONTINUE_VERSION.to_owned(),
            rv: revision,
            start: start.to_owned(),
        };
        let token = serde_json::to_vec(&token).map_err(|e| ApiError::internal(&e))?;
        Ok(BASE64URL.encode(&token))
    }
}

/// The objects that a request asks for.
///
/// # Errors
/// If a selector or the continuation can't be understood, or what it goes on from is forgotten.
pub(crate) fn list(
    inside: &Inside,
    request: &ApiRequest,
    kind: &Kind,
    namespace: Option<&str>,
) -> Result<Page, ApiError> {
    let selection = request.selection(kind)?;
    let limit = match request.query("limit") {
        "" => 0,
        given => given.parse::<usize>().map_err(|_| {
            ApiError::bad_request(format!("limit: Invalid value: {given:?}: must be a number"))
        })?,
    };
    let (revision, start) = begin(inside, request)?;
    let Some(all) = inside.at(&kind.qualified(), revision) else {
        return Err(if start.is_empty() {
            ApiError::expired(format!(
                "The resourceVersion for the provided list is too old: {revision}"
            ))
        } else {
            ApiError::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new \
                 list without the continue parameter, or use the continue token in this response to retrieve the \
                 remainder of the results. Continuing with the provided token results in an inconsistent list - \
                 objects that were created, modified, or deleted between the time the first chunk was returned and \
                 now may show up in the list.",
            )
            .going_on(Continue::encoded(NEWEST, &start)?)
        });
    };
    let mut chosen = all
        .into_iter()
        .filter(|(key, _)| *key >= start)
        .filter(|(_, object)| namespace.is_none() || object.namespace() == namespace)
        .filter(|(_, object)| selection.fits(object));
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    let items = if limit == 0 {
        chosen
            .map(|(_, object)| Arc::unwrap_or_clone(object))
            .collect()
    } else {
        let items: Vec<Value> = chosen
            .by_ref()
            .take(limit)
            .map(|(_, object)| Arc::unwrap_or_clone(object))
            .collect();
        if let Some((next, _)) = chosen.next() {
            let revision = i64::try_from(revision).unwrap_or(NEWEST);
            metadata["continue"] = Continue::encoded(revision, &next)?.into();
            if selection.is_everything() {
                metadata["remainingItemCount"] = (chosen.count() + 1).into();
            }
        }
        items
    };
    Ok(Page { items, metadata })
}

/// As of which revision, and from which key on.
fn begin(inside: &Inside, request: &ApiRequest) -> Result<(u64, String), ApiError> {
    let token = request.query("continue");
    let (given, how) = (
        request.query("resourceVersion"),
        request.query("resourceVersionMatch"),
    );
    if given.is_empty() && !how.is_empty() {
        let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        let cause = Cause::forbidden("resourceVersionMatch", why);
        return Err(ApiError::invalid_options("ListOptions", &[cause]));
    }
    if !token.is_empty() {
        if !matches!(given, "" | "0") {
            return Err(ApiError::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let read = || -> Option<Continue> {
            serde_json::from_slice(&BASE64URL.decode(token.as_bytes()).ok()?).ok()
        };
        let next = read()
            .filter(|next| next.v == CONTINUE_VERSION)
            .ok_or_else(|| {
                let why = "it is none of this server's";
                ApiError::bad_request(format!(
                    "invalid continue token: continue key is not valid: {why}"
                ))
            })?;
        let revision = u64::try_from(next.rv).unwrap_or(inside.revision);
        return Ok((revision, next.start));
    }
    if given.is_empty() {
        return Ok((inside.revision, String::new()));
    }
    let revision: u64 = given
        .parse()
        .map_err(|_| ApiError::unreadable_version(given))?;
    if revision > inside.revision {
        return Err(ApiError::too_large_version(revision, inside.revision));
    }
    if how == "Exact" {
        return Ok((revision, String::new()));
    }
    Ok((inside.revision, String::new()))
}

impl Page {
    /// As a list of the kind. Items of built-in kinds don't repeat what they are.
    pub(crate) fn view(mut self, kind: &Kind) -> Value {
        if kind.custom.is_some() && self.metadata.get("continue").is_none() {
            self.metadata["continue"] = "".into();
        }
        let items: Vec<Value> = self
            .items
            .into_iter()
            .map(|mut item| {
                if kind.custom.is_some() {
                    item["apiVersion"] = kind.api_version().into();
                } else if let Some(map) = item.as_object_mut() {
                    map.shift_remove("kind");
                    map.shift_remove("apiVersion");
                }
                item
            })
            .collect();
        json!({
            "kind": format!("{}List", kind.kind),
            "apiVersion": kind.api_version(),
            "metadata": self.metadata,
            "items": items,
        })
    }
}
