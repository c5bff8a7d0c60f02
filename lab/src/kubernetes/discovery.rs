//! What the API tells of itself: its version, its groups and their kinds, and as much of an OpenAPI
//! description as clients need to know that it checks fields and takes dry runs.
//!
//! Source: "The Kubernetes API" in the Kubernetes documentation.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::facts::Facts;
use super::inside::Inside;
use super::kinds::{self, Kind};

const AGGREGATED: &str = "as=APIGroupDiscoveryList";

/// Answers a path that leads to no objects; none if there is no such path.
pub(crate) fn answer(
    inside: &Inside,
    facts: &Facts,
    segments: &[String],
    accept: &str,
) -> Option<(&'static str, Value)> {
    const JSON: &str = "application/json";
    const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let all = kinds::all(inside);
    let aggregated = accept.contains(AGGREGATED) && accept.contains("v=v2;");
    let segments: Vec<&str> = segments
        .iter()
        .map(String::as_str)
        .filter(|s| !s.is_empty())
        .collect();
    let answer = match segments.as_slice() {
        ["version"] => version(facts),
        ["api"] if aggregated => return Some((DISCOVERY, groups_with_kinds(&all, true))),
        ["apis"] if aggregated => return Some((DISCOVERY, groups_with_kinds(&all, false))),
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1" }],
        }),
        ["apis"] => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups(&all) }),
        ["apis", group] => {
            groups(&all)
                .into_iter()
                .find(|g| g["name"] == *group)
                .map(|mut g| {
                    g["kind"] = "APIGroup".into();
                    g["apiVersion"] = "v1".into();
                    g
                })?
        }
        ["api", version] => resources(&all, "", version)?,
        ["apis", group, version] => resources(&all, group, version)?,
        ["openapi", "v3"] => openapi_index(&all),
        ["openapi", "v3", "api", version] => openapi(&all, "", version)?,
        ["openapi", "v3", "apis", group, version] => openapi(&all, group, version)?,
        _ => return None,
    };
    Some((JSON, answer))
}

fn version(facts: &Facts) -> Value {
    let (major, minor) = facts.version.split_once('.').unwrap_or(("1", ""));
    json!({
        "major": major,
        "minor": minor,
        "gitVersion": format!("v{}", facts.git_version()),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.24",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// Groups with their versions, as they were added.
fn grouped(all: &[Kind]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for kind in all {
        match groups.iter_mut().find(|(group, _)| *group == kind.group) {
            Some((_, versions)) if versions.contains(&kind.version.as_str()) => {}
            Some((_, versions)) => versions.push(&kind.version),
            None => groups.push((&kind.group, vec![&kind.version])),
        }
    }
    groups
}

fn groups(all: &[Kind]) -> Vec<Value> {
    grouped(all)
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| {
            let versions: Vec<_> = versions
                .iter()
                .map(|v| json!({ "groupVersion": format!("{group}/{v}"), "version": v }))
                .collect();
            json!({ "name": group, "preferredVersion": versions[0], "versions": versions })
        })
        .collect()
}

fn subresources(
    kind: &Kind,
) -> Vec<(
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
)> {
    const CHANGE: &[&str] = &["get", "patch", "update"];
    let mut all: Vec<(_, _, _, &'static [&'static str])> = Vec::new();
    if kind.status {
        all.push(("status", "", "", CHANGE));
    }
    if kind.scale {
        all.push(("scale", "autoscaling/v1", "Scale", CHANGE));
    }
    match kind.qualified().as_str() {
        "pods" => {
            all.push(("log", "", "", &["get"]));
            all.push(("eviction", "policy/v1", "Eviction", &["create"]));
            all.push(("binding", "v1", "Binding", &["create"]));
        }
        "serviceaccounts" => {
            all.push((
                "token",
                "authentication.k8s.io/v1",
                "TokenRequest",
                &["create"],
            ));
        }
        _ => {}
    }
    all
}

fn resources(all: &[Kind], group: &str, version: &str) -> Option<Value> {
    let of_version: Vec<_> = all
        .iter()
        .filter(|k| k.group == group && k.version == version)
        .collect();
    let first = of_version.first()?;
    let mut list = Vec::new();
    for kind in &of_version {
        let mut entry = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": kind.verbs,
        });
        if !kind.short.is_empty() {
            entry["shortNames"] = json!(kind.short);
        }
        if !kind.categories.is_empty() {
            entry["categories"] = json!(kind.categories);
        }
        list.push(entry);
        for (name, api_version, of_kind, verbs) in subresources(kind) {
            let mut entry = json!({
                "name": format!("{}/{name}", kind.plural), "singularName": "",
                "namespaced": kind.namespaced,
                "kind": if of_kind.is_empty() { &kind.kind } else { of_kind },
                "verbs": verbs,
            });
            if let Some((group, version)) = api_version.split_once('/') {
                entry["group"] = group.into();
                entry["version"] = version.into();
            }
            list.push(entry);
        }
    }
    let mut answer = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(),
        "resources": list,
    });
    // The oldest one doesn't say in which version it is itself.
    if group.is_empty()
        && let Some(map) = answer.as_object_mut()
    {
        map.shift_remove("apiVersion");
    }
    Some(answer)
}

/// The aggregated form, `apidiscovery.k8s.io/v2`.
fn groups_with_kinds(all: &[Kind], core: bool) -> Value {
    let items: Vec<_> = grouped(all)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<_> = versions
                .into_iter()
                .map(|version| {
                    let kinds = all
                        .iter()
                        .filter(|k| k.group == group && k.version == version);
                    json!({
                        "version": version, "freshness": "Current",
                        "resources": kinds.map(aggregated).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let mut item =
                json!({ "metadata": { "creationTimestamp": null }, "versions": versions });
            if !core {
                item["metadata"]["name"] = group.into();
            }
            item
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": items,
    })
}

fn aggregated(kind: &Kind) -> Value {
    let subresources: Vec<_> = subresources(kind)
        .into_iter()
        .map(|(name, api_version, of_kind, verbs)| {
            let (group, version) = match api_version.split_once('/') {
                Some((group, version)) => (group, version),
                None if api_version.is_empty() => (kind.group.as_str(), kind.version.as_str()),
                None => ("", api_version),
            };
            json!({
                "subresource": name, "verbs": verbs,
                "responseKind": {
                    "group": group, "version": version,
                    "kind": if of_kind.is_empty() { &kind.kind } else { of_kind },
                },
            })
        })
        .collect();
    let mut entry = json!({
        "resource": kind.plural,
        "responseKind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    });
    if !kind.short.is_empty() {
        entry["shortNames"] = json!(kind.short);
    }
    if !kind.categories.is_empty() {
        entry["categories"] = json!(kind.categories);
    }
    if !subresources.is_empty() {
        entry["subresources"] = json!(subresources);
    }
    entry
}

fn openapi_index(all: &[Kind]) -> Value {
    let paths: BTreeMap<String, Value> = grouped(all)
        .into_iter()
        .flat_map(|(group, versions)| {
            versions.into_iter().map(move |version| {
                let path = if group.is_empty() {
                    format!("api/{version}")
                } else {
                    format!("apis/{group}/{version}")
                };
                let url = json!({ "serverRelativeURL": format!("/openapi/v3/{path}") });
                (path, url)
            })
        })
        .collect();
    json!({ "paths": paths })
}

/// The operations of a version that change objects, with the parameters that tell a client that it
/// may ask for a dry run and for fields to be checked. Built-in kinds' schemas aren't told: clients
/// then go by those that they have themselves.
fn openapi(all: &[Kind], group: &str, version: &str) -> Option<Value> {
    let of_version: Vec<_> = all
        .iter()
        .filter(|k| k.group == group && k.version == version)
        .collect();
    of_version.first()?;
    let mut paths = serde_json::Map::new();
    let mut schemas = serde_json::Map::new();
    for kind in of_version {
        let base = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        let place = if kind.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        let gvk = json!({ "group": group, "version": version, "kind": kind.kind });
        let parameter = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
        let operation = |action: &str| {
            json!({
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": gvk,
                "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
                "responses": { "200": { "description": "OK" } },
            })
        };
        let all_of_kind = format!("{base}{place}/{}", kind.plural);
        let mut posted = json!({ "post": operation("post") });
        if kind.is_review() {
            paths.insert(all_of_kind, posted);
            continue;
        }
        posted["get"] = json!({ "x-kubernetes-action": "list", "x-kubernetes-group-version-kind": gvk, "responses": {} });
        paths.insert(all_of_kind.clone(), posted);
        paths.insert(
            format!("{all_of_kind}/{{name}}"),
            json!({ "put": operation("put"), "patch": operation("patch") }),
        );
        if let Some(custom) = &kind.custom {
            let mut schema = custom.schema().clone();
            schema["x-kubernetes-group-version-kind"] = json!([gvk]);
            let reversed: Vec<_> = group.split('.').rev().collect();
            schemas.insert(
                format!("{}.{version}.{}", reversed.join("."), kind.kind),
                schema,
            );
        }
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": version },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}
