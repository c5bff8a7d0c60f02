//! Pods, and what makes pods from a template.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::cause::Cause;
use super::super::object::Object;
use super::super::quantity::Quantity;
use super::super::schema::members;
use super::super::selectors::selects;
use super::{LABEL, is_label, labels, one_of};

/// A pod's `spec`.
pub(super) fn pod(spec: &Value, path: &str, wrong: &mut Vec<Cause>) {
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
    let mut names = BTreeSet::new();
    for (list, containers) in [
        ("initContainers", spec.list("/initContainers")),
        ("containers", containers),
    ] {
        for (index, container) in containers.iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            let name = container.text("/name");
            if !names.insert(name) && !name.is_empty() {
                wrong.push(Cause::duplicate(&format!("{path}.name"), &name.into()));
            }
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
                wrong.push(Cause::not_found(&format!("{path}.name"), name));
            }
            if mount[place].as_str().unwrap_or_default().is_empty() {
                wrong.push(Cause::required(&format!("{path}.{place}"), ""));
            }
        }
    }
    for amounts in ["requests", "limits"] {
        for (resource, amount) in members(&container["resources"][amounts]) {
            let all = format!("{path}.resources.{amounts}");
            match Quantity::read(amount) {
                Some(quantity) if quantity >= Quantity(0) => {}
                _ => wrong.push(Cause::invalid(
                    &format!("{all}[{resource}]"),
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
                // Other than the rest, this is told of all requests together.
                wrong.push(Cause::invalid(&all, amount, &why));
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

pub(super) fn port(value: &Value, path: &str, wrong: &mut Vec<Cause>) {
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
pub(super) fn pod_change(before: &Value, after: &Value, wrong: &mut Vec<Cause>) {
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

pub(super) fn workload(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
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

pub(super) fn job(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
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
