//! Definitions of kinds, and objects of kinds that are defined.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::{Value, json};

use super::super::cause::Cause;
use super::super::object::Object;
use super::super::schema::members;
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
    let stored = versions.iter().filter(|v| v["storage"] == true).count();
    if stored != 1 {
        wrong.push(Cause::invalid(
            "spec.versions",
            &spec["versions"],
            "must have exactly one version marked as storage version",
        ));
    }
    if stored == 0 {
        wrong.push(Cause::invalid(
            "status.storedVersions",
            &Value::Null,
            "must have at least one stored version",
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
        wrong.push(cause(&error));
    }
    duplicates(schema, object, "", wrong);
}

/// Items of lists that are sets or maps and are there more than once.
///
/// Source: `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype`.
fn duplicates(schema: &Value, value: &Value, path: &str, wrong: &mut Vec<Cause>) {
    for (name, member) in members(value) {
        let of_member = schema["properties"].get(name);
        let of_member = of_member.unwrap_or(&schema["additionalProperties"]);
        let dot = if path.is_empty() { "" } else { "." };
        duplicates(of_member, member, &format!("{path}{dot}{name}"), wrong);
    }
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    let key = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.clone()),
        Some("map") => Some(
            keys.into_iter()
                .flatten()
                .filter_map(|key| {
                    let key = key.as_str()?;
                    Some((key.to_owned(), item.get(key)?.clone()))
                })
                .collect(),
        ),
        _ => None,
    };
    let mut seen = Vec::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}[{index}]");
        if let Some(key) = key(item) {
            if seen.contains(&key) {
                wrong.push(Cause::duplicate(&path, &key));
            }
            seen.push(key);
        }
        duplicates(&schema["items"], item, &path, wrong);
    }
}

/// What an API server says of a value that its schema refuses.
///
/// Source: `k8s.io/apiextensions-apiserver/pkg/apiserver/validation`, and the messages of `go-openapi/errors`
/// that it passes on.
fn cause(error: &ValidationError<'_>) -> Cause {
    let path = field(&error.instance_path().to_string());
    let value = error.instance().clone().into_owned();
    let invalid = |why: String| Cause::invalid(&path, &value, &format!("{path} in body {why}"));
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let of = if path.is_empty() { "" } else { "." };
            Cause::required(&format!("{path}{of}{name}"), "")
        }
        Kind::Enum { options } => {
            let known = options.as_array().into_iter().flatten();
            let known: Vec<_> = known.map(plain).collect();
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            Cause::not_supported(&path, &plain(&value), &known)
        }
        Kind::Type { kind } => {
            let is = kind_of(&value);
            let wanted = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(_) => "integer,string".to_owned(),
            };
            let why = format!("{path} in body must be of type {wanted}: {is:?}");
            Cause::invalid(&path, &is.into(), &why)
        }
        Kind::Maximum { limit } => invalid(format!("should be less than or equal to {limit}")),
        Kind::Minimum { limit } => invalid(format!("should be greater than or equal to {limit}")),
        Kind::Pattern { pattern } => invalid(format!("should match '{pattern}'")),
        Kind::MaxLength { limit } => Cause::too_long(&path, *limit),
        Kind::MaxItems { limit } => {
            let count = value.as_array().map_or(0, Vec::len);
            Cause::too_many(&path, count, *limit)
        }
        _ => Cause::invalid(&path, &value, &error.to_string()),
    }
}

/// A JSON pointer as a field's path: `/spec/ports/0/name` is `spec.ports[0].name`.
fn field(pointer: &str) -> String {
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{segment}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(segment);
        }
    }
    path
}

/// A value without the quotes of JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The name that schemas have for a value's type.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_schema_refuses_is_told_as_an_api_server_tells_it() {
        let schema = json!({
            "type": "object", "required": ["spec"],
            "properties": { "spec": {
                "type": "object", "required": ["colour"],
                "properties": {
                    "colour": { "type": "string", "enum": ["green", "red"] },
                    "size": { "type": "integer", "minimum": 1, "maximum": 9 },
                    "name": { "type": "string", "pattern": "^[a-z]+$", "maxLength": 5 },
                    "corners": { "type": "array", "maxItems": 1, "items": {
                        "type": "object", "required": ["name"], "properties": {},
                    } },
                },
            } },
        });
        let told = |object: Value| {
            let mut wrong = Vec::new();
            by_schema(&schema, &object, &mut wrong);
            let mut told: Vec<String> = wrong.iter().map(Cause::told).collect();
            told.sort();
            told
        };
        assert_eq!(told(json!({})), ["spec: Required value"]);
        assert_eq!(told(json!({ "spec": {} })), ["spec.colour: Required value"]);
        let wrong = json!({ "colour": "blue", "size": 10, "name": "Number", "corners": [{}, {}] });
        assert_eq!(
            told(json!({ "spec": wrong })),
            [
                "spec.colour: Unsupported value: \"blue\": supported values: \"green\", \"red\"",
                "spec.corners: Too many: 2: must have at most 1 item",
                "spec.corners[0].name: Required value",
                "spec.corners[1].name: Required value",
                "spec.name: Invalid value: \"Number\": spec.name in body should match '^[a-z]+$'",
                "spec.name: Too long: may not be more than 5 bytes",
                "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9",
            ]
        );
        assert_eq!(
            told(json!({ "spec": { "colour": "red", "size": "1" } })),
            [
                "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\""
            ]
        );
    }
}
