//! `psk completions`: scripts that complete psk's command line in a shell.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Error};
use crate::exit::Exit;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell to complete in.
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "psk", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Done.into())
}
