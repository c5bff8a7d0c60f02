//! The list: every check, each once, after those that it builds on.

use std::time::Duration;

use super::check::{Check, Run};
use super::{aws, node, presence, volume};

const fn check(
    name: &'static str,
    about: &'static str,
    addon: Option<&'static str>,
    after: &'static [&'static str],
    seconds: u64,
    run: Run,
) -> Check {
    Check {
        name,
        about,
        addon,
        after,
        deadline: Duration::from_secs(seconds),
        run,
    }
}

/// What a workload may take to be ready after an upgrade.
const READY: u64 = 300;

/// What a node may take to come, with its image and the pod's.
const NODE: u64 = 600;

/// What a volume may take to be made, mounted and written.
const VOLUME: u64 = 600;

const EBS: Option<&str> = Some("aws-ebs-csi-driver");
const EFS: Option<&str> = Some("aws-efs-csi-driver");

/// Every check.
#[rustfmt::skip]
pub static CHECKS: &[Check] = &[
    check("aws-cluster", "the cluster is ACTIVE at its version, without health issues", None, &[], 60, aws::cluster),
    check("aws-roles", "the add-ons' service accounts have their roles", None, &[], 60, aws::roles),
    check("aws-file-system", "the file system exists", None, &[], 60, aws::file_system),
    check("aws-queue", "Karpenter's queue exists", None, &[], 60, aws::queue),
    check("aws-node-group", "the node group is ACTIVE, without health issues", None, &[], 60, aws::node_group),
    check("aws-addons", "every add-on is ACTIVE, without health issues", None, &[], 60, aws::addons),
    check("nodes", "nodes are there and Ready", None, &[], READY, presence::nodes),
    check("namespaces", "the base's namespaces are there", None, &[], 60, presence::namespaces),
    check("admin-binding", "the admin group is bound to cluster-admin", None, &[], 60, presence::admin_binding),
    check("storage-classes", "both storage classes are there", None, &[], 60, presence::storage_classes),
    check("node-pools", "Karpenter's node class and pools are there and right", None, &[], 60, presence::node_pools),
    check("kube-proxy", "kube-proxy runs on every node", Some("kube-proxy"), &[], READY, presence::kube_proxy),
    check("aws-node", "the VPC CNI runs on every node", Some("vpc-cni"), &[], READY, presence::aws_node),
    check("coredns", "coredns is ready", Some("coredns"), &[], READY, presence::coredns),
    check("ebs-csi-node", "the EBS driver runs on every node", EBS, &[], READY, presence::ebs_csi_node),
    check("ebs-csi-controller", "the EBS driver's controller is ready", EBS, &[], READY, presence::ebs_csi_controller),
    check("efs-csi-node", "the EFS driver runs on every node", EFS, &[], READY, presence::efs_csi_node),
    check("efs-csi-controller", "the EFS driver's controller is ready", EFS, &[], READY, presence::efs_csi_controller),
    check("eks-pod-identity-agent", "the Pod Identity agent runs on every node", Some("eks-pod-identity-agent"), &[], READY, presence::pod_identity_agent),
    check("karpenter", "Karpenter is ready", None, &[], READY, presence::karpenter),
    check("node-amd64", "a deployment for amd64 gets a node from Karpenter", None, &["karpenter", "node-pools"], NODE, node::node_amd64),
    check("node-arm64", "a deployment for arm64 gets a node from Karpenter", None, &["karpenter", "node-pools"], NODE, node::node_arm64),
    check("ebs-volume", "an EBS claim binds, is written and grows", EBS, &["nodes", "ebs-csi-controller", "storage-classes"], VOLUME, volume::ebs_volume),
    check("ebs-block", "an EBS claim in block mode takes a write", EBS, &["nodes", "ebs-csi-controller", "storage-classes"], VOLUME, volume::ebs_block),
    check("efs-volume", "an EFS claim binds and is written", EFS, &["nodes", "efs-csi-controller", "storage-classes"], VOLUME, volume::efs_volume),
    check("efs-shared", "two pods share an EFS claim", EFS, &["nodes", "efs-csi-controller", "storage-classes"], VOLUME, volume::efs_shared),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::CHECK_NAMES;

    #[test]
    fn settings_know_the_names_of_the_checks() {
        let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        assert_eq!(names, CHECK_NAMES);
    }
}
