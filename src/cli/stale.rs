//! Refusing a saved plan that no longer says what would be done.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Error;
use crate::exit::Exit;
use crate::inventory::Inventory;
use crate::release::Release;
use crate::rollout::saved::{Moved, SavedPlan};
use crate::text::{count, visible};

const NEXT: &str = "plan again, review that plan, and apply it";

/// Refuses a plan for another commit, or for other settings than those that are there now.
pub(super) fn refuse_other_intent(
    saved: &SavedPlan,
    inventory: &Inventory,
    release: &Release,
) -> Result<(), Error> {
    if saved.inventory_digest != inventory.digest() {
        let moved: BTreeMap<_, _> = saved
            .clusters
            .iter()
            .map(|cluster| {
                let name = cluster.plan.cluster.clone();
                let now = inventory.cluster(&name).map(|(name, _)| name);
                let now = now.map(|name| inventory.setting_digests(name));
                let moved = settings(&cluster.settings, now.ok().as_ref());
                (name, moved)
            })
            .filter(|(_, moved)| !moved.is_empty())
            .collect();
        if moved.is_empty() {
            let message = "the saved plan is stale: the inventory has changed since, though not \
                           these clusters' settings";
            return Err(Error::new(Exit::StalePlan, message, NEXT));
        }
        return Err(refusal(&moved));
    }
    match (&saved.commit, &release.commit) {
        (Some(planned), Some(now)) if planned != now => Err(Error::new(
            Exit::StalePlan,
            format!("the saved plan is stale: it is for commit {planned}, and this is {now}"),
            "plan again at this commit, or apply it at the one that it is for",
        )),
        _ => Ok(()),
    }
}

fn settings(
    planned: &BTreeMap<String, String>,
    now: Option<&BTreeMap<String, String>>,
) -> Vec<Moved> {
    let told = |attribute: Option<&String>, how: &str| Moved {
        what: "settings".to_owned(),
        attribute: attribute.cloned(),
        how: how.to_owned(),
    };
    let Some(now) = now else {
        return vec![told(None, "the cluster is no longer in the inventory")];
    };
    let keys = planned.keys().chain(now.keys());
    let keys: std::collections::BTreeSet<_> = keys.collect();
    keys.into_iter()
        .filter_map(|key| match (planned.get(key), now.get(key)) {
            (before, after) if before == after => None,
            (None, _) => Some(told(Some(key), "it is set now")),
            (_, None) => Some(told(Some(key), "it is no longer set")),
            _ => Some(told(Some(key), "it has changed")),
        })
        .collect()
}

/// Tells what has moved, by cluster. Nothing has been written.
pub(super) fn refusal(moved: &BTreeMap<String, Vec<Moved>>) -> Error {
    let clusters = match moved.len() {
        1 => "1 cluster has".to_owned(),
        n => format!("{} have", count(n, "cluster")),
    };
    let mut message =
        format!("the saved plan is stale: {clusters} moved since; nothing has been changed");
    for (cluster, moved) in moved {
        // Writing to a String can't fail.
        let _ = write!(message, "\n  {}", visible(cluster));
        for moved in moved {
            let _ = write!(message, "\n    {}", visible(&moved.to_string()));
        }
    }
    Error::new(Exit::StalePlan, message, NEXT)
}
