//! What each peer checked, written down in `checked/` so that a page can be made of it, and held to what it checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::harness::repository;

/// What one peer checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checked {
    /// Operations, as `service:Operation`.
    pub(crate) operations: Vec<String>,
    /// What the peer itself gets wrong, with the reason.
    pub(crate) faults: Vec<String>,
}

/// Holds what is written down of a peer to what it has just checked.
#[track_caller]
pub(crate) fn hold(peer: &str, operations: Vec<String>, faults: Vec<String>) {
    let checked = Checked { operations, faults };
    if all().get(peer) == Some(&checked) {
        return;
    }
    let file = folder().join(format!("{peer}.json"));
    fs::create_dir_all(folder()).unwrap();
    let text = serde_json::to_string_pretty(&checked).unwrap();
    fs::write(&file, text + "\n").unwrap();
    panic!(
        "{} was stale; it is written anew: look at it and commit it",
        file.display()
    );
}

/// All that is written down, by peer.
pub(crate) fn all() -> BTreeMap<String, Checked> {
    let files = fs::read_dir(folder()).into_iter().flatten();
    let files = files.map(|file| file.unwrap().path());
    files
        .map(|file| {
            let peer = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&file).unwrap();
            (peer, serde_json::from_str(&text).unwrap())
        })
        .collect()
}

fn folder() -> PathBuf {
    repository().join("tests/conformance/checked")
}
