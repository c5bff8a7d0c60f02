//! A controller that has seen all it goes by isn't run again: then it must have nothing left to do.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use psk_lab::Options;
use serde_json::{Value, json};

use crate::kube::{Kube, world_with};

/// Everything that a person or a pipeline may do next in the cluster: verb, object, and what is changed.
fn acts() -> Vec<(&'static str, Value, Value)> {
    let object = |api_version: &str, kind: &str, name: &str| json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "namespace": "default" } });
    let with = |mut object: Value, spec: Value| {
        object["spec"] = spec;
        object
    };
    let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "tolerations": [{ "operator": "Exists" }],
        "terminationGracePeriodSeconds": 0, "containers": [{ "name": "c", "image": "x:1", "command": ["sleep", "infinity"] }] } });
    let selector = json!({ "matchLabels": { "app": "web" } });
    let workload = |more: Value| {
        let mut spec = json!({ "selector": selector, "template": template });
        for (member, value) in more.as_object().unwrap() {
            spec[member] = value.clone();
        }
        spec
    };
    let (deployment, set) = (
        object("apps/v1", "Deployment", "web"),
        object("apps/v1", "StatefulSet", "store"),
    );
    let (daemons, job) = (
        object("apps/v1", "DaemonSet", "each"),
        object("batch/v1", "Job", "once"),
    );
    let budget = object("policy/v1", "PodDisruptionBudget", "web");
    let claims = json!([{ "metadata": { "name": "data" }, "spec": { "storageClassName": "ebs", "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": "4Gi" } } } }]);
    let special = object("apps/v1", "DaemonSet", "special");
    let mut picky = template.clone();
    picky["spec"]["nodeSelector"] = json!({ "special": "yes" });
    let mut once = template.clone();
    once["metadata"] = json!({});
    once["spec"]["restartPolicy"] = "Never".into();
    vec![
        (
            "create",
            with(deployment.clone(), workload(json!({ "replicas": 2 }))),
            Value::Null,
        ),
        (
            "create",
            with(budget, json!({ "selector": selector, "minAvailable": 1 })),
            Value::Null,
        ),
        (
            "scale",
            deployment.clone(),
            json!({ "spec": { "replicas": 3 } }),
        ),
        ("lose a pod of", deployment.clone(), Value::Null),
        (
            "scale",
            deployment.clone(),
            json!({ "spec": { "replicas": 1 } }),
        ),
        (
            "create",
            with(
                set.clone(),
                workload(
                    json!({ "replicas": 1, "serviceName": "store", "volumeClaimTemplates": claims }),
                ),
            ),
            Value::Null,
        ),
        (
            "create",
            with(daemons.clone(), workload(json!({}))),
            Value::Null,
        ),
        (
            "create",
            with(job.clone(), json!({ "template": once })),
            Value::Null,
        ),
        ("lose a pod of", set.clone(), Value::Null),
        ("delete", daemons, Value::Null),
        (
            "create",
            with(special, workload(json!({ "template": picky }))),
            Value::Null,
        ),
        ("delete", job, Value::Null),
        ("delete", set, Value::Null),
        ("delete", deployment, Value::Null),
    ]
}

/// Pods that nothing can be done for yet.
fn waiting() -> [(&'static str, Value); 3] {
    let spec = |more: Value| {
        let mut spec = json!({ "tolerations": [{ "key": "dedicated", "operator": "Exists" }], "restartPolicy": "Never",
            "containers": [{ "name": "c", "image": "x:1", "command": ["sleep", "infinity"] }] });
        for (member, value) in more.as_object().unwrap() {
            spec[member] = value.clone();
        }
        spec
    };
    let claim = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "late" } }]);
    [
        ("waits-for-a-node", spec(json!({}))),
        (
            "waits-for-a-label",
            spec(json!({ "nodeSelector": { "special": "yes" } })),
        ),
        ("waits-for-a-claim", spec(json!({ "volumes": claim }))),
    ]
}

async fn act(kube: &Kube, verb: &str, object: Value, change: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let types = object.types.clone().unwrap();
    let kind = ApiResource::from_gvk(&(&types).try_into().unwrap());
    let api: Api<DynamicObject> = Api::namespaced_with(kube.client.clone(), "default", &kind);
    let name = object.metadata.name.clone().unwrap();
    match verb {
        "create" => drop(api.create(&PostParams::default(), &object).await.unwrap()),
        "delete" => drop(api.delete(&name, &DeleteParams::default()).await.unwrap()),
        "lose a pod of" => {
            let pods: Api<Pod> = Api::namespaced(kube.client.clone(), "default");
            let all = pods.list(&ListParams::default()).await.unwrap().items;
            let mut names = all.into_iter().filter_map(|pod| pod.metadata.name);
            let lost = names.find(|pod| pod.starts_with(&name)).unwrap();
            drop(pods.delete(&lost, &DeleteParams::default()).await.unwrap());
        }
        _ => {
            let patch = Patch::Merge(change);
            drop(
                api.patch(&name, &PatchParams::default(), &patch)
                    .await
                    .unwrap(),
            );
        }
    }
}

/// Nothing comes of every controller's looking again, at the same moment.
fn is_at_rest(kube: &Kube, after: &str) {
    let [found, looked_again] = kube.looked_at_twice();
    let all = |objects: &Value| -> BTreeMap<String, Value> {
        let kinds = objects.as_object().into_iter().flatten();
        let of_kind = kinds.flat_map(|(kind, objects)| {
            let objects = objects.as_object().into_iter().flatten();
            objects.map(move |(name, object)| (format!("{kind} {name}"), object.clone()))
        });
        of_kind.collect()
    };
    let (found, looked_again) = (all(&found), all(&looked_again));
    assert!(!found.is_empty());
    let differ = |name: &&String| found.get(*name) != looked_again.get(*name);
    let names: BTreeSet<_> = found.keys().chain(looked_again.keys()).collect();
    let differing: Vec<_> = names.into_iter().filter(differ).collect();
    assert!(differing.is_empty(), "after: {after}: {differing:?}");
}

#[tokio::test]
async fn what_rests_has_nothing_left_to_do() {
    let world = world_with(|cluster| {
        cluster.objects = vec![
            json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "ebs" },
                "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer" }),
        ];
    });
    let kube = Kube::with(world, Options::default()).await;
    is_at_rest(&kube, "nothing");
    for (verb, object, change) in acts() {
        let told = format!("{verb} {} {}", object["kind"], object["metadata"]["name"]);
        act(&kube, verb, object, change).await;
        is_at_rest(&kube, &told);
        // What was begun ends.
        for seconds in [1, 10, 60] {
            kube.pass(seconds);
            is_at_rest(&kube, &format!("{told}, {seconds} s later"));
        }
    }

    // What waits for a node, for a claim, for a class.
    let nodes: Api<Node> = Api::all(kube.client.clone());
    let all = nodes.list(&ListParams::default()).await.unwrap().items;
    let all: Vec<String> = all.into_iter().filter_map(|n| n.metadata.name).collect();
    for node in &all {
        nodes.cordon(node).await.unwrap();
    }
    is_at_rest(&kube, "cordon");
    let pods: Api<Pod> = Api::namespaced(kube.client.clone(), "default");
    for (name, more) in waiting() {
        let pod = json!({ "metadata": { "name": name }, "spec": more });
        let pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        is_at_rest(&kube, name);
    }
    for (name, _) in waiting() {
        let pod = pods.get(name).await.unwrap();
        assert_eq!(
            pod.spec.unwrap().node_name,
            None,
            "{name} waits for nothing"
        );
    }
    let labelled = json!({ "metadata": { "labels": { "special": "yes" } } });
    for node in &all {
        nodes.uncordon(node).await.unwrap();
        is_at_rest(&kube, "uncordon");
        let patch = Patch::Merge(&labelled);
        nodes
            .patch(node, &PatchParams::default(), &patch)
            .await
            .unwrap();
        is_at_rest(&kube, "label a node");
    }
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "late" },
        "spec": { "storageClassName": "later", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "4Gi" } } } });
    act(&kube, "create", claim, Value::Null).await;
    is_at_rest(&kube, "create a claim that a pod waits for");
    let classes: Api<StorageClass> = Api::all(kube.client.clone());
    let class = json!({ "metadata": { "name": "later" }, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer" });
    let class = serde_json::from_value(class).unwrap();
    classes
        .create(&PostParams::default(), &class)
        .await
        .unwrap();
    is_at_rest(&kube, "create a class that a claim waits for");
    kube.pass(60);
    is_at_rest(&kube, "create a class that a claim waits for, 60 s later");
    for (name, _) in waiting() {
        let pod = pods.get(name).await.unwrap();
        assert!(pod.spec.unwrap().node_name.is_some(), "{name} still waits");
    }

    let namespaces: Api<Namespace> = Api::all(kube.client.clone());
    let team = serde_json::from_value(json!({ "metadata": { "name": "team" } })).unwrap();
    namespaces
        .create(&PostParams::default(), &team)
        .await
        .unwrap();
    is_at_rest(&kube, "create namespace");
    let accounts: Api<ServiceAccount> = Api::namespaced(kube.client.clone(), "team");
    accounts
        .delete("default", &DeleteParams::default())
        .await
        .unwrap();
    is_at_rest(&kube, "delete the default service account");
    let maps: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "team");
    maps.delete("kube-root-ca.crt", &DeleteParams::default())
        .await
        .unwrap();
    is_at_rest(&kube, "delete the namespace's certificate");
    namespaces
        .delete("team", &DeleteParams::default())
        .await
        .unwrap();
    is_at_rest(&kube, "delete namespace");
}
