//! Where a cluster's Kubernetes API is.

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
        let doing = || format!("asking EKS where the Kubernetes API of {cluster} is");
        let answer = session
            .eks()
            .describe_cluster()
            .name(cluster)
            .send()
            .await
            .doing(doing)?;
        let described = answer.cluster.and_then(|described| {
            Some(Self {
                url: described.endpoint?,
                certificate_authority: described.certificate_authority?.data?,
            })
        });
        described.ok_or_else(|| {
            Error::new(
                doing(),
                "it has no endpoint yet",
                "wait until the cluster is ACTIVE, then run again",
            )
        })
    }
}
