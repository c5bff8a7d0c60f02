//! The one connection to a cluster's API server, over HTTP/2.
//!
//! All calls and watches share it, so that a fleet takes one TLS handshake and one open file per cluster.
//! Kubernetes' own clients do the same. Source: `SetTransportDefaults` in `k8s.io/apimachinery/pkg/util/net`; an API
//! server is a server of Go's `net/http`, which speaks HTTP/2 over TLS.

use std::time::Duration;

use http::{Request, Response};
use kube::client::Body;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Proxy};
use tower::service_fn;

use crate::web::innermost;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection on which nothing has come for this long while an answer is awaited is asked whether it is
/// still there, and given up after another while. An API server that was replaced says nothing. The times
/// are those of Kubernetes' own clients.
const SILENCE: Duration = Duration::from_secs(30);
const PING: Duration = Duration::from_secs(15);

/// A client that trusts these certificates, in DER, and no others. Connects to nothing yet.
///
/// # Errors
/// A certificate or the proxy can't be understood.
pub(super) fn client(authority: &[Vec<u8>], proxy: Option<&str>) -> Result<kube::Client, String> {
    let certificates = authority.iter().map(|der| Certificate::from_der(der));
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| {
        format!(
            "the certificate authority can't be used: {}",
            innermost(&error)
        )
    })?;
    let mut builder = reqwest::Client::builder()
        .tls_certs_only(certificates)
        // A client that may speak both opens a connection for each of the first calls: it doesn't know yet that
        // they can share one.
        .http2_prior_knowledge()
        .http2_keep_alive_interval(SILENCE)
        .http2_keep_alive_timeout(PING)
        .connect_timeout(CONNECT)
        .redirect(Policy::none())
        .no_proxy();
    if let Some(proxy) = proxy {
        let proxy = Proxy::all(proxy)
            .map_err(|error| format!("the proxy for it is no URL: {}", innermost(&error)))?;
        builder = builder.proxy(proxy);
    }
    let http = builder.build().map_err(|error| innermost(&error))?;
    let service = service_fn(move |request: Request<Body>| {
        let http = http.clone();
        async move { send(&http, request).await }
    });
    Ok(kube::Client::new(service, "default"))
}

async fn send(
    http: &reqwest::Client,
    request: Request<Body>,
) -> Result<Response<reqwest::Body>, tower::BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect_bytes().await?;
    let request = reqwest::Request::try_from(Request::from_parts(parts, body))?;
    Ok(http.execute(request).await?.into())
}
