//! What the API server fills in where an object says nothing.
//!
//! Source: the API reference of Kubernetes, where members say "Defaults to …".

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::object::{Object, map_mut};
use super::schema::members;

/// How often the template of a daemon set was changed.
pub(crate) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Fills in what an object of this kind leaves out.
pub(crate) fn fill(kind: &Kind, object: &mut Value) {
    if kind.custom.is_some() {
        return;
    }
    match kind.kind.as_str() {
        "Namespace" => namespace(object),
        "Pod" => {
            pod(&mut object["spec"], "");
            set(&mut object["spec"], "enableServiceLinks", true);
        }
        "Deployment" => deployment(object),
        "DaemonSet" => daemon_set(object),
        "StatefulSet" => {
            set(&mut object["spec"], "replicas", 1);
            set(&mut object["spec"], "podManagementPolicy", "OrderedReady");
            set(&mut object["spec"], "revisionHistoryLimit", 10);
            template(&mut object["spec"]["template"]);
        }
        "ReplicaSet" | "ReplicationController" => {
            set(&mut object["spec"], "replicas", 1);
            template(&mut object["spec"]["template"]);
        }
        "Job" => job(&mut object["spec"]),
        "CronJob" => {
            set(&mut object["spec"], "concurrencyPolicy", "Allow");
            set(&mut object["spec"], "suspend", false);
            set(&mut object["spec"], "successfulJobsHistoryLimit", 3);
            set(&mut object["spec"], "failedJobsHistoryLimit", 1);
        }
        "Service" => service(object),
        "Secret" => {
            string_data(object);
            set(object, "type", "Opaque");
        }
        "PersistentVolumeClaim" => claim(object),
        "PersistentVolume" => {
            set(
                &mut object["spec"],
                "persistentVolumeReclaimPolicy",
                "Retain",
            );
            set(&mut object["spec"], "volumeMode", "Filesystem");
        }
        "StorageClass" => {
            set(object, "reclaimPolicy", "Delete");
            set(object, "volumeBindingMode", "Immediate");
        }
        "CSIDriver" => {
            for (member, value) in [
                ("attachRequired", true),
                ("podInfoOnMount", false),
                ("storageCapacity", false),
                ("requiresRepublish", false),
                ("seLinuxMount", false),
            ] {
                set(&mut object["spec"], member, value);
            }
            set(
                &mut object["spec"],
                "fsGroupPolicy",
                "ReadWriteOnceWithFSType",
            );
            set(
                &mut object["spec"],
                "volumeLifecycleModes",
                json!(["Persistent"]),
            );
        }
        "ClusterRoleBinding" | "RoleBinding" => binding(object),
        "PriorityClass" => set(object, "preemptionPolicy", "PreemptLowerPriority"),
        "CustomResourceDefinition" => definition(object),
        _ => {}
    }
}

/// Sets a member that isn't there.
fn set(object: &mut Value, member: &str, value: impl Into<Value>) {
    if let Some(map) = map_mut(object, &[]) {
        map.entry(member.to_owned()).or_insert_with(|| value.into());
    }
}

fn namespace(object: &mut Value) {
    let name = object.name().to_owned();
    set(&mut object["status"], "phase", "Active");
    if let Some(labels) = map_mut(object, &["metadata", "labels"]) {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    }
}

/// `stringData` is for writing only.
fn string_data(secret: &mut Value) {
    let Some(map) = secret.as_object_mut() else {
        return;
    };
    let Some(texts) = map.shift_remove("stringData") else {
        return;
    };
    for (key, text) in members(&texts) {
        let encoded = BASE64.encode(text.as_str().unwrap_or_default().as_bytes());
        if let Some(data) = map_mut(secret, &["data"]) {
            data.insert(key.clone(), encoded.into());
        }
    }
}

fn template(template: &mut Value) {
    if template.is_object() {
        pod(&mut template["spec"], "Always");
    }
}

/// A pod's `spec`. Templates of workloads restart always unless they say another.
fn pod(spec: &mut Value, restart: &str) {
    set(
        spec,
        "restartPolicy",
        if restart.is_empty() {
            "Always"
        } else {
            restart
        },
    );
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "securityContext", Map::new());
    set(spec, "schedulerName", "default-scheduler");
    if let Some(account) = spec["serviceAccountName"].as_str().map(str::to_owned) {
        set(spec, "serviceAccount", account);
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            self::container(container);
        }
    }
    if spec["initContainers"].is_null()
        && let Some(map) = spec.as_object_mut()
    {
        map.shift_remove("initContainers");
    }
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if volume[source].is_object() {
                set(&mut volume[source], "defaultMode", 420);
            }
        }
        drop_null_members(volume);
    }
    drop_null_members(spec);
}

/// Looking a member up in place puts a null there.
fn drop_null_members(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, member| !member.is_null());
    }
}

fn container(container: &mut Value) {
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    let image = container["image"].as_str().unwrap_or_default();
    let newest = image.ends_with(":latest")
        || !image
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .contains([':', '@']);
    set(
        container,
        "imagePullPolicy",
        if newest { "Always" } else { "IfNotPresent" },
    );
    set(container, "resources", Map::new());
    for port in container["ports"].as_array_mut().into_iter().flatten() {
        set(port, "protocol", "TCP");
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            for (member, value) in [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ] {
                set(&mut container[probe], member, value);
            }
            if container[probe]["httpGet"].is_object() {
                set(&mut container[probe]["httpGet"], "scheme", "HTTP");
                set(&mut container[probe]["httpGet"], "path", "/");
            }
        }
    }
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        if variable["valueFrom"]["fieldRef"].is_object() {
            set(&mut variable["valueFrom"]["fieldRef"], "apiVersion", "v1");
            drop_null_members(&mut variable["valueFrom"]);
        }
        drop_null_members(variable);
    }
    // A limit is a request as well.
    if let Some(limits) = container["resources"]["limits"].as_object().cloned() {
        for (name, amount) in limits {
            set(&mut container["resources"]["requests"], &name, amount);
        }
    }
    drop_null_members(&mut container["resources"]);
    drop_null_members(container);
}

fn deployment(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
    set(&mut spec["strategy"], "type", "RollingUpdate");
    if spec["strategy"]["type"] == "RollingUpdate" {
        set(&mut spec["strategy"]["rollingUpdate"], "maxSurge", "25%");
        set(
            &mut spec["strategy"]["rollingUpdate"],
            "maxUnavailable",
            "25%",
        );
    } else {
        drop_null_members(&mut spec["strategy"]);
    }
    template(&mut spec["template"]);
}

fn daemon_set(object: &mut Value) {
    // How often the template was changed: counted once the object is admitted.
    set(
        &mut object["metadata"]["annotations"],
        TEMPLATE_GENERATION,
        "0",
    );
    let spec = &mut object["spec"];
    set(spec, "revisionHistoryLimit", 10);
    set(&mut spec["updateStrategy"], "type", "RollingUpdate");
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        set(&mut spec["updateStrategy"]["rollingUpdate"], "maxSurge", 0);
        set(
            &mut spec["updateStrategy"]["rollingUpdate"],
            "maxUnavailable",
            1,
        );
    } else {
        drop_null_members(&mut spec["updateStrategy"]);
    }
    template(&mut spec["template"]);
}

fn job(spec: &mut Value) {
    set(spec, "completions", 1);
    set(spec, "parallelism", 1);
    set(spec, "backoffLimit", 6);
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    set(spec, "manualSelector", false);
    if spec["template"].is_object() {
        pod(&mut spec["template"]["spec"], "");
    }
}

fn service(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    set(spec, "internalTrafficPolicy", "Cluster");
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        set(port, "protocol", "TCP");
        let number = port["port"].clone();
        set(port, "targetPort", number);
    }
    drop_null_members(spec);
}

fn claim(object: &mut Value) {
    set(&mut object["spec"], "volumeMode", "Filesystem");
    set(&mut object["status"], "phase", "Pending");
}

fn binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    set(&mut object["roleRef"], "apiGroup", GROUP);
    for subject in object["subjects"].as_array_mut().into_iter().flatten() {
        if subject["kind"] != "ServiceAccount" {
            set(subject, "apiGroup", GROUP);
        }
    }
    drop_null_members(object);
}

fn definition(object: &mut Value) {
    let spec = &mut object["spec"];
    let kind = spec["names"]["kind"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    set(&mut spec["names"], "singular", kind.to_lowercase());
    set(&mut spec["names"], "listKind", format!("{kind}List"));
    set(&mut spec["conversion"], "strategy", "None");
}

#[cfg(test)]
mod tests {
    use super::super::inside::Inside;
    use super::super::{kinds, schema};
    use super::*;

    fn filled(object: Value) -> Value {
        let kind = kinds::of(&Inside::new("c"), &object).unwrap();
        let mut object = schema::typed(&kind, object).unwrap().object;
        fill(&kind, &mut object);
        object
    }

    #[test]
    fn filling_twice_is_filling_once_and_leaves_no_nulls() {
        for object in [
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "a" } }),
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": { "containers": [
                { "name": "c", "image": "busybox", "resources": { "limits": { "cpu": "1" } }, "env": [{ "name": "A", "value": "b" }],
                  "readinessProbe": { "httpGet": { "port": 80 } } }], "volumes": [{ "name": "v", "emptyDir": {} }] } }),
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": {
                "selector": {}, "strategy": { "type": "Recreate" }, "template": { "spec": { "containers": [{ "name": "c", "image": "a/b:1" }] } } } }),
            json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "a" }, "spec": {
                "selector": {}, "template": { "spec": { "containers": [{ "name": "c", "image": "a/b:1" }] } } } }),
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "a" }, "spec": { "ports": [{ "port": 80 }] } }),
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "a" },
                "roleRef": { "kind": "ClusterRole", "name": "x" }, "subjects": [{ "kind": "Group", "name": "g" }] }),
        ] {
            let once = filled(object);
            assert_eq!(filled(once.clone()), once);
            assert!(!once.to_string().contains("null"), "{once}");
        }
    }

    #[test]
    fn an_image_without_a_tag_is_always_pulled() {
        let pod = |image: &str| {
            let pod = filled(
                json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" },
                "spec": { "containers": [{ "name": "c", "image": image }] } }),
            );
            pod.text("/spec/containers/0/imagePullPolicy").to_owned()
        };
        assert_eq!(pod("host:5000/busybox"), "Always");
        assert_eq!(pod("busybox:latest"), "Always");
        assert_eq!(pod("busybox:1.36"), "IfNotPresent");
    }
}
