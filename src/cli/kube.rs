//! `psk kube`: reaching a cluster's Kubernetes API with other tools.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Context, Error, files, select};
use crate::aws::{Aws, CallError, Identity, Session, Target};
use crate::exit::Exit;
use crate::inventory::Inventory;
use crate::kubernetes::{self, Endpoint, Subject, TokenMaker, Tokens};

/// Reach a cluster's Kubernetes API with kubectl and other tools.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a kubeconfig for a cluster. It holds no secret: psk makes a token when one is needed.
    Config {
        /// The cluster.
        #[arg(long, value_name = "CLUSTER")]
        cluster: String,
        /// Write to this file instead of standard output. What else is in it stays; the cluster
        /// becomes its current context.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Let `aws eks get-token` make the tokens, for people who have the AWS CLI and not psk.
        #[arg(long)]
        aws_cli: bool,
    },
    /// Print a token for a cluster, as kubectl asks it of a credential plugin.
    Token {
        /// The cluster.
        #[arg(long, value_name = "CLUSTER")]
        cluster: String,
        /// AWS region of the cluster; by the inventory where it isn't given.
        #[arg(long, value_name = "REGION", requires = "role_arn")]
        region: Option<String>,
        /// The role to assume; by the inventory where it isn't given.
        #[arg(long, value_name = "ARN", requires = "region")]
        role_arn: Option<String>,
    },
}

pub(super) async fn run(args: Args, context: &Context) -> Result<ExitCode, Error> {
    match args.command {
        Command::Config {
            cluster,
            file,
            aws_cli,
        } => {
            let maker = if aws_cli {
                TokenMaker::AwsCli
            } else {
                TokenMaker::Psk
            };
            config(&cluster, file.as_deref(), maker, context).await?;
        }
        Command::Token {
            cluster,
            region,
            role_arn,
        } => {
            let session = match (region, role_arn) {
                (Some(region), Some(role)) => {
                    let identity = identity("psk", "kube");
                    open(&target(region, &role)?, identity, context).await?
                }
                _ => from_inventory(&cluster, context).await?,
            };
            token(session, &cluster).await?;
        }
    }
    Ok(Exit::Done.into())
}

async fn config(
    cluster: &str,
    file: Option<&Path>,
    maker: TokenMaker,
    context: &Context,
) -> Result<(), Error> {
    let session = from_inventory(cluster, context).await?;
    let endpoint = Endpoint::of(&session, cluster).await.map_err(failed)?;
    let target = session.target();
    let subject = Subject {
        cluster: cluster.to_owned(),
        region: target.region.clone(),
        role_arn: Some(target.role_arn()),
    };
    let Some(path) = file else {
        let text = kubernetes::kubeconfig(&subject, &endpoint, maker).map_err(failed)?;
        return Ok(io::stdout().write_all(text.as_bytes())?);
    };
    let text = match std::fs::read_to_string(path) {
        Ok(existing) if !existing.trim().is_empty() => {
            kubernetes::merged(&existing, &subject, &endpoint, maker)
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(unwritten(path, &error));
        }
        _ => kubernetes::kubeconfig(&subject, &endpoint, maker),
    };
    files::write_private(path, &text.map_err(failed)?).map_err(|error| unwritten(path, &error))
}

async fn token(session: Session, cluster: &str) -> Result<(), Error> {
    let token = Tokens::new(session, cluster)
        .token()
        .await
        .map_err(failed)?;
    let expires = Timestamp::try_from(token.expires)
        .map_err(|error| Error::unexpected(error.to_string(), "check the clock"))?;
    let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {},
        "status": { "expirationTimestamp": expires, "token": token.secret.expose_secret() },
    });
    Ok(writeln!(io::stdout(), "{credential}")?)
}

/// A session for the cluster as the inventory has it.
async fn from_inventory(cluster: &str, context: &Context) -> Result<Session, Error> {
    let inventory = Inventory::load(context.root())?;
    let (_, role) = inventory
        .cluster(cluster)
        .map_err(|unknown| Error::usage(unknown.to_string(), ""))?;
    let name = cluster.to_owned();
    let selection = select::selection(&inventory, role, std::slice::from_ref(&name))?;
    let (env, processes) = (&context.env, &context.processes);
    let (clusters, _) =
        select::resolved(&inventory, &selection, Vec::new(), env, processes).await?;
    let Some(cluster) = clusters.first() else {
        return Err(Error::unexpected(
            format!("{name} has no settings"),
            "report this as a bug",
        ));
    };
    let target = Target {
        account: cluster.account.to_string(),
        region: cluster.region.to_string(),
        assume_role: cluster.settings.aws_assume_role.to_string(),
    };
    let identity = identity(&inventory.pipeline().name, &role.name);
    open(&target, identity, context).await
}

fn identity(pipeline: &str, role: &str) -> Identity {
    Identity {
        pipeline: pipeline.to_owned(),
        role: role.to_owned(),
        commit: None,
    }
}

async fn open(target: &Target, identity: Identity, context: &Context) -> Result<Session, Error> {
    let refused = |error: CallError| Error::unexpected(error.to_string(), error.next);
    let aws = Aws::new(context.env.clone(), identity, context.open_files)
        .await
        .map_err(refused)?;
    aws.session(target).await.map_err(refused)
}

/// The account, path and name in a role's ARN.
fn target(region: String, role_arn: &str) -> Result<Target, Error> {
    let parts: Vec<_> = role_arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "iam", "", account, role] if role.starts_with("role/") => Ok(Target {
            account: account.to_owned(),
            region,
            assume_role: role.trim_start_matches("role/").to_owned(),
        }),
        _ => Err(Error::usage(
            format!("{role_arn:?} is no role's ARN"),
            "give it as arn:aws:iam::<account>:role/<path and name>",
        )),
    }
}

fn failed(error: kubernetes::Error) -> Error {
    Error::unexpected(error.to_string(), error.next)
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    Error::usage(
        format!("writing {}: {error}", path.display()),
        "give --file a path that can be read and written",
    )
}
