//! Mounting volumes on nodes: what a kubelet asks the drivers for before a pod's containers start.

use jiff::Timestamp;
use serde_json::Value;

use super::super::facts::{Facts, FileSystem};
use super::super::inside::Inside;
use super::super::object::Object;
use super::scheduler;

/// Why a volume of a pod can't be mounted on the pod's node, as the kubelet tells it; none if all can.
/// The claims are bound.
pub(super) fn refusal(inside: &Inside, facts: &Facts, pod: &Value) -> Option<String> {
    scheduler::claim_names(pod).into_iter().find_map(|name| {
        let claim = inside.get("persistentvolumeclaims", pod.namespace(), name)?;
        let volume = inside.get("persistentvolumes", None, claim.text("/spec/volumeName"))?;
        let why = driver_missing(inside, pod, volume)
            .or_else(|| unreachable(inside, facts, pod, volume))?;
        Some(format!(
            "MountVolume.SetUp failed for volume {:?} : {why}",
            volume.name()
        ))
    })
}

/// Tells it once.
pub(super) fn tell(inside: &mut Inside, pod: &Value, why: &str, now: Timestamp) {
    let is_it =
        |event: &Value| event["involvedObject"]["uid"] == pod.uid() && event["message"] == why;
    if !inside.every("events").any(is_it) {
        inside.tell(pod, "kubelet", ("Warning", "FailedMount"), why, now);
    }
}

/// A driver has to run on the node. Source: the kubelet's CSI plugin, `csiDrivers`.
fn driver_missing(inside: &Inside, pod: &Value, volume: &Value) -> Option<String> {
    let driver = volume.text("/spec/csi/driver");
    let daemon = match driver {
        "ebs.csi.aws.com" => "ebs-csi-node",
        "efs.csi.aws.com" => "efs-csi-node",
        _ => return None,
    };
    let node = pod.text("/spec/nodeName");
    let runs = inside
        .within("pods", "kube-system")
        .filter(|of| of.text("/spec/nodeName") == node && of.labels().get("app") == Some(&daemon))
        .any(|of| of.condition("Ready") == "True");
    (!runs).then(|| {
        format!(
            "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name {driver} not found in the list \
             of registered CSI drivers"
        )
    })
}

/// A file system of EFS is mounted through the target in the node's zone.
///
/// Source: "Mounting on Amazon EC2 with a DNS name" and "Troubleshooting mount issues" in the EFS user
/// guide; what the mount helper prints, from issues of aws-efs-csi-driver (262, 1343).
fn unreachable(inside: &Inside, facts: &Facts, pod: &Value, volume: &Value) -> Option<String> {
    let handle = volume.text("/spec/csi/volumeHandle");
    if volume.text("/spec/csi/driver") != "efs.csi.aws.com" {
        return None;
    }
    let (id, point) = handle.split_once("::").unwrap_or((handle, ""));
    let node = inside.get("nodes", None, pod.text("/spec/nodeName"))?;
    let zone = node.text("/metadata/labels/topology.kubernetes.io~1zone");
    let system: Option<&FileSystem> = facts.file_systems.iter().find(|system| system.id == id);
    let mut targets = system.into_iter().flat_map(|system| &system.targets);
    let said = match targets.find(|target| target.zone == zone) {
        Some(target) if target.is_open => return None,
        Some(_) => {
            "Mount attempt 1/3 failed due to timeout after 15 sec, wait 0 sec before next attempt.\n\
             Mount attempt 2/3 failed due to timeout after 15 sec, wait 0 sec before next attempt.\n\
             b'mount.nfs4: Connection timed out'"
                .to_owned()
        }
        None => format!(
            "Failed to resolve \"{id}.efs.{}.amazonaws.com\" - check that your file system ID is correct, and ensure \
             that the VPC has an EFS mount target for this file system ID.\n\
             See https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail.",
            facts.region
        ),
    };
    let place = format!(
        "/var/lib/kubelet/pods/{}/volumes/kubernetes.io~csi/{}/mount",
        pod.uid(),
        volume.name()
    );
    Some(format!(
        "rpc error: code = Internal desc = Could not mount \"{id}:/\" at \"{place}\": mount failed: exit status 32\n\
         Mounting command: mount\nMounting arguments: -t efs -o accesspoint={point},tls {id}:/ {place}\nOutput: {said}"
    ))
}
