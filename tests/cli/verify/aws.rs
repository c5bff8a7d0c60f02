//! Checks of a cluster's AWS side.

use serde_json::json;

use super::{CLUSTER, broken, cluster, failing, files, passes, region, without};
use crate::harness::{Served, world_of};

failing! {
    a_cluster_at_another_version: "aws-cluster" in broken("behind", |_| {}) => [
        "it runs Kubernetes 1.34, not 1.35",
    ];
    a_cluster_that_is_not_there: "aws-cluster" in broken("fresh", |_| {}) => [
        "there is no cluster qa-i01-aws-us-east-1",
    ];
    a_role_that_is_gone: "aws-roles" in broken("current", |account| {
        without(account, "/iam/roles", &format!("{CLUSTER}-efs-csi-controller-sa"));
    }) => [
        "of service account kube-system/efs-csi-controller-sa doesn't exist",
    ];
    a_file_system_that_is_gone: "aws-file-system" in broken("current", |account| {
        region(account)["efs"]["file_systems"] = json!({});
    }) => [
        "there is no file system qa-i01-aws-us-east-1-efs-csi-storage",
    ];
    a_queue_that_is_gone: "aws-queue" in broken("current", |account| {
        without(region(account), "/sqs/queues", &format!("Karpenter-{CLUSTER}"));
    }) => [
        "there is no queue Karpenter-qa-i01-aws-us-east-1",
    ];
    a_node_group_that_is_gone: "aws-node-group" in broken("current", |account| {
        without(cluster(account), "/nodegroups", "management");
    }) => [
        "there is no node group management",
    ];
    an_addon_that_is_gone: "aws-addons" in broken("current", |account| {
        without(cluster(account), "/addons", "coredns");
    }) => [
        "there is no add-on coredns",
    ];
}

#[test]
fn a_right_cluster_passes_the_checks_of_its_aws_side() {
    let files = files();
    let lab = Served::start(world_of(&files, "current"), super::NO_FAULTS);
    for check in psk::verify::CHECKS {
        if check.name.starts_with("aws-") && check.name != "aws-node" {
            passes(&files, &lab, check.name);
        }
    }
}
