//! Claims and volumes: made by the drivers of EBS and EFS, grown, and taken away.
//!
//! Source: "Persistent Volumes" and "Storage Classes" in the Kubernetes documentation, and the
//! parameters that aws-ebs-csi-driver and aws-efs-csi-driver document.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::facts::{Credentials, Facts};
use super::super::inside::Inside;
use super::super::kinds;
use super::super::object::{Object, list_mut, map_mut, time};
use super::super::quantity::Quantity;
use super::super::troubles::Mishap;
use super::super::write::{self, Deletion};
use super::{garbage, scheduler};

const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";
const CLASSES: &str = "storageclasses.storage.k8s.io";
const EBS: &str = "ebs.csi.aws.com";
const EFS: &str = "efs.csi.aws.com";

const EBS_TAKES: SignedDuration = SignedDuration::from_secs(2);
const EFS_TAKES: SignedDuration = SignedDuration::from_secs(1);
const GROWING_TAKES: SignedDuration = SignedDuration::from_secs(2);
const FILE_SYSTEM_TAKES: SignedDuration = SignedDuration::from_secs(1);
/// How long a driver waits before it tries again.
const RETRY: SignedDuration = SignedDuration::from_secs(15);

/// Under which id the files of a volume are kept.
pub(super) fn files_of(volume: &str) -> String {
    format!("pv/{volume}")
}

/// Moves claims and volumes on by what has come due.
pub(super) fn run(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let claims: Vec<Value> = inside.every(CLAIMS).cloned().collect();
    for claim in claims {
        if claim.is_going() {
            let used = inside
                .within("pods", claim.namespace().unwrap_or_default())
                .any(|pod| {
                    scheduler::claim_names(pod).contains(&claim.name())
                        && !matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
                });
            if !used {
                garbage::let_go(inside, CLAIMS, &claim, "kubernetes.io/pvc-protection");
            }
        } else if claim.text("/status/phase") == "Bound" {
            grow(inside, &claim, now);
        } else {
            provision(inside, facts, &claim, now);
        }
    }
    release(inside, now);
}

fn told(
    inside: &mut Inside,
    claim: &Value,
    by: &str,
    (kind, reason): (&str, &str),
    message: &str,
    now: Timestamp,
) {
    let known = inside.every("events").any(|e| {
        e["involvedObject"]["uid"] == claim.uid()
            && e["reason"] == reason
            && e["message"] == message
    });
    if !known {
        inside.tell(claim, by, (kind, reason), message, now);
    }
}

fn provision(inside: &mut Inside, facts: &Facts, claim: &Value, now: Timestamp) {
    let named = claim.text("/spec/volumeName").to_owned();
    let size = claim["spec"]["resources"]["requests"]["storage"].clone();
    if !named.is_empty() || claim.text("/spec/storageClassName").is_empty() {
        return by_hand(inside, claim);
    }
    let class_name = claim.text("/spec/storageClassName").to_owned();
    let Some(class) = inside.get(CLASSES, None, &class_name).cloned() else {
        let message = format!("storageclass.storage.k8s.io {class_name:?} not found");
        return told(
            inside,
            claim,
            "persistentvolume-controller",
            ("Warning", "ProvisioningFailed"),
            &message,
            now,
        );
    };
    let node = if class["volumeBindingMode"] == "WaitForFirstConsumer" {
        // The scheduler has chosen a node for a pod that mounts it.
        let pods = inside.within("pods", claim.namespace().unwrap_or_default());
        let chosen = pods
            .filter(|pod| scheduler::claim_names(pod).contains(&claim.name()) && !pod.is_going())
            .map(|pod| pod.text("/spec/nodeName").to_owned())
            .find(|node| !node.is_empty());
        match chosen {
            Some(node) => node,
            None => {
                let message = "waiting for first consumer to be created before binding";
                return told(
                    inside,
                    claim,
                    "persistentvolume-controller",
                    ("Normal", "WaitForFirstConsumer"),
                    message,
                    now,
                );
            }
        }
    } else {
        String::new()
    };
    let provisioner = class.text("/provisioner").to_owned();
    if !external(inside, claim, &provisioner, now) {
        return;
    }
    let message = format!(
        "External provisioner is provisioning volume for claim \"{}/{}\"",
        claim.namespace().unwrap_or_default(),
        claim.name()
    );
    told(
        inside,
        claim,
        &provisioner,
        ("Normal", "Provisioning"),
        &message,
        now,
    );
    if let Some(why) = refusal(inside, facts, claim, &class) {
        let message = format!("failed to provision volume with StorageClass {class_name:?}: {why}");
        told(
            inside,
            claim,
            &provisioner,
            ("Warning", "ProvisioningFailed"),
            &message,
            now,
        );
        inside.timers.again(claim.uid(), "retry", RETRY, now);
        return;
    }
    let takes = if provisioner == EFS {
        EFS_TAKES
    } else {
        EBS_TAKES
    };
    if !inside.timers.passed(claim.uid(), "provision", takes, now) {
        return;
    }
    let name = format!("pvc-{}", claim.uid());
    let volume = volume(inside, claim, &class, &name, &node);
    let bytes = Quantity::read(&size).map_or(0, Quantity::units);
    let volume = inside.create(VOLUMES, volume, now);
    inside
        .files
        .volume(&files_of(&name))
        .resize(now, room(&provisioner, bytes));
    bind(inside, claim, &volume, &size);
    told(
        inside,
        claim,
        &provisioner,
        ("Normal", "ProvisioningSucceeded"),
        &format!("Successfully provisioned volume {name}"),
        now,
    );
}

/// Bytes that a volume has room for. A file system of EFS grows with what is in it.
fn room(provisioner: &str, bytes: i64) -> u64 {
    if provisioner == EFS {
        8 << 50
    } else {
        u64::try_from(bytes).unwrap_or_default()
    }
}

fn by_hand(inside: &mut Inside, claim: &Value) {
    let wanted = claim.text("/spec/volumeName").to_owned();
    let fits = |volume: &&Value| {
        volume.text("/status/phase") == "Available"
            && (wanted.is_empty() || volume.name() == wanted)
            && volume.text("/spec/storageClassName") == claim.text("/spec/storageClassName")
            && Quantity::read(&volume["spec"]["capacity"]["storage"])
                >= Quantity::read(&claim["spec"]["resources"]["requests"]["storage"])
    };
    let found = inside.every(VOLUMES).find(fits).cloned();
    if let Some(volume) = found {
        let size = volume["spec"]["capacity"]["storage"].clone();
        let uid = claim.uid().to_owned();
        inside.change(VOLUMES, None, volume.name(), |volume| {
            volume["spec"]["claimRef"] = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(), "name": claim.name(), "uid": uid });
            volume["status"]["phase"] = "Bound".into();
        });
        bind(inside, claim, &volume, &size);
    }
}

fn bind(inside: &mut Inside, claim: &Value, volume: &Value, size: &Value) {
    inside.change(CLAIMS, claim.namespace(), claim.name(), |claim| {
        claim["spec"]["volumeName"] = volume.name().into();
        if let Some(annotations) = map_mut(claim, &["metadata", "annotations"]) {
            annotations.insert("pv.kubernetes.io/bind-completed".to_owned(), "yes".into());
            annotations.insert(
                "pv.kubernetes.io/bound-by-controller".to_owned(),
                "yes".into(),
            );
        }
        let modes = claim["spec"]["accessModes"].clone();
        claim["status"] =
            json!({ "phase": "Bound", "accessModes": modes, "capacity": { "storage": size } });
    });
}

/// Leaves a claim to its driver, and tells whether that is there to take it up.
///
/// Source: the controller of persistent volumes, `syncUnboundClaim`; external-provisioner's README.
fn external(inside: &mut Inside, claim: &Value, provisioner: &str, now: Timestamp) -> bool {
    let by = "persistentvolume-controller";
    if provisioner.starts_with("kubernetes.io/") {
        let message = format!("no volume plugin matched name: {provisioner}");
        let failed = ("Warning", "ProvisioningFailed");
        told(inside, claim, by, failed, &message, now);
        return false;
    }
    let message = format!(
        "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the \
         system administrator. If volume creation is delayed, please verify that the provisioner is running and \
         correctly registered."
    );
    let waits = ("Normal", "ExternalProvisioning");
    told(inside, claim, by, waits, &message, now);
    let deployment = match provisioner {
        EBS => "ebs-csi-controller",
        EFS => "efs-csi-controller",
        _ => return false,
    };
    inside
        .get("deployments.apps", Some("kube-system"), deployment)
        .is_some_and(|d| d.number("/status/readyReplicas").unwrap_or(0) > 0)
}

/// What AWS says to a driver that may not make a volume, as the driver passes it on.
///
/// Source: issues of aws-ebs-csi-driver (714, 1010, 1449) and aws-efs-csi-driver (359, 392, 876).
fn unauthorized(facts: &Facts, claim: &Value, addon: &str) -> Option<String> {
    let installed = facts
        .addons
        .iter()
        .find(|installed| installed.name == addon)?;
    let is_ebs = addon == "aws-ebs-csi-driver";
    let why = match &installed.credentials {
        Credentials::Allowed => return None,
        Credentials::None => {
            "get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found".to_owned()
        }
        Credentials::Refused => {
            "get identity: get credentials: failed to refresh cached credentials, failed to retrieve credentials, \
             operation error STS: AssumeRoleWithWebIdentity, https response error StatusCode: 403, api error \
             AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"
                .to_owned()
        }
        Credentials::NotAllowed(role) if is_ebs => format!(
            "https response error StatusCode: 403, api error UnauthorizedOperation: You are not authorized to perform \
             this operation. User: {role} is not authorized to perform: ec2:CreateVolume"
        ),
        Credentials::NotAllowed(_) => {
            return Some("rpc error: code = Unauthenticated desc = Access Denied. Please ensure you have the right AWS permissions: Access denied".to_owned());
        }
    };
    Some(match is_ebs {
        true => format!(
            "rpc error: code = Internal desc = Could not create volume \"pvc-{}\": could not create volume in EC2: \
             operation error EC2: CreateVolume, {why}",
            claim.uid()
        ),
        false => format!(
            "rpc error: code = Internal desc = Failed to fetch File System info: Describe File System failed: \
             operation error EFS: DescribeFileSystems, {why}"
        ),
    })
}

/// Why a driver can't make a volume, if it can't.
fn refusal(inside: &mut Inside, facts: &Facts, claim: &Value, class: &Value) -> Option<String> {
    let name = format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name());
    if let Some(Mishap::ClaimPending { message }) =
        inside.trouble(&name, |m| matches!(m, Mishap::ClaimPending { .. }))
    {
        return Some(message);
    }
    let provisioner = class.text("/provisioner");
    let modes: Vec<&str> = claim
        .list("/spec/accessModes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let block = claim["spec"]["volumeMode"] == "Block";
    if provisioner == EBS {
        if modes.contains(&"ReadWriteMany") && !block {
            return Some("rpc error: code = InvalidArgument desc = Volume capabilities MULTI_NODE_MULTI_WRITER not supported. Only AccessModes[ReadWriteOnce] supported.".to_owned());
        }
        return unauthorized(facts, claim, "aws-ebs-csi-driver");
    }
    if block {
        return Some(
            "rpc error: code = InvalidArgument desc = Block volumes are not supported".to_owned(),
        );
    }
    let system = class.text("/parameters/fileSystemId");
    if class.text("/parameters/provisioningMode") != "efs-ap" {
        return Some("rpc error: code = InvalidArgument desc = Provisioning mode is not supported. Only Access point provisioning: 'efs-ap' is supported".to_owned());
    }
    if let Some(why) = unauthorized(facts, claim, "aws-efs-csi-driver") {
        return Some(why);
    }
    if !facts.file_systems.iter().any(|known| known.id == system) {
        return Some(format!(
            "rpc error: code = InvalidArgument desc = File System does not exist: Failed to fetch File System info: FileSystemNotFound: File system '{system}' does not exist."
        ));
    }
    None
}

fn volume(inside: &Inside, claim: &Value, class: &Value, name: &str, node: &str) -> Value {
    let provisioner = class.text("/provisioner");
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {
            "name": name, "finalizers": ["kubernetes.io/pv-protection"],
            "annotations": { "pv.kubernetes.io/provisioned-by": provisioner },
        },
        "spec": {
            "capacity": { "storage": claim["spec"]["resources"]["requests"]["storage"] },
            "accessModes": claim["spec"]["accessModes"],
            "claimRef": { "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.namespace(), "name": claim.name(), "uid": claim.uid() },
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"],
            "storageClassName": class.name(),
            "volumeMode": claim["spec"]["volumeMode"],
        },
        "status": { "phase": "Bound" },
    });
    let id = inside.stable(&["volume", name]);
    if provisioner == EFS {
        let system = class.text("/parameters/fileSystemId");
        volume["spec"]["csi"] =
            json!({ "driver": EFS, "volumeHandle": format!("{system}::fsap-0{id}") });
        return volume;
    }
    let kind = class.text("/parameters/csi.storage.k8s.io~1fstype");
    volume["spec"]["csi"] = json!({ "driver": EBS, "volumeHandle": format!("vol-0{id}"), "fsType": if kind.is_empty() { "ext4" } else { kind } });
    let zone = inside.get("nodes", None, node).map(|n| {
        n.text("/metadata/labels/topology.kubernetes.io~1zone")
            .to_owned()
    });
    volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] = json!([{ "matchExpressions": [
        { "key": "topology.ebs.csi.aws.com/zone", "operator": "In", "values": [zone.unwrap_or_default()] } ] }]);
    volume
}

/// A claim that asks for more than it has gets it: the volume first, then the file system on it.
fn grow(inside: &mut Inside, claim: &Value, now: Timestamp) {
    let wanted = claim["spec"]["resources"]["requests"]["storage"].clone();
    let has = &claim["status"]["capacity"]["storage"];
    if Quantity::read(&wanted) <= Quantity::read(has) {
        return;
    }
    let Some(volume) = inside
        .get(VOLUMES, None, claim.text("/spec/volumeName"))
        .cloned()
    else {
        return;
    };
    let name = format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name());
    if let Some(Mishap::ResizeFails { message }) =
        inside.trouble(&name, |m| matches!(m, Mishap::ResizeFails { .. }))
    {
        let message = format!(
            "resize volume {:?} by resizer \"ebs.csi.aws.com\" failed: {message}",
            volume.name()
        );
        told(
            inside,
            claim,
            "external-resizer ebs.csi.aws.com",
            ("Warning", "VolumeResizeFailed"),
            &message,
            now,
        );
        return;
    }
    let is_grown =
        Quantity::read(&volume["spec"]["capacity"]["storage"]) >= Quantity::read(&wanted);
    if !is_grown {
        condition(inside, claim, "Resizing", "", now);
        if !inside
            .timers
            .passed(claim.uid(), "grow", GROWING_TAKES, now)
        {
            return;
        }
        inside.change(VOLUMES, None, volume.name(), |volume| {
            volume["spec"]["capacity"]["storage"] = wanted.clone()
        });
        if claim["spec"]["volumeMode"] != "Block" {
            let message = "Waiting for user to (re-)start a pod to finish file system resize of volume on node.";
            condition(inside, claim, "FileSystemResizePending", message, now);
        }
    }
    let mounted = inside
        .within("pods", claim.namespace().unwrap_or_default())
        .any(|pod| {
            scheduler::claim_names(pod).contains(&claim.name())
                && pod.text("/status/phase") == "Running"
        });
    let block = claim["spec"]["volumeMode"] == "Block";
    if !block
        && (!mounted
            || !inside
                .timers
                .passed(claim.uid(), "file system", FILE_SYSTEM_TAKES, now))
    {
        return;
    }
    let bytes = Quantity::read(&wanted).map_or(0, Quantity::units);
    inside
        .files
        .volume(&files_of(volume.name()))
        .resize(now, u64::try_from(bytes).unwrap_or_default());
    inside.stirred = true;
    inside.change(CLAIMS, claim.namespace(), claim.name(), |claim| {
        claim["status"]["capacity"]["storage"] = wanted;
        if let Some(status) = claim["status"].as_object_mut() {
            status.shift_remove("conditions");
        }
    });
    told(
        inside,
        claim,
        "kubelet",
        ("Normal", "FileSystemResizeSuccessful"),
        "MountVolume.NodeExpandVolume succeeded for volume",
        now,
    );
}

fn condition(inside: &mut Inside, claim: &Value, kind: &str, message: &str, now: Timestamp) {
    let has = claim.condition(kind) == "True";
    if has {
        return;
    }
    inside.change(CLAIMS, claim.namespace(), claim.name(), |claim| {
        if let Some(all) = list_mut(claim, &["status", "conditions"]) {
            *all = vec![json!({ "type": kind, "status": "True", "message": message, "lastProbeTime": null, "lastTransitionTime": time(now) })];
        }
    });
}

/// Volumes whose claim is gone go too, if their class says so.
fn release(inside: &mut Inside, now: Timestamp) {
    let volumes: Vec<Value> = inside.every(VOLUMES).cloned().collect();
    for volume in volumes {
        let reference = &volume["spec"]["claimRef"];
        let claim = inside.get(
            CLAIMS,
            reference["namespace"].as_str(),
            reference.text("/name"),
        );
        let is_bound = claim.is_some_and(|claim| claim.uid() == reference.text("/uid"));
        if reference.is_null() || is_bound {
            continue;
        }
        inside.change(VOLUMES, None, volume.name(), |volume| {
            volume["status"]["phase"] = "Released".into()
        });
        if volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
            && inside
                .timers
                .passed(volume.uid(), "delete", SignedDuration::from_secs(1), now)
        {
            if let Some(kind) = kinds::stored(inside, VOLUMES) {
                write::delete(inside, &kind, &volume, &Deletion::default(), now);
            }
            if let Some(volume) = inside.get(VOLUMES, None, volume.name()).cloned() {
                garbage::let_go(inside, VOLUMES, &volume, "kubernetes.io/pv-protection");
            }
            inside.files.forget(&files_of(volume.name()));
        }
    }
}
