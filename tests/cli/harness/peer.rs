//! A server that answers what a test wants, for answers that no lab would give.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::world::runtime;

/// Status line, content type and body.
pub(crate) type Answer = (&'static str, &'static str, String);

/// An HTTP server on the loopback interface. It ends when it is dropped.
pub(crate) struct Peer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Peer {
    /// Answers each request by its text, headers included.
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move {
                    let request = read(&mut stream).await;
                    let (status, content_type, body) = answer(&request);
                    seen.lock().unwrap().push(request);
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n\
                         content-length: {length}\r\nconnection: close\r\n\r\n"
                    );
                    let answer = [head.as_bytes(), body.as_bytes()].concat();
                    stream.write_all(&answer).await.unwrap();
                });
            }
        });
        Self {
            address,
            requests,
            _runtime: runtime,
        }
    }

    /// Its URL, without a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads a request: its head, and as much of a body as that announces.
async fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_it = name.eq_ignore_ascii_case("content-length");
                is_it.then(|| value.trim().parse().unwrap())
            });
            if body.len() >= announced.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer).await.unwrap() {
            0 => return text,
            n => text.push_str(std::str::from_utf8(&buffer[..n]).unwrap()),
        }
    }
}
