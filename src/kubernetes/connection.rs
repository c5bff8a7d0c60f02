//! The way into a cluster that may not be there yet.

use tokio::sync::Mutex;

use super::{Access, Endpoint, Error};
use crate::aws::Session;
use crate::control_plane::cluster::Facts;
use crate::reconcile::{self, Fact, Handle};

/// The way into one cluster, opened once it is known where the cluster's API is.
#[derive(Debug)]
pub struct Connection {
    session: Session,
    name: String,
    cluster: Handle<Facts>,
    open: Mutex<Option<(Endpoint, Access)>>,
}

impl Connection {
    /// The way into the cluster of this name and handle.
    pub fn new(session: Session, name: impl Into<String>, cluster: Handle<Facts>) -> Self {
        Self {
            session,
            name: name.into(),
            cluster,
            open: Mutex::default(),
        }
    }

    /// The session that leads to it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The client, once the cluster has been observed; `None` where there is no cluster yet.
    ///
    /// # Errors
    /// The cluster couldn't be observed, or its endpoint can't be understood.
    pub async fn observed(&self) -> Result<Option<Access>, reconcile::Error> {
        match self.cluster.observed().await? {
            Fact::Known(facts) => Ok(Some(self.to(&facts).await?)),
            Fact::AfterApply => Ok(None),
        }
    }

    /// The client, for a change: by now the cluster is there.
    ///
    /// # Errors
    /// It isn't, or its endpoint can't be understood.
    pub async fn required(&self) -> Result<Access, reconcile::Error> {
        let doing = || format!("reaching the Kubernetes API of {}", self.name);
        let facts = self.cluster.get().required(doing)?;
        Ok(self.to(&facts).await?)
    }

    async fn to(&self, facts: &Facts) -> Result<Access, Error> {
        let endpoint = Endpoint {
            url: facts.access.endpoint.clone(),
            certificate_authority: facts.access.certificate_authority.clone(),
        };
        let mut open = self.open.lock().await;
        if let Some((to, access)) = &*open
            && *to == endpoint
        {
            return Ok(access.clone());
        }
        let access = Access::new(&self.session, &self.name, &endpoint)?;
        *open = Some((endpoint, access.clone()));
        Ok(access)
    }
}
