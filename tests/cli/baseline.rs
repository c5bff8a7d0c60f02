//! What psk keeps inside a cluster, against the lab's Kubernetes API: applied, compared, put back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use psk::aws::{Aws, Identity, Session, Target};
use psk::control_plane::cluster::{Access, Facts};
use psk::inventory::{Cluster, Inventory};
use psk::kubernetes::baseline::{self, Needs};
use psk::kubernetes::{Endpoint, Late, Manifest, of_teams};
use psk::reconcile::plan::{Action, ResourceChange};
use psk::reconcile::{Applied, Error, Grant, Graph, Lookup, Polling, Progress};
use psk_lab::plausible::plausible;
use serde_json::{Value as Json, json};

use crate::harness::{Files, Served, world_of};

const ACCOUNT: &str = "221155668855";
const REGION: &str = "us-east-1";
const CLUSTER: &str = "qa-i01-aws-us-east-1";
const BINDING: &str = "ClusterRoleBinding psk-admin-clusterrolebinding";

/// Something that is known without asking.
struct Known<T>(T);

impl<T: Clone + Send + Sync + 'static> Lookup for Known<T> {
    type Output = T;
    const GRANTS: &'static [Grant] = &[];

    async fn look_up(&self) -> Result<T, Error> {
        Ok(self.0.clone())
    }
}

struct Inside {
    files: Files,
    lab: Served,
    runtime: tokio::runtime::Runtime,
    cluster: Cluster,
    session: Session,
    facts: Facts,
}

impl Inside {
    fn new() -> Self {
        let files = Files::small();
        let lab = Served::start(world_of(&files, "current"), r#"{"rules":[]}"#);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let cluster = cluster(&files);
        let env = lab.exports().into_iter();
        let env = env.chain([("PSK_HELM".to_owned(), "/nowhere/helm".to_owned())]);
        let identity = Identity {
            pipeline: "p".into(),
            role: "qa".into(),
            commit: None,
        };
        let target = Target {
            account: ACCOUNT.into(),
            region: REGION.into(),
            assume_role: cluster.settings.aws_assume_role.to_string(),
        };
        let (session, endpoint) = runtime.block_on(async {
            let aws = Aws::new(env.collect(), identity, 1024).await.unwrap();
            let session = aws.session(&target).await.unwrap();
            let endpoint = Endpoint::of(&session, CLUSTER).await.unwrap();
            (session, endpoint)
        });
        let facts = Facts {
            arn: target.arn("eks", &format!("cluster/{CLUSTER}")),
            version: cluster.settings.eks_version,
            applied: None,
            made_by_psk: true,
            access: Access {
                endpoint: endpoint.url,
                certificate_authority: endpoint.certificate_authority,
                ..Access::default()
            },
        };
        Self {
            files,
            lab,
            runtime,
            cluster,
            session,
            facts,
        }
    }

    fn graph(&self, manifests: &[Manifest]) -> Graph {
        let mut graph = Graph::new();
        let cluster = graph.look_up(Known(self.facts.clone()));
        let text = graph.look_up(Known("fs-0123456789abcdef0".to_owned()));
        let late = || Late::new(&text, |text| text);
        let needs = Needs {
            session: &self.session,
            settings: &self.cluster.settings,
            version: self.cluster.settings.eks_version,
            cluster: &cluster,
            file_system: late(),
            node_role: late(),
            queue: late(),
            tags: &BTreeMap::from([("a:b".to_owned(), "\"quoted\"".to_owned())]),
            ready: &[],
            manifests,
            polling: Polling::default(),
            applies: false,
        };
        baseline::add(&mut graph, &needs).unwrap();
        graph
    }

    fn plan(&self, manifests: &[Manifest]) -> Result<BTreeMap<String, ResourceChange>, Vec<Error>> {
        let graph = self.graph(manifests);
        self.runtime.block_on(graph.observe())?;
        let changes = graph.plan()?;
        Ok(changes.into_iter().map(|c| (c.name.clone(), c)).collect())
    }

    /// Applies what can be applied without helm.
    fn apply(&self, manifests: &[Manifest]) -> Applied {
        let graph = self.graph(manifests);
        let silent = Progress::new(Default::default(), |_| {});
        self.runtime.block_on(async {
            graph.observe().await.unwrap();
            graph.plan().unwrap();
            graph.apply(&silent).await
        })
    }

    fn get(&self, kind: &str, name: &str) -> Option<Json> {
        self.lab.with_world(|world| {
            let inside = world.kubernetes(ACCOUNT, REGION, CLUSTER, now()).unwrap();
            inside.get(kind, None, name).cloned()
        })
    }

    fn put(&self, object: Json) {
        self.lab.with_world(|world| {
            let inside = world.kubernetes(ACCOUNT, REGION, CLUSTER, now()).unwrap();
            assert!(inside.put(object, now()));
        });
    }

    fn binding(&self) -> Json {
        let kind = "clusterrolebindings.rbac.authorization.k8s.io";
        self.get(kind, "psk-admin-clusterrolebinding").unwrap()
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
    reason = "the lab's time is made of real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

#[test]
fn a_second_apply_changes_nothing() {
    let inside = Inside::new();
    // The lab may have it all there already.
    inside.lab.with_world(|world| {
        let inside = world.kubernetes(ACCOUNT, REGION, CLUSTER, now()).unwrap();
        inside.delete(
            "clusterrolebindings.rbac.authorization.k8s.io",
            None,
            "psk-admin-clusterrolebinding",
        );
    });
    assert_eq!(inside.plan(&[]).unwrap()[BINDING].action, Action::Create);
    inside.apply(&[]);
    let first = inside.binding();
    assert_eq!(
        first["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "psk"
    );
    assert_eq!(inside.plan(&[]).unwrap()[BINDING].action, Action::Keep);
    inside.apply(&[]);
    let second = inside.binding();
    assert_eq!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
}

#[test]
fn what_someone_changed_by_hand_is_shown_and_put_back_and_what_others_added_stays() {
    let inside = Inside::new();
    inside.apply(&[]);
    let mut changed = inside.binding();
    changed["subjects"][0]["name"] = json!("others");
    changed["metadata"]["annotations"] = json!({ "team": "theirs" });
    inside.put(changed);
    let plan = inside.plan(&[]).unwrap();
    assert_eq!(plan[BINDING].action, Action::Update);
    let told: Vec<_> = plan[BINDING]
        .attributes
        .iter()
        .map(|a| (a.path.as_str(), a.old.clone()))
        .collect();
    assert_eq!(told, [("subjects[0].name", Some(json!("others")))]);
    inside.apply(&[]);
    let back = inside.binding();
    assert_eq!(
        back["subjects"][0]["name"],
        "ThoughtWorks-DPS/twdps-core-labs-team"
    );
    assert_eq!(back["metadata"]["annotations"]["team"], "theirs");
}

#[test]
fn a_conflict_names_the_other_manager() {
    let inside = Inside::new();
    inside.apply(&[]);
    let mut contested = inside.binding();
    contested["subjects"][0]["name"] = json!("others");
    contested["metadata"]["managedFields"] = json!([{
        "manager": "argocd-controller", "operation": "Apply", "apiVersion": "rbac.authorization.k8s.io/v1",
        "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": { "f:subjects": {}, "f:roleRef": {} },
    }]);
    inside.put(contested);
    let refused = inside.plan(&[]).unwrap_err();
    let told = refused[0].to_string();
    assert!(
        told.contains("argocd-controller") && told.contains(BINDING),
        "{told}"
    );
}

#[test]
fn a_binding_whose_role_is_wrong_is_made_anew() {
    let inside = Inside::new();
    inside.apply(&[]);
    let mut changed = inside.binding();
    changed["roleRef"]["name"] = json!("view");
    inside.put(changed);
    assert_eq!(inside.plan(&[]).unwrap()[BINDING].action, Action::Replace);
    inside.apply(&[]);
    assert_eq!(inside.binding()["roleRef"]["name"], "cluster-admin");
}

#[test]
fn what_a_team_adds_is_applied_and_planned_to_go_once_it_is_no_longer_wanted() {
    let inside = Inside::new();
    let text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team-{{ role }}\n";
    let files = inside.files.root().join("environments/manifests/qa");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("team.yaml"), text).unwrap();
    let known = ["qa".to_owned(), "prod".to_owned()];
    let clusters = [inside.cluster.clone()];
    let manifests = of_teams(inside.files.root(), &clusters, &known).unwrap();
    let manifests = &manifests[CLUSTER];
    let name = "Namespace team-qa";
    assert_eq!(inside.plan(manifests).unwrap()[name].action, Action::Create);
    inside.apply(manifests);
    assert_eq!(inside.plan(manifests).unwrap()[name].action, Action::Keep);
    let without = inside.plan(&[]).unwrap();
    let pruned = &without["psk-baseline"];
    assert_eq!(pruned.kind, "kubernetes_pruned");
    assert_eq!(pruned.action, Action::Delete);
    let gone: Vec<_> = pruned
        .attributes
        .iter()
        .map(|a| (a.path.as_str(), a.old.clone()))
        .collect();
    assert_eq!(gone, [("Namespace", Some(json!("team-qa")))]);
}
