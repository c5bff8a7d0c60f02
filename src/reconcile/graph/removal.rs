//! Taking a graph apart: in reverse, what needs a thing before the thing itself.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};

use super::{Applied, Graph, Subject};
use crate::calls;
use crate::reconcile::plan::{Action, Left, ResourceChange};
use crate::reconcile::{Error, Fate, Progress};

/// What a destroy removes and leaves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Removal {
    /// What is removed, what needs a thing before the thing itself.
    pub changes: Vec<ResourceChange>,
    /// What is there and stays.
    pub left: Vec<Left>,
    /// Places in the graph of what is removed.
    places: BTreeSet<usize>,
}

impl Graph {
    /// What a destroy would remove, of what was observed. `keep` says why a resource of a kind is
    /// kept although psk made it. What something needs that stays, stays too.
    ///
    /// # Errors
    /// Everything that forbids to remove anything at all, or couldn't be found out.
    pub async fn plan_removal(
        &self,
        keep: impl Fn(&str) -> Option<String>,
    ) -> Result<Removal, Vec<Error>> {
        let fates = calls::join_all(self.nodes.iter().map(|node| node.fate())).await;
        let mut refused = Vec::new();
        let mut found = Vec::new();
        for fate in fates {
            found.push(match fate {
                Ok(Some((_, Fate::Forbid(error)))) | Err(error) => {
                    refused.push(error);
                    None
                }
                Ok(Some((_, Fate::Nothing)) | None) => None,
                Ok(fate) => fate,
            });
        }
        if refused.is_empty() {
            let needs: Vec<_> = self.nodes.iter().map(|node| node.needs()).collect();
            Ok(decide(found, &needs, keep))
        } else {
            Err(refused)
        }
    }

    /// Removes what `removal` says, each as soon as what needs it is gone, and waits until it is
    /// gone itself. A failure stops only what that resource needs. Once `progress` is cancelled
    /// nothing new is started and nothing is waited for.
    pub async fn remove(&self, removal: &Removal, progress: &Progress) -> Applied {
        let removed = Mutex::new(Applied::default());
        let mut steps: Vec<futures::future::Shared<BoxFuture<'_, bool>>> = Vec::new();
        let needs: Vec<_> = self.nodes.iter().map(|node| node.needs()).collect();
        // A resource only needs what was added before it, so all that needs one comes first here.
        for (place, node) in self.nodes.iter().enumerate().rev() {
            let users: Vec<_> = (place + 1..self.nodes.len())
                .rev()
                .zip(&steps)
                .filter(|(user, _)| needs.get(*user).is_some_and(|n| n.contains(&place)))
                .map(|(_, step)| step.clone())
                .collect();
            let removed = &removed;
            let is_removed = removal.places.contains(&place);
            let step = async move {
                if !join_all(users).await.into_iter().all(|gone| gone) {
                    return false;
                }
                if !is_removed {
                    return true;
                }
                let lock = || removed.lock().unwrap_or_else(PoisonError::into_inner);
                if progress.is_cancelled() {
                    lock().cancelled = true;
                    return false;
                }
                let result = node.remove(progress).await;
                let mut removed = lock();
                match result {
                    Ok(change) => {
                        removed.done.extend(change);
                        true
                    }
                    Err(error) if error.is_cancelled() => {
                        removed.cancelled = true;
                        false
                    }
                    Err(error) => {
                        removed.failed.push(error);
                        false
                    }
                }
            };
            steps.push(step.boxed().shared());
        }
        join_all(steps).await;
        removed.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides from what each thing is to become and what it needs.
fn decide(
    found: Vec<Option<(Subject, Fate)>>,
    needs: &[Vec<usize>],
    keep: impl Fn(&str) -> Option<String>,
) -> Removal {
    let mut why: Vec<Option<String>> = found
        .iter()
        .map(|found| match found {
            Some((_, Fate::Leave(why))) => Some(why.clone()),
            Some((subject, _)) => keep(subject.kind),
            None => None,
        })
        .collect();
    let mut removal = Removal::default();
    for (place, found) in found.iter().enumerate().rev() {
        let Some((subject, _)) = found else { continue };
        let Subject { kind, name } = subject;
        let Some(reason) = why.get(place).cloned().flatten() else {
            removal.places.insert(place);
            removal.changes.push(ResourceChange {
                kind: (*kind).to_owned(),
                name: name.clone(),
                action: Action::Delete,
                attributes: Vec::new(),
                reason: None,
            });
            continue;
        };
        removal.left.push(Left {
            kind: (*kind).to_owned(),
            name: name.clone(),
            why: reason,
        });
        for needed in needs.get(place).into_iter().flatten() {
            if let Some(why) = why.get_mut(*needed) {
                why.get_or_insert_with(|| format!("{kind} {name} needs it, which is left"));
            }
        }
    }
    removal.left.reverse();
    removal
}
