//! The lab's Kubernetes API driven by clients that other people wrote, which get in by psk's own
//! kubeconfig and exec plugin: kubectl, and the official client for Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::harness::{Files, Served, world_of};
use crate::peers;

const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// How much faster time passes, so that pods start and end soon.
const SPEED: f64 = 20.0;

/// A cluster and a kubeconfig for it.
struct Cluster {
    files: Files,
    lab: Served,
    kubeconfig: PathBuf,
}

impl Cluster {
    fn start() -> Self {
        let files = Files::small();
        let lab = Served::at(world_of(&files, "current"), r#"{"rules":[]}"#, SPEED);
        let kubeconfig = lab.kubeconfig(&files, CLUSTER);
        Self {
            files,
            lab,
            kubeconfig,
        }
    }

    /// A program that finds the cluster, and psk for its token.
    fn command(&self, program: &Path) -> Command {
        let psk = Path::new(env!("CARGO_BIN_EXE_psk"));
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", psk.parent().unwrap())
            .env("HOME", self.files.root())
            .env("KUBECONFIG", &self.kubeconfig)
            .envs(self.lab.exports())
            .current_dir(self.files.root());
        command
    }
}

/// kubectl, with what it was told to do.
struct Kubectl {
    cluster: Cluster,
    program: PathBuf,
}

impl Kubectl {
    fn output(&self, words: &str) -> Output {
        let words = words.split_whitespace();
        self.cluster
            .command(&self.program)
            .args(words)
            .output()
            .unwrap()
    }

    /// What it prints as it succeeds.
    #[track_caller]
    fn does(&self, words: &str) -> String {
        let output = self.output(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {words}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What it says as it fails.
    #[track_caller]
    fn refuses(&self, words: &str) -> String {
        let output = self.output(words);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            !output.status.success(),
            "kubectl {words} succeeded: {told}"
        );
        String::from_utf8(output.stderr).unwrap()
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.cluster.files.root().join(name), text).unwrap();
    }
}

const MANIFEST: &str = r#"apiVersion: v1
kind: Namespace
metadata: { name: team }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: team, labels: { app: web } }
data: { colour: green }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: team }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      tolerations: [{ key: dedicated, operator: Exists }]
      containers:
        - { name: web, image: "public.ecr.aws/nginx/nginx:1.29", ports: [{ containerPort: 80 }] }
"#;

const JOB: &str = r#"apiVersion: v1
kind: Pod
metadata: { name: once, namespace: team }
spec:
  restartPolicy: Never
  tolerations: [{ key: dedicated, operator: Exists }]
  containers: [{ name: once, image: busybox, command: [sh, -c, "echo done by $HOSTNAME"] }]
"#;

#[test]
fn kubectl_applies_gets_waits_patches_and_deletes() {
    let Some(tools) = peers::kube_tools() else {
        return;
    };
    let kubectl = Kubectl {
        cluster: Cluster::start(),
        program: tools.join("kubectl"),
    };
    let version: Json = serde_json::from_str(&kubectl.does("version -o json")).unwrap();
    assert_eq!(version["serverVersion"]["minor"], "35");
    kubectl.file("all.yaml", MANIFEST);
    assert_eq!(
        kubectl.does("apply -f all.yaml"),
        "namespace/team created\nconfigmap/settings created\ndeployment.apps/web created"
    );
    assert_eq!(
        kubectl.does("apply -f all.yaml"),
        "namespace/team unchanged\nconfigmap/settings unchanged\ndeployment.apps/web unchanged"
    );
    kubectl.file(
        "all.yaml",
        &MANIFEST
            .replace("replicas: 2", "replicas: 1")
            .replace("green", "blue"),
    );
    assert_eq!(
        kubectl.does("apply -f all.yaml"),
        "namespace/team unchanged\nconfigmap/settings configured\ndeployment.apps/web configured"
    );
    assert_eq!(
        kubectl
            .does("wait --namespace team --for=condition=Available deployment/web --timeout=20s"),
        "deployment.apps/web condition met"
    );
    assert!(
        kubectl
            .does("rollout status --namespace team deployment/web")
            .contains("successfully rolled out")
    );
    assert_eq!(
        kubectl.does("get --namespace team deployment/web -o jsonpath={.status.readyReplicas}"),
        "1"
    );
    let table = kubectl.does("get --namespace team deployments,configmaps -l app=web");
    let row = table
        .lines()
        .find(|line| line.starts_with("configmap/settings"))
        .unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("1"), "{table}");
    let nodes = kubectl.does("get nodes");
    assert!(
        nodes.starts_with("NAME") && nodes.contains(" Ready "),
        "{nodes}"
    );
    // What was only scaled keeps its replica set.
    let described = kubectl.does("describe --namespace team deployment/web");
    assert!(described.contains("OldReplicaSets:  <none>"), "{described}");

    let patch = r#"{"data":{"colour":"red"}}"#;
    for (kind, text) in [
        ("merge", patch),
        ("strategic", r#"{"data":{"size":"10"}}"#),
        ("json", r#"[{"op":"remove","path":"/data/size"}]"#),
    ] {
        kubectl.does(&format!(
            "patch --namespace team configmap/settings --type {kind} --patch {text}"
        ));
    }
    assert_eq!(
        kubectl.does("get --namespace team configmap/settings -o jsonpath={.data}"),
        patch[8..patch.len() - 1]
    );
    kubectl.does("scale --namespace team deployment/web --replicas=2");
    kubectl.does("label --namespace team configmap/settings tier=front");
    kubectl.does("annotate --namespace team configmap/settings note=one");

    kubectl.file("once.yaml", JOB);
    kubectl.does("create -f once.yaml");
    kubectl.does(
        "wait --namespace team --for=jsonpath={.status.phase}=Succeeded pod/once --timeout=20s",
    );
    assert_eq!(kubectl.does("logs --namespace team once"), "done by once");
    let refused = kubectl.refuses("create -f once.yaml");
    assert!(
        refused.contains(r#"(AlreadyExists)"#) && refused.contains(r#"pods "once" already exists"#),
        "{refused}"
    );
    kubectl.file(
        "wrong.yaml",
        &JOB.replace("restartPolicy: Never", "restartPolicies: Never"),
    );
    let refused = kubectl.refuses("apply -f wrong.yaml");
    assert!(
        refused.contains(r#"unknown field "spec.restartPolicies""#),
        "{refused}"
    );
    let missing = kubectl.refuses("get --namespace team pod/none");
    assert_eq!(
        missing.trim(),
        r#"Error from server (NotFound): pods "none" not found"#
    );

    let kinds = kubectl.does("api-resources -o name");
    for kind in [
        "pods",
        "deployments.apps",
        "storageclasses.storage.k8s.io",
        "nodepools.karpenter.sh",
    ] {
        assert!(kinds.lines().any(|line| line == kind), "{kind} in {kinds}");
    }
    assert_eq!(
        kubectl.does("delete namespace team --timeout=30s"),
        "namespace \"team\" deleted"
    );
    let missing = kubectl.refuses("get namespace team");
    assert!(missing.contains("NotFound"), "{missing}");
}

#[test]
fn kubectl_is_told_of_conflicts_of_server_side_apply() {
    let Some(tools) = peers::kube_tools() else {
        return;
    };
    let kubectl = Kubectl {
        cluster: Cluster::start(),
        program: tools.join("kubectl"),
    };
    let settings = |colour: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: settings, namespace: default }}\ndata: {{ colour: {colour} }}\n"
        )
    };
    kubectl.file("one.yaml", &settings("green"));
    kubectl.file("two.yaml", &settings("blue"));
    let applied = "configmap/settings serverside-applied";
    let version = "get configmap/settings -o jsonpath={.metadata.resourceVersion}";
    assert_eq!(
        kubectl.does("apply --server-side --field-manager one -f one.yaml"),
        applied
    );
    let first = kubectl.does(version);
    assert_eq!(
        kubectl.does("apply --server-side --field-manager one -f one.yaml"),
        applied
    );
    assert_eq!(kubectl.does(version), first);
    let refused = kubectl.refuses("apply --server-side --field-manager two -f two.yaml");
    assert!(
        refused.contains("Apply failed with 1 conflict: conflict with \"one\": .data.colour"),
        "{refused}"
    );
    kubectl.does(
        "apply --server-side --dry-run=server --force-conflicts --field-manager two -f two.yaml",
    );
    assert_eq!(kubectl.does(version), first);
    assert_eq!(
        kubectl.does("apply --server-side --force-conflicts --field-manager two -f two.yaml"),
        applied
    );
    let managers = kubectl.does("get configmap/settings --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}");
    assert_eq!(managers, "two");
}

#[test]
fn the_python_client_applies_lists_watches_patches_and_deletes() {
    let Some(programs) = peers::python("kubernetes") else {
        return;
    };
    let cluster = Cluster::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/kubernetes_client.py");
    let mut command = cluster.command(&programs.join("python"));
    let output = peers::run(command.arg(script));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "all of it held"
    );
}
