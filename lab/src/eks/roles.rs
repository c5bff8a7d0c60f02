//! Whether a role can be what a request wants it for. The messages are those that users of EKS
//! report: terraform-aws-eks #2406, eksctl #3290, terraform-provider-aws #41483.

use super::error::invalid_parameter;
use super::request::Request;
use crate::call::ServiceError;
use crate::iam::Role;
use crate::iam::policy::{Caller, Context, Document, Question, Verdict};

/// A cluster's role must exist and trust EKS.
pub(super) fn of_cluster(request: &Request<'_>, arn: &str) -> Result<(), ServiceError> {
    match find(request, arn) {
        Some(role) if trusts(role, "eks.amazonaws.com", &["sts:AssumeRole"]) => Ok(()),
        _ => Err(invalid_parameter(format!(
            "Role with arn: {arn}, could not be assumed because it does not exist or the trusted \
             entity is not correct"
        ))),
    }
}

/// The role of nodes must exist and trust EC2.
pub(super) fn of_nodes(request: &Request<'_>, arn: &str) -> Result<(), ServiceError> {
    let Some(role) = find(request, arn) else {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        return Err(invalid_parameter(format!(
            "The role with name {name} cannot be found."
        )));
    };
    if trusts(role, "ec2.amazonaws.com", &["sts:AssumeRole"]) {
        return Ok(());
    }
    Err(invalid_parameter(format!(
        "Following required service principals [ec2.amazonaws.com] were not found in the trust \
         relationships of nodeRole {arn}"
    )))
}

/// The role of pods must exist and let EKS Pod Identity assume it and tag its sessions. Source: EKS
/// User Guide, "Create IAM role with trust policy required by EKS Pod Identity".
pub(super) fn of_pods(request: &Request<'_>, arn: &str) -> Result<(), ServiceError> {
    let actions = &["sts:AssumeRole", "sts:TagSession"];
    match find(request, arn) {
        None => Err(invalid_parameter(
            "Role provided in the request does not exist.",
        )),
        Some(role) if trusts(role, "pods.eks.amazonaws.com", actions) => Ok(()),
        Some(_) => Err(invalid_parameter(
            "Trust policy of the role provided is invalid. Follow the official documentation to \
             resolve the issue.",
        )),
    }
}

/// The role that an ARN names, if the account has it under that path.
fn find<'a>(request: &Request<'a>, arn: &str) -> Option<&'a Role> {
    let role = request.iam.roles.get(arn.rsplit('/').next()?)?;
    (role.arn(request.account()) == arn).then_some(role)
}

/// Whether a role lets a service do all of this. Conditions on the session (its tags, its source)
/// aren't known yet, so a statement that has any isn't counted against the role.
fn trusts(role: &Role, service: &str, actions: &[&str]) -> bool {
    let mut trust = role.trust.clone();
    if let Some(statements) = trust.get_mut("Statement") {
        let statements = match statements {
            serde_json::Value::Array(list) => list.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for statement in statements {
            if let Some(statement) = statement.as_object_mut()
                && statement
                    .get("Effect")
                    .is_some_and(|effect| effect == "Allow")
            {
                statement.remove("Condition");
            }
        }
    }
    let Ok(document) = Document::parse(&trust) else {
        return false;
    };
    let context = Context::default();
    actions.iter().all(|action| {
        let question = Question {
            caller: Caller::Service(service),
            action,
            resource: "*",
            context: &context,
        };
        document.verdict(&question) == Verdict::Allowed
    })
}
