//! Env files: the values of each role and instance, merged from layers.

use super::checkout::{Checkout, extension};
use super::control::Definition;
use super::settings::Settings;
use crate::inventory::Problem;
use crate::pipeline::go::{Map, Value};

/// Writes an env file for each role and each instance of a pipeline. The layers, lowest first: default, pipeline,
/// role, instance, and the instance's own values in the control file. Later wins, key by key, whole values.
pub(super) fn write(
    pipeline: &str,
    definition: &Definition,
    settings: &Settings,
    checkout: &mut Checkout,
    problems: &mut Vec<Problem>,
) {
    let default = settings.kept(&settings.env_defaults_file_name);
    let why = "it is the layer under all others, and may hold {}";
    let base = checkout
        .needed(&default, why, problems)
        .and_then(|source| checkout.mapping(&source, problems));
    let Some(mut base) = base else {
        return;
    };
    base.extend(kept(pipeline, settings, checkout, problems));
    for role in &definition.roles {
        let mut of_role = base.clone();
        of_role.extend(kept(&role.name, settings, checkout, problems));
        put(&role.name, &of_role, settings, checkout, problems);
        for instance in &role.instances {
            let mut values = of_role.clone();
            values.extend(kept(&instance.name, settings, checkout, problems));
            values.extend(instance.values.clone().unwrap_or_default());
            put(&instance.name, &values, settings, checkout, problems);
        }
    }
}

/// The kept env file of a layer; empty if there is none.
pub(super) fn kept(
    layer: &str,
    settings: &Settings,
    checkout: &Checkout,
    problems: &mut Vec<Problem>,
) -> Map {
    values(&settings.kept(layer), checkout, problems)
}

/// The written env file of a role or instance; empty if there is none.
pub(super) fn written(
    name: &str,
    settings: &Settings,
    checkout: &Checkout,
    problems: &mut Vec<Problem>,
) -> Map {
    values(&settings.written(name), checkout, problems)
}

fn values(path: &str, checkout: &Checkout, problems: &mut Vec<Problem>) -> Map {
    checkout
        .text(path, problems)
        .and_then(|source| checkout.mapping(&source, problems))
        .unwrap_or_default()
}

fn put(
    name: &str,
    values: &Map,
    settings: &Settings,
    checkout: &mut Checkout,
    problems: &mut Vec<Problem>,
) {
    let path = settings.written(name);
    let values = Value::Map(values.clone());
    let text = match extension(&path) {
        "json" => serde_json::to_string_pretty(&values).map_err(|error| error.to_string()),
        "yaml" | "yml" => serde_saphyr::to_string(&values).map_err(|error| error.to_string()),
        _ => Err("EnvFilesWriteExt ends in none of .json, .yaml and .yml".to_owned()),
    };
    match text {
        Ok(text) => checkout.write(path, text),
        Err(error) => problems.push(Problem::nowhere(format!("writing {path}: {error}"))),
    }
}
