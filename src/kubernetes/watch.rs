//! Waiting for a condition of objects by watching them, whatever happens to the watch.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use http::Method;
use kube::core::WatchEvent;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::access::Selection;
use super::kind::Kind;
use super::{Access, Error};
use crate::calls;
use crate::web::innermost;

/// After this long the API server ends a watch, and the next begins where it ended.
const WATCH: Duration = Duration::from_secs(120);

/// A watch that is silent for this much longer than it should last is taken for dead.
const DEAD: Duration = Duration::from_secs(15);

/// The pause before a watch or list that failed is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Objects by namespace and name (`kube-system/coredns`; the name alone where there is no namespace).
pub type Objects = BTreeMap<String, Value>;

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The kind of the objects.
    pub kind: Kind,
    /// Their namespace; all where there is none.
    pub namespace: Option<String>,
    /// Which of them.
    pub selection: Selection,
    /// Those of them that were just made, in the order in which they were. The watch goes on from the
    /// first, so that nothing that befalls them is missed and nothing is listed; where there are none,
    /// it begins with a list.
    pub made: Vec<Value>,
}

impl Watched {
    /// All objects of a kind that the selectors pick, in a namespace or over all; listed at first.
    pub fn new(kind: &Kind, namespace: Option<&str>, selection: Selection) -> Self {
        Self {
            kind: kind.clone(),
            namespace: namespace.map(str::to_owned),
            selection,
            made: Vec::new(),
        }
    }
}

/// How a watch for a condition ended.
#[derive(Debug)]
pub enum Waited<T> {
    /// The condition came about, and this with it.
    Met(T),
    /// The deadline passed. What was there last, and what kept the watch from going on, if anything
    /// did.
    TooLate(Objects, Option<Error>),
}

impl Access {
    /// Watches objects until `decide` finds in them what it looks for, or the deadline passes. A
    /// watch that is cut off goes on where it was; one whose past is gone begins anew; while the API
    /// server is away it is tried again.
    ///
    /// # Errors
    /// What can't pass by waiting: psk may not watch or isn't known, or the API server knows no such
    /// kind.
    pub async fn watch_until<T>(
        &self,
        watched: &Watched,
        deadline: Instant,
        mut decide: impl FnMut(&Objects) -> Option<T> + Send,
    ) -> Result<Waited<T>, Error> {
        let mut objects: Objects = watched.made.iter().map(|o| (key(o), o.clone())).collect();
        let mut begun = watched.made.first().and_then(version_of);
        let mut trouble = None;
        let mut expired_at = None;
        let watching = async {
            loop {
                let mut version = if let Some(version) = begun.take() {
                    version.to_owned()
                } else {
                    let listed = self
                        .list::<Value>(
                            &watched.kind,
                            watched.namespace.as_deref(),
                            &watched.selection,
                        )
                        .await;
                    match listed {
                        Ok(list) => {
                            objects = list.items.into_iter().map(|o| (key(&o), o)).collect();
                            list.version
                        }
                        // Refused with a new token too, so no further one helps.
                        Err(error) if is_final(&error) || error.is_unauthorized() => {
                            return Err(error);
                        }
                        Err(error) => {
                            trouble = Some(error);
                            tokio::time::sleep(PAUSE).await;
                            continue;
                        }
                    }
                };
                if let Some(found) = decide(&objects) {
                    return Ok(found);
                }
                loop {
                    match self
                        .follow(watched, &mut version, &mut objects, &mut decide)
                        .await
                    {
                        Ok(Followed::Met(found)) => return Ok(found),
                        Ok(Followed::Ended) => trouble = None,
                        Err(error) if is_final(&error) => return Err(error),
                        Err(error) => {
                            // What was missed meanwhile, a list shows at once; not so where what it
                            // shows is itself gone.
                            let at_once = error.is_expired() && expired_at != Some(version.clone());
                            expired_at = error.is_expired().then(|| version.clone());
                            trouble = Some(error);
                            if !at_once {
                                tokio::time::sleep(PAUSE).await;
                            }
                            break;
                        }
                    }
                }
            }
        };
        match timeout_at(deadline, watching).await {
            Ok(found) => found.map(Waited::Met),
            Err(_) => Ok(Waited::TooLate(objects, trouble)),
        }
    }

    /// One watch, from a version on until its end.
    async fn follow<T>(
        &self,
        watched: &Watched,
        version: &mut String,
        objects: &mut Objects,
        decide: &mut (impl FnMut(&Objects) -> Option<T> + Send),
    ) -> Result<Followed<T>, Error> {
        let mut query = watched.selection.query();
        query.extend([
            ("watch", "true".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("timeoutSeconds", WATCH.as_secs().to_string()),
            ("resourceVersion", version.clone()),
        ]);
        let namespace = watched.namespace.as_deref();
        let call = self.call(Method::GET, "watch", &watched.kind, namespace, None, &query);
        let doing = || call.doing.clone();
        let lost = |error: &kube::Error| match error {
            kube::Error::Api(status) => {
                let body = serde_json::to_vec(&**status).unwrap_or_default();
                Error::answered(doing(), status.code, &body)
            }
            other => Error::unreached(doing(), innermost(other)),
        };
        let silent = || Error::unreached(doing(), "the watch went silent".to_owned());

        let began = calls::begin();
        let (client, request, token) = self.streamed(&call).await?;
        let opened = timeout(DEAD, client.request_events::<Value>(request)).await;
        calls::record(
            &format!("kubernetes:watch {}", watched.kind.plural),
            began,
            1,
            0,
        );
        let events = match opened.map_err(|_| silent())? {
            Ok(events) => events,
            Err(error) => {
                let error = lost(&error);
                if error.is_unauthorized() {
                    self.refused(&token).await;
                }
                return Err(error);
            }
        };
        let mut events = std::pin::pin!(events);
        loop {
            let event = timeout(WATCH + DEAD, events.next()).await;
            let Some(event) = event.map_err(|_| silent())? else {
                return Ok(Followed::Ended);
            };
            match event.map_err(|error| lost(&error))? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    remember(version, &object);
                    objects.insert(key(&object), object);
                }
                WatchEvent::Deleted(object) => {
                    remember(version, &object);
                    objects.remove(&key(&object));
                }
                WatchEvent::Bookmark(bookmark) => {
                    version.clone_from(&bookmark.metadata.resource_version);
                    continue;
                }
                WatchEvent::Error(status) => {
                    let body = serde_json::to_vec(&status).unwrap_or_default();
                    return Err(Error::answered(doing(), status.code, &body));
                }
            }
            if let Some(found) = decide(objects) {
                return Ok(Followed::Met(found));
            }
        }
    }
}

/// How one watch ended.
enum Followed<T> {
    Met(T),
    Ended,
}

/// What waiting can't change. A kind that isn't known may come to be known, but whoever waits for
/// that has another condition.
fn is_final(error: &Error) -> bool {
    error.code == Some(403) || error.is_unknown_kind()
}

fn remember(version: &mut String, object: &Value) {
    if let Some(now) = version_of(object) {
        now.clone_into(version);
    }
}

fn version_of(object: &Value) -> Option<&str> {
    let version = object.pointer("/metadata/resourceVersion");
    version.and_then(Value::as_str)
}

/// `namespace/name`, or the name.
pub fn key(object: &Value) -> String {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or_default();
    match text("/metadata/namespace") {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

/// An object as its type.
///
/// # Errors
/// It isn't of that type.
pub fn typed<T: DeserializeOwned>(object: &Value) -> Result<T, Error> {
    T::deserialize(object).map_err(|error| {
        Error::new(
            format!("reading {}", key(object)),
            error.to_string(),
            "report this as a bug",
        )
    })
}
