//! `psk drift`: what isn't as its settings ask for, and why.

use std::process::ExitCode;

use super::run::{self, RunArgs, Wish};
use super::{Context, Error};
use crate::exit::Exit;
use crate::reconcile::Polling;
use crate::rollout::Mode;

/// Tell what isn't as its settings ask for, and whether the settings changed or somebody changed AWS.
///
/// The plan, told as drift. Only reads. Ends with exit code 20 where anything differs. Why a resource
/// differs is told by what psk noted on the cluster, in its tag psk-applied, when it last applied it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The role (release tier) to look at.
    #[arg(long, value_name = "ROLE", required_unless_present = "cluster")]
    role: Option<String>,
    /// Only this cluster.
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let wish = Wish {
        command: "drift",
        role: args.role,
        cluster: args.cluster,
        mode: Mode::Drift,
        polling: Polling::default(),
        force_upgrade: None,
        saved: None,
        saves: false,
        rollout: None,
        shard: None,
    };
    let ran = run::run(wish, args.run, context).await?;
    let differs = ran.summary.counts().changed > 0;
    Ok(match ran.exit() {
        Exit::Done if differs => Exit::ChangesPending.into(),
        exit => exit.into(),
    })
}
