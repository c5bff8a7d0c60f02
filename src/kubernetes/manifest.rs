//! Manifests: YAML templates to objects, each knowing where it was written.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{Environment, UndefinedBehavior, Value as Jinja};
use serde_json::{Map, Value, json};

use super::applied_set::marked;
use super::watch::key;
use crate::inventory::{Cluster, Inventory, Location, Problem, Problems, Selection, Source, parse};

/// An object as it should be, and where that was written.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The whole object.
    pub object: Value,
    /// Where it was written; nowhere if psk itself brings it.
    pub at: Option<Location>,
}

/// Which object: by what no two objects of a cluster share, the version of its kind left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    /// `StorageClass.storage.k8s.io`.
    pub group_kind: String,
    /// Its namespace, where it says one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Manifest {
    /// Which object it is.
    pub(super) fn identity(&self) -> Identity {
        let kind = self.kind();
        Identity {
            group_kind: match self.api_version().split_once('/') {
                Some((group, _)) => format!("{kind}.{group}"),
                None => kind.to_owned(),
            },
            namespace: self.namespace().map(str::to_owned),
            name: self.name().to_owned(),
        }
    }

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

    /// `namespace/name`, or the name.
    pub fn key(&self) -> String {
        key(&self.object)
    }
}

/// The objects in psk's own templates. What was read once is kept by its text: most of it is the same
/// for all clusters of a run.
#[derive(Debug, Default)]
pub struct Templates(Mutex<HashMap<String, Objects>>);

/// The objects of one template.
pub(super) type Objects = Arc<[Arc<Manifest>]>;

impl Templates {
    /// Renders a template and reads the objects in it, which get the labels that mark them as psk's.
    ///
    /// # Errors
    /// What is wrong with the template, which is a defect of psk.
    pub(super) fn objects(
        &self,
        name: &str,
        template: &str,
        scope: &BTreeMap<&'static str, Jinja>,
    ) -> Result<Objects, String> {
        let text = own(name, template, scope)?;
        let read = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read().get(&text) {
            return Ok(known.clone());
        }
        let mut problems = Vec::new();
        let manifests = documents(name, &text, &mut problems);
        let manifests = Problems::none_or(problems, manifests).map_err(|e| e.to_string())?;
        let whole = |manifest: Manifest| {
            Arc::new(Manifest {
                object: marked(manifest.object),
                at: None,
            })
        };
        let objects: Objects = manifests.into_iter().map(whole).collect();
        read().insert(text, objects.clone());
        Ok(objects)
    }
}

/// A template of psk's own as one mapping.
pub(super) fn values(
    name: &str,
    template: &str,
    scope: &BTreeMap<&'static str, Jinja>,
) -> Result<Value, String> {
    let text = own(name, template, scope)?;
    let mut problems = Vec::new();
    let map = parse(&Source::new(name, text), &mut problems).unwrap_or_default();
    let entries = map
        .into_iter()
        .map(|entry| (entry.key, entry.node.to_json()))
        .collect();
    Problems::none_or(problems, Value::Object(entries)).map_err(|e| e.to_string())
}

/// A template of psk's own, rendered.
fn own(
    name: &str,
    template: &str,
    scope: &BTreeMap<&'static str, Jinja>,
) -> Result<String, String> {
    render(name, template, &Jinja::from_pairs(scope.clone())).map_err(|error| error.to_string())
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

/// Reads what teams add inside these clusters as far as that can be done without the vaults, so that
/// what is wrong in it is told before anything is called.
///
/// # Errors
/// Everything that is wrong with the files, wherever it is.
pub fn check_teams(inventory: &Inventory, selection: &Selection) -> Result<(), Problems> {
    let mut problems = Vec::new();
    for cluster in inventory.view(selection) {
        let setting = |key: &str| cluster.settings.get(key).cloned().unwrap_or_default();
        let scope = json!({
            "cluster": cluster.name,
            "role": cluster.role,
            "region": cluster.region,
            "account": cluster.account,
            "eks_version": setting("eks_version"),
            "tags": setting("tags"),
        });
        of_team(inventory.manifests(&cluster.name), &scope, &mut problems);
    }
    Problems::none_or(problems, ())
}

/// What teams add inside each of these clusters: the objects of its role, then its own. One that both
/// have is the cluster's.
///
/// # Errors
/// Everything that is wrong with the files, wherever it is.
pub fn of_teams(
    inventory: &Inventory,
    clusters: &[Cluster],
) -> Result<BTreeMap<String, Vec<Manifest>>, Problems> {
    let mut problems = Vec::new();
    let mut all = BTreeMap::new();
    for cluster in clusters {
        let scope = json!({
            "cluster": cluster.name.to_string(),
            "role": cluster.role,
            "region": cluster.region.to_string(),
            "account": cluster.account.to_string(),
            "eks_version": cluster.settings.eks_version.to_string(),
            "tags": cluster.settings.tags,
        });
        let files = inventory.manifests(cluster.name.as_str());
        let manifests = of_team(files, &scope, &mut problems);
        all.insert(cluster.name.to_string(), manifests);
    }
    Problems::none_or(problems, all)
}

fn of_team(files: &[Arc<Source>], scope: &Value, problems: &mut Vec<Problem>) -> Vec<Manifest> {
    let scope = jinja(scope);
    let mut manifests: Vec<Manifest> = Vec::new();
    for file in files {
        let rendered = match render(file.path(), file.text(), &scope) {
            Ok(rendered) => rendered,
            Err(error) => {
                problems.push(unrenderable(file, &error));
                continue;
            }
        };
        for manifest in documents(file.path(), &rendered, problems) {
            manifests.retain(|other| other.identity() != manifest.identity());
            manifests.push(manifest);
        }
    }
    manifests
}

fn unrenderable(source: &Arc<Source>, error: &minijinja::Error) -> Problem {
    let text = source.text();
    // What a team writes into a Secret is shown nowhere.
    if !text.contains("Secret") {
        source.show_if_harmless();
    }
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
        let problem = unrenderable(&Source::new("f.yaml", text), &error).to_string();
        assert!(problem.starts_with("f.yaml:2:"), "{problem}");
    }
}
