//! Where a key stands in a file, for problems that are found only after reading it.

use std::sync::Arc;

use super::node::{Map, Value};
use super::parse::parse;
use super::source::{Location, Source};

impl Source {
    /// The place of the last key of `path` (`release.roles.prod`) that the file has; its beginning where it has
    /// none. A key may hold dots itself.
    pub(crate) fn find_key(self: &Arc<Self>, path: &str) -> Location {
        let map = parse(self, &mut Vec::new()).unwrap_or_default();
        deepest(&map, path).unwrap_or_else(|| self.beginning())
    }
}

fn deepest(map: &Map, path: &str) -> Option<Location> {
    map.iter().find_map(|entry| {
        let rest = path.strip_prefix(&entry.key)?;
        let inner = match (rest.strip_prefix('.'), &entry.node.value) {
            (Some(rest), Value::Map(inner)) => deepest(inner, rest),
            (None, _) if !rest.is_empty() => return None,
            _ => None,
        };
        Some(inner.unwrap_or_else(|| entry.key_at.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_key_that_is_there_is_found() {
        let source = Source::new("c.yaml", "a:\n  b.c: {}\n  b: 1\nab: 2\n");
        for (path, place) in [
            ("a", "c.yaml:1:1"),
            ("a.b.c", "c.yaml:2:3"),
            ("a.b.c.none", "c.yaml:2:3"),
            ("ab", "c.yaml:4:1"),
            ("none", "c.yaml:1:1"),
        ] {
            assert_eq!(source.find_key(path).to_string(), place, "{path}");
        }
    }
}
