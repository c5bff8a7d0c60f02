//! The one HTTP client of a run, with every request to a service kept to that service's pace and no
//! more of them under way than the process may have connections.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::sync::Semaphore;

use super::pace::Pacer;

/// Files that psk has open beside its connections, at most: the standard streams, reports, the
/// runtime's own, connections to 1Password.
const OTHER_FILES: u64 = 64;

/// Hosts that a run may talk to: a service in a region is one.
const HOSTS: u64 = 64;

/// More requests than this at once make no run faster.
const MOST_UNDER_WAY: u64 = 1000;

/// How many connections a run may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connections {
    /// Requests under way; each has a connection of its own.
    under_way: usize,
    /// Connections to one host that are kept for a next request.
    idle_per_host: usize,
}

impl Connections {
    /// For a process that may have this many files open. A connection may take two of them, where
    /// both its ends are in this process, as with `--lab`.
    pub(super) fn within(open_files: u64) -> Self {
        let files = open_files.saturating_sub(OTHER_FILES);
        // Half of them is left to the idle connections and to those that have served their request
        // and aren't among them yet.
        let under_way = (files / 4).clamp(1, MOST_UNDER_WAY);
        let idle = files.saturating_sub(2 * under_way) / HOSTS;
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            under_way: count(under_way),
            idle_per_host: count(idle.max(1)),
        }
    }
}

/// What every client of a run shares.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: SharedHttpClient,
    places: Arc<Semaphore>,
}

impl Http {
    /// One connection pool and one TLS configuration for every service.
    pub(super) fn new(connections: Connections) -> Self {
        let client = aws_smithy_http_client::Builder::new()
            .pool_max_idle_per_host(connections.idle_per_host)
            .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .build_https();
        Self {
            client,
            places: Arc::new(Semaphore::new(connections.under_way)),
        }
    }

    /// The client for one service, all of whose requests, retries included, wait for their turn and
    /// then for a place.
    pub(super) fn paced(&self, pacer: Arc<Pacer>) -> SharedHttpClient {
        SharedHttpClient::new(PacedClient {
            http: self.clone(),
            pacer,
        })
    }
}

#[derive(Debug)]
struct PacedClient {
    http: Http,
    pacer: Arc<Pacer>,
}

impl HttpClient for PacedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(PacedConnector {
            inner: self.http.client.http_connector(settings, components),
            pacer: self.pacer.clone(),
            places: self.http.places.clone(),
        })
    }
}

#[derive(Debug)]
struct PacedConnector {
    inner: SharedHttpConnector,
    pacer: Arc<Pacer>,
    places: Arc<Semaphore>,
}

impl HttpConnector for PacedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, pacer) = (self.inner.clone(), self.pacer.clone());
        let places = self.places.clone();
        HttpConnectorFuture::new(async move {
            pacer.turn().await;
            // The semaphore is never closed, so there always comes a place.
            let _place = places.acquire().await;
            let mut response = inner.call(request).await?;
            // The connection is the request's until the body has been read, so the place is too.
            let body = ByteStream::new(response.take_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?;
            *response.body_mut() = SdkBody::from(body.into_bytes());
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_files_that_may_be_open() {
        for open_files in [256, 1024, 4096, 20_000, 1_048_576] {
            let most = Connections::within(open_files);
            let count = |n: usize| u64::try_from(n).unwrap();
            let files = 2 * count(most.under_way) + HOSTS * count(most.idle_per_host);
            assert!(files + OTHER_FILES <= open_files, "{open_files}: {most:?}");
        }
    }

    #[test]
    fn few_files_still_let_one_request_through() {
        let least = Connections {
            under_way: 1,
            idle_per_host: 1,
        };
        assert_eq!(Connections::within(0), least);
        assert_eq!(Connections::within(1024).under_way, 240);
        assert_eq!(Connections::within(u64::MAX).under_way, 1000);
    }
}
