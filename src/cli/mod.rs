//! The command line: one file per subcommand, each with its arguments and its `run`.

mod apply;
mod args;
mod checks;
mod circlepipe;
mod clusters;
mod completions;
mod context;
mod destroy;
mod drift;
mod error;
mod fanout;
mod files;
mod iam;
mod inject;
mod inventory;
mod kube;
mod lab;
mod man;
mod outputs;
mod pipeline;
mod plan;
mod promote;
mod release;
mod report;
mod run;
mod select;
mod stale;
mod tell;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use context::Context;
pub use error::Error;

use crate::exit::Exit;
use crate::style::ColourChoice;

/// Takes one release through a fleet of EKS clusters, tier by tier.
#[derive(Debug, Parser)]
#[command(name = "psk", version, propagate_version = true, max_term_width = 100, after_help = exit_codes())]
pub struct Cli {
    /// Directory that holds psk.yaml, roles/ and environments/.
    #[arg(
        long,
        global = true,
        default_value = ".",
        value_name = "DIR",
        help_heading = "Global options"
    )]
    root: PathBuf,
    /// Whether to use colours. NO_COLOR and CLICOLOR_FORCE are obeyed too.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    color: ColourChoice,
    #[command(subcommand)]
    command: Command,
}

/// The exit codes, as the help tells them.
fn exit_codes() -> String {
    let lines = Exit::ALL
        .iter()
        .map(|exit| format!("\n  {:<5}{}", *exit as u8, exit.meaning()));
    std::iter::once("Exit codes:".to_owned())
        .chain(lines)
        .collect()
}

#[derive(Debug, Subcommand)]
enum Command {
    Fanout(fanout::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Drift(drift::Args),
    Destroy(destroy::Args),
    Verify(verify::Args),
    Promote(promote::Args),
    Outputs(outputs::Args),
    Clusters(clusters::Args),
    Inventory(inventory::Args),
    Inject(inject::Args),
    Iam(iam::Args),
    Pipeline(pipeline::Args),
    Kube(kube::Args),
    Lab(lab::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs what the command line asks for. What goes wrong is told on standard error.
pub async fn run(cli: Cli, context: Context) -> ExitCode {
    let context = context.with_globals(cli.root, cli.color);
    let result = match cli.command {
        Command::Fanout(args) => fanout::run(args, &context).await,
        Command::Plan(args) => plan::run(args, &context).await,
        Command::Apply(args) => apply::run(args, &context).await,
        Command::Drift(args) => drift::run(args, &context).await,
        Command::Destroy(args) => destroy::run(args, &context).await,
        Command::Verify(args) => verify::run(args, &context).await,
        Command::Promote(args) => promote::run(args, &context).await,
        Command::Outputs(args) => outputs::run(args, &context).await,
        Command::Clusters(args) => clusters::run(args, &context).await,
        Command::Inventory(args) => inventory::run(args, &context).await,
        Command::Inject(args) => inject::run(args, &context).await,
        Command::Iam(args) => iam::run(args, &context).await,
        Command::Pipeline(args) => pipeline::run(args, &context).await,
        Command::Kube(args) => kube::run(args, &context).await,
        Command::Lab(args) => lab::run(args, &context).await,
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            error.tell(&context);
            error.exit().into()
        }
    }
}
