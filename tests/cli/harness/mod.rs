//! What the tests run psk with: the binary, inventories, worlds and peers.

mod api;
mod api_server;
mod files;
mod github_app;
mod left;
mod op;
mod peer;
mod psk;
mod world;

pub(crate) use api::Api;
pub(crate) use api_server::ApiServer;
pub(crate) use files::{Files, contents};
pub(crate) use github_app::github_app;
pub(crate) use left::left;
pub(crate) use op::fake_op;
pub(crate) use peer::Peer;
pub(crate) use psk::{CANARY, Psk, Run, psk, repository};
pub(crate) use world::{Served, identity_token, secrets_of, world_of};
