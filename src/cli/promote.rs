//! `psk promote`: where a release stands.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use comfy_table::{ContentArrangement, Table, TableStyle};

use super::lab::{LabArgs, World};
use super::release::{self, Reach, ReleaseArgs};
use super::{Context, Error, select};
use crate::exit::Exit;
use crate::github::{NewStatus, StatusState};
use crate::inventory::Inventory;
use crate::release::board::Board;
use crate::release::graph::Graph;
use crate::release::parts;
use crate::release::proof::{Claim, is_trusted, role_context};
use crate::style::{Ink, Style};
use crate::text::{count, visible};

/// See where a release stands on its way through the roles, or seal a role that was rolled out in parts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell which roles hold a release, by whose word and since when, and which may get it now. Only
    /// reads.
    Status {
        /// What is printed on standard output.
        #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Output,
        #[command(flatten)]
        release: ReleaseArgs,
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Prove that a role holds a release that several jobs have rolled out, each a part of the role's
    /// clusters. Refused unless every cluster is proven to hold it.
    Seal {
        /// The role.
        #[arg(long, value_name = "ROLE")]
        role: String,
        #[command(flatten)]
        release: ReleaseArgs,
        #[command(flatten)]
        lab: LabArgs,
    },
}

/// What is printed on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table, and what to run next.
    #[default]
    Text,
    /// The board as data.
    Json,
    /// The graph of roles, for Mermaid.
    Mermaid,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let inventory = Inventory::load(context.root())?;
    let (output, release, lab) = match args.command {
        Command::Status {
            output,
            release,
            lab,
        } => (output, release, lab),
        Command::Seal { role, release, lab } => {
            let world = World::enter(&lab, &inventory, context).await?;
            let sealed = seal(&inventory, &role, release, &world, context).await;
            world.leave().await?;
            io::stdout().write_all(sealed?.as_bytes())?;
            return Ok(Exit::Done.into());
        }
    };
    let world = World::enter(&lab, &inventory, context).await?;
    let board = board(&inventory, release, &world, context).await;
    world.leave().await?;
    let board = board?;
    let text = match output {
        Output::Text => text(&board, &context.stdout_style()),
        Output::Mermaid => board.mermaid(),
        Output::Json => serde_json::to_string_pretty(&board)
            .map(|json| json + "\n")
            .map_err(|error| Error::unexpected(error.to_string(), "report this as a bug"))?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Done.into())
}

async fn board(
    inventory: &Inventory,
    args: ReleaseArgs,
    world: &World,
    context: &Context,
) -> Result<Board, Error> {
    let release = args
        .detect(inventory.pipeline(), &world.env, context)
        .await?;
    let pipeline = inventory.pipeline();
    let reach = match Reach::of(&release, &world.env) {
        Reach::Not(why, next) => return Err(Error::usage(why, next)),
        reach => reach,
    };
    if release.commit.is_none() {
        return Err(Error::usage("no commit is known", "add --sha SHA"));
    }
    let secrets =
        select::values(&reach.references(pipeline), &world.env, &context.processes).await?;
    let answer = release::ask(&reach, &release, pipeline, &secrets, context).await;
    if let crate::release::gate::Evidence::None { why, next } = &answer.evidence {
        return Err(Error::unexpected(why.clone(), next.clone()));
    }
    let graph = Graph::of(inventory.roles());
    let digest = inventory.digest();
    Ok(Board::of(&release::question(
        &graph, &release, &digest, pipeline, &answer,
    )))
}

/// Writes the role's proof, and tells what it says.
async fn seal(
    inventory: &Inventory,
    role: &str,
    args: ReleaseArgs,
    world: &World,
    context: &Context,
) -> Result<String, Error> {
    let role = inventory
        .role(role)
        .map_err(|unknown| Error::usage(unknown.to_string(), ""))?;
    let release = args
        .detect(inventory.pipeline(), &world.env, context)
        .await?;
    let pipeline = inventory.pipeline();
    let reach = Reach::of(&release, &world.env);
    let secrets =
        select::values(&reach.references(pipeline), &world.env, &context.processes).await?;
    let answer = release::ask(&reach, &release, pipeline, &secrets, context).await;
    let graph = Graph::of(inventory.roles());
    let digest = inventory.digest();
    let question = release::question(&graph, &release, &digest, pipeline, &answer);
    let refused = |message: String, next: String| Error::new(Exit::Refused, message, next);
    let missing = parts::missing(&question, role).map_err(|why| refused(why, String::new()))?;
    if !missing.is_empty() {
        let lines = missing
            .iter()
            .map(|(cluster, why)| format!("\n  {cluster}: {}", visible(why)));
        let message = format!(
            "{} of {} of {} are not proven to hold the release{}",
            missing.len(),
            count(role.clusters.len(), "cluster"),
            role.name,
            lines.collect::<String>()
        );
        return Err(refused(message, format!("psk fanout --role {}", role.name)));
    }
    let (Some(github), Some(commit)) = (&answer.github, &release.commit) else {
        return Err(refused("GitHub can't be asked".to_owned(), String::new()));
    };
    let claim = Claim {
        repository: github.repository(),
        commit,
        role: &role.name,
        digest: &digest,
        key: answer.key.as_ref(),
    };
    let words = format!(
        "{} hold it, rolled out in parts",
        count(role.clusters.len(), "cluster")
    );
    let status = NewStatus {
        context: role_context(&pipeline.statuses.prefix, &role.name),
        state: StatusState::Success,
        description: claim.text(&words, answer.now),
        target_url: release.run_url.clone(),
    };
    let creator = github
        .deliver_status(commit, &status)
        .await
        .map_err(|error| Error::new(Exit::ClustersFailed, error.to_string(), error.next()))?;
    let trusted = &pipeline.promotion.trusted_creators;
    if let Some(creator) =
        creator.filter(|creator| !trusted.is_empty() && !is_trusted(creator, trusted))
    {
        let message = format!(
            "{} is by {creator}, and promotion.trusted_creators are {}: it proves nothing",
            status.context,
            trusted.join(", ")
        );
        let next = "use a token of theirs, or add it in psk.yaml";
        return Err(Error::new(Exit::ClustersFailed, message, next));
    }
    Ok(format!("{}: success, {words}\n", status.context))
}

fn text(board: &Board, style: &Style) -> String {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["ROLE", "AFTER", "HOLDS IT", "BY", "MAY RUN NOW"]);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for role in &board.roles {
        let (holds, by) = match (&role.proof, &role.doubt) {
            (Some(held), _) => {
                let since = held.since.strftime("%Y-%m-%d %H:%MZ");
                (
                    format!("since {since}: {}", visible(&held.words)),
                    held.by.clone(),
                )
            }
            (None, doubt) => {
                let doubt = doubt.as_deref().unwrap_or_default();
                (format!("no: {}", visible(doubt)), String::new())
            }
        };
        let may = if role.may_run {
            "yes".to_owned()
        } else {
            visible(&role.waits_for()).into_owned()
        };
        table.add_row([role.role.clone(), role.after.join(", "), holds, by, may]);
    }
    let mut text = format!(
        "{}\n\n{}\n",
        style.paint(Ink::Strong, board.title()),
        table.trim_fmt()
    );
    let next: Vec<&str> = board
        .roles
        .iter()
        .filter(|role| role.may_run && role.proof.is_none())
        .map(|role| role.role.as_str())
        .collect();
    if !next.is_empty() {
        text.push_str("\nNext:\n");
    }
    for role in next {
        text.push_str(&format!("  psk fanout --role {role}\n"));
    }
    text
}
