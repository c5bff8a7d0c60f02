//! moto's server, as a process of its own.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::python::Python;

/// What moto says before its address.
const RUNNING: &str = "Running on ";

/// A server that ends when it is dropped.
pub(super) struct Moto {
    process: Child,
    url: String,
    reader: Option<JoinHandle<()>>,
    called: Arc<Mutex<BTreeSet<String>>>,
}

impl Moto {
    pub(super) fn start(python: &Python) -> Self {
        let mut command = python.command("python");
        let mut process = command
            .args(["moto_server.py"])
            // AWS's own policies, which psk attaches.
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, url)) = line.split_once(RUNNING) {
                break url.to_owned();
            }
        };
        let called = Arc::<Mutex<BTreeSet<String>>>::default();
        let reader = {
            let called = called.clone();
            std::thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    if let Some(operation) = line.strip_prefix("called ") {
                        called.lock().unwrap().insert(operation.to_owned());
                    }
                }
            })
        };
        Self {
            process,
            url,
            reader: Some(reader),
            called,
        }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// Ends it, and tells which operations it answered with success, as `service:Operation`.
    pub(super) fn stop(mut self) -> Vec<String> {
        self.end();
        let called = self.called.lock().unwrap();
        called.iter().cloned().collect()
    }

    fn end(&mut self) {
        let Some(reader) = self.reader.take() else {
            return;
        };
        drop(self.process.kill());
        drop(self.process.wait());
        reader.join().unwrap();
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.end();
    }
}
