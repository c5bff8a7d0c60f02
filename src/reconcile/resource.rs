//! What a kind of resource has to say for itself.

use std::future::Future;

use super::{Diff, Error, Fact, Progress};

/// A resource that psk makes and keeps: fetch ([`observe`](Self::observe)), decide
/// ([`diff`](Self::diff)) and do ([`apply`](Self::apply), [`settle`](Self::settle)), apart.
///
/// A resource holds what it wants (its settings), the session that it acts through, and the
/// [`Handle`](super::Handle)s of the resources that it builds on.
pub trait Resource: Send + Sync + 'static {
    /// What `observe` read: plain values, so that `diff` can be tested without a service.
    type Observed: Send + Sync + 'static;
    /// What other resources may know of this one.
    type Output: Clone + Send + Sync + 'static;
    /// The kind in plans and messages (`eks_nodegroup`).
    const KIND: &'static str;
    /// What the pipeline's role must be allowed for this kind, and no more.
    const GRANTS: &'static [Grant];

    /// The name, unique among its kind in one cluster.
    fn name(&self) -> String;

    /// Places in the graph ([`Handle::index`](super::Handle::index)) of the resources that must be
    /// right before this one is changed.
    fn needs(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Reads what is there; `None` where nothing is. Starts at once and side by side with all
    /// others; where it needs an id that another resource finds, it awaits
    /// [`Handle::observed`](super::Handle::observed).
    fn observe(&self) -> impl Future<Output = Result<Option<Self::Observed>, Error>> + Send;

    /// What others may know, from what was read.
    fn output(&self, observed: &Self::Observed) -> Self::Output;

    /// Whether all that `output` tells is there already. What the service still makes may lack some
    /// of it; until then others know no more than [`foretold`](Self::foretold).
    fn is_complete(&self, _observed: &Self::Observed) -> bool {
        true
    }

    /// What others may know while the resource doesn't exist: what follows from its name alone.
    fn foretold(&self) -> Fact<Self::Output> {
        Fact::AfterApply
    }

    /// Whether a change is under way, this run's or another's. It is awaited before anything is
    /// compared or changed, and before whatever needs this resource is.
    fn is_busy(&self, _observed: &Self::Observed) -> bool {
        false
    }

    /// Whether it is being removed already, by this run or another. [`remove`](Self::remove) then
    /// only waits.
    fn is_going(&self, _observed: &Self::Observed) -> bool {
        false
    }

    /// Compares what is there with what is wanted. Pure. Runs once every resource is observed.
    ///
    /// # Errors
    /// A difference that must not be made, and what to do instead.
    fn diff(&self, observed: Option<&Self::Observed>) -> Result<Diff, Error>;

    /// Makes the change that `diff` told, and nothing else.
    fn apply(
        &self,
        diff: &Diff,
        observed: Option<&Self::Observed>,
        progress: &Progress,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Waits until the service says that the change is done, and reads the resource again. Also
    /// called for what another run has set going.
    fn settle(
        &self,
        progress: &Progress,
    ) -> impl Future<Output = Result<Self::Observed, Error>> + Send;

    /// What a destroy should do with it. May read what `observe` doesn't.
    fn fate(&self, observed: &Self::Observed) -> impl Future<Output = Result<Fate, Error>> + Send;

    /// Takes the resource apart and waits until it is gone. Only called where
    /// [`fate`](Self::fate) said so.
    fn remove(
        &self,
        observed: &Self::Observed,
        progress: &Progress,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// What becomes of a resource when its cluster is destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// There is nothing that could go or stay.
    Nothing,
    /// It is removed.
    Remove,
    /// It stays; why, in words. What it needs stays too.
    Leave(String),
    /// While this is so, nothing at all is removed.
    Forbid(Error),
}

/// Something that psk only looks up, because others make it: a VPC, the newest AMI release.
pub trait Lookup: Send + Sync + 'static {
    /// What was found.
    type Output: Clone + Send + Sync + 'static;
    /// What the pipeline's role must be allowed for it, and no more.
    const GRANTS: &'static [Grant];

    /// Looks it up. Not finding it is an error.
    fn look_up(&self) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// Actions that the pipeline's role must be allowed, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// IAM actions (`eks:DescribeCluster`).
    pub actions: &'static [&'static str],
    /// Resource ARNs in which `{partition}` and `{account}` stand for the role's own; `*` where the
    /// service knows no resources for these actions.
    pub on: &'static [&'static str],
    /// What else must hold of a request; `None` where nothing must.
    pub condition: Option<Condition>,
}

/// What must hold of a request besides its action and resource, in the words of IAM's policy
/// language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// How the values are compared (`StringEquals`).
    pub operator: &'static str,
    /// Which value of the request is compared (`iam:PassedToService`).
    pub key: &'static str,
    /// The values that fulfil it, each by itself.
    pub values: &'static [&'static str],
}
