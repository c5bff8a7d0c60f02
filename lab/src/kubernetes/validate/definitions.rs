//! Definitions of kinds, and objects of kinds that are defined.

use serde_json::{Value, json};

use super::super::object::Object;
use super::super::schema::members;
use super::super::status::Cause;
use super::one_of;

pub(super) fn definition(object: &Value, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let expected = format!("{}.{}", spec.text("/names/plural"), spec.text("/group"));
    if object.name() != expected {
        wrong.push(Cause::invalid(
            "metadata.name",
            &object.name().into(),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    one_of(
        &spec["scope"],
        "spec.scope",
        &["Cluster", "Namespaced"],
        wrong,
    );
    let versions = spec.list("/versions");
    if versions.iter().filter(|v| v["storage"] == true).count() != 1 {
        wrong.push(Cause::invalid(
            "spec.versions",
            &json!([]),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        if version.pointer("/schema/openAPIV3Schema").is_none() {
            let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
            wrong.push(Cause::required(&path, "schemas are required"));
        }
    }
}

/// Checks an object against the schema that its definition gives.
pub(super) fn by_schema(schema: &Value, object: &Value, wrong: &mut Vec<Cause>) {
    let Ok(validator) = jsonschema::validator_for(&as_json_schema(schema)) else {
        return;
    };
    for error in validator.iter_errors(object) {
        let path = error
            .instance_path()
            .to_string()
            .trim_start_matches('/')
            .replace('/', ".");
        let value = error.instance().clone().into_owned();
        wrong.push(Cause::invalid(&path, &value, &error.to_string()));
    }
}

/// What OpenAPI says differently from JSON Schema, in its words.
fn as_json_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let mut out = serde_json::Map::new();
            for (name, value) in map {
                match name.as_str() {
                    "properties" => {
                        let all = members(value).map(|(k, v)| (k.clone(), as_json_schema(v)));
                        out.insert(name.clone(), Value::Object(all.collect()));
                    }
                    "default" | "format" | "description" => {}
                    _ if name.starts_with("x-kubernetes") => {}
                    "type" if map.get("nullable") == Some(&Value::Bool(true)) => {
                        out.insert(name.clone(), json!([value, "null"]));
                    }
                    "enum" | "required" => {
                        out.insert(name.clone(), value.clone());
                    }
                    _ => {
                        out.insert(name.clone(), as_json_schema(value));
                    }
                }
            }
            if map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                out.insert("type".to_owned(), json!(["integer", "string"]));
            }
            Value::Object(out)
        }
        Value::Array(list) => list.iter().map(as_json_schema).collect(),
        other => other.clone(),
    }
}
