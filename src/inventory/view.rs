//! The inventory for people and other programs to look at: references as references, secrets masked.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use super::fleet::{Inventory, Member, Selection};
use super::load::BUILT_IN;
use super::node::{Kind, Node, Value};
use super::source::Location;
use crate::event::ClusterRef;

/// What stands in the place of a secret that is written out in a file.
const MASK: &str = "(secret)";

/// One cluster with its merged settings, as far as they can be shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterView {
    /// The cluster's name.
    pub name: String,
    /// The role that it is in.
    pub role: String,
    /// Its region, or the reference that gives it.
    pub region: String,
    /// Its account, or the reference that gives it.
    pub account: String,
    /// The files that its settings were merged from, lowest first.
    pub layers: Vec<String>,
    /// Every setting by its key. A reference is shown as `op://…`.
    pub settings: BTreeMap<String, Json>,
    /// Where each setting, or the key of one that is a mapping, was written last.
    pub sources: BTreeMap<String, String>,
}

impl From<ClusterView> for ClusterRef {
    fn from(cluster: ClusterView) -> Self {
        Self {
            name: cluster.name,
            region: cluster.region,
            account: cluster.account,
        }
    }
}

impl Inventory {
    /// The clusters of a selection for people to look at.
    pub fn view(&self, selection: &Selection) -> Vec<ClusterView> {
        self.selected(selection).map(Member::view).collect()
    }
}

impl Member {
    fn view(&self) -> ClusterView {
        let mut settings = BTreeMap::new();
        let mut sources = BTreeMap::new();
        for entry in self.rendered.iter() {
            let shown = if self.is_secret_literal(&entry.key) {
                Json::String(MASK.to_owned())
            } else {
                shown(&entry.node)
            };
            settings.insert(entry.key.clone(), shown);
            collect_sources(&entry.key, &entry.node, &mut sources);
        }
        let text = |key: &str| {
            settings
                .get(key)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        ClusterView {
            name: self.name.to_string(),
            role: self.role.clone(),
            region: text("aws_region"),
            account: text("aws_account_id"),
            layers: self.layers.clone(),
            settings,
            sources,
        }
    }
}

/// The value as JSON. A version such as 1.30 is shown as it was written, with its zero.
fn shown(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(scalar) if scalar.kind == Kind::Number => match scalar.text.parse::<i64>() {
            Ok(number) => Json::from(number),
            Err(_) => Json::from(scalar.text.as_str()),
        },
        Value::List(items) => items.iter().map(shown).collect(),
        Value::Map(map) => {
            let entries = map
                .iter()
                .map(|entry| (entry.key.clone(), shown(&entry.node)));
            Json::Object(entries.collect())
        }
        Value::Null | Value::Scalar(_) => node.to_json(),
    }
}

fn collect_sources(path: &str, node: &Node, sources: &mut BTreeMap<String, String>) {
    match &node.value {
        Value::Map(map) if !map.is_empty() => {
            for entry in map.iter() {
                collect_sources(&format!("{path}.{}", entry.key), &entry.node, sources);
            }
        }
        _ => {
            sources.insert(path.to_owned(), source(&node.at));
        }
    }
}

fn source(at: &Location) -> String {
    if at.file() == BUILT_IN {
        BUILT_IN.to_owned()
    } else {
        at.to_string()
    }
}
