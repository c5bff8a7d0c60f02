//! Who is told of a run besides those who watch it: people in Slack, a collector of traces.

use super::{Context, Error};
use crate::env::Env;
use crate::fanout::Stop;
use crate::inventory::{Notify, Pipeline, Reference, Secrets};
use crate::report::{ReportError, SlackAbout, SlackMessage, TraceSettings, Traces};
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
    stop: Stop,
) -> Result<Option<SlackMessage>, String> {
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
    Ok(Some(SlackMessage::start(
        slack,
        channel.clone(),
        about,
        stop,
    )))
}

/// The trace, where the environment wants one.
///
/// # Errors
/// Why there is none although it wants one.
pub(super) fn traces(env: &Env, stop: Stop) -> Result<Option<Traces>, String> {
    Ok(TraceSettings::from_env(env)?.map(|settings| Traces::new(settings, stop)))
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
