//! Finds the clusters of which the same is to be said, so that a tier of fifty that all get the same
//! release is told once and not fifty times.

use super::document::{ClusterReport, OutcomeKind};
use crate::reconcile::plan::Plan;

/// The clusters in their order, each with those after it whose plan is the same but for their own
/// names, regions and accounts. A cluster that has more to tell than its plan stands alone.
pub(super) fn alike(clusters: &[ClusterReport]) -> Vec<(&ClusterReport, Vec<&ClusterReport>)> {
    let mut groups: Vec<(Option<Gist>, &ClusterReport, Vec<&ClusterReport>)> = Vec::new();
    for cluster in clusters {
        let gist = gist(cluster);
        let known = groups
            .iter_mut()
            .find(|(other, ..)| gist.is_some() && *other == gist);
        match known {
            Some((.., others)) => others.push(cluster),
            None => groups.push((gist, cluster, Vec::new())),
        }
    }
    groups
        .into_iter()
        .map(|(_, first, others)| (first, others))
        .collect()
}

/// A cluster's outcome, and its plan without what is the cluster's own.
#[derive(PartialEq, Eq)]
struct Gist(OutcomeKind, String);

/// `None` if more than the plan must be told, or there is none.
fn gist(cluster: &ClusterReport) -> Option<Gist> {
    let plan = cluster.plan.as_ref()?;
    let only_a_plan =
        cluster.failure.is_none() && cluster.warnings.is_empty() && cluster.checks.is_empty();
    let told = plan.counts().changed() > 0 || !plan.warnings.is_empty();
    (only_a_plan && told).then(|| Gist(cluster.outcome, nameless(plan)))
}

/// The plan's differences as JSON. What is kept is left out: it isn't told either.
fn nameless(plan: &Plan) -> String {
    let changes: Vec<_> = plan.changes().collect();
    let parts = (
        changes,
        plan.counts().keep,
        &plan.rungs,
        &plan.drift,
        &plan.left,
        &plan.warnings,
    );
    // A plan is data that serde can always write; one that it couldn't would be like no other.
    let json = serde_json::to_string(&parts).unwrap_or_else(|_| plan.cluster.clone());
    // The name first: it holds the region's.
    json.replace(&plan.cluster, "<cluster>")
        .replace(&plan.region, "<region>")
        .replace(&plan.account, "<account>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn names(clusters: &[ClusterReport]) -> Vec<(String, usize)> {
        alike(clusters)
            .into_iter()
            .map(|(first, others)| (first.name.clone(), others.len()))
            .collect()
    }

    #[test]
    fn clusters_that_differ_in_their_names_alone_are_told_together() {
        let clusters = testing::report(&testing::many(4)).clusters;
        let changed: Vec<_> = clusters
            .into_iter()
            .filter(|cluster| cluster.outcome == OutcomeKind::Changed)
            .collect();
        let first = changed[0].name.clone();
        assert_eq!(names(&changed), [(first, changed.len() - 1)]);
    }

    #[test]
    fn nor_do_their_regions_and_accounts_set_them_apart() {
        let mut clusters = testing::report(&testing::many(4)).clusters;
        let before = names(&clusters);
        let last = clusters
            .iter_mut()
            .filter_map(|cluster| cluster.plan.as_mut())
            .rfind(|plan| plan.counts().changed() > 0);
        let plan = last.unwrap();
        let moved = serde_json::to_string(plan)
            .unwrap()
            .replace(&plan.region, "eu-west-1")
            .replace(&plan.account, "444455556666");
        *plan = serde_json::from_str(&moved).unwrap();
        let arn = |plan: &Plan| format!("arn:aws:sqs:{}:{}:queue", plan.region, plan.account);
        for cluster in &mut clusters {
            if let Some(plan) = &mut cluster.plan {
                plan.warnings.push(arn(plan));
            }
        }
        assert_eq!(names(&clusters), before);
    }

    #[test]
    fn what_has_more_to_tell_stands_alone() {
        let mut clusters = testing::report(&testing::many(4)).clusters;
        let of = |clusters: &[ClusterReport]| names(clusters).len();
        let together = of(&clusters);
        for cluster in &mut clusters {
            cluster.warnings.push("look here".to_owned());
        }
        assert!(of(&clusters) > together);
        assert_eq!(of(&clusters), clusters.len());
    }

    #[test]
    fn another_change_is_another_story() {
        let mut clusters = testing::report(&testing::many(4)).clusters;
        let before = names(&clusters).len();
        let plan = clusters
            .iter_mut()
            .filter_map(|cluster| cluster.plan.as_mut())
            .rfind(|plan| plan.counts().changed() > 0);
        plan.unwrap().warnings.push("look here".to_owned());
        assert_eq!(names(&clusters).len(), before + 1);
    }
}
