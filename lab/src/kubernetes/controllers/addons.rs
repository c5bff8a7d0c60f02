//! What EKS add-ons put into `kube-system`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::facts::{Addon, Facts};
use super::super::inside::Inside;
use super::super::kinds;
use super::super::object::Object;
use super::super::write::{self, Deletion};
use super::bootstrap;

const SYSTEM: &str = "kube-system";
const ADDON: &str = "psk-lab.internal/addon";

/// A workload of an add-on.
struct Workload {
    /// Whether it runs on every node; else so many replicas.
    replicas: Option<i64>,
    name: &'static str,
    account: &'static str,
    containers: &'static [&'static str],
    /// Where its configuration says how it is placed.
    configured: &'static str,
    critical: &'static str,
}

const fn daemon(
    name: &'static str,
    account: &'static str,
    containers: &'static [&'static str],
) -> Workload {
    Workload {
        replicas: None,
        name,
        account,
        containers,
        configured: "/node",
        critical: "system-node-critical",
    }
}

const fn deployed(
    name: &'static str,
    account: &'static str,
    containers: &'static [&'static str],
    configured: &'static str,
) -> Workload {
    Workload {
        replicas: Some(2),
        name,
        account,
        containers,
        configured,
        critical: "system-cluster-critical",
    }
}

/// What each add-on runs. Source: the manifests that the add-ons' own projects publish.
const fn workloads(addon: &str) -> &'static [Workload] {
    const CNI: &[Workload] = &[daemon(
        "aws-node",
        "aws-node",
        &["aws-node", "aws-eks-nodeagent"],
    )];
    const PROXY: &[Workload] = &[daemon("kube-proxy", "kube-proxy", &["kube-proxy"])];
    const DNS: &[Workload] = &[deployed("coredns", "coredns", &["coredns"], "")];
    const EBS: &[Workload] = &[
        daemon(
            "ebs-csi-node",
            "ebs-csi-node-sa",
            &["ebs-plugin", "node-driver-registrar", "liveness-probe"],
        ),
        deployed(
            "ebs-csi-controller",
            "ebs-csi-controller-sa",
            &[
                "ebs-plugin",
                "csi-provisioner",
                "csi-attacher",
                "csi-snapshotter",
                "csi-resizer",
                "liveness-probe",
            ],
            "/controller",
        ),
    ];
    const EFS: &[Workload] = &[
        daemon(
            "efs-csi-node",
            "efs-csi-node-sa",
            &["efs-plugin", "csi-driver-registrar", "liveness-probe"],
        ),
        deployed(
            "efs-csi-controller",
            "efs-csi-controller-sa",
            &["efs-plugin", "csi-provisioner", "liveness-probe"],
            "/controller",
        ),
    ];
    const AGENT: &[Workload] = &[daemon(
        "eks-pod-identity-agent",
        "default",
        &["eks-pod-identity-agent"],
    )];
    match addon.as_bytes() {
        b"vpc-cni" => CNI,
        b"kube-proxy" => PROXY,
        b"coredns" => DNS,
        b"aws-ebs-csi-driver" => EBS,
        b"aws-efs-csi-driver" => EFS,
        b"eks-pod-identity-agent" => AGENT,
        _ => &[],
    }
}

/// Brings what add-ons run to what EKS says of them.
pub(super) fn run(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let brought_in = inside.addons.as_ref();
    if brought_in.is_some_and(|(addons, deletions)| {
        *addons == facts.addons && *deletions == inside.deletions
    }) {
        return;
    }
    let deletions = inside.deletions;
    for addon in &facts.addons {
        for workload in workloads(&addon.name) {
            install(inside, facts, addon, workload, now);
        }
        driver(inside, addon, now);
    }
    remove(inside, facts, now);
    inside.addons = Some((facts.addons.clone(), deletions));
}

fn driver(inside: &mut Inside, addon: &Addon, now: Timestamp) {
    let name = match addon.name.as_str() {
        "aws-ebs-csi-driver" => "ebs.csi.aws.com",
        "aws-efs-csi-driver" => "efs.csi.aws.com",
        _ => return,
    };
    let driver = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": { "name": name },
        "spec": { "attachRequired": name == "ebs.csi.aws.com", "podInfoOnMount": false },
    });
    bootstrap::make(inside, driver, now);
}

fn labels(addon: &str, workload: &Workload) -> Value {
    match addon {
        "coredns" => json!({ "k8s-app": "kube-dns", "eks.amazonaws.com/component": "coredns" }),
        "vpc-cni" => json!({ "k8s-app": "aws-node", "app.kubernetes.io/name": "aws-node" }),
        "kube-proxy" => json!({ "k8s-app": "kube-proxy" }),
        _ => json!({ "app": workload.name, "app.kubernetes.io/name": addon }),
    }
}

fn install(inside: &mut Inside, facts: &Facts, addon: &Addon, workload: &Workload, now: Timestamp) {
    let at = addon.since.max(facts.made).min(now);
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": workload.account, "namespace": SYSTEM } });
    bootstrap::make(inside, account, at);
    let config = addon.configuration.as_deref();
    let config: Value = config
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let config = config
        .pointer(workload.configured)
        .cloned()
        .unwrap_or_default();
    let labels = labels(&addon.name, workload);
    let containers: Vec<Value> = workload
        .containers
        .iter()
        .map(|name| json!({ "name": name, "image": format!("602401143452.dkr.ecr.{}.amazonaws.com/eks/{name}:{}", facts.region, addon.version),
            "resources": { "requests": { "cpu": "10m", "memory": "40Mi" } } }))
        .collect();
    let mut spec = json!({ "serviceAccountName": workload.account, "priorityClassName": workload.critical, "containers": containers });
    if workload.replicas.is_none() {
        spec["tolerations"] = json!([{ "operator": "Exists" }]);
        spec["hostNetwork"] = matches!(addon.name.as_str(), "vpc-cni" | "kube-proxy").into();
    } else {
        spec["tolerations"] = json!([{ "key": "CriticalAddonsOnly", "operator": "Exists" }]);
    }
    for member in ["nodeSelector", "tolerations", "affinity"] {
        if !config[member].is_null() {
            spec[member] = config[member].clone();
        }
    }
    let kind = if workload.replicas.is_some() {
        "Deployment"
    } else {
        "DaemonSet"
    };
    let qualified = if workload.replicas.is_some() {
        "deployments.apps"
    } else {
        "daemonsets.apps"
    };
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": { "name": workload.name, "namespace": SYSTEM, "labels": labels,
            "annotations": { ADDON: format!("{} {}", addon.name, addon.version) } },
        "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": spec } },
    });
    if let Some(replicas) = workload.replicas {
        object["spec"]["replicas"] = config["replicaCount"].as_i64().unwrap_or(replicas).into();
    }
    bootstrap::keep(inside, qualified, object, at);
    if workload.name == "coredns" {
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "kube-dns", "namespace": SYSTEM, "labels": labels },
            "spec": { "clusterIP": "172.20.0.10", "selector": labels, "ports": [{ "name": "dns", "port": 53, "protocol": "UDP" }, { "name": "dns-tcp", "port": 53 }] } });
        bootstrap::make(inside, service, at);
    }
    if let Some(replicas) = workload.replicas
        && replicas > 1
    {
        let budget = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": workload.name, "namespace": SYSTEM },
            "spec": { "maxUnavailable": 1, "selector": { "matchLabels": labels } } });
        bootstrap::make(inside, budget, at);
    }
}

/// What belongs to an add-on that EKS has taken away goes.
fn remove(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    for qualified in ["deployments.apps", "daemonsets.apps"] {
        let Some(kind) = kinds::stored(inside, qualified) else {
            continue;
        };
        let gone: Vec<Value> = inside
            .within(qualified, SYSTEM)
            .filter(|object| !object.is_going())
            .filter(|object| {
                let addon = object.annotation(ADDON).and_then(|a| a.split(' ').next());
                addon.is_some_and(|addon| facts.addons.iter().all(|a| a.name != addon))
            })
            .cloned()
            .collect();
        for object in gone {
            write::delete(inside, &kind, &object, &Deletion::default(), now);
        }
    }
}
