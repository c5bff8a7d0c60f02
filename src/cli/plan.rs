//! `psk plan`: what would change, and nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use super::args::ForceUpgrade;
use super::run::{self, RunArgs, Wish};
use super::select::RoleOrCluster;
use super::{Context, Error};
use crate::exit::Exit;
use crate::reconcile::Polling;
use crate::rollout::Mode;
use crate::rollout::saved::{SavedPlan, SavedPlanError};

/// Tell what would change in a role's clusters, or in one cluster. Only reads.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: RoleOrCluster,
    /// Save the plan there for psk apply, readable by its owner alone.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End with exit code 20 where changes are pending.
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    force: ForceUpgrade,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    if let Some(path) = &args.out {
        SavedPlan::prepare(path).map_err(refused)?;
    }
    let wish = Wish {
        command: "plan",
        role: args.which.role,
        cluster: args.which.cluster,
        shard: None,
        mode: Mode::Plan,
        polling: Polling::default(),
        force_upgrade: args.force.force_upgrade,
        saved: None,
        saves: args.out.is_some(),
        rollout: None,
    };
    let ran = run::run(wish, args.run, context).await?;
    let exit = ran.exit();
    if let Some(path) = &args.out {
        if exit != Exit::Done {
            let message = "the plan wasn't saved, because it isn't whole";
            Error::new(exit, message, "mend what failed and plan again").tell(context);
            return Ok(exit.into());
        }
        ran.to_save.write(path).map_err(refused)?;
    }
    let pending = ran.summary.counts().changed > 0;
    Ok(match exit {
        Exit::Done if pending && args.detailed_exitcode => Exit::ChangesPending.into(),
        exit => exit.into(),
    })
}

fn refused(error: SavedPlanError) -> Error {
    Error::usage(error.to_string(), error.next())
}
