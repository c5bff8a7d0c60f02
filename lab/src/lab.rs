//! A running lab.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::faults::{Faults, Injector};
use crate::journal::Record;
use crate::keeper::Keeper;
use crate::server::{self, Shared};
use crate::state::StateError;
use crate::transcript::{Transcript, TranscriptError};
use crate::world::World;
use crate::{github, slack};

/// The region that [`Lab::exports`] names. Clients choose their own per call.
const EXPORTED_REGION: &str = "us-east-1";

/// How to serve a world.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Added to every call.
    pub latency: Duration,
    /// Further latency, and failures.
    pub faults: Faults,
    /// Seconds that pass in the world per real second; more than 0.
    pub speed: f64,
    /// Whether sessions of roles may do only what IAM allows them.
    pub enforce_iam: bool,
    /// Where to keep the world, if it is to be kept. [`crate::state::load`] finds it again.
    pub state: Option<PathBuf>,
    /// Where to write every request and answer, if somewhere. See [`crate::transcript`].
    pub transcript: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            latency: Duration::ZERO,
            faults: Faults::default(),
            speed: 1.0,
            enforce_iam: false,
            state: None,
            transcript: None,
        }
    }
}

/// The lab can't be served or kept.
#[derive(Debug, Error)]
pub enum LabError {
    /// The port can't be had.
    #[error("the lab can't listen on 127.0.0.1:{port}: {source}; choose another port")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The world can't be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// The transcript can't be written.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
}

/// A world that is being served. Dropping it stops it without waiting for calls in flight.
pub struct Lab {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    stop: CancellationToken,
    _guard: DropGuard,
}

impl Lab {
    /// Serves a world.
    ///
    /// # Errors
    /// If the port can't be had, or the world can't be kept or the transcript written where it should.
    pub async fn start(mut world: World, options: Options) -> Result<Self, LabError> {
        world.clock.set_speed(server::real_time(), options.speed);
        let mut faults = options.faults;
        let latency = u64::try_from(options.latency.as_millis()).unwrap_or(u64::MAX);
        faults.latency_ms = faults.latency_ms.saturating_add(latency);
        world.session_limit = faults.session_seconds;
        world.token_limit = faults.token_seconds;
        let keeper = options.state.map(Keeper::new);
        let transcript = options.transcript.as_deref().map(Transcript::create);
        let shared = Arc::new(Shared::new(
            world,
            Injector::new(faults),
            keeper,
            transcript.transpose()?,
            options.enforce_iam,
        ));
        shared.keep().await?;

        let port = options.port;
        let listen = |source| LabError::Listen { port, source };
        let listener = server::bind(port).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        shared.listens_at(address);
        let stop = CancellationToken::new();
        server::serve_kept(&shared, &stop);
        let server = tokio::spawn(server::serve(listener, shared.clone(), stop.clone()));
        Ok(Self {
            address,
            shared,
            server,
            _guard: stop.clone().drop_guard(),
            stop,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The environment variables that point a client at it.
    pub fn exports(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        let world = self.shared.world();
        let key = &world.identity.access_key;
        let secret = world
            .credentials
            .get(key)
            .map(|key| key.secret.clone())
            .unwrap_or_default();
        let mut exports = vec![
            ("AWS_ENDPOINT_URL", endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", key.clone()),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", EXPORTED_REGION.to_owned()),
            // The AWS CLI and boto3 read this one instead.
            ("AWS_DEFAULT_REGION", EXPORTED_REGION.to_owned()),
            ("CIRCLECI_CLI_HOST", endpoint.clone()),
            ("CIRCLE_TOKEN", world.identity.circleci_token.clone()),
            (
                "CIRCLE_CONTINUATION_KEY",
                world.identity.continuation_key.clone(),
            ),
            ("OP_CONNECT_HOST", endpoint.clone()),
            ("OP_CONNECT_TOKEN", world.identity.connect_token.clone()),
            ("SLACK_API_URL", format!("{endpoint}{}", slack::API)),
        ];
        if !world.identity.github_token.is_empty() {
            exports.extend([
                ("GITHUB_API_URL", format!("{endpoint}{}", github::REST)),
                (
                    "GITHUB_GRAPHQL_URL",
                    format!("{endpoint}{}", github::GRAPHQL),
                ),
                ("GITHUB_TOKEN", world.identity.github_token.clone()),
                ("GITHUB_REPOSITORY", world.identity.repository.clone()),
            ]);
        }
        let named = exports
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        named.collect()
    }

    /// The calls that it answered, oldest first.
    pub fn calls(&self) -> Vec<Record> {
        self.shared.journal().records()
    }

    /// Looks at or changes the world from outside, as no client can. No call is answered
    /// meanwhile.
    pub fn with_world<T>(&self, visit: impl FnOnce(&mut World) -> T) -> T {
        let seen = visit(&mut self.shared.world());
        self.shared.changed_world();
        seen
    }

    /// Stops: takes no new call, lets those in flight finish, and keeps the world.
    ///
    /// # Errors
    /// If the world can't be kept.
    pub async fn stop(self) -> Result<(), LabError> {
        self.stop.cancel();
        if let Err(error) = self.server.await {
            tracing::warn!(%error, "the lab's server ended early");
        }
        self.shared.end_tasks().await;
        self.shared.keep_all().await?;
        Ok(())
    }

    /// Stops like [`Self::stop`] as the last thing that a process does. The world of a fleet is
    /// millions of small pieces; the system takes them back at once.
    ///
    /// # Errors
    /// If the world can't be kept.
    pub async fn stop_at_exit(self) -> Result<(), LabError> {
        let shared = self.shared.clone();
        let stopped = self.stop().await;
        std::mem::forget(shared);
        stopped
    }
}
