//! What volumes hold, and held at each moment.
//!
//! A container's script is run again from its beginning whenever time has passed (see
//! [`super::shell`]), so what it writes is kept by who wrote it and when, and forgotten before it is
//! run again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shell::content::Content;

/// The files of every volume, by the volume's id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Files(BTreeMap<String, Volume>);

/// One volume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Volume {
    /// By who wrote, in the order of writing.
    writes: BTreeMap<String, Vec<Write>>,
    /// How large it has been since when, in bytes.
    sizes: Vec<(Timestamp, u64)>,
}

/// A file written or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Write {
    pub(super) at: Timestamp,
    /// From the volume's root on; empty for a device as a whole.
    pub(super) path: String,
    /// None if it was removed.
    pub(super) content: Option<Content>,
}

impl Files {
    /// The volume of that id, made if need be.
    pub(super) fn volume(&mut self, id: &str) -> &mut Volume {
        self.0.entry(id.to_owned()).or_default()
    }

    /// The volume of that id.
    pub(super) fn get(&self, id: &str) -> Option<&Volume> {
        self.0.get(id)
    }

    /// Forgets the volumes whose id begins so.
    pub(super) fn forget(&mut self, prefix: &str) {
        self.0.retain(|id, _| !id.starts_with(prefix));
    }
}

impl Volume {
    /// Replaces what someone wrote. Returns whether that is other than before.
    pub(super) fn put(&mut self, writer: &str, writes: Vec<Write>) -> bool {
        let before = self.writes.get(writer);
        if before == Some(&writes) || (before.is_none() && writes.is_empty()) {
            return false;
        }
        self.writes.insert(writer.to_owned(), writes);
        true
    }

    /// Notes that it is so large from a moment on.
    pub(super) fn resize(&mut self, at: Timestamp, bytes: u64) {
        if self.sizes.last().is_none_or(|(_, size)| *size != bytes) {
            self.sizes.push((at, bytes));
        }
    }

    /// How large it is at a moment.
    pub(super) fn size(&self, at: Timestamp) -> Option<u64> {
        let past = self.sizes.iter().rev().find(|(since, _)| *since <= at);
        past.or(self.sizes.first()).map(|(_, size)| *size)
    }

    /// When something was changed for the first time after a moment, by others than one.
    pub(super) fn next_change(&self, but: &str, after: Timestamp) -> Option<Timestamp> {
        let writes = self.writes.iter().filter(|(writer, _)| *writer != but);
        let writes = writes.flat_map(|(_, writes)| writes).map(|write| write.at);
        let sizes = self.sizes.iter().map(|(at, _)| *at);
        writes.chain(sizes).filter(|at| *at > after).min()
    }

    /// What others than one wrote by a moment to a path: the last of it.
    pub(super) fn read(&self, path: &str, but: &str, at: Timestamp) -> Option<&Write> {
        self.others(but, at)
            .filter(|write| write.path == path)
            .max_by_key(|write| write.at)
    }

    /// Paths that others than one wrote to by a moment.
    pub(super) fn paths(&self, but: &str, at: Timestamp) -> BTreeSet<&str> {
        self.others(but, at)
            .map(|write| write.path.as_str())
            .collect()
    }

    fn others<'a>(&'a self, but: &str, at: Timestamp) -> impl Iterator<Item = &'a Write> + use<'a> {
        let but = but.to_owned();
        self.writes
            .iter()
            .filter(move |(writer, _)| writer.as_str() != but)
            .flat_map(|(_, writes)| writes)
            .filter(move |write| write.at <= at)
    }
}
