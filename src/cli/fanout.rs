//! `psk fanout`: one command over every cluster of a role.

use std::process::ExitCode;

use super::run::{self, RunArgs, Wish};
use super::{Context, Error};
use crate::rollout::Mode;

/// Run over every cluster of a role at once.
///
/// Reads each cluster as it is, compares it with its settings and tells what would change, cluster by
/// cluster, then a table. It writes nothing anywhere: this version of psk only plans.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The role (release tier) to run over.
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Only read and tell what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    if !args.dry_run {
        let message = "this version of psk only plans";
        return Err(Error::usage(message, "add --dry-run"));
    }
    let wish = Wish {
        command: "fanout",
        role: Some(args.role),
        cluster: None,
        mode: Mode::Plan,
        force_upgrade: None,
    };
    Ok(run::run(wish, args.run, context).await?.exit().into())
}
