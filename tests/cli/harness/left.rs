//! What a world holds, told so that two worlds can be compared: how many there are of what, with
//! nothing in it that differs from run to run.

use std::collections::BTreeMap;

use psk_lab::world::World;
use serde_json::Value as Json;

/// How many there are of everything that a cluster's base is made of, by a name that is stable.
pub(crate) fn left(world: &World) -> BTreeMap<String, usize> {
    let world = serde_json::to_value(world).unwrap();
    let mut found = BTreeMap::new();
    for (account, kept) in members(&world["accounts"]) {
        for kind in ["roles", "policies", "instance_profiles"] {
            for (name, one) in members(&kept["iam"][kind]) {
                count(&mut found, format!("{account} {kind} {name}"));
                for policy in one["attached"].as_array().into_iter().flatten() {
                    count(&mut found, format!("{account} {kind} {name} {policy}"));
                }
                for (policy, _) in members(&one["inline"]) {
                    count(
                        &mut found,
                        format!("{account} {kind} {name} inline {policy}"),
                    );
                }
            }
        }
        for _ in members(&kept["iam"]["oidc_providers"]) {
            count(&mut found, format!("{account} oidc_providers"));
        }
        for (region, here) in members(&kept["regions"]) {
            let place = format!("{account} {region}");
            for (_, inside) in members(&here["kubernetes"]) {
                tell_inside(&mut found, &place, inside);
            }
            for (service, kinds) in members(here).filter(|(service, _)| *service != "kubernetes") {
                for (kind, things) in members(kinds) {
                    for (id, one) in members(things) {
                        tell(&mut found, &format!("{place} {service} {kind}"), id, one);
                    }
                }
            }
        }
    }
    found
}

fn tell(found: &mut BTreeMap<String, usize>, kind: &str, id: &str, one: &Json) {
    // Networks aren't psk's, and a service's bookkeeping is nobody's.
    let own = ["vpcs", "subnets", "agenda", "quotas"];
    if own.iter().any(|not| kind.ends_with(not)) || !one.is_object() {
        return;
    }
    let named = one["name"].as_str().filter(|_| !id.starts_with("fs"));
    // An id that was drawn says nothing.
    let drawn = ["-0", "fs", "key"].iter().any(|mark| id.contains(mark)) || kind.ends_with("keys");
    let name = match (named, drawn) {
        (Some(name), _) if kind.ends_with("security_groups") => name
            .trim_end_matches(|c: char| c.is_ascii_hexdigit())
            .to_owned(),
        (Some(name), _) => name.to_owned(),
        (None, true) => String::new(),
        (None, false) => id.to_owned(),
    };
    count(found, format!("{kind} {name}"));
    for inner in [
        "nodegroups",
        "addons",
        "access_entries",
        "associations",
        "targets",
        "versions",
    ] {
        for (id, one) in members(&one[inner]) {
            let of = match inner {
                "associations" => one["service_account"].as_str().unwrap_or(id),
                _ => id,
            };
            count(found, format!("{kind} {name} {inner} {of}"));
        }
    }
    if one["identity_provider"].is_object() {
        count(found, format!("{kind} {name} identity_provider"));
    }
}

/// What is inside a cluster and has a name that nobody drew.
fn tell_inside(found: &mut BTreeMap<String, usize>, place: &str, inside: &Json) {
    let kinds = [
        "namespaces",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "storageclasses.storage.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "nodepools.karpenter.sh",
        "ec2nodeclasses.karpenter.k8s.aws",
        "deployments.apps",
        "daemonsets.apps",
    ];
    for kind in kinds {
        for (name, object) in members(&inside["objects"][kind]) {
            let spec = &object["spec"];
            count(found, format!("{place} inside {kind} {name} {spec}"));
        }
    }
    for (_, secret) in members(&inside["objects"]["secrets"]) {
        let labels = &secret["metadata"]["labels"];
        if labels["owner"] == "helm" && labels["status"] == "deployed" {
            count(found, format!("{place} inside release {}", labels["name"]));
        }
    }
}

fn count(found: &mut BTreeMap<String, usize>, name: String) {
    *found.entry(name).or_default() += 1;
}

fn members(value: &Json) -> impl Iterator<Item = (&str, &Json)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}
