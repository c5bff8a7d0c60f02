//! `psk lab` and `--lab`: rehearsing against the simulated world. The only file that knows it; what
//! stands in for helm there is below it.

mod helm;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use psk_lab::faults::Faults;
use psk_lab::seed::{
    ClusterSeed, CommitSeed, IdentityProviderSeed, KarpenterSeed, NodeGroupSeed, RepositorySeed,
    SEEDED_FILE_SYSTEM, Secret, Seed, SlackSeed, Start,
};
use psk_lab::{Lab, Options, authorization, plausible, state};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::process::Command as Process;

use super::{Context, Error, release};
use crate::control_plane;
use crate::control_plane::policy::{Account, permissions};
use crate::env::Env;
use crate::exit::Exit;
use crate::fanout::{Stop, stop_on_signals};
use crate::inventory::{Cluster, Inventory, Notify, WorkloadIdentity};
use crate::kubernetes::baseline::Inside;
use crate::release::{Given, Release, checkout};

/// Rehearse in a simulated world instead of AWS and 1Password.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Lab")]
pub(super) struct LabArgs {
    /// Run in the lab, seeded from the inventory: clusters a version behind, not there yet, already
    /// right, or made by Terraform.
    #[arg(long, value_enum, value_name = "STATE", num_args = 0..=1, require_equals = true, default_missing_value = "behind")]
    lab: Option<LabStart>,
    #[command(flatten)]
    world: WorldArgs,
}

/// The tag of a commit that has none of its own.
const LAB_TAG: &str = "v0.0.0-lab";
impl LabArgs {
    /// Whether the command is to run in the lab.
    pub(super) fn is_asked_for(&self) -> bool {
        self.lab.is_some()
    }
}

/// What the simulated world is like.
#[derive(Debug, clap::Args)]
struct WorldArgs {
    /// Keep the world in this directory between runs. Holds made-up secrets only.
    #[arg(long, value_name = "DIR")]
    lab_state: Option<PathBuf>,
    /// Latency and failures per call, from a file.
    #[arg(long, value_name = "FILE")]
    lab_faults: Option<PathBuf>,
    /// Write every request that the lab is sent, and its answer, into this file: JSON, one exchange a line. Holds
    /// made-up secrets only.
    #[arg(long, value_name = "FILE")]
    lab_transcript: Option<PathBuf>,
    /// Milliseconds that every call takes longer.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    lab_latency: u64,
    /// Seconds that pass in the world per real second.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    lab_speed: f64,
    /// Let sessions of the pipeline's roles do only what `psk iam policy` prints, or what a file
    /// allows: a policy document, a list of them, or all that `psk iam policy --output json` prints.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    lab_enforce_iam: Option<Option<PathBuf>>,
}

/// How far the world is from what the inventory asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum LabStart {
    /// No cluster exists.
    Fresh,
    /// Clusters are one minor version behind, add-ons and AMI releases old, one cluster of each
    /// larger role already right and one missing.
    #[default]
    Behind,
    /// Every cluster is what its settings ask for.
    Current,
    /// Every cluster is there as Terraform made it, before psk was.
    Adopted,
}

impl From<LabStart> for Start {
    fn from(start: LabStart) -> Self {
        match start {
            LabStart::Fresh => Self::Fresh,
            LabStart::Behind => Self::Behind,
            LabStart::Current => Self::Current,
            LabStart::Adopted => Self::Adopted,
        }
    }
}

/// Serve the simulated world, or run a command inside it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the lab until interrupted, and print the variables that point a client at it.
    Up {
        /// Port on 127.0.0.1 to listen on; 0 takes a free one.
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
        /// What the world is seeded with.
        #[arg(long, value_enum, value_name = "STATE", default_value_t)]
        start: LabStart,
        #[command(flatten)]
        world: WorldArgs,
    },
    /// Run a command inside a lab of its own; ends with the command's exit code.
    Run {
        /// What the world is seeded with.
        #[arg(long, value_enum, value_name = "STATE", default_value_t)]
        start: LabStart,
        #[command(flatten)]
        world: WorldArgs,
        /// The command and its arguments, after `--`.
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Stand in for the helm CLI against a cluster of the lab.
    #[command(hide = true, disable_help_flag = true, disable_version_flag = true)]
    Helm {
        /// What helm would be given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    match args.command {
        Command::Helm { arguments } => helm::run(&arguments, context).await,
        Command::Up { port, start, world } => {
            let inventory = Inventory::load(context.root())?;
            let stop = Stop::default();
            stop_on_signals(stop.clone())?;
            let (lab, exports) = start_lab(start, &world, port, &inventory, context).await?;
            let helm = helm::stand_in()?;
            for (name, value) in exports.into_iter().chain([helm.export()]) {
                println!("export {name}={value}");
            }
            stop.wind_down().cancelled().await;
            lab.stop().await.map_err(lab_error)?;
            Ok(Exit::Done.into())
        }
        Command::Run {
            start,
            world,
            command,
        } => {
            let inventory = Inventory::load(context.root())?;
            let (lab, exports) = start_lab(start, &world, 0, &inventory, context).await?;
            let helm = helm::stand_in()?;
            let env = in_lab(context.env.clone(), exports, &helm);
            let status = run_command(&command, &env).await;
            lab.stop().await.map_err(lab_error)?;
            status
        }
    }
}

async fn run_command(command: &[String], env: &Env) -> Result<ExitCode, Error> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::usage("no command is given", "put it after --"));
    };
    // The terminal sends Ctrl-C to the command too. psk waits for it, whatever it makes of that.
    let stop = Stop::default();
    stop_on_signals(stop)?;
    let status = Process::new(program)
        .args(arguments)
        .env_clear()
        .envs(env.iter())
        .stdin(Stdio::inherit())
        .status()
        .await
        .map_err(|error| {
            Error::usage(
                format!("starting {program}: {error}"),
                "check the command after --",
            )
        })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or_else(|| Exit::Unexpected.into(), ExitCode::from))
}

/// Where a command runs: the world that the environment points at, or a lab of its own.
pub(super) struct World {
    /// The environment to reach it by.
    pub(super) env: Env,
    /// The lab, and its stand-in for helm.
    lab: Option<(Lab, helm::StandIn)>,
}

impl World {
    /// Starts the lab if `--lab` asks for it. Everything after that goes by the environment alone.
    pub(super) async fn enter(
        args: &LabArgs,
        inventory: &Inventory,
        context: &Context,
    ) -> Result<Self, Error> {
        let env = context.env.clone();
        let Some(start) = args.lab else {
            return Ok(Self { env, lab: None });
        };
        let (lab, exports) = start_lab(start, &args.world, 0, inventory, context).await?;
        let helm = helm::stand_in()?;
        Ok(Self {
            env: in_lab(env, exports, &helm),
            lab: Some((lab, helm)),
        })
    }

    /// Stops the lab, if there is one, and keeps its world where it should be kept.
    pub(super) async fn leave(self) -> Result<(), Error> {
        match self.lab {
            Some((lab, _helm)) => lab.stop_at_exit().await.map_err(lab_error),
            None => Ok(()),
        }
    }
}

/// The environment with nothing in it that leads out of the lab.
fn in_lab(env: Env, exports: Vec<(String, String)>, helm: &helm::StandIn) -> Env {
    let leads_out = |name: &str| {
        [
            "AWS_",
            "OP_",
            "CIRCLE_OIDC_",
            "ACTIONS_ID_TOKEN_",
            "GH_",
            "GITHUB_API_URL",
            "GITHUB_APP_",
            "GITHUB_GRAPHQL_URL",
            "GITHUB_REPOSITORY",
            "GITHUB_TOKEN",
            "PSK_COMMIT",
            "PSK_TAG",
            "PSK_BRANCH",
            "PSK_ACTOR",
            "PSK_RUN_URL",
            "SLACK_API_URL",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
            // The lab is on this machine.
            || ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
                .iter()
                .any(|proxy| name.eq_ignore_ascii_case(proxy))
    };
    let exports = exports.into_iter().chain([helm.export()]);
    env.without(leads_out).with(exports)
}

async fn start_lab(
    start: LabStart,
    args: &WorldArgs,
    port: u16,
    inventory: &Inventory,
    context: &Context,
) -> Result<(Lab, Vec<(String, String)>), Error> {
    let given = Given::default();
    let release = Release::detect(&given, &context.env, context.root(), &context.processes);
    let release = release.await.unwrap_or_default();
    let history = checkout::history(context.root(), &context.processes).await;
    let repository = repository_seed(inventory, &release, history);
    let kept = match &args.lab_state {
        Some(dir) => state::load(dir).map_err(lab_error)?,
        None => None,
    };
    let mut world = match kept {
        Some(mut world) => {
            repository.push(&mut world);
            world
        }
        None => {
            let entropy = rand::random();
            let seed = Seed {
                repository: Some(repository.clone()),
                ..seed(start, inventory)?
            };
            seed.build((context.clock)(), entropy).map_err(lab_error)?
        }
    };
    let faults = match &args.lab_faults {
        Some(path) => Faults::read(path).map_err(|e| Error::usage(e.to_string(), ""))?,
        None => Faults::default(),
    };
    if let Some(file) = &args.lab_enforce_iam {
        enforce(&mut world, file.as_deref(), inventory)?;
    }
    let options = Options {
        port,
        latency: Duration::from_millis(args.lab_latency),
        faults,
        speed: args.lab_speed,
        enforce_iam: args.lab_enforce_iam.is_some(),
        state: args.lab_state.clone(),
        transcript: args.lab_transcript.clone(),
    };
    let lab = Lab::start(world, options).await.map_err(lab_error)?;
    let mut exports = lab.exports();
    exports.extend(release_of(&repository, &release));
    Ok((lab, exports))
}

/// The repository that the lab's GitHub has: the checkout's own, with its commits and tags, as far as
/// there is one, and made up where there is none. The commit to roll out bears a tag in any case, so
/// that every role can be rehearsed.
fn repository_seed(
    inventory: &Inventory,
    release: &Release,
    history: checkout::History,
) -> RepositorySeed {
    let pipeline = inventory.pipeline();
    let named = release::repository(pipeline);
    let (owner, name) = match named.as_ref().or(release.repository.as_ref()) {
        Some(repository) => (repository.owner.clone(), repository.name.clone()),
        None => ("psk-lab".to_owned(), pipeline.name.clone()),
    };
    let mut commits: Vec<CommitSeed> = history
        .commits
        .into_iter()
        .map(|commit| CommitSeed {
            sha: commit.sha,
            message: commit.message,
            author: commit.author,
            date: commit.date,
        })
        .collect();
    let made_up = || CommitSeed {
        sha: psk_lab::ids::stable_hex(40, &["commit", &pipeline.name]),
        message: "Begin".to_owned(),
        author: ("psk lab".to_owned(), "psk-lab@example.com".to_owned()),
        ..CommitSeed::default()
    };
    let head = match &release.commit {
        Some(sha) => sha.clone(),
        None => made_up().sha,
    };
    if commits.first().is_none_or(|commit| commit.sha != head) {
        commits.insert(
            0,
            CommitSeed {
                sha: head.clone(),
                ..made_up()
            },
        );
    }
    let mut tags = history.tags;
    let tag = release.tag.clone().unwrap_or_else(|| LAB_TAG.to_owned());
    tags.retain(|(name, _)| *name != tag);
    tags.insert(0, (tag, head));
    let login = pipeline.promotion.trusted_creators.first();
    RepositorySeed {
        owner,
        name,
        default_branch: release.branch.clone().unwrap_or_else(|| "main".to_owned()),
        commits,
        tags,
        login: login.map_or_else(|| "psk-lab[bot]".to_owned(), Clone::clone),
    }
}

/// The variables that say which release the lab's GitHub knows, whatever the checkout looks like.
fn release_of(repository: &RepositorySeed, release: &Release) -> Vec<(String, String)> {
    let first = |all: &[(String, String)]| all.first().map(|(name, _)| name.clone());
    let told = [
        (
            "PSK_COMMIT",
            repository.commits.first().map(|commit| commit.sha.clone()),
        ),
        ("PSK_TAG", first(&repository.tags)),
        ("PSK_BRANCH", Some(repository.default_branch.clone())),
        ("PSK_ACTOR", release.actor.clone()),
        ("PSK_RUN_URL", release.run_url.clone()),
    ];
    told.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// Gives the pipeline's roles the policies in a file, or those that psk needs, and no others.
fn enforce(
    world: &mut psk_lab::world::World,
    file: Option<&Path>,
    inventory: &Inventory,
) -> Result<(), Error> {
    let from = file.map_or_else(
        || "what `psk iam policy` prints".to_owned(),
        |path| format!("the IAM policy in {}", path.display()),
    );
    let wrong = |why: String| {
        Error::usage(
            format!("{from}: {why}"),
            "give a policy document, a list of them, or what `psk iam policy --output json` prints",
        )
    };
    let policies = file
        .map(|path| {
            let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            serde_json::from_str::<Policies>(&text).map_err(|error| wrong(error.to_string()))
        })
        .transpose()?;
    for cluster in &clusters(inventory)?.0 {
        let settings = &cluster.settings;
        let account = Account {
            partition: settings.aws_region.partition().to_owned(),
            id: settings.aws_account_id.to_string(),
        };
        let role = settings.aws_assume_role.to_string();
        let documents = match &policies {
            Some(policies) => policies.of(&account.id, &role),
            None => permissions(control_plane::grants(), &account),
        };
        if documents.is_empty() {
            let account = &account.id;
            return Err(wrong(format!(
                "it has none for {role} in account {account}"
            )));
        }
        authorization::attach(world, &account.id, &role, &documents)
            .map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

/// Policies of the pipeline's roles, as a file may write them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Policies {
    /// For each role its own, as `psk iam policy` prints them.
    OfRoles { roles: Vec<RolePolicies> },
    /// The same for all.
    Several(Vec<Json>),
    /// One for all.
    One(Json),
}

#[derive(Debug, Deserialize)]
struct RolePolicies {
    account: String,
    role_name: String,
    policies: Vec<NamedPolicy>,
}

#[derive(Debug, Deserialize)]
struct NamedPolicy {
    document: Json,
}

impl Policies {
    /// Those of a role, given by path and name.
    fn of(&self, account: &str, role: &str) -> Vec<Json> {
        let name = role.rsplit('/').next();
        match self {
            Self::One(document) => vec![document.clone()],
            Self::Several(documents) => documents.clone(),
            Self::OfRoles { roles } => roles
                .iter()
                .filter(|of| of.account == account && Some(of.role_name.as_str()) == name)
                .flat_map(|of| of.policies.iter().map(|policy| policy.document.clone()))
                .collect(),
        }
    }
}

fn lab_error(error: impl std::fmt::Display) -> Error {
    Error::unexpected(error.to_string(), "")
}

/// The fleet that the inventory describes, with a plausible value for every reference it makes.
fn seed(start: LabStart, inventory: &Inventory) -> Result<Seed, Error> {
    let (clusters, secrets) = clusters(inventory)?;
    Ok(Seed {
        start: start.into(),
        clusters: clusters
            .iter()
            .map(|cluster| cluster_seed(cluster, &inventory.pipeline().name))
            .collect::<Result<_, _>>()?,
        secrets,
        home: None,
        repository: None,
        slack: slack_seed(&inventory.pipeline().notify),
    })
}

/// Where rollouts are told of in Slack, if they are.
fn slack_seed(notify: &Notify) -> Option<SlackSeed> {
    let token = notify.slack_token.as_ref()?;
    Some(SlackSeed {
        channel: notify.slack_channel.clone()?,
        token: plausible::plausible(&token.vault, &token.item, &token.field),
    })
}

/// Every cluster of the inventory, and the values of its references.
fn clusters(inventory: &Inventory) -> Result<(Vec<Cluster>, Vec<Secret>), Error> {
    let selection = inventory.everything();
    let mut references = inventory.references(&selection);
    references.extend(inventory.pipeline_references().iter().cloned());
    let secrets: Vec<_> = references
        .iter()
        .map(|used| {
            let r = &used.reference;
            Secret {
                vault: r.vault.clone(),
                item: r.item.clone(),
                section: r.section.clone(),
                field: r.field.clone(),
                value: plausible::plausible(&r.vault, &r.item, &r.field),
            }
        })
        .collect();
    let values: BTreeMap<_, _> = references
        .iter()
        .zip(&secrets)
        .map(|(used, secret)| (used.reference.clone(), Ok(secret.value.as_str().into())))
        .collect();
    let clusters = inventory.resolve(&selection, &values)?;
    Ok((clusters, secrets))
}

fn cluster_seed(cluster: &Cluster, pipeline: &str) -> Result<ClusterSeed, Error> {
    let s = &cluster.settings;
    let inside = Inside::of(cluster, pipeline, SEEDED_FILE_SYSTEM)
        .map_err(|error| Error::unexpected(error.to_string(), error.next))?;
    Ok(ClusterSeed {
        objects: inside.objects,
        karpenter: Some(KarpenterSeed {
            version: s.karpenter_chart_version.to_string(),
            values: inside.karpenter,
        }),
        name: cluster.name.to_string(),
        role: cluster.role.clone(),
        account: s.aws_account_id.to_string(),
        region: s.aws_region.to_string(),
        assume_role: s.aws_assume_role.to_string(),
        eks_version: s.eks_version.to_string(),
        log_types: s.enable_log_types.iter().map(ToString::to_string).collect(),
        node_tier: s.node_subnet_identifier.clone(),
        intra_tier: s.intra_subnet_identifier.clone(),
        node_group: NodeGroupSeed {
            name: s.management_node_group_name.to_string(),
            role: s.management_node_group_role.clone(),
            ami_type: s.management_node_group_ami_type.to_string(),
            instance_types: s
                .management_node_group_instance_types
                .iter()
                .map(ToString::to_string)
                .collect(),
            capacity_type: s.management_node_group_capacity_type.to_string(),
            disk_size: s.management_node_group_disk_size.gib(),
            desired_size: s.management_node_group_desired_size.get(),
            min_size: s.management_node_group_min_size.get(),
            max_size: s.management_node_group_max_size.get(),
            max_unavailable: s.node_max_unavailable.to_string(),
        },
        support_type: s.upgrade_policy.to_string(),
        private_only: !s.endpoint_public_access,
        deletable: !s.deletion_protection,
        pipeline: pipeline.to_owned(),
        addon_configuration: s
            .addons
            .iter()
            .filter_map(|addon| {
                Some((
                    addon.name.clone(),
                    control_plane::addon_configuration(s, addon)?,
                ))
            })
            .collect(),
        addons: s.addons.iter().map(|addon| addon.name.clone()).collect(),
        tags: s.tags.clone().into_iter().collect(),
        log_retention_days: u32::try_from(s.log_retention_days.days()).unwrap_or_default(),
        pod_identity: s.workload_identity == WorkloadIdentity::PodIdentity,
        identity_provider: Some(IdentityProviderSeed {
            name: s.oidc_identity_provider_config_name.to_string(),
            issuer_url: s.oidc_issuer_url.to_string(),
            client_id: s.oidc_client_id.expose_secret().to_owned(),
            groups_claim: s.oidc_groups_claim.clone(),
        }),
        karpenter_policies: control_plane::karpenter_policies(s),
    })
}
