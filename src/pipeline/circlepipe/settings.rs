//! circlepipe's settings: their names, defaults and where their values come from.

use std::collections::BTreeMap;

use super::checkout::{Checkout, extension};
use crate::env::Env;
use crate::inventory::{Problem, Problems, did_you_mean};
use crate::pipeline::go::Value;

/// What the names of circlepipe's environment variables begin with.
const PREFIX: &str = "CIRCLEPIPE_";

/// The configuration files that are looked for where none is named.
const FOUND: [&str; 3] = [".circlepipe.json", ".circlepipe.yaml", ".circlepipe.yml"];

/// Makes the settings, and the list of them, from one table.
macro_rules! settings {
    ($($field:ident: $kind:ident, $name:literal, $default:literal, $about:literal;)+) => {
        /// circlepipe's settings.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Settings {
            $(#[doc = $about] pub $field: settings!(@type $kind),)+
        }

        /// Every setting.
        pub const SETTINGS: &[Setting] = &[
            $(Setting {
                name: $name,
                about: $about,
                is_flag: settings!(@flag $kind),
                default: $default,
            },)+
        ];

        impl Settings {
            fn from(values: &Values<'_>, problems: &mut Vec<Problem>) -> Self {
                Self {
                    $($field: settings!(@read $kind, values, $name, problems),)+
                }
            }
        }
    };
    (@type flag) => { bool };
    (@type text) => { String };
    (@flag flag) => { true };
    (@flag text) => { false };
    (@read flag, $values:ident, $name:literal, $problems:ident) => { $values.flag($name, $problems) };
    (@read text, $values:ident, $name:literal, $problems:ident) => { $values.text($name) };
}

/// One setting, as the command line and the files name it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name (`PipeIsApprove`). In files and variables its case doesn't matter.
    pub name: &'static str,
    /// What it sets, for the help.
    pub about: &'static str,
    /// Whether it is true or false.
    pub is_flag: bool,
    /// Its value where none is given.
    pub default: &'static str,
}

settings! {
    pipe_path: text, "PipePath", ".circleci", "Directory of the CircleCI config and the job templates.";
    circleci_config_file: text, "CircleciConfigFile", "config.yml", "The config whose head is copied, without its workflows.";
    pipe_control_file_name: text, "PipeControlFileName", "generate.yaml", "The file in EnvFilesPath that defines the pipelines: JSON or YAML.";
    pipe_out_file: text, "PipeOutFile", "generated_config.yml", "The generated config's name.";
    pipe_workflow_name: text, "PipeWorkflowName", "continuation-generated-workflow", "The generated workflow's name.";
    pipe_workflow_heading: text, "PipeWorkflowHeading", "default", "A file with what stands before the jobs, or default.";
    pipe_is_pre: flag, "PipeIsPre", "true", "Whether there are jobs before the approval.";
    pipe_is_approve: flag, "PipeIsApprove", "true", "Whether there are approvals.";
    pipe_is_post: flag, "PipeIsPost", "true", "Whether there are jobs after the approval.";
    pipe_approve_after_pre: flag, "PipeApproveAfterPre", "true", "Whether a role's approval comes after its pre jobs.";
    pipe_approve_after_post: flag, "PipeApproveAfterPost", "false", "Whether a role's approval comes after its post jobs.";
    pipe_skip_approval: text, "PipeSkipApproval", "", "The role that has no approval.";
    pipe_prior_jobs_required: flag, "PipePriorJobsRequired", "true", "Whether jobs require the approval before them.";
    pipe_pre_role_only: flag, "PipePreRoleOnly", "false", "One pre job a role, not one an instance.";
    pipe_post_role_only: flag, "PipePostRoleOnly", "false", "One post job a role, not one an instance.";
    pipe_pre_template: text, "PipePreTemplate", "pre-approve.yml", "The template of pre jobs.";
    pipe_post_template: text, "PipePostTemplate", "post-approve.yml", "The template of post jobs.";
    pipe_approval_template: text, "PipeApprovalTemplate", "default", "The template of approvals, or default.";
    pipe_pre_job_name: text, "PipePreJobName", "plan %s change", "The names of pre jobs: %s is the instance or role.";
    pipe_post_job_name: text, "PipePostJobName", "apply %s change", "The names of post jobs: %s is the instance or role.";
    pipe_approval_job_name: text, "PipeApprovalJobName", "approve %s changes", "The names of approvals: %s is the role.";
    env_files_create: flag, "EnvFilesCreate", "true", "Whether env files are written.";
    env_files_path: text, "EnvFilesPath", "environments", "Directory of the env files and the control file.";
    env_files_ext: text, "EnvFilesExt", ".json", "What the names of kept env files end in.";
    env_defaults_file_name: text, "EnvDefaultsFileName", "default", "The env file that is under all others, without its ending.";
    env_files_write_ext: text, "EnvFilesWriteExt", ".tfvars.json", "What the names of written env files end in.";
}

/// Where the values of settings come from: command line, environment, configuration file, in this order.
#[derive(Debug, Clone, Default)]
pub struct SettingsSource {
    /// What the command line says, by the settings' names.
    pub flags: BTreeMap<String, String>,
    /// The configuration file; `None` looks for `.circlepipe.yaml` and its like.
    pub config: Option<String>,
}

impl Settings {
    /// The settings in effect, and what a person should know of them.
    ///
    /// # Errors
    /// A configuration file that isn't there or can't be read, or a value that is neither true nor false.
    pub fn read(
        source: &SettingsSource,
        env: &Env,
        checkout: &Checkout,
    ) -> Result<(Self, Vec<String>), Problems> {
        let mut problems = Vec::new();
        let (path, file) = config_file(source, checkout, &mut problems);
        let notes = file
            .keys()
            .filter(|key| {
                !SETTINGS
                    .iter()
                    .any(|known| known.name.to_lowercase() == **key)
            })
            .map(|key| {
                let known = SETTINGS.iter().map(|setting| setting.name);
                let nearest = did_you_mean(key, known).map_or(String::new(), |n| format!("; {n}"));
                format!("{path}: {key} is no setting of circlepipe{nearest}")
            })
            .collect();
        let values = Values {
            flags: &source.flags,
            env: variables(env),
            file,
            path,
        };
        let settings = Self::from(&values, &mut problems);
        Problems::none_or(problems, (settings, notes))
    }

    /// The path of a file that is kept beside the CircleCI config.
    pub(super) fn in_pipe_path(&self, name: &str) -> String {
        join(&self.pipe_path, name)
    }

    /// The path of a file that is kept beside the env files.
    pub(super) fn in_env_path(&self, name: &str) -> String {
        join(&self.env_files_path, name)
    }

    /// The kept env file of a layer: a pipeline, role, instance or the default.
    pub(super) fn kept(&self, layer: &str) -> String {
        self.in_env_path(&format!("{layer}{}", self.env_files_ext))
    }

    /// The written env file of a role or instance.
    pub(super) fn written(&self, layer: &str) -> String {
        self.in_env_path(&format!("{layer}{}", self.env_files_write_ext))
    }

    /// Whether a role's jobs wait for somebody's approval.
    pub(super) fn approves(&self, role: &str) -> bool {
        self.pipe_is_approve
            && (self.pipe_approve_after_pre || self.pipe_approve_after_post)
            && role != self.pipe_skip_approval
    }
}

/// The value that a setting has where none is given.
pub(super) fn default(name: &str) -> &'static str {
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    setting.map_or("", |setting| setting.default)
}

fn join(directory: &str, name: &str) -> String {
    match directory.trim_end_matches('/') {
        "" if directory.is_empty() => name.to_owned(),
        directory => format!("{directory}/{name}"),
    }
}

/// circlepipe's variables, by the settings' names in lower case.
fn variables(env: &Env) -> BTreeMap<String, String> {
    env.iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| {
            let setting = name.strip_prefix(PREFIX)?;
            Some((setting.to_lowercase(), value.to_owned()))
        })
        .collect()
}

/// The configuration file's path and values, by the settings' names in lower case.
fn config_file(
    source: &SettingsSource,
    checkout: &Checkout,
    problems: &mut Vec<Problem>,
) -> (String, BTreeMap<String, String>) {
    let found = match &source.config {
        Some(path) => checkout.needed(path, "--config names it", problems),
        None => FOUND.iter().find_map(|path| checkout.text(path, problems)),
    };
    let Some(file) = found else {
        return (String::new(), BTreeMap::new());
    };
    if !matches!(extension(file.path()), "json" | "yaml" | "yml") {
        let message = format!(
            "{}: psk reads circlepipe's configuration as JSON or YAML",
            file.path()
        );
        problems.push(Problem::nowhere(message).help("write it as .circlepipe.yaml"));
        return (file.path().to_owned(), BTreeMap::new());
    }
    let map = checkout.mapping(&file, problems).unwrap_or_default();
    let values = map
        .into_iter()
        .map(|(key, value)| (key.to_lowercase(), told(&value)))
        .collect();
    (file.path().to_owned(), values)
}

fn told(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        value => value.to_string(),
    }
}

struct Values<'a> {
    flags: &'a BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    path: String,
}

impl Values<'_> {
    /// The value and the place it is from.
    fn find(&self, name: &str) -> (String, String) {
        let key = name.to_lowercase();
        if let Some(value) = self.flags.get(name) {
            return (value.clone(), format!("--{name}"));
        }
        if let Some(value) = self.env.get(&key) {
            return (value.clone(), format!("{PREFIX}{}", name.to_uppercase()));
        }
        if let Some(value) = self.file.get(&key) {
            return (value.clone(), format!("{}: {key}", self.path));
        }
        (default(name).to_owned(), String::new())
    }

    fn text(&self, name: &str) -> String {
        self.find(name).0
    }

    /// Source: Go's `strconv.ParseBool`.
    fn flag(&self, name: &str, problems: &mut Vec<Problem>) -> bool {
        let (value, place) = self.find(name);
        match value.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" | "" => false,
            other => {
                let message = format!("{place}: {other:?} is neither true nor false");
                problems.push(Problem::nowhere(message));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(file: &str, text: &str) -> (tempfile::TempDir, Checkout) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(file), text).unwrap();
        let checkout = Checkout::at(directory.path());
        (directory, checkout)
    }

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn the_command_line_wins_over_variables_over_the_file_over_defaults() {
        let (_directory, checkout) = checkout(
            ".circlepipe.yaml",
            "pipeoutfile: a.yml\nPipePath: a\nenvfilespath: a\npipeispost: false\n",
        );
        let source = SettingsSource {
            flags: [("PipeOutFile".to_owned(), "c.yml".to_owned())].into(),
            config: None,
        };
        let env = env(&[
            ("CIRCLEPIPE_PIPEOUTFILE", "b.yml"),
            ("CIRCLEPIPE_PipePath", "b"),
            ("CIRCLEPIPE_ENVFILESEXT", ""),
        ]);
        let (settings, notes) = Settings::read(&source, &env, &checkout).unwrap();
        assert_eq!(settings.pipe_out_file, "c.yml");
        assert_eq!(settings.pipe_path, "b");
        assert_eq!(settings.env_files_path, "a");
        assert_eq!(settings.env_files_ext, ".json");
        assert!(!settings.pipe_is_post && settings.pipe_is_pre);
        assert!(notes.is_empty());
    }

    #[test]
    fn a_json_file_is_read_too_and_what_is_unknown_is_noted() {
        let (_directory, checkout) = checkout(
            ".circlepipe.json",
            r#"{"pipeisaprove": false, "pipeispre": "0"}"#,
        );
        let (settings, notes) =
            Settings::read(&SettingsSource::default(), &env(&[]), &checkout).unwrap();
        assert!(!settings.pipe_is_pre && settings.pipe_is_approve);
        assert_eq!(
            notes,
            [
                ".circlepipe.json: pipeisaprove is no setting of circlepipe; did you mean \"PipeIsApprove\"?"
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_together() {
        let (_directory, checkout) = checkout("x.yaml", "pipeispre: maybe\nenvfilescreate: [1]\n");
        let source = SettingsSource {
            config: Some("x.yaml".to_owned()),
            ..SettingsSource::default()
        };
        let problems = Settings::read(&source, &env(&[]), &checkout).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "x.yaml: envfilescreate: \"[1]\" is neither true nor false\n\
             x.yaml: pipeispre: \"maybe\" is neither true nor false"
        );
        let source = SettingsSource {
            config: Some("none.yaml".to_owned()),
            ..SettingsSource::default()
        };
        let problems = Settings::read(&source, &env(&[]), &checkout).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "none.yaml is missing (--config names it)"
        );
    }
}
