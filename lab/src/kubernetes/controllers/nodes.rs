//! Nodes of managed node groups: there while their group is, and replaced one after the other when
//! it is updated.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::budgets;
use super::super::facts::{Facts, Group, Image};
use super::super::inside::Inside;
use super::super::object::{Object, list_mut, set_condition, time};
use super::super::troubles::Mishap;
use super::super::write::{self, Deletion};
use super::super::{kinds, quantity};
use crate::ec2::instance_types::InstanceType;

/// What a node is to be like.
#[derive(Debug, Clone)]
pub(super) struct NodeSpec<'a> {
    pub(super) name: &'a str,
    pub(super) instance_type: &'a str,
    pub(super) arm: bool,
    pub(super) zone: &'a str,
    pub(super) capacity_type: &'a str,
    pub(super) version: &'a str,
    pub(super) os_image: &'a str,
    pub(super) labels: BTreeMap<String, String>,
    /// Key, value, effect.
    pub(super) taints: Vec<(String, String, String)>,
    pub(super) instance: &'a str,
}

/// Brings the nodes of managed groups to what EKS says of them.
pub(super) fn run(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let mut wanted: BTreeMap<String, (usize, &Group, Image)> = BTreeMap::new();
    for group in &facts.groups {
        for index in 0..group.desired {
            let image = image_of(inside, group, index, now);
            wanted.insert(
                name_of(inside, facts, group, index, &image),
                (index, group, image),
            );
        }
    }
    let there: Vec<Value> = inside
        .every("nodes")
        .filter(|node| node.labels().contains_key("eks.amazonaws.com/nodegroup"))
        .cloned()
        .collect();
    for (name, (index, group, image)) in &wanted {
        if there.iter().all(|node| node.name() != name) {
            let replaces = there.iter().any(|node| !wanted.contains_key(node.name()));
            let since = if replaces {
                now
            } else {
                group.since.max(facts.made).min(now)
            };
            join(inside, facts, group, *index, image, since);
        }
    }
    for node in &there {
        if !wanted.contains_key(node.name()) {
            leave(inside, node, now);
        }
    }
    conditions(inside, now);
}

/// The image that a node of a group has by now. During an update nodes get the new one in turn, at
/// even steps.
fn image_of(inside: &mut Inside, group: &Group, index: usize, now: Timestamp) -> Image {
    let Some((new, begun, until)) = &group.roll else {
        return group.image.clone();
    };
    let takes = until.duration_since(*begun);
    let steps = i32::try_from(group.desired + 1).unwrap_or(i32::MAX);
    let step = takes / steps * i32::try_from(index + 1).unwrap_or(i32::MAX);
    let due = begun.checked_add(step).unwrap_or(*until);
    let what = format!("roll {index} {} {}", new.release, new.template);
    if due <= now {
        new.clone()
    } else {
        inside.timers.set(&group.name, &what, due);
        group.image.clone()
    }
}

fn address(inside: &Inside, names: &[&str]) -> (u8, u8) {
    let word = inside.stable(names);
    let byte =
        |at: usize| u8::from_str_radix(word.get(at..at + 2).unwrap_or("0a"), 16).unwrap_or(10);
    (byte(0) % 96, byte(2).clamp(4, 250))
}

fn name_of(inside: &Inside, facts: &Facts, group: &Group, index: usize, image: &Image) -> String {
    let names = [
        group.name.as_str(),
        &index.to_string(),
        &image.version,
        &image.release,
        &image.template,
    ];
    let (third, fourth) = address(inside, &names);
    format!("ip-10-0-{third}-{fourth}.{}.compute.internal", facts.region)
}

fn join(
    inside: &mut Inside,
    facts: &Facts,
    group: &Group,
    index: usize,
    image: &Image,
    now: Timestamp,
) {
    let name = name_of(inside, facts, group, index, image);
    let subnets: Vec<_> = facts
        .subnets
        .iter()
        .filter(|s| group.subnets.contains(&s.id))
        .collect();
    let zone = subnets
        .get(index % subnets.len().max(1))
        .map_or("", |s| s.zone.as_str())
        .to_owned();
    let mut labels = group.labels.clone();
    for (key, value) in [
        ("eks.amazonaws.com/nodegroup", group.name.as_str()),
        ("eks.amazonaws.com/capacityType", &group.capacity_type),
        ("eks.amazonaws.com/nodegroup-image", &image.release),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    let instance = format!("i-0{}", inside.stable(&["instance", &name]));
    let os_image = if group.ami_type.starts_with("BOTTLEROCKET") {
        format!(
            "Bottlerocket OS {} (aws-k8s-{})",
            image.release.split('-').next().unwrap_or_default(),
            image.version
        )
    } else {
        "Amazon Linux 2023".to_owned()
    };
    let capacity_type = if group.capacity_type == "SPOT" {
        "spot"
    } else {
        "on-demand"
    };
    let node = node(&NodeSpec {
        name: &name,
        instance_type: &group.instance_type,
        arm: group.arm,
        zone: &zone,
        capacity_type,
        version: &image.version,
        os_image: &os_image,
        labels,
        taints: group.taints.clone(),
        instance: &instance,
    });
    add(inside, node, now);
}

/// Puts a node in, Ready.
pub(super) fn add(inside: &mut Inside, mut node: Value, now: Timestamp) {
    for kind in ["MemoryPressure", "DiskPressure", "PIDPressure"] {
        set_condition(
            &mut node,
            kind,
            false,
            (&format!("KubeletHasNo{kind}"), "kubelet is fine"),
            now,
        );
    }
    set_condition(
        &mut node,
        "Ready",
        true,
        ("KubeletReady", "kubelet is posting ready status"),
        now,
    );
    let name = node.name().to_owned();
    let node = inside.create("nodes", node, now);
    inside.tell(
        &node,
        "node-controller",
        ("Normal", "RegisteredNode"),
        &format!("Node {name} event: Registered Node {name} in Controller"),
        now,
    );
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": name, "namespace": "kube-node-lease" },
        "spec": { "holderIdentity": name, "leaseDurationSeconds": 40 },
    });
    if inside
        .get("leases.coordination.k8s.io", Some("kube-node-lease"), &name)
        .is_none()
    {
        inside.create("leases.coordination.k8s.io", lease, now);
    }
}

/// A node object.
pub(super) fn node(spec: &NodeSpec<'_>) -> Value {
    let arch = if spec.arm { "arm64" } else { "amd64" };
    let known = InstanceType::named(spec.instance_type);
    let cpus = known.as_ref().and_then(|i| i.vcpus).unwrap_or(4);
    let memory = known.as_ref().and_then(|i| i.memory).unwrap_or(16_384);
    let region = spec.zone.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let mut labels = spec.labels.clone();
    for (key, value) in [
        ("kubernetes.io/hostname", spec.name),
        ("kubernetes.io/arch", arch),
        ("kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", arch),
        ("beta.kubernetes.io/os", "linux"),
        ("node.kubernetes.io/instance-type", spec.instance_type),
        ("topology.kubernetes.io/zone", spec.zone),
        ("topology.kubernetes.io/region", region),
        ("topology.ebs.csi.aws.com/zone", spec.zone),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    let taints: Vec<Value> = spec
        .taints
        .iter()
        .map(|(key, value, effect)| match value.as_str() {
            "" => json!({ "key": key, "effect": effect }),
            value => json!({ "key": key, "value": value, "effect": effect }),
        })
        .collect();
    let resources = |reserved_cpu: u32, reserved: u32| {
        let cpu = json!(format!("{}m", cpus * 1000 - reserved_cpu));
        json!({
            "cpu": quantity::canonical(&cpu), "memory": format!("{}Mi", memory - reserved),
            "pods": "58", "ephemeral-storage": "51538960Ki",
        })
    };
    let ip = spec
        .name
        .trim_start_matches("ip-")
        .split('.')
        .next()
        .unwrap_or_default()
        .replace('-', ".");
    let mut object = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": spec.name, "labels": labels,
            "annotations": { "csi.volume.kubernetes.io/nodeid": json!({ "ebs.csi.aws.com": spec.instance, "efs.csi.aws.com": spec.instance }).to_string() },
        },
        "spec": { "providerID": format!("aws:///{}/{}", spec.zone, spec.instance) },
        "status": {
            "capacity": resources(0, 0), "allocatable": resources(90, memory / 16),
            "addresses": [
                { "type": "InternalIP", "address": ip }, { "type": "Hostname", "address": spec.name },
            ],
            "nodeInfo": {
                "architecture": arch, "operatingSystem": "linux", "kernelVersion": "6.12.0",
                "osImage": spec.os_image, "containerRuntimeVersion": "containerd://2.1.5",
                "kubeletVersion": format!("v{}.2-eks-{}", spec.version, crate::ids::stable_hex(7, &["eks build", spec.version])),
                "kubeProxyVersion": "", "machineID": spec.instance, "systemUUID": spec.instance,
                "bootID": spec.instance,
            },
        },
    });
    if !taints.is_empty() {
        object["spec"]["taints"] = json!(taints);
    }
    object["metadata"]["labels"]["karpenter.sh/capacity-type"] = spec.capacity_type.into();
    object
}

/// Lets a node take no more pods.
pub(super) fn cordon(inside: &mut Inside, name: &str, now: Timestamp) {
    inside.change("nodes", None, name, |node| {
        node["spec"]["unschedulable"] = true.into();
        if let Some(taints) = list_mut(node, &["spec", "taints"])
            && taints.iter().all(|t| t["key"] != "node.kubernetes.io/unschedulable")
        {
            taints.push(json!({ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": time(now) }));
        }
    });
}

/// Cordons a node, evicts what budgets let go, and takes it away once it is empty.
pub(super) fn leave(inside: &mut Inside, node: &Value, now: Timestamp) {
    let name = node.name().to_owned();
    cordon(inside, &name, now);
    let Some(kind) = kinds::stored(inside, "pods") else {
        return;
    };
    let pods: Vec<Value> = inside
        .every("pods")
        .filter(|pod| pod.text("/spec/nodeName") == name && !is_daemon(pod))
        .cloned()
        .collect();
    let mut left = 0;
    for pod in pods {
        left += 1;
        if !pod.is_going() && budgets::keeping(inside, &pod).is_none() {
            write::delete(
                inside,
                &kind,
                &pod,
                &Deletion {
                    grace: Some(1),
                    ..Deletion::default()
                },
                now,
            );
        }
    }
    // A budget holds a drain up for fifteen minutes at most; then EKS gives up or, told to, goes on.
    let waited = inside
        .timers
        .passed(node.uid(), "drain", SignedDuration::from_mins(15), now);
    if left > 0 && !waited {
        return;
    }
    gone(inside, &name);
}

/// Takes a node away, with all that ran on it.
pub(super) fn gone(inside: &mut Inside, name: &str) {
    let pods: Vec<(Option<String>, String)> = inside
        .every("pods")
        .filter(|pod| pod.text("/spec/nodeName") == name)
        .map(|pod| (pod.namespace().map(str::to_owned), pod.name().to_owned()))
        .collect();
    for (namespace, pod) in pods {
        inside.delete("pods", namespace.as_deref(), &pod);
    }
    inside.delete("nodes", None, name);
    inside.delete("leases.coordination.k8s.io", Some("kube-node-lease"), name);
    inside.delete("csinodes.storage.k8s.io", None, name);
}

fn is_daemon(pod: &Value) -> bool {
    pod.list("/metadata/ownerReferences")
        .iter()
        .any(|owner| owner["kind"] == "DaemonSet")
}

/// Nodes that a trouble befalls say nothing more, until it is over.
fn conditions(inside: &mut Inside, now: Timestamp) {
    let names: Vec<String> = inside
        .every("nodes")
        .map(|node| node.name().to_owned())
        .collect();
    for name in names {
        let lost = inside
            .trouble(&name, |m| matches!(m, Mishap::NodeNotReady))
            .is_some();
        inside.change("nodes", None, &name, |node| {
            let told = if lost {
                ("NodeStatusUnknown", "Kubelet stopped posting node status.")
            } else {
                ("KubeletReady", "kubelet is posting ready status")
            };
            set_condition(node, "Ready", !lost, told, now);
            if let Some(taints) = list_mut(node, &["spec", "taints"]) {
                taints.retain(|t| t["key"] != "node.kubernetes.io/unreachable");
                if lost {
                    taints.push(
                        json!({ "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" }),
                    );
                }
                if taints.is_empty()
                    && let Some(spec) = node["spec"].as_object_mut()
                {
                    spec.shift_remove("taints");
                }
            }
        });
    }
    drivers(inside, now);
}

/// Each node tells which drivers it has.
fn drivers(inside: &mut Inside, now: Timestamp) {
    let nodes: Vec<Value> = inside.every("nodes").cloned().collect();
    for node in nodes {
        if inside
            .get("csinodes.storage.k8s.io", None, node.name())
            .is_none()
        {
            let id = node
                .text("/spec/providerID")
                .rsplit('/')
                .next()
                .unwrap_or_default();
            let object = json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": { "name": node.name() },
                "spec": { "drivers": [
                    { "name": "ebs.csi.aws.com", "nodeID": id, "allocatable": { "count": 26 }, "topologyKeys": ["topology.ebs.csi.aws.com/zone"] },
                    { "name": "efs.csi.aws.com", "nodeID": id, "topologyKeys": null },
                ] },
            });
            inside.create("csinodes.storage.k8s.io", object, now);
        }
    }
}
