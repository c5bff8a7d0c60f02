//! What lives in a cluster: nodes, add-ons, pods that end, claims, Karpenter's nodes.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{
    Event, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Secret,
};
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams, PostParams,
};
use kube::core::{ApiResource, GroupVersionKind};
use psk_lab::kubernetes::{Mishap, Trouble};
use psk_lab::seed::KarpenterSeed;
use serde_json::{Value, json};

use crate::kube::{CLUSTER, Kube, world_with};

fn karpenter() -> KarpenterSeed {
    KarpenterSeed {
        version: "1.8.2".into(),
        values: json!({ "replicas": 2, "settings": { "clusterName": CLUSTER },
            "tolerations": [{ "key": "dedicated", "operator": "Exists" }] }),
    }
}

fn objects() -> Vec<Value> {
    let pool = |name: &str, arch: &str| {
        json!({ "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": { "name": name }, "spec": {
            "template": { "spec": {
                "nodeClassRef": { "group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default" },
                "requirements": [
                    { "key": "kubernetes.io/arch", "operator": "In", "values": [arch] },
                    { "key": "karpenter.k8s.aws/instance-size", "operator": "In", "values": ["xlarge", "2xlarge"] } ] } },
            "disruption": { "consolidateAfter": "1m" }, "limits": { "cpu": 8 } } })
    };
    vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "psk-system" } }),
        json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "ebs" },
            "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true }),
        json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "efs" },
            "provisioner": "efs.csi.aws.com", "parameters": { "provisioningMode": "efs-ap", "fileSystemId": "{{efs}}", "directoryPerms": "700" } }),
        json!({ "apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass", "metadata": { "name": "default" }, "spec": {
            "role": format!("Karpenter-{CLUSTER}"), "amiSelectorTerms": [{ "alias": "bottlerocket@latest" }],
            "subnetSelectorTerms": [{ "tags": { "karpenter.sh/discovery": CLUSTER } }],
            "securityGroupSelectorTerms": [{ "tags": { "karpenter.sh/discovery": CLUSTER } }] } }),
        pool("amd", "amd64"),
        pool("arm", "arm64"),
    ]
}

async fn start() -> Kube {
    let world = world_with(|cluster| {
        cluster.karpenter = Some(karpenter());
        cluster.objects = objects();
        let placed = json!({ "tolerations": [{ "key": "dedicated", "operator": "Exists" }] });
        for addon in ["aws-ebs-csi-driver", "aws-efs-csi-driver"] {
            let configuration = json!({ "controller": placed });
            cluster
                .addon_configuration
                .insert(addon.into(), configuration);
        }
        cluster.addon_configuration.insert("coredns".into(), placed);
    });
    Kube::with(world, psk_lab::Options::default()).await
}

fn trouble(kube: &Kube, of: Mishap, name: &str) {
    kube.inside(|inside| {
        inside.troubles.push(Trouble {
            of,
            name_contains: name.into(),
            times: None,
        })
    });
}

fn pod(name: &str, spec: Value) -> Pod {
    let mut pod = json!({ "metadata": { "name": name }, "spec": { "restartPolicy": "Never", "tolerations": [{ "operator": "Exists" }] } });
    for (member, value) in spec.as_object().unwrap() {
        pod["spec"][member] = value.clone();
    }
    serde_json::from_value(pod).unwrap()
}

fn script(script: &str) -> Value {
    json!([{ "name": "c", "image": "busybox:1.36", "command": ["sh", "-c", script],
        "env": [{ "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }] }])
}

fn mounting(claim: &str, text: &str) -> Value {
    let mut containers = script(text);
    containers[0]["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
    json!({ "containers": containers, "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }] })
}

fn claim(name: &str, class: &str, mode: &str) -> PersistentVolumeClaim {
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": { "storageClassName": class, "accessModes": [mode],
        "resources": { "requests": { "storage": "4Gi" } } } }))
    .unwrap()
}

fn default<K>(kube: &Kube) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    Api::namespaced(kube.client.clone(), "default")
}

async fn phase(api: &Api<Pod>, name: &str) -> String {
    let status = api.get(name).await.unwrap().status.unwrap();
    status.phase.unwrap()
}

async fn reasons(kube: &Kube) -> Vec<String> {
    let events: Api<Event> = default(kube);
    let all = events.list(&ListParams::default()).await.unwrap();
    all.items
        .into_iter()
        .map(|e| format!("{}: {}", e.reason.unwrap(), e.message.unwrap()))
        .collect()
}

#[tokio::test]
async fn a_cluster_that_was_there_has_ready_nodes_and_add_ons() {
    let kube = start().await;
    let nodes: Api<Node> = Api::all(kube.client.clone());
    let nodes = nodes.list(&ListParams::default()).await.unwrap();
    assert_eq!(nodes.items.len(), 2);
    for node in &nodes.items {
        let labels = node.metadata.labels.as_ref().unwrap();
        assert_eq!(
            (
                labels["kubernetes.io/arch"].as_str(),
                labels["nodegroup"].as_str()
            ),
            ("arm64", "management")
        );
        let ready = node
            .status
            .as_ref()
            .unwrap()
            .conditions
            .as_ref()
            .unwrap()
            .iter()
            .find(|c| c.type_ == "Ready");
        assert_eq!(ready.unwrap().status, "True");
    }
    let daemons: Api<DaemonSet> = Api::namespaced(kube.client.clone(), "kube-system");
    for name in [
        "aws-node",
        "kube-proxy",
        "ebs-csi-node",
        "efs-csi-node",
        "eks-pod-identity-agent",
    ] {
        let status = daemons.get(name).await.unwrap().status.unwrap();
        assert_eq!(
            (status.desired_number_scheduled, status.number_ready),
            (2, 2),
            "{name}"
        );
    }
    let deployments: Api<Deployment> = Api::namespaced(kube.client.clone(), "kube-system");
    for name in [
        "karpenter",
        "coredns",
        "ebs-csi-controller",
        "efs-csi-controller",
    ] {
        let status = deployments.get(name).await.unwrap().status.unwrap();
        assert_eq!(status.ready_replicas, Some(2), "{name}");
    }
    let secrets: Api<Secret> = Api::namespaced(kube.client.clone(), "kube-system");
    let releases = secrets
        .list(&ListParams::default().labels("owner=helm,status=deployed"))
        .await
        .unwrap();
    assert_eq!(releases.items.len(), 2);
}

#[tokio::test]
async fn a_pod_ends_with_its_scripts_code_and_its_log_can_be_read() {
    let kube = start().await;
    let pods: Api<Pod> = default(&kube);
    for (name, text) in [
        ("good", "echo hello from $POD_NAME"),
        ("bad", "echo oh no; exit 3"),
        ("slow", "sleep 30; echo done"),
    ] {
        pods.create(
            &PostParams::default(),
            &pod(name, json!({ "containers": script(text) })),
        )
        .await
        .unwrap();
    }
    kube.pass(5);
    assert_eq!(phase(&pods, "good").await, "Succeeded");
    assert_eq!(
        pods.logs("good", &LogParams::default()).await.unwrap(),
        "hello from good\n"
    );
    assert_eq!(phase(&pods, "bad").await, "Failed");
    let status = pods.get("bad").await.unwrap().status.unwrap();
    let state = status.container_statuses.unwrap()[0].state.clone().unwrap();
    assert_eq!(state.terminated.unwrap().exit_code, 3);
    assert_eq!(phase(&pods, "slow").await, "Running");
    kube.pass(30);
    assert_eq!(phase(&pods, "slow").await, "Succeeded");
}

#[tokio::test]
async fn a_claim_of_ebs_waits_for_a_pod_binds_and_grows_under_it() {
    let kube = start().await;
    let claims: Api<PersistentVolumeClaim> = default(&kube);
    let pods: Api<Pod> = default(&kube);
    claims
        .create(
            &PostParams::default(),
            &claim("data", "ebs", "ReadWriteOnce"),
        )
        .await
        .unwrap();
    kube.pass(60);
    assert_eq!(
        claims
            .get("data")
            .await
            .unwrap()
            .status
            .unwrap()
            .phase
            .as_deref(),
        Some("Pending")
    );
    let grows = "set -eu; echo x > /data/file; until [ \"$(df -P -k /data | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2)\" -ge 7549747 ]; do sleep 1; done; cat /data/file";
    pods.create(
        &PostParams::default(),
        &pod("writer", mounting("data", grows)),
    )
    .await
    .unwrap();
    kube.pass(10);
    assert_eq!(
        claims
            .get("data")
            .await
            .unwrap()
            .status
            .unwrap()
            .phase
            .as_deref(),
        Some("Bound")
    );
    assert_eq!(phase(&pods, "writer").await, "Running");
    let bigger =
        Patch::Merge(json!({ "spec": { "resources": { "requests": { "storage": "8Gi" } } } }));
    claims
        .patch("data", &PatchParams::default(), &bigger)
        .await
        .unwrap();
    kube.pass(10);
    assert_eq!(phase(&pods, "writer").await, "Succeeded");
    let status = claims.get("data").await.unwrap().status.unwrap();
    assert_eq!(status.capacity.unwrap()["storage"].0, "8Gi");

    pods.delete("writer", &DeleteParams::default())
        .await
        .unwrap();
    claims
        .delete("data", &DeleteParams::default())
        .await
        .unwrap();
    kube.pass(5);
    let volumes: Api<PersistentVolume> = Api::all(kube.client.clone());
    assert!(
        volumes
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn pods_that_share_a_claim_of_efs_read_one_another() {
    let kube = start().await;
    let claims: Api<PersistentVolumeClaim> = default(&kube);
    let pods: Api<Pod> = default(&kube);
    claims
        .create(
            &PostParams::default(),
            &claim("shared", "efs", "ReadWriteMany"),
        )
        .await
        .unwrap();
    for (name, other) in [("first", "second"), ("second", "first")] {
        let text = format!(
            "set -eu; echo $POD_NAME > /data/$POD_NAME; until [ -s /data/{other} ]; do sleep 1; done; [ \"$(cat /data/{other})\" = {other} ]"
        );
        pods.create(
            &PostParams::default(),
            &pod(name, mounting("shared", &text)),
        )
        .await
        .unwrap();
    }
    kube.pass(10);
    assert_eq!(
        (phase(&pods, "first").await, phase(&pods, "second").await),
        ("Succeeded".into(), "Succeeded".into())
    );
}

#[tokio::test]
async fn files_that_are_not_shared_are_missed() {
    let kube = start().await;
    trouble(&kube, Mishap::FilesNotShared, "shared");
    let claims: Api<PersistentVolumeClaim> = default(&kube);
    let pods: Api<Pod> = default(&kube);
    claims
        .create(
            &PostParams::default(),
            &claim("shared", "efs", "ReadWriteMany"),
        )
        .await
        .unwrap();
    for (name, other) in [("first", "second"), ("second", "first")] {
        let text =
            format!("echo x > /data/$POD_NAME; until [ -s /data/{other} ]; do sleep 1; done");
        pods.create(
            &PostParams::default(),
            &pod(name, mounting("shared", &text)),
        )
        .await
        .unwrap();
    }
    kube.pass(15);
    assert_eq!(
        (phase(&pods, "first").await, phase(&pods, "second").await),
        ("Running".into(), "Running".into())
    );
}

#[tokio::test]
async fn karpenter_makes_a_node_of_the_right_kind_and_takes_it_away() {
    let kube = start().await;
    let nodes: Api<Node> = Api::all(kube.client.clone());
    let of_pool = ListParams::default().labels("karpenter.sh/nodepool=amd");
    let deployments: Api<Deployment> = default(&kube);
    let deployment: Deployment = serde_json::from_value(json!({ "metadata": { "name": "d" }, "spec": {
        "selector": { "matchLabels": { "app": "d" } }, "template": { "metadata": { "labels": { "app": "d" } }, "spec": {
            "nodeSelector": { "kubernetes.io/arch": "amd64" }, "terminationGracePeriodSeconds": 0,
            "containers": [{ "name": "c", "image": "x:1", "command": ["sleep", "infinity"], "resources": { "requests": { "cpu": "1" } } }] } } } }))
    .unwrap();
    deployments
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    kube.pass(5);
    assert!(
        reasons(&kube)
            .await
            .iter()
            .any(|r| r.starts_with("FailedScheduling: 0/"))
    );
    assert!(nodes.list(&of_pool).await.unwrap().items.is_empty());
    kube.pass(60);
    let made = nodes.list(&of_pool).await.unwrap().items;
    assert_eq!(made.len(), 1);
    let labels = made[0].metadata.labels.clone().unwrap();
    assert_eq!(
        (
            labels["kubernetes.io/arch"].as_str(),
            labels["karpenter.k8s.aws/instance-size"].as_str()
        ),
        ("amd64", "xlarge")
    );
    assert_eq!(
        deployments
            .get("d")
            .await
            .unwrap()
            .status
            .unwrap()
            .ready_replicas,
        Some(1)
    );

    deployments
        .delete("d", &DeleteParams::default())
        .await
        .unwrap();
    kube.pass(300);
    assert!(nodes.list(&of_pool).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn what_karpenter_cannot_have_is_told() {
    let kube = start().await;
    trouble(
        &kube,
        Mishap::NoCapacity {
            message: "We currently do not have sufficient capacity".into(),
        },
        "arm",
    );
    let pods: Api<Pod> = default(&kube);
    let wants = |arch: &str, cpu: &str| {
        json!({ "nodeSelector": { "kubernetes.io/arch": arch, "karpenter.sh/nodepool": if arch == "arm64" { "arm" } else { "amd" } },
        "containers": [{ "name": "c", "image": "x:1", "resources": { "requests": { "cpu": cpu } } }] })
    };
    pods.create(&PostParams::default(), &pod("huge", wants("amd64", "7")))
        .await
        .unwrap();
    pods.create(&PostParams::default(), &pod("more", wants("amd64", "3")))
        .await
        .unwrap();
    pods.create(&PostParams::default(), &pod("arm", wants("arm64", "1")))
        .await
        .unwrap();
    kube.pass(90);
    assert_eq!(phase(&pods, "huge").await, "Running");
    assert_eq!(
        (phase(&pods, "more").await, phase(&pods, "arm").await),
        ("Pending".into(), "Pending".into())
    );
    let told = reasons(&kube).await.join("\n");
    assert!(
        told.contains("exceed limits for nodepool: \"amd\" (cpu)"),
        "{told}"
    );
    let claims: Api<DynamicObject> = Api::all_with(
        kube.client.clone(),
        &ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("karpenter.sh", "v1", "NodeClaim"),
            "nodeclaims",
        ),
    );
    let arm = claims
        .list(&ListParams::default().labels("karpenter.sh/nodepool=arm"))
        .await
        .unwrap();
    assert!(
        arm.items[0]
            .data
            .to_string()
            .contains("sufficient capacity"),
        "{:?}",
        arm.items[0].data
    );
}

#[tokio::test]
async fn troubles_show_where_they_would() {
    let kube = start().await;
    let pods: Api<Pod> = default(&kube);
    trouble(
        &kube,
        Mishap::PodCrashes {
            exit_code: 2,
            log: "panic: no config".into(),
        },
        "crash",
    );
    trouble(&kube, Mishap::ImagePull, "image");
    trouble(&kube, Mishap::PodPending, "nowhere");
    for name in ["crash", "image", "nowhere"] {
        let spec = json!({ "restartPolicy": "Always", "containers": script("sleep infinity") });
        pods.create(&PostParams::default(), &pod(name, spec))
            .await
            .unwrap();
    }
    kube.pass(5);
    let waiting = |pod: &Pod| {
        let statuses = pod.status.clone().unwrap().container_statuses.unwrap();
        statuses[0]
            .state
            .clone()
            .unwrap()
            .waiting
            .unwrap()
            .reason
            .unwrap()
    };
    assert_eq!(
        waiting(&pods.get("crash").await.unwrap()),
        "CrashLoopBackOff"
    );
    assert_eq!(
        pods.logs("crash", &LogParams::default()).await.unwrap(),
        "panic: no config\n"
    );
    assert_eq!(
        waiting(&pods.get("image").await.unwrap()),
        "ImagePullBackOff"
    );
    assert_eq!(phase(&pods, "nowhere").await, "Pending");

    let nodes: Api<Node> = Api::all(kube.client.clone());
    let name = nodes.list(&ListParams::default()).await.unwrap().items[0]
        .metadata
        .name
        .clone()
        .unwrap();
    trouble(&kube, Mishap::NodeNotReady, &name);
    let node = nodes.get(&name).await.unwrap();
    let ready = node
        .status
        .unwrap()
        .conditions
        .unwrap()
        .into_iter()
        .find(|c| c.type_ == "Ready")
        .unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_deref()),
        ("False", Some("NodeStatusUnknown"))
    );
}

#[tokio::test]
async fn a_namespace_with_pods_and_claims_goes_with_all_of_it() {
    let kube = start().await;
    let namespaces: Api<Namespace> = Api::all(kube.client.clone());
    namespaces
        .create(
            &PostParams::default(),
            &serde_json::from_value(json!({ "metadata": { "name": "room" } })).unwrap(),
        )
        .await
        .unwrap();
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(kube.client.clone(), "room");
    let pods: Api<Pod> = Api::namespaced(kube.client.clone(), "room");
    claims
        .create(
            &PostParams::default(),
            &claim("data", "efs", "ReadWriteMany"),
        )
        .await
        .unwrap();
    pods.create(
        &PostParams::default(),
        &pod("p", mounting("data", "sleep infinity")),
    )
    .await
    .unwrap();
    kube.pass(5);
    assert_eq!(phase(&pods, "p").await, "Running");
    namespaces
        .delete("room", &DeleteParams::default())
        .await
        .unwrap();
    kube.pass(5);
    assert!(namespaces.get_opt("room").await.unwrap().is_none());
    let volumes: Api<PersistentVolume> = Api::all(kube.client.clone());
    assert!(
        volumes
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}
