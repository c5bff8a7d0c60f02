//! Manifests: YAML templates to objects, each knowing where it was written.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, Value as Jinja};
use serde_json::{Map, Value, json};

use crate::inventory::{Cluster, Location, Problem, Problems, Source, parse};

/// Where teams put manifests of their own, below the inventory's root.
pub const FOLDER: &str = "environments/manifests";

/// An object as it should be, and where that was written.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The whole object.
    pub object: Value,
    /// Where it was written; nowhere if psk itself brings it.
    pub at: Option<Location>,
}

impl Manifest {
    fn text(&self, path: &str) -> Option<&str> {
        self.object.pointer(path).and_then(Value::as_str)
    }

    /// `apps/v1`.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion").unwrap_or_default()
    }

    /// `Deployment`.
    pub fn kind(&self) -> &str {
        self.text("/kind").unwrap_or_default()
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name").unwrap_or_default()
    }

    /// The object's namespace, where it has one.
    pub fn namespace(&self) -> Option<&str> {
        self.text("/metadata/namespace")
    }
}

/// Renders a template of psk's own and reads the objects in it.
///
/// # Errors
/// What is wrong with the template, which is a defect of psk.
pub(super) fn built_in(
    name: &str,
    template: &str,
    scope: &BTreeMap<&'static str, Jinja>,
) -> Result<Vec<Manifest>, String> {
    let text =
        render(name, template, &Jinja::from_pairs(scope.clone())).map_err(|e| e.to_string())?;
    let mut problems = Vec::new();
    let manifests = documents(name, &text, &mut problems);
    match Problems::none_or(problems, manifests) {
        Ok(manifests) => Ok(manifests
            .into_iter()
            .map(|manifest| Manifest {
                at: None,
                ..manifest
            })
            .collect()),
        Err(problems) => Err(problems.to_string()),
    }
}

/// A template of psk's own as one mapping.
pub(super) fn values(
    name: &str,
    template: &str,
    scope: &BTreeMap<&'static str, Jinja>,
) -> Result<Value, String> {
    let text =
        render(name, template, &Jinja::from_pairs(scope.clone())).map_err(|e| e.to_string())?;
    let mut problems = Vec::new();
    let map = parse(&Source::new(name, text), &mut problems).unwrap_or_default();
    let entries = map
        .into_iter()
        .map(|entry| (entry.key, entry.node.to_json()))
        .collect();
    Problems::none_or(problems, Value::Object(entries)).map_err(|e| e.to_string())
}

/// A value as templates have it.
pub(super) fn jinja(value: &Value) -> Jinja {
    match value {
        Value::Null => Jinja::from(()),
        Value::Bool(value) => Jinja::from(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Jinja::from(number),
            None => Jinja::from(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Jinja::from(text.as_str()),
        Value::Array(items) => Jinja::from(items.iter().map(jinja).collect::<Vec<_>>()),
        Value::Object(fields) => Jinja::from_pairs(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), jinja(value))),
        ),
    }
}

fn render(name: &str, template: &str, scope: &Jinja) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_debug(true);
    environment.render_named_str(name, template, scope)
}

/// The manifests that the teams of these clusters have put beside the settings: those of the
/// cluster's role, then those of the cluster itself. An object that both have is the cluster's.
///
/// # Errors
/// Everything that is wrong with the files, wherever it is, and folders of no role and no cluster.
pub fn of_teams(
    root: &Path,
    clusters: &[Cluster],
    known: &[String],
) -> Result<BTreeMap<String, Vec<Manifest>>, Problems> {
    let mut problems = Vec::new();
    for folder in names(&root.join(FOLDER), &mut problems, Path::is_dir) {
        if !known.contains(&folder) {
            let message = format!("{FOLDER}/{folder} is named after no role and no cluster");
            problems.push(Problem::nowhere(message).help("rename the folder"));
        }
    }
    let mut all = BTreeMap::new();
    for cluster in clusters {
        let scope = jinja(&json!({
            "cluster": cluster.name.to_string(),
            "role": cluster.role,
            "region": cluster.region.to_string(),
            "account": cluster.account.to_string(),
            "eks_version": cluster.settings.eks_version.to_string(),
            "tags": cluster.settings.tags,
        }));
        let mut manifests: Vec<Manifest> = Vec::new();
        for folder in [cluster.role.clone(), cluster.name.to_string()] {
            for manifest in read_folder(root, &folder, &scope, &mut problems) {
                let identity = |m: &Manifest| {
                    let parts = [m.api_version(), m.kind(), m.name()].map(str::to_owned);
                    (parts, m.namespace().map(str::to_owned))
                };
                manifests.retain(|other| identity(other) != identity(&manifest));
                manifests.push(manifest);
            }
        }
        all.insert(cluster.name.to_string(), manifests);
    }
    Problems::none_or(problems, all)
}

fn read_folder(
    root: &Path,
    folder: &str,
    scope: &Jinja,
    problems: &mut Vec<Problem>,
) -> Vec<Manifest> {
    let folder = format!("{FOLDER}/{folder}");
    let mut manifests = Vec::new();
    for file in names(&root.join(&folder), problems, Path::is_file) {
        let path = format!("{folder}/{file}");
        let kept = [".yaml", ".yml", ".json"];
        if file.starts_with('.') || !kept.iter().any(|ending| file.ends_with(ending)) {
            continue;
        }
        let text = match std::fs::read_to_string(root.join(&path)) {
            Ok(text) => text,
            Err(error) => {
                problems.push(Problem::nowhere(format!("can't read {path}: {error}")));
                continue;
            }
        };
        match render(&path, &text, scope) {
            Ok(rendered) => manifests.extend(documents(&path, &rendered, problems)),
            Err(error) => problems.push(unrenderable(&path, &text, &error)),
        }
    }
    manifests
}

/// The names of what is in a folder, sorted; none if there is no such folder.
fn names(path: &Path, problems: &mut Vec<Problem>, wanted: fn(&Path) -> bool) -> Vec<String> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let message = format!("can't read {}: {error}", path.display());
            problems.push(Problem::nowhere(message));
            return Vec::new();
        }
    };
    let mut names: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| wanted(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn unrenderable(path: &str, text: &str, error: &minijinja::Error) -> Problem {
    let source = Source::new(path, text);
    source.show_if_harmless();
    let at = match error.range() {
        Some(range) => {
            let before = text.get(..range.start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count();
            let start = before.chars().count();
            source.place(start, start + range.len(), line, column)
        }
        None => source.beginning(),
    };
    let detail = error.detail().map(|detail| format!(": {detail}"));
    let message = format!(
        "the template can't be rendered: {}{}",
        error.kind(),
        detail.unwrap_or_default()
    );
    let help = "in scope are cluster, role, region, account, eks_version and tags; secrets and op:// references aren't";
    Problem::at(&at, message).help(help)
}

/// The objects of a YAML stream. Each document is read from a text in which only it is left, on its
/// own lines, so that places stay true.
fn documents(path: &str, text: &str, problems: &mut Vec<Problem>) -> Vec<Manifest> {
    let mut manifests = Vec::new();
    let mut document = String::new();
    let mut before = 0;
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let ends = *line == "---" || line.starts_with("--- ") || *line == "...";
        if ends {
            manifests.extend(object(path, before, &document, problems));
            document.clear();
            before = number + 1;
        } else {
            document.push_str(line);
            document.push('\n');
        }
    }
    manifests.extend(object(path, before, &document, problems));
    manifests
}

fn object(
    path: &str,
    lines_before: usize,
    document: &str,
    problems: &mut Vec<Problem>,
) -> Option<Manifest> {
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let first = document.lines().position(is_content)?;
    let source = Source::new(path, "\n".repeat(lines_before) + document);
    let map = parse(&source, problems)?;
    let at = source.place(0, 0, lines_before + first + 1, 0);
    let mut fault = |at: &Location, message: String, help: &str| {
        problems.push(Problem::at(at, message).help(help));
    };
    let before = map.get("kind").map_or(&at, |entry| &entry.key_at).clone();
    let object: Map<String, Value> = map
        .into_iter()
        .map(|entry| (entry.key, entry.node.to_json()))
        .collect();
    let manifest = Manifest {
        object: Value::Object(object),
        at: Some(before.clone()),
    };
    let mut whole = true;
    for (what, value) in [
        ("apiVersion", manifest.api_version()),
        ("kind", manifest.kind()),
        ("metadata.name", manifest.name()),
    ] {
        if value.is_empty() {
            whole = false;
            fault(
                &before,
                format!("the manifest has no {what}"),
                "every document is one object with apiVersion, kind and metadata.name",
            );
        }
    }
    if manifest.kind().ends_with("List") && manifest.object.get("items").is_some() {
        whole = false;
        fault(
            &before,
            "the manifest is a list of objects".to_owned(),
            "write each object as a document of its own, set apart by ---",
        );
    }
    whole.then_some(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Manifest>, Vec<String>) {
        let mut problems = Vec::new();
        let manifests = documents("environments/manifests/qa/x.yaml", text, &mut problems);
        (
            manifests,
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn documents_keep_their_places() {
        let text = "# a comment\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n  namespace: a\ndata: {x: \"1\"}\n";
        let (manifests, problems) = read(text);
        assert!(problems.is_empty(), "{problems:?}");
        let places: Vec<_> = manifests
            .iter()
            .map(|m| {
                (
                    m.kind(),
                    m.name(),
                    m.namespace(),
                    m.at.as_ref().unwrap().line(),
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ("Namespace", "a", None, 4),
                ("ConfigMap", "b", Some("a"), 9)
            ]
        );
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let text = "kind: Namespace\n---\napiVersion: v1\nkind: List\nmetadata: {name: l}\nitems: []\n---\na: [\n";
        let (manifests, problems) = read(text);
        assert!(manifests.is_empty());
        let all = problems.join("\n");
        assert!(
            all.contains("x.yaml:1:1: the manifest has no apiVersion"),
            "{all}"
        );
        assert!(all.contains("the manifest has no metadata.name"), "{all}");
        assert!(
            all.contains("x.yaml:4:1: the manifest is a list of objects"),
            "{all}"
        );
        assert!(all.contains("not valid YAML"), "{all}");
    }

    #[test]
    fn a_template_that_cannot_be_rendered_is_told_with_its_place() {
        let text = "kind: X\nname: {{ 1 + }}\n";
        let error = render("f.yaml", text, &Jinja::UNDEFINED).unwrap_err();
        let problem = unrenderable("f.yaml", text, &error).to_string();
        assert!(problem.starts_with("f.yaml:2:"), "{problem}");
    }
}
