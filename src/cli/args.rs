//! Arguments that several commands have.

use std::time::Duration;

use super::Error;
use crate::env::Env;
use crate::reconcile::Polling;

/// Passing what EKS's insights say against an upgrade.
#[derive(Debug, clap::Args)]
pub(super) struct ForceUpgrade {
    /// Upgrade although EKS's insights speak against it. The reason stands in the report.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) force_upgrade: Option<String>,
}

/// What to do where a gate is shut, other than refuse.
#[derive(Debug, clap::Args)]
pub(super) struct GateArgs {
    /// Go on although the role's gate is shut, for this reason: it is told in the terminal, the report
    /// and the commit status.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) override_gate: Option<String>,
    /// Where only time is missing (a soak, a window, the end of a freeze in psk.yaml), wait for so long
    /// at most (45m, 2h) instead of refusing.
    #[arg(long, value_name = "TIME", value_parser = length_of_time)]
    pub(super) wait_for_gate: Option<Duration>,
}

fn length_of_time(text: &str) -> Result<Duration, String> {
    let time = text.parse::<jiff::SignedDuration>().ok();
    time.and_then(|time| Duration::try_from(time).ok())
        .ok_or_else(|| "it has to be a length of time, such as 45m or 2h".to_owned())
}

/// How psk waits for AWS.
#[derive(Debug, clap::Args)]
pub(super) struct WaitArgs {
    /// Seconds between two questions to AWS whether a change is done, at the most [default:
    /// PSK_POLL_INTERVAL, or 15].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    poll_interval: Option<Duration>,
}

impl WaitArgs {
    /// How often AWS is asked, by the command line, else by the environment.
    pub(super) fn polling(&self, env: &Env) -> Result<Polling, Error> {
        let from_env = || {
            let text = env.get("PSK_POLL_INTERVAL")?;
            Some(seconds(text).map_err(|error| {
                Error::usage(
                    format!("PSK_POLL_INTERVAL is {text:?}: {error}"),
                    "correct it",
                )
            }))
        };
        let interval = match self.poll_interval {
            Some(interval) => Some(interval),
            None => from_env().transpose()?,
        };
        Ok(interval.map_or_else(Polling::default, |interval| Polling { interval }))
    }
}

/// Reads a number of seconds, with a fraction if need be: a hundredth at least, so that nobody asks
/// without a pause, and an hour at most.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    seconds
        .filter(|seconds| (0.01..=3600.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "it has to be a number of seconds from 0.01 to 3600".to_owned())
}
