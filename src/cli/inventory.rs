//! `psk inventory`: check, show and describe the inventory. Calls nothing.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use comfy_table::{ContentArrangement, Table, TableStyle};

use super::circlepipe::CirclepipeArgs;
use super::pipeline::{note_on_stderr, put};
use super::{Context, Error};
use crate::exit::Exit;
use crate::inventory::{ClusterView, FileKind, Inventory, Selection};
use crate::kubernetes;
use crate::pipeline::circlepipe;
use crate::text::count;

/// Check, show or describe the inventory.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check psk.yaml, roles/ and environments/, and tell every problem at once.
    Check,
    /// Show clusters with their merged settings. References stay references, secrets are masked.
    Show {
        /// Only clusters of this role.
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        /// Only this cluster.
        #[arg(long, value_name = "CLUSTER")]
        cluster: Option<String>,
        /// The form to show them in.
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Output,
    },
    /// Turn a circlepipe repository into roles/ and environments/.
    ///
    /// Files that are there already are left as they are: write into a directory of its own and compare.
    Import(ImportArgs),
    /// Print the JSON Schema of a kind of file, or write all of them to a directory.
    Schema {
        /// The kind of file.
        #[arg(value_enum, required_unless_present = "write")]
        kind: Option<Kind>,
        /// Write role, environment and psk schemas there instead.
        #[arg(long, value_name = "DIR", conflicts_with = "kind")]
        write: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// Import these pipelines of the repository, in this order; all of them if none is named.
    #[arg(long, value_name = "PIPELINE", num_args = 0.., required = true)]
    circlepipe: Vec<String>,
    /// Write roles/ and environments/ there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    #[command(flatten)]
    settings: CirclepipeArgs,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line a cluster; with --cluster, every setting and where it was written.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A role file: `roles/ROLE.yaml`.
    Role,
    /// A layer of settings: `environments/LAYER.yaml`.
    Environment,
    /// The pipeline file: `psk.yaml`.
    Psk,
}

impl From<Kind> for FileKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Role => Self::Role,
            Kind::Environment => Self::Environment,
            Kind::Psk => Self::Pipeline,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let text = match args.command {
        Command::Check => {
            let inventory = Inventory::load(context.root())?;
            kubernetes::check_teams(&inventory, &inventory.everything())?;
            check(&inventory)
        }
        Command::Show {
            role,
            cluster,
            output,
        } => {
            let inventory = Inventory::load(context.root())?;
            let selection = inventory
                .select(role.as_slice(), cluster.as_slice())
                .map_err(|unknown| Error::usage(unknown.to_string(), ""))?;
            show(&inventory, &selection, cluster.is_some(), output)?
        }
        Command::Import(args) => return import(&args, context),
        Command::Schema { kind, write } => match (kind, write) {
            (Some(kind), _) => FileKind::from(kind).schema(),
            (None, Some(dir)) => {
                std::fs::create_dir_all(&dir)?;
                for kind in FileKind::ALL {
                    std::fs::write(dir.join(kind.schema_file()), kind.schema())?;
                }
                String::new()
            }
            (None, None) => String::new(),
        },
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Done.into())
}

fn import(args: &ImportArgs, context: &Context) -> Result<ExitCode, Error> {
    let checkout = circlepipe::Checkout::at(context.root());
    let (settings, notes) = args.settings.read(context, &checkout)?;
    let imported = circlepipe::import(&args.circlepipe, &settings, &checkout)?;
    let to = context.root().join(&args.to);
    let there: Vec<_> = imported
        .files
        .keys()
        .filter(|path| to.join(path).exists())
        .map(String::as_str)
        .collect();
    if !there.is_empty() {
        let message = format!("there already: {}", there.join(", "));
        return Err(Error::usage(message, "add --to with another directory"));
    }
    for note in notes.iter().chain(&imported.notes) {
        note_on_stderr(note)?;
    }
    put(&imported.files, false, &to)
}

fn check(inventory: &Inventory) -> String {
    let clusters = inventory.everything().clusters().len();
    let references = inventory.references(&inventory.everything()).len();
    let mut text = format!(
        "The inventory is valid: {}, {}, {}.\n",
        count(inventory.roles().len(), "role"),
        count(clusters, "cluster"),
        count(references, "op:// reference"),
    );
    for role in inventory.roles() {
        let after = if role.after.is_empty() {
            String::new()
        } else {
            format!(", after {}", role.after.join(", "))
        };
        let _ = writeln!(
            text,
            "  {}: {}{after}",
            role.name,
            count(role.clusters.len(), "cluster")
        );
    }
    let _ = writeln!(text, "digest {}", inventory.digest());
    text
}

fn show(
    inventory: &Inventory,
    selection: &Selection,
    one: bool,
    output: Output,
) -> Result<String, Error> {
    let views = inventory.view(selection);
    Ok(match output {
        Output::Json => format!("{}\n", to_json(&views)?),
        Output::Yaml => serde_saphyr::to_string(&views).map_err(|error| {
            Error::unexpected(format!("writing YAML: {error}"), "use --output json")
        })?,
        Output::Table if one => views.iter().map(settings_table).collect(),
        Output::Table => clusters_table(&views),
    })
}

fn to_json(views: &[ClusterView]) -> Result<String, Error> {
    serde_json::to_string_pretty(views).map_err(|error| {
        Error::unexpected(format!("writing JSON: {error}"), "report this as a bug")
    })
}

fn clusters_table(views: &[ClusterView]) -> String {
    let mut table = plain_table(&["CLUSTER", "ROLE", "REGION", "ACCOUNT", "VERSION"]);
    for view in views {
        let version = view
            .settings
            .get("eks_version")
            .map_or_else(String::new, plain);
        table.add_row([
            &view.name,
            &view.role,
            &view.region,
            &view.account,
            &version,
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

fn settings_table(view: &ClusterView) -> String {
    let mut table = plain_table(&["SETTING", "VALUE", "FROM"]);
    for (key, value) in &view.settings {
        for (path, value) in leaves(key, value) {
            let from = view.sources.get(&path).map_or("", String::as_str);
            table.add_row([&path, &plain(value), from]);
        }
    }
    format!(
        "{} ({}, {})\n{}\n",
        view.name,
        view.role,
        view.layers.join(" < "),
        table.trim_fmt()
    )
}

/// The values in a setting, each by the path that its source is told by.
fn leaves<'a>(path: &str, value: &'a serde_json::Value) -> Vec<(String, &'a serde_json::Value)> {
    match value {
        serde_json::Value::Object(entries) if !entries.is_empty() => entries
            .iter()
            .flat_map(|(key, value)| leaves(&format!("{path}.{key}"), value))
            .collect(),
        _ => vec![(path.to_owned(), value)],
    }
}

pub(super) fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// A value as text: strings bare, anything else as JSON.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
