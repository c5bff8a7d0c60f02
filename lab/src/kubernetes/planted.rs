//! What a cluster has in it when the world begins, besides what every cluster has.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::apply::Manager;
use super::inside::Inside;
use super::kinds::{self, CHARTS_GROUP};
use super::object::Object;
use super::write::{Patch, Writing};

/// Objects, and the charts that were installed before them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Planted {
    /// Who applied the objects.
    pub manager: String,
    /// The objects.
    pub objects: Vec<Value>,
    /// Charts: release and chart have one name.
    pub charts: Vec<Chart>,
}

/// A chart that is installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it was given.
    pub values: Value,
}

impl Planted {
    /// The releases to make before the objects.
    pub(super) fn releases(&self) -> Vec<Value> {
        self.charts
            .iter()
            .map(|chart| {
                json!({
                    "apiVersion": format!("{CHARTS_GROUP}/v1"), "kind": "Release",
                    "metadata": { "name": chart.name, "namespace": "kube-system" },
                    "spec": { "chart": chart.name, "version": chart.version, "values": chart.values },
                })
            })
            .collect()
    }

    /// Applies the objects. What the API doesn't take is left out, and told in the log.
    pub(super) fn apply(&self, inside: &mut Inside, now: Timestamp) {
        for object in &self.objects {
            let Some(kind) = kinds::of(inside, object) else {
                tracing::warn!(
                    kind = object.text("/kind"),
                    "a seeded object's kind isn't served"
                );
                continue;
            };
            let namespace = kind
                .namespaced
                .then(|| object.namespace().unwrap_or("default").to_owned());
            let writing = Writing {
                kind: &kind,
                namespace: namespace.as_deref(),
                manager: Manager {
                    name: &self.manager,
                    applies: true,
                    subresource: None,
                },
                dry_run: false,
                validation: "Strict",
                now,
            };
            let patch = Patch::Apply {
                object: object.clone(),
                force: true,
            };
            if let Err(error) = writing.patch(inside, object.name(), patch) {
                tracing::warn!(
                    name = object.name(),
                    error = error.message,
                    "a seeded object is refused"
                );
            }
        }
    }
}
