//! `psk inject`: a file with the values of its references to 1Password.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use secrecy::{ExposeSecret, SecretString};

use super::lab::{LabArgs, World};
use super::{Context, Error, files, select};
use crate::exit::Exit;
use crate::inventory::Inventory;
use crate::onepassword::Template;

/// Put the values of op:// references into a file.
///
/// Takes references as op inject does: bare (op://vault/item/field) or in braces ({{ op://vault/item/field }}),
/// with variables ($NAME, ${NAME:-default}). Where a reference has no value, all of those are told, and nothing
/// is written.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file with references in it; - is standard input.
    #[arg(short, long, value_name = "FILE")]
    in_file: PathBuf,
    /// Write there, readable by its owner alone, instead of to standard output.
    #[arg(short, long, value_name = "FILE")]
    out_file: Option<PathBuf>,
    #[command(flatten)]
    lab: LabArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let path = args.in_file.display().to_string();
    let text = read(&args.in_file)?;
    let template = Template::parse(&path, text.expose_secret(), &context.env)?;
    let references = template.references();
    // The lab's vaults are made for an inventory; nothing else here needs one.
    let (env, world) = if args.lab.is_asked_for() {
        let inventory = Inventory::load(context.root())?;
        let world = World::enter(&args.lab, &inventory, context).await?;
        (world.env.clone(), Some(world))
    } else {
        (context.env.clone(), None)
    };
    let values = select::values(&references, &env, &context.processes).await;
    if let Some(world) = world {
        world.leave().await?;
    }
    let rendered = template.render(&values?)?;
    let rendered = rendered.expose_secret();
    match &args.out_file {
        None => io::stdout().write_all(rendered.as_bytes())?,
        Some(path) => files::write_private(path, rendered).map_err(|error| {
            Error::usage(
                format!("writing {}: {error}", path.display()),
                "give --out-file a path in a directory that can be written to",
            )
        })?,
    }
    Ok(Exit::Done.into())
}

fn read(path: &Path) -> Result<SecretString, Error> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|read| bytes = read)
    };
    let told = |why: String| {
        Error::usage(
            format!("reading {}: {why}", path.display()),
            "give --in-file a text file, or - for standard input",
        )
    };
    read.map_err(|error| told(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        told(format!("it is no UTF-8 text from byte {at} on"))
    })?;
    Ok(text.into())
}
