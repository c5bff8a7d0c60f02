//! YAML as JSON, with its anchors and merges followed.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value as Json, json};

/// A document as JSON.
pub(super) fn read(text: &str) -> Json {
    let documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents.first().map_or(Json::Null, json_of)
}

fn json_of(yaml: &Yaml<'_>) -> Json {
    match yaml {
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let value = json_of(value);
                match (key.as_str().unwrap_or_default(), value) {
                    ("<<", Json::Object(merged)) => map.extend(merged),
                    (key, value) => {
                        map.insert(key.to_owned(), value);
                    }
                }
            }
            Json::Object(map)
        }
        _ => Json::Null,
    }
}
