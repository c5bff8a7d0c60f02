//! `psk destroy`: take a cluster apart.

use std::process::ExitCode;

use super::args::{GateArgs, WaitArgs};
use super::run::{self, Rollout, RunArgs, Wish};
use super::{Context, Error};
use crate::rollout::{Destroy, Mode};

/// Take apart what psk made of a cluster, in reverse.
///
/// What psk didn't make stays, and so does what that needs; the file system and the key stay unless
/// --delete-data is given. Everything that stays is told with why. While the cluster's deletion
/// protection is set nothing is removed. A freeze or a shut window of its role stops it. Run again after an interruption or a failure, it goes on
/// where it stopped.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The cluster to destroy.
    #[arg(long, value_name = "CLUSTER")]
    cluster: String,
    /// The same cluster once more.
    #[arg(long, value_name = "CLUSTER", required_unless_present = "dry_run")]
    confirm: Option<String>,
    /// Also remove the file system, and schedule the key's deletion in 30 days.
    #[arg(long)]
    delete_data: bool,
    /// Only read and tell what would go and what would stay.
    #[arg(long, conflicts_with = "override_gate")]
    dry_run: bool,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let confirmed = args
        .confirm
        .as_ref()
        .is_none_or(|name| *name == args.cluster);
    if !confirmed {
        let message = format!("--confirm doesn't name {}", args.cluster);
        return Err(Error::usage(message, "name the cluster to destroy in both"));
    }
    let wish = Wish {
        command: "destroy",
        role: None,
        cluster: Some(args.cluster),
        polling: args.wait.polling(&context.env)?,
        mode: Mode::Destroy(Destroy {
            delete_data: args.delete_data,
            dry_run: args.dry_run,
        }),
        force_upgrade: None,
        saved: None,
        saves: false,
        rollout: Some(Rollout {
            override_gate: args.gate.override_gate,
            wait_for_gate: args.gate.wait_for_gate,
            ..Rollout::default()
        }),
        shard: None,
    };
    Ok(run::run(wish, args.run, context).await?.exit().into())
}
