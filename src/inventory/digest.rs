//! One value that says whether two inventories ask for the same.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::fleet::{Inventory, Member};
use super::identity::ClusterName;
use super::node::{Node, Value};

impl Inventory {
    /// SHA-256, in hex, of every role, of every cluster's merged settings and of its manifests. A
    /// reference counts as its name, a secret that is written out as a setting doesn't count; nor do
    /// the order of keys, the format of the files, quotes, comments, and which layer a value is in.
    pub fn digest(&self) -> String {
        let clusters: JsonMap<String, Json> = self
            .members
            .iter()
            .map(|member| (member.name.to_string(), settings(member)))
            .collect();
        let mut roles = serde_json::to_value(&self.roles).unwrap_or_default();
        if let Some(roles) = roles.as_array_mut() {
            roles.sort_by_key(|role| role.get("name").map(ToString::to_string));
        }
        let whole = sorted(json!({ "roles": roles, "clusters": clusters }));
        let digest = Sha256::digest(whole.to_string());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Inventory {
    /// A digest of all settings of a cluster, as [`Self::digest`] counts them.
    pub fn settings_digest(&self, cluster: &ClusterName) -> String {
        let mut hash = Sha256::new();
        for (key, digest) in self.setting_digests(cluster) {
            hash.update(format!("{key} {digest}\n"));
        }
        let digest = hash.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A digest of each setting of a cluster by its key, as [`Self::digest`] counts them; empty for
    /// a cluster that isn't there.
    pub fn setting_digests(&self, cluster: &ClusterName) -> BTreeMap<String, String> {
        let Some(member) = self.members.iter().find(|member| member.name == *cluster) else {
            return BTreeMap::new();
        };
        let Json::Object(settings) = sorted(settings(member)) else {
            return BTreeMap::new();
        };
        let digest = |value: &Json| {
            let digest = Sha256::digest(value.to_string());
            digest
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        settings
            .iter()
            .map(|(key, value)| (key.clone(), digest(value)))
            .collect()
    }
}

fn settings(member: &Member) -> Json {
    let entries = member
        .rendered
        .iter()
        .filter(|entry| !member.is_secret_literal(&entry.key));
    let manifests = member.manifests.iter();
    Json::Object(
        entries
            .map(|entry| (entry.key.clone(), plain(&entry.node)))
            .chain(manifests.map(|file| (file.path().to_owned(), file.text().into())))
            .collect(),
    )
}

/// The value with every scalar as its text, so that 50 and "50" are the same.
fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => Json::String(scalar.text.clone()),
        Value::List(items) => Json::Array(items.iter().map(plain).collect()),
        Value::Map(map) => Json::Object(
            map.iter()
                .map(|entry| (entry.key.clone(), plain(&entry.node)))
                .collect(),
        ),
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
