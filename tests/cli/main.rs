//! psk as its users have it: the built binary, its command line, environment and files, against the
//! lab.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod apply;
mod base;
mod ci;
mod credentials;
mod destroy;
mod drift;
mod fanout;
mod faults;
mod harness;
mod helm;
mod help;
mod iam;
mod inject;
mod inside;
mod interrupt;
mod inventory;
mod kills;
mod kube;
mod kube_peers;
mod lab;
mod notifications;
mod one_connection;
mod outputs;
#[path = "../peers/mod.rs"]
mod peers;
mod permissions;
mod pipeline;
mod promotion;
mod real_api_server;
mod refusals;
mod saved_plan;
mod secrets;
mod verify;
