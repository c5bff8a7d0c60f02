//! What psk keeps inside clusters: objects, Karpenter, and what teams add, in the same plan as the rest.

use jiff::Timestamp;
use psk_lab::kubernetes::{Inside, Mishap, Trouble};
use serde_json::{Value as Json, json};

use crate::harness::{Api, Files, Psk, Run, Served, psk, world_of};

const ACCOUNT: &str = "221155668855";
const REGION: &str = "us-east-1";
const CLUSTER: &str = "qa-i01-aws-us-east-1";
const POOL: &str = "/apis/karpenter.sh/v1/nodepools/default-amd-node-pool";

/// A world, and an inventory of one cluster in it.
struct Scene {
    files: Files,
    lab: Served,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab's time is made of real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn one_cluster() -> Files {
    let clusters = format!("clusters:\n  {CLUSTER}: {{ aws_region: us-east-1 }}\n");
    Files::small().with("roles/qa.yaml", &clusters)
}

impl Scene {
    fn new(start: &str) -> Self {
        Self::of(one_cluster(), start)
    }

    fn of(files: Files, start: &str) -> Self {
        let lab = Served::fast(world_of(&files, start), "{}");
        Self { files, lab }
    }

    fn psk<'a, const N: usize>(&'a self, args: [&str; N]) -> Psk<'a> {
        psk(args)
            .arg("--output=json")
            .arg("--cluster")
            .arg(CLUSTER)
            .at(&self.files)
            .inside(&self.lab)
    }

    fn plan(&self) -> Run {
        self.psk(["plan"]).run().ended(0)
    }

    fn apply(&self) -> Psk<'_> {
        self.psk(["apply"])
    }

    fn api(&self) -> Api {
        Api::of(&self.files, &self.lab, CLUSTER)
    }

    fn inside(&self, visit: impl FnOnce(&mut Inside)) {
        self.lab.with_world(|world| {
            visit(world.kubernetes(ACCOUNT, REGION, CLUSTER, now()).unwrap());
        });
    }

    fn befall(&self, of: Mishap, name: &str) {
        let trouble = Trouble {
            of,
            name_contains: name.to_owned(),
            times: Some(1),
        };
        self.inside(|inside| inside.troubles.push(trouble));
    }

    /// The calls that changed something.
    fn written(&self) -> Vec<String> {
        let calls = self.lab.calls();
        // That a role was tried, its commit status tells.
        let writes = calls.iter().filter(|c| c.writes && c.service != "github");
        writes
            .map(|call| format!("{}:{}", call.service, call.operation))
            .collect()
    }
}

/// What a plan says of a resource.
fn resource(run: &Run, name: &str) -> Json {
    let cluster = run.cluster(CLUSTER);
    let resources = cluster["plan"]["resources"].as_array().unwrap();
    let found = resources.iter().find(|resource| resource["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {name}: {cluster:#}"))
        .clone()
}

fn failure(run: &Run) -> String {
    let failure = run.cluster(CLUSTER)["failure"].clone();
    let text = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
    format!("{}: {} | {}", text("doing"), text("cause"), text("next"))
}

#[test]
fn a_right_inside_costs_few_calls_and_a_second_apply_changes_nothing() {
    let scene = Scene::new("current");
    let paths = [
        "/api/v1/namespaces/psk-system",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/psk-admin-clusterrolebinding",
        "/apis/storage.k8s.io/v1/storageclasses/qa-i01-aws-us-east-1-efs-csi-storage-class",
        "/apis/karpenter.k8s.aws/v1/ec2nodeclasses/default-node-class",
        POOL,
        "/api/v1/namespaces/psk-system/configmaps/psk-baseline",
    ];
    let api = scene.api();
    let versions = || paths.map(|path| api.get(path)["metadata"]["resourceVersion"].clone());
    let before = versions();
    // No helm is needed where no chart changes.
    let run = scene
        .apply()
        .env("PSK_HELM", "/nowhere/helm")
        .run()
        .ended(0);
    assert_eq!(
        run.cluster(CLUSTER)["outcome"],
        "unchanged",
        "{}",
        run.stdout
    );
    assert_eq!(versions(), before);
    let written = scene.written();
    let inside = written.iter().find(|call| call.starts_with("kubernetes:"));
    assert_eq!(inside, None);
    let calls = run.cluster(CLUSTER)["calls"]["by_operation"].clone();
    let inside = calls.as_object().unwrap().iter();
    let inside = inside.filter(|(operation, _)| operation.starts_with("kubernetes:"));
    let inside: u64 = inside.map(|(_, times)| times.as_u64().unwrap()).sum();
    assert!(inside <= 16, "{calls:#}");
}

#[test]
fn what_was_changed_by_hand_is_shown_and_put_back_and_what_others_own_survives() {
    let scene = Scene::new("current");
    let api = scene.api();
    api.edit(
        POOL,
        &json!({
            "metadata": {"labels": {"team": "payments"}},
            "spec": {"limits": {"cpu": "800"}, "weight": 7},
        }),
    );
    let pool = resource(&scene.plan(), "NodePool default-amd-node-pool");
    assert_eq!(pool["action"], "update");
    assert_eq!(
        pool["attributes"],
        json!([{"path": "spec.limits.cpu", "old": "800", "new": {"value": "80"}}])
    );
    let reason = pool["reason"].as_str().unwrap();
    assert!(
        reason.contains("conflict with \"kubectl-edit\""),
        "{reason}"
    );
    scene.apply().run().ended(0);
    let now = api.get(POOL);
    assert_eq!(
        now["spec"]["limits"],
        json!({"cpu": "80", "memory": "320Gi"})
    );
    assert_eq!(now["spec"]["weight"], 7);
    assert_eq!(now["metadata"]["labels"]["team"], "payments");
    let run = scene.plan();
    assert_eq!(
        run.cluster(CLUSTER)["outcome"],
        "unchanged",
        "{}",
        run.stdout
    );
}

#[test]
fn what_can_not_be_changed_in_place_is_made_anew() {
    let scene = Scene::new("current");
    let kind = "clusterrolebindings.rbac.authorization.k8s.io";
    let name = "psk-admin-clusterrolebinding";
    scene.inside(|inside| {
        let mut binding = inside.get(kind, None, name).unwrap().clone();
        binding["roleRef"]["name"] = json!("view");
        assert!(inside.put(binding, now()));
    });
    let binding = resource(&scene.plan(), &format!("ClusterRoleBinding {name}"));
    assert_eq!(binding["action"], "replace");
    scene.apply().run().ended(0);
    scene.inside(|inside| {
        let binding = inside.get(kind, None, name).unwrap();
        assert_eq!(binding["roleRef"]["name"], "cluster-admin");
    });
}

#[test]
fn who_applies_the_same_field_is_named_and_nothing_is_fought_over() {
    let scene = Scene::new("current");
    scene.api().apply(
        POOL,
        "argocd-controller",
        &json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default-amd-node-pool"},
            "spec": {"limits": {"cpu": "8"}},
        }),
    );
    let run = scene.apply().run().ended(10);
    let told = failure(&run);
    assert!(told.contains("NodePool default-amd-node-pool"), "{told}");
    assert!(told.contains("\"argocd-controller\""), "{told}");
    assert!(told.contains(".spec.limits.cpu"), "{told}");
    assert_eq!(scene.api().get(POOL)["spec"]["limits"]["cpu"], "8");
}

const TEAM: &str = "\
apiVersion: v1
kind: Namespace
metadata: { name: team }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: team }
data: { cluster: \"{{ cluster }}\", region: \"{{ region }}\" }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: where-it-falls }
";

#[test]
fn what_teams_add_is_applied_and_what_nobody_asks_for_any_more_is_removed() {
    let scene = Scene::new("current");
    let file = "environments/manifests/qa/team.yaml";
    let mut scene = Scene {
        files: scene.files.with(file, TEAM),
        ..scene
    };
    let settings = "/api/v1/namespaces/team/configmaps/settings";
    let fallen = "/api/v1/namespaces/default/configmaps/where-it-falls";
    let run = scene.apply().run().ended(0);
    assert_eq!(
        resource(&run, "ConfigMap team/settings")["action"],
        "create"
    );
    let api = scene.api();
    assert_eq!(
        api.get(settings)["data"],
        json!({"cluster": CLUSTER, "region": REGION})
    );
    assert!(api.has(fallen));
    let run = scene.plan();
    assert_eq!(
        run.cluster(CLUSTER)["outcome"],
        "unchanged",
        "{}",
        run.stdout
    );

    // The cluster's own wins over its role's.
    let own = "environments/manifests/qa-i01-aws-us-east-1/settings.yaml";
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings, namespace: team }\ndata: { own: \"1\" }\n";
    scene.files = scene.files.with(own, text);
    scene.apply().run().ended(0);
    assert_eq!(api.get(settings)["data"], json!({"own": "1"}));

    let shorter = TEAM.split("---").take(1).collect::<String>();
    scene.files = scene.files.with(file, &shorter);
    std::fs::remove_file(scene.files.root().join(own)).unwrap();
    let pruned = resource(&scene.plan(), "psk-baseline");
    let gone: Vec<_> = scene.plan().cluster(CLUSTER)["plan"]["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|resource| resource["kind"] == "kubernetes_pruned")
        .flat_map(|resource| resource["attributes"].as_array().unwrap().clone())
        .map(|attribute| format!("{} {}", attribute["path"], attribute["old"]))
        .collect();
    assert_eq!(
        gone,
        [
            "\"ConfigMap\" \"default/where-it-falls\"",
            "\"ConfigMap\" \"team/settings\""
        ],
        "{pruned:#}"
    );
    scene.apply().run().ended(0);
    assert!(!api.has(settings) && !api.has(fallen));
    assert!(api.has("/api/v1/namespaces/team"));
    let run = scene.plan();
    assert_eq!(
        run.cluster(CLUSTER)["outcome"],
        "unchanged",
        "{}",
        run.stdout
    );
}

#[test]
fn what_is_wrong_in_a_teams_manifest_is_told_with_its_place_before_anything_is_called() {
    let files = one_cluster()
        .with(
            "environments/manifests/qa/a.yaml",
            "apiVersion: v1\nkind: Namespace\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: \"{{ nobody }}\" }\n",
        )
        .with(
            "environments/manifests/qa-i01-aws-us-east-1/b.yaml",
            "kind: Namespace\nmetadata: { name: b }\n",
        )
        .with("environments/manifests/qb/c.yaml", "");
    let scene = Scene::of(one_cluster(), "current");
    let scene = Scene { files, ..scene };
    let told = scene.psk(["plan"]).run().refused(12);
    assert!(
        told.contains("environments/manifests/qb is named after no role"),
        "{told}"
    );
    assert_eq!(scene.lab.calls().len(), 0);

    let folder = scene.files.root().join("environments/manifests/qb");
    std::fs::remove_dir_all(folder).unwrap();
    let told = scene.psk(["plan"]).run().refused(12);
    assert!(
        told.contains("environments/manifests/qa/a.yaml:6:"),
        "{told}"
    );
    assert!(
        told.contains("environments/manifests/qa-i01-aws-us-east-1/b.yaml:1:1"),
        "{told}"
    );
    assert!(told.contains("the manifest has no apiVersion"), "{told}");
    assert_eq!(scene.lab.calls().len(), 0);
}

#[test]
fn an_object_that_the_api_server_refuses_is_told_with_where_it_was_written() {
    let scene = Scene::new("current");
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x, namespace: karpenter }\nfoo: 1\n";
    let files = scene.files.with("environments/manifests/qa/x.yaml", text);
    let scene = Scene { files, ..scene };
    let run = scene.psk(["plan"]).run().ended(10);
    let told = failure(&run);
    assert!(
        told.contains("environments/manifests/qa/x.yaml:2:1"),
        "{told}"
    );
    assert!(told.contains("foo"), "{told}");
    // It says so with 500, which would else be tried again for half a minute.
    assert_eq!(run.cluster(CLUSTER)["calls"]["retries"], 0);
}

#[test]
fn without_a_helm_nothing_is_changed_and_how_to_get_one_is_told() {
    let scene = Scene::new("fresh");
    let run = scene
        .apply()
        .env("PSK_HELM", "/nowhere/helm")
        .run()
        .ended(10);
    let told = failure(&run);
    assert!(told.contains("/nowhere/helm"), "{told}");
    assert!(
        told.contains("https://helm.sh/docs/intro/install/"),
        "{told}"
    );
    assert_eq!(scene.written(), <[&str; 0]>::default());
    // To plan it takes none.
    let run = scene.psk(["plan"]).env("PSK_HELM", "/nowhere/helm").run();
    run.ended(0);
}

#[test]
fn a_chart_that_is_too_old_for_a_kubernetes_version_is_refused_before_the_upgrade() {
    let files = one_cluster().replace("environments/default.yaml", "1.11.1", "1.8.2");
    let scene = Scene::of(files, "behind");
    let run = scene.apply().run().ended(10);
    let told = failure(&run);
    assert!(
        told.contains(
            "Karpenter 1.8.2 doesn't support Kubernetes 1.35: 1.9.0 is the oldest that does"
        ),
        "{told}"
    );
    assert!(
        told.contains("set karpenter_chart_version to 1.9.0 or newer"),
        "{told}"
    );
    assert_eq!(scene.lab.count("UpdateClusterVersion"), 0);
}

#[test]
fn a_release_that_failed_or_was_broken_off_is_recovered() {
    for (mishap, left) in [
        (Mishap::ReleaseFails, "failed"),
        (Mishap::ReleasePending, "pending-upgrade"),
    ] {
        let scene = Scene::new("current");
        scene.befall(mishap, "karpenter");
        let files = scene
            .files
            .replace("environments/default.yaml", "1.11.1", "1.11.2");
        let scene = Scene { files, ..scene };
        let told = failure(&scene.apply().run().ended(10));
        assert!(told.contains(left), "{told}");
        let plan = scene.plan();
        let status = |name: &str| resource(&plan, name)["attributes"].to_string();
        let broken = ["karpenter-crd", "karpenter"].map(status).join(" ");
        assert!(broken.contains(left), "{broken}");
        scene.apply().run().ended(0);
        let run = scene.plan();
        assert_eq!(
            run.cluster(CLUSTER)["outcome"],
            "unchanged",
            "{}",
            run.stdout
        );
    }
}

#[test]
fn a_cluster_that_does_not_work_fails_at_verifying_and_says_so() {
    let files = one_cluster().with("environments/qa.yaml", "verify: { deadline: 300ms }\n");
    let scene = Scene::of(files, "current");
    scene.inside(|inside| {
        drop(inside.delete("deployments.apps", Some("kube-system"), "karpenter"));
    });
    let run = scene.psk(["apply", "--only", "karpenter"]).run().ended(10);
    let cluster = run.cluster(CLUSTER);
    assert_eq!(cluster["failure"]["step"], "verify", "{cluster:#}");
    let told = failure(&run);
    assert!(
        told.contains("there is no Deployment kube-system/karpenter"),
        "{told}"
    );
    scene
        .psk(["apply", "--only", "karpenter", "--skip", "karpenter"])
        .run()
        .ended(0);
}

#[test]
fn pods_that_may_not_be_evicted_are_named_where_nodes_are_to_be_rolled() {
    let scene = Scene::new("behind");
    let told = |run: &Run| run.cluster(CLUSTER)["plan"]["warnings"].to_string();
    let before = told(&scene.plan());
    assert!(!before.contains("PodDisruptionBudget"), "{before}");
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "all-of-it", "namespace": "kube-system"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"k8s-app": "kube-dns"}}},
    });
    let path = "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets/all-of-it";
    scene.api().apply(path, "team", &budget);
    let warnings = told(&scene.plan());
    assert!(
        warnings.contains("PodDisruptionBudget kube-system/all-of-it allows no eviction now"),
        "{warnings}"
    );
    assert!(warnings.contains("kube-system/coredns-"), "{warnings}");
}

#[test]
fn a_destroy_has_karpenter_take_its_nodes_away_before_anything_goes() {
    let files = one_cluster().replace(
        "environments/default.yaml",
        "eks_version:",
        "deletion_protection: false\neks_version:",
    );
    let scene = Scene::of(files, "fresh");
    scene.apply().run().ended(0);
    let labels = json!({"app": "web"});
    let web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"nodeSelector": {"kubernetes.io/arch": "amd64"},
                "containers": [{"name": "web", "image": "registry.example/web:1"}]},
        }},
    });
    let path = "/apis/apps/v1/namespaces/default/deployments/web";
    scene.api().apply(path, "team", &web);
    let nodes = || {
        let mut count = 0;
        scene.inside(|inside| count = inside.every("nodeclaims.karpenter.sh").count());
        count
    };
    scene.lab.wait_until(|| nodes() > 0);
    let destroy = scene.psk(["destroy", "--confirm", CLUSTER]);
    let run = destroy.arg("--poll-interval=0.05").run().ended(0);
    assert_eq!(run.cluster(CLUSTER)["outcome"], "changed");
    let written = scene.written();
    let at = |operation: &str| written.iter().position(|call| call.ends_with(operation));
    let (pools, group) = (at("delete nodepools"), at("DeleteNodegroup"));
    assert!(pools.is_some() && pools < group, "{written:#?}");
    let calls = scene.lab.calls();
    let awaited = calls.iter().position(|c| c.operation == "list nodeclaims");
    assert!(awaited.is_some());
}
