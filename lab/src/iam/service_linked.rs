//! Service-linked roles: the roles that services have in an account for their own work.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::aws_managed::AwsManaged;
use super::error::{invalid_input, no_such_entity};
use super::request::{ARN, DESCRIPTION, ROLE_NAME, Request, SERVICE_NAME};
use super::roles::{self, OneRole};
use super::state::{Account, Role};
use super::view::RoleView;
use crate::call::Answer;
use crate::ids::stable_base32;
use crate::world::World;

/// A service that has a role of its own in each account that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedService {
    /// Its principal (`eks.amazonaws.com`).
    pub principal: &'static str,
    /// The role's name.
    pub role: &'static str,
    policy: &'static str,
}

impl LinkedService {
    /// EKS's control planes.
    pub const EKS: Self = Self {
        principal: "eks.amazonaws.com",
        role: "AWSServiceRoleForAmazonEKS",
        policy: "AmazonEKSServiceRolePolicy",
    };
    /// EKS's managed node groups.
    pub const EKS_NODEGROUP: Self = Self {
        principal: "eks-nodegroup.amazonaws.com",
        role: "AWSServiceRoleForAmazonEKSNodegroup",
        policy: "AWSServiceRoleForAmazonEKSNodegroup",
    };
    /// EC2 Auto Scaling.
    pub const AUTOSCALING: Self = Self {
        principal: "autoscaling.amazonaws.com",
        role: "AWSServiceRoleForAutoScaling",
        policy: "AutoScalingServiceRolePolicy",
    };
    /// EC2 Spot.
    pub const SPOT: Self = Self {
        principal: "spot.amazonaws.com",
        role: "AWSServiceRoleForEC2Spot",
        policy: "AWSEC2SpotServiceRolePolicy",
    };
    /// EFS.
    pub const EFS: Self = Self {
        principal: "elasticfilesystem.amazonaws.com",
        role: "AWSServiceRoleForAmazonElasticFileSystem",
        policy: "AmazonElasticFileSystemServiceRolePolicy",
    };

    /// Those that the lab knows.
    pub const ALL: [Self; 5] = [
        Self::EKS,
        Self::EKS_NODEGROUP,
        Self::AUTOSCALING,
        Self::SPOT,
        Self::EFS,
    ];

    /// The service of that principal.
    pub fn of(principal: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|service| service.principal == principal)
    }

    /// ARN of its role in an account.
    pub fn role_arn(self, account: &str) -> String {
        format!("arn:aws:iam::{account}:role{}{}", self.path(), self.role)
    }

    fn path(self) -> String {
        format!("/aws-service-role/{}/", self.principal)
    }

    fn make(self, account: &str, now: Timestamp) -> Role {
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": self.principal },
                "Action": "sts:AssumeRole",
            }],
        });
        let id = format!("AROA{}", stable_base32(17, &[account, self.role]));
        let mut role = Role::new(self.path(), self.role, id, trust, now);
        let policy = AwsManaged {
            path: "/aws-service-role/",
            name: self.policy,
        };
        role.attached.insert(policy.arn());
        role
    }
}

/// Makes a service's role in an account unless it is there, as services do when they are first
/// used.
pub fn ensure(iam: &mut Account, account: &str, service: LinkedService, now: Timestamp) {
    iam.roles
        .entry(service.role.to_owned())
        .or_insert_with(|| service.make(account, now));
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteServiceLinkedRole {
    deletion_task_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetServiceLinkedRoleDeletionStatus {
    status: &'static str,
}

/// `CreateServiceLinkedRole`.
pub(super) fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let principal = request.required("AWSServiceName", SERVICE_NAME)?;
    let description = request.optional("Description", DESCRIPTION)?;
    let service = LinkedService::of(principal)
        .ok_or_else(|| invalid_input(format!("Service {principal} has no service-linked role.")))?;
    if request.optional("CustomSuffix", ROLE_NAME)?.is_some() {
        return Err(invalid_input(format!(
            "Custom suffix is not allowed for {principal}"
        )));
    }
    let account = request.account();
    let iam = world.iam(account);
    if iam.roles.contains_key(service.role) {
        return Err(invalid_input(format!(
            "Service role name {} has been taken in this account, please try a different suffix.",
            service.role
        )));
    }
    let mut role = service.make(account, request.now());
    role.description = description.map(str::to_owned);
    let view = RoleView::whole(&role, account);
    iam.roles.insert(role.name.clone(), role);
    request.answer(&OneRole { role: view })
}

/// `DeleteServiceLinkedRole`. The lab deletes it at once; the task only tells of it.
pub(super) fn delete(world: &mut World, request: &Request<'_>) -> Answer {
    let iam = world.iam(request.account());
    let role = roles::find(iam, request)?;
    if !role.is_service_linked() {
        return Err(roles::not_found(&role.name));
    }
    let (path, name) = (role.path.clone(), role.name.clone());
    iam.roles.remove(&name);
    let task = world.ids.uuid();
    request.answer(&DeleteServiceLinkedRole {
        deletion_task_id: format!("task{path}{name}/{task}"),
    })
}

/// `GetServiceLinkedRoleDeletionStatus`.
pub(super) fn deletion_status(world: &mut World, request: &Request<'_>) -> Answer {
    let task = request.required("DeletionTaskId", ARN)?;
    let name = task
        .strip_prefix("task/aws-service-role/")
        .and_then(|rest| rest.split('/').nth(1));
    let name = name.ok_or_else(|| no_such_entity(format!("Deletion task {task} not found.")))?;
    let still_there = world.iam(request.account()).roles.contains_key(name);
    request.answer(&GetServiceLinkedRoleDeletionStatus {
        status: if still_there {
            "NOT_STARTED"
        } else {
            "SUCCEEDED"
        },
    })
}
