//! A circlepipe repository as psk's own roles and environments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::checkout::Checkout;
use super::control::{self, Instance, Role};
use super::env_files;
use super::settings::Settings;
use crate::inventory::{ClusterName, FileKind, Problem, Problems, Region};
use crate::pipeline::go::{Map, Value, read_yaml};

/// Settings that circlepipe's repositories know by another name.
const RENAMED: [(&str, &str); 14] = [
    ("cluster_version", "eks_version"),
    ("cluster_enabled_log_types", "enable_log_types"),
    ("cluster_log_retention", "log_retention_days"),
    ("cluster_eks_version", "eks_version"),
    ("aws_account", "aws_account_id"),
    ("assume_role", "aws_assume_role"),
    ("default_node_group_name", "management_node_group_name"),
    (
        "default_node_group_ami_type",
        "management_node_group_ami_type",
    ),
    (
        "default_node_group_min_size",
        "management_node_group_min_size",
    ),
    (
        "default_node_group_max_size",
        "management_node_group_max_size",
    ),
    (
        "default_node_group_desired_size",
        "management_node_group_desired_size",
    ),
    (
        "default_node_group_disk_size",
        "management_node_group_disk_size",
    ),
    (
        "default_node_group_capacity_type",
        "management_node_group_capacity_type",
    ),
    (
        "default_node_group_instance_types",
        "management_node_group_instance_types",
    ),
];

/// What the import gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// psk's files, by their path from the inventory's root.
    pub files: BTreeMap<String, String>,
    /// What a person has to look at, one line each.
    pub notes: Vec<String>,
}

/// Turns the pipelines of a repository into roles and environments; all of them if none is named.
///
/// # Errors
/// Everything that is wrong with the repository's files.
pub fn import(
    pipelines: &[String],
    settings: &Settings,
    checkout: &Checkout,
) -> Result<Imported, Problems> {
    let mut problems = Vec::new();
    let mut importer = Importer {
        settings,
        checkout,
        problems: &mut problems,
        imported: Imported::default(),
        known: known_settings(),
        seen: BTreeSet::new(),
    };
    importer.run(pipelines);
    let imported = importer.imported;
    Problems::none_or(problems, imported)
}

/// The keys that psk's environment files may have.
fn known_settings() -> BTreeSet<String> {
    let schema: serde_json::Value =
        serde_json::from_str(&FileKind::Environment.schema()).unwrap_or_default();
    let properties = schema.get("properties").and_then(|p| p.as_object());
    properties
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

struct Importer<'a> {
    settings: &'a Settings,
    checkout: &'a Checkout,
    problems: &'a mut Vec<Problem>,
    imported: Imported,
    known: BTreeSet<String>,
    /// The roles so far.
    seen: BTreeSet<String>,
}

impl Importer<'_> {
    fn run(&mut self, pipelines: &[String]) {
        let all = control::pipelines(self.settings, self.checkout, self.problems);
        let names = if pipelines.is_empty() {
            &all
        } else {
            pipelines
        };
        let default = self.settings.env_defaults_file_name.clone();
        let values = env_files::kept(&default, self.settings, self.checkout, self.problems);
        self.layer("default", "what every cluster gets", &values);
        for name in names {
            self.pipeline(name);
        }
    }

    fn pipeline(&mut self, name: &str) {
        let definition = control::read(name, self.settings, self.checkout, self.problems);
        let Some(definition) = definition else {
            return;
        };
        let trigger = self.trigger(&definition.filter);
        let shared = env_files::kept(name, self.settings, self.checkout, self.problems);
        let mut after: Option<&str> = None;
        for role in &definition.roles {
            if !self.seen.insert(role.name.clone()) {
                let note = format!(
                    "role {} is in more than one pipeline: only the first was taken",
                    role.name
                );
                self.imported.notes.push(note);
                continue;
            }
            if role.instances.is_empty() {
                let note = format!(
                    "role {} has no instances: psk has no role without clusters, so it was left out",
                    role.name
                );
                self.imported.notes.push(note);
                continue;
            }
            self.role(name, role, trigger, after);
            let mut values = shared.clone();
            values.extend(env_files::kept(
                &role.name,
                self.settings,
                self.checkout,
                self.problems,
            ));
            if !values.is_empty() {
                self.layer(
                    &role.name,
                    &format!("what every cluster of {} gets", role.name),
                    &values,
                );
            }
            after = Some(&role.name);
        }
    }

    /// `push` or `tag`, by what the filter's anchor says in the CircleCI config.
    fn trigger(&mut self, filter: &str) -> &'static str {
        let path = self
            .settings
            .in_pipe_path(&self.settings.circleci_config_file);
        let config = self.checkout.text(&path, self.problems);
        let text = config.map_or_else(String::new, |source| source.text().to_owned());
        let head = text.split("\nworkflows:").next().unwrap_or_default();
        let asked = format!("{head}\npsk-filter: {filter}\n");
        if let Ok(Value::Map(map)) = read_yaml(&asked)
            && let Some(Value::Map(filter)) = map.get("psk-filter")
        {
            let takes = |what: &str| matches!(filter.get(what), Some(Value::Map(map)) if map.contains_key("only"));
            return if takes("tags") && !takes("branches") {
                "tag"
            } else {
                "push"
            };
        }
        let guess = if filter.contains("tag") {
            "tag"
        } else {
            "push"
        };
        let note =
            format!("the filter {filter} is not defined in {path}: took its trigger for {guess}");
        self.imported.notes.push(note);
        guess
    }

    fn role(&mut self, pipeline: &str, role: &Role, trigger: &str, after: Option<&str>) {
        let mut text = format!(
            "# From circlepipe's pipeline {}.\ntrigger: {trigger}\n",
            yaml(pipeline)
        );
        if let Some(after) = after {
            let _ = writeln!(text, "after: [{}]", yaml(after));
        }
        text.push_str("clusters:\n");
        let mut taken = BTreeSet::new();
        for instance in &role.instances {
            let own = instance.values.clone().unwrap_or_default();
            let file = env_files::kept(&instance.name, self.settings, self.checkout, self.problems);
            let (own, file) = (self.translate(&own), self.translate(&file));
            let region = region(instance, &own.known, &file.known);
            let name = cluster_name(&role.name, &instance.name, region.as_deref(), &mut taken);
            if name != instance.name {
                self.imported.notes.push(format!(
                    "{} became {name}: psk names clusters <prefix>-i<nn>-aws-<region>, and would make a new one of that name",
                    instance.name
                ));
            }
            let mut settings = own.known;
            if let Some(region) = region {
                settings
                    .entry("aws_region".to_owned())
                    .or_insert(region.into());
            }
            settings.remove("cluster_name");
            if settings.is_empty() {
                let _ = writeln!(text, "  {name}:");
            } else {
                let _ = writeln!(text, "  {name}:");
                for (key, value) in &settings {
                    let _ = writeln!(text, "    {key}: {}", flow(value));
                }
            }
            text.push_str(&comments(&own.unknown, "    "));
            self.note_unknown(&instance.name, &own.unknown);
            if !file.known.is_empty() || !file.unknown.is_empty() {
                let about = format!("what only {name} gets");
                self.put_layer(&name, &about, file);
            }
        }
        if self.settings.approves(&role.name) {
            text.push_str("approval: required\n");
        }
        self.imported
            .files
            .insert(format!("roles/{}.yaml", role.name), text);
    }

    fn layer(&mut self, name: &str, about: &str, values: &Map) {
        let translated = self.translate(values);
        self.put_layer(name, about, translated);
    }

    fn put_layer(&mut self, name: &str, about: &str, values: Translated) {
        let mut text = format!("# From circlepipe: {about}.\n");
        for (key, value) in &values.known {
            let _ = writeln!(text, "{key}: {}", flow(value));
        }
        text.push_str(&comments(&values.unknown, ""));
        self.note_unknown(name, &values.unknown);
        self.imported
            .files
            .insert(format!("environments/{name}.yaml"), text);
    }

    fn note_unknown(&mut self, layer: &str, unknown: &Map) {
        if !unknown.is_empty() {
            let keys: Vec<&str> = unknown.keys().map(String::as_str).collect();
            let note = format!(
                "{layer}: psk can take nothing from {}: kept as comments",
                keys.join(", ")
            );
            self.imported.notes.push(note);
        }
    }

    fn translate(&self, values: &Map) -> Translated {
        let mut translated = Translated::default();
        for (key, value) in values {
            let renamed = RENAMED.iter().find(|(old, _)| old == key);
            let key = renamed.map_or(key.as_str(), |(_, new)| new);
            // What is empty is filled in by something else, at some other time: psk has no such time.
            let known = self.known.contains(key) && *value != Value::from("");
            let value = if known {
                as_psk_has_it(key, value)
            } else {
                value.clone()
            };
            let into = if known {
                &mut translated.known
            } else {
                &mut translated.unknown
            };
            into.insert(key.to_owned(), value);
        }
        translated
    }
}

/// Values that psk knows, by its names for them, and those that it doesn't.
#[derive(Default)]
struct Translated {
    known: Map,
    unknown: Map,
}

/// Terraform's and EKS's spellings of the same.
fn as_psk_has_it(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("management_node_group_capacity_type", Value::Text(text)) => text.replace('-', "_").into(),
        _ => value.clone(),
    }
}

/// The instance's region: what it is set to, or what its name ends in.
fn region(instance: &Instance, own: &Map, file: &Map) -> Option<String> {
    let set = own.get("aws_region").or_else(|| file.get("aws_region"));
    if let Some(Value::Text(region)) = set {
        return Some(region.clone());
    }
    instance
        .name
        .char_indices()
        .filter(|(at, _)| *at == 0 || instance.name.as_bytes().get(at - 1) == Some(&b'-'))
        .map(|(at, _)| &instance.name[at..])
        .find(|tail| tail.parse::<Region>().is_ok())
        .map(str::to_owned)
}

/// The instance's name if it is one that psk takes, else one that is.
fn cluster_name(
    role: &str,
    instance: &str,
    region: Option<&str>,
    taken: &mut BTreeSet<String>,
) -> String {
    let fits = |name: &str| name.parse::<ClusterName>().is_ok();
    let mut name = instance.to_owned();
    if !fits(&name)
        && let Some(region) = region
    {
        for number in 1..100 {
            name = format!("{role}-i{number:02}-aws-{region}");
            if !taken.contains(&name) {
                break;
            }
        }
    }
    taken.insert(name.clone());
    name
}

/// A value on one line. JSON is YAML.
fn flow(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A text as YAML has it: bare where that is safe.
fn yaml(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && matches!(read_yaml(text), Ok(Value::Text(_)));
    if bare {
        text.to_owned()
    } else {
        flow(&text.into())
    }
}

fn comments(unknown: &Map, indent: &str) -> String {
    let mut text = String::new();
    if !unknown.is_empty() {
        let _ = writeln!(text, "{indent}# Not taken over:");
    }
    for (key, value) in unknown {
        let _ = writeln!(text, "{indent}# {}: {}", yaml(key), flow(value));
    }
    text
}
