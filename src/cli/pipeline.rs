//! `psk pipeline`: what CI runs, generated.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::circlepipe::CirclepipeArgs;
use super::{Context, Error};
use crate::exit::Exit;
use crate::pipeline::circlepipe;
use crate::text::count;

/// Generate what CircleCI or GitHub Actions runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a pipeline.
    ///
    /// With --circlepipe, reads a circlepipe repository as it is and writes the same env files and the same
    /// config that circlepipe would.
    Generate(GenerateArgs),
}

#[derive(Debug, clap::Args)]
struct GenerateArgs {
    /// Generate this pipeline of a circlepipe repository.
    #[arg(long, value_name = "PIPELINE")]
    circlepipe: String,
    /// Write nothing: exit with 20 if a file is missing or not as it would be written.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    settings: CirclepipeArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    match args.command {
        Command::Generate(args) => {
            let mut checkout = circlepipe::Checkout::at(context.root());
            let (settings, notes) = args.settings.read(context, &checkout)?;
            let generated = circlepipe::generate(&args.circlepipe, &settings, &mut checkout)?;
            for note in notes.iter().chain(&generated.notes) {
                note_on_stderr(note)?;
            }
            put(&generated.files, args.check, context.root())
        }
    }
}

/// Writes the files under `root`, or tells which of them aren't as they would be written.
pub(super) fn put(
    files: &BTreeMap<String, String>,
    check: bool,
    root: &Path,
) -> Result<ExitCode, Error> {
    let mut out = io::stdout();
    let stale: Vec<_> = files
        .iter()
        .filter(|(path, text)| {
            std::fs::read_to_string(root.join(path)).ok().as_ref() != Some(*text)
        })
        .collect();
    if check {
        for (path, _) in &stale {
            writeln!(out, "{path} is not as it would be generated")?;
        }
        let exit = if stale.is_empty() {
            writeln!(out, "{} as generated", count(files.len(), "file"))?;
            Exit::Done
        } else {
            Exit::ChangesPending
        };
        return Ok(exit.into());
    }
    for (path, text) in &stale {
        write(&root.join(path), text)
            .map_err(|error| Error::unexpected(format!("writing {path}: {error}"), ""))?;
        writeln!(out, "wrote {path}")?;
    }
    writeln!(
        out,
        "{}, {} written",
        count(files.len(), "file"),
        stale.len()
    )?;
    Ok(Exit::Done.into())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, text)
}

/// Tells what a person should know.
pub(super) fn note_on_stderr(note: &str) -> Result<(), Error> {
    Ok(writeln!(io::stderr(), "note: {note}")?)
}
