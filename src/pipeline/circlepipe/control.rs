//! The control file: the pipelines, their roles and their instances.

use std::sync::Arc;

use super::checkout::{Checkout, extension};
use super::settings::Settings;
use crate::inventory::{Problem, Source, did_you_mean};
use crate::pipeline::go::{Map, Value};

/// One pipeline of the control file.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    /// When its jobs run, as it is put into the templates: an alias of the CircleCI config.
    pub(super) filter: String,
    /// Its roles, in the order of their deployment.
    pub(super) roles: Vec<Role>,
}

/// A role of a pipeline.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    /// Whether the control file describes it, beside listing it.
    pub(super) described: bool,
    /// Its instances, in the order of their deployment.
    pub(super) instances: Vec<Instance>,
}

/// An instance of a role: a cluster.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) name: String,
    /// Its own values; `None` where the control file gives it none.
    pub(super) values: Option<Map>,
}

impl Definition {
    /// What a person should know.
    pub(super) fn notes(&self, settings: &Settings) -> Vec<String> {
        let file = settings.in_env_path(&settings.pipe_control_file_name);
        let by_instance = !(settings.pipe_pre_role_only && settings.pipe_post_role_only);
        self.roles
            .iter()
            .filter(|role| by_instance && !role.described)
            .map(|role| {
                format!(
                    "{file}: role {} is deployed but not described: it has no instances",
                    role.name
                )
            })
            .collect()
    }
}

/// The names of the pipelines in the control file.
pub(super) fn pipelines(
    settings: &Settings,
    checkout: &Checkout,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    file(settings, checkout, problems).map_or_else(Vec::new, |(_, map)| map.into_keys().collect())
}

/// The pipeline of that name.
pub(super) fn read(
    pipeline: &str,
    settings: &Settings,
    checkout: &Checkout,
    problems: &mut Vec<Problem>,
) -> Option<Definition> {
    let (source, map) = file(settings, checkout, problems)?;
    let Some(value) = map.get(pipeline) else {
        let message = format!("there is no pipeline {pipeline:?}");
        let help = did_you_mean(pipeline, map.keys()).unwrap_or_else(|| {
            let known: Vec<&str> = map.keys().map(String::as_str).collect();
            format!("the file has {}", known.join(", "))
        });
        problems.push(Problem::at(&source.beginning(), message).help(help));
        return None;
    };
    let mut reader = Reader {
        source: &source,
        // encoding/json doesn't mind the case of a field's name, yaml.v2 does.
        any_case: extension(source.path()) == "json",
        problems,
    };
    reader.pipeline(pipeline, value, settings.env_files_create)
}

fn file(
    settings: &Settings,
    checkout: &Checkout,
    problems: &mut Vec<Problem>,
) -> Option<(Arc<Source>, Map)> {
    let path = settings.in_env_path(&settings.pipe_control_file_name);
    let why = "it defines the pipelines: set EnvFilesPath and PipeControlFileName";
    let source = checkout.needed(&path, why, problems)?;
    let map = checkout.mapping(&source, problems)?;
    Some((source, map))
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    any_case: bool,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn pipeline(&mut self, name: &str, value: &Value, with_values: bool) -> Option<Definition> {
        let before = self.problems.len();
        let map = self.map(value, name)?;
        let filter = match self.field(map, "filter") {
            Some(Value::Text(filter)) if !filter.is_empty() => filter.clone(),
            _ => {
                let message = format!("{name} has no filter");
                let help = "name the anchor of the CircleCI config that says when its jobs run";
                self.problem(name, message, Some(help));
                String::new()
            }
        };
        let deploy = self.names(map, name);
        let described = match self.field(map, "roles") {
            None | Some(Value::Nil) => Map::new(),
            Some(roles) => self.map(roles, &format!("{name}.roles"))?.clone(),
        };
        let roles = deploy
            .into_iter()
            .filter_map(|role| {
                let path = format!("{name}.roles.{role}");
                match described.get(&role) {
                    None => Some(Role {
                        name: role,
                        described: false,
                        instances: Vec::new(),
                    }),
                    Some(value) => self.role(&role, value, &path, with_values),
                }
            })
            .collect();
        (self.problems.len() == before).then_some(Definition { filter, roles })
    }

    fn role(&mut self, name: &str, value: &Value, path: &str, with_values: bool) -> Option<Role> {
        let map = self.map(value, path)?;
        let described = match self.field(map, "instances") {
            None | Some(Value::Nil) => Map::new(),
            Some(instances) => self.map(instances, &format!("{path}.instances"))?.clone(),
        };
        let mut instances = Vec::new();
        for instance in self.names(map, path) {
            let values = match described.get(&instance) {
                Some(Value::Map(values)) => Some(values.clone()),
                Some(Value::Nil) => Some(Map::new()),
                Some(other) => {
                    let path = format!("{path}.instances.{instance}");
                    self.problem(
                        &path,
                        format!("{path} is {}, not a mapping", other.kind()),
                        None,
                    );
                    None
                }
                None if with_values => {
                    let message =
                        format!("{path} deploys {instance:?}, which its instances don't have");
                    let help = did_you_mean(&instance, described.keys());
                    self.problem(path, message, help.as_deref());
                    None
                }
                None => None,
            };
            instances.push(Instance {
                name: instance,
                values,
            });
        }
        Some(Role {
            name: name.to_owned(),
            described: true,
            instances,
        })
    }

    /// The list `deploy`. Each name becomes a file's name, so none may lead elsewhere.
    fn names(&mut self, map: &Map, path: &str) -> Vec<String> {
        let items = match self.field(map, "deploy") {
            None | Some(Value::Nil) => return Vec::new(),
            Some(Value::List(items)) => items.clone(),
            Some(other) => {
                let message = format!("{path}.deploy is {}, not a list", other.kind());
                self.problem(path, message, None);
                return Vec::new();
            }
        };
        let mut names = Vec::new();
        for item in items {
            match item {
                Value::Map(_) | Value::List(_) | Value::Nil => {
                    let message = format!("{path}.deploy holds {}, not a name", item.kind());
                    self.problem(path, message, None);
                }
                item => {
                    let name = item.to_string();
                    if name.split('/').any(|part| part.is_empty() || part == "..") {
                        let message = format!("{path}.deploy: {name:?} can't name a file");
                        self.problem(path, message, None);
                    } else {
                        names.push(name);
                    }
                }
            }
        }
        names
    }

    fn field<'m>(&self, map: &'m Map, name: &str) -> Option<&'m Value> {
        map.get(name).or_else(|| {
            let same =
                |(key, _): &(&String, &Value)| self.any_case && key.eq_ignore_ascii_case(name);
            map.iter().find(same).map(|(_, value)| value)
        })
    }

    fn map<'m>(&mut self, value: &'m Value, path: &str) -> Option<&'m Map> {
        if let Value::Map(map) = value {
            return Some(map);
        }
        self.problem(
            path,
            format!("{path} is {}, not a mapping", value.kind()),
            None,
        );
        None
    }

    /// A problem at the line that holds the last key of `path`, as far as that can be told.
    fn problem(&mut self, path: &str, message: String, help: Option<&str>) {
        let at = self.source.find_key(path);
        let problem = Problem::at(&at, message);
        self.problems
            .push(problem.maybe_help(help.map(str::to_owned)));
    }
}
