//! Amazon EKS, as its API reference describes it (REST JSON).
//!
//! A request is found in the table of `routes`, what has come due by now is carried out
//! (`agenda`), and then one function serves it. Members that a request may have but the lab
//! doesn't simulate are refused rather than ignored, so that nobody takes silence for success.
//!
//! [`catalog`] is what EKS has on offer; `seed` puts whole clusters into a region.

mod access;
mod addon_schema;
mod addon_versions;
mod addons;
mod agenda;
pub mod catalog;
mod cluster_spec;
mod cluster_updates;
mod clusters;
mod error;
mod identity_providers;
mod inside;
mod insights;
mod keys;
mod needs;
mod network;
mod node_spec;
mod nodegroup_updates;
mod nodegroups;
mod pod_identity;
mod request;
mod roles;
mod routes;
mod rules;
mod seed;
mod state;
mod storage;
mod tags;
#[cfg(test)]
mod tests;
mod updates;
mod versions;

use http::StatusCode;

use crate::call::{Answer, Call, Reply, ServiceError};
use crate::iam::{self, LinkedService};
use crate::world::World;

pub use insights::{Finding, FindingStatus};
pub(crate) use needs::needs;
pub(crate) use network::keep_security_groups;
pub(crate) use node_spec::launch_template_id;
pub use routes::operation;
pub(crate) use routes::operations;
pub use seed::{Condition, SeedError, Seeded};
pub(crate) use seed::{key_arn, seed};
pub use state::{Failure, Happening, Issue, Quotas, Region};

/// Answers one request.
///
/// # Errors
/// EKS's own, and `UnknownOperationException` for a path or method that the lab doesn't serve.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let Some((route, labels)) = routes::find(&call.method, &call.path) else {
        return Err(ServiceError::new(
            StatusCode::NOT_FOUND,
            "UnknownOperationException",
            format!("EKS has no operation {} {}", call.method, call.path),
        ));
    };
    let account = world.account(&call.account);
    let here = account.regions.entry(call.region.clone()).or_default();
    agenda::settle(&mut here.eks, call.now);
    let around = request::Around {
        ec2: &here.ec2,
        iam: &account.iam,
        kms: &here.kms,
    };
    let request = request::Request::new(call, labels, around);
    let answer = (route.serve)(&mut here.eks, &request);
    if std::mem::take(&mut here.eks.has_lost_clusters) || call.writes() {
        network::keep_security_groups(&here.eks, &mut here.ec2);
    }
    let answer = answer?;
    for service in linked_services(route.operation) {
        iam::ensure_service_linked_role(&mut account.iam, &call.account, *service, call.now);
    }
    Reply::json(&answer)
}

/// The services whose own roles an operation makes in the account, unless they are there. Source:
/// EKS User Guide, "Using service-linked roles"; a node group's Auto Scaling group makes its own.
fn linked_services(operation: &str) -> &'static [LinkedService] {
    match operation {
        "CreateCluster" => &[LinkedService::EKS],
        "CreateNodegroup" => &[LinkedService::EKS_NODEGROUP, LinkedService::AUTOSCALING],
        _ => &[],
    }
}
