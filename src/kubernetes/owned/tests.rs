use serde_json::json;

use super::*;

/// A deployment as a manifest has it, with all that field sets know: maps, keyed lists, sets, whole values.
fn manifest() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "team", "labels": { "app": "web" }, "finalizers": ["a/one", "a/two"],
        },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "name": "inner" },
                "spec": { "containers": [
                    { "name": "b", "image": "b:1", "ports": [{ "containerPort": 53 }] },
                    { "name": "a", "image": "a:1", "args": ["x", "y"], "securityContext": {} },
                ] },
            },
        },
    })
}

/// What the API server keeps of it, defaults and other managers' fields included. As in a list, it doesn't
/// say what kind it is.
fn live() -> Value {
    json!({
        "metadata": {
            "name": "web", "namespace": "team", "uid": "1", "resourceVersion": "7", "generation": 1,
            "labels": { "app": "web", "others": "x" }, "finalizers": ["z/zero", "a/one", "a/two"],
            "managedFields": [
                { "manager": "psk", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {} },
                { "manager": "psk", "operation": "Apply", "apiVersion": "apps/v1", "subresource": "status", "fieldsV1": {} },
                { "manager": "psk", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {
                    "f:metadata": {
                        "f:labels": { "f:app": {} },
                        "f:finalizers": { "v:\"a/one\"": {}, "v:\"a/two\"": {} },
                    },
                    "f:spec": {
                        "f:replicas": {},
                        "f:selector": {},
                        "f:template": {
                            "f:metadata": { "f:name": {} },
                            "f:spec": { "f:containers": {
                                "k:{\"name\":\"a\"}": { ".": {}, "f:name": {}, "f:image": {}, "f:args": {}, "f:securityContext": {} },
                                "k:{\"name\":\"b\"}": { ".": {}, "f:name": {}, "f:image": {}, "f:ports": {
                                    "k:{\"containerPort\":53,\"protocol\":\"TCP\"}": { ".": {}, "f:containerPort": {} },
                                } },
                            } },
                        },
                    },
                } },
            ],
        },
        "spec": {
            "replicas": 2,
            "revisionHistoryLimit": 10,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "name": "inner", "creationTimestamp": null },
                "spec": { "dnsPolicy": "ClusterFirst", "containers": [
                    { "name": "b", "image": "b:1", "imagePullPolicy": "IfNotPresent",
                      "ports": [{ "containerPort": 53, "protocol": "UDP" }, { "containerPort": 53, "protocol": "TCP" }] },
                    { "name": "injected", "image": "mesh:1" },
                    { "name": "a", "image": "a:1", "args": ["x", "y"], "securityContext": {} },
                ] },
            },
        },
        "status": { "replicas": 2 },
    })
}

/// The same with something else at a place; nothing at all where it is null.
fn but(mut object: Value, at: &str, value: Value) -> Value {
    let (parent, member) = at.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list[member.parse::<usize>().unwrap()] = value,
        parent if value.is_null() => {
            parent.as_object_mut().unwrap().shift_remove(member);
        }
        parent => parent[member] = value,
    }
    object
}

const OWNED: &str = "/metadata/managedFields/2";
const CONTAINERS: &str = "/spec/template/spec/containers";

#[test]
fn what_others_add_and_the_server_fills_in_is_no_difference() {
    assert!(is_applied(&live(), &manifest()));
}

#[test]
fn a_value_that_differs_is_seen_wherever_it_is() {
    let changes = [
        ("/spec/replicas", json!(3)),
        ("/spec/replicas", json!("2")),
        ("/spec/replicas", Value::Null),
        (
            "/spec/selector",
            json!({ "matchLabels": { "app": "web", "more": "x" } }),
        ),
        ("/metadata/labels/app", json!("other")),
        ("/metadata/labels", Value::Null),
        ("/metadata/finalizers", json!(["a/two", "a/one"])),
        ("/metadata/finalizers", json!(["a/one"])),
        ("/spec/template/metadata/name", json!("other")),
        ("/spec/template/spec/containers/0/image", json!("b:2")),
        (
            "/spec/template/spec/containers/0/ports",
            json!([{ "containerPort": 53, "protocol": "UDP" }]),
        ),
        ("/spec/template/spec/containers/2/args", json!(["y", "x"])),
        (
            "/spec/template/spec/containers/2/securityContext",
            json!({ "runAsUser": 0 }),
        ),
        ("/spec/template/spec/containers/2/name", json!("gone")),
        ("/metadata/deletionTimestamp", json!("2026-11-23T08:00:00Z")),
    ];
    for (at, value) in changes {
        let live = but(live(), at, value.clone());
        assert!(!is_applied(&live, &manifest()), "{at} {value}");
    }
    let mut moved = live();
    moved
        .pointer_mut(CONTAINERS)
        .unwrap()
        .as_array_mut()
        .unwrap()
        .swap(0, 2);
    assert!(!is_applied(&moved, &manifest()));
}

#[test]
fn what_psk_would_own_anew_or_no_longer_is_seen() {
    let changes = [
        ("/spec/paused", json!(false)),
        ("/spec/replicas", Value::Null),
        ("/spec/selector", Value::Null),
        ("/metadata/labels/others", json!("x")),
        ("/metadata/labels", json!({})),
        ("/metadata/finalizers", json!(["z/zero", "a/one", "a/two"])),
        ("/metadata/finalizers", json!(["a/one"])),
        ("/spec/template/spec/dnsPolicy", json!("ClusterFirst")),
        ("/spec/template/metadata/creationTimestamp", Value::Null),
        ("/spec/template/metadata/name", Value::Null),
        (
            "/spec/template/spec/containers/0/imagePullPolicy",
            json!("IfNotPresent"),
        ),
        ("/spec/template/spec/containers/0/image", Value::Null),
        (
            "/spec/template/spec/containers/0/ports/0/protocol",
            json!("UDP"),
        ),
        (
            "/spec/template/spec/containers/1",
            json!({ "name": "injected", "image": "mesh:1" }),
        ),
    ];
    for (at, value) in changes {
        let wanted = but(manifest(), at, value.clone());
        let is_as_before = wanted == manifest();
        assert_eq!(is_applied(&live(), &wanted), is_as_before, "{at} {value}");
    }
}

#[test]
fn only_what_psk_itself_applied_in_this_version_counts() {
    let entry = |member: &str| format!("{OWNED}/{member}");
    for (at, value) in [
        (entry("manager"), json!("kubectl")),
        (entry("operation"), json!("Update")),
        (entry("apiVersion"), json!("apps/v1beta1")),
        (entry("fieldsV1"), Value::Null),
        (entry("fieldsV1"), json!({})),
        ("/metadata/managedFields".to_owned(), Value::Null),
        ("/metadata/managedFields".to_owned(), json!([])),
    ] {
        assert!(!is_applied(&but(live(), &at, value), &manifest()), "{at}");
    }
    assert!(!is_applied(&Value::Null, &manifest()));
    assert!(!is_applied(&live(), &Value::Null));
}
