//! Who is told of a run besides those who watch it: people in Slack, a collector of traces, GitHub.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::release::Answer;
use super::{Context, Error};
use crate::env::Env;
use crate::event::Publication;
use crate::fanout::Stop;
use crate::inventory::{Inventory, Notify, Pipeline, Reference, Role, Secrets};
use crate::release::Release;
use crate::report::statuses::{About, CommitStatuses, GoodEnd, publish};
use crate::report::{
    GitHubRelease, Listener, ReleaseContent, ReportError, SlackAbout, SlackMessage, TraceSettings,
    Traces,
};
use crate::rollout::Mode;
use crate::slack::Slack;

/// The references that are needed to tell of a run.
pub(super) fn references(pipeline: &Pipeline, mode: Mode) -> Vec<Reference> {
    match mode {
        Mode::Apply => pipeline.notify.slack_token.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The message in Slack, where the pipeline wants one of such a run.
///
/// # Errors
/// Why there is none although the pipeline wants one.
pub(super) fn slack(
    notify: &Notify,
    mode: Mode,
    secrets: Option<&Secrets>,
    env: &Env,
    about: SlackAbout,
    stop: &Stop,
) -> Result<Option<Box<dyn Listener>>, String> {
    let (Some(channel), Some(reference), Some(secrets)) =
        (&notify.slack_channel, &notify.slack_token, secrets)
    else {
        return Ok(None);
    };
    if mode != Mode::Apply {
        return Ok(None);
    }
    let token = match secrets.get(reference) {
        Some(Ok(token)) => token.clone(),
        Some(Err(why)) => return Err(format!("{reference}: {why}")),
        None => return Err(format!("{reference} wasn't asked for")),
    };
    let slack = Slack::new(env, token).map_err(|error| error.to_string())?;
    let message = SlackMessage::start(slack, channel.clone(), about, stop.clone());
    Ok(Some(Box::new(message)))
}

/// The trace, where the environment wants one.
///
/// # Errors
/// Why there is none although it wants one.
pub(super) fn traces(env: &Env, stop: &Stop) -> Result<Option<Box<dyn Listener>>, String> {
    let traces = TraceSettings::from_env(env)?.map(|settings| Traces::new(settings, stop.clone()));
    Ok(traces.map(|traces| Box::new(traces) as Box<dyn Listener>))
}

/// What GitHub is told of a run that writes.
pub(super) struct Publishing<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) role: &'a Role,
    pub(super) release: &'a Release,
    /// The Kubernetes version that each cluster's settings ask for.
    pub(super) versions: BTreeMap<String, String>,
    /// Why the gate was passed although it was shut.
    pub(super) overridden: Option<String>,
    pub(super) good_end: GoodEnd,
    /// How many clusters the run is over.
    pub(super) clusters: usize,
    pub(super) context: &'a Context,
    pub(super) stop: &'a Stop,
}

impl Publishing<'_> {
    /// Has commit statuses written, and once the last role holds a tag, its release on GitHub. What came of
    /// the statuses is told when the run has ended. None where GitHub can't be asked.
    pub(super) fn publish(
        self,
        answer: Answer,
        listeners: &mut Vec<Box<dyn Listener>>,
    ) -> Option<JoinHandle<Publication>> {
        let (github, commit) = (answer.github?, self.release.commit.clone()?);
        let pipeline = self.inventory.pipeline();
        let about = About {
            repository: github.repository().clone(),
            commit: commit.clone(),
            role: self.role.name.clone(),
            digest: self.inventory.digest(),
            key: answer.key,
            trusted: pipeline.promotion.trusted_creators.clone(),
            prefix: pipeline.statuses.prefix.clone(),
            per: pipeline.statuses.per,
            url: self.release.run_url.clone(),
            versions: self.versions,
            overridden: self.overridden,
            whole: self.good_end == GoodEnd::Holds && self.clusters == self.role.clusters.len(),
            good_end: self.good_end,
        };
        if let (Some(settings), Some(tag)) = (&pipeline.release, &self.release.tag)
            && settings.role == self.role.name
            && about.whole
        {
            let notes = self.context.root().join(&settings.notes);
            let content = ReleaseContent {
                tag: tag.clone(),
                commit: commit.clone(),
                // A file that can't be read is as good as none: the release is made all the same.
                notes: std::fs::read_to_string(notes).unwrap_or_default(),
            };
            let release = GitHubRelease::new(github.clone(), content, self.stop.clone());
            listeners.push(Box::new(release));
        }
        let sink = Arc::new(CommitStatuses { github, commit });
        let clock = self.context.clock.clone();
        let (listener, published) = publish(about, sink, clock, self.stop.clone());
        listeners.push(Box::new(listener));
        Some(published)
    }
}

/// Tells on standard error who couldn't be told; and whether psk has to end otherwise because of it.
pub(super) fn untold(errors: &[ReportError], context: &Context) -> bool {
    for error in errors {
        if error.is_note() {
            Error::warn(&error.to_string(), context);
        } else {
            Error::unexpected(error.to_string(), "").tell(context);
        }
    }
    errors.iter().any(|error| !error.is_note())
}
