//! Reading an inventory: files, roles and their graph, layers, and a first check of every setting.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::files::{Files, MANIFESTS};
use super::fleet::{Inventory, Member};
use super::merge::merge;
use super::nearest::did_you_mean;
use super::node::Map;
use super::order::order;
use super::parse::parse;
use super::pipeline::{self, Pipeline, PipelineFile};
use super::problem::{Problem, Problems};
use super::render::{Scope, render};
use super::role::{self, Listed, RoleFile};
use super::settings::{For, Settings};
use super::source::{Location, Source};
use super::template::{Engine, Known};

/// The lowest layer, under every inventory's own.
pub(crate) const BUILT_IN: &str = "psk's own defaults";

impl Inventory {
    /// Reads `psk.yaml`, `roles/` and `environments/` under `root`, and checks everything that can
    /// be checked without the vaults.
    ///
    /// # Errors
    /// Everything that is wrong, all at once.
    pub fn load(root: &Path) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let files = Files::read(root, &mut problems);
        let pipeline = match &files.pipeline {
            Some(source) => pipeline::read(source, &mut problems),
            None => Some(PipelineFile::absent()),
        };
        let roles: Vec<Option<RoleFile>> = files
            .roles
            .iter()
            .map(|(name, source)| role::read(name, source, &mut problems))
            .collect();
        let all_roles_read = roles.iter().all(Option::is_some);
        let roles: Vec<RoleFile> = roles.into_iter().flatten().collect();
        let names: BTreeSet<&str> = files.roles.keys().map(String::as_str).collect();
        let roles_in_order = check_graph(&roles, &names, &mut problems);
        check_one_role_each(&roles, &mut problems);
        if let Some(pipeline) = &pipeline {
            check_roles_named(pipeline, &names, &mut problems);
        }

        let layers = Layers::read(&files, &mut problems);
        if all_roles_read {
            layers.check_strays(&files, &roles, &mut problems);
        }
        let engine = Engine::new();
        let mut members = Vec::new();
        for index in &roles_in_order {
            let Some(file) = roles.get(*index) else {
                continue;
            };
            for listed in &file.clusters {
                members.extend(layers.member(&engine, file, listed, &mut problems));
            }
        }

        let PipelineFile {
            pipeline,
            references,
            ..
        } = pipeline.unwrap_or_else(PipelineFile::absent);
        let mut roles: Vec<Option<RoleFile>> = roles.into_iter().map(Some).collect();
        let in_order = roles_in_order
            .into_iter()
            .filter_map(|index| Some(roles.get_mut(index)?.take()?.role))
            .collect();
        let inventory = Self {
            pipeline,
            pipeline_references: references,
            roles: in_order,
            members,
        };
        Problems::none_or(problems, inventory)
    }
}

impl PipelineFile {
    fn absent() -> Self {
        Self {
            pipeline: Pipeline::default(),
            references: Vec::new(),
            frozen: Vec::new(),
            released: None,
        }
    }
}

/// The roles' indexes in promotion order, those that hang on a cycle last.
fn check_graph(
    roles: &[RoleFile],
    names: &BTreeSet<&str>,
    problems: &mut Vec<Problem>,
) -> Vec<usize> {
    let mut needs = Vec::new();
    for file in roles {
        let mut own = Vec::new();
        for (before, at) in file.role.after.iter().zip(&file.after_at) {
            if let Some(index) = roles.iter().position(|other| other.role.name == *before) {
                own.push(index);
            } else if !names.contains(before.as_str()) {
                let message = format!("after names an unknown role \"{before}\"");
                let nearest = did_you_mean(before, names.iter().copied());
                problems.push(Problem::at(at, message).maybe_help(nearest));
            }
        }
        needs.push(own);
    }
    let order = order(&needs);
    for cycle in &order.cycles {
        let members: Vec<&RoleFile> = cycle.iter().filter_map(|index| roles.get(*index)).collect();
        let names: Vec<String> = members
            .iter()
            .map(|file| format!("\"{}\"", file.role.name))
            .collect();
        let message = match names.as_slice() {
            [one] => format!("role {one} comes after itself"),
            _ => format!(
                "the roles {} come after one another: a cycle in after",
                names.join(", ")
            ),
        };
        if let Some(file) = members.first() {
            let at = file.after_at.first().unwrap_or(&file.at);
            problems.push(Problem::at(at, message));
        }
    }
    let mut sorted = order.sorted;
    let rest: Vec<usize> = (0..roles.len())
        .filter(|index| !sorted.contains(index))
        .collect();
    sorted.extend(rest);
    sorted
}

fn check_one_role_each(roles: &[RoleFile], problems: &mut Vec<Problem>) {
    let mut first: BTreeMap<&str, (&str, &Location)> = BTreeMap::new();
    for file in roles {
        for listed in &file.clusters {
            match first.get(listed.name.as_str()) {
                None => {
                    first.insert(listed.name.as_str(), (&file.role.name, &listed.at));
                }
                Some((role, at)) => {
                    let message = format!(
                        "cluster \"{}\" is in two roles, \"{role}\" and \"{}\"",
                        listed.name, file.role.name
                    );
                    let help = format!("the other one lists it at {at}");
                    problems.push(Problem::at(&listed.at, message).help(help));
                }
            }
        }
    }
}

fn check_roles_named(pipeline: &PipelineFile, names: &BTreeSet<&str>, problems: &mut Vec<Problem>) {
    for (role, at) in &pipeline.frozen {
        if !names.contains(role.as_str()) {
            let message = format!("the freeze names an unknown role \"{role}\"");
            let nearest = did_you_mean(role, names.iter().copied());
            problems.push(Problem::at(at, message).maybe_help(nearest));
        }
    }
    if let Some((role, at)) = &pipeline.released
        && !names.contains(role.as_str())
    {
        let message = format!("release.role is an unknown role \"{role}\"");
        let nearest = did_you_mean(role, names.iter().copied());
        problems.push(Problem::at(at, message).maybe_help(nearest));
    }
}

/// The files of `environments/`, parsed, and what psk itself takes by default.
struct Layers {
    built_in: Map,
    /// `None` for a file that couldn't be parsed.
    read: BTreeMap<String, (String, Option<Map>)>,
    manifests: BTreeMap<String, Vec<Arc<Source>>>,
}

impl Layers {
    fn read(files: &Files, problems: &mut Vec<Problem>) -> Self {
        let built_in = Source::new(BUILT_IN, include_str!("defaults.yaml"));
        let built_in = parse(&built_in, problems).unwrap_or_default();
        let read = files
            .layers
            .iter()
            .map(|(name, source)| {
                (
                    name.clone(),
                    (source.path().to_owned(), parse(source, problems)),
                )
            })
            .collect();
        Self {
            built_in,
            read,
            manifests: files.manifests.clone(),
        }
    }

    /// Reports the files that are the layer of nothing.
    fn check_strays(&self, files: &Files, roles: &[RoleFile], problems: &mut Vec<Problem>) {
        let clusters = roles
            .iter()
            .flat_map(|file| &file.clusters)
            .map(|c| c.name.as_str());
        let known: Vec<&str> = ["default"]
            .into_iter()
            .chain(files.roles.keys().map(String::as_str))
            .chain(clusters)
            .collect();
        for (name, source) in &files.layers {
            if !known.contains(&name.as_str()) {
                let message = format!("\"{name}\" is no role and no cluster of one");
                let nearest = did_you_mean(name, known.iter().copied());
                let help = nearest.unwrap_or_else(|| {
                    "a layer is called default, or by the name of a role or of a cluster".to_owned()
                });
                problems.push(Problem::at(&source.beginning(), message).help(help));
            }
        }
        let known = known.get(1..).unwrap_or_default();
        for folder in self.manifests.keys() {
            if !known.contains(&folder.as_str()) {
                let message = format!("{MANIFESTS}/{folder} is named after no role and no cluster");
                let nearest = did_you_mean(folder, known.iter().copied());
                let help = nearest.unwrap_or_else(|| "rename the folder".to_owned());
                problems.push(Problem::nowhere(message).help(help));
            }
        }
    }

    /// One cluster with its settings merged, rendered and checked.
    fn member(
        &self,
        engine: &Engine,
        file: &RoleFile,
        listed: &Listed,
        problems: &mut Vec<Problem>,
    ) -> Option<Member> {
        let (role, cluster) = (&file.role.name, &listed.name);
        let mut written = self.built_in.clone();
        let mut layers = Vec::new();
        for name in ["default", role, cluster.as_str()] {
            if let Some((path, map)) = self.read.get(name) {
                // What a broken file would have set can't be told missing.
                written = merge(written, map.clone()?);
                layers.push(path.clone());
            }
        }
        if !listed.settings.is_empty() {
            written = merge(written, listed.settings.clone());
            layers.push(file.at.file().to_owned());
        }
        if layers.is_empty() {
            let message = format!("cluster \"{cluster}\" has no settings in any layer");
            let help = format!(
                "psk looked for environments/default, environments/{role} and \
                 environments/{cluster} (.yaml, .yml or .json, and .tpl may follow), and for keys \
                 of its own in {}",
                file.at.file()
            );
            problems.push(Problem::at(&listed.at, message).help(help));
            return None;
        }
        let scope = Scope {
            cluster: cluster.as_str(),
            role,
        };
        let rendered = render(engine, &written, scope, &Known::new(), problems);
        let manifests = [role, cluster.as_str()].map(|of| self.manifests.get(of).into_iter());
        let member = Member {
            manifests: manifests.into_iter().flatten().flatten().cloned().collect(),
            name: cluster.clone(),
            role: role.clone(),
            at: listed.at.clone(),
            layers,
            written,
            rendered,
        };
        Settings::decode(&member.rendered, member.asks(), problems);
        Some(member)
    }
}

impl Member {
    pub(crate) fn asks(&self) -> For<'_> {
        let supply = format!(
            "add what is missing to one of its layers: {}",
            self.layers.join(", ")
        );
        For {
            cluster: &self.name,
            at: &self.at,
            supply,
        }
    }
}
