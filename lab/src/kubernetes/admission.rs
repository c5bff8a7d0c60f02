//! What the API server adds to objects and settles about them before it keeps them: its admission
//! plugins, and the first state of what has one.

use serde_json::{Value, json};

use super::defaults::TEMPLATE_GENERATION;
use super::inside::Inside;
use super::kinds::Kind;
use super::object::{Object, list_mut, map_mut, set_metadata};
use super::schema::members;
use super::status::ApiError;
use crate::ids::digest;

/// The annotation by which a storage class says that it is the default one.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

fn daemon_generation(daemons: &mut Value, turn: u64) {
    if let Some(annotations) = map_mut(daemons, &["metadata", "annotations"]) {
        annotations.insert(TEMPLATE_GENERATION.to_owned(), turn.to_string().into());
    }
}

/// Completes a new object.
///
/// # Errors
/// If something that it needs isn't there.
pub(crate) fn admit_new(inside: &Inside, kind: &Kind, object: &mut Value) -> Result<(), ApiError> {
    if kind.custom.is_some() {
        return Ok(());
    }
    match kind.kind.as_str() {
        "Pod" => pod(inside, kind, object)?,
        "Service" => cluster_ip(inside, object),
        "PersistentVolumeClaim" => {
            default_class(inside, object);
            protect(object, "kubernetes.io/pvc-protection");
            object["status"] = json!({ "phase": "Pending" });
        }
        "PersistentVolume" => {
            protect(object, "kubernetes.io/pv-protection");
            object["status"] = json!({ "phase": "Available" });
        }
        "Namespace" => {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({ "phase": "Active" });
        }
        "Deployment" | "CronJob" => object["status"] = json!({}),
        "ReplicaSet" => object["status"] = json!({ "replicas": 0 }),
        "DaemonSet" => {
            daemon_generation(object, 1);
            object["status"] = json!({
                "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0,
            });
        }
        "Job" => job_selector(object),
        "CustomResourceDefinition" => {
            object["status"] = json!({ "conditions": [], "storedVersions": [] });
        }
        _ => {}
    }
    Ok(())
}

/// Completes a changed object.
///
/// # Errors
/// If the change isn't allowed.
pub(crate) fn admit_change(
    inside: &Inside,
    kind: &Kind,
    before: &Value,
    after: &mut Value,
) -> Result<(), ApiError> {
    match kind.kind.as_str() {
        "Namespace" => after["spec"]["finalizers"] = before["spec"]["finalizers"].clone(),
        "DaemonSet" => {
            let is_same = before["spec"]["template"] == after["spec"]["template"];
            let turn = before
                .annotation(TEMPLATE_GENERATION)
                .and_then(|turn| turn.parse().ok());
            daemon_generation(after, turn.unwrap_or(0) + u64::from(!is_same));
        }
        "Service" => {
            for member in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if after["spec"].get(member).is_none()
                    && let Some(value) = before["spec"].get(member)
                {
                    after["spec"][member] = value.clone();
                }
            }
        }
        "Job" => {
            for path in ["selector", "template"] {
                if path == "selector" && after["spec"][path].is_null() {
                    after["spec"][path] = before["spec"][path].clone();
                }
            }
            let labels = before["spec"]["template"]["metadata"]["labels"].clone();
            if after["spec"]["template"]["metadata"]["labels"].is_null() {
                after["spec"]["template"]["metadata"]["labels"] = labels;
            }
        }
        "PersistentVolumeClaim" => {
            let size = |claim: &Value| claim["spec"]["resources"]["requests"]["storage"].clone();
            if size(before) != size(after) {
                resize(inside, kind, before, after)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Only bound claims of classes that allow it may grow.
fn resize(inside: &Inside, kind: &Kind, before: &Value, after: &Value) -> Result<(), ApiError> {
    if before["status"]["phase"] != "Bound" {
        return Err(ApiError::forbidden(
            kind,
            before.name(),
            "only bound persistent volume claims can be expanded",
        ));
    }
    let class = inside.get(
        "storageclasses.storage.k8s.io",
        None,
        after.text("/spec/storageClassName"),
    );
    if class.is_some_and(|class| class["allowVolumeExpansion"] == true) {
        return Ok(());
    }
    Err(ApiError::forbidden(
        kind,
        before.name(),
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
    ))
}

fn protect(object: &mut Value, finalizer: &str) {
    if let Some(finalizers) = list_mut(object, &["metadata", "finalizers"])
        && !finalizers.iter().any(|f| f == finalizer)
    {
        finalizers.push(finalizer.into());
    }
}

fn default_class(inside: &Inside, claim: &mut Value) {
    if !claim["spec"]["storageClassName"].is_null() {
        return;
    }
    let classes = inside.every("storageclasses.storage.k8s.io");
    let default = classes
        .filter(|class| class.annotation(DEFAULT_CLASS) == Some("true"))
        .max_by_key(|class| class.created());
    if let Some(class) = default {
        claim["spec"]["storageClassName"] = class.name().into();
    }
}

/// An address for a service, out of 172.20.0.0/16: the one that its name leads to, or the next one
/// that is free.
fn cluster_ip(inside: &Inside, service: &mut Value) {
    let spec = &mut service["spec"];
    if spec["type"] == "ExternalName" {
        return;
    }
    if spec["clusterIP"].as_str().is_none_or(str::is_empty) {
        let taken: Vec<&str> = inside
            .every("services")
            .map(|service| service.text("/spec/clusterIP"))
            .collect();
        let name = service.text("/metadata/name").to_owned();
        let namespace = service.namespace().unwrap_or_default().to_owned();
        let bytes = digest(&["service", &namespace, &name]);
        let first = u16::from_be_bytes([bytes[0], bytes[1]]);
        let free = (0..u16::MAX)
            .map(|step| first.wrapping_add(step))
            .filter(|number| *number > 255)
            .map(|number| format!("172.20.{}.{}", number >> 8, number & 255))
            .find(|address| !taken.contains(&address.as_str()));
        service["spec"]["clusterIP"] = free.unwrap_or_default().into();
    }
    let spec = &mut service["spec"];
    spec["clusterIPs"] = json!([spec["clusterIP"]]);
    for (member, value) in [
        ("ipFamilies", json!(["IPv4"])),
        ("ipFamilyPolicy", "SingleStack".into()),
    ] {
        if spec.get(member).is_none() {
            spec[member] = value;
        }
    }
    service["status"] = json!({ "loadBalancer": {} });
}

fn job_selector(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    // The real one is the job's uid, which isn't known yet; its name is as unique in a namespace.
    let name = job.name().to_owned();
    for path in [
        ["spec", "template", "metadata", "labels"].as_slice(),
        &["spec", "selector", "matchLabels"],
    ] {
        if let Some(labels) = map_mut(job, path) {
            labels.insert(
                "batch.kubernetes.io/job-name".to_owned(),
                name.clone().into(),
            );
        }
    }
}

fn pod(inside: &Inside, kind: &Kind, pod: &mut Value) -> Result<(), ApiError> {
    service_account(inside, kind, pod)?;
    priority(inside, kind, pod)?;
    tolerate_short_trouble(pod);
    let quality = quality(pod);
    pod["spec"]["preemptionPolicy"] = "PreemptLowerPriority".into();
    pod["status"] = json!({ "phase": "Pending", "qosClass": quality });
    Ok(())
}

/// Admission plugin `ServiceAccount`.
fn service_account(inside: &Inside, kind: &Kind, pod: &mut Value) -> Result<(), ApiError> {
    let asked = pod.text("/spec/serviceAccountName");
    let account = if asked.is_empty() { "default" } else { asked }.to_owned();
    let namespace = pod.namespace().unwrap_or_default();
    if inside
        .get("serviceaccounts", Some(namespace), &account)
        .is_none()
    {
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount {account:?} not found"
        );
        return Err(ApiError::forbidden(kind, pod.name(), &why));
    }
    pod["spec"]["serviceAccountName"] = account.as_str().into();
    pod["spec"]["serviceAccount"] = account.into();
    Ok(())
}

/// Admission plugin `Priority`.
fn priority(inside: &Inside, kind: &Kind, pod: &mut Value) -> Result<(), ApiError> {
    let name = pod.text("/spec/priorityClassName");
    let value = match name {
        "" => 0,
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        name => match inside.get("priorityclasses.scheduling.k8s.io", None, name) {
            Some(class) => class.number("/value").unwrap_or_default(),
            None => {
                let why = format!("no PriorityClass with name {name} was found");
                return Err(ApiError::forbidden(kind, pod.name(), &why));
            }
        },
    };
    pod["spec"]["priority"] = value.into();
    Ok(())
}

/// Admission plugin `DefaultTolerationSeconds`.
fn tolerate_short_trouble(pod: &mut Value) {
    let Some(tolerations) = list_mut(pod, &["spec", "tolerations"]) else {
        return;
    };
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let tolerated = tolerations.iter().any(|t| {
            let key_fits = t["key"] == key || (t["key"].is_null() && t["operator"] == "Exists");
            key_fits && (t["effect"] == "NoExecute" || t["effect"].is_null())
        });
        if !tolerated {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            }));
        }
    }
}

fn quality(pod: &Value) -> &'static str {
    let containers = || {
        pod.list("/spec/containers")
            .iter()
            .chain(pod.list("/spec/initContainers"))
    };
    let some =
        |container: &Value, what: &str| members(&container["resources"][what]).next().is_some();
    if containers().all(|c| !some(c, "requests") && !some(c, "limits")) {
        return "BestEffort";
    }
    let exact = |container: &Value| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = &container["resources"]["limits"][resource];
            !limit.is_null() && *limit == container["resources"]["requests"][resource]
        })
    };
    if containers().all(exact) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// A token of a service account, as `TokenRequest` answers it.
pub(crate) fn service_account_token(account: &Value, request: &Value, until: Value) -> Value {
    let token = data_encoding::BASE64URL_NOPAD.encode(&digest(&["token", account.uid()]));
    let mut answer = request.clone();
    answer["kind"] = "TokenRequest".into();
    answer["apiVersion"] = "authentication.k8s.io/v1".into();
    set_metadata(&mut answer, "name", account.name());
    set_metadata(
        &mut answer,
        "namespace",
        account.namespace().unwrap_or_default(),
    );
    answer["status"] = json!({ "token": token, "expirationTimestamp": until });
    answer
}
