//! All calls to a cluster's API server share one connection, however many are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use psk::kubernetes::{Access, Endpoint, Selection, kinds};
use serde_json::Value as Json;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::harness::{Files, Served, world_of};

const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// Passes connections on to a port of this machine, at a port of its own, and counts them.
async fn counting(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut to = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut from, &mut to).await);
            });
        }
    });
    (port, taken)
}

#[test]
fn many_calls_at_once_take_one_connection() {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), r#"{"rules":[]}"#);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let session = lab.session("221155668855", &[]).await;
        let mut endpoint = Endpoint::of(&session, CLUSTER).await.unwrap();
        let mut url: Url = endpoint.url.parse().unwrap();
        let (port, taken) = counting(url.port().unwrap()).await;
        url.set_port(Some(port)).unwrap();
        endpoint.url = url.to_string();

        let access = Access::open(&session, CLUSTER, &endpoint).await.unwrap();
        let everything = Selection::default();
        let lists = (0..20).map(|_| access.list::<Json>(&kinds::NAMESPACE, None, &everything));
        for list in futures::future::join_all(lists).await {
            assert!(list.unwrap().items.len() >= 4);
        }
        assert_eq!(taken.load(Ordering::Relaxed), 1);
    });
}
