//! `psk clusters`: the clusters that others can find in 1Password.

use std::io::{self, Write};
use std::process::ExitCode;

use futures::stream::{self, StreamExt, TryStreamExt};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::inventory::plain_table;
use super::lab::{LabArgs, World};
use super::{Context, Error, outputs, select};
use crate::env::Env;
use crate::exit::Exit;
use crate::inventory::{Cluster, Inventory};
use crate::onepassword::{Item, Writer};
use crate::rollout::outputs::field;
use crate::text::visible;

const HEADER: [&str; 7] = [
    "CLUSTER", "ROLE", "REGION", "VERSION", "ENDPOINT", "EFS", "RELEASE",
];

/// Hexadecimal digits of a commit that people are shown.
const SHORT_COMMIT: usize = 10;

/// How many items are read at once.
const AT_ONCE: usize = 16;

/// List the clusters of the inventory as their outputs in 1Password tell of them.
///
/// Asks 1Password and nothing else. A cluster whose outputs were never written is listed without them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the clusters of this role; may be given more than once.
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// A table for people, or a list as JSON.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
    #[command(flatten)]
    lab: LabArgs,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A table.
    #[default]
    Text,
    /// A list of objects.
    Json,
}

/// A cluster as others find it. What its outputs don't tell is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Found {
    name: String,
    role: String,
    region: String,
    account: String,
    /// The item that holds its outputs.
    item: String,
    eks_version: Option<String>,
    cluster_url: Option<String>,
    efs_id: Option<String>,
    release_sha: Option<String>,
}

impl Found {
    fn new(cluster: &Cluster, title: &str, item: Option<&Item>) -> Result<Self, String> {
        let value = |label| -> Result<Option<String>, String> {
            let Some(item) = item else { return Ok(None) };
            let field = item
                .field_labelled(label)
                .map_err(|several| format!("item {title:?} {several}"))?;
            let value = field.and_then(|field| field.value.as_ref());
            Ok(value.map(|value| value.expose_secret().to_owned()))
        };
        Ok(Self {
            name: cluster.name.to_string(),
            role: cluster.role.clone(),
            region: cluster.region.to_string(),
            account: cluster.account.to_string(),
            item: title.to_owned(),
            eks_version: value(field::VERSION)?,
            cluster_url: value(field::URL)?,
            efs_id: value(field::FILE_SYSTEM)?,
            release_sha: value(field::RELEASE)?,
        })
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let inventory = Inventory::load(context.root())?;
    let world = World::enter(&args.lab, &inventory, context).await?;
    let found = find(&inventory, &args.role, &world.env, context).await;
    world.leave().await?;
    let found = found?;
    match args.output {
        Output::Json => {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &found).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Output::Text => {
            io::stdout().write_all(table(&found).as_bytes())?;
        }
    }
    Ok(Exit::Done.into())
}

async fn find(
    inventory: &Inventory,
    roles: &[String],
    env: &Env,
    context: &Context,
) -> Result<Vec<Found>, Error> {
    let outputs = inventory
        .pipeline()
        .outputs
        .as_ref()
        .ok_or_else(outputs::nowhere)?;
    let selection = inventory
        .select(roles, &[])
        .map_err(|unknown| Error::usage(unknown.to_string(), ""))?;
    let processes = &context.processes;
    let (clusters, _) = select::resolved(inventory, &selection, Vec::new(), env, processes).await?;
    let titles = outputs::titles(outputs, &clusters)?;
    let writer = Writer::new(outputs::open(env, context)?, &outputs.vault);
    let writer = &writer;
    let read = clusters.iter().filter_map(|cluster| {
        let title = titles.get(cluster.name.as_str())?;
        Some(async move {
            let item = writer.read(title).await.map_err(outputs::refused)?;
            Found::new(cluster, title, item.as_ref())
                .map_err(|why| Error::new(Exit::InvalidInventory, why, "leave one of them"))
        })
    });
    stream::iter(read).buffered(AT_ONCE).try_collect().await
}

fn table(found: &[Found]) -> String {
    let or_none = |value: Option<&str>| value.unwrap_or("-").to_owned();
    let rows = found.iter().map(|cluster| {
        let release = cluster.release_sha.as_deref();
        let release = release.map(|sha| sha.chars().take(SHORT_COMMIT).collect::<String>());
        [
            cluster.name.clone(),
            cluster.role.clone(),
            cluster.region.clone(),
            or_none(cluster.eks_version.as_deref()),
            or_none(cluster.cluster_url.as_deref()),
            or_none(cluster.efs_id.as_deref()),
            or_none(release.as_deref()),
        ]
        .map(|cell| visible(&cell).into_owned())
    });
    let mut table = plain_table(&HEADER);
    table.add_rows(rows);
    table
        .lines()
        .fold(String::new(), |text, line| text + line.trim_end() + "\n")
}
