//! What psk keeps inside a cluster, applied to a real kube-apiserver with a real etcd behind it, where
//! `KUBEBUILDER_ASSETS` says that they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use psk::aws::Session;
use psk::control_plane::cluster::{Access as Reached, Facts};
use psk::inventory::{Cluster, Inventory};
use psk::kubernetes::baseline::{self, Needs};
use psk::kubernetes::{Access, Endpoint, Late, Shared, Templates};
use psk::reconcile::plan::Action;
use psk::reconcile::{Error, Grant, Graph, Lookup, Polling, Progress};
use psk_lab::plausible::plausible;
use serde_json::Value as Json;

use crate::harness::{ApiServer, Files, Served, world_of};
use crate::helm::with_helm;

const CLUSTER: &str = "qa-i01-aws-us-east-1";
const ACCOUNT: &str = "221155668855";

/// Something that is known without asking.
struct Known<T>(T);

impl<T: Clone + Send + Sync + 'static> Lookup for Known<T> {
    type Output = T;
    const GRANTS: &'static [Grant] = &[];

    async fn look_up(&self) -> Result<T, Error> {
        Ok(self.0.clone())
    }
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
            templates: &Templates::default(),
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

    /// What there is to do, by the names of objects and charts.
    async fn pending(&self) -> Vec<String> {
        let graph = self.graph();
        graph.observe().await.unwrap();
        let changes = graph.plan().unwrap().into_iter();
        let pending = changes.filter(|change| change.action != Action::Keep);
        pending.map(|change| change.name).collect()
    }

    async fn apply(&self) {
        let graph = self.graph();
        graph.observe().await.unwrap();
        graph.plan().unwrap();
        let progress = Progress::new(Default::default(), |_| {});
        let applied = graph.apply(&progress).await;
        assert!(applied.failed.is_empty(), "{:?}", applied.failed);
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
    let Some((files, helm)) = with_helm(Files::small()) else {
        return;
    };
    let lab = Served::start(world_of(&files, "current"), r#"{"rules":[]}"#);
    let Some(server) = ApiServer::start(&lab) else {
        return;
    };
    let cluster = cluster(&files);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let helm = ("PSK_HELM", helm.display().to_string());
        let home = ("HOME", files.root().display().to_string());
        let session = lab.session(ACCOUNT, &[helm, home]).await;
        let endpoint = Endpoint {
            url: server.url.clone(),
            certificate_authority: server.certificate_authority.clone(),
        };
        let access = Access::open(&session, CLUSTER, &endpoint).await;
        let access = access.unwrap();
        let facts = Facts {
            arn: format!("arn:aws:eks:us-east-1:{ACCOUNT}:cluster/{CLUSTER}"),
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
            "karpenter-crd",
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
