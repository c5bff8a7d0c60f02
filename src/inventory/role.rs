//! Roles: the release tiers, each one file in `roles/`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::choice::choice;
use super::decode::{Decode, Decoder, Invalid};
use super::identity::ClusterName;
use super::node::{Map, Node, Value};
use super::parse::parse;
use super::problem::Problem;
use super::rollout::Rollout;
use super::source::{Location, Source};

/// A release tier.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Role {
    /// The role's name, which is its file's.
    #[schemars(skip)]
    pub name: String,
    /// What the role is for.
    pub description: Option<String>,
    /// What may start a rollout of this role.
    #[schemars(default = "default_trigger")]
    pub trigger: Trigger,
    /// The roles that must hold a release before this one may get it.
    #[schemars(default)]
    pub after: Vec<String>,
    /// The role's clusters, each with the settings that are its own.
    #[schemars(schema_with = "super::schema::clusters")]
    pub clusters: Vec<ClusterName>,
    /// How a release goes over the clusters.
    #[schemars(default)]
    pub rollout: Rollout,
    /// Whether a person has to approve the plan in a generated pipeline.
    #[schemars(default = "default_approval")]
    pub approval: Approval,
}

fn default_trigger() -> Trigger {
    Trigger::Tag
}

fn default_approval() -> Approval {
    Approval::None
}

choice! {
    /// What may start a rollout.
    pub enum Trigger {
        /// A push to the default branch.
        Push = "push",
        /// A tag.
        Tag = "tag",
    }
}

choice! {
    /// Whether a person has to approve.
    pub enum Approval {
        /// Nobody has to.
        None = "none",
        /// Somebody has to.
        Required = "required",
    }
}

/// A role's file as it was read.
pub(crate) struct RoleFile {
    pub(crate) role: Role,
    /// The file's beginning.
    pub(crate) at: Location,
    /// Where each name in `after` stands, in the same order.
    pub(crate) after_at: Vec<Location>,
    pub(crate) clusters: Vec<Listed>,
}

/// A cluster as a role's file lists it.
pub(crate) struct Listed {
    pub(crate) name: ClusterName,
    pub(crate) at: Location,
    /// Its own settings, the last layer.
    pub(crate) settings: Map,
}

/// Reads the file of the role `name`.
pub(crate) fn read(
    name: &str,
    source: &Arc<Source>,
    problems: &mut Vec<Problem>,
) -> Option<RoleFile> {
    let map = parse(source, problems)?;
    let at = source.beginning();
    check_name(name, &at, problems);
    let mut decoder = Decoder::new(&map, &at, format!("role \"{name}\""), "", problems);
    let description = decoder.optional("description");
    let trigger = decoder.or("trigger", default_trigger());
    let after = decoder.or::<Vec<String>>("after", Vec::new());
    let after_at = decoder.node("after").map(items_at).unwrap_or_default();
    let clusters = decoder.or("clusters", Clusters(Vec::new()));
    let clusters_at = decoder.node("clusters").map(|node| node.at.clone());
    let rollout = decoder.or("rollout", Rollout::default());
    let approval = decoder.or("approval", default_approval());
    if clusters
        .as_ref()
        .is_some_and(|Clusters(clusters)| clusters.is_empty())
    {
        let at = clusters_at.as_ref().unwrap_or(&at);
        let problem = Problem::at(at, format!("role \"{name}\" has no clusters"));
        decoder.problem(problem.help("list at least one under clusters, or remove the file"));
    }
    decoder.finish();
    let Clusters(clusters) = clusters?;
    let role = Role {
        name: name.to_owned(),
        description: description?,
        trigger: trigger?,
        after: after?,
        clusters: clusters.iter().map(|listed| listed.name.clone()).collect(),
        rollout: rollout?,
        approval: approval?,
    };
    Some(RoleFile {
        role,
        at,
        after_at,
        clusters,
    })
}

fn check_name(name: &str, at: &Location, problems: &mut Vec<Problem>) {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if name == "default" {
        let message = "a role can't be called default, which names the layer under all roles";
        problems.push(Problem::at(at, message));
    } else if name == "freeze" {
        let message = "a role can't be called freeze: a status of that name stops every rollout";
        problems.push(Problem::at(at, message));
    } else if !fits {
        let message = format!("\"{name}\" is not a role's name: lower-case letters, digits and -");
        problems.push(Problem::at(at, message).help("rename the file"));
    }
}

fn items_at(node: &Node) -> Vec<Location> {
    match &node.value {
        Value::List(items) => items.iter().map(|item| item.at.clone()).collect(),
        _ => Vec::new(),
    }
}

struct Clusters(Vec<Listed>);

/// A mapping of names to settings, or only a list of names.
impl Decode for Clusters {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let mut clusters: Vec<Listed> = Vec::new();
        let mut list = |name: &str, at: &Location, settings: Map, problems: &mut Vec<Problem>| {
            match name.parse::<ClusterName>() {
                Ok(name) => match clusters.iter().find(|listed| listed.name == name) {
                    Some(first) => {
                        let problem =
                            Problem::at(at, format!("cluster \"{name}\" is listed twice"));
                        problems.push(problem.help(format!("it is first listed at {}", first.at)));
                    }
                    None => clusters.push(Listed {
                        name,
                        at: at.clone(),
                        settings,
                    }),
                },
                Err(Invalid { complaint, help }) => {
                    let message = format!("\"{name}\" {complaint}");
                    problems.push(Problem::at(at, message).maybe_help(help));
                }
            }
        };
        match &node.value {
            Value::Map(map) => {
                for entry in map.iter() {
                    let settings = match &entry.node.value {
                        Value::Map(settings) => settings.clone(),
                        Value::Null => Map::default(),
                        _ => {
                            let what = entry.node.what();
                            let message =
                                format!("{path}.{} must be a mapping, not {what}", entry.key);
                            problems.push(Problem::at(&entry.node.at, message));
                            continue;
                        }
                    };
                    list(&entry.key, &entry.key_at, settings, problems);
                }
            }
            Value::List(items) => {
                for (number, item) in items.iter().enumerate() {
                    let path = format!("{path}[{number}]");
                    if let Some(name) = String::decode(item, &path, problems) {
                        list(&name, &item.at, Map::default(), problems);
                    }
                }
            }
            _ => {
                let message = format!("{path} must be a mapping or a list, not {}", node.what());
                problems.push(Problem::at(&node.at, message));
            }
        }
        (problems.len() == before).then_some(Self(clusters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, text: &str) -> Result<RoleFile, Vec<String>> {
        let mut problems = Vec::new();
        let source = Source::new(format!("roles/{name}.yaml"), text);
        match read(name, &source, &mut problems) {
            Some(role) if problems.is_empty() => Ok(role),
            _ => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn clusters_may_be_a_mapping_or_a_list() {
        let names = |text| role("qa", text).unwrap().role.clusters;
        let listed = names("clusters: [qa-i01-aws-us-east-1]\n");
        assert_eq!(names("clusters: { qa-i01-aws-us-east-1: }\n"), listed);
        assert_eq!(
            names("clusters: { qa-i01-aws-us-east-1: { eks_version: \"1.35\" } }\n"),
            listed
        );
    }

    #[test]
    fn a_role_needs_clusters_with_proper_names() {
        assert_eq!(
            role("qa", "trigger: tag\n").err().unwrap(),
            ["roles/qa.yaml:1:1: role \"qa\" has no clusters \
              (list at least one under clusters, or remove the file)"]
        );
        assert_eq!(
            role("qa", "trigger: tag\nclusters: {}\n").err().unwrap(),
            ["roles/qa.yaml:2:11: role \"qa\" has no clusters \
              (list at least one under clusters, or remove the file)"]
        );
        assert_eq!(
            role(
                "qa",
                "clusters:\n- qa-i01-aws-us-east-1\n- qa-1\n- qa-i01-aws-us-east-1\n"
            )
            .err()
            .unwrap(),
            [
                "roles/qa.yaml:3:3: \"qa-1\" is not a cluster's name: <prefix>-i<nn>-aws-<region>",
                "roles/qa.yaml:4:3: cluster \"qa-i01-aws-us-east-1\" is listed twice \
                 (it is first listed at roles/qa.yaml:2:3)",
            ]
        );
    }

    #[test]
    fn a_roles_own_words_are_checked() {
        assert_eq!(
            role(
                "Qa",
                "triger: tag\ntrigger: pull\napproval: yes\nclusters: [qa-i01-aws-us-east-1]\n"
            )
            .err()
            .unwrap(),
            [
                "roles/Qa.yaml:1:1: \"Qa\" is not a role's name: lower-case letters, digits and - \
                 (rename the file)",
                "roles/Qa.yaml:2:10: trigger: \"pull\" is not one of push, tag",
                "roles/Qa.yaml:3:11: approval: \"yes\" is not one of none, required",
                "roles/Qa.yaml:1:1: unknown key \"triger\" (did you mean \"trigger\"?)",
            ]
        );
    }
}
