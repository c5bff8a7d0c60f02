//! How a service says that a caller may not.
//!
//! Sources: IAM User Guide, "Troubleshoot access denied error messages", for the sentence; each API
//! reference's "Common error types" for the codes. EC2, EFS, IAM and SQS have habits of their own,
//! which are those that their users report.

use http::StatusCode;

use super::{Denial, Need};
use crate::call::{Call, ServiceError};
use crate::front::service::Service;
use crate::ids;

/// The refusal of a call for want of a permission on a resource.
pub(super) fn error(
    service: Service,
    call: &Call,
    need: &Need,
    resource: &str,
    denial: Denial,
) -> ServiceError {
    if let Some(refusal) = &need.refusal {
        return refusal.clone();
    }
    let sentence = sentence(call, &need.action, resource, denial);
    match service {
        Service::Ec2 => ServiceError::new(
            StatusCode::FORBIDDEN,
            "UnauthorizedOperation",
            format!("You are not authorized to perform this operation. {sentence}"),
        ),
        // EFS doesn't tell whose permission for what is missing.
        Service::Efs => ServiceError::new(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            "User is not authorized to perform that action on the specified resource",
        )
        .with("ErrorCode", "AccessDeniedException"),
        Service::Iam | Service::Sts => {
            ServiceError::new(StatusCode::FORBIDDEN, "AccessDenied", sentence)
        }
        Service::Eks if need.action.starts_with("ec2:") => denied(
            StatusCode::FORBIDDEN,
            format!(
                "You are not authorized to perform {}. {sentence}",
                need.action
            ),
        ),
        Service::Eks
        | Service::Kubernetes
        | Service::Connect
        | Service::CircleCi
        | Service::GitHub
        | Service::Slack
        | Service::Otlp => denied(StatusCode::FORBIDDEN, sentence),
        Service::Sqs => ServiceError {
            query_code: Some("AccessDenied"),
            ..denied(StatusCode::FORBIDDEN, sentence)
        },
        Service::Kms | Service::Logs | Service::Ssm | Service::Events => {
            denied(StatusCode::BAD_REQUEST, sentence)
        }
    }
}

fn denied(status: StatusCode, message: String) -> ServiceError {
    ServiceError::new(status, "AccessDeniedException", message)
}

fn sentence(call: &Call, action: &str, resource: &str, denial: Denial) -> String {
    let service = action.split(':').next().unwrap_or_default();
    let on = match resource {
        "*" if service == "ec2" => String::new(),
        resource => format!(" on resource: {}", told(action, resource)),
    };
    let action = match service {
        "sqs" => action.to_lowercase(),
        _ => action.to_owned(),
    };
    let why = match denial {
        Denial::Unmentioned => {
            format!("because no identity-based policy allows the {action} action")
        }
        Denial::ByIdentity => "with an explicit deny in an identity-based policy".to_owned(),
        Denial::Boundary => {
            format!("because no permissions boundary allows the {action} action")
        }
        Denial::Session => format!("because no session policy allows the {action} action"),
        Denial::Resource => {
            format!("because no resource-based policy allows the {action} action")
        }
    };
    format!(
        "User: {} is not authorized to perform: {action}{on} {why}",
        call.principal
    )
}

/// IAM names what is its own by kind and name.
fn told(action: &str, resource: &str) -> String {
    if action == "iam:PassRole" || !action.starts_with("iam:") {
        return resource.to_owned();
    }
    let local = resource.splitn(6, ':').nth(5).unwrap_or(resource);
    let name = local.rsplit('/').next().unwrap_or(local);
    match local.split('/').next() {
        Some("role") => format!("role {name}"),
        Some("instance-profile") => format!("instance profile {name}"),
        Some("policy") => format!("policy {resource}"),
        _ => resource.to_owned(),
    }
}

/// What EC2 tells of a refusal to those who may have it decoded: nobody, here.
pub(crate) fn encoded(call: &Call) -> String {
    ids::stable_base32(48, &[&call.principal, &call.operation])
}
