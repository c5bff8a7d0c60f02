//! What every cluster has from the start: namespaces, service accounts, roles.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::authorize::{BUILT_IN_BINDINGS, built_in_roles};
use super::super::inside::Inside;
use super::super::kinds;
use super::super::object::{self, Object};
use super::super::{admission, defaults, schema};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// Puts in what the API server and EKS make when a cluster begins.
pub(super) fn populate(inside: &mut Inside, now: Timestamp) {
    for (kind, object) in FIRST.iter() {
        inside.create(kind, object.clone(), now);
    }
    run(inside, now);
}

/// What every cluster begins with, by kind. It is the same for all, so it is worked out once.
static FIRST: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let mut empty = Inside::default();
    let complete = |object: Value| {
        let kind = kinds::of(&empty, &object)?;
        let object = make(&mut empty, object, Timestamp::UNIX_EPOCH)?;
        Some((kind.qualified(), Arc::unwrap_or_clone(object)))
    };
    first().into_iter().filter_map(complete).collect()
});

fn first() -> Vec<Value> {
    let mut all = Vec::new();
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        all.push(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }));
    }
    for (name, rules) in built_in_roles() {
        let role = json!({
            "apiVersion": RBAC, "kind": "ClusterRole",
            "metadata": { "name": name, "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" } },
            "rules": rules,
        });
        all.push(role);
    }
    for (role, group) in BUILT_IN_BINDINGS {
        let binding = json!({
            "apiVersion": RBAC, "kind": "ClusterRoleBinding",
            "metadata": { "name": role, "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" } },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group }],
        });
        all.push(binding);
    }
    for (name, value) in [
        ("system-cluster-critical", 2_000_000_000),
        ("system-node-critical", 2_000_001_000),
    ] {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": { "name": name }, "value": value,
        });
        all.push(class);
    }
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "kubernetes", "namespace": "default",
            "labels": { "component": "apiserver", "provider": "kubernetes" } },
        "spec": { "clusterIP": "172.20.0.1", "ports": [{ "name": "https", "port": 443, "targetPort": 443 }] },
    });
    all.push(service);
    // EKS makes this class in every cluster; it isn't the default one.
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "gp2" },
        "provisioner": "kubernetes.io/aws-ebs", "parameters": { "type": "gp2", "fsType": "ext4" },
        "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
    });
    all.push(class);
    all
}

/// Makes an object with the server's defaults, if it isn't there.
pub(super) fn make(inside: &mut Inside, object: Value, now: Timestamp) -> Option<Arc<Value>> {
    let kind = kinds::of(inside, &object)?;
    let there = inside.get(&kind.qualified(), object.namespace(), object.name());
    if there.is_some() {
        return None;
    }
    let mut object = schema::read(&kind, object).ok()?;
    defaults::fill(&kind, &mut object);
    admission::admit_new(inside, &kind, &mut object).ok()?;
    Some(inside.create(&kind.qualified(), object, now))
}

/// Brings an object to what is installed, when that is another than before. What people change or
/// take away in between is left so. `since` is when it came about, if it is new.
pub(super) fn keep(inside: &mut Inside, kind: &str, object: Value, since: Timestamp) {
    let (namespace, name) = (
        object.namespace().map(str::to_owned),
        object.name().to_owned(),
    );
    let id = format!("{kind} {}", object::key_of(&object));
    let wanted = inside.stable(&["installed", &object.to_string()]);
    if inside.installed.get(&id) == Some(&wanted) {
        return;
    }
    inside.installed.insert(id, wanted);
    if inside.get(kind, namespace.as_deref(), &name).is_none() {
        make(inside, object, since);
        return;
    }
    let Some(of) = kinds::stored(inside, kind) else {
        return;
    };
    let Ok(mut object) = schema::read(&of, object) else {
        return;
    };
    defaults::fill(&of, &mut object);
    inside.change(kind, namespace.as_deref(), &name, |there| {
        if there["spec"] != object["spec"] {
            there["spec"] = object["spec"].clone();
            let generation = there.number("/metadata/generation").unwrap_or(0) + 1;
            object::set_metadata(there, "generation", generation);
        }
        if !object["metadata"]["annotations"].is_null() {
            there["metadata"]["annotations"] = object["metadata"]["annotations"].clone();
        }
    });
}

/// What [`run`] goes by.
pub(super) const KINDS: [&str; 3] = ["namespaces", "serviceaccounts", "configmaps"];

/// Every namespace has a service account and the certificate that its pods trust.
pub(super) fn run(inside: &mut Inside, now: Timestamp) {
    let namespaces: Vec<String> = inside
        .every("namespaces")
        .filter(|namespace| !namespace.is_going())
        .map(|namespace| namespace.name().to_owned())
        .collect();
    for namespace in namespaces {
        if inside
            .get("serviceaccounts", Some(&namespace), "default")
            .is_none()
        {
            let account = json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": { "name": "default", "namespace": namespace },
            });
            make(inside, account, now);
        }
        if inside
            .get("configmaps", Some(&namespace), "kube-root-ca.crt")
            .is_none()
        {
            let certificate = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": "kube-root-ca.crt", "namespace": namespace },
                "data": { "ca.crt": "" },
            });
            make(inside, certificate, now);
        }
    }
}
