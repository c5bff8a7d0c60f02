//! A real kube-apiserver with a real etcd behind it, where `KUBEBUILDER_ASSETS` says that they are: the variable, and the
//! two programs' folder, are those of Kubernetes' own test environments.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::peer::Peer;
use super::world::Served;
use crate::peers;

/// A program that is ended when it is dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A kube-apiserver that takes psk's tokens for an administrator's, and the etcd behind it.
pub(crate) struct ApiServer {
    /// Where it is.
    pub(crate) url: String,
    /// The certificate of who signed its own, PEM in base64.
    pub(crate) certificate_authority: String,
    _programs: [Program; 2],
    _authenticator: Peer,
    _folder: tempfile::TempDir,
}

impl ApiServer {
    /// Starts one from what `KUBEBUILDER_ASSETS` holds; `None` where there is none, which is said.
    pub(crate) fn start(lab: &Served) -> Option<Self> {
        let Some(assets) = assets() else {
            peers::skip("KUBEBUILDER_ASSETS with etcd and kube-apiserver");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let [clients, peers, secure] = [(); 3].map(|()| free_port());
        let etcd = format!("http://127.0.0.1:{clients}");
        let etcd_peers = format!("http://127.0.0.1:{peers}");
        let etcd_program = start(
            Command::new(assets.join("etcd"))
                .arg("--data-dir")
                .arg(at("etcd"))
                .args([
                    "--listen-client-urls",
                    &etcd,
                    "--advertise-client-urls",
                    &etcd,
                ])
                .args([
                    "--listen-peer-urls",
                    &etcd_peers,
                    "--initial-advertise-peer-urls",
                    &etcd_peers,
                ])
                .args([
                    "--initial-cluster",
                    &format!("default={etcd_peers}"),
                    "--unsafe-no-fsync",
                ]),
            &at("etcd.log"),
        );
        // Who has a token of psk's is let in, as EKS does with those that access entries name.
        let authenticator = Peer::start(|_| {
            let review = json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                "status": {"authenticated": true, "user": {"username": "psk", "groups": ["system:masters"]}},
            });
            ("200 OK", "application/json", review.to_string())
        });
        let webhook = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": authenticator.url()}}],
            "users": [{"name": "a", "user": {}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        });
        fs::write(at("webhook.json"), webhook.to_string()).unwrap();
        let key = at("service-accounts.key");
        peers::run(
            Command::new("openssl")
                .args(["genrsa", "-out"])
                .arg(&key)
                .arg("2048"),
        );
        let api_program = start(
            Command::new(assets.join("kube-apiserver"))
                .args(["--etcd-servers", &etcd, "--bind-address", "127.0.0.1"])
                .args(["--secure-port", &secure.to_string(), "--cert-dir"])
                .arg(at("certificates"))
                .args([
                    "--authorization-mode",
                    "RBAC",
                    "--service-cluster-ip-range",
                    "10.0.0.0/24",
                ])
                .args(["--service-account-issuer", "https://kubernetes.default.svc"])
                .arg("--service-account-key-file")
                .arg(&key)
                .arg("--service-account-signing-key-file")
                .arg(&key)
                .args(["--authentication-token-webhook-version", "v1"])
                .arg("--authentication-token-webhook-config-file")
                .arg(at("webhook.json")),
            &at("kube-apiserver.log"),
        );
        let certificate = at("certificates").join("apiserver.crt");
        lab.wait_until(|| {
            TcpStream::connect(("127.0.0.1", secure)).is_ok() && certificate.exists()
        });
        let authority = fs::read(certificate).unwrap();
        Some(Self {
            url: format!("https://127.0.0.1:{secure}"),
            certificate_authority: data_encoding::BASE64.encode(&authority),
            _programs: [api_program, etcd_program],
            _authenticator: authenticator,
            _folder: folder,
        })
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn start(command: &mut Command, log: &Path) -> Program {
    let log = fs::File::create(log).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    Program(command.spawn().unwrap())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment what the machine has"
)]
fn assets() -> Option<PathBuf> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from)?;
    assets.join("kube-apiserver").exists().then_some(assets)
}
