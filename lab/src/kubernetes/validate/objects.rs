//! Bindings, budgets, services, and what holds data.

use serde_json::{Value, json};

use super::super::cause::Cause;
use super::super::kinds::Kind;
use super::super::object::Object;
use super::super::schema::members;
use super::one_of;
use super::workloads;

pub(super) fn binding(kind: &Kind, object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
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
        // Told as Go names the members.
        let text = |member: &str| object["roleRef"][member].clone();
        let role =
            json!({ "APIGroup": text("apiGroup"), "Kind": text("kind"), "Name": text("name") });
        wrong.push(Cause::invalid("roleRef", &role, "cannot change roleRef"));
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

pub(super) fn budget(object: &Value, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        wrong.push(Cause::invalid(
            "spec",
            &json!({}),
            "minAvailable and maxUnavailable cannot be both set",
        ));
    }
}

pub(super) fn service(object: &Value, wrong: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    one_of(&spec["type"], "spec.type", &kinds, wrong);
    let ports = spec.list("/ports");
    if ports.is_empty() && spec["type"] != "ExternalName" && spec["clusterIP"] != "None" {
        wrong.push(Cause::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        workloads::port(&port["port"], &format!("{path}.port"), wrong);
        if port["targetPort"].is_number() {
            workloads::port(&port["targetPort"], &format!("{path}.targetPort"), wrong);
        }
    }
}

pub(super) fn keys(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
    for (key, _) in members(&object["data"]) {
        let is_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if key.is_empty() || key.len() > 253 || !key.chars().all(is_key) {
            wrong.push(Cause::invalid(&format!("data[{key}]"), &key.as_str().into(), "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"));
        }
    }
    if let Some(before) = before {
        if before["immutable"] == true && object["immutable"] != true {
            wrong.push(Cause::forbidden(
                "immutable",
                "field is immutable when `immutable` is set",
            ));
        }
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
