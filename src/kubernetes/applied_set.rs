//! What psk has applied to a cluster so far, so that what it no longer wants can be taken away.
//!
//! psk marks it as Kubernetes' ApplySets do: every member has a label with the set's id, and a parent
//! object tells which kinds the set holds. Source: KEP-3659, "ApplySet: kubectl apply --prune redesign".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::access::{Apply, Selection};
use super::connection::Connection;
use super::kind::{Kind, kinds};
use super::manifest::Identity;
use super::watch::key;
use super::{Access, Error, MANAGER};
use crate::aws::OrAbsent;
use crate::calls;
use crate::reconcile::plan::{Action, AttributeChange, Target};
use crate::reconcile::{self, Diff, Fate, Grant, Handle, Lookup, Progress, Resource};

/// The label by which a member says which set it is in.
const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// The label by which a parent says which set it is the parent of.
const ID: &str = "applyset.kubernetes.io/id";
/// The annotation in which a parent lists the kinds of its members.
const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// The annotation in which a parent says whose it is.
const TOOLING: &str = "applyset.kubernetes.io/tooling";
/// What else says that an object is psk's.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The parent's name.
const PARENT: &str = "psk-baseline";
/// The parent's namespace.
pub(super) const NAMESPACE: &str = "psk-system";

/// The set's id, which follows from its parent's name, namespace and kind.
fn id() -> String {
    let parent = format!("{PARENT}.{NAMESPACE}.ConfigMap.");
    let digest = BASE64URL_NOPAD.encode(&Sha256::digest(parent.as_bytes()));
    format!("applyset-{digest}-v1")
}

/// Looks up what is in the set, and where the kinds of the wanted objects are served.
#[derive(Debug)]
pub(super) struct AppliedSet {
    /// The way into the cluster.
    pub connection: Arc<Connection>,
    /// API version and kind of everything that is wanted.
    pub wanted: BTreeSet<(String, String)>,
}

/// What is in the set.
#[derive(Debug, Clone, Default)]
pub(super) struct Applied {
    /// Whether the cluster could be read. It can't where it isn't there yet, or doesn't know psk.
    pub readable: bool,
    /// Kinds by API version and kind, as far as the cluster knows them.
    pub kinds: BTreeMap<(String, String), Kind>,
    /// The members, by kind and by namespace and name.
    pub members: BTreeMap<(Kind, String), Arc<Value>>,
    /// The kinds that the parent tells of, without versions; none where there is no parent.
    pub recorded: BTreeSet<String>,
}

impl Lookup for AppliedSet {
    type Output = Arc<Applied>;
    const GRANTS: &'static [Grant] = &[];

    async fn look_up(&self) -> Result<Arc<Applied>, reconcile::Error> {
        let Some(access) = self.connection.observed().await? else {
            return Ok(Arc::default());
        };
        let applied = &self.connection.shared().applied;
        let read = async || self.read(&access).await.map(Arc::new);
        match applied.get((), read).await {
            Ok(applied) => Ok(applied),
            // psk's access entry is part of the same plan, so it may come to be known.
            Err(error) if error.is_denied() => Ok(Arc::default()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AppliedSet {
    async fn read(&self, access: &Access) -> Result<Applied, Error> {
        // Only what the parent tells beyond the wanted kinds has to wait for it.
        let (parent, wanted) = calls::join(
            access.get::<Value>(&kinds::CONFIG_MAP, Some(NAMESPACE), PARENT),
            async {
                let kinds = self.kinds(access).await?;
                let listed: BTreeSet<Kind> = kinds.values().cloned().collect();
                let members = members(access, &listed).await?;
                Ok::<_, Error>((kinds, listed, members))
            },
        )
        .await;
        let (kinds, listed, mut members) = wanted?;
        let recorded = recorded(parent.or_absent()?.as_ref());
        let mut others = BTreeSet::new();
        for group_kind in &recorded {
            if !listed.iter().any(|kind| kind.group_kind() == *group_kind) {
                others.extend(find(access, group_kind).await?);
            }
        }
        members.extend(self::members(access, &others).await?);
        Ok(Applied {
            readable: true,
            kinds,
            members,
            recorded,
        })
    }

    /// Where the wanted kinds are served. psk's own it knows; others are asked for, a call for each
    /// group version.
    async fn kinds(&self, access: &Access) -> Result<BTreeMap<(String, String), Kind>, Error> {
        let mut found = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for wanted in &self.wanted {
            let (api_version, kind) = wanted;
            match kinds::known(api_version, kind) {
                Some(known) => drop(found.insert(wanted.clone(), known.clone())),
                None => drop(unknown.insert(api_version)),
            }
        }
        let answers = calls::join_all(
            unknown
                .into_iter()
                .map(|version| async move { access.discover(version).await.or_absent() }),
        )
        .await;
        for answer in answers {
            for kind in answer?.into_iter().flatten() {
                let key = (kind.api_version(), kind.kind.to_string());
                if self.wanted.contains(&key) {
                    found.insert(key, kind);
                }
            }
        }
        Ok(found)
    }
}

/// The set's members of these kinds, by kind and by namespace and name.
async fn members(
    access: &Access,
    kinds: &BTreeSet<Kind>,
) -> Result<BTreeMap<(Kind, String), Arc<Value>>, Error> {
    let selection = &Selection::labels(format!("{PART_OF}={}", id()));
    let lists = calls::join_all(kinds.iter().map(|kind| async move {
        let found = access.list::<Value>(kind, None, selection).await;
        Ok::<_, Error>((kind, found.or_absent()?))
    }))
    .await;
    let mut members = BTreeMap::new();
    for list in lists {
        let (kind, found) = list?;
        for object in found.into_iter().flat_map(|list| list.items) {
            members.insert((kind.clone(), key(&object)), Arc::new(object));
        }
    }
    Ok(members)
}

/// A kind by its name and group, in whichever version the cluster prefers; `None` where it is gone,
/// and with it all its objects.
async fn find(access: &Access, group_kind: &str) -> Result<Option<Kind>, Error> {
    let (kind, group) = group_kind.split_once('.').unwrap_or((group_kind, ""));
    let mut known = kinds::KNOWN.into_iter();
    if let Some(known) = known.find(|k| k.group_kind() == group_kind) {
        return Ok(Some(known.clone()));
    }
    let version = match group {
        "" => Some("v1".to_owned()),
        group => access.preferred_version(group).await.or_absent()?,
    };
    let Some(version) = version else {
        return Ok(None);
    };
    let served = access.discover(&version).await.or_absent()?;
    let mut served = served.into_iter().flatten();
    Ok(served.find(|served| served.kind == kind))
}

fn recorded(parent: Option<&Value>) -> BTreeSet<String> {
    let annotations = parent.and_then(|p| p.pointer("/metadata/annotations"));
    let kinds = annotations.and_then(|a| a.get(GROUP_KINDS)?.as_str());
    let kinds = kinds.unwrap_or_default().split(',');
    kinds
        .filter(|kind| !kind.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The object with the labels that mark it as psk's.
pub(super) fn marked(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let own = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(own) = own.as_object_mut() {
            own.insert(PART_OF.to_owned(), id().into());
            own.insert(MANAGED_BY.to_owned(), MANAGER.into());
        }
    }
    object
}

/// The set's parent.
pub(super) fn parent(group_kinds: &BTreeSet<String>) -> Value {
    let listed: Vec<_> = group_kinds.iter().map(String::as_str).collect();
    let tooling = concat!("psk/v", env!("CARGO_PKG_VERSION"));
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": PARENT,
            "namespace": NAMESPACE,
            "labels": { ID: id(), MANAGED_BY: MANAGER },
            "annotations": { TOOLING: tooling, GROUP_KINDS: listed.join(",") },
        },
    })
}

async fn record(access: &Access, group_kinds: &BTreeSet<String>) -> Result<(), Error> {
    let parent = parent(group_kinds);
    let how = Apply {
        force: true,
        ..Apply::default()
    };
    access
        .apply(&kinds::CONFIG_MAP, Some(NAMESPACE), PARENT, &parent, how)
        .await
        .map(drop)
}

/// The set's parent, which tells of every kind before the first object of that kind is applied: so
/// nothing that psk makes is ever unknown to a later run.
#[derive(Debug)]
pub(super) struct Record {
    /// The way into the cluster.
    pub connection: Arc<Connection>,
    /// What is in the set.
    pub applied: Handle<Arc<Applied>>,
    /// The kinds that are wanted, without versions.
    pub wanted: BTreeSet<String>,
    /// Places in the graph of what must be right first.
    pub after: Vec<usize>,
}

impl Resource for Record {
    type Observed = BTreeSet<String>;
    type Output = ();
    const KIND: &'static str = "kubernetes_applyset";
    const GRANTS: &'static [Grant] = &[];

    fn name(&self) -> String {
        PARENT.to_owned()
    }

    fn needs(&self) -> Vec<usize> {
        self.after.clone()
    }

    async fn observe(&self) -> Result<Option<BTreeSet<String>>, reconcile::Error> {
        let applied = self.applied.observed().await?.known().unwrap_or_default();
        Ok((!applied.recorded.is_empty()).then(|| applied.recorded.clone()))
    }

    fn output(&self, _: &BTreeSet<String>) {}

    fn diff(&self, recorded: Option<&BTreeSet<String>>) -> Result<Diff, reconcile::Error> {
        let Some(recorded) = recorded else {
            return Ok(Diff::create()
                .attribute("kinds", None::<()>, &self.wanted)
                .build());
        };
        let all: BTreeSet<_> = recorded.union(&self.wanted).cloned().collect();
        Ok(Diff::update()
            .attribute("kinds", Some(recorded), all)
            .build())
    }

    async fn apply(
        &self,
        _: &Diff,
        recorded: Option<&BTreeSet<String>>,
        _: &Progress,
    ) -> Result<(), reconcile::Error> {
        let access = self.connection.required().await?;
        let mut all = self.wanted.clone();
        all.extend(recorded.into_iter().flatten().cloned());
        Ok(record(&access, &all).await?)
    }

    async fn settle(&self, _: &Progress) -> Result<BTreeSet<String>, reconcile::Error> {
        let access = self.connection.required().await?;
        let parent = access
            .get::<Value>(&kinds::CONFIG_MAP, Some(NAMESPACE), PARENT)
            .await;
        Ok(recorded(parent.or_absent()?.as_ref()))
    }

    /// It goes with the cluster.
    async fn fate(&self, _: &BTreeSet<String>) -> Result<Fate, reconcile::Error> {
        Ok(Fate::Nothing)
    }

    async fn remove(&self, _: &BTreeSet<String>, _: &Progress) -> Result<(), reconcile::Error> {
        let access = self.connection.required().await?;
        let removed = access.delete(&kinds::CONFIG_MAP, Some(NAMESPACE), PARENT);
        Ok(removed.await?)
    }
}

/// What psk applied once and no longer wants: taken away once everything that is wanted is there.
#[derive(Debug)]
pub(super) struct Prune {
    /// The way into the cluster.
    pub connection: Arc<Connection>,
    /// What is in the set.
    pub applied: Handle<Arc<Applied>>,
    /// What is wanted.
    pub wanted: BTreeSet<Identity>,
    /// Places in the graph of what must be right first: everything that is wanted.
    pub after: Vec<usize>,
}

/// A member of the set that isn't wanted any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stale {
    kind: Kind,
    namespace: Option<String>,
    name: String,
}

impl Prune {
    fn stale(&self, applied: &Applied) -> BTreeSet<Stale> {
        let members = applied.members.iter();
        members
            // What is on its way out already needs no second push.
            .filter(|(_, object)| object.pointer("/metadata/deletionTimestamp").is_none())
            .map(|((kind, key), _)| {
                let (namespace, name) = match key.split_once('/') {
                    Some((namespace, name)) => (Some(namespace.to_owned()), name),
                    None => (None, key.as_str()),
                };
                Stale {
                    kind: kind.clone(),
                    namespace,
                    name: name.to_owned(),
                }
            })
            .filter(|member| !is_wanted(&self.wanted, member))
            .collect()
    }
}

/// Whether a member is wanted. What is in a namespace and doesn't say which is in `default`.
fn is_wanted(wanted: &BTreeSet<Identity>, member: &Stale) -> bool {
    let group_kind = member.kind.group_kind();
    wanted.iter().any(|wanted| {
        let same_place = match &member.namespace {
            Some(is) => wanted.namespace.as_deref().unwrap_or("default") == is,
            None => true,
        };
        same_place && wanted.group_kind == group_kind && wanted.name == member.name
    })
}

impl Resource for Prune {
    type Observed = BTreeSet<Stale>;
    type Output = ();
    const KIND: &'static str = "kubernetes_pruned";
    const GRANTS: &'static [Grant] = &[];

    fn name(&self) -> String {
        PARENT.to_owned()
    }

    fn needs(&self) -> Vec<usize> {
        self.after.clone()
    }

    async fn observe(&self) -> Result<Option<BTreeSet<Stale>>, reconcile::Error> {
        let applied = self.applied.observed().await?.known().unwrap_or_default();
        let stale = self.stale(&applied);
        Ok((!stale.is_empty()).then_some(stale))
    }

    fn output(&self, _: &BTreeSet<Stale>) {}

    fn diff(&self, stale: Option<&BTreeSet<Stale>>) -> Result<Diff, reconcile::Error> {
        let attributes: Vec<_> = stale
            .into_iter()
            .flatten()
            .map(|stale| AttributeChange {
                path: stale.kind.group_kind(),
                old: Some(match &stale.namespace {
                    Some(namespace) => json!(format!("{namespace}/{}", stale.name)),
                    None => json!(stale.name),
                }),
                new: Target::Unset,
                sensitive: false,
            })
            .collect();
        Ok(Diff {
            action: if attributes.is_empty() {
                Action::Keep
            } else {
                Action::Delete
            },
            reason: (!attributes.is_empty())
                .then(|| "psk applied these once and nothing asks for them any more".to_owned()),
            found: attributes
                .iter()
                .filter_map(|gone| Some((gone.path.clone(), gone.old.clone()?)))
                .collect(),
            wanted: Some(BTreeMap::new()),
            attributes,
        })
    }

    async fn apply(
        &self,
        _: &Diff,
        stale: Option<&BTreeSet<Stale>>,
        _: &Progress,
    ) -> Result<(), reconcile::Error> {
        let access = self.connection.required().await?;
        for stale in stale.into_iter().flatten() {
            let namespace = stale.namespace.as_deref();
            access.delete(&stale.kind, namespace, &stale.name).await?;
        }
        let wanted = self.wanted.iter();
        let kinds: BTreeSet<_> = wanted.map(|object| object.group_kind.clone()).collect();
        Ok(record(&access, &kinds).await?)
    }

    async fn settle(&self, _: &Progress) -> Result<BTreeSet<Stale>, reconcile::Error> {
        Ok(BTreeSet::new())
    }

    /// What it would remove goes with the cluster.
    async fn fate(&self, _: &BTreeSet<Stale>) -> Result<Fate, reconcile::Error> {
        Ok(Fate::Nothing)
    }

    async fn remove(&self, _: &BTreeSet<Stale>, _: &Progress) -> Result<(), reconcile::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_follows_from_the_parent_and_fits_into_a_label() {
        let id = id();
        assert!(id.starts_with("applyset-") && id.ends_with("-v1"), "{id}");
        assert!(id.len() <= 63, "{id}");
    }

    #[test]
    fn a_member_is_wanted_wherever_its_manifest_puts_it() {
        let is_wanted =
            |(group_kind, asked): (&str, Option<&str>), kind: &Kind, is: Option<&str>| {
                let wanted = Identity {
                    group_kind: group_kind.into(),
                    namespace: asked.map(str::to_owned),
                    name: "x".into(),
                };
                let member = Stale {
                    kind: kind.clone(),
                    namespace: is.map(str::to_owned),
                    name: "x".into(),
                };
                is_wanted(&BTreeSet::from([wanted]), &member)
            };
        let pod = |namespace| ("Pod", namespace);
        assert!(is_wanted(pod(Some("a")), &kinds::POD, Some("a")));
        assert!(!is_wanted(pod(Some("a")), &kinds::POD, Some("b")));
        assert!(is_wanted(pod(None), &kinds::POD, Some("default")));
        assert!(!is_wanted(pod(None), &kinds::POD, Some("a")));
        assert!(!is_wanted(("Secret", None), &kinds::POD, Some("default")));
        // What is in no namespace has none, whatever its manifest says.
        assert!(is_wanted(("Node", Some("a")), &kinds::NODE, None));
    }

    #[test]
    fn the_parent_tells_which_kinds_the_set_holds() {
        let parent =
            json!({"metadata": {"annotations": {GROUP_KINDS: "Namespace,NodePool.karpenter.sh"}}});
        let kinds: Vec<_> = recorded(Some(&parent)).into_iter().collect();
        assert_eq!(kinds, ["Namespace", "NodePool.karpenter.sh"]);
        assert!(recorded(None).is_empty());
        assert!(recorded(Some(&json!({"metadata": {}}))).is_empty());
    }
}
