//! Admission plugin `PodSecurity`: the standards that a namespace's labels enforce.
//!
//! Source: "Pod Security Standards" in the Kubernetes documentation; messages are those of
//! `k8s.io/pod-security-admission`.

use serde_json::Value;

use super::inside::Inside;
use super::kinds::Kind;
use super::object::Object;
use super::status::ApiError;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// Refuses a pod that its namespace's standard doesn't allow.
///
/// # Errors
/// `Forbidden`, with everything that is wrong.
pub(crate) fn check(inside: &Inside, kind: &Kind, object: &Value) -> Result<(), ApiError> {
    if kind.kind != "Pod" || !kind.group.is_empty() {
        return Ok(());
    }
    let namespace = object.namespace().unwrap_or_default();
    let labels = inside.get("namespaces", None, namespace);
    let labels = labels.map(|n| n.labels()).unwrap_or_default();
    let level = labels.get(ENFORCE).copied().unwrap_or("privileged");
    let version_label = format!("{ENFORCE}-version");
    let version = labels
        .get(version_label.as_str())
        .copied()
        .unwrap_or("latest");
    let mut wrong = Vec::new();
    if matches!(level, "baseline" | "restricted") {
        baseline(&object["spec"], &mut wrong);
    }
    if level == "restricted" {
        restricted(&object["spec"], &mut wrong);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let why = format!(
        "violates PodSecurity \"{level}:{version}\": {}",
        wrong.join(", ")
    );
    Err(ApiError::forbidden(kind, object.name(), &why))
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    spec.list("/containers")
        .iter()
        .chain(spec.list("/initContainers"))
}

fn told(spec: &Value, is_wrong: impl Fn(&Value) -> bool) -> Option<String> {
    let names: Vec<_> = containers(spec)
        .filter(|c| is_wrong(c))
        .map(|c| format!("{:?}", c.text("/name")))
        .collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("container {one}")),
        _ => Some(format!("containers {}", names.join(", "))),
    }
}

fn baseline(spec: &Value, wrong: &mut Vec<String>) {
    let host: Vec<_> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|member| spec[member] == true)
        .map(|member| format!("{member}=true"))
        .collect();
    if !host.is_empty() {
        wrong.push(format!("host namespaces ({})", host.join(", ")));
    }
    if let Some(who) = told(spec, |c| c["securityContext"]["privileged"] == true) {
        wrong.push(format!(
            "privileged ({who} must not set securityContext.privileged=true)"
        ));
    }
    let volumes: Vec<_> = spec
        .list("/volumes")
        .iter()
        .filter(|v| v["hostPath"].is_object())
        .map(|v| format!("{:?}", v.text("/name")))
        .collect();
    if !volumes.is_empty() {
        wrong.push(format!("hostPath volumes (volume {})", volumes.join(", ")));
    }
}

fn restricted(spec: &Value, wrong: &mut Vec<String>) {
    let escalates = |c: &Value| c["securityContext"]["allowPrivilegeEscalation"] != false;
    if let Some(who) = told(spec, escalates) {
        wrong.push(format!("allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"));
    }
    let keeps = |c: &Value| {
        !c.list("/securityContext/capabilities/drop")
            .iter()
            .any(|d| d == "ALL")
    };
    if let Some(who) = told(spec, keeps) {
        wrong.push(format!(
            "unrestricted capabilities ({who} must set securityContext.capabilities.drop=[\"ALL\"])"
        ));
    }
    let of_pod = &spec["securityContext"];
    let root = |c: &Value| match &c["securityContext"]["runAsNonRoot"] {
        Value::Bool(set) => !set,
        _ => of_pod["runAsNonRoot"] != true,
    };
    if let Some(who) = told(spec, root) {
        wrong.push(format!(
            "runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)"
        ));
    }
    let is_root = |context: &Value| context["runAsUser"] == 0;
    if is_root(of_pod) || containers(spec).any(|c| is_root(&c["securityContext"])) {
        wrong.push("runAsUser=0 (must not set runAsUser=0)".to_owned());
    }
    let known = |context: &Value| {
        matches!(
            context.text("/seccompProfile/type"),
            "RuntimeDefault" | "Localhost"
        )
    };
    let unconfined = |c: &Value| {
        let own = &c["securityContext"];
        !known(own) && (own["seccompProfile"].is_object() || !known(of_pod))
    };
    if let Some(who) = told(spec, unconfined) {
        wrong.push(format!("seccompProfile (pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"));
    }
    const ALLOWED: [&str; 8] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in spec.list("/volumes") {
        let kinds =
            super::schema::members(volume).filter(|(name, v)| *name != "name" && v.is_object());
        for (kind, _) in kinds {
            if !ALLOWED.contains(&kind.as_str()) && kind != "hostPath" {
                wrong.push(format!(
                    "restricted volume types (volume {:?} uses restricted volume type {kind:?})",
                    volume.text("/name")
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::kinds;
    use super::*;

    fn told(level: &str, spec: Value) -> Option<String> {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut inside = Inside::new("c");
        inside.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n", "labels": { ENFORCE: level } } }), now);
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "n" }, "spec": spec });
        let kind = kinds::of(&inside, &pod).unwrap();
        check(&inside, &kind, &pod).err().map(|e| e.message)
    }

    #[test]
    fn a_restricted_namespace_names_all_that_is_missing() {
        let plain = json!({ "containers": [{ "name": "c" }] });
        assert_eq!(told("privileged", plain.clone()), None);
        assert_eq!(told("baseline", plain.clone()), None);
        let why = told("restricted", plain).unwrap();
        assert!(why.starts_with("pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must set"), "{why}");
        for part in ["capabilities.drop", "runAsNonRoot", "seccompProfile"] {
            assert!(why.contains(part), "{why}");
        }
        let good = json!({ "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{ "name": "c", "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }] });
        assert_eq!(told("restricted", good), None);
    }

    #[test]
    fn a_baseline_namespace_keeps_the_host_out() {
        let why = told(
            "baseline",
            json!({ "hostNetwork": true, "containers": [{ "name": "c", "securityContext": { "privileged": true } }] }),
        );
        assert!(why.is_some_and(|w| w.contains("hostNetwork=true") && w.contains("privileged")));
    }
}
