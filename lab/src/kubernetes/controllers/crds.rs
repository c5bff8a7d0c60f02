//! The definitions of Karpenter's kinds, as far as the lab goes by them.
//!
//! Source: the reference of `karpenter.sh/v1` and `karpenter.k8s.aws/v1` in Karpenter's documentation.

use serde_json::{Value, json};

/// `NodePool`, `NodeClaim` and `EC2NodeClass`.
pub(super) fn karpenter() -> Vec<Value> {
    vec![
        definition(
            "karpenter.sh",
            "nodepools",
            "NodePool",
            node_pool(),
            json!([
                column("NodeClass", ".spec.template.spec.nodeClassRef.name"),
                column("Ready", ".status.conditions[?(@.type==\"Ready\")].status"),
            ]),
        ),
        definition(
            "karpenter.sh",
            "nodeclaims",
            "NodeClaim",
            node_claim(),
            json!([
                column(
                    "Type",
                    ".metadata.labels.node\\.kubernetes\\.io/instance-type"
                ),
                column("Node", ".status.nodeName"),
                column("Ready", ".status.conditions[?(@.type==\"Ready\")].status"),
            ]),
        ),
        definition(
            "karpenter.k8s.aws",
            "ec2nodeclasses",
            "EC2NodeClass",
            node_class(),
            json!([column(
                "Ready",
                ".status.conditions[?(@.type==\"Ready\")].status"
            ),]),
        ),
    ]
}

fn column(name: &str, path: &str) -> Value {
    json!({ "name": name, "type": "string", "jsonPath": path })
}

fn definition(group: &str, plural: &str, kind: &str, spec: Value, columns: Value) -> Value {
    let singular = kind.to_lowercase();
    let age = json!({ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" });
    let columns: Vec<Value> = columns
        .as_array()
        .into_iter()
        .flatten()
        .cloned()
        .chain([age])
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group, "scope": "Cluster",
            "names": { "plural": plural, "singular": singular, "kind": kind, "listKind": format!("{kind}List"), "categories": ["karpenter"] },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": columns,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "required": ["spec"],
                    "properties": {
                        "apiVersion": { "type": "string" }, "kind": { "type": "string" }, "metadata": { "type": "object" },
                        "spec": spec,
                        "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                    },
                }},
            }],
        },
    })
}

fn object(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn texts() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn amounts() -> Value {
    json!({ "type": "object", "additionalProperties": { "anyOf": [{ "type": "integer" }, { "type": "string" }], "x-kubernetes-int-or-string": true } })
}

fn requirement() -> Value {
    object(
        json!({
            "key": { "type": "string", "maxLength": 316 },
            "operator": { "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] },
            "values": list(text()), "minValues": { "type": "integer", "minimum": 1, "maximum": 50 },
        }),
        &["key", "operator"],
    )
}

fn taint() -> Value {
    object(
        json!({ "key": text(), "value": text(), "timeAdded": text(),
            "effect": { "type": "string", "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"] } }),
        &["key", "effect"],
    )
}

fn duration() -> Value {
    json!({ "type": "string", "pattern": "^(([0-9]+(s|m|h))+|Never)$" })
}

fn node_template() -> Value {
    object(
        json!({
            "nodeClassRef": object(json!({ "group": text(), "kind": text(), "name": text() }), &["group", "kind", "name"]),
            "requirements": list(requirement()),
            "taints": list(taint()), "startupTaints": list(taint()),
            "expireAfter": { "type": "string", "pattern": "^(([0-9]+(s|m|h))+|Never)$", "default": "720h" },
            "terminationGracePeriod": duration(),
        }),
        &["nodeClassRef", "requirements"],
    )
}

fn node_pool() -> Value {
    let mut spec = object(
        json!({
            "template": object(json!({
                "metadata": object(json!({ "labels": texts(), "annotations": texts() }), &[]),
                "spec": node_template(),
            }), &["spec"]),
            "disruption": object(json!({
                "consolidationPolicy": { "type": "string", "enum": ["WhenEmpty", "WhenEmptyOrUnderutilized"], "default": "WhenEmptyOrUnderutilized" },
                "consolidateAfter": { "type": "string", "pattern": "^(([0-9]+(s|m|h))+|Never)$", "default": "0s" },
                "budgets": { "type": "array", "maxItems": 50, "default": [{ "nodes": "10%" }], "items": object(json!({
                    "nodes": { "type": "string", "default": "10%" }, "schedule": text(), "duration": text(),
                    "reasons": list(json!({ "type": "string", "enum": ["Underutilized", "Empty", "Drifted"] })),
                }), &["nodes"]) },
            }), &["consolidateAfter"]),
            "limits": amounts(),
            "weight": { "type": "integer", "minimum": 1, "maximum": 100 },
        }),
        &["template"],
    );
    spec["properties"]["disruption"]["default"] = json!({ "consolidateAfter": "0s" });
    spec
}

fn node_claim() -> Value {
    let mut spec = node_template();
    spec["properties"]["resources"] = object(json!({ "requests": amounts() }), &[]);
    spec
}

fn node_class() -> Value {
    let selector = |more: Value| {
        let mut properties = json!({ "tags": texts(), "id": text() });
        for (name, schema) in super::super::schema::members(&more) {
            properties[name.as_str()] = schema.clone();
        }
        list(object(properties, &[]))
    };
    object(
        json!({
            "amiFamily": { "type": "string", "enum": ["AL2", "AL2023", "Bottlerocket", "Custom", "Windows2019", "Windows2022"] },
            "amiSelectorTerms": selector(json!({ "alias": text(), "name": text(), "owner": text(), "ssmParameter": text() })),
            "subnetSelectorTerms": selector(json!({})),
            "securityGroupSelectorTerms": selector(json!({ "name": text() })),
            "capacityReservationSelectorTerms": selector(json!({ "ownerID": text() })),
            "role": text(), "instanceProfile": text(), "userData": text(), "context": text(), "instanceStorePolicy": text(),
            "associatePublicIPAddress": { "type": "boolean" }, "detailedMonitoring": { "type": "boolean" },
            "tags": texts(),
            "kubelet": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "blockDeviceMappings": list(json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })),
            "metadataOptions": { "type": "object",
                "default": { "httpEndpoint": "enabled", "httpProtocolIPv6": "disabled", "httpPutResponseHopLimit": 1, "httpTokens": "required" },
                "properties": {
                    "httpEndpoint": { "type": "string", "default": "enabled", "enum": ["enabled", "disabled"] },
                    "httpProtocolIPv6": { "type": "string", "default": "disabled", "enum": ["enabled", "disabled"] },
                    "httpPutResponseHopLimit": { "type": "integer", "default": 1, "minimum": 1, "maximum": 64 },
                    "httpTokens": { "type": "string", "default": "required", "enum": ["required", "optional"] },
                } },
        }),
        &[
            "amiSelectorTerms",
            "securityGroupSelectorTerms",
            "subnetSelectorTerms",
        ],
    )
}
