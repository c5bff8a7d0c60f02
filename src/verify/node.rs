//! Checks that nodes come when pods need them.

use std::sync::Arc;

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::json;
use tokio::time::Instant;

use super::check::{Checked, Finding};
use super::pods::{self, in_a_room, of_room};
use super::{Subject, evidence};
use crate::kubernetes::{Waited, kinds, typed};

/// The label by which Karpenter says which pool a node is of.
const POOL: &str = "karpenter.sh/nodepool";

/// A deployment for amd64 gets a node from Karpenter.
pub(super) fn node_amd64(subject: Arc<Subject>, deadline: Instant) -> Checked {
    node_for(subject, "amd64", deadline)
}

/// A deployment for arm64 gets a node from Karpenter.
pub(super) fn node_arm64(subject: Arc<Subject>, deadline: Instant) -> Checked {
    node_for(subject, "arm64", deadline)
}

fn node_for(subject: Arc<Subject>, arch: &'static str, deadline: Instant) -> Checked {
    async move {
        let mut pod = pods::spec(&subject, "while true; do sleep 3600; done", &[]);
        // A deployment takes no other.
        pod["restartPolicy"] = json!("Always");
        pod["nodeSelector"]["kubernetes.io/arch"] = json!(arch);
        pod["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [{ "key": POOL, "operator": "Exists" }] }] } } });
        // Its end is not waited for: it has nothing to lose.
        pod["terminationGracePeriodSeconds"] = json!(0);
        let labels = json!({ "app": "node" });
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "node" },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": pod },
            },
        });
        in_a_room(&subject, &format!("node-{arch}"), "restricted", deadline, |access, room| async move {
            access.create(&kinds::DEPLOYMENT, Some(&room), &deployment).await?;
            let watched = of_room(&kinds::POD, &room);
            let waited = access
                .watch_until(&watched, deadline, |pods| {
                    let pods = pods.values().filter_map(|pod| typed::<Pod>(pod).ok());
                    let mut ready = pods.filter(evidence::is_ready);
                    ready.find_map(|pod| pod.spec?.node_name)
                })
                .await?;
            let node = match waited {
                Waited::Met(node) => node,
                Waited::TooLate(_, trouble) => {
                    let cause = format!("no {arch} pod became ready in time");
                    return Err(Finding::new(cause).with(trouble.map(|e| e.to_string())));
                }
            };
            let found: Node = access.get(&kinds::NODE, None, &node).await?;
            let labels = found.metadata.labels.unwrap_or_default();
            let runs = labels.get("kubernetes.io/arch").map_or("", String::as_str);
            if runs != arch || !labels.contains_key(POOL) {
                let cause = format!("the {arch} pod runs on {node}, which is no {arch} node of Karpenter's");
                return Err(Finding::new(cause));
            }
            Ok(())
        })
        .await
    }
    .boxed()
}
