//! The lab: a simulated world that psk can be rehearsed and tested against.
//!
//! It serves AWS (STS, IAM, EC2, KMS, EKS, EFS, SQS, EventBridge, CloudWatch Logs, SSM), a 1Password
//! Connect server, CircleCI's API and GitHub over HTTP on one loopback port, in the services' own protocols, with
//! their error codes, limits and paging. It knows nothing of psk: any client that speaks to those
//! services can use it.
//!
//! [`Lab::start`] takes a [`world::World`], usually built by [`seed::Seed::build`], and serves it
//! until the [`Lab`] is stopped or dropped. [`Lab::exports`] are the environment variables that
//! point a client at it.
//!
//! A service is one module with its state and `handle(&mut World, &Call) -> Answer`, listed in
//! [`front::service::Service`].

pub mod authorization;
pub mod call;
pub mod circleci;
pub mod clock;
pub mod connect;
pub mod credentials;
pub mod ec2;
pub mod efs;
pub mod eks;
pub mod events;
pub mod faults;
pub mod front;
pub mod github;
pub mod iam;
pub mod ids;
pub mod journal;
mod keeper;
pub mod kms;
pub mod kubernetes;
mod lab;
pub mod logs;
mod operations;
pub mod otlp;
pub mod pattern;
pub mod plausible;
pub mod seed;
mod server;
pub mod slack;
pub mod sqs;
pub mod ssm;
pub mod state;
pub mod sts;
pub mod transcript;
pub mod wire;
pub mod world;

pub use lab::{Lab, LabError, Options};
