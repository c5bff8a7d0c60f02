//! Charts installed by Helm's own engine, through psk's own code path, into the lab's Kubernetes API.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::harness::{Api, Files, Run, Served, psk, world_of};
use crate::peers;

const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// A chart of Karpenter's kinds, as small as one can be.
const KIND: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: PLURAL.GROUP }
spec:
  group: GROUP
  scope: Cluster
  names: { plural: PLURAL, singular: SINGULAR, kind: KIND }
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true }
";

/// What stands for Karpenter: settings out of the values, and nothing that runs.
const KARPENTER: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: karpenter-settings, namespace: {{ .Release.Namespace }} }
data:
  queue: {{ .Values.settings.interruptionQueue | quote }}
  chart: {{ .Chart.Version | quote }}
";

/// What no API server takes.
const BROKEN: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: Not_A_Name, namespace: {{ .Release.Namespace }} }
";

/// An inventory with charts in a directory, and a helm that installs them with Helm's own engine; `None` where
/// there is no Python to run that.
pub(crate) fn with_helm(files: Files) -> Option<(Files, PathBuf)> {
    let python = peers::python("helm")?.join("python");
    let charts = files.root().join("charts").display().to_string();
    let helm = files.root().join("helm");
    let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/helm.py");
    let script = format!(
        "#!/bin/sh\nexec '{}' '{}' \"$@\"\n",
        python.display(),
        shim.display()
    );
    let files = files.with("helm", &script).with(
        "environments/qa.yaml",
        &format!("karpenter: {{ repository: \"{charts}\" }}\n"),
    );
    fs::set_permissions(&helm, fs::Permissions::from_mode(0o755)).unwrap();
    Some((with_charts(files, "1.11.1", KARPENTER), helm))
}

/// With charts of that version: Karpenter's kinds, as small as definitions can be, and what stands for
/// Karpenter.
fn with_charts(files: Files, version: &str, karpenter: &str) -> Files {
    let about = |name: &str| {
        format!("apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: {version}\n")
    };
    let kinds = [
        ("nodepools", "nodepool", "NodePool", "karpenter.sh"),
        ("nodeclaims", "nodeclaim", "NodeClaim", "karpenter.sh"),
        (
            "ec2nodeclasses",
            "ec2nodeclass",
            "EC2NodeClass",
            "karpenter.k8s.aws",
        ),
    ];
    let kinds = kinds.map(|(plural, singular, kind, group)| {
        KIND.replace("PLURAL", plural)
            .replace("SINGULAR", singular)
            .replace("KIND }", &format!("{kind} }}"))
            .replace("GROUP", group)
    });
    files
        .with("charts/karpenter-crd/Chart.yaml", &about("karpenter-crd"))
        .with(
            "charts/karpenter-crd/templates/kinds.yaml",
            &kinds.join("---\n"),
        )
        .with("charts/karpenter/Chart.yaml", &about("karpenter"))
        .with("charts/karpenter/templates/settings.yaml", karpenter)
}

struct Scene {
    files: Files,
    lab: Served,
    helm: PathBuf,
}

impl Scene {
    /// A cluster without Karpenter, charts in a directory, and a helm; `None` where there is no
    /// Python to run Helm's engine.
    fn new() -> Option<Self> {
        let clusters = format!("clusters:\n  {CLUSTER}: {{ aws_region: us-east-1 }}\n");
        let files = Files::small().with("roles/qa.yaml", &clusters);
        let mut world = serde_json::to_value(world_of(&files, "current")).unwrap();
        without_charts(&mut world);
        let lab = Served::fast(serde_json::from_value(world).unwrap(), "{}");
        let (files, helm) = with_helm(files)?;
        Some(Self { files, lab, helm })
    }

    fn with_charts(self, version: &str, karpenter: &str) -> Self {
        let files = with_charts(self.files, version, karpenter);
        Self { files, ..self }
    }

    fn asking_for(self, from: &str, to: &str) -> Self {
        let files = self.files.replace("environments/default.yaml", from, to);
        Self { files, ..self }
    }

    fn apply(&self) -> Run {
        let helm = self.helm.display().to_string();
        psk(["apply", "--output=json", "--cluster", CLUSTER])
            .at(&self.files)
            .inside(&self.lab)
            .env("PSK_HELM", &helm)
            .env("HOME", &self.files.root().display().to_string())
            .run()
    }

    fn settings(&self) -> Json {
        let api = Api::of(&self.files, &self.lab, CLUSTER);
        api.get("/api/v1/namespaces/kube-system/configmaps/karpenter-settings")["data"].clone()
    }

    /// The revisions of a release, each with its state.
    fn revisions(&self, release: &str) -> Vec<String> {
        let api = Api::of(&self.files, &self.lab, CLUSTER);
        let all = api.get("/api/v1/namespaces/kube-system/secrets?labelSelector=owner%3Dhelm");
        let label = |secret: &Json, name: &str| {
            secret["metadata"]["labels"][name]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let secrets = all["items"].as_array().unwrap().iter();
        let own = secrets.filter(|secret| label(secret, "name") == release);
        own.map(|secret| format!("{} {}", label(secret, "version"), label(secret, "status")))
            .collect()
    }
}

/// Takes what the lab would have installed by itself out of a world.
fn without_charts(world: &mut Json) {
    match world {
        Json::Object(fields) => {
            if let Some(charts) = fields.get_mut("charts").filter(|charts| charts.is_array()) {
                *charts = json!([]);
            }
            fields.values_mut().for_each(without_charts);
        }
        Json::Array(items) => items.iter_mut().for_each(without_charts),
        _ => {}
    }
}

fn changes(run: &Run, release: &str) -> Json {
    let cluster = run.cluster(CLUSTER);
    let resources = cluster["plan"]["resources"].as_array().unwrap();
    let is_it =
        |resource: &&Json| resource["kind"] == "helm_release" && resource["name"] == release;
    resources.iter().find(is_it).unwrap()["action"].clone()
}

#[test]
fn helm_itself_installs_upgrades_and_recovers_through_psk() {
    let Some(scene) = Scene::new() else { return };

    let run = scene.apply().ended(0);
    assert_eq!(changes(&run, "karpenter"), "create");
    assert_eq!(
        scene.settings(),
        json!({"queue": format!("Karpenter-{CLUSTER}"), "chart": "1.11.1"})
    );
    assert_eq!(scene.revisions("karpenter-crd"), ["1 deployed"]);
    assert_eq!(scene.revisions("karpenter"), ["1 deployed"]);

    let run = scene.apply().ended(0);
    assert_eq!(
        run.cluster(CLUSTER)["outcome"],
        "unchanged",
        "{}",
        run.stdout
    );
    assert_eq!(scene.revisions("karpenter"), ["1 deployed"]);

    let scene = scene
        .with_charts("1.11.2", KARPENTER)
        .asking_for("1.11.1", "1.11.2");
    let run = scene.apply().ended(0);
    assert_eq!(changes(&run, "karpenter"), "update");
    assert_eq!(scene.settings()["chart"], "1.11.2");
    assert_eq!(scene.revisions("karpenter"), ["1 superseded", "2 deployed"]);

    let broken = format!("{KARPENTER}---\n{BROKEN}");
    let scene = scene
        .with_charts("1.11.3", &broken)
        .asking_for("1.11.2", "1.11.3");
    let run = scene.apply().ended(10);
    let failure = run.cluster(CLUSTER)["failure"].clone();
    let cause = failure["cause"].as_str().unwrap();
    assert!(cause.contains("Not_A_Name"), "{failure:#}");
    assert_eq!(
        scene.revisions("karpenter"),
        ["1 superseded", "2 deployed", "3 failed"]
    );

    let scene = scene.with_charts("1.11.3", KARPENTER);
    scene.apply().ended(0);
    assert_eq!(scene.settings()["chart"], "1.11.3");
    let revisions = scene.revisions("karpenter");
    assert_eq!(revisions.last().unwrap(), "4 deployed", "{revisions:?}");
    let run = scene.apply().ended(0);
    assert_eq!(
        run.cluster(CLUSTER)["outcome"],
        "unchanged",
        "{}",
        run.stdout
    );
}
