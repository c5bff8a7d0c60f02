//! Settings in layers: later wins, key by key.

use super::node::{Map, Node, Value};

/// `base` with `layer` laid over it. Mappings merge key by key at every depth; of anything else,
/// lists included, the later value stands alone. A later null takes the earlier value away. Every
/// value keeps the place where it was written.
pub(crate) fn merge(mut base: Map, layer: Map) -> Map {
    for entry in layer {
        match base.get_mut(&entry.key) {
            None => base.push(entry),
            Some(earlier) => {
                earlier.key_at = entry.key_at;
                let value = std::mem::replace(&mut earlier.node.value, Value::Null);
                earlier.node = over(value, entry.node);
            }
        }
    }
    base
}

fn over(earlier: Value, later: Node) -> Node {
    match (earlier, later) {
        (
            Value::Map(earlier),
            Node {
                at,
                value: Value::Map(later),
            },
        ) => Node {
            at,
            value: Value::Map(merge(earlier, later)),
        },
        (_, later) => later,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::super::parse::parse;
    use super::super::source::Source;
    use super::*;

    fn map(json: &Json) -> Map {
        parse(
            &Source::new("layer.json", json.to_string()),
            &mut Vec::new(),
        )
        .unwrap()
    }

    fn merged(layers: &[&Json]) -> Json {
        let map = layers
            .iter()
            .fold(Map::default(), |base, layer| merge(base, map(layer)));
        json(&map)
    }

    fn json(map: &Map) -> Json {
        Json::Object(
            map.iter()
                .map(|e| (e.key.clone(), e.node.to_json()))
                .collect(),
        )
    }

    #[test]
    fn maps_merge_and_lists_replace() {
        let base = json!({"tags": {"a": 1, "b": 2}, "list": [1, 2], "x": "base"});
        let layer = json!({"tags": {"b": 3, "c": null}, "list": [3], "y": "layer"});
        assert_eq!(
            merged(&[&base, &layer]),
            json!({"tags": {"a": 1, "b": 3, "c": null}, "list": [3], "x": "base", "y": "layer"})
        );
    }

    #[test]
    fn a_value_keeps_the_place_where_it_was_written() {
        let base = parse(&Source::new("a.yaml", "x: 1\ny: 1\n"), &mut Vec::new()).unwrap();
        let layer = parse(&Source::new("b.yaml", "\ny: 2\n"), &mut Vec::new()).unwrap();
        let merged = merge(base, layer);
        assert_eq!(merged.get("x").unwrap().node.at.to_string(), "a.yaml:1:4");
        assert_eq!(merged.get("y").unwrap().node.at.to_string(), "b.yaml:2:4");
    }

    /// Layers in which a key that holds a mapping in one holds a mapping in all.
    fn layer() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(Json::from),
            "[a-z]{0,4}".prop_map(Json::from),
            Just(Json::Null),
            prop::collection::vec(any::<u8>().prop_map(Json::from), 0..3).prop_map(Json::from),
        ];
        let flat = prop::collection::btree_map("[a-d]", leaf.clone(), 0..4);
        let nested = flat.prop_map(|map| Json::Object(map.into_iter().collect()));
        (
            prop::collection::btree_map("[a-d]", leaf, 0..4),
            prop::collection::btree_map("[m-n]", nested, 0..3),
        )
            .prop_map(|(leaves, maps)| Json::Object(leaves.into_iter().chain(maps).collect()))
    }

    proptest! {
        #[test]
        fn the_last_layer_that_sets_a_key_wins(layers in prop::collection::vec(layer(), 1..5)) {
            let all: Vec<&Json> = layers.iter().collect();
            let merged = merged(&all);
            let keys = |json: &Json| json.as_object().unwrap().clone();
            for (key, value) in keys(&merged) {
                if value.is_object() {
                    for (inner, value) in keys(&value) {
                        let last = layers.iter().rev().find_map(|l| l.get(&key)?.get(&inner));
                        prop_assert_eq!(Some(&value), last);
                    }
                } else {
                    let last = layers.iter().rev().find_map(|layer| layer.get(&key));
                    prop_assert_eq!(Some(&value), last);
                }
            }
            for layer in &layers {
                for key in keys(layer).keys() {
                    prop_assert!(merged.get(key).is_some());
                }
            }
        }

        #[test]
        fn it_makes_no_difference_which_layers_are_merged_first(
            (a, b, c) in (layer(), layer(), layer())
        ) {
            let left = merge(merge(map(&a), map(&b)), map(&c));
            let right = merge(map(&a), merge(map(&b), map(&c)));
            prop_assert_eq!(json(&left), json(&right));
        }
    }
}
