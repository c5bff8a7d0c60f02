//! What psk keeps inside a cluster, applied to a real kube-apiserver with a real etcd behind it, where
//! `KUBEBUILDER_ASSETS` says that they are.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use psk::aws::{Aws, Identity, Session, Target};
use psk::control_plane::cluster::{Access as Reached, Facts};
use psk::inventory::{Cluster, Inventory};
use psk::kubernetes::baseline::{self, Needs};
use psk::kubernetes::{
    Access, Apply, Endpoint, Kind, Late, Purpose, Selection, Shared, Waited, Watched,
};
use psk::reconcile::plan::Action;
use psk::reconcile::{Error, Grant, Graph, Lookup, Polling, Progress};
use psk_lab::plausible::plausible;
use serde_json::{Value as Json, json};

use crate::harness::{Files, Peer, Served, world_of};
use crate::peers;

const CLUSTER: &str = "qa-i01-aws-us-east-1";
const ACCOUNT: &str = "221155668855";

/// How long a real server may take to start.
const START: Duration = Duration::from_secs(60);

/// Something that is known without asking.
struct Known<T>(T);

impl<T: Clone + Send + Sync + 'static> Lookup for Known<T> {
    type Output = T;
    const GRANTS: &'static [Grant] = &[];

    async fn look_up(&self) -> Result<T, Error> {
        Ok(self.0.clone())
    }
}

/// A program that is ended when it is dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A kube-apiserver that takes psk's tokens for an administrator's, and the etcd behind it.
struct ApiServer {
    endpoint: Endpoint,
    _programs: [Program; 2],
    _authenticator: Peer,
    _folder: tempfile::TempDir,
}

impl ApiServer {
    fn start(assets: &Path, lab: &Served) -> Self {
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
        Self {
            endpoint: Endpoint {
                url: format!("https://127.0.0.1:{secure}"),
                certificate_authority: data_encoding::BASE64.encode(&authority),
            },
            _programs: [api_program, etcd_program],
            _authenticator: authenticator,
            _folder: folder,
        }
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

/// Karpenter's kinds, as small as definitions can be.
fn definitions() -> Vec<Json> {
    [
        ("karpenter.sh", "NodePool", "nodepool"),
        ("karpenter.sh", "NodeClaim", "nodeclaim"),
        ("karpenter.k8s.aws", "EC2NodeClass", "ec2nodeclass"),
    ]
    .map(|(group, kind, singular)| {
        let plural = if singular.ends_with('s') { format!("{singular}es") } else { format!("{singular}s") };
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": "Cluster",
                "names": {"plural": plural, "singular": singular, "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        })
    })
    .into()
}

fn definition_kind() -> Kind {
    Kind {
        group: "apiextensions.k8s.io".into(),
        version: "v1".into(),
        kind: "CustomResourceDefinition".into(),
        plural: "customresourcedefinitions".into(),
        namespaced: false,
    }
}

/// Defines Karpenter's kinds, and waits until they are served.
async fn define(access: &Access) {
    let kind = definition_kind();
    for definition in definitions() {
        let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
        access
            .apply(&kind, None, &name, &definition, Apply::default())
            .await
            .unwrap();
    }
    let watched = Watched {
        kind,
        namespace: None,
        selection: Selection::default(),
    };
    let is_served = |definition: &Json| {
        let conditions = definition["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|c| c["type"] == "Established" && c["status"] == "True")
    };
    let deadline = tokio::time::Instant::now() + START;
    let waited = access.watch_until(&watched, deadline, |all| {
        all.values().all(is_served).then_some(())
    });
    assert!(matches!(waited.await.unwrap(), Waited::Met(())));
}

struct Scene {
    cluster: Cluster,
    session: Session,
    facts: Facts,
}

impl Scene {
    fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        let cluster = graph.look_up(Known(self.facts.clone()));
        let text = graph.look_up(Known("fs-0123456789abcdef0".to_owned()));
        let late = || Late::new(&text, |text| text);
        let shared = Arc::new(Shared::new(&self.session, CLUSTER));
        let needs = Needs {
            shared: &shared,
            settings: &self.cluster.settings,
            version: self.cluster.settings.eks_version,
            cluster: &cluster,
            file_system: late(),
            node_role: late(),
            queue: late(),
            tags: &BTreeMap::new(),
            ready: &[],
            manifests: &[],
            polling: Polling::default(),
            applies: false,
        };
        baseline::add(&mut graph, &needs).unwrap();
        graph
    }

    /// What there is to do, by the objects' names; the charts, which take helm, aside.
    async fn pending(&self) -> Vec<String> {
        let graph = self.graph();
        graph.observe().await.unwrap();
        let changes = graph.plan().unwrap().into_iter();
        let pending =
            changes.filter(|change| change.action != Action::Keep && !change.kind.contains("helm"));
        pending.map(|change| change.name).collect()
    }

    async fn apply(&self) {
        let graph = self.graph();
        graph.observe().await.unwrap();
        graph.plan().unwrap();
        drop(
            graph
                .apply(&Progress::new(Default::default(), |_| {}))
                .await,
        );
    }
}

fn cluster(files: &Files) -> Cluster {
    let inventory = Inventory::load(files.root()).unwrap();
    let selection = inventory.select(&[], &[CLUSTER.to_owned()]).unwrap();
    let used = inventory.references(&selection).into_iter();
    let values = used
        .map(|used| {
            let r = used.reference;
            let value = plausible(&r.vault, &r.item, &r.field);
            (r, Ok(value.into()))
        })
        .collect();
    inventory.resolve(&selection, &values).unwrap().remove(0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment what the machine has"
)]
fn assets() -> Option<PathBuf> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from)?;
    assets.join("kube-apiserver").exists().then_some(assets)
}

#[test]
fn a_real_api_server_takes_the_baseline_twice_the_second_time_without_change() {
    let Some(assets) = assets() else {
        peers::skip("KUBEBUILDER_ASSETS with etcd and kube-apiserver");
        return;
    };
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), r#"{"rules":[]}"#);
    let server = ApiServer::start(&assets, &lab);
    let cluster = cluster(&files);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let identity = Identity {
            pipeline: "p".into(),
            role: "qa".into(),
            commit: None,
        };
        let target = Target {
            account: ACCOUNT.into(),
            region: "us-east-1".into(),
            assume_role: cluster.settings.aws_assume_role.to_string(),
        };
        let env = lab.exports().into_iter();
        let env = env.chain([("PSK_HELM".to_owned(), "/nowhere/helm".to_owned())]);
        let aws = Aws::new(env.collect(), identity, 1024).await.unwrap();
        let session = aws.session(&target).await.unwrap();
        let purpose = Purpose::Change;
        let access = Access::open(&session, CLUSTER, &server.endpoint, purpose).await;
        let access = access.unwrap();
        define(&access).await;
        let facts = Facts {
            arn: target.arn("eks", &format!("cluster/{CLUSTER}")),
            version: cluster.settings.eks_version,
            applied: None,
            made_by_psk: true,
            is_going: false,
            access: Reached {
                endpoint: server.endpoint.url.clone(),
                certificate_authority: server.endpoint.certificate_authority.clone(),
                ..Reached::default()
            },
        };
        let scene = Scene {
            cluster,
            session,
            facts,
        };
        let first = scene.pending().await;
        for name in [
            "Namespace psk-system",
            "NodePool default-amd-node-pool",
            "EC2NodeClass default-node-class",
        ] {
            assert!(
                first.iter().any(|pending| pending == name),
                "{name} in {first:?}"
            );
        }
        scene.apply().await;
        assert_eq!(scene.pending().await, [""; 0]);
        let version = async || {
            let class = format!("{CLUSTER}-efs-csi-storage-class");
            let found = access
                .get::<Json>(&psk::kubernetes::kinds::STORAGE_CLASS, None, &class)
                .await
                .unwrap();
            found["metadata"]["resourceVersion"].clone()
        };
        let before = version().await;
        scene.apply().await;
        assert_eq!(version().await, before);
    });
}
