//! Whether an object is what its kind asks for.
//!
//! Source: the rules that the API reference of Kubernetes states for each member; messages are those
//! of `k8s.io/apimachinery/pkg/util/validation`.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::object::Object;
use super::quantity::Quantity;
use super::schema::members;
use super::selectors::selects;
use super::status::Cause;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// What is wrong with an object; `before` is what it was, if it is being changed.
pub(crate) fn check(kind: &Kind, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut wrong = Vec::new();
    metadata(kind, object, &mut wrong);
    if let Some(custom) = &kind.custom {
        by_schema(&custom.schema, object, &mut wrong);
        return wrong;
    }
    match kind.kind.as_str() {
        "Pod" => {
            pod(&object["spec"], "spec", &mut wrong);
            if let Some(before) = before {
                pod_change(&before["spec"], &object["spec"], &mut wrong);
            }
        }
        "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet" => {
            workload(object, before, &mut wrong)
        }
        "Job" => job(object, before, &mut wrong),
        "PersistentVolumeClaim" => claim(object, before, &mut wrong),
        "StorageClass" => storage_class(object, before, &mut wrong),
        "ClusterRoleBinding" | "RoleBinding" => binding(kind, object, before, &mut wrong),
        "PodDisruptionBudget" => budget(object, &mut wrong),
        "Service" => service(object, &mut wrong),
        "ConfigMap" | "Secret" => keys(object, before, &mut wrong),
        "CustomResourceDefinition" => definition(object, &mut wrong),
        _ => {}
    }
    wrong
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
    } else if !is_subdomain(name) {
        wrong.push(Cause::invalid("metadata.name", &name.into(), SUBDOMAIN));
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
    for finalizer in object.finalizers() {
        if !is_qualified(finalizer) {
            wrong.push(Cause::invalid(
                "metadata.finalizers",
                &finalizer.into(),
                QUALIFIED,
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

/// A pod's `spec`.
fn pod(spec: &Value, path: &str, wrong: &mut Vec<Cause>) {
    let containers = spec.list("/containers");
    if containers.is_empty() {
        wrong.push(Cause::required(&format!("{path}.containers"), ""));
    }
    let volumes: Vec<&str> = spec
        .list("/volumes")
        .iter()
        .map(|v| v.text("/name"))
        .collect();
    for (index, name) in volumes.iter().enumerate() {
        if !is_label(name) {
            let path = format!("{path}.volumes[{index}].name");
            wrong.push(Cause::invalid(&path, &(*name).into(), LABEL));
        }
    }
    for (list, containers) in [
        ("initContainers", spec.list("/initContainers")),
        ("containers", containers),
    ] {
        for (index, container) in containers.iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            self::container(container, &path, &volumes, wrong);
        }
    }
    one_of(
        &spec["restartPolicy"],
        &format!("{path}.restartPolicy"),
        &["Always", "OnFailure", "Never"],
        wrong,
    );
    labels(
        &spec["nodeSelector"],
        &format!("{path}.nodeSelector"),
        wrong,
    );
    for (index, toleration) in spec.list("/tolerations").iter().enumerate() {
        let path = format!("{path}.tolerations[{index}]");
        one_of(
            &toleration["operator"],
            &format!("{path}.operator"),
            &["Equal", "Exists"],
            wrong,
        );
        one_of(
            &toleration["effect"],
            &format!("{path}.effect"),
            &["NoSchedule", "PreferNoSchedule", "NoExecute"],
            wrong,
        );
        if toleration["operator"] == "Exists" && !toleration.text("/value").is_empty() {
            wrong.push(Cause::invalid(
                &format!("{path}.operator"),
                toleration,
                "value must be empty when `operator` is 'Exists'",
            ));
        }
    }
}

fn container(container: &Value, path: &str, volumes: &[&str], wrong: &mut Vec<Cause>) {
    let name = container.text("/name");
    if name.is_empty() {
        wrong.push(Cause::required(&format!("{path}.name"), ""));
    } else if !is_label(name) {
        wrong.push(Cause::invalid(&format!("{path}.name"), &name.into(), LABEL));
    }
    if container.text("/image").is_empty() {
        wrong.push(Cause::required(&format!("{path}.image"), ""));
    }
    for (list, place) in [
        ("volumeMounts", "mountPath"),
        ("volumeDevices", "devicePath"),
    ] {
        let mounts = container[list].as_array();
        for (index, mount) in mounts.into_iter().flatten().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            let name = mount.text("/name");
            if !volumes.contains(&name) {
                wrong.push(not_found(&format!("{path}.name"), name));
            }
            if mount[place].as_str().unwrap_or_default().is_empty() {
                wrong.push(Cause::required(&format!("{path}.{place}"), ""));
            }
        }
    }
    for amounts in ["requests", "limits"] {
        for (resource, amount) in members(&container["resources"][amounts]) {
            let path = format!("{path}.resources.{amounts}[{resource}]");
            match Quantity::read(amount) {
                Some(quantity) if quantity >= Quantity(0) => {}
                _ => wrong.push(Cause::invalid(
                    &path,
                    amount,
                    "must be greater than or equal to 0",
                )),
            }
            if amounts == "requests"
                && let Some(limit) = container["resources"]["limits"].get(resource)
                && Quantity::read(amount) > Quantity::read(limit)
            {
                let limit = limit.as_str().unwrap_or_default();
                let why = format!("must be less than or equal to {resource} limit of {limit}");
                wrong.push(Cause::invalid(&path, amount, &why));
            }
        }
    }
    for (index, port) in container.list("/ports").iter().enumerate() {
        self::port(
            &port["containerPort"],
            &format!("{path}.ports[{index}].containerPort"),
            wrong,
        );
    }
    one_of(
        &container["imagePullPolicy"],
        &format!("{path}.imagePullPolicy"),
        &["Always", "IfNotPresent", "Never"],
        wrong,
    );
}

fn not_found(path: &str, name: &str) -> Cause {
    Cause::invalid(path, &name.into(), "not found")
}

fn port(value: &Value, path: &str, wrong: &mut Vec<Cause>) {
    if !value
        .as_i64()
        .is_some_and(|port| (1..=65_535).contains(&port))
    {
        wrong.push(Cause::invalid(
            path,
            value,
            "must be between 1 and 65535, inclusive",
        ));
    }
}

/// Of a running pod little can be changed.
fn pod_change(before: &Value, after: &Value, wrong: &mut Vec<Cause>) {
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(map) = spec.as_object_mut() {
            for member in [
                "activeDeadlineSeconds",
                "tolerations",
                "terminationGracePeriodSeconds",
                "nodeName",
                "schedulingGates",
            ] {
                map.shift_remove(member);
            }
            for list in ["containers", "initContainers"] {
                for container in map
                    .get_mut(list)
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    container["image"] = Value::Null;
                }
            }
        }
        spec
    };
    if fixed(before) != fixed(after) {
        wrong.push(Cause::forbidden("spec", "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"));
    }
}

fn workload(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let selector = &spec["selector"];
    let template = &spec["template"];
    if selector.is_null() {
        wrong.push(Cause::required("spec.selector", ""));
    } else if members(selector).next().is_none() {
        wrong.push(Cause::invalid(
            "spec.selector",
            selector,
            "empty selector is invalid for deployment",
        ));
    } else if !selects(selector, &template.labels()) {
        let labels = template["metadata"]["labels"].clone();
        wrong.push(Cause::invalid(
            "spec.template.metadata.labels",
            &labels,
            "`selector` does not match template `labels`",
        ));
    }
    if let Some(before) = before
        && before["spec"]["selector"] != *selector
    {
        wrong.push(Cause::invalid(
            "spec.selector",
            selector,
            "field is immutable",
        ));
    }
    if spec.number("/replicas").is_some_and(|n| n < 0) {
        wrong.push(Cause::invalid(
            "spec.replicas",
            &spec["replicas"],
            "must be greater than or equal to 0",
        ));
    }
    pod(&template["spec"], "spec.template.spec", wrong);
    one_of(
        &template["spec"]["restartPolicy"],
        "spec.template.spec.restartPolicy",
        &["Always"],
        wrong,
    );
}

fn job(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    pod(&spec["template"]["spec"], "spec.template.spec", wrong);
    if spec["template"]["spec"]["restartPolicy"] == "Always" {
        wrong.push(Cause::required(
            "spec.template.spec.restartPolicy",
            "valid values: \"OnFailure\", \"Never\"",
        ));
    }
    if let Some(before) = before
        && before["spec"]["template"] != spec["template"]
    {
        wrong.push(Cause::invalid(
            "spec.template",
            &json!({}),
            "field is immutable",
        ));
    }
}

fn claim(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let modes = spec.list("/accessModes");
    if modes.is_empty() {
        wrong.push(Cause::required(
            "spec.accessModes",
            "at least 1 access mode is required",
        ));
    }
    for mode in modes {
        one_of(
            mode,
            "spec.accessModes",
            &[
                "ReadOnlyMany",
                "ReadWriteMany",
                "ReadWriteOnce",
                "ReadWriteOncePod",
            ],
            wrong,
        );
    }
    one_of(
        &spec["volumeMode"],
        "spec.volumeMode",
        &["Block", "Filesystem"],
        wrong,
    );
    let size = &spec["resources"]["requests"]["storage"];
    match Quantity::read(size) {
        None => wrong.push(Cause::required("spec.resources[storage]", "")),
        Some(size) if size <= Quantity(0) => {
            wrong.push(Cause::invalid(
                "spec.resources[storage]",
                &json!("0"),
                "must be greater than zero",
            ));
        }
        Some(_) => {}
    }
    let Some(before) = before else { return };
    let before = &before["spec"];
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        spec["resources"]["requests"] = Value::Null;
        if before.text("/volumeName").is_empty() {
            spec["volumeName"] = Value::Null;
        }
        spec
    };
    if fixed(before) != fixed(spec) {
        wrong.push(Cause::forbidden("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"));
    }
    if Quantity::read(size) < Quantity::read(&before["resources"]["requests"]["storage"]) {
        wrong.push(Cause::forbidden(
            "spec.resources.requests.storage",
            "field can not be less than status.capacity",
        ));
    }
}

fn storage_class(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
    if object.text("/provisioner").is_empty() {
        wrong.push(Cause::required("provisioner", ""));
    }
    one_of(
        &object["reclaimPolicy"],
        "reclaimPolicy",
        &["Delete", "Retain"],
        wrong,
    );
    one_of(
        &object["volumeBindingMode"],
        "volumeBindingMode",
        &["Immediate", "WaitForFirstConsumer"],
        wrong,
    );
    let Some(before) = before else { return };
    if before["parameters"] != object["parameters"] {
        wrong.push(Cause::forbidden(
            "parameters",
            "updates to parameters are forbidden.",
        ));
    }
    if before["provisioner"] != object["provisioner"] {
        wrong.push(Cause::forbidden(
            "provisioner",
            "updates to provisioner are forbidden.",
        ));
    }
    if before["reclaimPolicy"] != object["reclaimPolicy"] {
        wrong.push(Cause::forbidden(
            "reclaimPolicy",
            "updates to reclaimPolicy are forbidden.",
        ));
    }
    if before["volumeBindingMode"] != object["volumeBindingMode"] {
        wrong.push(Cause::invalid(
            "volumeBindingMode",
            &object["volumeBindingMode"],
            "field is immutable",
        ));
    }
}

fn binding(kind: &Kind, object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
    let known: &[&str] = if kind.namespaced {
        &["ClusterRole", "Role"]
    } else {
        &["ClusterRole"]
    };
    one_of(&object["roleRef"]["kind"], "roleRef.kind", known, wrong);
    if object.text("/roleRef/name").is_empty() {
        wrong.push(Cause::required("roleRef.name", ""));
    }
    if let Some(before) = before
        && before["roleRef"] != object["roleRef"]
    {
        wrong.push(Cause::invalid(
            "roleRef",
            &object["roleRef"],
            "cannot change roleRef",
        ));
    }
    for (index, subject) in object.list("/subjects").iter().enumerate() {
        let path = format!("subjects[{index}]");
        one_of(
            &subject["kind"],
            &format!("{path}.kind"),
            &["ServiceAccount", "User", "Group"],
            wrong,
        );
        if subject.name_of_subject().is_empty() {
            wrong.push(Cause::required(&format!("{path}.name"), ""));
        }
        if subject["kind"] == "ServiceAccount" && subject.text("/namespace").is_empty() {
            wrong.push(Cause::required(&format!("{path}.namespace"), ""));
        }
    }
}

trait Subject {
    fn name_of_subject(&self) -> &str;
}

impl Subject for Value {
    fn name_of_subject(&self) -> &str {
        self.text("/name")
    }
}

fn budget(object: &Value, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        wrong.push(Cause::invalid(
            "spec",
            &json!({}),
            "minAvailable and maxUnavailable cannot be both set",
        ));
    }
}

fn service(object: &Value, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    one_of(&spec["type"], "spec.type", &kinds, wrong);
    let ports = spec.list("/ports");
    if ports.is_empty() && spec["type"] != "ExternalName" && spec["clusterIP"] != "None" {
        wrong.push(Cause::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        self::port(&port["port"], &format!("spec.ports[{index}].port"), wrong);
    }
}

fn keys(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
    for (key, _) in members(&object["data"]) {
        let is_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if key.is_empty() || key.len() > 253 || !key.chars().all(is_key) {
            wrong.push(Cause::invalid(&format!("data[{key}]"), &key.as_str().into(), "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"));
        }
    }
    if let Some(before) = before {
        if before["immutable"] == true && before["data"] != object["data"] {
            wrong.push(Cause::forbidden(
                "data",
                "field is immutable when `immutable` is set",
            ));
        }
        if before["type"] != object["type"] {
            wrong.push(Cause::invalid(
                "type",
                &object["type"],
                "field is immutable",
            ));
        }
    }
}

fn definition(object: &Value, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let expected = format!("{}.{}", spec.text("/names/plural"), spec.text("/group"));
    if object.name() != expected {
        wrong.push(Cause::invalid(
            "metadata.name",
            &object.name().into(),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    one_of(
        &spec["scope"],
        "spec.scope",
        &["Cluster", "Namespaced"],
        wrong,
    );
    let versions = spec.list("/versions");
    if versions.iter().filter(|v| v["storage"] == true).count() != 1 {
        wrong.push(Cause::invalid(
            "spec.versions",
            &json!([]),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        if version.pointer("/schema/openAPIV3Schema").is_none() {
            let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
            wrong.push(Cause::required(&path, "schemas are required"));
        }
    }
}

/// Checks an object against the schema that its definition gives.
fn by_schema(schema: &Value, object: &Value, wrong: &mut Vec<Cause>) {
    let Ok(validator) = jsonschema::validator_for(&as_json_schema(schema)) else {
        return;
    };
    for error in validator.iter_errors(object) {
        let path = error
            .instance_path()
            .to_string()
            .trim_start_matches('/')
            .replace('/', ".");
        let value = error.instance().clone().into_owned();
        wrong.push(Cause::invalid(&path, &value, &error.to_string()));
    }
}

/// What OpenAPI says differently from JSON Schema, in its words.
fn as_json_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let mut out = serde_json::Map::new();
            for (name, value) in map {
                match name.as_str() {
                    "properties" => {
                        let all = members(value).map(|(k, v)| (k.clone(), as_json_schema(v)));
                        out.insert(name.clone(), Value::Object(all.collect()));
                    }
                    "default" | "format" | "description" => {}
                    _ if name.starts_with("x-kubernetes") => {}
                    "type" if map.get("nullable") == Some(&Value::Bool(true)) => {
                        out.insert(name.clone(), json!([value, "null"]));
                    }
                    "enum" | "required" => {
                        out.insert(name.clone(), value.clone());
                    }
                    _ => {
                        out.insert(name.clone(), as_json_schema(value));
                    }
                }
            }
            if map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                out.insert("type".to_owned(), json!(["integer", "string"]));
            }
            Value::Object(out)
        }
        Value::Array(list) => list.iter().map(as_json_schema).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
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
                "spec.containers[0].resources.requests[cpu]"
            ]
        );
    }
}
