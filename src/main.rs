//! psk: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use psk::cli::{self, Cli, Context};
use tokio::runtime::Builder;

/// A fleet's answers are many small values of JSON, which the system's allocator is slow at, musl's most
/// of all.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context::of_process();
    psk::logging::init(&context.env);
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("psk can't start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(cli::run(cli, context));
    // All that had to be done is; what its threads still hold goes with the process.
    runtime.shutdown_background();
    code
}
