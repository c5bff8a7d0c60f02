//! What a seeded cluster has inside.

use serde_json::{Value, json};

use super::{ClusterSeed, Maker};
use crate::kubernetes::{Chart, Planted};

/// Stands for the id of the cluster's file system.
pub const FILE_SYSTEM: &str = "{{efs}}";

/// What is in a cluster, by who made it.
pub(super) fn plant(seed: &ClusterSeed, maker: Maker, file_system: &str) -> Planted {
    let charts = seed.karpenter.iter().flat_map(|karpenter| {
        [
            ("karpenter-crd", json!({})),
            ("karpenter", karpenter.values.clone()),
        ]
        .map(|(name, values)| Chart {
            name: name.to_owned(),
            version: karpenter.version.clone(),
            values,
        })
    });
    let (manager, mut objects) = match maker {
        Maker::Pipeline(_) => ("psk", seed.objects.clone()),
        Maker::Terraform => ("Terraform", terraform(&seed.name)),
    };
    for object in &mut objects {
        name_file_system(object, file_system);
    }
    Planted {
        manager: manager.to_owned(),
        objects,
        charts: charts.collect(),
    }
}

fn name_file_system(value: &mut Value, id: &str) {
    match value {
        Value::String(text) if text.contains(FILE_SYSTEM) => *text = text.replace(FILE_SYSTEM, id),
        Value::Array(list) => list.iter_mut().for_each(|item| name_file_system(item, id)),
        Value::Object(map) => map.values_mut().for_each(|item| name_file_system(item, id)),
        _ => {}
    }
}

/// The storage classes that the Terraform before made, which are kept beside the pipeline's own.
fn terraform(cluster: &str) -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": format!("{cluster}-ebs-csi-dynamic-storage") },
            "provisioner": "ebs.csi.aws.com",
            "parameters": { "csi.storage.k8s.io/fstype": "xfs", "encrypted": "true", "type": "gp3" },
            "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true,
        }),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": format!("{cluster}-efs-csi-dynamic-storage") },
            "provisioner": "efs.csi.aws.com",
            "parameters": { "provisioningMode": "efs-ap", "fileSystemId": FILE_SYSTEM, "directoryPerms": "700", "basePath": "/dynamic_storage" },
            "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
        }),
    ]
}
