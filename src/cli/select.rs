//! The clusters that a command is about: which, and their settings with every reference resolved
//! through 1Password.

use super::Error;
use crate::env::Env;
use crate::exit::Exit;
use crate::inventory::{Cluster, Inventory, Reference, Role, Secrets, Selection};
use crate::onepassword;
use crate::process::Processes;

/// All clusters of a role, or one cluster.
#[derive(Debug, clap::Args)]
pub(super) struct RoleOrCluster {
    /// The role (release tier) whose clusters are meant.
    #[arg(
        long,
        value_name = "ROLE",
        required_unless_present = "cluster",
        conflicts_with = "cluster"
    )]
    pub(super) role: Option<String>,
    /// The one cluster.
    #[arg(long, value_name = "CLUSTER")]
    pub(super) cluster: Option<String>,
}

/// The clusters of a role, or those of them that are named.
pub(super) fn selection(
    inventory: &Inventory,
    role: &Role,
    named: &[String],
) -> Result<Selection, Error> {
    inventory
        .select(std::slice::from_ref(&role.name), named)
        .map_err(|unknown| Error::usage(unknown.to_string(), ""))
}

/// The selected clusters, every reference in their settings resolved, and the values that were
/// found, among them those of `more`.
pub(super) async fn resolved(
    inventory: &Inventory,
    selection: &Selection,
    more: Vec<Reference>,
    env: &Env,
    processes: &Processes,
) -> Result<(Vec<Cluster>, Secrets), Error> {
    let used = inventory.references(selection);
    let mut references = more;
    references.extend(used.into_iter().map(|used| used.reference));
    let values = values(&references, env, processes).await?;
    Ok((inventory.resolve(selection, &values)?, values))
}

/// The value of each reference, or why there is none. Nothing is asked where there are none.
pub(super) async fn values(
    references: &[Reference],
    env: &Env,
    processes: &Processes,
) -> Result<Secrets, Error> {
    if references.is_empty() {
        return Ok(Secrets::new());
    }
    let onepassword = onepassword::open(env, processes).map_err(refused)?;
    onepassword::resolve(&*onepassword, references)
        .await
        .map_err(refused)
}

fn refused(error: onepassword::Error) -> Error {
    Error::new(
        Exit::InvalidInventory,
        format!("resolving op:// references: {error}"),
        error.next(),
    )
}
