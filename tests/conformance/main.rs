//! psk and the lab, held to what other people wrote: the services' own descriptions, their own clients, and other
//! people's servers. A simulator and a client from one house could agree on a fiction; here neither may.
//!
//! What each peer checked is written down in `checked/`, and told in `docs/conformance.md`; both are held fresh.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod aws;
mod checked;
mod circleci;
mod cli;
mod connect;
mod github;
#[path = "../cli/harness/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "the tests of the command line need more of it"
)]
mod harness;
mod kubernetes;
mod moto;
mod node;
mod otlp;
mod page;
#[path = "../peers/mod.rs"]
#[expect(dead_code, reason = "the tests of the command line need more of it")]
mod peers;
mod python;
mod slack;
