//! `psk apply`: make the changes of a saved plan, or those that are due.

use std::path::PathBuf;
use std::process::ExitCode;

use super::run::{self, ForceUpgrade, RunArgs, WaitArgs, Wish};
use super::{Context, Error};
use crate::exit::Exit;
use crate::rollout::Mode;
use crate::rollout::saved::SavedPlan;

/// Apply a saved plan as it was reviewed, or plan and apply a role's clusters or one cluster.
///
/// A saved plan is applied only if nothing that it builds on has moved: neither a cluster nor its
/// settings nor what AWS has on offer. Otherwise psk changes nothing, says what has moved and ends with
/// exit code 13.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["plan", "role", "cluster"]))]
pub(super) struct Args {
    /// A plan that psk plan --out has saved.
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The role (release tier) to apply.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// The one cluster to apply.
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    #[command(flatten)]
    force: ForceUpgrade,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let saved = args.plan.as_deref().map(SavedPlan::read).transpose();
    let saved = saved.map_err(|error| Error::usage(error.to_string(), error.next()))?;
    let mut wish = Wish {
        command: "apply",
        role: args.role,
        cluster: args.cluster,
        polling: args.wait.polling(&context.env)?,
        mode: Mode::Apply,
        force_upgrade: args.force.force_upgrade,
        saved: None,
        rollout: None,
        shard: None,
    };
    if let Some(saved) = saved {
        if wish.force_upgrade.is_some() {
            let message = "a saved plan is applied as it was reviewed";
            return Err(Error::usage(message, "give --force-upgrade to psk plan"));
        }
        wish.role = Some(saved.role.clone());
        wish.cluster.clone_from(&saved.cluster);
        wish.force_upgrade.clone_from(&saved.force_upgrade);
        wish.saved = Some(saved);
    }
    let exit: Exit = run::run(wish, args.run, context).await?.exit();
    Ok(exit.into())
}
