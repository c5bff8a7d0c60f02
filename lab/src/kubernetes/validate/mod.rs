//! Whether an object is what its kind asks for.
//!
//! Source: the rules that the API reference of Kubernetes states for each member; messages are those
//! of `k8s.io/apimachinery/pkg/util/validation`.

mod definitions;
mod objects;
mod storage;
mod workloads;

use serde_json::Value;

use super::cause::Cause;
use super::kinds::Kind;
use super::object::Object;
use super::schema::members;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// What is wrong with an object; `before` is what it was, if it is being changed.
pub(crate) fn check(kind: &Kind, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut wrong = Vec::new();
    metadata(kind, object, &mut wrong);
    if let Some(custom) = &kind.custom {
        definitions::by_schema(custom.schema(), object, &mut wrong);
        return wrong;
    }
    match kind.kind.as_str() {
        "Pod" => {
            workloads::pod(&object["spec"], "spec", &mut wrong);
            if let Some(before) = before {
                workloads::pod_change(&before["spec"], &object["spec"], &mut wrong);
            }
        }
        "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet" => {
            workloads::workload(object, before, &mut wrong)
        }
        "Job" => workloads::job(object, before, &mut wrong),
        "PersistentVolumeClaim" => storage::claim(object, before, &mut wrong),
        "StorageClass" => storage::storage_class(object, before, &mut wrong),
        "ClusterRoleBinding" | "RoleBinding" => objects::binding(kind, object, before, &mut wrong),
        "PodDisruptionBudget" => objects::budget(object, &mut wrong),
        "Service" => objects::service(object, &mut wrong),
        "ConfigMap" | "Secret" => objects::keys(object, before, &mut wrong),
        "CustomResourceDefinition" => definitions::definition(object, &mut wrong),
        _ => {}
    }
    wrong
}

/// Whether a selector of labels can select anything; says why not.
pub(crate) fn label_selector(key: &str, values: &[String]) -> Result<(), String> {
    if !is_qualified(key) {
        return Err(format!("<nil>: Invalid value: {key:?}: {QUALIFIED}"));
    }
    let is_wrong = |value: &&String| !value.is_empty() && !is_word(value);
    match values.iter().find(is_wrong) {
        Some(value) => Err(format!("[{key}]: Invalid value: {value:?}: {LABEL_VALUE}")),
        None => Ok(()),
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let edge = |c: Option<&u8>| c.is_some_and(|c| *c != b'-');
    let bytes = text.as_bytes();
    text.len() <= 63 && bytes.iter().all(|c| inner(*c)) && edge(bytes.first()) && edge(bytes.last())
}

fn is_subdomain(text: &str) -> bool {
    let inner =
        |part: &str| is_label(&part.chars().take(63).collect::<String>()) && part.len() <= 253;
    text.len() <= 253 && text.split('.').all(inner)
}

fn is_word(text: &str) -> bool {
    let edge = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    text.len() <= 63
        && bytes
            .iter()
            .all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
        && edge(bytes.first())
        && edge(bytes.last())
}

fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_word(name),
        None => is_word(text),
    }
}

fn metadata(kind: &Kind, object: &Value, wrong: &mut Vec<Cause>) {
    let name = object.name();
    if name.is_empty() {
        wrong.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if kind.group == "rbac.authorization.k8s.io" {
        if name.contains(['/', '%']) || matches!(name, "." | "..") {
            wrong.push(Cause::invalid(
                "metadata.name",
                &name.into(),
                "may not contain '/'",
            ));
        }
    } else if matches!(kind.kind.as_str(), "Namespace" | "Service") {
        if !is_label(name) {
            wrong.push(Cause::invalid("metadata.name", &name.into(), LABEL));
        }
    } else {
        if name.len() > 253 {
            let why = "must be no more than 253 characters";
            wrong.push(Cause::invalid("metadata.name", &name.into(), why));
        }
        if !name.split('.').all(is_label) {
            wrong.push(Cause::invalid("metadata.name", &name.into(), SUBDOMAIN));
        }
    }
    labels(&object["metadata"]["labels"], "metadata.labels", wrong);
    for (key, _) in members(&object["metadata"]["annotations"]) {
        if !is_qualified(key) {
            wrong.push(Cause::invalid(
                "metadata.annotations",
                &key.as_str().into(),
                QUALIFIED,
            ));
        }
    }
    finalizers(kind, object, wrong);
    for owner in object.list("/metadata/ownerReferences") {
        if owner.text("/uid").is_empty() {
            wrong.push(Cause::invalid(
                "metadata.ownerReferences.uid",
                &"".into(),
                "uid must not be empty",
            ));
        }
    }
}

fn finalizers(kind: &Kind, object: &Value, wrong: &mut Vec<Cause>) {
    const STANDARD: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];
    for (index, finalizer) in object.finalizers().into_iter().enumerate() {
        if !is_qualified(finalizer) {
            let path = "metadata.finalizers";
            wrong.push(Cause::invalid(path, &finalizer.into(), QUALIFIED));
        } else if kind.custom.is_none()
            && kind.group != "apiextensions.k8s.io"
            && !finalizer.contains('/')
            && !STANDARD.contains(&finalizer)
        {
            // Of definitions, and of the kinds that they add, others are taken.
            wrong.push(Cause::invalid(
                &format!("metadata.finalizers[{index}]"),
                &finalizer.into(),
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
}

fn labels(labels: &Value, path: &str, wrong: &mut Vec<Cause>) {
    for (key, value) in members(labels) {
        if !is_qualified(key) {
            wrong.push(Cause::invalid(path, &key.as_str().into(), QUALIFIED));
        }
        let text = value.as_str().unwrap_or_default();
        if !text.is_empty() && !is_word(text) {
            wrong.push(Cause::invalid(path, value, LABEL_VALUE));
        }
    }
}

fn one_of(value: &Value, path: &str, known: &[&str], wrong: &mut Vec<Cause>) {
    if let Some(text) = value.as_str()
        && !known.contains(&text)
    {
        wrong.push(Cause::not_supported(path, text, known));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::inside::Inside;
    use super::super::kinds;
    use super::*;

    fn told(object: Value, before: Option<&Value>) -> Vec<String> {
        let kind = kinds::of(&Inside::new("c"), &object).unwrap();
        let causes = check(&kind, &object, before);
        let error = super::super::status::ApiError::invalid(&kind, "a", &causes);
        error.status()["details"]["causes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["field"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn names_follow_their_kinds_rules() {
        let object = |kind: &str, name: &str| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
        assert!(told(object("Namespace", "psk-system"), None).is_empty());
        assert_eq!(
            told(object("Namespace", "psk.system"), None),
            ["metadata.name"]
        );
        assert!(told(object("ConfigMap", "psk.system"), None).is_empty());
        for wrong in ["", "Upper", "-a", "a-", "a_b", "a..b"] {
            assert_eq!(
                told(object("ConfigMap", wrong), None),
                ["metadata.name"],
                "{wrong}"
            );
        }
        let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "system:Any" } });
        assert!(told(role, None).is_empty());
    }

    #[test]
    fn a_deployments_selector_must_fit_and_stay() {
        let deployment = |selector: &str, label: &str| {
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": {
                "selector": { "matchLabels": { "app": selector } },
                "template": { "metadata": { "labels": { "app": label } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } })
        };
        assert!(told(deployment("a", "a"), None).is_empty());
        assert_eq!(
            told(deployment("a", "b"), None),
            ["spec.template.metadata.labels"]
        );
        assert_eq!(
            told(deployment("b", "b"), Some(&deployment("a", "a"))),
            ["spec.selector"]
        );
    }

    #[test]
    fn a_claim_grows_and_nothing_else() {
        let claim = |size: &str, class: &str| {
            json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "a" }, "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": { "requests": { "storage": size } } } })
        };
        let before = claim("4Gi", "x");
        assert!(told(claim("8Gi", "x"), Some(&before)).is_empty());
        assert_eq!(
            told(claim("2Gi", "x"), Some(&before)),
            ["spec.resources.requests.storage"]
        );
        assert_eq!(told(claim("4Gi", "y"), Some(&before)), ["spec"]);
    }

    #[test]
    fn a_mount_needs_its_volume() {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": { "containers": [
            { "name": "c", "image": "i", "volumeMounts": [{ "name": "v", "mountPath": "/v" }],
              "resources": { "requests": { "cpu": "2" }, "limits": { "cpu": "1" } } }] } });
        assert_eq!(
            told(pod, None),
            [
                "spec.containers[0].volumeMounts[0].name",
                "spec.containers[0].resources.requests"
            ]
        );
    }
}
