//! `psk plan`: what would change, and nothing else.

use std::process::ExitCode;

use super::run::{self, RunArgs, Wish};
use super::{Context, Error};
use crate::exit::Exit;
use crate::reconcile::Polling;
use crate::rollout::Mode;

/// Tell what would change in a role's clusters, or in one cluster. Only reads.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The role (release tier) to plan.
    #[arg(
        long,
        value_name = "ROLE",
        required_unless_present = "cluster",
        conflicts_with = "cluster"
    )]
    role: Option<String>,
    /// The one cluster to plan.
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    /// End with exit code 20 where changes are pending.
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let wish = Wish {
        command: "plan",
        role: args.role,
        cluster: args.cluster,
        shard: None,
        mode: Mode::Plan,
        polling: Polling::default(),
        force_upgrade: None,
    };
    let ran = run::run(wish, args.run, context).await?;
    let pending = ran.plans.values().any(|plan| plan.counts().changed() > 0);
    Ok(match ran.exit() {
        Exit::Done if pending && args.detailed_exitcode => Exit::ChangesPending.into(),
        exit => exit.into(),
    })
}
