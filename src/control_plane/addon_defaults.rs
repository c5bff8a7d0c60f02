//! What psk configures in add-ons before the settings have their say.

use serde_json::{Map, Value, json};

use crate::inventory::{Addon, Settings};

/// Configuration of an add-on: psk's own, with `settings` laid over it. `None` where there is
/// nothing to configure.
///
/// CoreDNS and the two CSI drivers' controllers run on the management nodes, which are there before
/// any other and taint themselves against everything else.
pub fn addon_configuration(settings: &Settings, addon: &Addon) -> Option<Value> {
    configuration(
        &addon.name,
        &settings.management_node_group_role,
        addon.configuration_values.as_ref(),
    )
}

fn configuration(
    addon: &str,
    node_role: &str,
    settings: Option<&Map<String, Value>>,
) -> Option<Value> {
    let placement = json!({
        "nodeSelector": { "node.kubernetes.io/role": node_role },
        "tolerations": [{
            "key": "dedicated",
            "operator": "Equal",
            "value": node_role,
            "effect": "NoSchedule",
        }],
    });
    let mut configuration = match addon {
        "coredns" => {
            let mut values = placement;
            values["autoScaling"] = json!({ "enabled": true });
            values
        }
        "aws-ebs-csi-driver" | "aws-efs-csi-driver" => json!({ "controller": placement }),
        _ => json!({}),
    };
    if let Some(settings) = settings {
        lay_over(&mut configuration, &Value::Object(settings.clone()));
    }
    let empty = configuration.as_object().is_some_and(Map::is_empty);
    (!empty).then_some(configuration)
}

/// Lays `over` on `base`: objects key by key, anything else whole.
fn lay_over(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_laid_over_what_psk_sets_key_by_key() {
        let settings = json!({ "autoScaling": { "minReplicas": 3 }, "tolerations": [] });
        let values = configuration("coredns", "management", settings.as_object()).unwrap();
        assert_eq!(
            values,
            json!({
                "nodeSelector": { "node.kubernetes.io/role": "management" },
                "tolerations": [],
                "autoScaling": { "enabled": true, "minReplicas": 3 },
            })
        );
    }

    #[test]
    fn an_addon_that_nobody_configures_has_no_configuration() {
        assert_eq!(configuration("kube-proxy", "management", None), None);
        let settings = json!({ "env": { "ENABLE_PREFIX_DELEGATION": "true" } });
        assert_eq!(
            configuration("vpc-cni", "management", settings.as_object()),
            Some(settings)
        );
    }
}
