//! One object of a cluster: applied server-side in psk's name, compared by a dry run of the same where
//! the object itself doesn't tell already that it is as psk applied it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::access::Apply;
use super::applied_set::Applied;
use super::compare::{attributes, compare, found, wanted};
use super::connection::Connection;
use super::error::Conflict;
use super::kind::{Kind, kinds};
use super::late::Late;
use super::manifest::Manifest;
use super::owned::is_applied;
use super::{Access, Error};
use crate::aws::OrAbsent;
use crate::calls;
use crate::inventory::Location;
use crate::reconcile::plan::Action;
use crate::reconcile::{self, Diff, Fact, Fate, Grant, Handle, Polling, Progress, Resource, State};

/// Stands in a manifest for what isn't known before apply. No name of AWS holds such characters.
pub(super) const UNKNOWN: &str = "(known after apply)";

/// How long a kind may take to be served after its definition was applied.
const ESTABLISHED: Duration = Duration::from_secs(60);

/// Kinds of which some fields can't be changed, and whose objects can be made anew without harm:
/// volumes outlive their class, and a binding is away for one call.
const REPLACEABLE: [&str; 2] = ["StorageClass", "ClusterRoleBinding"];

/// An object, as it should be.
#[derive(Debug)]
pub(super) struct Object {
    /// The way into the cluster.
    pub connection: Arc<Connection>,
    /// What psk has applied so far.
    pub applied: Handle<Arc<Applied>>,
    /// The object as it is sent: with the labels that mark it as psk's.
    pub body: Body,
    /// Its name in plans.
    pub title: String,
    /// Places in the graph of what must be right first.
    pub after: Vec<usize>,
    /// How often it is asked whether its kind is served yet.
    pub polling: Polling,
}

/// Where an object's content comes from.
#[derive(Debug)]
pub(super) enum Body {
    /// It is all there.
    Ready(Arc<Manifest>),
    /// It may hold what another resource tells.
    Late {
        /// The object, with a mark where that belongs.
        manifest: Arc<Manifest>,
        /// What the other resource tells.
        late: Late,
    },
}

impl Body {
    /// The object, with a mark where something isn't known yet.
    pub(super) fn manifest(&self) -> Arc<Manifest> {
        match self {
            Self::Ready(manifest) => manifest.clone(),
            Self::Late { manifest, late } => match late.get().known() {
                Some(value) => {
                    let mut manifest = Manifest::clone(manifest);
                    tell(&mut manifest.object, &value);
                    Arc::new(manifest)
                }
                None => manifest.clone(),
            },
        }
    }

    /// Places in the graph of what tells it something.
    fn needs(&self) -> Vec<usize> {
        match self {
            Self::Ready(_) => Vec::new(),
            Self::Late { late, .. } => vec![late.index()],
        }
    }

    async fn observed(&self) -> Result<(), reconcile::Error> {
        match self {
            Self::Ready(_) => Ok(()),
            Self::Late { late, .. } => late.observed().await,
        }
    }
}

/// Whether there is a mark in it.
fn has_mark(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(UNKNOWN),
        Value::Array(items) => items.iter().any(has_mark),
        Value::Object(fields) => fields.values().any(has_mark),
        _ => false,
    }
}

/// Puts what was told in the place of the mark.
fn tell(value: &mut Value, told: &str) {
    match value {
        Value::String(text) if text.contains(UNKNOWN) => *text = text.replace(UNKNOWN, told),
        Value::Array(items) => items.iter_mut().for_each(|item| tell(item, told)),
        Value::Object(fields) => fields.values_mut().for_each(|field| tell(field, told)),
        _ => {}
    }
}

/// What an object is, and what applying it would make of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    /// The object as it is; `None` where it isn't there.
    pub live: Option<Arc<Value>>,
    /// The object as it would be.
    pub would: Option<Arc<Value>>,
    /// Fields that others own with other values.
    pub conflicts: Vec<Conflict>,
    /// Managers that apply objects as psk does, as far as they own fields of this one.
    pub appliers: Vec<String>,
    /// Why the API server would rather have the object made anew.
    pub immutable: Option<String>,
    /// Why it couldn't be looked at yet.
    pub pending: Option<String>,
}

impl Object {
    fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.title)
    }

    /// The error, told with the place where the object was written.
    fn at(&self, error: Error, at: Option<&Location>) -> reconcile::Error {
        let mut error = reconcile::Error::from(error);
        if let Some(at) = at {
            error.doing = format!("{} ({at})", error.doing);
        }
        error
    }

    async fn look(
        &self,
        access: &Access,
        applied: &Applied,
        manifest: &Manifest,
    ) -> Result<Seen, reconcile::Error> {
        let at = manifest.at.as_ref();
        let id = (
            manifest.api_version().to_owned(),
            manifest.kind().to_owned(),
        );
        let Some(kind) = applied.kinds.get(&id) else {
            return Ok(Seen {
                pending: Some(format!("{} isn't known to the cluster yet", id.1)),
                ..Seen::default()
            });
        };
        let (namespace, name) = (namespace(kind, manifest), manifest.name());
        let key = match namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        let listed = applied.members.get(&(kind.clone(), key));
        let live = async {
            match listed {
                Some(live) => Ok(Some(live.clone())),
                None => {
                    let found = access.get(kind, namespace, name).await.or_absent();
                    found.map(|found| found.map(Arc::new))
                }
            }
        };
        if has_mark(&manifest.object) {
            let live = live.await.map_err(|error| self.at(error, at))?;
            return Ok(Seen {
                live,
                ..Seen::default()
            });
        }
        if let Some(live) = listed.filter(|live| is_applied(live, &manifest.object)) {
            return Ok(Seen {
                appliers: appliers(live),
                would: Some(live.clone()),
                live: Some(live.clone()),
                ..Seen::default()
            });
        }
        let dry_run = Apply {
            dry_run: true,
            force: false,
        };
        let (live, would) = calls::join(
            live,
            access.apply(kind, namespace, name, &manifest.object, dry_run),
        )
        .await;
        let live = live.map_err(|error| self.at(error, at))?;
        let mut seen = Seen {
            appliers: live.as_deref().map(appliers).unwrap_or_default(),
            live,
            ..Seen::default()
        };
        let error = match would {
            Ok(would) => {
                seen.would = Some(Arc::new(would));
                return Ok(seen);
            }
            Err(error) => error,
        };
        let conflicts = error.conflicts();
        if error.is_unknown_kind() {
            seen.pending = Some(format!("{kind} isn't known to the cluster yet"));
        } else if error.is_not_found() {
            seen.pending = Some("its namespace isn't there yet".to_owned());
        } else if !conflicts.is_empty() {
            let forced = Apply {
                dry_run: true,
                force: true,
            };
            let would = access.apply(kind, namespace, name, &manifest.object, forced);
            let would = would.await.map_err(|error| self.at(error, at))?;
            seen.would = Some(Arc::new(would));
            seen.conflicts = conflicts;
        } else if error.is_invalid()
            && seen.live.is_some()
            && REPLACEABLE.contains(&manifest.kind())
        {
            seen.immutable = Some(error.cause);
        } else {
            return Err(self.at(error, at));
        }
        Ok(seen)
    }

    /// Where the manifest's kind is served, as far as that is known without asking.
    fn kind(&self, manifest: &Manifest) -> Option<Kind> {
        let (api_version, kind) = (manifest.api_version(), manifest.kind());
        let found = || {
            let applied = self.applied.get().known()?;
            let id = (api_version.to_owned(), kind.to_owned());
            applied.kinds.get(&id).cloned()
        };
        kinds::known(api_version, kind).cloned().or_else(found)
    }

    /// Applies the object as soon as its kind is served and psk is known to the cluster: an access
    /// entry takes effect a moment after it was made.
    async fn put(
        &self,
        access: &Access,
        manifest: &Manifest,
        force: bool,
        progress: &Progress,
    ) -> Result<(), reconcile::Error> {
        let how = Apply {
            dry_run: false,
            force,
        };
        let put = self
            .polling
            .until(&self.title, ESTABLISHED, progress, || async {
                let at = |error| self.at(error, manifest.at.as_ref());
                let unknown = || Ok(State::UnderWay("not known to the cluster".to_owned()));
                let kind = match self.kind(manifest) {
                    Some(kind) => kind,
                    None => match served(access, manifest).await.map_err(at)? {
                        Some(kind) => kind,
                        None => return unknown(),
                    },
                };
                let (namespace, name) = (namespace(&kind, manifest), manifest.name());
                let applied = access.apply(&kind, namespace, name, &manifest.object, how);
                match applied.await {
                    Ok(_) => Ok(State::Done(())),
                    Err(error) if error.is_unknown_kind() => unknown(),
                    Err(error) if error.is_denied() => {
                        Ok(State::UnderWay("not open to psk".to_owned()))
                    }
                    Err(error) => Err(at(error)),
                }
            });
        put.await
    }
}

/// The namespace of an object: `default` if it is in one and doesn't say which.
fn namespace<'a>(kind: &Kind, manifest: &'a Manifest) -> Option<&'a str> {
    kind.namespaced
        .then(|| manifest.namespace().unwrap_or("default"))
}

/// Where the manifest's kind is served, if it is by now.
async fn served(access: &Access, manifest: &Manifest) -> Result<Option<Kind>, Error> {
    let served = access.discover(manifest.api_version()).await.or_absent()?;
    let mut served = served.into_iter().flatten();
    Ok(served.find(|kind| kind.kind == manifest.kind()))
}

/// The managers of an object that apply it as psk does: those who would fight back. What others have
/// once updated, by hand or with a client that doesn't apply server-side, is theirs no longer.
fn appliers(live: &Value) -> Vec<String> {
    let entries = live
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let entries = entries.into_iter().flatten();
    entries
        .filter(|entry| entry.get("operation").and_then(Value::as_str) == Some("Apply"))
        .filter_map(|entry| entry.get("manager")?.as_str())
        .filter(|manager| *manager != super::MANAGER)
        .map(str::to_owned)
        .collect()
}

impl Seen {
    /// The conflicts with managers that would fight back.
    fn contested(&self) -> Vec<&Conflict> {
        let fights = |conflict: &&Conflict| {
            let named = |manager: &String| conflict.message.contains(&format!("\"{manager}\""));
            self.appliers.iter().any(named)
        };
        self.conflicts.iter().filter(fights).collect()
    }
}

impl Resource for Object {
    type Observed = Seen;
    type Output = ();
    const KIND: &'static str = "kubernetes_object";
    const GRANTS: &'static [Grant] = &[];

    fn name(&self) -> String {
        self.title.clone()
    }

    fn needs(&self) -> Vec<usize> {
        let after = self.after.iter().copied();
        after.chain(self.body.needs()).collect()
    }

    async fn observe(&self) -> Result<Option<Seen>, reconcile::Error> {
        self.body.observed().await?;
        let applied = self.applied.observed().await?.known().unwrap_or_default();
        if !applied.readable {
            return Ok(None);
        }
        let Some(access) = self.connection.observed().await? else {
            return Ok(None);
        };
        let manifest = self.body.manifest();
        let objects = &self.connection.shared().objects;
        let looked = objects.get(manifest.object.to_string(), || {
            self.look(&access, &applied, &manifest)
        });
        looked.await.map(Some)
    }

    fn output(&self, _: &Seen) {}

    fn diff(&self, seen: Option<&Seen>) -> Result<Diff, reconcile::Error> {
        let manifest = self.body.manifest();
        let create = |reason: Option<String>| Diff {
            action: Action::Create,
            attributes: attributes(&manifest.object),
            reason,
            found: BTreeMap::new(),
            wanted: wanted(&manifest.object),
        };
        let Some(seen) = seen else {
            return Ok(create(None));
        };
        let contested = seen.contested();
        if !contested.is_empty() {
            let told = contested
                .iter()
                .map(|c| format!("{}: {}", c.field, c.message));
            let at = manifest.at.as_ref().map(|at| format!(" ({at})"));
            return Err(reconcile::Error::new(
                format!("{}{}", self.doing("comparing"), at.unwrap_or_default()),
                format!(
                    "others apply the same fields with other values: {}",
                    told.collect::<Vec<_>>().join("; ")
                ),
                "leave these fields to one of the two: take them out of the other's manifests, or out of psk's",
            ));
        }
        let Some(live) = &seen.live else {
            return Ok(create(seen.pending.clone()));
        };
        if let Some(why) = &seen.immutable {
            let attributes = compare(live, &manifest.object, false);
            return Ok(Diff {
                action: Action::Replace,
                attributes,
                reason: Some(why.clone()),
                found: found(live, &manifest.object),
                wanted: wanted(&manifest.object),
            });
        }
        let Some(would) = &seen.would else {
            // What it holds isn't known yet, so the API server couldn't be asked.
            let attributes = compare(live, &manifest.object, false);
            let action = match attributes.is_empty() {
                true => Action::Keep,
                false if REPLACEABLE.contains(&manifest.kind()) => Action::Replace,
                false => Action::Update,
            };
            return Ok(Diff {
                action,
                attributes,
                reason: None,
                found: found(live, &manifest.object),
                wanted: wanted(&manifest.object),
            });
        };
        // Where nothing was asked because the object is right, both are one.
        let attributes = match Arc::ptr_eq(live, would) {
            true => Vec::new(),
            false => compare(live, would, true),
        };
        let owners = seen
            .conflicts
            .iter()
            .map(|conflict| conflict.message.as_str());
        let owners: std::collections::BTreeSet<_> = owners.collect();
        let owners: Vec<_> = owners.into_iter().collect();
        Ok(Diff {
            action: if attributes.is_empty() {
                Action::Keep
            } else {
                Action::Update
            },
            reason: (!attributes.is_empty() && !owners.is_empty())
                .then(|| format!("put back: {}", owners.join(", "))),
            attributes,
            found: found(live, &manifest.object),
            wanted: wanted(&manifest.object),
        })
    }

    async fn apply(
        &self,
        diff: &Diff,
        seen: Option<&Seen>,
        progress: &Progress,
    ) -> Result<(), reconcile::Error> {
        let access = self.connection.required().await?;
        let manifest = self.body.manifest();
        if has_mark(&manifest.object) {
            return Fact::AfterApply.required(|| self.doing("applying"));
        }
        if diff.action == Action::Replace
            && let Some(kind) = self.kind(&manifest)
        {
            let namespace = namespace(&kind, &manifest);
            access.delete(&kind, namespace, manifest.name()).await?;
        }
        // What was seen to be contested was refused; what else others own has drifted.
        let force = seen.is_some_and(|seen| !seen.conflicts.is_empty());
        self.put(&access, &manifest, force, progress).await
    }

    async fn settle(&self, _: &Progress) -> Result<Seen, reconcile::Error> {
        Ok(Seen::default())
    }

    /// It goes with the cluster.
    async fn fate(&self, _: &Seen) -> Result<Fate, reconcile::Error> {
        Ok(Fate::Nothing)
    }

    async fn remove(&self, _: &Seen, _: &Progress) -> Result<(), reconcile::Error> {
        let access = self.connection.required().await?;
        let manifest = self.body.manifest();
        match self.kind(&manifest) {
            Some(kind) => {
                let namespace = namespace(&kind, &manifest);
                Ok(access.delete(&kind, namespace, manifest.name()).await?)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
