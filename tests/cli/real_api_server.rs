//! What psk keeps inside a cluster, applied to a real kube-apiserver with a real etcd behind it, where
//! `KUBEBUILDER_ASSETS` says that they are.

use std::collections::BTreeMap;
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

use crate::harness::{ApiServer, Files, Served, world_of};

const CLUSTER: &str = "qa-i01-aws-us-east-1";
const ACCOUNT: &str = "221155668855";

/// How long definitions may take to be served.
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
        made: Vec::new(),
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

#[test]
fn a_real_api_server_takes_the_baseline_twice_the_second_time_without_change() {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), r#"{"rules":[]}"#);
    let Some(server) = ApiServer::start(&lab) else {
        return;
    };
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
        let endpoint = Endpoint {
            url: server.url.clone(),
            certificate_authority: server.certificate_authority.clone(),
        };
        let purpose = Purpose::Change;
        let access = Access::open(&session, CLUSTER, &endpoint, purpose).await;
        let access = access.unwrap();
        define(&access).await;
        let facts = Facts {
            arn: target.arn("eks", &format!("cluster/{CLUSTER}")),
            version: cluster.settings.eks_version,
            applied: None,
            made_by_psk: true,
            is_going: false,
            access: Reached {
                endpoint: server.url.clone(),
                certificate_authority: server.certificate_authority.clone(),
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
