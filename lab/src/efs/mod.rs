//! Amazon EFS, as its API reference describes it (REST JSON): file systems, their life cycle and
//! backup policies, mount targets and access points.
//!
//! Nothing runs in the background: everything that takes time is told by timestamps, and what has
//! been deleted for long enough is dropped before a request is served. Members that a request may
//! have but the lab doesn't simulate are refused rather than ignored.

mod access_points;
mod error;
mod file_systems;
mod mount_targets;
mod needs;
mod network;
mod policies;
mod request;
mod routes;
mod state;
mod tags;
#[cfg(test)]
mod tests;

use http::{Method, StatusCode};
use jiff::Timestamp;

use crate::call::{Answer, Call, ServiceError};
use crate::world::{self, World};

pub use file_systems::own_key;
pub use mount_targets::first_address;
pub(crate) use needs::needs;
pub(crate) use network::keep_interfaces;
pub use routes::operation;
pub(crate) use routes::operations;
pub use state::{
    AccessPoint, Backup, CreationInfo, FileSystem, Life, LifecyclePolicy, MountTarget, PosixUser,
    Quotas, Region, RootDirectory, Throughput, takes,
};

/// Answers one request.
///
/// # Errors
/// EFS's own, and `UnknownOperationException` for a path or method that the lab doesn't serve.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let Some((route, labels)) = routes::find(&call.method, &call.path) else {
        return Err(ServiceError::new(
            StatusCode::NOT_FOUND,
            "UnknownOperationException",
            format!("EFS has no operation {} {}", call.method, call.path),
        ));
    };
    let account = world.accounts.entry(call.account.clone()).or_default();
    let region = account.regions.entry(call.region.clone()).or_default();
    settle(region, call.now);
    let request = request::Request {
        call,
        labels,
        ec2: &region.ec2,
    };
    let answer = (route.serve)(&mut region.efs, &request, &mut world.ids);
    if call.method != Method::GET {
        network::keep_interfaces(&region.efs, &mut region.ec2);
    }
    answer
}

/// Carries out what has come due by now.
pub(crate) fn settle(region: &mut world::Region, now: Timestamp) {
    let before = region.efs.mount_targets.len();
    region.efs.settle(now);
    if region.efs.mount_targets.len() < before {
        network::keep_interfaces(&region.efs, &mut region.ec2);
    }
}
