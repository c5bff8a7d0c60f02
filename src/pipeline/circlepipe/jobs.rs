//! The generated config: the head of the CircleCI config, and a workflow of the jobs that the templates make.

use std::sync::Arc;

use super::checkout::Checkout;
use super::control::Definition;
use super::env_files;
use super::settings::Settings;
use crate::inventory::{Problem, Source};
use crate::pipeline::go::template::{Template, TemplateError};
use crate::pipeline::go::{Map, Value, sprintf};

/// What stands for a template or heading that circlepipe has built in.
const BUILT_IN: &str = "default";

const HEADING: &str = "\nworkflows:\n  version: 2\n\n  %s:\n    jobs:\n";

const APPROVAL: &str = "
      - {{.jobname}}:
          type: approval
          {{.jobstobeapproved}}
          filters: {{.filter}}

";

/// The text of a pipeline's config.
pub(super) fn config(
    definition: &Definition,
    settings: &Settings,
    checkout: &Checkout,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let before = problems.len();
    let head = head(settings, checkout, problems);
    let heading = built_in_or(
        &settings.pipe_workflow_heading,
        HEADING,
        settings,
        checkout,
        problems,
    );
    let templates = Templates::load(settings, checkout, problems);
    if problems.len() > before {
        return None;
    }
    let name = Value::from(settings.pipe_workflow_name.as_str());
    let mut writer = Writer {
        settings,
        checkout,
        definition,
        problems,
        out: head? + &sprintf(heading?.text(), &[name]),
        to_be_approved: REQUIRES.to_owned(),
        required: REQUIRES.to_owned(),
        last: String::new(),
    };
    writer.roles(&templates);
    let out = writer.out;
    (problems.len() == before).then_some(out)
}

/// The CircleCI config without its workflows, and without what makes it a setup config.
fn head(settings: &Settings, checkout: &Checkout, problems: &mut Vec<Problem>) -> Option<String> {
    let path = settings.in_pipe_path(&settings.circleci_config_file);
    let why =
        "the generated config begins with what it defines: set PipePath and CircleciConfigFile";
    let source = checkout.needed(&path, why, problems)?;
    let mut head = String::new();
    for line in source.text().lines() {
        if line.starts_with("workflows:") {
            break;
        }
        if !line.starts_with("setup:") {
            head.push_str(line);
            head.push('\n');
        }
    }
    Some(head)
}

fn built_in_or(
    name: &str,
    built_in: &str,
    settings: &Settings,
    checkout: &Checkout,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Source>> {
    if name == BUILT_IN {
        return Some(Source::new("circlepipe's own", built_in));
    }
    checkout.needed(
        &settings.in_pipe_path(name),
        "the settings name it",
        problems,
    )
}

/// A template and the file that it is from.
struct Loaded {
    source: Arc<Source>,
    template: Template,
}

/// The templates that are used.
struct Templates {
    pre: Option<Loaded>,
    approval: Option<Loaded>,
    post: Option<Loaded>,
}

impl Templates {
    fn load(settings: &Settings, checkout: &Checkout, problems: &mut Vec<Problem>) -> Self {
        let mut load = |used: bool, name: &str, built_in: Option<&str>| {
            if !used {
                return None;
            }
            let source = match built_in {
                Some(text) => built_in_or(name, text, settings, checkout, problems),
                None => {
                    let path = settings.in_pipe_path(name);
                    checkout.needed(&path, "the jobs are made from it", problems)
                }
            }?;
            match Template::parse(source.text()) {
                Ok(template) => Some(Loaded { source, template }),
                Err(error) => {
                    problems.push(located(&source, &error));
                    None
                }
            }
        };
        Self {
            pre: load(settings.pipe_is_pre, &settings.pipe_pre_template, None),
            approval: load(
                settings.pipe_is_approve,
                &settings.pipe_approval_template,
                Some(APPROVAL),
            ),
            post: load(settings.pipe_is_post, &settings.pipe_post_template, None),
        }
    }
}

fn located(source: &Arc<Source>, error: &TemplateError) -> Problem {
    let before = source.text().get(..error.offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count());
    let start = before.chars().count();
    source.show_without(&[]);
    Problem::at(
        &source.place(start, start + 1, line, column),
        error.message.clone(),
    )
}

/// What every list of required jobs begins with.
const REQUIRES: &str = "requires:";

/// The three kinds of job.
#[derive(Clone, Copy)]
enum Kind {
    Pre,
    Approval,
    Post,
}

struct Writer<'a> {
    settings: &'a Settings,
    checkout: &'a Checkout,
    definition: &'a Definition,
    problems: &'a mut Vec<Problem>,
    out: String,
    /// The jobs that the next approval requires.
    to_be_approved: String,
    /// The approval that the next jobs require.
    required: String,
    /// The pre job of the role at hand, by its name.
    last: String,
}

impl Writer<'_> {
    fn roles(&mut self, templates: &Templates) {
        let settings = self.settings;
        for role in &self.definition.roles {
            let instances: Vec<&str> = role.instances.iter().map(|i| i.name.as_str()).collect();
            if let Some(template) = &templates.pre {
                self.jobs(
                    Kind::Pre,
                    template,
                    &role.name,
                    &instances,
                    settings.pipe_pre_role_only,
                );
            }
            self.last = format!("{REQUIRES}{}", self.line(Kind::Pre, &role.name));
            self.required = REQUIRES.to_owned();
            if settings.pipe_approve_after_pre {
                self.approval(templates.approval.as_ref(), &role.name);
            }
            self.to_be_approved = REQUIRES.to_owned();
            if let Some(template) = &templates.post {
                self.jobs(
                    Kind::Post,
                    template,
                    &role.name,
                    &instances,
                    settings.pipe_post_role_only,
                );
            }
            if settings.pipe_approve_after_post {
                self.approval(templates.approval.as_ref(), &role.name);
            }
        }
    }

    /// The jobs of one kind of a role: one for each instance, or only one.
    fn jobs(
        &mut self,
        kind: Kind,
        template: &Loaded,
        role: &str,
        instances: &[&str],
        role_only: bool,
    ) {
        // A job is told its role's name also where there is one for each instance.
        let name = self.name(kind, role);
        let approval = match kind {
            Kind::Post => self.name(Kind::Approval, role),
            _ => String::new(),
        };
        let targets = if role_only { &[role][..] } else { instances };
        for target in targets {
            let line = self.line(kind, target);
            self.to_be_approved.push_str(&line);
            let instance = if role_only { "" } else { target };
            let mut values = self.values(role, instance, &name);
            values.insert("approvaljobname".to_owned(), approval.as_str().into());
            values.extend(env_files::written(
                target,
                self.settings,
                self.checkout,
                self.problems,
            ));
            self.render(template, values);
        }
    }

    fn approval(&mut self, template: Option<&Loaded>, role: &str) {
        let Some(template) = template else {
            return;
        };
        let line = self.line(Kind::Approval, role);
        self.required.push_str(&line);
        let name = self.name(Kind::Approval, role);
        let mut values = self.values(role, "", &name);
        values.insert(
            "jobstobeapproved".to_owned(),
            self.to_be_approved.as_str().into(),
        );
        // What comes after requires it all the same.
        if role != self.settings.pipe_skip_approval {
            self.render(template, values);
        }
    }

    fn values(&self, role: &str, instance: &str, job: &str) -> Map {
        [
            ("filter", self.definition.filter.as_str()),
            ("role", role),
            ("instance", instance),
            ("envfilespath", &self.settings.env_files_path),
            ("jobname", job),
            ("approvaljobname", ""),
            ("jobstobeapproved", ""),
            ("lastjob", &self.last),
        ]
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .into()
    }

    /// An env file's values may stand for all others, but not for this one.
    fn render(&mut self, template: &Loaded, mut values: Map) {
        let required = if self.settings.pipe_prior_jobs_required && self.required != REQUIRES {
            self.required.as_str()
        } else {
            ""
        };
        values.insert("priorapprovalrequired".to_owned(), required.into());
        match template.template.render(values) {
            Ok(text) => self.out.push_str(&text),
            Err(error) => self.problems.push(located(&template.source, &error)),
        }
    }

    fn name(&self, kind: Kind, of: &str) -> String {
        let pattern = match kind {
            Kind::Pre => &self.settings.pipe_pre_job_name,
            Kind::Approval => &self.settings.pipe_approval_job_name,
            Kind::Post => &self.settings.pipe_post_job_name,
        };
        sprintf(pattern, &[of.into()])
    }

    fn line(&self, kind: Kind, of: &str) -> String {
        format!("\n            - {}", self.name(kind, of))
    }
}
