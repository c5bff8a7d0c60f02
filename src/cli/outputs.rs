//! `psk outputs`: what others need to know of clusters, kept in 1Password.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use super::run::{self, RunArgs, Wish};
use super::select::RoleOrCluster;
use super::{Context, Error};
use crate::env::Env;
use crate::exit::Exit;
use crate::inventory::{Cluster, Inventory, Outputs};
use crate::onepassword::{self, OnePassword, WriteError, Writer};
use crate::reconcile::Polling;
use crate::rollout::Mode;
use crate::rollout::outputs::Place;

/// Write what others need to know of clusters into 1Password: endpoint, certificate authority, file system, …
///
/// Reads the clusters as they are, compares that with their items in the vault that psk.yaml names, and
/// writes what differs. A rollout does so by itself at its end; this repairs it where that failed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: RoleOrCluster,
    /// Only read, and tell what would be written.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let dry_run = args.dry_run;
    let wish = Wish {
        command: "outputs",
        role: args.which.role,
        cluster: args.which.cluster,
        shard: None,
        saved: None,
        saves: false,
        mode: Mode::Outputs { dry_run },
        polling: Polling::default(),
        force_upgrade: None,
        rollout: None,
    };
    Ok(run::run(wish, args.run, context).await?.exit().into())
}

/// Where a run keeps its clusters' outputs, if it keeps any, or where a destroy leaves them. What keeps
/// them looks for the vault before anything is changed.
pub(super) async fn place(
    mode: Mode,
    inventory: &Inventory,
    clusters: &[Cluster],
    env: &Env,
    context: &Context,
) -> Result<Option<Place>, Error> {
    let Some(outputs) = &inventory.pipeline().outputs else {
        return match mode {
            Mode::Outputs { .. } => Err(nowhere()),
            _ => Ok(None),
        };
    };
    let at = |onepassword, titles| Place {
        writer: Writer::new(onepassword, &outputs.vault),
        titles,
    };
    match mode {
        // It only tells what stays there.
        Mode::Destroy(_) => {
            let titles = titles(outputs, clusters)?;
            match onepassword::open(env, &context.processes) {
                Ok(onepassword) => Ok(Some(at(onepassword, titles))),
                Err(error) => {
                    let message =
                        format!("1Password isn't asked for the cluster's outputs: {error}");
                    Error::warn(&message, context);
                    Ok(None)
                }
            }
        }
        mode if mode.keeps_outputs() => {
            let titles = titles(outputs, clusters)?;
            let place = at(open(env, context)?, titles);
            place.writer.find().await.map_err(refused)?;
            Ok(Some(place))
        }
        _ => Ok(None),
    }
}

/// The title of each cluster's item.
pub(super) fn titles(
    outputs: &Outputs,
    clusters: &[Cluster],
) -> Result<BTreeMap<String, String>, Error> {
    let mut titles = BTreeMap::new();
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for cluster in clusters {
        let title = outputs.item.for_cluster(cluster)?;
        let name = cluster.name.as_str();
        if let Some(other) = owners.insert(title.clone(), name) {
            return Err(Error::new(
                Exit::InvalidInventory,
                format!("outputs.item of psk.yaml is {title:?} for both {other} and {name}"),
                "put {{ cluster }} into it",
            ));
        }
        titles.insert(name.to_owned(), title);
    }
    Ok(titles)
}

pub(super) fn open(env: &Env, context: &Context) -> Result<Arc<dyn OnePassword>, Error> {
    onepassword::open(env, &context.processes).map_err(|error| refused(error.into()))
}

pub(super) fn refused(error: WriteError) -> Error {
    let message = format!("looking where outputs are kept: {error}");
    Error::new(Exit::InvalidInventory, message, error.next())
}

pub(super) fn nowhere() -> Error {
    Error::new(
        Exit::InvalidInventory,
        "psk.yaml doesn't say where outputs are kept",
        "give it an entry outputs: { vault: …, item: \"psk-aws-{{ cluster }}\" }",
    )
}
