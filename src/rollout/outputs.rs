//! What others need to know of a cluster, kept in 1Password: the last step of a rollout, and all that
//! `psk outputs` does.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use secrecy::ExposeSecret;

use super::cluster::{ClusterWork, outcome};
use super::failure::{failure, failure_after};
use crate::aws::Session;
use crate::control_plane::Base;
use crate::control_plane::stamp::Stamp;
use crate::event::{Failure, KeptOutputs, OutputsWritten, Step};
use crate::fanout::{Turn, WorkOutcome};
use crate::inventory::Cluster;
use crate::kubernetes::{self, Endpoint, TokenMaker};
use crate::onepassword::{Output, WriteError, Writer, Written};
use crate::reconcile::Error;
use crate::reconcile::plan::{Left, ResourceChange};

/// Labels of the fields. The first five are those of the Terraform pipeline that psk replaces.
pub mod field {
    /// A kubeconfig, as base64. Tokens are made by the AWS CLI, as whoever uses it.
    pub const KUBECONFIG: &str = "kubeconfig-base64";
    /// The Kubernetes API's URL.
    pub const URL: &str = "cluster-url";
    /// The API's certificate authority, as base64 of PEM.
    pub const CERTIFICATE_AUTHORITY: &str = "base64-certificate-authority-data";
    /// The file system's id.
    pub const FILE_SYSTEM: &str = "eks-efs-csi-storage-id";
    /// The issuer of the cluster's service account tokens.
    pub const OIDC_ISSUER: &str = "cluster-oidc-issuer-url";
    /// The cluster's ARN.
    pub const ARN: &str = "cluster-arn";
    /// The control plane's Kubernetes version.
    pub const VERSION: &str = "eks-version";
    /// The role of the nodes that Karpenter makes.
    pub const KARPENTER_NODE_ROLE: &str = "karpenter-node-role-name";
    /// The commit that was rolled out last, as far as outputs were kept.
    pub const RELEASE: &str = "release-sha";
}

/// What outputs are kept in, as a kind of resource.
const ITEM: &str = "onepassword_item";

/// Where the outputs of a run's clusters are kept.
#[derive(Debug)]
pub struct Place {
    /// The vault's one writer.
    pub writer: Writer,
    /// The item's title, by cluster.
    pub titles: BTreeMap<String, String>,
}

/// What is known of a live cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Live {
    endpoint: Endpoint,
    oidc_issuer: String,
    arn: String,
    version: String,
    file_system: String,
    karpenter_node_role: String,
    /// What psk noted on it when it was last applied.
    applied: Option<Stamp>,
}

impl Live {
    /// What a graph has found out.
    fn of(base: &Base, cluster: &str) -> Result<Self, Error> {
        let doing = |what: &str| format!("telling {what} of {cluster}");
        let facts = base.cluster.get().required(|| doing("the endpoint"))?;
        let file_system = base.file_system.get();
        let role = base.karpenter_nodes.get();
        Ok(Self {
            endpoint: Endpoint {
                url: facts.access.endpoint,
                certificate_authority: facts.access.certificate_authority,
            },
            oidc_issuer: facts.access.oidc_issuer,
            arn: facts.arn,
            version: facts.version.to_string(),
            file_system: file_system.required(|| doing("the file system"))?,
            karpenter_node_role: role.required(|| doing("Karpenter's node role"))?.name,
            applied: facts.applied,
        })
    }

    /// The outputs of a cluster that holds a commit, if one is known.
    fn outputs(&self, cluster: &Cluster, commit: Option<&str>) -> Result<Vec<Output>, Error> {
        let subject = kubernetes::Subject {
            cluster: cluster.name.to_string(),
            region: cluster.region.to_string(),
            // Who reads the outputs has a role of its own.
            role_arn: None,
        };
        let kubeconfig = kubernetes::kubeconfig(&subject, &self.endpoint, TokenMaker::AwsCli)
            .map_err(|error| Error::new(error.doing, error.cause, error.next))?;
        let open = |label, value: &str| Output {
            label,
            concealed: false,
            value: value.into(),
        };
        let mut outputs = vec![
            Output {
                label: field::KUBECONFIG,
                concealed: true,
                value: BASE64.encode(kubeconfig.as_bytes()).into(),
            },
            open(field::URL, &self.endpoint.url),
            open(
                field::CERTIFICATE_AUTHORITY,
                &self.endpoint.certificate_authority,
            ),
            open(field::FILE_SYSTEM, &self.file_system),
            open(field::OIDC_ISSUER, &self.oidc_issuer),
            open(field::ARN, &self.arn),
            open(field::VERSION, &self.version),
            open(field::KARPENTER_NODE_ROLE, &self.karpenter_node_role),
        ];
        outputs.extend(commit.map(|commit| open(field::RELEASE, commit)));
        Ok(outputs)
    }
}

/// The outputs as they may be told.
fn kept(place: &Place, item: &str, written: Written, outputs: &[Output]) -> KeptOutputs {
    let told = |output: &Output| match output.concealed {
        true => "***".to_owned(),
        false => output.value.expose_secret().to_owned(),
    };
    KeptOutputs {
        vault: place.writer.vault().to_owned(),
        item: item.to_owned(),
        written: match written {
            Written::Unchanged => OutputsWritten::Unchanged,
            Written::Changed => OutputsWritten::Changed,
            Written::Made => OutputsWritten::Made,
        },
        fields: outputs
            .iter()
            .map(|output| (output.label.to_owned(), told(output)))
            .collect(),
    }
}

fn unwritten(error: WriteError, cluster: &str, vault: &str) -> Error {
    Error::new(
        format!("writing the outputs of {cluster} to vault {vault:?}"),
        error.to_string(),
        format!(
            "{}: `psk outputs --cluster {cluster}` writes them from the cluster as it is",
            error.next()
        ),
    )
}

impl ClusterWork {
    /// Keeps a cluster's outputs, after `done` has been changed. Nothing where none are kept.
    pub(super) async fn keep_outputs(
        &self,
        turn: &Turn,
        cluster: &Cluster,
        base: &Base,
        done: &[ResourceChange],
    ) -> Result<Written, Failure> {
        let Some(place) = &self.outputs else {
            return Ok(Written::Unchanged);
        };
        turn.events.enter(Step::Outputs);
        let name = cluster.name.as_str();
        let failed = |error| failure_after(Step::Outputs, [error], done);
        let live = Live::of(base, name).map_err(failed)?;
        let commit = self.commit().filter(|commit| {
            // What rolls nothing out takes no commit for granted: it may be run from anywhere.
            let noted = live.applied.as_ref().and_then(Stamp::commit);
            !self.keeps_outputs_only() || noted.is_some_and(|noted| commit.starts_with(noted))
        });
        let outputs = live.outputs(cluster, commit).map_err(failed)?;
        let title = place.titles.get(name).map_or(name, String::as_str);
        let written = match self.only_reads_outputs() {
            true => place.writer.compare(title, &outputs).await,
            false => place.writer.write(title, &outputs).await,
        };
        let written =
            written.map_err(|error| failed(unwritten(error, name, place.writer.vault())))?;
        turn.events.outputs(kept(place, title, written, &outputs));
        Ok(written)
    }

    /// The item that a cluster's outputs stay in when it is destroyed, if there is one. That it can't be
    /// read keeps nobody from destroying.
    pub(super) async fn left_outputs(&self, turn: &Turn, cluster: &Cluster) -> Option<Left> {
        let place = self.outputs.as_ref()?;
        let title = place.titles.get(cluster.name.as_str())?;
        let vault = place.writer.vault();
        match place.writer.read(title).await {
            Ok(item) => item.map(|_| Left {
                kind: ITEM.to_owned(),
                name: title.clone(),
                why: format!(
                    "what others read of the cluster is in it; delete it from vault {vault} once nobody does"
                ),
            }),
            Err(error) => {
                let message = format!("whether vault {vault} still has an item {title} isn't known: {error}");
                turn.events.warn(message);
                None
            }
        }
    }

    /// Keeps the outputs of a cluster as it is.
    pub(super) async fn only_outputs(
        &self,
        turn: &Turn,
        cluster: &Cluster,
    ) -> Result<WorkOutcome, Failure> {
        turn.events.enter(Step::Session);
        let session = self.open(cluster).await?;
        turn.events.enter(Step::Observe);
        let base = self.observed(cluster, &session).await?;
        if base.cluster.get().known().is_none() {
            let error = Error::new(
                format!("telling what is to be known of {}", cluster.name),
                "the cluster doesn't exist",
                format!("make it: psk apply --cluster {}", cluster.name),
            );
            return Err(failure(Step::Observe, [error]));
        }
        let written = self.keep_outputs(turn, cluster, &base, &[]).await?;
        Ok(outcome(usize::from(written != Written::Unchanged)))
    }

    async fn observed(&self, cluster: &Cluster, session: &Session) -> Result<Base, Failure> {
        let base = self.wanted(cluster, session);
        let observed = base.graph.observe().await;
        observed.map_err(|errors| failure(Step::Observe, errors))?;
        Ok(base)
    }
}
