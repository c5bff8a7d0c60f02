//! Pods that keep a node from being drained.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::access::Selection;
use super::kind::kinds;
use super::{Access, Error};
use crate::calls;

/// Most pods that are named of one budget.
const NAMED: usize = 5;

/// The pods that may not be evicted now, a line for each budget that says so: a roll of the nodes
/// they are on waits for them, and fails in the end.
///
/// # Errors
/// Budgets or pods can't be listed.
pub async fn blocked(access: &Access) -> Result<Vec<String>, Error> {
    let budgets = access
        .list::<PodDisruptionBudget>(&kinds::DISRUPTION_BUDGET, None, &Selection::default())
        .await?;
    let blocking = budgets.items.into_iter().filter(|budget| {
        let status = budget.status.as_ref();
        status.is_some_and(|s| s.disruptions_allowed == 0 && s.expected_pods > 0)
    });
    let warnings = calls::join_all(blocking.map(|budget| warning(access, budget))).await;
    warnings.into_iter().collect()
}

async fn warning(access: &Access, budget: PodDisruptionBudget) -> Result<String, Error> {
    let namespace = budget.metadata.namespace.unwrap_or_default();
    let name = budget.metadata.name.unwrap_or_default();
    let selector = budget.spec.and_then(|spec| spec.selector);
    let selection = Selection::labels(written(&selector.unwrap_or_default()));
    let pods = access
        .list::<Pod>(&kinds::POD, Some(&namespace), &selection)
        .await?;
    let names: Vec<_> = pods
        .items
        .into_iter()
        .filter_map(|pod| Some(format!("{namespace}/{}", pod.metadata.name?)))
        .collect();
    let more = names.len().saturating_sub(NAMED);
    let mut told = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        told.push_str(&format!(" and {more} more"));
    }
    Ok(format!(
        "PodDisruptionBudget {namespace}/{name} allows no eviction now, so nodes with {told} can't be drained"
    ))
}

/// A selector as lists take it.
fn written(selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten();
    let equal = equal.map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|e| {
        let values = e.values.as_deref().unwrap_or_default().join(",");
        match e.operator.as_str() {
            "In" => format!("{} in ({values})", e.key),
            "NotIn" => format!("{} notin ({values})", e.key),
            "DoesNotExist" => format!("!{}", e.key),
            _ => e.key.clone(),
        }
    });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_written_as_lists_take_them() {
        let selector = |value| written(&serde_json::from_value(value).unwrap());
        assert_eq!(
            selector(
                json!({"matchLabels": {"app": "x", "tier": "y"}, "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["1", "2"]}, {"key": "b", "operator": "NotIn", "values": ["3"]},
                {"key": "c", "operator": "Exists"}, {"key": "d", "operator": "DoesNotExist"}]})
            ),
            "app=x,tier=y,a in (1,2),b notin (3),c,!d"
        );
    }
}
