//! JSON Schemas of the inventory's files, for editors and for `docs/schema/`.

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema as _, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use super::addons::Addon;
use super::identity::ClusterName;
use super::parse::parse;
use super::pipeline::Pipeline;
use super::role::Role;
use super::settings::Settings;
use super::source::Source;

/// Matches a text with a template in it, and so any text that psk makes a value of.
const TEMPLATE: &str = r"\{[{%]";

/// A kind of file in the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A role's file, `roles/<role>.yaml`.
    Role,
    /// A layer of settings, `environments/<layer>.yaml`.
    Environment,
    /// The pipeline's own file, `psk.yaml`.
    Pipeline,
}

impl FileKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Role, Self::Environment, Self::Pipeline];

    /// The name of the kind's schema in `docs/schema/`.
    pub fn schema_file(self) -> &'static str {
        match self {
            Self::Role => "role.schema.json",
            Self::Environment => "environment.schema.json",
            Self::Pipeline => "psk.schema.json",
        }
    }

    /// The kind's JSON Schema (draft 7, which every editor reads), as pretty JSON with a newline at
    /// its end.
    pub fn schema(self) -> String {
        let mut schema = match self {
            Self::Role => generator().into_root_schema_for::<Role>(),
            Self::Environment => environment(&mut generator()),
            Self::Pipeline => generator().into_root_schema_for::<Pipeline>(),
        };
        unwrap_descriptions(&mut schema);
        schema.insert("title".to_owned(), json!(self.title()));
        let meta = "http://json-schema.org/draft-07/schema#";
        let mut whole = Map::from_iter([("$schema".to_owned(), json!(meta))]);
        if let Json::Object(schema) = schema.to_value() {
            whole.extend(schema.into_iter().filter(|(key, _)| key != "$schema"));
        }
        format!("{:#}\n", Json::Object(whole))
    }

    fn title(self) -> &'static str {
        match self {
            Self::Role => "psk: a role (roles/<role>.yaml)",
            Self::Environment => "psk: a layer of settings (environments/<layer>.yaml)",
            Self::Pipeline => "psk: the pipeline (psk.yaml)",
        }
    }
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
}

/// A layer: any of the settings, each also as a template, and numbers and flags also as strings.
fn environment(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Settings::json_schema(generator);
    accept_text(&mut schema);
    partial(&mut schema);
    for part in ["karpenter", "storage_classes", "verify"] {
        if let Some(part) = property(&mut schema, part) {
            partial(part);
        }
    }
    if let Some(classes) = property(&mut schema, "storage_classes") {
        for class in ["ebs", "efs"] {
            if let Some(class) = property(classes, class) {
                partial(class);
            }
        }
    }
    for (key, value) in defaults() {
        if let Some(property) = property(&mut schema, &key) {
            property.insert("default".to_owned(), value);
        }
    }
    schema
}

/// Takes back that keys are required: a layer needn't have them all.
fn partial(schema: &mut Schema) {
    schema.remove("required");
}

fn property<'a>(schema: &'a mut Schema, key: &str) -> Option<&'a mut Schema> {
    let property = schema.get_mut("properties")?.get_mut(key)?;
    <&mut Schema>::try_from(property).ok()
}

/// What psk takes where no file says otherwise.
fn defaults() -> Vec<(String, Json)> {
    let source = Source::new("", include_str!("defaults.yaml"));
    let map = parse(&source, &mut Vec::new()).unwrap_or_default();
    map.into_iter()
        .map(|entry| (entry.key, entry.node.to_json()))
        .collect()
}

/// Doc comments are wrapped for the code's sake; a description isn't.
fn unwrap_descriptions(schema: &mut Schema) {
    transform_subschemas(&mut unwrap_descriptions, schema);
    if let Some(Json::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

/// Lets every value be given as text too: numbers and flags in quotes, anything as a template.
fn accept_text(schema: &mut Schema) {
    transform_subschemas(&mut accept_text, schema);
    let kind = match schema.get("type") {
        // What may be left out may also be null.
        Some(Json::Array(kinds)) => kinds.first(),
        kind => kind,
    };
    let text = match kind.and_then(Json::as_str) {
        Some("integer" | "number") => format!("^[0-9]+$|{TEMPLATE}"),
        Some("boolean") => format!("^(true|false)$|{TEMPLATE}"),
        Some("string") if schema.get("pattern").is_some() || schema.get("enum").is_some() => {
            TEMPLATE.to_owned()
        }
        _ => return,
    };
    let mut value = std::mem::take(schema.ensure_object());
    let mut outer = Map::new();
    for key in ["description", "default"] {
        if let Some(kept) = value.remove(key) {
            outer.insert(key.to_owned(), kept);
        }
    }
    outer.insert(
        "anyOf".to_owned(),
        json!([value, { "type": "string", "pattern": text }]),
    );
    *schema = Schema::from(outer);
}

/// Add-ons: names or mappings.
pub(crate) fn addons(generator: &mut SchemaGenerator) -> Schema {
    let addon = generator.subschema_for::<Addon>();
    json_schema!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, addon] } })
}

/// A role's clusters: names with settings, or only names.
pub(crate) fn clusters(generator: &mut SchemaGenerator) -> Schema {
    let name = generator.subschema_for::<ClusterName>();
    let settings = environment(generator);
    json_schema!({
        "anyOf": [
            {
                "type": "object",
                "propertyNames": name,
                "additionalProperties": { "anyOf": [settings, { "type": "null" }] },
                "minProperties": 1,
            },
            { "type": "array", "items": name, "minItems": 1 },
        ]
    })
}

/// A reference to a vault, and nothing else.
pub(crate) fn reference(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": r"^\s*\{\{-?\s*op://[^/{}]+(/[^/{}]+){2,3}\}\}\s*$",
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_committed_schemas_are_fresh() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
        for kind in FileKind::ALL {
            let committed = std::fs::read_to_string(folder.join(kind.schema_file()));
            assert_eq!(
                committed.unwrap_or_default(),
                kind.schema(),
                "docs/schema/{} is stale: refresh it with `psk inventory schema --write docs/schema`",
                kind.schema_file()
            );
        }
    }

    #[test]
    fn every_default_is_the_default_of_a_known_setting() {
        let mut schema = environment(&mut generator());
        for (key, _) in defaults() {
            assert!(property(&mut schema, &key).is_some(), "{key}");
        }
    }
}
