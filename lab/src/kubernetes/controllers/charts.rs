//! Charts: what helm would install, from `Release` objects that stand in for it.
//!
//! A release is recorded as helm records it, in a secret of type `helm.sh/release.v1`.

use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::inside::Inside;
use super::super::object::{Object, time};
use super::super::troubles::Mishap;
use super::{bootstrap, crds};

const RELEASES: &str = "releases.charts.psk-lab.internal";

/// Installs and upgrades what releases ask for.
pub(super) fn run(inside: &mut Inside, now: Timestamp) {
    let mut releases: Vec<Value> = inside.every(RELEASES).cloned().collect();
    // What is asked for at once is installed in the order in which it works.
    releases.sort_by_key(|release| !release.text("/spec/chart").ends_with("-crd"));
    for release in releases {
        let generation = release.number("/metadata/generation").unwrap_or(1);
        if release.number("/status/observedGeneration") != Some(generation) {
            install(inside, &release, generation, now);
        }
    }
}

/// What happens to a release: status, as helm names it, and why.
fn outcome(inside: &mut Inside, release: &Value, now: Timestamp) -> (&'static str, String) {
    let name = release.name();
    if inside
        .suffer(name, |m| matches!(m, Mishap::ReleaseFails))
        .is_some()
    {
        return (
            "failed",
            format!("Upgrade {name:?} failed: timed out waiting for the condition"),
        );
    }
    if inside
        .suffer(name, |m| matches!(m, Mishap::ReleasePending))
        .is_some()
    {
        let first = release.number("/status/revision").unwrap_or(0) == 0;
        return (
            if first {
                "pending-install"
            } else {
                "pending-upgrade"
            },
            "Preparing upgrade".to_owned(),
        );
    }
    let chart = release
        .text("/spec/chart")
        .rsplit('/')
        .next()
        .unwrap_or_default();
    match chart {
        "karpenter-crd" => {
            for definition in crds::karpenter() {
                bootstrap::keep(inside, super::super::kinds::DEFINITIONS, definition, now);
            }
        }
        "karpenter" => {
            if inside
                .get(
                    super::super::kinds::DEFINITIONS,
                    None,
                    "nodepools.karpenter.sh",
                )
                .is_none()
            {
                return (
                    "failed",
                    "the chart karpenter needs the definitions of the chart karpenter-crd"
                        .to_owned(),
                );
            }
            karpenter(inside, release, now);
        }
        other => {
            return (
                "failed",
                format!("the lab has no chart {other:?}; it has karpenter-crd and karpenter"),
            );
        }
    }
    ("deployed", "Upgrade complete".to_owned())
}

fn install(inside: &mut Inside, release: &Value, generation: i64, now: Timestamp) {
    let (status, description) = outcome(inside, release, now);
    let revision = release.number("/status/revision").unwrap_or(0) + 1;
    let first = release.text("/status/firstDeployed").to_owned();
    let first = if first.is_empty() {
        time(now)
    } else {
        first.into()
    };
    record(
        inside,
        release,
        revision,
        (status, &description),
        &first,
        now,
    );
    inside.change(RELEASES, release.namespace(), release.name(), |release| {
        release["status"] = json!({
            "observedGeneration": generation, "revision": revision, "status": status,
            "description": description, "firstDeployed": first, "lastDeployed": time(now),
        });
    });
}

/// Writes down a revision as helm does. The one before is superseded by one that succeeds.
fn record(
    inside: &mut Inside,
    release: &Value,
    revision: i64,
    (status, description): (&str, &str),
    first: &Value,
    now: Timestamp,
) {
    let (name, namespace) = (release.name(), release.namespace().unwrap_or_default());
    if status == "deployed" {
        let before: Vec<Value> = inside
            .within("secrets", namespace)
            .filter(|s| {
                s["type"] == "helm.sh/release.v1"
                    && s.labels().get("name") == Some(&name)
                    && s.labels().get("status") == Some(&"deployed")
            })
            .cloned()
            .collect();
        for secret in before {
            inside.change("secrets", Some(namespace), secret.name(), |secret| {
                secret["metadata"]["labels"]["status"] = "superseded".into();
                if let Some(mut body) = body(secret) {
                    body["info"]["status"] = "superseded".into();
                    secret["data"]["release"] = encoded(&body).into();
                }
            });
        }
    }
    let (chart, version) = (
        release
            .text("/spec/chart")
            .rsplit('/')
            .next()
            .unwrap_or_default(),
        release.text("/spec/version"),
    );
    let content = json!({
        "name": name, "namespace": namespace, "version": revision,
        "info": { "status": status, "description": description, "first_deployed": first, "last_deployed": time(now), "deleted": "" },
        "chart": { "metadata": { "name": chart, "version": version, "appVersion": version, "apiVersion": "v2" } },
        "config": release["spec"]["values"].as_object().cloned().unwrap_or_default(),
        "manifest": "",
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {
            "name": format!("sh.helm.release.v1.{name}.v{revision}"), "namespace": namespace,
            "labels": { "name": name, "owner": "helm", "status": status, "version": revision.to_string(), "modifiedAt": now.as_second().to_string() },
        },
        "data": { "release": encoded(&content) },
    });
    bootstrap::make(inside, secret, now);
}

/// Once by helm, once as every secret's data is.
fn encoded(content: &Value) -> String {
    BASE64.encode(BASE64.encode(content.to_string().as_bytes()).as_bytes())
}

fn body(secret: &Value) -> Option<Value> {
    let once = BASE64
        .decode(secret.text("/data/release").as_bytes())
        .ok()?;
    serde_json::from_slice(&BASE64.decode(&once).ok()?).ok()
}

/// The controller. Source: the chart that Karpenter publishes.
fn karpenter(inside: &mut Inside, release: &Value, now: Timestamp) {
    let namespace = release.namespace().unwrap_or_default().to_owned();
    let values = &release["spec"]["values"];
    let version = release.text("/spec/version");
    let labels = json!({ "app.kubernetes.io/name": "karpenter", "app.kubernetes.io/instance": release.name() });
    let account = values.text("/serviceAccount/name");
    let account = if account.is_empty() {
        "karpenter"
    } else {
        account
    }
    .to_owned();
    bootstrap::make(
        inside,
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": account, "namespace": namespace } }),
        now,
    );
    let mut container = json!({
        "name": "controller", "image": format!("public.ecr.aws/karpenter/controller:{version}"),
        "env": [
            { "name": "CLUSTER_NAME", "value": values.text("/settings/clusterName") },
            { "name": "INTERRUPTION_QUEUE", "value": values.text("/settings/interruptionQueue") },
        ],
    });
    if values["controller"]["resources"].is_object() {
        container["resources"] = values["controller"]["resources"].clone();
    }
    let mut spec = json!({
        "serviceAccountName": account, "priorityClassName": "system-cluster-critical", "containers": [container],
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "tolerations": [{ "key": "CriticalAddonsOnly", "operator": "Exists" }],
        "affinity": {
            "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                { "matchExpressions": [{ "key": "karpenter.sh/nodepool", "operator": "DoesNotExist" }] } ] } },
            "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
                { "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": labels } } ] },
        },
    });
    for member in ["nodeSelector", "tolerations", "affinity", "dnsPolicy"] {
        if !values[member].is_null() {
            spec[member] = values[member].clone();
        }
    }
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "karpenter", "namespace": namespace, "labels": labels },
        "spec": {
            "replicas": values["replicas"].as_i64().unwrap_or(2), "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": spec },
        },
    });
    bootstrap::keep(inside, "deployments.apps", deployment, now);
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "karpenter", "namespace": namespace },
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": labels } },
    });
    bootstrap::make(inside, budget, now);
}
