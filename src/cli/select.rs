//! Resolving the clusters that a command is about: their references through 1Password, then their
//! settings, typed.

use super::Error;
use crate::env::Env;
use crate::exit::Exit;
use crate::inventory::{Cluster, Inventory, Role, Secrets};
use crate::onepassword::{Connect, ConnectError, resolve};

/// The clusters of a role, or the one of them that is named, every reference resolved.
pub(super) async fn clusters(
    inventory: &Inventory,
    role: &Role,
    cluster: Option<&String>,
    env: &Env,
) -> Result<Vec<Cluster>, Error> {
    let selection = inventory
        .select(
            std::slice::from_ref(&role.name),
            &cluster.cloned().into_iter().collect::<Vec<_>>(),
        )
        .map_err(|unknown| Error::usage(unknown.to_string(), ""))?;
    let used = inventory.references(&selection);
    let references: Vec<_> = used.into_iter().map(|used| used.reference).collect();
    let values = if references.is_empty() {
        Secrets::new()
    } else {
        let connect = Connect::from_env(env).map_err(refused)?;
        resolve(&connect, &references).await.map_err(refused)?
    };
    Ok(inventory.resolve(&selection, &values)?)
}

fn refused(error: ConnectError) -> Error {
    Error::new(
        Exit::InvalidInventory,
        format!("resolving the inventory's op:// references: {error}"),
        error.next(),
    )
}
