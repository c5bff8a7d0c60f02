//! The inventory: every role and cluster, in promotion order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::identity::ClusterName;
use super::nearest::did_you_mean;
use super::node::{Map, Value};
use super::pipeline::Pipeline;
use super::reference::{Reference, ReferenceUse};
use super::role::Role;
use super::source::{Location, SECRET_KEYS, Source};
use super::template::{outside_templates, references};

/// All roles and clusters with their settings, and the pipeline's own file.
pub struct Inventory {
    pub(crate) pipeline: Pipeline,
    pub(crate) pipeline_references: Vec<ReferenceUse>,
    /// In promotion order.
    pub(crate) roles: Vec<Role>,
    /// In the order of their roles, and in each as its file lists them.
    pub(crate) members: Vec<Member>,
}

/// A cluster with its settings, as far as they are known without the vaults.
pub(crate) struct Member {
    pub(crate) name: ClusterName,
    pub(crate) role: String,
    /// Where its role's file lists it.
    pub(crate) at: Location,
    /// The files that its settings were merged from, lowest first.
    pub(crate) layers: Vec<String>,
    /// The merged settings, as they were written.
    pub(crate) written: Map,
    /// The merged settings with their templates rendered; references stand for themselves.
    pub(crate) rendered: Map,
    /// What teams add inside it: the files of its role, then its own.
    pub(crate) manifests: Vec<Arc<Source>>,
}

/// Some clusters of an inventory, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Vec<ClusterName>);

impl Selection {
    /// The names of the clusters.
    pub fn clusters(&self) -> &[ClusterName] {
        &self.0
    }

    pub(crate) fn has(&self, name: &ClusterName) -> bool {
        self.0.contains(name)
    }
}

/// A role or cluster was asked for that isn't there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No such role.
    #[error("no role \"{name}\" in the inventory{}; its roles are {}", in_parentheses(.nearest), .known.join(", "))]
    Role {
        /// The name asked for.
        name: String,
        /// What may have been meant, as a question.
        nearest: Option<String>,
        /// Every role, in promotion order.
        known: Vec<String>,
    },
    /// No such cluster.
    #[error("no cluster \"{name}\" in the inventory{}; `psk inventory show` lists them", in_parentheses(.nearest))]
    Cluster {
        /// The name asked for.
        name: String,
        /// What may have been meant, as a question.
        nearest: Option<String>,
    },
    /// The cluster is in none of the roles asked for.
    #[error("cluster \"{name}\" is in role \"{role}\", which was not asked for")]
    Elsewhere {
        /// The cluster.
        name: String,
        /// Its role.
        role: String,
    },
}

fn in_parentheses(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|nearest| format!(" ({nearest})"))
        .unwrap_or_default()
}

impl Inventory {
    /// What holds for the pipeline as a whole.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Every role in promotion order: each after all that it comes after, otherwise by name.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The role of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn role(&self, name: &str) -> Result<&Role, Unknown> {
        self.roles
            .iter()
            .find(|role| role.name == name)
            .ok_or_else(|| {
                let known: Vec<String> = self.roles.iter().map(|role| role.name.clone()).collect();
                Unknown::Role {
                    name: name.to_owned(),
                    nearest: did_you_mean(name, &known),
                    known,
                }
            })
    }

    /// The name of the cluster and the role that it is in.
    ///
    /// # Errors
    /// If there is no such cluster.
    pub fn cluster(&self, name: &str) -> Result<(&ClusterName, &Role), Unknown> {
        let member = self.member(name)?;
        Ok((&member.name, self.role(&member.role)?))
    }

    /// What teams add inside a cluster, as files of templates: those of its role, then its own.
    pub(crate) fn manifests(&self, cluster: &str) -> &[Arc<Source>] {
        let member = self.member(cluster);
        member.map_or(&[], |member| member.manifests.as_slice())
    }

    /// The clusters of the given roles that are among the given clusters; an empty list stands for
    /// all.
    ///
    /// # Errors
    /// If a role or cluster isn't there, or a cluster is in none of the roles.
    pub fn select(&self, roles: &[String], clusters: &[String]) -> Result<Selection, Unknown> {
        for role in roles {
            self.role(role)?;
        }
        for cluster in clusters {
            let member = self.member(cluster)?;
            if !roles.is_empty() && !roles.contains(&member.role) {
                let (name, role) = (cluster.clone(), member.role.clone());
                return Err(Unknown::Elsewhere { name, role });
            }
        }
        let wanted = |member: &&Member| {
            (roles.is_empty() || roles.contains(&member.role))
                && (clusters.is_empty() || clusters.iter().any(|name| name == member.name.as_str()))
        };
        Ok(Selection(
            self.members
                .iter()
                .filter(wanted)
                .map(|member| member.name.clone())
                .collect(),
        ))
    }

    /// Every cluster.
    pub fn everything(&self) -> Selection {
        Selection(
            self.members
                .iter()
                .map(|member| member.name.clone())
                .collect(),
        )
    }

    /// Every reference that the settings of the clusters make, each once, with the settings that
    /// need it and the places that name it.
    pub fn references(&self, selection: &Selection) -> Vec<ReferenceUse> {
        let mut uses: BTreeMap<Reference, (BTreeSet<String>, BTreeSet<Location>)> = BTreeMap::new();
        for member in self.selected(selection) {
            for entry in member.written.iter() {
                entry.node.scalars(&mut |at, scalar| {
                    for (offset, reference) in references(&scalar.text) {
                        let (settings, used_at) = uses.entry(reference).or_default();
                        settings.insert(entry.key.clone());
                        used_at.insert(at.within(&scalar.text, offset));
                    }
                });
            }
        }
        uses.into_iter()
            .map(|(reference, (settings, used_at))| ReferenceUse {
                reference,
                settings,
                used_at,
            })
            .collect()
    }

    /// Every reference that `psk.yaml` makes.
    pub fn pipeline_references(&self) -> &[ReferenceUse] {
        &self.pipeline_references
    }

    pub(crate) fn selected(&self, selection: &Selection) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(|member| selection.has(&member.name))
    }

    fn member(&self, name: &str) -> Result<&Member, Unknown> {
        self.members
            .iter()
            .find(|member| member.name.as_str() == name)
            .ok_or_else(|| {
                let known = self.members.iter().map(|member| member.name.as_str());
                Unknown::Cluster {
                    name: name.to_owned(),
                    nearest: did_you_mean(name, known),
                }
            })
    }
}

impl Member {
    /// Whether the value of `key` is a secret that is written out in a file, rather than one that
    /// stays in its vault.
    pub(crate) fn is_secret_literal(&self, key: &str) -> bool {
        if !SECRET_KEYS.contains(&key) {
            return false;
        }
        let mut literal = false;
        if let Some(entry) = self.written.get(key) {
            entry.node.scalars(&mut |_, scalar| {
                literal |= !outside_templates(&scalar.text).trim().is_empty();
            });
            literal |= !matches!(entry.node.value, Value::Scalar(_));
        }
        literal
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clusters: Vec<&ClusterName> = self.members.iter().map(|member| &member.name).collect();
        f.debug_struct("Inventory")
            .field("pipeline", &self.pipeline)
            .field("roles", &self.roles)
            .field("clusters", &clusters)
            .finish_non_exhaustive()
    }
}
