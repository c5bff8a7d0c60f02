//! The one HTTP client of a run, with every request to a service kept to that service's pace and no
//! more of them under way than the process may have connections.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_http_client::pool::{Client, ConnectionPool};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::CallError;
use super::pace::Pacer;

/// Files that psk has open beside its connections, at most: the standard streams, reports, the
/// runtime's own, connections to 1Password.
const OTHER_FILES: u64 = 64;

/// More requests than this at once make no run faster.
const MOST_UNDER_WAY: u64 = 1000;

/// A connection that isn't needed again by then is closed. It counts as an open file, and a run that
/// polls comes back to a host only after longer than that.
const IDLE: Duration = Duration::from_secs(10);

/// How many requests may be under way at once in a process that may have this many files open. Each
/// has a connection of its own, which takes two files where both its ends are in this process, as
/// with `--lab`. As many again are left to connections that wait for their next request, and half of
/// all to what is no request to AWS.
fn most_under_way(open_files: u64) -> usize {
    let most = open_files.saturating_sub(OTHER_FILES) / 8;
    usize::try_from(most.clamp(1, MOST_UNDER_WAY)).unwrap_or(1)
}

/// How many connections to clusters a process has that may have this many files open. A quarter of the
/// files is left: a lab in the same process listens for each cluster.
fn most_to_clusters(open_files: u64) -> usize {
    let most = open_files.saturating_sub(OTHER_FILES) / 8;
    usize::try_from(most.clamp(1, 8 * MOST_UNDER_WAY)).unwrap_or(1)
}

/// Room for connections to clusters' own APIs, of which each cluster takes one.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new(open_files: u64) -> Self {
        Self(Arc::new(Semaphore::new(most_to_clusters(open_files))))
    }

    /// Waits for room for a connection. `None` if there is none any more, which doesn't happen. Whoever
    /// holds one must not wait for a second.
    pub(crate) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().acquire_owned().await.ok()
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
    ///
    /// # Errors
    /// If TLS can't be had.
    pub(super) fn new(open_files: u64) -> Result<Self, CallError> {
        let failed = |error: &dyn std::error::Error| {
            CallError::new(
                "preparing connections to AWS",
                error.to_string(),
                "report this as a bug",
            )
        };
        let most = most_under_way(open_files);
        // This pool opens no more connections than it may; the SDK's usual one opens another for
        // every request that comes before the last one's connection is back, and throws it away.
        let pool = ConnectionPool::builder()
            .max_connections_per_host(most)
            .idle_timeout(IDLE)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https()
            .map_err(|error| failed(&error))?;
        let client = Client::new(&pool).map_err(|error| failed(&error))?;
        Ok(Self {
            client: SharedHttpClient::new(client),
            places: Arc::new(Semaphore::new(most)),
        })
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
    fn requests_fit_into_the_files_that_may_be_open() {
        assert_eq!(most_under_way(0), 1);
        assert_eq!(most_under_way(1024), 120);
        assert_eq!(most_under_way(u64::MAX), 1000);
        assert_eq!(most_to_clusters(0), 1);
        assert_eq!(most_to_clusters(1024), 120);
        assert_eq!(most_to_clusters(u64::MAX), 8000);
    }

    #[tokio::test]
    async fn who_comes_when_there_is_no_room_waits_for_some() {
        let room = Room::new(OTHER_FILES + 8 * 2);
        let (first, second) = (room.take().await, room.take().await);
        let mut third = Box::pin(room.take());
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        assert!(third.await.is_some());
        drop(second);
    }
}
