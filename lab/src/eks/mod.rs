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
mod insights;
mod network;
mod node_spec;
mod nodegroup_updates;
mod nodegroups;
mod pod_identity;
mod request;
mod routes;
mod rules;
mod seed;
mod state;
mod tags;
#[cfg(test)]
mod tests;
mod updates;
mod versions;

use http::StatusCode;

use crate::call::{Answer, Call, Reply, ServiceError};
use crate::world::World;

pub use insights::{Finding, FindingStatus};
pub use routes::operation;
pub(crate) use seed::seed;
pub use seed::{Condition, SeedError, Seeded};
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
    let here = world.region(&call.account, &call.region);
    agenda::settle(&mut here.eks, call.now);
    let request = request::Request::new(call, labels, &here.ec2);
    let answer = (route.serve)(&mut here.eks, &request)?;
    Reply::json(&answer)
}
