//! Which files make up an inventory, and what each is.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::problem::Problem;
use super::source::Source;

const ROLES: &str = "roles";
const ENVIRONMENTS: &str = "environments";
/// Where teams put objects of their own for the inside of clusters.
pub(crate) const MANIFESTS: &str = "environments/manifests";
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The files of an inventory, by what they are.
#[derive(Default)]
pub(crate) struct Files {
    /// `psk.yaml`.
    pub(crate) pipeline: Option<Arc<Source>>,
    /// `roles/`, by the roles' names.
    pub(crate) roles: BTreeMap<String, Arc<Source>>,
    /// `environments/`, by what they are the layer of: `default`, a role or a cluster.
    pub(crate) layers: BTreeMap<String, Arc<Source>>,
    /// `environments/manifests/`, by the role or cluster that each folder is for.
    pub(crate) manifests: BTreeMap<String, Vec<Arc<Source>>>,
}

impl Files {
    /// Reads every file of the inventory under `root`.
    pub(crate) fn read(root: &Path, problems: &mut Vec<Problem>) -> Self {
        let mut files = Self::default();
        for name in list(root, "", problems) {
            if matches!(name.as_str(), "psk.yaml" | "psk.yml") {
                let source = open(root, &name, problems);
                match &files.pipeline {
                    Some(first) => problems.push(twice("the pipeline", first.path(), &name)),
                    None => files.pipeline = source,
                }
            }
        }
        files.roles = folder(root, ROLES, "role", role_name, problems);
        files.layers = folder(root, ENVIRONMENTS, "layer", layer_name, problems);
        for folder in entries(root, MANIFESTS, Path::is_dir, problems) {
            let sources = manifests(root, &format!("{MANIFESTS}/{folder}"), problems);
            files.manifests.insert(folder, sources);
        }
        if files.roles.is_empty() && problems.is_empty() {
            let message = format!("no role files in {}", root.join(ROLES).display());
            let help = "an inventory has one file for each role, such as roles/sandbox.yaml";
            problems.push(Problem::nowhere(message).help(help));
        }
        files
    }
}

/// The files of one folder, by the names that `name_of` reads from theirs.
fn folder(
    root: &Path,
    folder: &str,
    what: &str,
    name_of: fn(&str) -> Option<&str>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Arc<Source>> {
    let mut files: BTreeMap<String, Arc<Source>> = BTreeMap::new();
    for file in list(root, folder, problems) {
        let path = format!("{folder}/{file}");
        // Pages for people and the files of editors and git are no settings.
        if file.starts_with('.') || file.ends_with(".md") || file.ends_with('~') {
            continue;
        }
        let Some(name) = name_of(&file) else {
            let message = format!("{path} has a name that psk doesn't read");
            let help = match folder {
                ROLES => "a role's file is called <role>.yaml, .yml or .json",
                _ => "a layer is called <layer>.yaml, .yml or .json, and .tpl may follow",
            };
            problems.push(Problem::nowhere(message).help(help));
            continue;
        };
        let Some(source) = open(root, &path, problems) else {
            continue;
        };
        if let Some(first) = files.get(name) {
            problems.push(twice(
                &format!("the {what} \"{name}\""),
                first.path(),
                &path,
            ));
        } else {
            files.insert(name.to_owned(), source);
        }
    }
    files
}

/// The manifests in one folder.
fn manifests(root: &Path, folder: &str, problems: &mut Vec<Problem>) -> Vec<Arc<Source>> {
    let files = list(root, folder, problems);
    let wanted = files.iter().filter(|file| role_name(file).is_some());
    let paths = wanted.map(|file| format!("{folder}/{file}"));
    paths
        .filter_map(|path| open(root, &path, problems))
        .collect()
}

fn twice(what: &str, first: &str, second: &str) -> Problem {
    Problem::nowhere(format!(
        "{what} is given by two files, {first} and {second}"
    ))
    .help("keep one of them")
}

/// `<role>.yaml`.
fn role_name(file: &str) -> Option<&str> {
    let (name, extension) = file.rsplit_once('.')?;
    (EXTENSIONS.contains(&extension) && !name.is_empty()).then_some(name)
}

/// `<layer>.yaml[.tpl]`, or `<cluster>.auto.tfvars.json[.tpl]`, as Terraform would have it.
fn layer_name(file: &str) -> Option<&str> {
    let name = role_name(file.strip_suffix(".tpl").unwrap_or(file))?;
    Some(name.strip_suffix(".auto.tfvars").unwrap_or(name))
}

/// The names of the files in a folder, sorted; none if there is no such folder.
fn list(root: &Path, folder: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    entries(root, folder, Path::is_file, problems)
}

/// The names of what is in a folder and of that sort, sorted; none if there is no such folder.
fn entries(
    root: &Path,
    folder: &str,
    wanted: fn(&Path) -> bool,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let path = root.join(folder);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound && !folder.is_empty() => {
            return Vec::new();
        }
        Err(error) => {
            problems.push(Problem::nowhere(format!(
                "can't read {}: {error}",
                path.display()
            )));
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if wanted(&entry.path()) => {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
            Ok(_) => {}
            Err(error) => {
                problems.push(Problem::nowhere(format!(
                    "can't read {}: {error}",
                    path.display()
                )));
            }
        }
    }
    names.sort();
    names
}

fn open(root: &Path, path: &str, problems: &mut Vec<Problem>) -> Option<Arc<Source>> {
    match std::fs::read_to_string(root.join(path)) {
        // Some editors begin a file with a byte order mark, which is none of its text.
        Ok(text) => Some(Source::new(path, text.trim_start_matches('\u{feff}'))),
        Err(error) => {
            problems.push(Problem::nowhere(format!("can't read {path}: {error}")));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layers_name_is_what_is_left_without_its_endings() {
        for (file, name) in [
            ("default.yaml", Some("default")),
            ("nonprod.yml.tpl", Some("nonprod")),
            ("x-i01-aws-us-east-1.json", Some("x-i01-aws-us-east-1")),
            (
                "x-i01-aws-us-east-1.auto.tfvars.json.tpl",
                Some("x-i01-aws-us-east-1"),
            ),
            ("prod.ymal", None),
            (".yaml", None),
            ("prod", None),
        ] {
            assert_eq!(layer_name(file), name, "{file}");
        }
    }
}
