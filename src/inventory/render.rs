//! Merged settings with their templates rendered. Settings may use one another, in any order.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Value as Jinja;

use super::node::{Entry, Kind, Map, Node, Scalar, Value};
use super::order::order;
use super::problem::Problem;
use super::source::SECRET_KEYS;
use super::template::{Engine, Known, Taint, is_template};

/// Short names for settings, for use in templates.
const ALIASES: [(&str, &str); 2] = [("region", "aws_region"), ("account", "aws_account_id")];

/// What templates know beside the settings.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) role: &'a str,
}

/// `settings` with every template rendered. References whose values aren't `known` stand for
/// themselves; what depends on them is marked as open. Settings without a value are left out.
pub(crate) fn render(
    engine: &Engine,
    settings: &Map,
    scope: Scope<'_>,
    known: &Known<'_>,
    problems: &mut Vec<Problem>,
) -> Map {
    let entries: Vec<&Entry> = settings.iter().collect();
    let uses: Vec<Vec<usize>> = entries
        .iter()
        .map(|entry| uses(engine, entry, &entries))
        .collect();
    let order = order(&uses);
    for cycle in &order.cycles {
        problems.extend(cycle_problem(cycle, &entries));
    }

    let mut state = Rendering {
        engine,
        known,
        scope: [("cluster", scope.cluster), ("role", scope.role)]
            .map(|(name, value)| (name.to_owned(), Jinja::from(value)))
            .into(),
        taints: BTreeMap::new(),
        problems,
    };
    let mut rendered: BTreeMap<usize, Entry> = BTreeMap::new();
    for index in order.sorted {
        let Some(entry) = entries.get(index) else {
            continue;
        };
        if let Some(node) = state.node(&entry.node) {
            state.define(&entry.key, &node);
            rendered.insert(
                index,
                Entry {
                    node,
                    ..(*entry).clone()
                },
            );
        }
    }
    // A cycle is a problem already: what hangs on it stays as it is, unread.
    for (index, entry) in entries.iter().enumerate() {
        let unrendered = || Entry {
            node: opened(&entry.node),
            ..(*entry).clone()
        };
        if !matches!(entry.node.value, Value::Null) {
            rendered.entry(index).or_insert_with(unrendered);
        }
    }
    rendered.into_values().collect()
}

/// The settings that the templates of one name, as indexes.
fn uses(engine: &Engine, entry: &Entry, entries: &[&Entry]) -> Vec<usize> {
    let mut names = BTreeSet::new();
    entry
        .node
        .scalars(&mut |_, scalar| names.extend(engine.names(&scalar.text)));
    let full = |name: &str| {
        ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map_or(name.to_owned(), |(_, full)| (*full).to_owned())
    };
    names
        .iter()
        .filter_map(|name| {
            let name = full(name);
            entries.iter().position(|entry| entry.key == name)
        })
        .collect()
}

fn cycle_problem(cycle: &[usize], entries: &[&Entry]) -> Option<Problem> {
    let members: Vec<&&Entry> = cycle
        .iter()
        .filter_map(|index| entries.get(*index))
        .collect();
    let names: Vec<String> = members
        .iter()
        .map(|entry| format!("\"{}\"", entry.key))
        .collect();
    let message = match names.as_slice() {
        [one] => format!("the setting {one} uses itself in its template"),
        _ => format!(
            "the settings {} use one another in their templates",
            names.join(", ")
        ),
    };
    members
        .first()
        .map(|entry| Problem::at(&entry.node.at, message))
}

struct Rendering<'a> {
    engine: &'a Engine,
    known: &'a Known<'a>,
    scope: BTreeMap<String, Jinja>,
    taints: BTreeMap<String, Taint>,
    problems: &'a mut Vec<Problem>,
}

impl Rendering<'_> {
    /// Lets later settings use this one.
    fn define(&mut self, key: &str, node: &Node) {
        // A secret in another setting would be shown with it.
        if SECRET_KEYS.contains(&key) {
            return;
        }
        let mut taint = Taint::default();
        node.scalars(&mut |_, scalar| taint.add(&scalar.taint));
        let alias = ALIASES
            .iter()
            .find(|(_, full)| *full == key)
            .map(|(alias, _)| *alias);
        for name in [Some(key), alias].into_iter().flatten() {
            self.scope.insert(name.to_owned(), jinja(node));
            self.taints.insert(name.to_owned(), taint.clone());
        }
    }

    /// `None` for a null; what can't be rendered is left open.
    fn node(&mut self, node: &Node) -> Option<Node> {
        let value = match &node.value {
            Value::Null => return None,
            Value::Scalar(scalar) => return Some(self.scalar(node, scalar)),
            Value::List(items) => {
                Value::List(items.iter().filter_map(|item| self.node(item)).collect())
            }
            Value::Map(map) => Value::Map(
                map.iter()
                    .filter_map(|entry| {
                        let node = self.node(&entry.node)?;
                        Some(Entry {
                            node,
                            ..entry.clone()
                        })
                    })
                    .collect(),
            ),
        };
        Some(Node {
            at: node.at.clone(),
            value,
        })
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar) -> Node {
        if !is_template(&scalar.text) {
            return node.clone();
        }
        let mut taint = Taint::default();
        for name in self.engine.names(&scalar.text) {
            if let Some(used) = self.taints.get(&name) {
                taint.add(used);
            }
        }
        let written = (&node.at, scalar.text.as_str());
        match self
            .engine
            .render(written, &self.scope, self.known, taint, self.problems)
        {
            Some((text, taint)) => {
                let value = Value::Scalar(Scalar {
                    text,
                    kind: Kind::String,
                    taint,
                });
                Node {
                    at: node.at.clone(),
                    value,
                }
            }
            None => opened(node),
        }
    }
}

/// A copy that no one reads values from.
fn opened(node: &Node) -> Node {
    let text = match &node.value {
        Value::Scalar(scalar) => scalar.text.clone(),
        _ => String::new(),
    };
    let taint = Taint {
        open: true,
        ..Taint::default()
    };
    let scalar = Scalar {
        text,
        kind: Kind::String,
        taint,
    };
    Node {
        at: node.at.clone(),
        value: Value::Scalar(scalar),
    }
}

/// A setting as templates see it. Only whole numbers are numbers there: a version such as 1.30
/// would lose its zero.
fn jinja(node: &Node) -> Jinja {
    match &node.value {
        Value::Null => Jinja::from(()),
        Value::Scalar(scalar) => match scalar.kind {
            Kind::Boolean => Jinja::from(scalar.text.eq_ignore_ascii_case("true")),
            Kind::Number => match scalar.text.parse::<i64>() {
                Ok(number) => Jinja::from(number),
                Err(_) => Jinja::from(scalar.text.as_str()),
            },
            Kind::String => Jinja::from(scalar.text.as_str()),
        },
        Value::List(items) => Jinja::from(items.iter().map(jinja).collect::<Vec<_>>()),
        Value::Map(map) => Jinja::from(
            map.iter()
                .map(|entry| (entry.key.clone(), jinja(&entry.node)))
                .collect::<BTreeMap<String, Jinja>>(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::super::parse::parse;
    use super::super::reference::Reference;
    use super::super::source::Source;
    use super::*;

    fn rendered(text: &str, known: &Known<'_>) -> (Map, Vec<String>) {
        let mut problems = Vec::new();
        let map = parse(&Source::new("f.yaml", text), &mut problems).unwrap();
        let scope = Scope {
            cluster: "c-1",
            role: "qa",
        };
        let map = render(&Engine::new(), &map, scope, known, &mut problems);
        (map, problems.iter().map(ToString::to_string).collect())
    }

    fn text<'a>(map: &'a Map, key: &str) -> &'a str {
        match &map.get(key).unwrap().node.value {
            Value::Scalar(scalar) => &scalar.text,
            _ => panic!("{key} is no scalar"),
        }
    }

    #[test]
    fn settings_use_one_another_in_any_order() {
        let (map, problems) = rendered(
            "a: \"{{ b }}-{{ region }}\"\nb: \"{{ cluster }}/{{ tags.team }}\"\n\
             aws_region: us-east-1\ntags: { team: \"{{ role | upper }}\" }\nversion: 1.30\n\
             c: \"v{{ version }}\"\n",
            &Known::new(),
        );
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(text(&map, "a"), "c-1/QA-us-east-1");
        assert_eq!(text(&map, "c"), "v1.30");
    }

    #[test]
    fn a_cycle_of_settings_is_told_with_its_members() {
        let (_, problems) = rendered(
            "a: \"{{ b }}\"\nb: \"{{ a }}\"\nc: \"{{ a }}\"\nd: \"{{ d }}\"\n",
            &Known::new(),
        );
        assert_eq!(
            problems,
            [
                "f.yaml:1:4: the settings \"a\", \"b\" use one another in their templates",
                "f.yaml:4:4: the setting \"d\" uses itself in its template",
            ]
        );
    }

    #[test]
    fn what_uses_an_unknown_value_is_open_and_not_judged() {
        let (map, problems) = rendered(
            "a: \"{{ op://v/i/f }}\"\nb: \"{{ a | int + 1 }}\"\nc: fixed\n",
            &Known::new(),
        );
        assert!(problems.is_empty(), "{problems:?}");
        let open = |key| {
            let mut open = false;
            map.get(key)
                .unwrap()
                .node
                .scalars(&mut |_, scalar| open |= scalar.taint.open);
            open
        };
        assert!(open("a") && open("b") && !open("c"));
    }

    #[test]
    fn what_is_made_with_a_secret_is_marked_and_errors_keep_quiet() {
        let reference: Reference = "op://v/i/f".parse().unwrap();
        let secret = SecretString::from("canary");
        let (map, problems) = rendered(
            "a: \"{{ op://v/i/f }}\"\nb: \"x{{ a }}\"\nc: \"{{ a | int }}\"\n",
            &Known::from([(&reference, &secret)]),
        );
        let Value::Scalar(b) = &map.get("b").unwrap().node.value else {
            panic!("no scalar")
        };
        assert_eq!(b.text, "xcanary");
        assert_eq!(b.taint.references, [reference].into());
        assert!(!b.taint.open);
        assert_eq!(
            problems,
            ["f.yaml:3:12: the template can't be rendered: invalid operation"]
        );
    }

    #[test]
    fn a_secret_setting_is_in_no_templates_scope() {
        let (_, problems) = rendered(
            "oidc_client_id: canary\na: \"{{ oidc_client_id }}\"\n",
            &Known::new(),
        );
        assert_eq!(
            problems,
            [
                "f.yaml:2:8: the template names \"oidc_client_id\", which is a secret \
              (a secret can't be used in another setting)"
            ]
        );
    }
}
