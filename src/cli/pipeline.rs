//! `psk pipeline`: what CI runs, generated, and what CircleCI is told of it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use super::circlepipe::CirclepipeArgs;
use super::{Context, Error};
use crate::env::Env;
use crate::exit::Exit;
use crate::inventory::{Inventory, Trigger};
use crate::pipeline::api::{ApiError, CircleCi, Done, Wanted, project_of_job};
use crate::pipeline::{Ci, Options, Per, Pipeline, Timetable, circlepipe, schedules};
use crate::text::count;

/// Generate what CircleCI or GitHub Actions runs, and tell CircleCI of it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a pipeline, from the inventory or from a circlepipe repository.
    ///
    /// The promotion graph becomes jobs: one for each role that the trigger starts, after those of the roles that it
    /// comes after; plan, approval and deployment where the role asks for approval. With --circlepipe, writes the
    /// same env files and the same config that circlepipe would.
    Generate(GenerateArgs),
    /// Continue the setup pipeline that this CircleCI job is of with a config.
    Continue(ContinueArgs),
    /// Create or update CircleCI's scheduled pipelines, as psk.yaml has them.
    Schedule(ScheduleArgs),
}

#[derive(Debug, clap::Args)]
struct GenerateArgs {
    /// The CI system.
    #[arg(
        long,
        value_enum,
        value_name = "CI",
        required_unless_present = "circlepipe"
    )]
    ci: Option<Ci>,
    /// What starts the pipeline.
    #[arg(
        long,
        value_enum,
        value_name = "EVENT",
        required_unless_present = "circlepipe"
    )]
    on: Option<On>,
    /// How a role's clusters are spread over jobs.
    #[arg(long, value_enum, default_value_t, value_name = "PART")]
    per: By,
    /// With --per shard: over how many jobs a role's clusters are spread, at most.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    shards: usize,
    /// Add the jobs that psk.yaml's schedules ask for.
    #[arg(long)]
    schedule: bool,
    /// Where to write it, from the inventory's directory. Default: .circleci/psk-EVENT.yml or
    /// .github/workflows/psk-EVENT.yml.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The orb that CircleCI's jobs are from.
    #[arg(long, value_name = "ORB", default_value = concat!("twdps/psk@", env!("CARGO_PKG_VERSION")))]
    orb: String,
    /// A CircleCI context that every job gets. May be given again.
    #[arg(long, value_name = "NAME")]
    context: Vec<String>,
    /// The action that GitHub's jobs use.
    #[arg(long, value_name = "ACTION", default_value = concat!("ThoughtWorks-DPS/psk@v", env!("CARGO_PKG_VERSION")))]
    action: String,
    /// The label of GitHub's runners.
    #[arg(long, value_name = "LABEL", default_value = "ubuntu-24.04")]
    runner: String,
    /// The branch whose pushes are meant.
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    branch: String,
    /// Generate this pipeline of a circlepipe repository.
    #[arg(long, value_name = "PIPELINE", conflicts_with_all = ["ci", "on", "schedule", "out"])]
    circlepipe: Option<String>,
    /// Write nothing: exit with 20 if a file is missing or not as it would be written.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    settings: CirclepipeArgs,
}

/// What starts a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    /// A push to the default branch.
    Push,
    /// A tag.
    Tag,
}

impl From<On> for Trigger {
    fn from(on: On) -> Self {
        match on {
            On::Push => Self::Push,
            On::Tag => Self::Tag,
        }
    }
}

/// What gets a job of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum By {
    /// Each role.
    #[default]
    Role,
    /// Each cluster.
    Cluster,
    /// Each of a few parts of a role.
    Shard,
}

#[derive(Debug, clap::Args)]
struct ContinueArgs {
    /// The config to continue with.
    #[arg(long, value_name = "FILE", default_value = ".circleci/psk-tag.yml")]
    config_file: PathBuf,
    /// A pipeline parameter, NAME=VALUE: true, false and numbers as such, anything else as text. May be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    parameter: Vec<(String, Json)>,
}

#[derive(Debug, clap::Args)]
struct ScheduleArgs {
    /// The project, as CircleCI names it: gh/org/repo. Default: the one that this job is of.
    #[arg(long, value_name = "SLUG")]
    project: Option<String>,
    /// The branch whose pipeline runs.
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    branch: String,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    match args.command {
        Command::Generate(args) => generate(args, context),
        Command::Continue(args) => continue_pipeline(args, context).await,
        Command::Schedule(args) => schedule(args, context).await,
    }
}

fn generate(args: GenerateArgs, context: &Context) -> Result<ExitCode, Error> {
    if let Some(pipeline) = &args.circlepipe {
        let mut checkout = circlepipe::Checkout::at(context.root());
        let (settings, notes) = args.settings.read(context, &checkout)?;
        let generated = circlepipe::generate(pipeline, &settings, &mut checkout)?;
        for note in notes.iter().chain(&generated.notes) {
            note_on_stderr(note)?;
        }
        return put(&generated.files, args.check, context.root());
    }
    let (Some(ci), Some(on)) = (args.ci, args.on) else {
        return Err(Error::usage(
            "what to generate isn't said",
            "add --ci and --on",
        ));
    };
    let inventory = Inventory::load(context.root())?;
    let options = Options {
        per: match args.per {
            By::Role => Per::Role,
            By::Cluster => Per::Cluster,
            By::Shard => Per::Shards(args.shards),
        },
        schedule: args.schedule,
        orb: args.orb,
        contexts: args.context,
        action: args.action,
        runner: args.runner,
        branch: args.branch,
    };
    let pipeline = Pipeline::new(&inventory, on.into(), options);
    if pipeline.jobs.is_empty() {
        let message = format!("no role is started by a {}", pipeline.trigger);
        return Err(Error::usage(
            message,
            "give a role that trigger, or generate for the other",
        ));
    }
    let path = args.out.unwrap_or_else(|| {
        let name = format!("psk-{}.yml", pipeline.trigger);
        match ci {
            Ci::Circleci => Path::new(".circleci").join(name),
            Ci::Github => Path::new(".github/workflows").join(name),
        }
    });
    let files = [(path.display().to_string(), pipeline.text(ci))].into();
    put(&files, args.check, context.root())
}

async fn continue_pipeline(args: ContinueArgs, context: &Context) -> Result<ExitCode, Error> {
    let path = context.root().join(&args.config_file);
    let config = std::fs::read_to_string(&path).map_err(|error| {
        Error::usage(
            format!("reading {}: {error}", path.display()),
            "generate it first, or add --config-file",
        )
    })?;
    let why = "it is what allows a setup pipeline to be continued; CircleCI sets it in jobs of one";
    let key = secret(&context.env, &["CIRCLE_CONTINUATION_KEY"], why).map_err(refused)?;
    let parameters: Map<String, Json> = args.parameter.into_iter().collect();
    CircleCi::from_env(&context.env)
        .map_err(refused)?
        .continue_pipeline(&key, &config, &parameters)
        .await
        .map_err(refused)?;
    writeln!(
        io::stdout(),
        "continued with {}",
        args.config_file.display()
    )?;
    Ok(Exit::Done.into())
}

async fn schedule(args: ScheduleArgs, context: &Context) -> Result<ExitCode, Error> {
    let inventory = Inventory::load(context.root())?;
    let wanted = schedules(&inventory)
        .into_iter()
        .map(|schedule| {
            let timetable = Timetable::from_cron(&schedule.cron)?;
            let about = format!("psk {} for every role", schedule.task.word());
            Ok(Wanted::new(&schedule.name, &about, timetable, &args.branch))
        })
        .collect::<Result<Vec<_>, String>>()
        .map_err(|error| {
            Error::new(
                Exit::InvalidInventory,
                format!("psk.yaml: schedules: {error}"),
                "",
            )
        })?;
    let project = args.project.or_else(|| project_of_job(&context.env));
    let Some(project) = project else {
        return Err(Error::usage(
            "which project isn't said",
            "add --project gh/org/repo",
        ));
    };
    let why = "a personal API token that may change the project's schedules";
    let token = secret(&context.env, &["CIRCLE_TOKEN", "CIRCLECI_CLI_TOKEN"], why);
    let token = token.map_err(refused)?;
    let circleci = CircleCi::from_env(&context.env).map_err(refused)?;
    let mut out = io::stdout();
    for wanted in &wanted {
        let done = circleci
            .schedule(&token, &project, wanted)
            .await
            .map_err(refused)?;
        let word = match done {
            Done::Created => "created",
            Done::Updated => "updated",
            Done::Unchanged => "unchanged",
        };
        writeln!(out, "{word} {:?}", wanted.name)?;
    }
    writeln!(out, "{} in {project}", count(wanted.len(), "schedule"))?;
    Ok(Exit::Done.into())
}

/// The first of these variables that is set.
fn secret(env: &Env, names: &[&'static str], why: &'static str) -> Result<SecretString, ApiError> {
    let found = names.iter().find_map(|name| env.get(name));
    found.map(SecretString::from).ok_or(ApiError::Unset {
        variable: names.first().copied().unwrap_or_default(),
        why,
    })
}

fn refused(error: ApiError) -> Error {
    let next = error.next();
    match &error {
        ApiError::Unset { .. } => Error::usage(error.to_string(), next),
        _ => Error::unexpected(error.to_string(), next),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("a number from 1 on".to_owned()),
    }
}

fn parameter(text: &str) -> Result<(String, Json), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a parameter is written as NAME=VALUE")?;
    let value = match serde_json::from_str(value) {
        Ok(value @ (Json::Bool(_) | Json::Number(_))) => value,
        _ => value.into(),
    };
    Ok((name.to_owned(), value))
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    /// No pipeline runs what this psk doesn't have.
    #[test]
    fn every_job_is_a_command_that_psk_understands() {
        let inventory = Inventory::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        for per in [Per::Role, Per::Cluster, Per::Shards(3)] {
            for trigger in [Trigger::Push, Trigger::Tag] {
                let options = Options {
                    per,
                    schedule: true,
                    orb: "twdps/psk@0.1.0".to_owned(),
                    contexts: Vec::new(),
                    action: "ThoughtWorks-DPS/psk@v0.1.0".to_owned(),
                    runner: "ubuntu-24.04".to_owned(),
                    branch: "main".to_owned(),
                };
                let pipeline = Pipeline::new(&inventory, trigger, options);
                let nightly = pipeline.schedules.iter().flat_map(|s| &s.jobs);
                for job in pipeline.jobs.iter().chain(nightly) {
                    let Some(arguments) = job.arguments() else {
                        continue;
                    };
                    let line = ["psk".to_owned()].into_iter().chain(arguments);
                    let understood = Cli::try_parse_from(line).map(drop);
                    assert!(understood.is_ok(), "{job}: {understood:?}");
                }
            }
        }
    }
}
