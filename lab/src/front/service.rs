//! The services that the lab has: how each is called, which protocol it speaks, and how it refuses.

use http::{HeaderMap, Method, StatusCode};

use crate::authorization::Need;
use crate::call::{Answer, Call, ServiceError};
use crate::wire::Protocol;
use crate::wire::form::Form;
use crate::world::World;
use crate::{
    circleci, connect, ec2, efs, eks, events, github, iam, kms, logs, otlp, slack, sqs, ssm, sts,
};

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// AWS Security Token Service.
    Sts,
    /// AWS Identity and Access Management.
    Iam,
    /// Amazon EC2.
    Ec2,
    /// AWS Key Management Service.
    Kms,
    /// Amazon CloudWatch Logs.
    Logs,
    /// AWS Systems Manager.
    Ssm,
    /// Amazon EKS.
    Eks,
    /// Amazon EFS.
    Efs,
    /// Amazon SQS.
    Sqs,
    /// Amazon EventBridge.
    Events,
    /// The Kubernetes APIs of the clusters. They are reached at ports of their own, not through the
    /// front door.
    Kubernetes,
    /// 1Password Connect.
    Connect,
    /// CircleCI.
    CircleCi,
    /// GitHub.
    GitHub,
    /// Slack.
    Slack,
    /// A collector of traces.
    Otlp,
}

impl Service {
    /// Every service of AWS that the lab has.
    pub const AWS: [Self; 10] = [
        Self::Sts,
        Self::Iam,
        Self::Ec2,
        Self::Kms,
        Self::Logs,
        Self::Ssm,
        Self::Eks,
        Self::Efs,
        Self::Sqs,
        Self::Events,
    ];

    /// The service of that name, those that aren't AWS's included.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Kubernetes,
            Self::Connect,
            Self::CircleCi,
            Self::GitHub,
            Self::Slack,
            Self::Otlp,
        ]
        .into_iter()
        .find(|service| service.name() == name)
        .or_else(|| Self::from_scope(name))
    }

    /// The AWS service that a credential scope names.
    pub fn from_scope(name: &str) -> Option<Self> {
        Self::AWS.into_iter().find(|service| service.name() == name)
    }

    /// Its name in credential scopes, fault files and the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Ec2 => "ec2",
            Self::Kms => "kms",
            Self::Logs => "logs",
            Self::Ssm => "ssm",
            Self::Eks => "eks",
            Self::Efs => "elasticfilesystem",
            Self::Sqs => "sqs",
            Self::Events => "events",
            Self::Kubernetes => "kubernetes",
            Self::Connect => "connect",
            Self::CircleCi => "circleci",
            Self::GitHub => "github",
            Self::Slack => "slack",
            Self::Otlp => "otlp",
        }
    }

    /// The protocol that it speaks.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Sts | Self::Iam => Protocol::Query,
            Self::Ec2 => Protocol::Ec2,
            Self::Kms | Self::Logs | Self::Ssm | Self::Events => Protocol::Json,
            Self::Sqs => Protocol::JsonAfterQuery,
            Self::Eks | Self::Efs | Self::Kubernetes => Protocol::RestJson,
            Self::Connect => Protocol::Connect,
            Self::CircleCi => Protocol::CircleCi,
            Self::GitHub => Protocol::GitHub,
            Self::Slack => Protocol::Slack,
            Self::Otlp => Protocol::Otlp,
        }
    }

    /// The namespace of its XML answers or, in JSON, of its errors' types; empty where it has none.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Sts => sts::NAMESPACE,
            Self::Iam => iam::NAMESPACE,
            Self::Sqs => sqs::NAMESPACE,
            Self::Ec2
            | Self::Kms
            | Self::Logs
            | Self::Ssm
            | Self::Eks
            | Self::Efs
            | Self::Events
            | Self::Kubernetes
            | Self::Connect
            | Self::CircleCi
            | Self::GitHub
            | Self::Slack
            | Self::Otlp => "",
        }
    }

    /// The operation that a request asks for; empty if it names none.
    pub fn operation(
        self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        form: &Form,
    ) -> String {
        let name = match (self.protocol(), self) {
            (Protocol::Query | Protocol::Ec2, _) => form.get("Action"),
            (Protocol::Json | Protocol::JsonAfterQuery, _) => headers
                .get("x-amz-target")
                .and_then(|target| target.to_str().ok()?.split_once('.'))
                .map(|(_, operation)| operation),
            (Protocol::RestJson, Self::Efs) => efs::operation(method, path),
            (Protocol::RestJson, _) => eks::operation(method, path),
            (Protocol::Connect, _) => connect::operation(method, path),
            (Protocol::Otlp, _) => otlp::operation(method, path),
            (Protocol::CircleCi, _) => circleci::operation(method, path),
            (Protocol::Slack, _) => slack::operation(method, path),
            (Protocol::GitHub, _) => github::operation(method, path),
        };
        name.unwrap_or_default().to_owned()
    }

    /// Every operation that the lab serves of it. A cluster's Kubernetes API has verbs on kinds
    /// instead, which its discovery tells.
    pub fn operations(self) -> Vec<&'static str> {
        match self {
            Self::Sts => sts::operations().collect(),
            Self::Iam => iam::operations().collect(),
            Self::Ec2 => ec2::operations().collect(),
            Self::Kms => kms::operations().collect(),
            Self::Logs => logs::operations().collect(),
            Self::Ssm => ssm::operations().collect(),
            Self::Eks => eks::operations().collect(),
            Self::Efs => efs::operations().collect(),
            Self::Sqs => sqs::operations().collect(),
            Self::Events => events::operations().collect(),
            Self::Kubernetes => Vec::new(),
            Self::Connect => connect::operations().collect(),
            Self::CircleCi => circleci::operations().collect(),
            Self::GitHub => github::operations().collect(),
            Self::Slack => slack::operations().collect(),
            Self::Otlp => vec![otlp::EXPORT],
        }
    }

    /// Answers a request that was let in.
    ///
    /// # Errors
    /// The service's own.
    pub fn handle(self, world: &mut World, call: &Call) -> Answer {
        match self {
            Self::Sts => sts::handle(world, call),
            Self::Iam => iam::handle(world, call),
            Self::Ec2 => ec2::handle(world, call),
            Self::Kms => kms::handle(world, call),
            Self::Logs => logs::handle(world, call),
            Self::Ssm => ssm::handle(world, call),
            Self::Eks => eks::handle(world, call),
            Self::Efs => efs::handle(world, call),
            Self::Sqs => sqs::handle(world, call),
            Self::Events => events::handle(world, call),
            Self::Kubernetes => Err(invalid_action(call)),
            Self::Connect => connect::handle(world, call),
            Self::CircleCi => circleci::handle(world, call),
            Self::GitHub => github::handle(world, call),
            Self::Slack => slack::handle(world, call),
            Self::Otlp => otlp::handle(world, call),
        }
    }

    /// What a caller must be allowed for a request to succeed.
    pub fn needs(self, world: &World, call: &Call) -> Vec<Need> {
        match self {
            Self::Sts => sts::needs(call),
            Self::Iam => iam::needs(world, call),
            Self::Ec2 => ec2::needs(world, call),
            Self::Kms => kms::needs(world, call),
            Self::Logs => logs::needs(call),
            Self::Ssm => ssm::needs(call),
            Self::Eks => eks::needs(world, call),
            Self::Efs => efs::needs(world, call),
            Self::Sqs => sqs::needs(call),
            Self::Events => events::needs(call),
            // Inside a cluster, its access entries and roles decide.
            Self::Kubernetes
            | Self::Connect
            | Self::CircleCi
            | Self::GitHub
            | Self::Slack
            | Self::Otlp => Vec::new(),
        }
    }

    /// What it answers to a client that calls too often. Status and code are those that each
    /// service's list of common errors documents.
    pub fn throttled(self) -> ServiceError {
        match self {
            Self::Sts | Self::Iam => ServiceError::bad_request("Throttling", "Rate exceeded"),
            Self::Ec2 => ServiceError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "RequestLimitExceeded",
                "Request limit exceeded.",
            ),
            Self::Kms | Self::Logs | Self::Ssm | Self::Events => {
                ServiceError::bad_request("ThrottlingException", "Rate exceeded")
            }
            Self::Sqs => {
                ServiceError::bad_request("RequestThrottled", "Request is throttled: Rate exceeded")
            }
            Self::Eks | Self::Efs => ServiceError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "ThrottlingException",
                "Rate exceeded",
            ),
            Self::Slack => slack::ratelimited(1),
            Self::Kubernetes | Self::Connect | Self::CircleCi | Self::Otlp => ServiceError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "Too many requests",
            ),
            Self::GitHub => {
                github::secondary(StatusCode::FORBIDDEN, jiff::SignedDuration::from_secs(1))
            }
        }
    }
}

/// What services of the Query protocols answer to an action that they don't have.
pub fn invalid_action(call: &Call) -> ServiceError {
    ServiceError::bad_request(
        "InvalidAction",
        format!(
            "The action {} is not valid for this web service.",
            call.operation
        ),
    )
}

/// What services of the JSON protocols answer to an operation that they don't have. `service` is the
/// service's name as people write it.
pub(crate) fn unknown_operation(service: &str, call: &Call) -> ServiceError {
    let operation = &call.operation;
    ServiceError::bad_request(
        "UnknownOperationException",
        format!("The lab's {service} has no operation {operation}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_names_its_operation_in_its_own_place() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", "AmazonSSM.GetParameter".parse().unwrap());
        let form = Form::parse(b"Action=DescribeVpcs&Version=2016-11-15");
        let operation = |service: Service| service.operation(&Method::POST, "/", &headers, &form);
        assert_eq!(operation(Service::Ec2), "DescribeVpcs");
        assert_eq!(operation(Service::Ssm), "GetParameter");
        assert_eq!(operation(Service::Connect), "");
        assert_eq!(
            Service::Connect.operation(&Method::GET, "/v1/vaults", &headers, &form),
            "GetVaults"
        );
    }
}
