//! Definitions of further kinds: accepted and served at once.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::inside::Inside;
use super::super::kinds::DEFINITIONS;
use super::super::object::{Object, set_condition};
use super::super::write::CLEAN_UP;
use super::garbage::let_go;

/// Whether a definition is accepted as it is.
fn is_established(definition: &Value) -> bool {
    definition.condition("NamesAccepted") == "True"
        && definition.condition("Established") == "True"
        && definition["status"]["acceptedNames"] == definition["spec"]["names"]
}

/// Establishes definitions, and takes the objects of those that go away with them.
pub(super) fn run(inside: &mut Inside, now: Timestamp) {
    let all: Vec<Value> = inside
        .every(DEFINITIONS)
        .filter(|definition| definition.is_going() || !is_established(definition))
        .cloned()
        .collect();
    for definition in all {
        let name = definition.name();
        if definition.is_going() {
            let left: Vec<(Option<String>, String)> = inside
                .every(name)
                .map(|o| (o.namespace().map(str::to_owned), o.name().to_owned()))
                .collect();
            for (namespace, object) in left {
                inside.delete(name, namespace.as_deref(), &object);
            }
            let_go(inside, DEFINITIONS, &definition, CLEAN_UP);
            continue;
        }
        inside.change(DEFINITIONS, None, name, |definition| {
            let names = definition["spec"]["names"].clone();
            definition["status"]["acceptedNames"] = names;
            let versions: Vec<Value> = definition
                .list("/spec/versions")
                .iter()
                .filter(|version| version["storage"] == true)
                .map(|version| version["name"].clone())
                .collect();
            if definition["status"]["storedVersions"]
                .as_array()
                .is_none_or(Vec::is_empty)
            {
                definition["status"]["storedVersions"] = json!(versions);
            }
            set_condition(
                definition,
                "NamesAccepted",
                true,
                ("NoConflicts", "no conflicts found"),
                now,
            );
            set_condition(
                definition,
                "Established",
                true,
                (
                    "InitialNamesAccepted",
                    "the initial names have been accepted",
                ),
                now,
            );
        });
    }
}
