//! `psk verify`: does the cluster work?

use std::process::ExitCode;

use super::checks::CheckArgs;
use super::run::{self, RunArgs, Wish};
use super::select::RoleOrCluster;
use super::{Context, Error};
use crate::reconcile::Polling;
use crate::rollout::Mode;
use crate::verify::CHECKS;

/// Check that a role's clusters, or one cluster, work.
///
/// Makes nodes, volumes and pods of its own in each cluster, and removes them again. Changes nothing
/// else. Ends with exit code 10 where a check fails.
#[derive(Debug, clap::Args)]
#[command(after_help = checks())]
pub(super) struct Args {
    #[command(flatten)]
    which: RoleOrCluster,
    #[command(flatten)]
    checks: CheckArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// The checks, as the help tells them.
fn checks() -> String {
    let lines = CHECKS
        .iter()
        .map(|check| format!("\n  {:<24}{}", check.name, check.about));
    std::iter::once("Checks:".to_owned()).chain(lines).collect()
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let chosen = args.checks.chosen()?;
    let wish = Wish {
        command: "verify",
        role: args.which.role,
        cluster: args.which.cluster,
        shard: None,
        saved: None,
        saves: false,
        rollout: None,
        mode: Mode::Verify,
        polling: Polling::default(),
        force_upgrade: None,
    };
    let ran = run::run_checks(wish, chosen, args.run, context).await?;
    Ok(ran.exit().into())
}
