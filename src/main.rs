//! psk: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use psk::cli::{self, Cli, Context};

/// A fleet's answers are many small values of JSON, which the system's allocator is slow at, musl's most
/// of all.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context::of_process();
    psk::logging::init(&context.env);
    cli::run(cli, context).await
}
