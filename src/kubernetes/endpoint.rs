//! Where a cluster's Kubernetes API is.

use aws_sdk_eks::types::Cluster;

use super::Error;
use crate::aws::{Doing, Session};

/// Where a cluster's Kubernetes API is, and whom to trust for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its URL.
    pub url: String,
    /// Its certificate authority, as base64 of PEM.
    pub certificate_authority: String,
}

impl Endpoint {
    /// Asks EKS where the cluster's API is.
    ///
    /// # Errors
    /// The call's own failure, or that the cluster has no endpoint yet.
    pub async fn of(session: &Session, cluster: &str) -> Result<Self, Error> {
        let answer = session
            .eks()
            .describe_cluster()
            .name(cluster)
            .send()
            .await
            .doing(|| asking(cluster))?;
        Self::told(cluster, answer.cluster())
    }

    /// Where EKS says that the cluster's API is.
    ///
    /// # Errors
    /// That the cluster has no endpoint yet.
    pub fn told(cluster: &str, described: Option<&Cluster>) -> Result<Self, Error> {
        let endpoint = described.and_then(|described| {
            Some(Self {
                url: described.endpoint.clone()?,
                certificate_authority: described.certificate_authority()?.data.clone()?,
            })
        });
        endpoint.ok_or_else(|| {
            Error::new(
                asking(cluster),
                "it has no endpoint yet",
                "wait until the cluster is ACTIVE, then run again",
            )
        })
    }
}

fn asking(cluster: &str) -> String {
    format!("asking EKS where the Kubernetes API of {cluster} is")
}
