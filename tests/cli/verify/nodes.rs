//! Checks that nodes come when pods need them.

use psk_lab::kubernetes::{Inside, Mishap};
use serde_json::{Value as Json, json};

use super::{CLUSTER, befalls, cluster, failing, living, living_inside, now, without};

/// Changes what a node pool asks for.
fn pool(inside: &mut Inside, arch: &str, change: impl FnOnce(&mut Json)) {
    let name = format!("default-{arch}-node-pool");
    let mut pool = inside
        .get("nodepools.karpenter.sh", None, &name)
        .unwrap()
        .clone();
    change(&mut pool["spec"]);
    assert!(inside.put(pool, now()));
}

failing! {
    a_pool_that_no_instance_type_fits: "node-amd64" in living_inside(|inside| {
        pool(inside, "amd", |spec| {
            let requirements = spec["template"]["spec"]["requirements"].as_array_mut().unwrap();
            requirements.push(json!({"key": "karpenter.k8s.aws/instance-hypervisor", "operator": "In", "values": ["xen"]}));
        });
    }) => [
        "no amd64 pod became ready in time",
        "Pending; Unschedulable: 0/",
        "no instance type satisfied resources and requirements",
        "incompatible with nodepool \"default-amd-node-pool\"",
    ];
    a_pool_that_is_full: "node-arm64" in living_inside(|inside| {
        pool(inside, "arm", |spec| spec["limits"] = json!({"cpu": "1"}));
    }) => [
        "no arm64 pod became ready in time",
        "all available instance types exceed limits for nodepool: \"default-arm-node-pool\"",
    ];
    a_node_role_that_the_cluster_does_not_know: "node-amd64" in living(|account| {
        let entries = cluster(account)["access_entries"].as_object().unwrap();
        let of_nodes = |arn: &&String| arn.ends_with(&format!("role/Karpenter-{CLUSTER}"));
        let arn = entries.keys().find(of_nodes).unwrap().clone();
        without(cluster(account), "/access_entries", &arn);
    }) => [
        "no amd64 pod became ready in time",
        "node claim default-amd-node-pool-",
        "Registered is False: NodeNotFound: Node not registered with cluster",
    ];
    no_capacity: "node-arm64" in befalls("default-arm-node-pool", Mishap::NoCapacity {
        message: "InsufficientInstanceCapacity: We currently do not have sufficient m7g.xlarge capacity".to_owned(),
    }) => [
        "no arm64 pod became ready in time",
        "Launched is False: LaunchFailed: creating instance, insufficient capacity, InsufficientInstanceCapacity",
    ];
    an_image_that_a_new_node_cannot_pull: "node-amd64" in befalls("node-", Mishap::ImagePull) => [
        "no amd64 pod became ready in time",
        "Pending; ImagePullBackOff: Back-off pulling image",
        "event: Pod node-",
        "Failed to pull image",
    ];
}
