//! Checks that volumes are made, written, shared and grown.

use psk_lab::kubernetes::{Inside, Mishap};
use serde_json::{Value as Json, json};

use super::{CLUSTER, befalls, cluster, failing, living, living_inside, now, region, without};

/// Changes a storage class.
fn class(inside: &mut Inside, kind: &str, change: impl FnOnce(&mut Json)) {
    let (all, name) = (
        "storageclasses.storage.k8s.io",
        format!("{CLUSTER}-{kind}-csi-storage-class"),
    );
    let mut class = inside.get(all, None, &name).unwrap().clone();
    change(&mut class);
    assert!(inside.put(class, now()));
}

/// Takes a role from what it was given.
fn detach(account: &mut Json, role: &str) {
    let path = format!("/iam/roles/{CLUSTER}-{role}/attached");
    *account.pointer_mut(&path).unwrap() = json!([]);
}

/// The mount targets of the region's file systems.
fn targets(account: &mut Json) -> &mut serde_json::Map<String, Json> {
    region(account)["efs"]["mount_targets"]
        .as_object_mut()
        .unwrap()
}

failing! {
    a_driver_without_a_role: "ebs-volume" in living(|account| {
        cluster(account)["addons"]["aws-ebs-csi-driver"]["spec"]["role_arn"] = Json::Null;
    }) => [
        "pod writer didn't",
        "claim data: Pending, no capacity yet",
        "failed to provision volume with StorageClass \"qa-i01-aws-us-east-1-ebs-csi-storage-class\"",
        "could not create volume in EC2",
        "no EC2 IMDS role found",
    ];
    a_driver_that_may_make_no_volume: "ebs-volume" in living(|account| {
        detach(account, "ebs-csi-controller-sa");
    }) => [
        "pod writer didn't",
        "UnauthorizedOperation: You are not authorized to perform this operation",
        "is not authorized to perform: ec2:CreateVolume",
    ];
    a_class_whose_claims_cannot_grow: "ebs-volume" in living_inside(|inside| {
        class(inside, "ebs", |class| class["allowVolumeExpansion"] = json!(false));
    }) => [
        "the storageclass that provisions the pvc must support resize",
        "claim data: Bound, 4Gi",
    ];
    a_volume_that_does_not_grow: "ebs-volume" in befalls("/data", Mishap::ResizeFails {
        message: "rpc error: code = Internal desc = VolumeModificationRateExceeded".to_owned(),
    }) => [
        "in time",
        "claim data: Bound, 4Gi",
        "VolumeResizeFailed",
        "VolumeModificationRateExceeded",
    ];
    a_volume_that_takes_no_write: "ebs-volume" in befalls("/data", Mishap::VolumeReadOnly) => [
        "pod writer failed",
        "exit code 1: Error",
        "log: sh: can't create /data/file: Read-only file system",
    ];
    a_driver_that_is_not_there: "ebs-block" in living(|account| {
        without(cluster(account), "/addons", "aws-ebs-csi-driver");
    }) => [
        "pod writer didn't end in time",
        "Waiting for a volume to be created either by the external provisioner 'ebs.csi.aws.com'",
    ];
    a_device_without_room: "ebs-block" in befalls("/data", Mishap::VolumeFull) => [
        "pod writer failed",
        "log: dd: error writing '/dev/psk': No space left on device",
    ];
    an_image_that_cannot_be_pulled: "ebs-block" in befalls("writer", Mishap::ImagePull) => [
        "pod writer didn't end in time",
        "pod writer on ip-10-0-",
        "Pending; ImagePullBackOff: Back-off pulling image \"public.ecr.aws/docker/library/busybox:1.37\"",
        "event: Pod writer: Failed: Failed to pull image",
    ];
    a_file_system_without_mount_targets: "efs-volume" in living(|account| targets(account).clear()) => [
        "pod writer didn't end in time",
        "Pending; ContainerCreating",
        "claim data: Bound, 1Gi",
        "event: Pod writer: FailedMount: MountVolume.SetUp failed for volume \"pvc-",
        "ensure that the VPC has an EFS mount target for this file system ID",
    ];
    a_security_group_that_is_closed: "efs-volume" in living(|account| {
        let groups: Vec<Json> = targets(account).values().flat_map(|target| target["security_groups"].as_array().unwrap().clone()).collect();
        for group in groups {
            region(account)["ec2"]["security_groups"][group.as_str().unwrap()]["rules"] = json!([]);
        }
    }) => [
        "pod writer didn't end in time",
        "FailedMount: MountVolume.SetUp failed",
        "mount.nfs4: Connection timed out",
    ];
    a_class_of_another_file_system: "efs-volume" in living_inside(|inside| {
        class(inside, "efs", |class| class["parameters"]["fileSystemId"] = json!("fs-0123456789abcdef0"));
    }) => [
        "pod writer didn't end in time",
        "claim data: Pending, no capacity yet",
        "File system 'fs-0123456789abcdef0' does not exist",
    ];
    a_driver_that_may_make_no_access_point: "efs-volume" in living(|account| {
        detach(account, "efs-csi-controller-sa");
    }) => [
        "pod writer didn't end in time",
        "Access Denied. Please ensure you have the right AWS permissions",
    ];
    nodes_on_which_no_driver_runs: "efs-shared" in living_inside(|inside| {
        inside.delete("daemonsets.apps", Some("kube-system"), "efs-csi-node");
    }) => [
        "pod first and second didn't end in time",
        "driver name efs.csi.aws.com not found in the list of registered CSI drivers",
    ];
    pods_that_do_not_see_one_anothers_files: "efs-shared" in befalls("/data", Mishap::FilesNotShared) => [
        "pod first and second didn't end in time",
        "pod first on ip-10-0-",
    ];
}
