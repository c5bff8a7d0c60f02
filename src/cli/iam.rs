//! `psk iam`: what psk's own role in an account may do, and who may assume it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value as Json;

use super::lab::{LabArgs, World};
use super::{Context, Error, select};
use crate::control_plane::grants;
use crate::control_plane::policy::{Account, permissions, trust};
use crate::env::Env;
use crate::exit::Exit;
use crate::inventory::{AccountId, Inventory, Reference, Region, RolePath};
use crate::style::{Ink, Style};

/// Managed policies that a role may have attached, unless AWS has raised the quota.
/// Source: IAM User Guide, "IAM and AWS STS quotas".
const ATTACHABLE_POLICIES: usize = 10;

/// Print the IAM policies that psk's own role needs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the least-privilege policy and the trust document of the pipeline's role.
    ///
    /// One role per account of the inventory, as `aws_account_id` and `aws_assume_role` say. The policy
    /// is put together from what each kind of resource declares, and is split where it would be
    /// longer than IAM takes. Calls no AWS service.
    Policy(PolicyArgs),
}

#[derive(Debug, clap::Args)]
struct PolicyArgs {
    /// Name of the role, with its path if it has one, instead of the inventory's.
    #[arg(long, value_name = "NAME")]
    role_name: Option<RolePath>,
    /// The account that the role is in, instead of the inventory's. May be repeated.
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,
    /// A region of the account named by --account; it tells China and GovCloud from the rest.
    #[arg(
        long,
        value_name = "REGION",
        requires = "account",
        default_value = "us-east-1"
    )]
    region: Region,
    /// Who may assume the role: an account, or the ARN of a role or user. May be repeated.
    /// Otherwise the role in AWS_ROLE_ARN; without one, the role's own account.
    #[arg(long, value_name = "PRINCIPAL")]
    trust: Vec<Principal>,
    /// The form to print them in.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
    /// Also write each document to a file of its own there, for `aws iam … file://…`.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    #[command(flatten)]
    lab: LabArgs,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The documents, and the commands that make the role of them.
    #[default]
    Text,
    /// JSON, each document as IAM takes it.
    Json,
}

/// An account, or the ARN of a role or user.
#[derive(Debug, Clone)]
struct Principal(String);

impl std::str::FromStr for Principal {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let is_arn = matches!(
            parts.as_slice(),
            ["arn", _, "iam" | "sts", _, account, resource]
                if account.parse::<AccountId>().is_ok() && !resource.is_empty()
        );
        if is_arn || text.parse::<AccountId>().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err("it is neither an account of twelve digits nor the ARN of a role or user")
        }
    }
}

/// One role with its documents, as `--output json` tells it.
#[derive(Debug, Serialize)]
struct Role {
    /// The account that it is in.
    account: String,
    /// Its path, with a slash at both ends.
    path: String,
    /// Its name.
    role_name: String,
    /// Who may assume it.
    trust: Json,
    /// What it may do: managed policies, all of which have to be attached.
    policies: Vec<Policy>,
    #[serde(skip)]
    partition: String,
}

#[derive(Debug, Serialize)]
struct Policy {
    name: String,
    document: Json,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    let Command::Policy(args) = args.command;
    let places = places(&args, context).await?;
    let trusted = trusted(&args, &context.env);
    let roles: Vec<_> = places
        .into_iter()
        .map(|(account, role)| describe(&account, &role, &trusted))
        .collect();
    if let Some(dir) = &args.write {
        write(&roles, dir)?;
    }
    let text = match args.output {
        Output::Text => tell(&roles, args.write.as_deref(), &context.stdout_style()),
        Output::Json => {
            let roles = serde_json::json!({ "roles": roles });
            format!("{roles:#}\n")
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Done.into())
}

/// The accounts, and the role in each. Of an inventory's references only those are resolved that
/// accounts are given by.
async fn places(
    args: &PolicyArgs,
    context: &Context,
) -> Result<BTreeSet<(Account, RolePath)>, Error> {
    let account = |id: &str, region: &Region| Account {
        partition: region.partition().to_owned(),
        id: id.to_owned(),
    };
    let given = args
        .account
        .iter()
        .map(|id| account(id.as_str(), &args.region));
    if let (Some(role), false) = (&args.role_name, args.account.is_empty()) {
        return Ok(given.map(|account| (account, role.clone())).collect());
    }
    let inventory = Inventory::load(context.root())?;
    let mut written = BTreeSet::new();
    let mut references = BTreeSet::new();
    for cluster in inventory.view(&inventory.everything()) {
        let role = cluster.settings.get("aws_assume_role");
        let role = role.and_then(Json::as_str).unwrap_or_default();
        references.extend(cluster.account.parse::<Reference>());
        written.insert((cluster.account, cluster.region, role.to_owned()));
    }
    if !args.account.is_empty() {
        let roles = written.iter().filter_map(|(_, _, role)| role.parse().ok());
        let roles: BTreeSet<RolePath> = roles.collect();
        let places = given.flat_map(|account| {
            let roles = roles.iter();
            roles.map(move |role| (account.clone(), role.clone()))
        });
        return Ok(places.collect());
    }
    let references: Vec<_> = references.into_iter().collect();
    let world = World::enter(&args.lab, &inventory, context).await?;
    let values = select::values(&references, &world.env, &context.processes).await;
    world.leave().await?;
    let values = values?;
    let mut places = BTreeSet::new();
    for (id, region, role) in written {
        let id = match id.parse::<Reference>() {
            Ok(reference) => match values.get(&reference) {
                Some(Ok(value)) => value.expose_secret().to_owned(),
                Some(Err(why)) => return Err(unknown(&id, why)),
                None => return Err(unknown(&id, "it was not looked up")),
            },
            Err(_) => id,
        };
        let id: AccountId = id.parse().map_err(|_| unknown(&id, "it is no account"))?;
        let known = (region.parse::<Region>(), role.parse::<RolePath>());
        let (Ok(region), Ok(role)) = known else {
            return Err(unknown(&role, "it, or its region, is given by a reference"));
        };
        let role = args.role_name.clone().unwrap_or(role);
        places.insert((account(id.as_str(), &region), role));
    }
    Ok(places)
}

fn unknown(what: &str, why: &str) -> Error {
    Error::new(
        Exit::InvalidInventory,
        format!("finding the pipeline's role in each account: {what}: {why}"),
        "name the account with --account and the role with --role-name",
    )
}

/// Who may assume the role; empty for the role's own account.
fn trusted(args: &PolicyArgs, env: &Env) -> Vec<String> {
    if args.trust.is_empty() {
        env.get("AWS_ROLE_ARN")
            .map(str::to_owned)
            .into_iter()
            .collect()
    } else {
        args.trust
            .iter()
            .map(|principal| principal.0.clone())
            .collect()
    }
}

fn describe(account: &Account, role: &RolePath, trusted: &[String]) -> Role {
    let own = [account.id.clone()];
    let trusted = if trusted.is_empty() { &own } else { trusted };
    let documents = permissions(grants(), account);
    let split = documents.len() > 1;
    let policies = (1..).zip(documents).map(|(n, document)| Policy {
        name: match split {
            true => format!("{}-{n}", role.name()),
            false => role.name().to_owned(),
        },
        document,
    });
    let path = role.as_str().strip_suffix(role.name()).unwrap_or_default();
    Role {
        account: account.id.clone(),
        path: format!("/{path}"),
        role_name: role.name().to_owned(),
        trust: trust(trusted, account),
        policies: policies.collect(),
        partition: account.partition.clone(),
    }
}

impl Role {
    /// File names of its documents.
    fn trust_file(&self) -> String {
        format!("{}-{}-trust.json", self.account, self.role_name)
    }

    fn policy_file(&self, policy: &Policy) -> String {
        format!("{}-{}-policy.json", self.account, policy.name)
    }

    /// The commands that make it of its documents.
    fn commands(&self, dir: &Path) -> Vec<String> {
        let file = |name: String| format!("file://{}", dir.join(name).display());
        let (name, path) = (&self.role_name, &self.path);
        let mut commands = vec![format!(
            "aws iam create-role --role-name {name} --path {path} --assume-role-policy-document {}",
            file(self.trust_file())
        )];
        for policy in &self.policies {
            commands.push(format!(
                "aws iam create-policy --policy-name {} --path {path} --policy-document {}",
                policy.name,
                file(self.policy_file(policy))
            ));
            commands.push(format!(
                "aws iam attach-role-policy --role-name {name} --policy-arn arn:{}:iam::{}:policy{path}{}",
                self.partition, self.account, policy.name
            ));
        }
        commands
    }
}

fn write(roles: &[Role], dir: &Path) -> Result<(), Error> {
    let failed = |path: &Path, error: io::Error| {
        Error::usage(
            format!("writing {}: {error}", path.display()),
            "give --write a directory that can be written to",
        )
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    let files: BTreeMap<_, _> = roles
        .iter()
        .flat_map(|role| {
            let policies = role.policies.iter();
            let policies = policies.map(|policy| (role.policy_file(policy), &policy.document));
            policies.chain([(role.trust_file(), &role.trust)])
        })
        .collect();
    for (name, document) in files {
        let path = dir.join(name);
        fs::write(&path, format!("{document:#}\n")).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// The documents for people, then how a role is made of them.
fn tell(roles: &[Role], written: Option<&Path>, style: &Style) -> String {
    let mut text = String::new();
    // Writing to a String can't fail, here as below.
    for role in roles {
        let name = format!("role {}{}", role.path, role.role_name);
        let name = style.paint(Ink::Strong, name);
        let policies = role.policies.len();
        let policies = match policies {
            1 => "1 policy".to_owned(),
            n => format!("{n} policies, because one would be longer than IAM takes"),
        };
        let _ = writeln!(text, "{name} in account {}: {policies}\n", role.account);
        let _ = writeln!(text, "{}", style.paint(Ink::Strong, "who may assume it"));
        let _ = writeln!(text, "{:#}\n", role.trust);
        for policy in &role.policies {
            let title = format!("what it may do: {}", policy.name);
            let _ = writeln!(text, "{}", style.paint(Ink::Strong, title));
            let _ = writeln!(text, "{:#}\n", policy.document);
        }
        if role.policies.len() > ATTACHABLE_POLICIES {
            let line = format!(
                "A role takes {ATTACHABLE_POLICIES} managed policies unless the quota is raised."
            );
            let _ = writeln!(text, "{}\n", style.paint(Ink::Changed, line));
        }
    }
    let (dir, next) = match written {
        Some(dir) => (dir, "to make of them"),
        None => (Path::new("DIR"), "to make, after --write DIR"),
    };
    let _ = writeln!(text, "{}", style.paint(Ink::Strong, next));
    for command in roles.iter().flat_map(|role| role.commands(dir)) {
        let _ = writeln!(text, "{command}");
    }
    text
}
