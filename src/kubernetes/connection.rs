//! The way into a cluster that may not be there yet.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::applied_set::Applied;
use super::helm::Helm;
use super::karpenter::Found;
use super::object::Seen;
use super::{Access, Endpoint, Error};
use crate::aws::{Memo, Session};
use crate::control_plane::cluster::Facts;
use crate::reconcile::{self, Fact, Handle};

/// What every walk over one cluster's inside shares: the client, and what was read already. The rungs
/// of a climb are planned one by one, and none of them asks again.
#[derive(Debug)]
pub struct Shared {
    session: Session,
    cluster: String,
    open: Arc<Mutex<Option<(Endpoint, Access)>>>,
    /// The helm CLI.
    pub(super) helm: Helm,
    /// What psk has applied.
    pub(super) applied: Memo<(), Arc<Applied>, Error>,
    /// Helm's releases.
    pub(super) releases: Memo<(), Found, Error>,
    /// What objects are, by what they are wanted to be.
    pub(super) objects: Memo<String, Seen, reconcile::Error>,
}

impl Shared {
    /// The inside of a cluster in the account and region of `session`, of which nothing is known.
    pub fn new(session: &Session, cluster: &str) -> Self {
        Self {
            session: session.clone(),
            cluster: cluster.to_owned(),
            open: Arc::default(),
            helm: Helm::of(session.env()),
            applied: Memo::default(),
            releases: Memo::default(),
            objects: Memo::default(),
        }
    }

    /// For reading again after a change: only the client stays.
    #[must_use]
    pub fn after_a_change(&self) -> Self {
        Self {
            open: self.open.clone(),
            helm: self.helm.clone(),
            ..Self::new(&self.session, &self.cluster)
        }
    }

    /// Ends the connections. Who wants to call again gets new ones.
    pub async fn close(&self) {
        *self.open.lock().await = None;
    }

    async fn client(&self, facts: &Facts) -> Result<Access, Error> {
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
        // What is open to another endpoint ends first.
        *open = None;
        let access = Access::open(&self.session, &self.cluster, &endpoint).await?;
        *open = Some((endpoint, access.clone()));
        Ok(access)
    }
}

/// The way into one cluster, opened once it is known where the cluster's API is.
#[derive(Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    cluster: Handle<Facts>,
}

impl Connection {
    /// The way into the cluster of this handle.
    pub fn new(shared: Arc<Shared>, cluster: Handle<Facts>) -> Self {
        Self { shared, cluster }
    }

    /// What walks over the cluster's inside share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The client, once the cluster has been observed; `None` where there is no cluster yet.
    ///
    /// # Errors
    /// The cluster couldn't be observed, or its endpoint can't be understood.
    pub async fn observed(&self) -> Result<Option<Access>, reconcile::Error> {
        match self.cluster.observed().await? {
            // Its API goes before it does.
            Fact::Known(facts) if facts.is_going => Ok(None),
            Fact::Known(facts) => Ok(Some(self.shared.client(&facts).await?)),
            Fact::AfterApply => Ok(None),
        }
    }

    /// The client, for a change: by now the cluster is there.
    ///
    /// # Errors
    /// It isn't, or its endpoint can't be understood.
    pub async fn required(&self) -> Result<Access, reconcile::Error> {
        let doing = || format!("reaching the Kubernetes API of {}", self.shared.cluster);
        let facts = self.cluster.get().required(doing)?;
        Ok(self.shared.client(&facts).await?)
    }
}
