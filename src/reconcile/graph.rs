//! The resources of one cluster, and the two walks over them: plan and apply.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::Value;

pub use self::removal::Removal;
use super::handle::{Handle, Seen, Slot, handle};
use super::plan::{Action, ResourceChange};
use super::resource::{Lookup, Resource};
use super::{Diff, Error, Fact, Fate, Fingerprint, Intended, Progress};
use crate::calls;

/// The resources of one cluster. A resource can only build on those that were added before it, so
/// the graph has no cycles and the order of adding is an order of making.
#[derive(Default)]
pub struct Graph {
    nodes: Vec<Box<dyn Node>>,
    reviewed: Option<Vec<ResourceChange>>,
}

/// How an apply ended.
#[derive(Debug, Default)]
pub struct Applied {
    /// The changes that were made and have settled, in the order in which they did.
    pub done: Vec<ResourceChange>,
    /// What failed. Nothing that needs a failed resource was started.
    pub failed: Vec<Error>,
    /// Whether the apply was stopped from outside before everything was started.
    pub cancelled: bool,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a resource and gives the handle by which others know of it.
    pub fn add<R: Resource>(&mut self, resource: R) -> Handle<R::Output> {
        let (slot, handle) = handle(self.nodes.len());
        self.nodes.push(Box::new(Managed {
            resource,
            observed: Mutex::new(None),
            slot,
        }));
        handle
    }

    /// Adds something that is only looked up.
    pub fn look_up<L: Lookup>(&mut self, lookup: L) -> Handle<L::Output> {
        let (slot, handle) = handle(self.nodes.len());
        self.nodes.push(Box::new(LookedUp { lookup, slot }));
        handle
    }

    /// Reads everything there is, all at once as far as one doesn't wait for another.
    ///
    /// # Errors
    /// Every resource that couldn't be read.
    pub async fn observe(&self) -> Result<(), Vec<Error>> {
        let errors = calls::join_all(self.nodes.iter().map(|node| node.observe())).await;
        let errors: Vec<_> = errors
            .into_iter()
            .flatten()
            .filter(|e| !e.is_blocked())
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// What would change, of what was observed. Pure.
    ///
    /// # Errors
    /// Every change that must not be made.
    pub fn plan(&self) -> Result<Vec<ResourceChange>, Vec<Error>> {
        let compared = self.compare()?.into_iter();
        Ok(compared.filter_map(|compared| compared.change).collect())
    }

    /// The same, and what was observed of each resource, to tell later whether it has moved. Pure.
    ///
    /// # Errors
    /// Every change that must not be made.
    pub fn plan_and_fingerprints(
        &self,
    ) -> Result<(Vec<ResourceChange>, Vec<Fingerprint>), Vec<Error>> {
        let (mut changes, mut fingerprints) = (Vec::new(), Vec::new());
        for compared in self.compare()? {
            let Subject { kind, name } = compared.subject;
            fingerprints.push(Fingerprint::of(kind, name, compared.found.as_ref()));
            changes.extend(compared.change);
        }
        Ok((changes, fingerprints))
    }

    fn compare(&self) -> Result<Vec<Compared>, Vec<Error>> {
        let mut all = Vec::new();
        let mut refused = Vec::new();
        for node in &self.nodes {
            match node.compare() {
                Ok(compared) => all.extend(compared),
                Err(error) => refused.push(error),
            }
        }
        if refused.is_empty() {
            Ok(all)
        } else {
            Err(refused)
        }
    }

    /// What is wanted of each resource, to tell later whether that has changed. Pure. What must not
    /// be changed isn't told.
    pub fn intended(&self) -> Vec<Intended> {
        self.nodes
            .iter()
            .filter_map(|node| node.intended())
            .collect()
    }

    /// Lets an apply make none but these changes. What turns out to be needed beyond them, once it
    /// is known what it builds on, fails.
    pub fn hold_to(&mut self, reviewed: Vec<ResourceChange>) {
        self.reviewed = Some(reviewed);
    }

    /// Makes the changes, each as soon as what it needs is right, and waits until they have
    /// settled. Once `progress` is cancelled nothing new is started and nothing is waited for; the
    /// calls in flight finish.
    pub async fn apply(&self, progress: &Progress) -> Applied {
        let applied = Mutex::new(Applied::default());
        let mut steps: Vec<futures::future::Shared<BoxFuture<'_, bool>>> = Vec::new();
        for node in &self.nodes {
            let needs: Vec<_> = node
                .needs()
                .into_iter()
                .filter_map(|i| steps.get(i).cloned())
                .collect();
            let applied = &applied;
            let step = async move {
                if !join_all(needs).await.into_iter().all(|right| right) {
                    return false;
                }
                if progress.is_cancelled() {
                    applied
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .cancelled = true;
                    return false;
                }
                let result = node.apply(progress, self.reviewed.as_deref()).await;
                let mut applied = applied.lock().unwrap_or_else(PoisonError::into_inner);
                match result {
                    Ok(change) => {
                        applied.done.extend(change);
                        true
                    }
                    Err(error) if error.is_cancelled() => {
                        applied.cancelled = true;
                        false
                    }
                    Err(error) => {
                        applied.failed.push(error);
                        false
                    }
                }
            };
            steps.push(step.boxed().shared());
        }
        join_all(steps).await;
        applied.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph")
            .field("nodes", &self.nodes.len())
            .finish()
    }
}

/// A resource of any type, as the graph walks it.
trait Node: Send + Sync {
    fn needs(&self) -> Vec<usize>;
    fn observe(&self) -> BoxFuture<'_, Option<Error>>;
    fn compare(&self) -> Result<Option<Compared>, Error>;
    fn intended(&self) -> Option<Intended>;
    fn apply<'a>(
        &'a self,
        progress: &'a Progress,
        reviewed: Option<&'a [ResourceChange]>,
    ) -> BoxFuture<'a, Result<Option<ResourceChange>, Error>>;
    /// What a destroy should do with it; `None` where nothing is there.
    fn fate(&self) -> BoxFuture<'_, Result<Option<(Subject, Fate)>, Error>>;
    fn remove<'a>(
        &'a self,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<Option<ResourceChange>, Error>>;
}

/// A resource against what is wanted of it.
struct Compared {
    subject: Subject,
    /// `None` where nothing is there and nothing is wanted either, which is nothing to tell of.
    change: Option<ResourceChange>,
    /// What was observed of each attribute; `None` where there is no such resource.
    found: Option<BTreeMap<String, Value>>,
}

/// Which resource.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    kind: &'static str,
    name: String,
}

struct Managed<R: Resource> {
    resource: R,
    observed: Mutex<Option<Arc<R::Observed>>>,
    slot: Slot<R::Output>,
}

impl<R: Resource> Managed<R> {
    fn remember(&self, observed: Option<R::Observed>) {
        self.slot.set(match &observed {
            Some(observed) if self.resource.is_complete(observed) => {
                Fact::Known(self.resource.output(observed))
            }
            _ => self.resource.foretold(),
        });
        *self.observed.lock().unwrap_or_else(PoisonError::into_inner) = observed.map(Arc::new);
    }

    fn observed(&self) -> Option<Arc<R::Observed>> {
        self.observed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, diff: Diff) -> ResourceChange {
        ResourceChange {
            kind: R::KIND.to_owned(),
            name: self.resource.name(),
            action: diff.action,
            attributes: diff.attributes,
            reason: diff.reason,
        }
    }
}

impl<R: Resource> Node for Managed<R> {
    fn needs(&self) -> Vec<usize> {
        self.resource.needs()
    }

    fn observe(&self) -> BoxFuture<'_, Option<Error>> {
        async {
            match self.resource.observe().await {
                Ok(observed) => {
                    self.remember(observed);
                    self.slot.announce(Seen::At(calls::depth()));
                    None
                }
                Err(error) => {
                    self.slot.announce(Seen::Never);
                    Some(error)
                }
            }
        }
        .boxed()
    }

    fn compare(&self) -> Result<Option<Compared>, Error> {
        let observed = self.observed();
        let mut diff = self.resource.diff(observed.as_deref())?;
        let found = std::mem::take(&mut diff.found);
        let is_nothing = observed.is_none() && diff.action == Action::Keep;
        Ok(Some(Compared {
            subject: Subject {
                kind: R::KIND,
                name: self.resource.name(),
            },
            change: (!is_nothing).then(|| self.change(diff)),
            found: observed.is_some().then_some(found),
        }))
    }

    fn intended(&self) -> Option<Intended> {
        let diff = self.resource.diff(self.observed().as_deref()).ok()?;
        Some(Intended::of(R::KIND, self.resource.name(), diff.wanted))
    }

    fn apply<'a>(
        &'a self,
        progress: &'a Progress,
        reviewed: Option<&'a [ResourceChange]>,
    ) -> BoxFuture<'a, Result<Option<ResourceChange>, Error>> {
        async move {
            let mut observed = self.observed();
            if observed
                .as_deref()
                .is_some_and(|seen| self.resource.is_busy(seen))
            {
                self.remember(Some(self.resource.settle(progress).await?));
                observed = self.observed();
            }
            // Compared again, because what it builds on may only now be known.
            let diff = self.resource.diff(observed.as_deref())?;
            if diff.action == Action::Keep {
                return Ok(None);
            }
            if let Some(reviewed) = reviewed {
                review::check(reviewed, &self.change(diff.clone()))?;
            }
            self.resource
                .apply(&diff, observed.as_deref(), progress)
                .await?;
            let settled = self.resource.settle(progress).await?;
            self.remember(Some(settled));
            Ok(Some(self.change(diff)))
        }
        .boxed()
    }

    fn fate(&self) -> BoxFuture<'_, Result<Option<(Subject, Fate)>, Error>> {
        async {
            let Some(observed) = self.observed() else {
                return Ok(None);
            };
            let fate = self.resource.fate(&observed).await?;
            let (kind, name) = (R::KIND, self.resource.name());
            Ok(Some((Subject { kind, name }, fate)))
        }
        .boxed()
    }

    fn remove<'a>(
        &'a self,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<Option<ResourceChange>, Error>> {
        async move {
            let Some(mut observed) = self.observed() else {
                return Ok(None);
            };
            if self.resource.is_busy(&observed) && !self.resource.is_going(&observed) {
                match self.resource.settle(progress).await {
                    Ok(settled) => observed = Arc::new(settled),
                    Err(error) if error.is_cancelled() => return Err(error),
                    // What couldn't be made or changed can still be removed.
                    Err(_) => {}
                }
            }
            self.resource.remove(&observed, progress).await?;
            self.remember(None);
            Ok(Some(ResourceChange {
                kind: R::KIND.to_owned(),
                name: self.resource.name(),
                action: Action::Delete,
                attributes: Vec::new(),
                reason: None,
            }))
        }
        .boxed()
    }
}

struct LookedUp<L: Lookup> {
    lookup: L,
    slot: Slot<L::Output>,
}

impl<L: Lookup> Node for LookedUp<L> {
    fn needs(&self) -> Vec<usize> {
        Vec::new()
    }

    fn observe(&self) -> BoxFuture<'_, Option<Error>> {
        async {
            match self.lookup.look_up().await {
                Ok(found) => {
                    self.slot.set(Fact::Known(found));
                    self.slot.announce(Seen::At(calls::depth()));
                    None
                }
                Err(error) => {
                    self.slot.announce(Seen::Never);
                    Some(error)
                }
            }
        }
        .boxed()
    }

    fn compare(&self) -> Result<Option<Compared>, Error> {
        Ok(None)
    }

    fn intended(&self) -> Option<Intended> {
        None
    }

    fn apply<'a>(
        &'a self,
        _progress: &'a Progress,
        _reviewed: Option<&'a [ResourceChange]>,
    ) -> BoxFuture<'a, Result<Option<ResourceChange>, Error>> {
        async { Ok(None) }.boxed()
    }

    fn fate(&self) -> BoxFuture<'_, Result<Option<(Subject, Fate)>, Error>> {
        async { Ok(None) }.boxed()
    }

    fn remove<'a>(
        &'a self,
        _progress: &'a Progress,
    ) -> BoxFuture<'a, Result<Option<ResourceChange>, Error>> {
        async { Ok(None) }.boxed()
    }
}

mod removal;
mod review;
#[cfg(test)]
mod tests;
