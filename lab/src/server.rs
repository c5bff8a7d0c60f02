//! Serves a world over HTTP on the loopback interface.
//!
//! One lock guards the world. It is held while a request is let in and while its service answers,
//! neither of which waits for anything; latency is waited out in between, so a slow call delays no
//! other.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::header::{CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use jiff::Timestamp;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authorization::{Use, authorize};
use crate::call::{Answer, Call, Reply, ServiceError};
use crate::faults::{Injector, Outcome};
use crate::front::admit::{Admitted, Refused, admit};
use crate::front::service::Service;
use crate::ids;
use crate::journal::{Journal, Record};
use crate::keeper::Keeper;
use crate::kubernetes::listener;
use crate::transcript::{Answered, Sent, Transcript};
use crate::wire::{Protocol, errors};
use crate::world::World;

/// Largest request body in bytes. No service that the lab has takes more.
const BODY_LIMIT: usize = 1 << 20;

/// How long connections may take to end when the lab is stopped.
const GRACE: Duration = Duration::from_secs(2);

/// How long no connection is accepted after one couldn't be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// What every connection shares.
pub(crate) struct Shared {
    world: Mutex<World>,
    journal: Mutex<Journal>,
    pub(crate) injector: Injector,
    keeper: Option<Keeper>,
    transcript: Option<Transcript>,
    enforce_iam: bool,
    requests: AtomicU64,
    /// Where the lab listens.
    address: OnceLock<SocketAddr>,
    /// Tells who watches that the world has changed.
    changes: watch::Sender<u64>,
    /// Ids of the clusters whose API is served.
    apis: Mutex<BTreeSet<String>>,
    /// What serves them.
    pub(crate) tasks: TaskTracker,
}

/// The connection is to be closed without an answer.
#[derive(Debug, Error)]
#[error("the connection is closed without an answer")]
struct Dropped;

impl Shared {
    pub(crate) fn new(
        world: World,
        injector: Injector,
        keeper: Option<Keeper>,
        transcript: Option<Transcript>,
        enforce_iam: bool,
    ) -> Self {
        Self {
            world: Mutex::new(world),
            journal: Mutex::new(Journal::default()),
            injector,
            keeper,
            transcript,
            enforce_iam,
            requests: AtomicU64::new(0),
            address: OnceLock::new(),
            changes: watch::Sender::new(0),
            apis: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Where the lab listens, as clients write it.
    pub(crate) fn address(&self) -> String {
        self.address
            .get()
            .map(SocketAddr::to_string)
            .unwrap_or_default()
    }

    pub(crate) fn listens_at(&self, address: SocketAddr) {
        // It listens at one address for as long as it is.
        let _ = self.address.set(address);
    }

    /// Notes that a cluster's API is served from now on; false if it is already.
    pub(crate) fn serves(&self, id: &str) -> bool {
        let mut apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        apis.insert(id.to_owned())
    }

    pub(crate) fn serves_no_more(&self, id: &str) {
        let mut apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        apis.remove(id);
    }

    /// Notes that the world has changed, while it is locked.
    pub(crate) fn changed_world(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.changed();
        }
        self.changes.send_modify(|number| *number += 1);
    }

    /// Hears of changes of the world.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the world down, if it is to be kept.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) async fn keep(&self) -> Result<(), crate::state::StateError> {
        match &self.keeper {
            Some(keeper) => keeper.keep(|| self.world()).await,
            None => Ok(()),
        }
    }

    /// Writes the world down even if no call has changed it: [`crate::Lab::with_world`] may have,
    /// and sessions have been issued.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) async fn keep_all(&self) -> Result<(), crate::state::StateError> {
        if let Some(keeper) = &self.keeper {
            keeper.changed();
        }
        self.keep().await
    }

    /// Waits for what serves the clusters' APIs to end.
    pub(crate) async fn end_tasks(&self) {
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "some connections to clusters' APIs were still open when the lab stopped"
            );
        }
    }

    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        ids::uuid_from(ids::digest(&["request", &number.to_string()]))
    }

    pub(crate) fn record(
        &self,
        service: Service,
        call: &Call,
        used: Vec<Use>,
        status: Option<StatusCode>,
    ) {
        self.journal().add(Record {
            service: service.name(),
            operation: call.operation.clone(),
            account: call.account.clone(),
            region: call.region.clone(),
            request: call.as_sent(),
            writes: call.writes(),
            status: status.map(|status| status.as_u16()),
            used,
        });
    }

    /// A request as it stands in the transcript, if one is written.
    pub(crate) fn sent(&self, parts: &Parts, body: &[u8]) -> Option<Sent> {
        let transcript = self.transcript.as_ref();
        transcript.map(|_| Sent::new(parts, body))
    }

    pub(crate) fn transcribe(
        &self,
        service: Option<Service>,
        operation: &str,
        sent: &Sent,
        answered: Option<&Answered>,
    ) {
        if let Some(transcript) = &self.transcript {
            transcript.add(service, operation, sent, answered);
        }
    }

    /// Carries a call out if its caller may, and writes the world down before the answer if it may
    /// have changed. Tells which permissions were used.
    async fn perform(&self, service: Service, call: &mut Call) -> (Answer, Vec<Use>) {
        let (answer, used) = {
            let mut world = self.world();
            call.now = world.clock.at(real_time());
            let used = match self.enforce_iam {
                true => authorize(&world, service, call),
                false => Ok(Vec::new()),
            };
            let used = match used {
                Ok(used) => used,
                Err(refused) => return (Err(refused), Vec::new()),
            };
            let answer = service.handle(&mut world, call);
            if call.writes() {
                self.changed_world();
            }
            (answer, used)
        };
        if call.writes()
            && let Err(error) = self.keep().await
        {
            return (Err(ServiceError::internal(&error)), used);
        }
        (answer, used)
    }

    async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        stop: &CancellationToken,
    ) -> Result<Response<Full<Bytes>>, Dropped> {
        let (parts, body) = request.into_parts();
        let body = tokio::select! {
            body = Limited::new(body, BODY_LIMIT).collect() => body,
            () = stop.cancelled() => return Err(Dropped),
        };
        let Ok(body) = body else {
            return Ok(too_large());
        };
        let body = body.to_bytes().to_vec();
        let sent = self.sent(&parts, &body);
        let request_id = self.request_id();
        let admitted = admit(
            &|| self.world(),
            &parts,
            body,
            request_id.clone(),
            real_time(),
        );
        let (service, operation, answered) = match admitted {
            Ok(Admitted { service, call }) => {
                let operation = call.operation.clone();
                let answered = self.serve(service, call, &request_id, stop).await;
                (Some(service), operation, answered)
            }
            Err(refused) => {
                let response = self.turn_away(&refused, &request_id);
                (refused.service, refused.operation, Ok(response))
            }
        };
        if let Some(sent) = sent {
            let answered = answered.as_ref().ok().map(|response| {
                let body = response.body().clone().collect().now_or_never();
                let body = body.and_then(Result::ok).map(Collected::to_bytes);
                Answered::new(response, body.as_deref())
            });
            self.transcribe(service, &operation, &sent, answered.as_ref());
        }
        answered
    }

    /// Answers a request that was let in.
    async fn serve(
        self: &Arc<Self>,
        service: Service,
        mut call: Call,
        request_id: &str,
        stop: &CancellationToken,
    ) -> Result<Response<Full<Bytes>>, Dropped> {
        let decision = self.injector.decide(service, &call);
        if !decision.delay.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(decision.delay) => {}
                () = stop.cancelled() => return self.drop_call(service, &call),
            }
        }
        if call.operation == "DescribeCluster"
            && let Some(name) = call.segments().get(1)
        {
            listener::ensure(self, &call.account, &call.region, name, stop);
        }
        let (answer, used) = match decision.outcome {
            Outcome::Proceed | Outcome::CutAfter(_) | Outcome::ExpireAfter(_) => {
                self.perform(service, &mut call).await
            }
            Outcome::Refuse(error) => (Err(error), Vec::new()),
            Outcome::Reset | Outcome::Away(_) => return self.drop_call(service, &call),
            Outcome::Fail(issue) => {
                call.fate = Some(issue);
                self.perform(service, &mut call).await
            }
            Outcome::ResetAfter => {
                // The client never learns how it ended: that is the point of this fault.
                let (_, used) = self.perform(service, &mut call).await;
                self.record(service, &call, used, None);
                return Err(Dropped);
            }
            Outcome::Hang => {
                let dropped = self.drop_call(service, &call);
                stop.cancelled().await;
                return dropped;
            }
        };
        let response = match answer {
            Ok(reply) => success(service, reply, request_id),
            Err(error) => failure(service.protocol(), service.namespace(), &error, request_id),
        };
        self.record(service, &call, used, Some(response.status()));
        Ok(response)
    }

    fn turn_away(&self, refused: &Refused, request_id: &str) -> Response<Full<Bytes>> {
        let namespace = refused.service.map_or("", Service::namespace);
        let response = failure(refused.protocol(), namespace, &refused.error, request_id);
        self.journal().add(Record {
            service: refused.service.map_or("", Service::name),
            operation: refused.operation.clone(),
            account: String::new(),
            region: String::new(),
            request: String::new(),
            writes: false,
            status: Some(response.status().as_u16()),
            used: Vec::new(),
        });
        response
    }

    fn drop_call(&self, service: Service, call: &Call) -> Result<Response<Full<Bytes>>, Dropped> {
        self.record(service, call, Vec::new(), None);
        Err(Dropped)
    }
}

/// Binds a port on the loopback interface; 0 takes a free one.
///
/// # Errors
/// If the port is taken or may not be bound.
pub(crate) async fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// Serves the APIs of the clusters whose API was served before, under the same addresses.
pub(crate) fn serve_kept(shared: &Arc<Shared>, stop: &CancellationToken) {
    let kept: Vec<(String, String, String)> = {
        let world = shared.world();
        let regions = world.accounts.iter().flat_map(|(number, account)| {
            account
                .regions
                .iter()
                .map(move |(name, here)| (number, name, here))
        });
        regions
            .flat_map(|(number, name, here)| {
                let clusters = here.eks.served().into_iter();
                clusters.map(move |cluster| (number.clone(), name.clone(), cluster))
            })
            .collect()
    };
    for (account, region, cluster) in kept {
        listener::ensure(shared, &account, &region, &cluster, stop);
    }
}

/// Serves until stopped, then lets the calls in flight finish.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the lab could not accept a connection");
                    // Out of files, most likely: asking again at once would only keep busy.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        serve_connection(stream, &connections, shared.clone(), stop.clone());
    }
    drop(listener);
    if tokio::time::timeout(GRACE, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some of the lab's connections were still open when it stopped");
    }
}

fn serve_connection(
    stream: TcpStream,
    connections: &GracefulShutdown,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    // Answers are small; without this each would wait for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the lab could not set TCP_NODELAY");
    }
    let service = service_fn(move |request| {
        let (shared, stop) = (shared.clone(), stop.clone());
        async move { shared.answer(request, &stop).await }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the lab ended early");
        }
    });
}

fn success(service: Service, reply: Reply, request_id: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.extend(reply.headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if !matches!(
        service,
        Service::Connect | Service::CircleCi | Service::GitHub | Service::Slack | Service::Otlp
    ) {
        name_request(&mut response, request_id);
    }
    response
}

fn failure(
    protocol: Protocol,
    namespace: &str,
    error: &ServiceError,
    request_id: &str,
) -> Response<Full<Bytes>> {
    let (headers, body) = errors::write(protocol, namespace, error, request_id);
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = error.status;
    *response.headers_mut() = headers;
    response.headers_mut().extend((*error.headers).clone());
    if !matches!(
        protocol,
        Protocol::Connect
            | Protocol::CircleCi
            | Protocol::GitHub
            | Protocol::Slack
            | Protocol::Otlp
    ) {
        name_request(&mut response, request_id);
    }
    response
}

fn name_request<T>(response: &mut Response<T>, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

fn too_large() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}

/// Real time. Only here does the lab look at a clock.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge at which time comes in"
)]
pub(crate) fn real_time() -> Timestamp {
    Timestamp::now()
}
