//! The JSON Schemas that add-ons' configuration values are checked against.
//!
//! Members are those that the add-ons publish and that platform teams set; each schema is closed,
//! as the published ones are, so that a misspelt member is refused.

use serde_json::{Map, Value, json};

/// The schema of an add-on's configuration values.
pub(super) fn schema(addon: &str) -> Value {
    let members = match addon {
        "coredns" => coredns(),
        "kube-proxy" => kube_proxy(),
        "vpc-cni" => vpc_cni(),
        "aws-ebs-csi-driver" => ebs_csi(),
        "aws-efs-csi-driver" => efs_csi(),
        "eks-pod-identity-agent" => pod_identity_agent(),
        "metrics-server" => metrics_server(),
        "snapshot-controller" => with_placement([("replicas", count())]),
        "eks-node-monitoring-agent" => members([(
            "nodeAgent",
            closed(with_placement([("additionalArgs", strings())])),
        )]),
        _ => Map::new(),
    };
    let mut schema = closed(members);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = addon.into();
    schema
}

/// Checks an add-on's configuration values, a JSON document.
///
/// # Errors
/// What is wrong with them and where, in words.
pub(super) fn check(addon: &str, values: &str) -> Result<(), String> {
    let values: Value = serde_json::from_str(values).map_err(|e| format!("not valid JSON: {e}"))?;
    let validator = jsonschema::validator_for(&schema(addon)).map_err(|e| e.to_string())?;
    let wrong: Vec<_> = validator
        .iter_errors(&values)
        .map(|e| format!("${}: {e}", e.instance_path().as_str().replace('/', ".")))
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "Json schema validation failed with error: [{}]",
            wrong.join(", ")
        ))
    }
}

fn coredns() -> Map<String, Value> {
    let autoscaling = members([
        ("enabled", boolean()),
        ("minReplicas", count()),
        ("maxReplicas", count()),
    ]);
    let budget = members([
        ("enabled", boolean()),
        ("minAvailable", count_or_percent()),
        ("maxUnavailable", count_or_percent()),
    ]);
    with_placement([
        ("autoScaling", closed(autoscaling)),
        ("computeType", string()),
        ("corefile", string()),
        ("podAnnotations", words()),
        ("podLabels", words()),
        ("podDisruptionBudget", closed(budget)),
        ("replicaCount", count()),
        ("topologySpreadConstraints", objects()),
    ])
}

fn kube_proxy() -> Map<String, Value> {
    let ipvs = closed(members([("scheduler", string())]));
    members([
        ("ipvs", ipvs),
        ("mode", json!({ "enum": ["iptables", "ipvs", "nftables"] })),
        ("podAnnotations", words()),
        ("podLabels", words()),
        ("resources", resources()),
    ])
}

fn vpc_cni() -> Map<String, Value> {
    let init = members([("env", words()), ("resources", resources())]);
    let agent = members([
        ("enabled", json!({ "type": ["boolean", "string"] })),
        (
            "enableCloudWatchLogs",
            json!({ "type": ["boolean", "string"] }),
        ),
        (
            "enablePolicyEventLogs",
            json!({ "type": ["boolean", "string"] }),
        ),
        (
            "healthProbeBindAddr",
            json!({ "type": ["integer", "string"] }),
        ),
        ("metricsBindAddr", json!({ "type": ["integer", "string"] })),
        ("resources", resources()),
    ]);
    with_placement([
        (
            "enableNetworkPolicy",
            json!({ "enum": [true, false, "true", "false"] }),
        ),
        (
            "enableWindowsIpam",
            json!({ "enum": [true, false, "true", "false"] }),
        ),
        ("eniConfig", object()),
        ("env", words()),
        ("init", closed(init)),
        ("livenessProbeTimeoutSeconds", count()),
        ("nodeAgent", closed(agent)),
        ("podAnnotations", words()),
        ("podLabels", words()),
        ("readinessProbeTimeoutSeconds", count()),
    ])
}

fn ebs_csi() -> Map<String, Value> {
    let controller = with_placement([
        ("additionalArgs", strings()),
        ("batching", boolean()),
        (
            "defaultFsType",
            json!({ "enum": ["xfs", "ext2", "ext3", "ext4"] }),
        ),
        ("enableMetrics", boolean()),
        ("extraVolumeTags", words()),
        ("loggingFormat", json!({ "enum": ["text", "json"] })),
        ("logLevel", count()),
        ("podAnnotations", words()),
        ("podLabels", words()),
        ("replicaCount", count()),
        ("topologySpreadConstraints", objects()),
        ("updateStrategy", object()),
        ("volumeModificationFeature", object()),
    ]);
    let node = with_placement([
        ("additionalArgs", strings()),
        ("enableMetrics", boolean()),
        ("enableWindows", boolean()),
        ("kubeletPath", string()),
        ("loggingFormat", json!({ "enum": ["text", "json"] })),
        ("logLevel", count()),
        ("podAnnotations", words()),
        ("tolerateAllTaints", boolean()),
        ("volumeAttachLimit", count()),
    ]);
    members([
        ("controller", closed(controller)),
        ("node", closed(node)),
        (
            "defaultStorageClass",
            closed(members([("enabled", boolean())])),
        ),
        ("sidecars", object()),
    ])
}

fn efs_csi() -> Map<String, Value> {
    let controller = with_placement([
        ("deleteAccessPointRootDir", boolean()),
        ("logLevel", count()),
        ("podAnnotations", words()),
        ("podLabels", words()),
        ("tags", words()),
        ("topologySpreadConstraints", objects()),
        ("updateStrategy", object()),
        ("volMetricsOptIn", boolean()),
    ]);
    let node = with_placement([
        ("hostAliases", object()),
        ("logLevel", count()),
        ("podAnnotations", words()),
        ("podLabels", words()),
        ("volMetricsFsRateLimit", count()),
        ("volMetricsOptIn", boolean()),
        ("volMetricsRefreshPeriod", count()),
    ]);
    members([
        ("controller", closed(controller)),
        ("node", closed(node)),
        ("replicaCount", count()),
        ("sidecars", object()),
        ("useFIPS", boolean()),
    ])
}

fn pod_identity_agent() -> Map<String, Value> {
    let agent = members([("additionalArgs", object())]);
    with_placement([
        ("agent", closed(agent)),
        ("podAnnotations", words()),
        ("podLabels", words()),
        ("updateStrategy", object()),
    ])
}

fn metrics_server() -> Map<String, Value> {
    with_placement([
        ("addonResizer", object()),
        ("podAnnotations", words()),
        ("podDisruptionBudget", object()),
        ("podLabels", words()),
        ("replicas", count()),
        ("topologySpreadConstraints", objects()),
        ("updateStrategy", object()),
    ])
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// These members and those that say where pods may run and what they may use.
fn with_placement<const N: usize>(own: [(&str, Value); N]) -> Map<String, Value> {
    let toleration = members([
        ("key", string()),
        ("operator", json!({ "enum": ["Exists", "Equal"] })),
        ("value", string()),
        (
            "effect",
            json!({ "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"] }),
        ),
        ("tolerationSeconds", count()),
    ]);
    let mut all = members(own);
    all.extend(members([
        ("affinity", object()),
        ("nodeSelector", words()),
        ("priorityClassName", string()),
        ("resources", resources()),
        (
            "tolerations",
            json!({ "type": "array", "items": closed(toleration) }),
        ),
    ]));
    all
}

fn resources() -> Value {
    let amounts = json!({
        "type": "object",
        "additionalProperties": { "type": ["string", "number"] },
    });
    closed(members([
        ("limits", amounts.clone()),
        ("requests", amounts),
    ]))
}

/// An object with these members and no others.
fn closed(members: Map<String, Value>) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": members })
}

fn object() -> Value {
    json!({ "type": "object" })
}

fn objects() -> Value {
    json!({ "type": "array", "items": object() })
}

fn string() -> Value {
    json!({ "type": "string" })
}

fn strings() -> Value {
    json!({ "type": "array", "items": string() })
}

/// An object whose members are all strings.
fn words() -> Value {
    json!({ "type": "object", "additionalProperties": string() })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn count_or_percent() -> Value {
    json!({ "anyOf": [count(), { "type": "string", "pattern": "^[0-9]{1,3}%$" }] })
}

#[cfg(test)]
mod tests {
    use super::super::catalog::addons;
    use super::*;

    const TOLERATION: &str =
        r#"{"key":"dedicated","operator":"Equal","value":"management","effect":"NoSchedule"}"#;

    #[test]
    fn accepts_what_platform_teams_set() {
        for (addon, values) in [
            (
                "coredns",
                format!(r#"{{"autoScaling":{{"enabled":true}},"tolerations":[{TOLERATION}]}}"#),
            ),
            (
                "coredns",
                r#"{"replicaCount":3,"resources":{"limits":{"memory":"170Mi"}}}"#.to_owned(),
            ),
            (
                "aws-ebs-csi-driver",
                format!(r#"{{"controller":{{"tolerations":[{TOLERATION}]}}}}"#),
            ),
            (
                "aws-efs-csi-driver",
                r#"{"controller":{"nodeSelector":{"nodegroup":"m"}}}"#.to_owned(),
            ),
            (
                "vpc-cni",
                r#"{"env":{"ENABLE_PREFIX_DELEGATION":"true"}}"#.to_owned(),
            ),
            (
                "kube-proxy",
                r#"{"mode":"ipvs","ipvs":{"scheduler":"rr"}}"#.to_owned(),
            ),
        ] {
            assert_eq!(check(addon, &values), Ok(()), "{addon} {values}");
        }
    }

    #[test]
    fn refuses_misspelt_members_and_wrong_types_naming_where() {
        for (addon, values, place) in [
            (
                "coredns",
                r#"{"autoscaling":{"enabled":true}}"#,
                "autoscaling",
            ),
            (
                "coredns",
                r#"{"autoScaling":{"enabled":"yes"}}"#,
                "$.autoScaling.enabled",
            ),
            (
                "aws-ebs-csi-driver",
                r#"{"controller":{"toleration":[]}}"#,
                "$.controller",
            ),
            (
                "vpc-cni",
                r#"{"env":{"WARM_IP_TARGET":2}}"#,
                "$.env.WARM_IP_TARGET",
            ),
            ("kube-proxy", "mode: ipvs", "not valid JSON"),
        ] {
            let why = check(addon, values).expect_err(values);
            assert!(why.contains(place), "{why}");
        }
    }

    #[test]
    fn every_addon_has_a_closed_schema_with_members() {
        for addon in addons() {
            let schema = schema(addon.name);
            assert!(jsonschema::meta::is_valid(&schema), "{}", addon.name);
            assert_eq!(schema["additionalProperties"], json!(false));
            assert!(
                schema["properties"]
                    .as_object()
                    .is_some_and(|p| !p.is_empty()),
                "{}",
                addon.name
            );
        }
    }
}
