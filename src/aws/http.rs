//! The one HTTP client of a run, with every request to a service kept to that service's pace and no
//! more of them under way than a process may have connections.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::sync::Semaphore;

use super::pace::Pacer;

/// Most requests under way at once. Each holds a connection, and many systems let a process have
/// 1024 open files unless told otherwise; in the lab, which is in the same process, a connection
/// takes two.
const MOST_IN_FLIGHT: usize = 400;

/// The HTTP client of a run: one connection pool and one TLS configuration for every service.
pub(super) fn client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
            aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc,
        ))
        .build_https()
}

/// The places for requests under way, which everything that goes through [`paced`] shares.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MOST_IN_FLIGHT))
}

/// `inner`, but every request, retries included, waits for its turn and then for a place.
pub(super) fn paced(
    inner: SharedHttpClient,
    pacer: Arc<Pacer>,
    places: Arc<Semaphore>,
) -> SharedHttpClient {
    SharedHttpClient::new(PacedClient {
        inner,
        pacer,
        places,
    })
}

#[derive(Debug)]
struct PacedClient {
    inner: SharedHttpClient,
    pacer: Arc<Pacer>,
    places: Arc<Semaphore>,
}

impl HttpClient for PacedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(PacedConnector {
            inner: self.inner.http_connector(settings, components),
            pacer: self.pacer.clone(),
            places: self.places.clone(),
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
            inner.call(request).await
        })
    }
}
