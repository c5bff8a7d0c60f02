//! What is inside one cluster: its objects, and what happened to them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::facts::{Addon, Facts};
use super::files::Files;
use super::logs::Logs;
use super::object::{Object, key, key_of};
use super::planted::Planted;
use super::timers::Timers;
use super::troubles::Trouble;
use super::{kinds, object};
use crate::ids::{digest, stable_base32, uuid_from};

/// How many changes are remembered for those who watch. A real server forgets after five minutes.
const REMEMBERED: usize = 4000;
/// The revision that a new cluster begins with.
const FIRST_REVISION: u64 = 1000;

/// What is inside one cluster. All of it is data.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Inside {
    /// Ids and names are drawn from this.
    seed: String,
    issued: u64,
    pub(super) revision: u64,
    /// By the kind's qualified name, then by namespace and name.
    #[serde(with = "kept")]
    objects: Objects,
    /// Not kept: who watches a cluster that was kept begins anew, as after a compaction.
    #[serde(skip)]
    history: VecDeque<Change>,
    pub(super) timers: Timers,
    /// What volumes hold.
    pub(super) files: Files,
    /// What containers have said.
    pub(super) logs: Logs,
    /// What was installed: what it was like then, by kind and name.
    pub(super) installed: BTreeMap<String, String>,
    /// What it has from the start; taken once that is there.
    pub(super) planted: Option<Planted>,
    /// Until when its API server is away.
    pub away_until: Option<Timestamp>,
    /// What goes wrong in it.
    pub troubles: Vec<Trouble>,
    /// Something has changed since the controllers last looked.
    #[serde(skip)]
    pub(super) stirred: bool,
    /// What AWS said when they did.
    #[serde(skip)]
    pub(super) seen: Option<Facts>,
    /// The revision at which objects of a kind last changed, by kind.
    #[serde(skip)]
    changed: BTreeMap<String, u64>,
    /// The revision that a controller has seen, by its number.
    #[serde(skip)]
    rested: BTreeMap<usize, u64>,
    /// How many objects have gone.
    #[serde(skip)]
    pub(super) deletions: u64,
    /// The add-ons as they were last brought in, and how many objects had gone by then.
    #[serde(skip)]
    pub(super) addons: Option<(Vec<Addon>, u64)>,
}

/// Objects by kind, namespace and name. What is there and what was there are the same in memory for as
/// long as nothing changes.
type Objects = BTreeMap<String, BTreeMap<String, Arc<Value>>>;

/// Objects as they are kept in a file.
mod kept {
    use serde::{Deserializer, Serializer};

    use super::*;

    pub(super) fn serialize<S: Serializer>(objects: &Objects, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(objects.iter().map(|(kind, all)| {
            let all: BTreeMap<&str, &Value> = all
                .iter()
                .map(|(key, object)| (key.as_str(), &**object))
                .collect();
            (kind, all)
        }))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Objects, D::Error> {
        let kinds = BTreeMap::<String, BTreeMap<String, Value>>::deserialize(from)?;
        let shared = |all: BTreeMap<String, Value>| {
            let all = all.into_iter();
            all.map(|(key, object)| (key, Arc::new(object))).collect()
        };
        let kinds = kinds.into_iter();
        Ok(kinds.map(|(kind, all)| (kind, shared(all))).collect())
    }
}

/// One change of one object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) kind: String,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

impl Inside {
    /// The inside of a new cluster; `seed` is what its ids are drawn from.
    pub fn new(seed: &str) -> Self {
        Self {
            seed: seed.to_owned(),
            revision: FIRST_REVISION,
            stirred: true,
            ..Self::default()
        }
    }

    /// The same with more in it.
    pub(crate) fn with(seed: &str, planted: Planted) -> Self {
        Self {
            planted: Some(planted),
            ..Self::new(seed)
        }
    }

    /// Whether nobody has looked at it yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.revision == FIRST_REVISION && self.objects.is_empty()
    }

    /// The object of that name. `kind` is the plural with its group (`deployments.apps`).
    pub fn get(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<&Value> {
        self.stored(kind, namespace, name).map(|object| &**object)
    }

    /// The same, to be kept while others are changed.
    pub(super) fn stored(
        &self,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<&Arc<Value>> {
        self.objects.get(kind)?.get(&key(namespace, name))
    }

    /// Every object of a kind, by namespace and name.
    pub fn every(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Value> + use<'_> {
        self.shared(kind).map(|object| &**object)
    }

    /// Every object of a kind, to be kept while others are changed.
    pub(super) fn shared(
        &self,
        kind: &str,
    ) -> impl DoubleEndedIterator<Item = &Arc<Value>> + use<'_> {
        self.objects
            .get(kind)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// The objects of a kind in one namespace.
    pub fn within<'a>(&'a self, kind: &str, namespace: &'a str) -> impl Iterator<Item = &'a Value> {
        self.every(kind)
            .filter(move |object| object.namespace() == Some(namespace))
    }

    /// The kinds of which there are objects.
    pub(super) fn kinds(&self) -> Vec<String> {
        let some = self.objects.iter().filter(|(_, all)| !all.is_empty());
        some.map(|(kind, _)| kind.clone()).collect()
    }

    /// Puts an object there as it is, new or in the place of one, behind everyone's back. Returns
    /// whether the API has such a kind.
    pub fn put(&mut self, object: Value, now: Timestamp) -> bool {
        let Some(kind) = kinds::of(self, &object) else {
            return false;
        };
        let namespace = object.namespace().map(str::to_owned);
        let name = object.name().to_owned();
        if self
            .get(&kind.qualified(), namespace.as_deref(), &name)
            .is_some()
        {
            self.change(&kind.qualified(), namespace.as_deref(), &name, |there| {
                let metadata = there["metadata"].clone();
                *there = object;
                for member in ["uid", "creationTimestamp", "generation"] {
                    if let Some(value) = metadata.get(member) {
                        there["metadata"][member] = value.clone();
                    }
                }
            });
        } else {
            self.create(&kind.qualified(), object, now);
        }
        true
    }

    /// Takes an object away at once, whatever its finalizers say. Returns it, if it was there.
    pub fn delete(&mut self, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let gone = self.objects.get_mut(kind)?.remove(&key(namespace, name))?;
        self.deletions += 1;
        self.timers.forget(gone.uid());
        self.logs.forget(gone.uid());
        self.revision += 1;
        // A deletion has a revision of its own, which watchers see.
        let mut gone = Arc::unwrap_or_clone(gone);
        gone["metadata"]["resourceVersion"] = self.revision.to_string().into();
        self.remember(kind, Some(Arc::new(gone.clone())), None);
        Some(gone)
    }

    /// Puts in a new object, with what the server adds to each.
    pub(super) fn create(&mut self, kind: &str, mut object: Value, now: Timestamp) -> Arc<Value> {
        let uid = self.uid();
        let generation = kinds::stored(self, kind).is_some_and(|k| k.has_generation());
        object::set_metadata(&mut object, "uid", uid);
        object::set_metadata(&mut object, "creationTimestamp", object::time(now));
        if generation {
            object::set_metadata(&mut object, "generation", 1);
        }
        self.store(kind, None, object)
    }

    /// Changes an object, if it is there. A change that changes nothing leaves its revision.
    pub(super) fn change(
        &mut self,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Arc<Value>> {
        let before = Arc::clone(self.stored(kind, namespace, name)?);
        let mut after = Value::clone(&before);
        change(&mut after);
        if after == *before {
            return Some(before);
        }
        Some(self.store(kind, Some(before), after))
    }

    /// Changes an object's status. Only that and the generation are shown, so that a controller that
    /// finds nothing new copies little.
    pub(super) fn change_status(
        &mut self,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let Some(before) = self.stored(kind, namespace, name).cloned() else {
            return;
        };
        let mut seen = json!({
            "metadata": { "generation": before["metadata"]["generation"] },
            "status": before["status"],
        });
        change(&mut seen);
        let status = seen["status"].take();
        if status != before["status"] {
            self.change(kind, namespace, name, |object| object["status"] = status);
        }
    }

    fn store(&mut self, kind: &str, before: Option<Arc<Value>>, mut after: Value) -> Arc<Value> {
        self.revision += 1;
        object::set_metadata(&mut after, "resourceVersion", self.revision.to_string());
        let after = Arc::new(after);
        let of_kind = self.objects.entry(kind.to_owned()).or_default();
        of_kind.insert(key_of(&after), after.clone());
        self.remember(kind, before, Some(after.clone()));
        after
    }

    /// Writes an object that was read before, with a new revision.
    pub(super) fn replace(&mut self, kind: &str, after: Value) -> Arc<Value> {
        let before = self.stored(kind, after.namespace(), after.name()).cloned();
        self.store(kind, before, after)
    }

    /// Whether nothing has changed of these kinds since a controller last looked, which goes by nothing
    /// else.
    pub(super) fn is_at_rest(&self, controller: usize, by: &[&str]) -> bool {
        let seen = self.rested.get(&controller);
        !by.is_empty()
            && seen.is_some_and(|seen| {
                let mut changed = by.iter().filter_map(|kind| self.changed.get(*kind));
                changed.all(|revision| revision <= seen)
            })
    }

    /// Notes that a controller has seen all up to a revision.
    pub(super) fn rest(&mut self, controller: usize, revision: u64) {
        self.rested.insert(controller, revision);
    }

    /// Lets every controller look again: what befalls the cluster may have changed.
    pub(super) fn stir(&mut self) {
        self.stirred = true;
        self.rested.clear();
    }

    fn remember(&mut self, kind: &str, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        // Nothing in the cluster reacts to these.
        const QUIET: [&str; 2] = ["events", "leases.coordination.k8s.io"];
        self.stirred |= !QUIET.contains(&kind);
        match self.changed.get_mut(kind) {
            Some(changed) => *changed = self.revision,
            None => drop(self.changed.insert(kind.to_owned(), self.revision)),
        }
        if self.history.len() == REMEMBERED {
            self.history.pop_front();
        }
        self.history.push_back(Change {
            revision: self.revision,
            kind: kind.to_owned(),
            before,
            after,
        });
    }

    /// The changes of a kind after a revision, oldest first; none if they are forgotten.
    pub(super) fn since<'a>(
        &'a self,
        kind: &'a str,
        revision: u64,
    ) -> Option<impl DoubleEndedIterator<Item = &'a Change>> {
        let oldest = self
            .history
            .front()
            .map_or(self.revision + 1, |c| c.revision);
        (revision + 1 >= oldest).then(|| {
            let from = self.history.partition_point(|c| c.revision <= revision);
            self.history.range(from..).filter(move |c| c.kind == kind)
        })
    }

    /// Objects of a kind as they were at a revision; none if that is forgotten.
    pub(super) fn at(&self, kind: &str, revision: u64) -> Option<BTreeMap<String, Arc<Value>>> {
        let mut objects = self.objects.get(kind).cloned().unwrap_or_default();
        if revision == self.revision {
            return Some(objects);
        }
        for change in self.since(kind, revision)?.rev() {
            match (&change.before, &change.after) {
                (Some(before), _) => objects.insert(key_of(before), before.clone()),
                (None, Some(after)) => objects.remove(&key_of(after)),
                (None, None) => None,
            };
        }
        Some(objects)
    }

    /// Forgets what happened, as a compaction does: who watches or pages must begin anew.
    pub fn compact(&mut self) {
        self.history.clear();
        self.revision += 1;
    }

    /// A new UUID.
    pub(super) fn uid(&mut self) -> String {
        self.issued += 1;
        uuid_from(digest(&["uid", &self.seed, &self.issued.to_string()]))
    }

    /// Five characters, as the server puts behind `generateName`.
    pub(super) fn suffix(&mut self) -> String {
        self.issued += 1;
        // Without vowels and what looks alike, so that no words come about.
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        digest(&["suffix", &self.seed, &self.issued.to_string()])
            .iter()
            .take(5)
            .map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()]))
            .collect()
    }

    /// An id of seventeen hexadecimal digits that these names always have in this cluster.
    pub(super) fn stable(&self, names: &[&str]) -> String {
        let mut all = vec![self.seed.as_str()];
        all.extend(names);
        crate::ids::stable_hex(16, &all)
    }

    /// A short word that these names always have in this cluster.
    pub(super) fn word(&self, length: usize, names: &[&str]) -> String {
        let mut all = vec![self.seed.as_str()];
        all.extend(names);
        stable_base32(length, &all).to_lowercase()
    }

    /// Tells of something that happened to an object, as controllers do. The same thing told again
    /// is counted.
    pub(super) fn tell(
        &mut self,
        about: &Value,
        by: &str,
        (kind, reason): (&str, &str),
        message: &str,
        now: Timestamp,
    ) {
        let namespace = about.namespace().unwrap_or("default").to_owned();
        let names = [about.uid(), reason, message];
        let name = format!("{}.{}", about.name(), self.stable(&names));
        let again = self.change("events", Some(&namespace), &name, |event| {
            event["count"] = (event["count"].as_i64().unwrap_or(1) + 1).into();
            event["lastTimestamp"] = object::time(now);
        });
        if again.is_some() {
            return;
        }
        let mut involved = json!({
            "apiVersion": about["apiVersion"], "kind": about["kind"], "name": about.name(),
            "uid": about.uid(), "resourceVersion": about["metadata"]["resourceVersion"],
        });
        if let Some(namespace) = about.namespace() {
            involved["namespace"] = namespace.into();
        }
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": involved,
            "reason": reason, "message": message, "type": kind, "count": 1,
            "firstTimestamp": object::time(now), "lastTimestamp": object::time(now),
            "source": { "component": by }, "reportingComponent": by, "reportingInstance": "",
        });
        self.create("events", event, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    fn namespace(name: &str) -> Value {
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
    }

    #[test]
    fn the_past_can_be_seen_until_it_is_forgotten() {
        let mut inside = Inside::new("c");
        inside.put(namespace("a"), now());
        inside.put(namespace("b"), now());
        let then = inside.revision;
        inside.delete("namespaces", None, "a");
        inside.put(namespace("c"), now());
        inside.change("namespaces", None, "b", |b| b["x"] = 1.into());

        let before = inside.at("namespaces", then).unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(before["b"].get("x").is_none());
        assert_eq!(inside.since("namespaces", then).unwrap().count(), 3);

        inside.compact();
        assert!(inside.at("namespaces", then).is_none());
        assert!(inside.since("namespaces", then).is_none());
        assert!(inside.since("namespaces", inside.revision).is_some());
    }

    #[test]
    fn a_change_that_changes_nothing_keeps_the_revision() {
        let mut inside = Inside::new("c");
        inside.put(namespace("a"), now());
        let revision = inside.revision;
        inside.change("namespaces", None, "a", |_| {});
        assert_eq!(inside.revision, revision);
    }

    #[test]
    fn what_is_told_again_is_counted() {
        let mut inside = Inside::new("c");
        inside.put(namespace("a"), now());
        let about = inside.get("namespaces", None, "a").unwrap().clone();
        for _ in 0..3 {
            inside.tell(&about, "tests", ("Warning", "Odd"), "it is odd", now());
        }
        let events: Vec<_> = inside.every("events").collect();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["count"], 3);
    }
}
