//! Claims and storage classes.

use serde_json::{Value, json};

use super::super::cause::Cause;
use super::super::object::Object;
use super::super::quantity::Quantity;
use super::one_of;

pub(super) fn claim(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
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

pub(super) fn storage_class(object: &Value, before: Option<&Value>, wrong: &mut Vec<Cause>) {
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
