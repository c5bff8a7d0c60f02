//! The protocols that the services speak: how parameters are read and answers and errors written.

pub mod errors;
pub mod form;
pub mod json;
pub mod page;
pub mod path;
pub mod xml;

/// A family of AWS protocols, or Connect's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// REST with JSON bodies (EKS, EFS).
    RestJson,
    /// POST with a target header and JSON bodies (SSM, KMS, …).
    Json,
    /// The same by a service that spoke Query before, which tells its old error codes in a header
    /// (SQS).
    JsonAfterQuery,
    /// Form in, XML out (STS, IAM).
    Query,
    /// EC2's dialect of Query.
    Ec2,
    /// 1Password Connect's REST API.
    Connect,
    /// CircleCI's REST API.
    CircleCi,
    /// GitHub's REST API.
    GitHub,
    /// Slack's Web API.
    Slack,
    /// OTLP over HTTP, as JSON.
    Otlp,
}
