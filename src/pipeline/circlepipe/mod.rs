//! A drop-in for circlepipe: reads its repositories as they are and writes the same env files and the same
//! generated config.
//!
//! Source for every rule here: circlepipe's own documentation (`doc/` of ThoughtWorks-DPS/circlepipe) and the
//! behaviour of its commands `create envfiles` and `create pipeline`.

mod checkout;
mod config;
mod control;
mod env_files;
mod import;
mod jobs;
mod settings;

use std::collections::BTreeMap;

pub use checkout::Checkout;
pub use import::{Imported, import};
pub use settings::{SETTINGS, Setting, Settings, SettingsSource};

use crate::inventory::{Problem, Problems};

/// What generating a pipeline gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// The files, by their path from the repository's root.
    pub files: BTreeMap<String, String>,
    /// What a person should know, one line each. None of it stops anything.
    pub notes: Vec<String>,
}

/// The env files and the config of a pipeline. Nothing is written yet.
///
/// # Errors
/// Everything that is wrong with the repository's files, as far as it can be told at once.
pub fn generate(
    pipeline: &str,
    settings: &Settings,
    checkout: &mut Checkout,
) -> Result<Generated, Problems> {
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let definition = control::read(pipeline, settings, checkout, &mut problems);
    let Some(definition) = definition else {
        return Err(problems.into());
    };
    if settings.env_files_create {
        env_files::write(pipeline, &definition, settings, checkout, &mut problems);
    }
    if settings.env_files_create && has_no_config(settings, checkout, &mut problems) {
        let path = settings.in_pipe_path(&settings.circleci_config_file);
        notes.push(format!(
            "there is no {path}: only the env files are written"
        ));
        let files = checkout.take_written();
        return Problems::none_or(problems, Generated { files, notes });
    }
    let text = jobs::config(&definition, settings, checkout, &mut problems);
    let Some(text) = text.filter(|_| problems.is_empty()) else {
        return Err(problems.into());
    };
    let path = settings.in_pipe_path(&settings.pipe_out_file);
    notes.extend(definition.notes(settings));
    notes.extend(config::check(&path, &text, &mut problems));
    checkout.write(path, text);
    Problems::none_or(
        problems,
        Generated {
            files: checkout.take_written(),
            notes,
        },
    )
}

/// Whether the repository has no CircleCI config where one usually is: then its env files are all that is asked for.
/// A config that is named and isn't there is a mistake.
fn has_no_config(settings: &Settings, checkout: &Checkout, problems: &mut Vec<Problem>) -> bool {
    let usual = settings.pipe_path == settings::default("PipePath")
        && settings.circleci_config_file == settings::default("CircleciConfigFile");
    let path = settings.in_pipe_path(&settings.circleci_config_file);
    usual && checkout.text(&path, problems).is_none()
}

#[cfg(test)]
mod tests;
