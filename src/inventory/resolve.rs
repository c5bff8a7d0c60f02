//! Settings with every reference's value in its place: what a run works with.

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::event::ClusterRef;

use super::fleet::{Inventory, Selection};
use super::identity::{AccountId, ClusterName, Region};
use super::problem::{Problem, Problems};
use super::reference::Reference;
use super::render::{Scope, render};
use super::settings::Settings;
use super::template::{Engine, Known};

/// What became of each reference: its value, or why there is none, in the vault's words.
pub type Secrets = BTreeMap<Reference, Result<SecretString, String>>;

/// One cluster, ready to be worked on.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name, unique in the inventory.
    pub name: ClusterName,
    /// The role that it is in.
    pub role: String,
    /// Where it is.
    pub region: Region,
    /// Whose it is.
    pub account: AccountId,
    /// What it should be.
    pub settings: Settings,
}

impl From<&Cluster> for ClusterRef {
    fn from(cluster: &Cluster) -> Self {
        Self {
            name: cluster.name.to_string(),
            region: cluster.region.to_string(),
            account: cluster.account.to_string(),
        }
    }
}

impl Inventory {
    /// The clusters of a selection with their settings, every reference replaced by its value.
    ///
    /// # Errors
    /// Every reference without a value, at each place that names it; otherwise everything that is
    /// wrong with the values.
    pub fn resolve(
        &self,
        selection: &Selection,
        secrets: &Secrets,
    ) -> Result<Vec<Cluster>, Problems> {
        self.check_found(selection, secrets)?;
        let known: Known<'_> = secrets
            .iter()
            .filter_map(|(reference, value)| Some((reference, value.as_ref().ok()?)))
            .collect();
        let engine = Engine::new();
        let mut problems = Vec::new();
        let mut clusters = Vec::new();
        for member in self.selected(selection) {
            let scope = Scope {
                cluster: member.name.as_str(),
                role: &member.role,
            };
            let rendered = render(&engine, &member.written, scope, &known, &mut problems);
            let settings = Settings::decode(&rendered, member.asks(), &mut problems);
            clusters.extend(settings.map(|settings| Cluster {
                name: member.name.clone(),
                role: member.role.clone(),
                region: settings.aws_region.clone(),
                account: settings.aws_account_id.clone(),
                settings,
            }));
        }
        Problems::none_or(problems, clusters)
    }

    fn check_found(&self, selection: &Selection, secrets: &Secrets) -> Result<(), Problems> {
        let mut problems = Vec::new();
        for used in self.references(selection) {
            let reference = &used.reference;
            let why = match secrets.get(reference) {
                Some(Ok(_)) => continue,
                Some(Err(why)) => why.as_str(),
                None => "it was not looked up",
            };
            let message = format!("{reference} has no value: {why}");
            problems.extend(
                used.used_at
                    .iter()
                    .map(|at| Problem::at(at, message.as_str())),
            );
        }
        Problems::none_or(problems, ())
    }
}
