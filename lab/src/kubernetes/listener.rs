//! Serves each cluster's API over TLS, on a port of its own.
//!
//! A cluster's listener is made when it is first described, so that a world of many clusters begins
//! quickly; those of a world that was kept, when it is served again.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER, USER_AGENT, WARNING,
};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::authenticate;
use super::request::ApiRequest;
use super::serve::{self, Reply};
use super::status::ApiError;
use super::streaming::{self, End};
use super::tls::Authority;
use crate::call::{Call, ServiceError};
use crate::faults::Outcome;
use crate::front::service::Service;
use crate::server::{Shared, real_time};
use crate::transcript::Answered;

/// Largest request body in bytes, as the API server's.
const BODY_LIMIT: usize = 3 << 20;

/// How long what is under way may go on once the lab is stopped.
const GRACE: Duration = Duration::from_secs(1);

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

pub(super) type Body = UnsyncBoxBody<Bytes, Interrupted>;

/// The connection is to be closed without the rest of the answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed in the middle of an answer")]
pub(super) struct Interrupted;

/// Which cluster a listener is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) cluster: String,
    /// A cluster made again under its name has another.
    pub(crate) id: String,
}

/// Serves a cluster's API, unless it is served already or there is none yet.
pub(crate) fn ensure(
    shared: &Arc<Shared>,
    account: &str,
    region: &str,
    cluster: &str,
    stop: &CancellationToken,
) {
    let begun = begin(shared, account, region, cluster);
    match begun {
        Ok(Some((place, listener, config))) => {
            let (shared, stop) = (shared.clone(), stop.clone());
            let tasks = shared.tasks.clone();
            tasks.spawn(listen(listener, config, place, shared, stop));
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, cluster, "the lab can't serve a cluster's API"),
    }
}

type Begun = (Place, TcpListener, Arc<ServerConfig>);

fn begin(
    shared: &Shared,
    account: &str,
    region: &str,
    cluster: &str,
) -> Result<Option<Begun>, Box<dyn std::error::Error>> {
    let mut world = shared.world();
    let now = world.clock.at(real_time());
    let eks = world.eks(account, region);
    let Some(id) = eks.api_of(cluster, now) else {
        return Ok(None);
    };
    if !shared.serves(&id) {
        return Ok(None);
    }
    let eks = world.eks(account, region);
    let kept = eks.endpoint(cluster).cloned();
    let (port, authority) = match kept {
        Some(kept) => (kept.port, kept.authority),
        None => (0, Authority::new()?),
    };
    // The same port as before, so that a kubeconfig that was written stays good.
    let listener = bind(port).or_else(|_| bind(0))?;
    let port = listener.local_addr()?.port();
    let names = vec!["localhost".to_owned(), "kubernetes.default.svc".to_owned()];
    let config = authority.server(&names)?;
    eks.serve_at(cluster, port, authority);
    shared.changed_world();
    let place = Place {
        account: account.to_owned(),
        region: region.to_owned(),
        cluster: cluster.to_owned(),
        id,
    };
    Ok(Some((place, listener, config)))
}

fn bind(port: u16) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn listen(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    place: Place,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(config);
    let place = Arc::new(place);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a cluster's API could not accept a connection");
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        match condition(&shared, &place) {
            Condition::There => {}
            Condition::Away => continue,
            Condition::Gone => break,
        }
        let (acceptor, place) = (acceptor.clone(), place.clone());
        let (tasks, shared, stop) = (shared.tasks.clone(), shared.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = converse(acceptor, stream, place, shared, stop.clone()) => {}
                // What is under way may end.
                () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {}
            }
        });
    }
    shared.serves_no_more(&place.id);
}

/// Whether an API is there to be talked to.
enum Condition {
    There,
    Away,
    Gone,
}

fn condition(shared: &Shared, place: &Place) -> Condition {
    let mut world = shared.world();
    let now = world.clock.at(real_time());
    let eks = world.eks(&place.account, &place.region);
    if eks.api_of(&place.cluster, now).as_ref() != Some(&place.id) {
        return Condition::Gone;
    }
    let inside = world
        .region(&place.account, &place.region)
        .kubernetes
        .get(&place.id);
    match inside.and_then(|inside| inside.away_until) {
        Some(until) if until > now => Condition::Away,
        _ => Condition::There,
    }
}

async fn converse(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    place: Arc<Place>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the lab could not set TCP_NODELAY");
    }
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a client did not agree on TLS");
            return;
        }
    };
    let stopped = stop.clone();
    let service = service_fn(move |request| {
        let (place, shared, stop) = (place.clone(), shared.clone(), stop.clone());
        async move { answer(&shared, &place, request, &stop).await }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let connection = server.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a cluster's API ended early");
    }
}

async fn answer(
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Result<Response<Body>, Interrupted> {
    let (parts, body) = request.into_parts();
    let body = tokio::select! {
        body = Limited::new(body, BODY_LIMIT).collect() => body,
        () = stop.cancelled() => return Err(Interrupted),
    };
    let Ok(body) = body else {
        let error = ApiError::any(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
        );
        return Ok(refusal(&error));
    };
    let body = body.to_bytes().to_vec();
    let sent = shared.sent(&parts, &body);
    let request = read(&parts, body, place, shared);
    let operation = request.call.operation.clone();
    let answered = exchange(shared, place, &parts.headers, request, stop).await;
    let Some(sent) = sent else {
        return answered;
    };
    let service = Some(Service::Kubernetes);
    let Ok(response) = answered else {
        shared.transcribe(service, &operation, &sent, None);
        return answered;
    };
    let (response, answered) = told_of(response).await?;
    shared.transcribe(service, &operation, &sent, Some(&answered));
    Ok(response)
}

/// A response, and what the transcript says of it: all but what is streamed.
async fn told_of(response: Response<Body>) -> Result<(Response<Body>, Answered), Interrupted> {
    if response.body().size_hint().exact().is_none() {
        let answered = Answered::new(&response, None);
        return Ok((response, answered));
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let response = Response::from_parts(parts, bytes(body.clone()));
    let answered = Answered::new(&response, Some(&body));
    Ok((response, answered))
}

async fn exchange(
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    headers: &HeaderMap,
    mut request: ApiRequest,
    stop: &CancellationToken,
) -> Result<Response<Body>, Interrupted> {
    let request_id = shared.request_id();
    request.call.request_id = request_id;
    if let Condition::Away | Condition::Gone = condition(shared, place) {
        return Err(Interrupted);
    }
    let user = authenticate(shared, place, headers, &mut request.call);

    let decision = shared.injector.decide(Service::Kubernetes, &request.call);
    if !decision.delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(decision.delay) => {}
            () = stop.cancelled() => return Err(Interrupted),
        }
    }
    let Some(user) = user else {
        let response = refusal(&ApiError::unauthorized());
        record(shared, &request.call, Some(response.status()));
        return Ok(response);
    };
    let mut end = None;
    let answer = match decision.outcome {
        // What a cluster's API has accepted is done: there is nothing that could fail later.
        Outcome::Proceed | Outcome::Fail(_) => perform(shared, place, &user, &mut request).await,
        Outcome::Refuse(error) => Err(told(&error)),
        Outcome::ResetAfter => {
            drop(perform(shared, place, &user, &mut request).await);
            record(shared, &request.call, None);
            return Err(Interrupted);
        }
        Outcome::Reset => {
            record(shared, &request.call, None);
            return Err(Interrupted);
        }
        Outcome::Hang => {
            record(shared, &request.call, None);
            stop.cancelled().await;
            return Err(Interrupted);
        }
        Outcome::Away(time) => {
            record(shared, &request.call, None);
            go_away(shared, place, time);
            return Err(Interrupted);
        }
        Outcome::CutAfter(time) => {
            end = Some((time, End::Cut));
            perform(shared, place, &user, &mut request).await
        }
        Outcome::ExpireAfter(time) => {
            end = Some((time, End::Expired));
            perform(shared, place, &user, &mut request).await
        }
    };
    let response = match answer {
        Ok(Reply::Watch(watch)) => streaming::stream_of(shared, place, watch, end, stop),
        Ok(reply) => complete(reply),
        Err(error) => refusal(&error),
    };
    record(shared, &request.call, Some(response.status()));
    Ok(response)
}

fn read(parts: &http::request::Parts, body: Vec<u8>, place: &Place, shared: &Shared) -> ApiRequest {
    let header = |name: HeaderName| -> String {
        let value = parts.headers.get(name);
        value
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let received = real_time();
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let call = Call {
        account: place.account.clone(),
        region: place.region.clone(),
        about: place.cluster.clone(),
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(query).into_owned().collect(),
        body,
        now: shared.world().clock.at(received),
        received,
        ..Call::default()
    };
    let mut request = ApiRequest {
        call,
        accept: header(ACCEPT),
        content_type: header(CONTENT_TYPE),
        user_agent: header(USER_AGENT),
    };
    request.call.operation = request.operation();
    request
}

fn authenticate(
    shared: &Shared,
    place: &Place,
    headers: &HeaderMap,
    call: &mut Call,
) -> Option<super::authorize::User> {
    let authorization = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let mut world = shared.world();
    let own_address = shared.address();
    let principal = authenticate::principal(
        &world,
        authorization,
        &place.cluster,
        &place.region,
        &own_address,
        call.received,
    );
    let principal = match principal {
        Ok(principal) => principal,
        Err(why) => {
            tracing::debug!(why, cluster = place.cluster, "a token was refused");
            return None;
        }
    };
    call.principal.clone_from(&principal.caller);
    call.access_key = Some(principal.access_key.clone());
    world
        .eks(&place.account, &place.region)
        .user(&place.cluster, &principal)
}

async fn perform(
    shared: &Arc<Shared>,
    place: &Place,
    user: &super::authorize::User,
    request: &mut ApiRequest,
) -> serve::Answer {
    let is_write = !matches!(request.call.method.as_str(), "GET" | "HEAD");
    let answer = {
        let mut world = shared.world();
        let now = world.clock.at(real_time());
        request.call.now = now;
        let answer = super::visit(&mut world, place, now, |here| {
            let answer = serve::serve(here, user, request);
            if is_write {
                here.settle();
            }
            answer
        });
        if is_write {
            shared.changed_world();
        }
        // The cluster went while the request was on its way.
        answer.unwrap_or_else(|| Err(ApiError::not_served()))
    };
    if is_write {
        shared.keep().await.map_err(|e| ApiError::internal(&e))?;
    }
    answer
}

/// From now on the API is away for a while.
fn go_away(shared: &Shared, place: &Place, time: Duration) {
    let mut world = shared.world();
    let now = world.clock.at(real_time());
    let until = jiff::SignedDuration::try_from(time)
        .ok()
        .and_then(|time| now.checked_add(time).ok());
    super::visit(&mut world, place, now, |here| {
        here.inside.away_until = until;
    });
    shared.changed_world();
}

fn told(error: &ServiceError) -> ApiError {
    if error.status == StatusCode::TOO_MANY_REQUESTS {
        ApiError::too_many_requests()
    } else {
        ApiError::any(error.status, &error.code, &error.message)
    }
}

fn record(shared: &Shared, call: &Call, status: Option<StatusCode>) {
    shared.record(Service::Kubernetes, call, Vec::new(), status);
}

fn bytes(body: impl Into<Bytes>) -> Body {
    Full::new(body.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

pub(super) fn json_bytes(value: &Value) -> Vec<u8> {
    let mut text = value.to_string().into_bytes();
    text.push(b'\n');
    text
}

fn refusal(error: &ApiError) -> Response<Body> {
    let (content_type, body) = match error.text() {
        Some(text) => (
            "text/plain; charset=utf-8",
            format!("{text}\n").into_bytes(),
        ),
        None => ("application/json", json_bytes(&error.status())),
    };
    let mut response = Response::new(bytes(body));
    *response.status_mut() = error.code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(seconds) = error.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn complete(reply: Reply) -> Response<Body> {
    match reply {
        Reply::Object {
            status,
            content_type,
            body,
            warnings,
        } => {
            let mut response = Response::new(bytes(json_bytes(&body)));
            *response.status_mut() = status;
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            headers.insert(AUDIT_ID, HeaderValue::from_static("lab"));
            for warning in warnings {
                let text = warning.replace('"', "\\\"");
                if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
                    headers.append(WARNING, value);
                }
            }
            response
        }
        Reply::Text(text) => {
            let mut response = Response::new(bytes(text));
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, plain);
            response
        }
        // Watches are streamed instead.
        Reply::Watch(_) => refusal(&ApiError::method_not_allowed()),
    }
}
