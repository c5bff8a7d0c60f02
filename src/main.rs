//! psk: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use psk::cli::{self, Cli, Context};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context::of_process();
    psk::logging::init(&context.env);
    cli::run(cli, context).await
}
