//! Amazon EC2, as its API reference describes it: VPCs and subnets, which others make and psk looks
//! up; security groups, launch templates and tags; instance types; and network interfaces, which
//! other services put into subnets. No instance runs.

mod describe;
mod error;
mod filter;
pub mod instance_types;
mod launch_template_data;
mod launch_template_versions;
mod launch_templates;
mod needs;
mod network_interfaces;
mod offerings;
mod page;
mod permissions;
mod rules;
mod security_groups;
mod state;
mod tags;
#[cfg(test)]
mod tests;

use crate::call::{Answer, Call};
use crate::efs;
use crate::front::service::invalid_action;
use crate::operations::Operations;
use crate::wire::form::Form;
use crate::world::World;

pub(crate) use needs::needs;
pub use state::{
    ClientToken, LaunchTemplate, LaunchTemplateVersion, NetworkInterface, Peer, Region, Rule,
    SecurityGroup, Subnet, Vpc,
};

type Serve = fn(&mut World, &Call, &Form) -> Answer;

/// Every operation, and what answers it.
const OPERATIONS: Operations<Serve> = Operations(&[
    ("DescribeVpcs", describe::vpcs),
    ("DescribeSubnets", describe::subnets),
    ("DescribeNetworkInterfaces", network_interfaces::describe),
    ("CreateSecurityGroup", security_groups::create),
    ("DescribeSecurityGroups", security_groups::describe),
    ("DeleteSecurityGroup", security_groups::delete),
    ("AuthorizeSecurityGroupIngress", rules::authorize),
    ("AuthorizeSecurityGroupEgress", rules::authorize),
    ("RevokeSecurityGroupIngress", rules::revoke),
    ("RevokeSecurityGroupEgress", rules::revoke),
    ("DescribeSecurityGroupRules", rules::describe),
    ("CreateLaunchTemplate", launch_templates::create),
    ("DescribeLaunchTemplates", launch_templates::describe),
    ("ModifyLaunchTemplate", launch_templates::modify),
    ("DeleteLaunchTemplate", launch_templates::delete),
    (
        "CreateLaunchTemplateVersion",
        launch_template_versions::create,
    ),
    (
        "DescribeLaunchTemplateVersions",
        launch_template_versions::describe,
    ),
    (
        "DeleteLaunchTemplateVersions",
        launch_template_versions::delete,
    ),
    ("CreateTags", tags::create),
    ("DeleteTags", tags::delete),
    ("DescribeTags", tags::describe),
    ("DescribeInstanceTypes", offerings::types),
    ("DescribeInstanceTypeOfferings", offerings::offerings),
]);

/// Every operation's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.names()
}

/// Answers one request.
///
/// # Errors
/// EC2's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let form = Form::of(call);
    let serve = OPERATIONS
        .find(&call.operation)
        .ok_or_else(|| invalid_action(call))?;
    if form.get("DryRun") == Some("true") {
        return Err(error::dry_run());
    }
    // The network interfaces of mount targets go with these.
    efs::settle(world.region(&call.account, &call.region), call.now);
    serve(world, call, &form)
}
