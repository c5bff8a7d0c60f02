//! Objects that clients written in Go send in Kubernetes' own wire format, as far as such clients send
//! any here: what they keep in secrets and config maps, and how they delete.
//!
//! Source: "Kubernetes Protobuf encoding" in the Kubernetes documentation; field numbers by
//! `generated.proto` of k8s.io/api/core/v1 and k8s.io/apimachinery/pkg/apis/meta/v1.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Bytes,
    Flag,
    Number,
    Texts,
    TextMap,
    BytesMap,
    Message(&'static [Field]),
}

/// A field by its number.
#[derive(Debug, Clone, Copy)]
struct Field(u64, &'static str, Shape);

const METADATA: &[Field] = &[
    Field(1, "name", Shape::Text),
    Field(2, "generateName", Shape::Text),
    Field(3, "namespace", Shape::Text),
    Field(5, "uid", Shape::Text),
    Field(6, "resourceVersion", Shape::Text),
    Field(11, "labels", Shape::TextMap),
    Field(12, "annotations", Shape::TextMap),
    Field(14, "finalizers", Shape::Texts),
];

const SECRET: &[Field] = &[
    Field(1, "metadata", Shape::Message(METADATA)),
    Field(2, "data", Shape::BytesMap),
    Field(3, "type", Shape::Text),
    Field(4, "stringData", Shape::TextMap),
    Field(5, "immutable", Shape::Flag),
];

const CONFIG_MAP: &[Field] = &[
    Field(1, "metadata", Shape::Message(METADATA)),
    Field(2, "data", Shape::TextMap),
    Field(3, "binaryData", Shape::BytesMap),
    Field(4, "immutable", Shape::Flag),
];

const PRECONDITIONS: &[Field] = &[
    Field(1, "uid", Shape::Text),
    Field(2, "resourceVersion", Shape::Text),
];

const DELETE_OPTIONS: &[Field] = &[
    Field(1, "gracePeriodSeconds", Shape::Number),
    Field(2, "preconditions", Shape::Message(PRECONDITIONS)),
    Field(3, "orphanDependents", Shape::Flag),
    Field(4, "propagationPolicy", Shape::Text),
    Field(5, "dryRun", Shape::Texts),
];

const TYPE: &[Field] = &[
    Field(1, "apiVersion", Shape::Text),
    Field(2, "kind", Shape::Text),
];

const ENVELOPE: &[Field] = &[
    Field(1, "type", Shape::Message(TYPE)),
    Field(2, "raw", Shape::Bytes),
];

/// The object in a body; `None` if it is none, or of a kind that isn't known here.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    let envelope = message(body.strip_prefix(MAGIC)?, ENVELOPE)?;
    let fields = match envelope["type"]["kind"].as_str()? {
        "Secret" => SECRET,
        "ConfigMap" => CONFIG_MAP,
        "DeleteOptions" => DELETE_OPTIONS,
        _ => return None,
    };
    let raw = BASE64.decode(envelope["raw"].as_str()?.as_bytes()).ok()?;
    let mut object = message(&raw, fields)?;
    object["apiVersion"] = envelope["type"]["apiVersion"].clone();
    object["kind"] = envelope["type"]["kind"].clone();
    Some(object)
}

/// A message as JSON. Fields that aren't known are left out.
fn message(bytes: &[u8], fields: &[Field]) -> Option<Value> {
    let mut found = Map::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (number, wire) = next(&mut rest)?;
        let Some(Field(_, name, shape)) = fields.iter().find(|field| field.0 == number) else {
            continue;
        };
        let name = (*name).to_owned();
        match (shape, wire) {
            (Shape::Text, Wire::Bytes(bytes)) => {
                let text = text(bytes)?;
                if !text.is_empty() {
                    found.insert(name, text.into());
                }
            }
            (Shape::Bytes, Wire::Bytes(bytes)) => {
                found.insert(name, BASE64.encode(bytes).into());
            }
            (Shape::Flag, Wire::Number(number)) => {
                found.insert(name, (number != 0).into());
            }
            (Shape::Number, Wire::Number(number)) => {
                found.insert(name, i64::from_ne_bytes(number.to_ne_bytes()).into());
            }
            (Shape::Texts, Wire::Bytes(bytes)) => {
                let all = found.entry(name).or_insert_with(|| json!([]));
                all.as_array_mut()?.push(text(bytes)?.into());
            }
            (Shape::TextMap | Shape::BytesMap, Wire::Bytes(bytes)) => {
                let value = match shape {
                    Shape::TextMap => Shape::Text,
                    _ => Shape::Bytes,
                };
                let entry = [Field(1, "key", Shape::Text), Field(2, "value", value)];
                let entry = message(bytes, &entry)?;
                let key = entry["key"].as_str().unwrap_or_default().to_owned();
                let value = entry.get("value").cloned().unwrap_or_else(|| "".into());
                let all = found.entry(name).or_insert_with(|| json!({}));
                all.as_object_mut()?.insert(key, value);
            }
            (Shape::Message(fields), Wire::Bytes(bytes)) => {
                found.insert(name, message(bytes, fields)?);
            }
            _ => return None,
        }
    }
    Some(Value::Object(found))
}

/// What stands on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes that no field here has.
    Fixed,
}

/// The next field's number and content.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let key = varint(rest)?;
    let wire = match key & 7 {
        0 => Wire::Number(varint(rest)?),
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Wire::Bytes(take(rest, length)?)
        }
        1 => take(rest, 8).map(|_| Wire::Fixed)?,
        5 => take(rest, 4).map(|_| Wire::Fixed)?,
        _ => return None,
    };
    Some((key >> 3, wire))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        assert!(length < 0x80);
        [&[number << 3 | 2, length], bytes].concat()
    }

    fn body(kind: &str, raw: &[u8]) -> Vec<u8> {
        let about = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [
            MAGIC.to_vec(),
            field(1, &about),
            field(2, raw),
            field(4, b""),
        ]
        .concat()
    }

    #[test]
    fn a_secret_is_read_as_its_json_would_be() {
        let label = [field(1, b"owner"), field(2, b"helm")].concat();
        let metadata = [field(1, b"s"), field(3, b"n"), field(11, &label)].concat();
        let entry = [field(1, b"release"), field(2, b"abc")].concat();
        let raw = [
            field(1, &metadata),
            field(2, &entry),
            field(3, b"t"),
            vec![0x28, 1],
        ]
        .concat();
        assert_eq!(
            decode(&body("Secret", &raw)).unwrap(),
            json!({
                "metadata": { "name": "s", "namespace": "n", "labels": { "owner": "helm" } },
                "data": { "release": "YWJj" }, "type": "t", "immutable": true,
                "apiVersion": "v1", "kind": "Secret",
            })
        );
    }

    #[test]
    fn options_of_a_deletion_are_read() {
        let raw = [vec![0x08, 0xac, 0x02], field(4, b"Background")].concat();
        let options = decode(&body("DeleteOptions", &raw)).unwrap();
        assert_eq!(options["gracePeriodSeconds"], 300);
        assert_eq!(options["propagationPolicy"], "Background");
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_none() {
        let whole = body("Secret", &field(3, b"type"));
        assert!(decode(&whole).is_some());
        assert!(decode(&whole[..whole.len() - 3]).is_none());
        assert!(decode(b"{}").is_none());
        assert!(decode(&body("Pod", b"")).is_none());
    }
}
