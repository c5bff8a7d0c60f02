//! `psk fanout`: one command over every cluster of a role.

use std::process::ExitCode;

use super::args::{GateArgs, WaitArgs};
use super::checks::CheckArgs;
use super::release::ReleaseArgs;
use super::run::{self, Rollout, RunArgs, Wish};
use super::{Context, Error};
use crate::pipeline::Shard;
use crate::rollout::Mode;

/// Take every cluster of a role to what its settings ask for.
///
/// Asks the role's gate, then reads each cluster as it is, compares it with its settings, makes the
/// changes, waits until they have settled and checks that the cluster works, in all clusters at once as
/// far as the role's rollout lets it, and proves by a commit status that the role holds the release.
/// Tells what changed, cluster by cluster, then a table. What an interrupted run has left under way is
/// gone on with.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The role (release tier) to run over.
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Only this cluster of the role.
    #[arg(long, value_name = "CLUSTER", conflicts_with = "shard")]
    cluster: Option<String>,
    /// Only this part of the role's clusters: 2/3 is the second of three. The parts are always the same.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Only read and tell what would change; write nothing anywhere.
    #[arg(long, conflicts_with = "override_gate")]
    dry_run: bool,
    #[command(flatten)]
    gate: GateArgs,
    /// Upgrade although EKS's readiness insights speak against it, for this reason.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    force_upgrade: Option<String>,
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
    let wish = Wish {
        command: "fanout",
        role: Some(args.role),
        cluster: args.cluster,
        shard: args.shard,
        mode: match args.dry_run {
            true => Mode::Plan,
            false => Mode::Apply,
        },
        polling: args.wait.polling(&context.env)?,
        force_upgrade: args.force_upgrade,
        saved: None,
        saves: false,
        rollout: Some(Rollout {
            release: args.release,
            override_gate: args.gate.override_gate,
            wait_for_gate: args.gate.wait_for_gate,
        }),
    };
    Ok(run::run_checks(wish, checks, args.run, context)
        .await?
        .exit()
        .into())
}
