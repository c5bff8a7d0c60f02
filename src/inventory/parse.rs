//! YAML 1.2, and with it JSON, to [`Node`] trees.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr::Scalar as Resolved;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::nearest::nearest;
use super::node::{Entry, Kind, Map, Node, Scalar, Value};
use super::problem::Problem;
use super::source::{Location, SECRET_KEYS, Source};
use super::template::outside_templates;

/// Most nodes that the aliases of one file may stand for: a file of nested aliases can ask for
/// more of them than fit in any memory.
const MOST_ALIASED_NODES: usize = 100_000;

/// The mapping that a file holds; a file without content is an empty one. What is wrong in the
/// tree is added to `problems`; a file that is no YAML or no mapping gives `None`.
pub(crate) fn parse(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Option<Map> {
    let mut reader = Reader {
        source,
        parser: Parser::new_from_str(source.text()),
        anchors: HashMap::new(),
        aliased: 0,
        secrets: Vec::new(),
        problems,
    };
    match reader.document() {
        Ok(document) => {
            source.show_without(&reader.secrets);
            match document {
                None => Some(Map::default()),
                Some(Node {
                    value: Value::Map(map),
                    ..
                }) => Some(map),
                Some(Node {
                    value: Value::Null, ..
                }) => Some(Map::default()),
                Some(node) => {
                    let message = format!("the file holds {}, not a mapping", node.what());
                    reader.problems.push(Problem::at(&node.at, message));
                    None
                }
            }
        }
        Err(problem) => {
            source.show_if_harmless();
            reader.problems.push(*problem);
            None
        }
    }
}

/// Boxed, because it is rare and large.
type Fatal = Box<Problem>;

struct Reader<'a> {
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    aliased: usize,
    secrets: Vec<Range<usize>>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// The file's one document, if it has content.
    fn document(&mut self) -> Result<Option<Node>, Fatal> {
        let mut document = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(document),
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                content if document.is_none() => document = Some(self.node(content, span)?),
                _ => {
                    let problem = Problem::at(&self.at(span), "the file holds a second document");
                    return Err(Box::new(problem.help("write it into a file of its own")));
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, Fatal> {
        let at = self.at(span);
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(at, &text, style, tag.is_some()))
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (item, span) => items.push(self.node(item, span)?),
                    }
                }
                (
                    anchor,
                    Node {
                        at,
                        value: Value::List(items),
                    },
                )
            }
            Event::MappingStart(anchor, _) => {
                let map = self.mapping(&at)?;
                (
                    anchor,
                    Node {
                        at,
                        value: Value::Map(map),
                    },
                )
            }
            Event::Alias(anchor) => (0, self.alias(at, anchor)?),
            _ => return Err(Box::new(Problem::at(&at, "the file ends within a value"))),
        };
        // The parser numbers anchors from 1; 0 is no anchor.
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn scalar(&self, at: Location, text: &str, style: ScalarStyle, tagged: bool) -> Node {
        let kind = match Resolved::parse_from_cow_and_metadata(text.into(), style, None) {
            // A tag such as !!str only ever asks for the text as it stands.
            _ if tagged => Some(Kind::String),
            Some(Resolved::Null) => None,
            Some(Resolved::Boolean(_)) => Some(Kind::Boolean),
            Some(Resolved::Integer(_) | Resolved::FloatingPoint(_)) => Some(Kind::Number),
            Some(Resolved::String(_)) | None => Some(Kind::String),
        };
        let value = kind.map_or(Value::Null, |kind| {
            Value::Scalar(Scalar::written(text, kind))
        });
        Node { at, value }
    }

    fn mapping(&mut self, at: &Location) -> Result<Map, Fatal> {
        let mut map = Map::default();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(map);
            }
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span)?;
            let Value::Scalar(Scalar { text, .. }) = key.value else {
                self.problems.push(unusable_key(at, &key));
                continue;
            };
            // A slip in the key makes its value no less secret.
            if nearest(&text, SECRET_KEYS.iter().copied()).is_some() {
                self.secrets.extend(literals(&node));
            }
            if let Some(first) = map.get(&text) {
                let message = format!("the key \"{text}\" is given twice");
                let help = format!("it was first given at {}", first.key_at);
                self.problems.push(Problem::at(&key.at, message).help(help));
                continue;
            }
            map.push(Entry {
                key: text,
                key_at: key.at,
                node,
            });
        }
    }

    fn alias(&mut self, at: Location, anchor: usize) -> Result<Node, Fatal> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Box::new(Problem::at(
                &at,
                "the alias stands inside its own anchor",
            )));
        };
        self.aliased += node.size();
        if self.aliased > MOST_ALIASED_NODES {
            let message = format!("the aliases stand for more than {MOST_ALIASED_NODES} values");
            return Err(Box::new(Problem::at(&at, message)));
        }
        Ok(Node {
            at,
            value: node.value.clone(),
        })
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Fatal> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Box::new(self.scan_problem(&error))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn scan_problem(&self, error: &ScanError) -> Problem {
        let marker = error.marker();
        let line = self
            .source
            .text()
            .lines()
            .nth(marker.line().saturating_sub(1));
        match line.and_then(unquoted_template) {
            Some(column) => {
                let start = marker.index() - marker.col() + column;
                unquoted(&self.source.place(start, start + 2, marker.line(), column))
            }
            None => {
                let message = format!("not valid YAML: {}", error.info());
                Problem::at(&self.at(Span::empty(*marker)), message)
            }
        }
    }

    fn at(&self, span: Span) -> Location {
        let (start, end) = (span.start, span.end);
        self.source
            .place(start.index(), end.index(), start.line(), start.col())
    }
}

fn unquoted(at: &Location) -> Problem {
    Problem::at(at, "a template stands here without quotes")
        .help("quote a value that begins with a template: \"{{ … }}\"")
}

/// The column, counted from 0, at which a line's value begins with a template and no quotes.
fn unquoted_template(line: &str) -> Option<usize> {
    let (key, value) = line.split_once(": ")?;
    let trimmed = value.trim_start();
    let column = key.chars().count() + 2 + (value.len() - trimmed.len());
    (trimmed.starts_with("{{") || trimmed.starts_with("{%")).then_some(column)
}

/// A mapping as the key of one is what YAML makes of an unquoted `{{ … }}`.
fn unusable_key(mapping: &Location, key: &Node) -> Problem {
    if matches!(key.value, Value::Map(_)) && key.at.range().start == mapping.range().start + 1 {
        return unquoted(mapping);
    }
    Problem::at(
        &key.at,
        format!("a key must be a string, not {}", key.what()),
    )
}

/// Where a secret key's value is written out: everything but references and templates, which hold
/// no secret themselves.
fn literals(node: &Node) -> Vec<Range<usize>> {
    match &node.value {
        Value::Null => Vec::new(),
        Value::Scalar(scalar) if outside_templates(&scalar.text).trim().is_empty() => Vec::new(),
        Value::Scalar(_) => vec![node.at.range()],
        Value::List(items) => items.iter().flat_map(literals).collect(),
        Value::Map(map) => map
            .iter()
            .flat_map(|entry| std::iter::once(entry.key_at.range()).chain(literals(&entry.node)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Problems;
    use super::*;

    fn read(text: &str) -> (Option<Map>, Vec<String>) {
        let mut problems = Vec::new();
        let map = parse(&Source::new("f.yaml", text), &mut problems);
        (
            map,
            Problems::from(problems)
                .iter()
                .map(ToString::to_string)
                .collect(),
        )
    }

    fn problem(text: &str) -> String {
        let (_, problems) = read(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.into_iter().next().unwrap()
    }

    #[test]
    fn every_value_knows_its_place_and_keeps_its_text() {
        let (map, problems) = read("a: 1.30\nb:\n  - \"x\"\n  - c: yes\n");
        assert!(problems.is_empty());
        let map = map.unwrap();
        let a = map.get("a").unwrap();
        assert_eq!(a.key_at.to_string(), "f.yaml:1:1");
        assert_eq!(a.node.at.to_string(), "f.yaml:1:4");
        let mut seen = Vec::new();
        for entry in map.iter() {
            entry
                .node
                .scalars(&mut |at, s| seen.push(format!("{at} {} {:?}", s.text, s.kind)));
        }
        assert_eq!(
            seen,
            [
                "f.yaml:1:4 1.30 Number",
                "f.yaml:3:5 x String",
                "f.yaml:4:8 yes String"
            ]
        );
    }

    #[test]
    fn json_is_read_as_it_is() {
        let (map, problems) = read("{\n\t\"a\": [\"x\", 2, true, null],\n\t\"b\": {}\n}\n");
        assert!(problems.is_empty(), "{problems:?}");
        let json = map.unwrap().get("a").unwrap().node.to_json();
        assert_eq!(json, serde_json::json!(["x", 2, true, null]));
    }

    #[test]
    fn an_empty_file_is_an_empty_mapping() {
        for text in ["", "# only a comment\n", "---\n", "{}\n"] {
            let (map, problems) = read(text);
            assert!(problems.is_empty(), "{problems:?}");
            assert!(map.unwrap().is_empty());
        }
    }

    #[test]
    fn a_key_given_twice_names_both_places() {
        assert_eq!(
            problem("a: 1\nb: 2\n\"a\": 3\n"),
            "f.yaml:3:1: the key \"a\" is given twice (it was first given at f.yaml:1:1)"
        );
    }

    #[test]
    fn an_unquoted_template_is_told_to_be_quoted() {
        for text in [
            "a: {{ op://vault/item/field }}\n",
            "a: {{ cluster }}-x\n",
            "a: {% if x %}y{% endif %}\n",
        ] {
            assert_eq!(
                problem(text),
                "f.yaml:1:4: a template stands here without quotes \
                 (quote a value that begins with a template: \"{{ … }}\")"
            );
        }
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        assert_eq!(
            problem("- a\n"),
            "f.yaml:1:1: the file holds a list, not a mapping"
        );
        assert_eq!(
            problem("a: 1\n---\nb: 2\n"),
            "f.yaml:3:1: the file holds a second document (write it into a file of its own)"
        );
        assert_eq!(
            problem("[a]: 1\n"),
            "f.yaml:1:1: a key must be a string, not a list"
        );
    }

    #[test]
    fn an_alias_stands_for_its_anchor() {
        let (map, problems) = read("a: &x { k: 1 }\nb: *x\n");
        assert!(problems.is_empty(), "{problems:?}");
        let json = map.unwrap().get("b").unwrap().node.to_json();
        assert_eq!(json, serde_json::json!({"k": 1}));
    }

    #[test]
    fn aliases_of_aliases_end_before_memory_does() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
        }
        assert!(problem(&text).ends_with("the aliases stand for more than 100000 values"));
        let deep = format!("a: {}{}", "[".repeat(500), "]".repeat(500));
        assert!(problem(&deep).ends_with("not valid YAML: recursion limit exceeded"));
    }

    #[test]
    fn a_secret_that_is_written_out_is_masked_where_the_file_is_shown() {
        let source = Source::new("f.yaml", "oidc_client_id: canary\nother: seen\n");
        parse(&source, &mut Vec::new());
        let shown = source.snippet().unwrap().inner();
        assert_eq!(shown, "oidc_client_id: ******\nother: seen\n");
    }
}
