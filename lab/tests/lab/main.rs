//! The lab over a real socket, asked by a client that signs as AWS's own do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod access;
mod client;
mod kube;
mod kubernetes;
mod living;
mod resting;
mod services;
mod serving;
mod storage;
mod sts;
