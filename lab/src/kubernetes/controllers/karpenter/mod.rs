//! Karpenter: makes nodes for pods that find none, and takes them away once they are empty.
//!
//! Source: "NodePools", "NodeClasses", "NodeClaims" and "Disruption" in Karpenter's documentation.

mod lifecycle;
mod pools;
mod provisioning;

use jiff::Timestamp;

use super::super::facts::Facts;
use super::super::inside::Inside;
use super::super::kinds;
use super::super::object::Object;

const POOLS: &str = "nodepools.karpenter.sh";
const CLAIMS: &str = "nodeclaims.karpenter.sh";
const CLASSES: &str = "ec2nodeclasses.karpenter.k8s.aws";
const FINALIZER: &str = "karpenter.sh/termination";
const POOL_LABEL: &str = "karpenter.sh/nodepool";

/// Does what Karpenter does, while it is installed and runs.
pub(in crate::kubernetes::controllers) fn run(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let runs = inside
        .every("deployments.apps")
        .filter(|d| d.name() == "karpenter")
        .any(|d| d.number("/status/readyReplicas").unwrap_or(0) > 0);
    if !runs || inside.get(kinds::DEFINITIONS, None, POOLS).is_none() {
        return;
    }
    pools::classes(inside, facts, now);
    pools::pools(inside, now);
    lifecycle::claims(inside, facts, now);
    provisioning::provision(inside, facts, now);
    lifecycle::consolidate(inside, now);
}
