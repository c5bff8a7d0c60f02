//! `psk apply`: make the changes of a saved plan, or those that are due.

use std::path::PathBuf;
use std::process::ExitCode;

use super::args::{ForceUpgrade, GateArgs, WaitArgs};
use super::checks::CheckArgs;
use super::release::ReleaseArgs;
use super::run::{self, Rollout, RunArgs, Wish};
use super::{Context, Error};
use crate::exit::Exit;
use crate::pipeline::Shard;
use crate::rollout::Mode;
use crate::rollout::saved::SavedPlan;

/// Apply a saved plan as it was reviewed, or plan and apply a role's clusters or some of them.
///
/// Asks the role's gate and proves by a commit status that the role holds the release, as psk fanout
/// does. A saved plan is applied only if nothing that it builds on has moved: neither a cluster nor its
/// settings nor what AWS has on offer. Otherwise psk changes nothing, says what has moved and ends with
/// exit code 13. Once a cluster is what it should be, psk checks that it works.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["plan", "role", "cluster"]))]
pub(super) struct Args {
    /// A plan that psk plan --out has saved.
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The role (release tier) to apply; of a saved plan, the one that it has to be of.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// The one cluster to apply, by itself, of the role or of a saved plan.
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Only this part of the role's clusters, or of a saved plan's: 2/3 is the second of three. The
    /// parts are always the same.
    #[arg(long, value_name = "I/N", conflicts_with = "cluster")]
    shard: Option<Shard>,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    force: ForceUpgrade,
    #[command(flatten)]
    checks: CheckArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    release: ReleaseArgs,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let checks = args.checks.chosen()?;
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
        saves: false,
        rollout: Some(Rollout {
            release: args.release,
            override_gate: args.gate.override_gate,
            wait_for_gate: args.gate.wait_for_gate,
        }),
        shard: args.shard,
    };
    if let Some(saved) = saved {
        if wish.force_upgrade.is_some() {
            let message = "a saved plan is applied as it was reviewed";
            return Err(Error::usage(message, "give --force-upgrade to psk plan"));
        }
        if let Some(role) = wish.role.filter(|role| *role != saved.role) {
            let message = format!("the saved plan is of {}, not of {role}", saved.role);
            return Err(Error::usage(message, "name its own role, or none"));
        }
        wish.role = Some(saved.role.clone());
        wish.cluster = part(&saved, wish.cluster, wish.shard)?;
        wish.force_upgrade.clone_from(&saved.force_upgrade);
        wish.saved = Some(saved);
    }
    let exit: Exit = run::run_checks(wish, checks, args.run, context)
        .await?
        .exit();
    Ok(exit.into())
}

/// The one cluster of a saved plan that is applied; none where all of them are, or a part.
fn part(
    saved: &SavedPlan,
    cluster: Option<String>,
    shard: Option<Shard>,
) -> Result<Option<String>, Error> {
    match (&saved.cluster, &cluster, shard) {
        (Some(only), _, Some(_)) => {
            let message = format!("the saved plan is of {only} alone: it has no parts");
            Err(Error::usage(message, "apply it without --shard"))
        }
        (_, Some(named), _) if !saved.clusters.iter().any(|c| c.plan.cluster == *named) => {
            let message = format!("the saved plan has no cluster {named}");
            Err(Error::usage(message, "name one of its clusters"))
        }
        (Some(only), None, None) => Ok(Some(only.clone())),
        _ => Ok(cluster),
    }
}
