//! One value that says whether two inventories ask for the same.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::fleet::{Inventory, Member};
use super::identity::ClusterName;
use super::node::{Node, Value};

impl Inventory {
    /// SHA-256, in hex, of every role, of every cluster's merged settings and of its manifests. A
    /// reference counts as its name, a secret that is written out as a setting doesn't count; nor do
    /// the order of keys, the format of the files, quotes, comments, and which layer a value is in.
    pub fn digest(&self) -> String {
        let clusters = self.members.iter();
        let clusters: BTreeMap<String, _> = clusters
            .map(|member| (member.name.to_string(), settings(member)))
            .collect();
        let mut roles = serde_json::to_value(&self.roles).unwrap_or_default();
        if let Some(roles) = roles.as_array_mut() {
            roles.sort_by_key(|role| role.get("name").map(ToString::to_string));
        }
        #[derive(Serialize)]
        struct Whole<'a> {
            clusters: BTreeMap<String, BTreeMap<&'a str, Plain<'a>>>,
            roles: Json,
        }
        let roles = sorted(roles);
        hex(&digest(&Whole { clusters, roles }))
    }
}

impl Inventory {
    /// A digest of all settings of a cluster, as [`Self::digest`] counts them.
    pub fn settings_digest(&self, cluster: &ClusterName) -> String {
        let mut hash = Sha256::new();
        for (key, digest) in self.setting_digests(cluster) {
            hash.update(format!("{key} {digest}\n"));
        }
        hex(&hash.finalize())
    }

    /// A digest of each setting of a cluster by its key, as [`Self::digest`] counts them; empty for
    /// a cluster that isn't there.
    pub fn setting_digests(&self, cluster: &ClusterName) -> BTreeMap<String, String> {
        let member = self.members.iter().find(|member| member.name == *cluster);
        let settings = member.map(settings).unwrap_or_default().into_iter();
        settings
            .map(|(key, value)| (key.to_owned(), hex(&digest(&value)[..16])))
            .collect()
    }
}

fn digest(value: &impl Serialize) -> [u8; 32] {
    // Only keys that aren't text can't be written, and there are none.
    let text = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(text).into()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn settings(member: &Member) -> BTreeMap<&str, Plain<'_>> {
    let entries = member
        .rendered
        .iter()
        .filter(|entry| !member.is_secret_literal(&entry.key));
    let manifests = member.manifests.iter();
    entries
        .map(|entry| (entry.key.as_str(), Plain::Node(&entry.node)))
        .chain(manifests.map(|file| (file.path(), Plain::Text(file.text()))))
        .collect()
}

/// A value that is written with every scalar as its text, so that 50 and "50" are the same, and with
/// the keys of every mapping in the order of the alphabet.
enum Plain<'a> {
    Node(&'a Node),
    Text(&'a str),
}

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let node = match self {
            Self::Node(node) => node,
            Self::Text(text) => return to.serialize_str(text),
        };
        match &node.value {
            Value::Null => to.serialize_unit(),
            Value::Scalar(scalar) => to.serialize_str(&scalar.text),
            Value::List(items) => to.collect_seq(items.iter().map(Plain::Node)),
            Value::Map(map) => {
                let entries = map.iter();
                let entries: BTreeMap<_, _> = entries
                    .map(|entry| (&entry.key, Plain::Node(&entry.node)))
                    .collect();
                to.collect_map(entries)
            }
        }
    }
}

/// The value with the keys of every object in the order of the alphabet.
fn sorted(json: Json) -> Json {
    match json {
        Json::Object(map) => {
            let mut entries: Vec<(String, Json)> = map
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Json::Object(entries.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}
