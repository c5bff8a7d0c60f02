//! Checks of what a cluster holds and runs.

use psk_lab::kubernetes::Mishap;
use serde_json::{Value as Json, json};

use super::{
    CLUSTER, befalls, broken, change, cluster, failing, fails, inside, living_inside, now, passes,
    trouble, without,
};
use crate::harness::psk;

const BINDING: &str = "clusterrolebindings.rbac.authorization.k8s.io";
const CLASSES: &str = "storageclasses.storage.k8s.io";

/// A world in which someone has taken a workload of kube-system away.
macro_rules! without_workload {
    ($plural:literal, $name:literal) => {
        inside(|inside| drop(inside.delete($plural, Some("kube-system"), $name)))
    };
}

failing! {
    nodes_that_say_nothing_more: "nodes" in befalls("ip-10-0", Mishap::NodeNotReady) => [
        "isn't Ready: NodeStatusUnknown: Kubelet stopped posting node status.",
    ];
    nodes_that_never_came: "nodes" in broken("current", |account| {
        without(cluster(account), "/nodegroups", "management");
    }) => [
        "0 nodes have joined, 1 are wanted",
    ];
    namespaces_that_are_gone: "namespaces" in inside(|inside| {
        inside.delete("namespaces", None, "psk-system");
        inside.delete("namespaces", None, "karpenter");
    }) => [
        "there is no namespace psk-system",
        "there is no namespace karpenter",
    ];
    a_binding_that_is_gone: "admin-binding" in inside(|inside| {
        inside.delete(BINDING, None, "psk-admin-clusterrolebinding");
    }) => [
        "there is no ClusterRoleBinding psk-admin-clusterrolebinding",
    ];
    a_binding_to_another_role: "admin-binding" in inside(|inside| {
        assert!(inside.put(binding("view", GROUP), now()));
    }) => [
        "psk-admin-clusterrolebinding gives view, not cluster-admin",
    ];
    a_binding_of_another_group: "admin-binding" in inside(|inside| {
        assert!(inside.put(binding("cluster-admin", "others"), now()));
    }) => [
        "psk-admin-clusterrolebinding doesn't name the group ThoughtWorks-DPS/twdps-core-labs-team",
    ];
    a_storage_class_that_is_gone: "storage-classes" in inside(|inside| {
        inside.delete(CLASSES, None, &format!("{CLUSTER}-efs-csi-storage-class"));
    }) => [
        "there is no StorageClass qa-i01-aws-us-east-1-efs-csi-storage-class",
    ];
    a_storage_class_of_another_driver: "storage-classes" in inside(|inside| {
        let name = format!("{CLUSTER}-efs-csi-storage-class");
        assert!(inside.put(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": name}, "provisioner": "kubernetes.io/nfs"}), now()));
    }) => [
        "is of kubernetes.io/nfs, not efs.csi.aws.com",
    ];
    kinds_that_no_chart_has_brought: "node-pools" in inside(|inside| {
        for kind in ["nodepools.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws", "nodeclaims.karpenter.sh"] {
            inside.delete("customresourcedefinitions.apiextensions.k8s.io", None, kind);
        }
    }) => [
        "the cluster knows no NodePool: Karpenter's kinds aren't installed",
        "the cluster knows no EC2NodeClass: Karpenter's kinds aren't installed",
    ];
    no_kube_proxy: "kube-proxy" in without_workload!("daemonsets.apps", "kube-proxy") => [
        "there is no DaemonSet kube-system/kube-proxy",
    ];
    no_aws_node: "aws-node" in without_workload!("daemonsets.apps", "aws-node") => [
        "there is no DaemonSet kube-system/aws-node",
    ];
    no_coredns: "coredns" in without_workload!("deployments.apps", "coredns") => [
        "there is no Deployment kube-system/coredns",
    ];
    no_ebs_csi_node: "ebs-csi-node" in without_workload!("daemonsets.apps", "ebs-csi-node") => [
        "there is no DaemonSet kube-system/ebs-csi-node",
    ];
    no_ebs_csi_controller: "ebs-csi-controller" in without_workload!("deployments.apps", "ebs-csi-controller") => [
        "there is no Deployment kube-system/ebs-csi-controller",
    ];
    no_efs_csi_node: "efs-csi-node" in without_workload!("daemonsets.apps", "efs-csi-node") => [
        "there is no DaemonSet kube-system/efs-csi-node",
    ];
    no_efs_csi_controller: "efs-csi-controller" in without_workload!("deployments.apps", "efs-csi-controller") => [
        "there is no Deployment kube-system/efs-csi-controller",
    ];
    no_pod_identity_agent: "eks-pod-identity-agent" in without_workload!("daemonsets.apps", "eks-pod-identity-agent") => [
        "there is no DaemonSet kube-system/eks-pod-identity-agent",
    ];
    no_karpenter: "karpenter" in without_workload!("deployments.apps", "karpenter") => [
        "there is no Deployment kube-system/karpenter",
    ];
    a_daemon_whose_image_cannot_be_had: "ebs-csi-node" in living_inside(|inside| {
        inside.troubles.push(trouble("ebs-csi-node", Mishap::ImagePull));
        // Its pod is made anew, as when its node is replaced.
        let pods: Vec<String> = inside
            .within("pods", "kube-system")
            .filter_map(|pod| pod["metadata"]["name"].as_str())
            .filter(|name| name.starts_with("ebs-csi-node"))
            .map(str::to_owned)
            .collect();
        for pod in pods {
            inside.delete("pods", Some("kube-system"), &pod);
        }
    }) => [
        "DaemonSet kube-system/ebs-csi-node: 0 of 1 pods are ready",
        "ImagePullBackOff: Back-off pulling image",
        "Failed to pull image",
    ];
}

fn binding(role: &str, group: &str) -> Json {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "psk-admin-clusterrolebinding"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    })
}

const GROUP: &str = "ThoughtWorks-DPS/twdps-core-labs-team";

#[test]
fn a_check_passes_again_once_its_cause_is_mended() {
    let (files, lab) = inside(|inside| assert!(inside.put(binding("view", GROUP), now())));
    fails(
        &files,
        &lab,
        "admin-binding",
        &["gives view, not cluster-admin"],
    );
    change(&lab, |inside| {
        assert!(inside.put(binding("cluster-admin", GROUP), now()));
    });
    passes(&files, &lab, "admin-binding");
}

#[test]
fn what_builds_on_a_check_that_failed_is_skipped_with_why() {
    let (files, lab) = inside(|inside| {
        inside.delete(CLASSES, None, &format!("{CLUSTER}-efs-csi-storage-class"));
    });
    let verify = psk(["verify", "--cluster", CLUSTER]);
    let verify = verify
        .arg("--only=storage-classes")
        .arg("--only=efs-shared");
    let run = verify.at(&files).inside(&lab).run().ended(10);
    let why = "check efs-shared skipped: it builds on storage-classes, which didn't pass";
    assert!(run.stdout.contains(why), "{}", run.stdout);
}

#[test]
fn an_api_server_that_does_not_know_psk_is_told_at_once_with_what_to_do() {
    for check in ["namespaces", "nodes"] {
        let (_, lab) = broken("current", |account| {
            cluster(account)["access_entries"] = json!({});
        });
        // Were it waited for, the test would be ended before.
        let files = super::waiting("10m");
        fails(
            &files,
            &lab,
            check,
            &["the API server doesn't know the role that psk assumes"],
        );
    }
}
