//! What a command rolls out or asks about, and what GitHub says of it.

use std::io::{self, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use super::{Context, Error};
use crate::env::Env;
use crate::exit::Exit;
use crate::fanout::Stop;
use crate::github::{GitHub, NotConfigured, Repository, Settings};
use crate::inventory::{Inventory, Pipeline, Reference, Role, Secrets};
use crate::release::evidence::{Inquiry, gather};
use crate::release::gate::{Evidence, Gate, Question, span};
use crate::release::graph::Graph;
use crate::release::{Given, Release};
use crate::report::gate_lines;

/// What the flags that say which release stand under.
const RELEASE: &str = "Release";

/// Which release, over what the CI job or the checkout says.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ReleaseArgs {
    /// The commit: a full SHA, or a name that git knows here.
    #[arg(long, help_heading = RELEASE, visible_alias = "sha", value_name = "SHA")]
    commit: Option<String>,
    /// The tag.
    #[arg(long, help_heading = RELEASE, value_name = "TAG")]
    tag: Option<String>,
    /// The branch.
    #[arg(long, help_heading = RELEASE, value_name = "BRANCH")]
    branch: Option<String>,
    /// The repository on GitHub.
    #[arg(long, help_heading = RELEASE, value_name = "OWNER/NAME")]
    repository: Option<Repository>,
}

impl ReleaseArgs {
    /// The release that is meant.
    pub(super) async fn detect(
        self,
        pipeline: &Pipeline,
        env: &Env,
        context: &Context,
    ) -> Result<Release, Error> {
        let given = Given {
            commit: self.commit,
            tag: self.tag,
            branch: self.branch,
            repository: self.repository.or_else(|| repository(pipeline)),
        };
        Release::detect(&given, env, context.root(), &context.processes)
            .await
            .map_err(|error| Error::usage(error.to_string(), ""))
    }
}

/// The repository that the pipeline's file names.
pub(super) fn repository(pipeline: &Pipeline) -> Option<Repository> {
    pipeline.repository.as_ref()?.as_str().parse().ok()
}

/// GitHub as the environment and the release have it, or why it can't be asked.
pub(super) enum Reach {
    /// It can be.
    Configured(Settings, Repository),
    /// It can't: why, and what to do about it.
    Not(String, String),
}

impl Reach {
    pub(super) fn of(release: &Release, env: &Env) -> Self {
        let Some(repository) = &release.repository else {
            let why = "no repository on GitHub is known";
            let next = "add --repository OWNER/NAME or set GITHUB_REPOSITORY";
            return Self::Not(why.to_owned(), next.to_owned());
        };
        match Settings::from_env(env) {
            Ok(settings) => Self::Configured(settings, repository.clone()),
            Err(error) => Self::Not(error.to_string(), error.next().to_owned()),
        }
    }

    /// The references that are needed to ask: the key that proofs are signed with.
    pub(super) fn references(&self, pipeline: &Pipeline) -> Vec<Reference> {
        match self {
            Self::Configured(..) => pipeline.promotion.signing_key.iter().cloned().collect(),
            Self::Not(..) => Vec::new(),
        }
    }
}

/// What GitHub said, and the client that it was asked by.
pub(super) struct Answer {
    pub(super) evidence: Evidence,
    pub(super) github: Option<GitHub>,
    pub(super) key: Option<SecretString>,
    pub(super) now: Timestamp,
}

/// What a role's gate is asked with.
pub(super) struct Asking<'a> {
    pub(super) reach: &'a Reach,
    pub(super) release: &'a Release,
    pub(super) inventory: &'a Inventory,
    pub(super) role: &'a Role,
    pub(super) asked: Asked,
    pub(super) secrets: &'a Secrets,
    pub(super) context: &'a Context,
}

/// A gate that is waited for is asked again after so long at the latest: a failure may have come, or a
/// freeze. It keeps a CI system from taking the job for a dead one, too.
const ASKED_AGAIN: Duration = Duration::from_secs(10 * 60);

impl Asking<'_> {
    /// What GitHub says, and the gate's answer. Where it is shut it may be passed all the same, for a
    /// reason, or be waited for. None if the run is interrupted meanwhile.
    pub(super) async fn answered(
        &self,
        overridden: Option<String>,
        patience: Option<Duration>,
        stop: &Stop,
    ) -> Result<Option<(Answer, Gate)>, Error> {
        // Nobody waits for what is passed anyway.
        let patience = patience.filter(|_| overridden.is_none());
        tokio::select! {
            biased;
            () = stop.wind_down().cancelled() => Ok(None),
            opened = self.opened(patience.unwrap_or_default()) => {
                let (answer, mut gate) = opened?;
                gate.overridden = overridden.filter(|_| !gate.is_open());
                Ok(Some((answer, gate)))
            }
        }
    }

    /// What GitHub says, and the gate's answer: the first one, or where only time is missing, and no more
    /// than `patience`, the one after it has passed.
    async fn opened(&self, patience: Duration) -> Result<(Answer, Gate), Error> {
        let mut left = patience;
        loop {
            let (reach, secrets) = (self.reach, self.secrets);
            let pipeline = self.inventory.pipeline();
            let answer = ask(reach, self.release, pipeline, secrets, self.context).await;
            let gate = gate(self.inventory, self.role, self.asked, self.release, &answer);
            let Some(opens) = gate.opens().filter(|_| self.release.obstacles.is_empty()) else {
                return Ok((answer, gate));
            };
            let wait = Duration::try_from(opens.duration_since(answer.now)).unwrap_or_default();
            // GitHub tells the time to the second.
            let wait = wait + Duration::from_secs(1);
            if wait > left {
                return Ok((answer, gate));
            }
            let lines = gate_lines(&gate, &self.context.stderr_style()).join("\n");
            writeln!(io::stderr(), "{lines}\nwaiting for {}", span(wait))?;
            let pause = wait.min(ASKED_AGAIN);
            tokio::time::sleep(pause).await;
            left -= pause;
        }
    }
}

/// Asks GitHub all that a gate wants to know. That it can't be asked is an answer too.
pub(super) async fn ask(
    reach: &Reach,
    release: &Release,
    pipeline: &Pipeline,
    secrets: &Secrets,
    context: &Context,
) -> Answer {
    let mut answer = Answer {
        evidence: Evidence::None {
            why: String::new(),
            next: String::new(),
        },
        github: None,
        key: None,
        now: (context.clock)(),
    };
    let none = |why: String, next: String| Evidence::None { why, next };
    let (settings, repository) = match reach {
        Reach::Configured(settings, repository) => (settings, repository.clone()),
        Reach::Not(why, next) => {
            answer.evidence = none(why.clone(), next.clone());
            return answer;
        }
    };
    if let Some(reference) = &pipeline.promotion.signing_key {
        match secrets.get(reference) {
            Some(Ok(key)) => answer.key = Some(key.clone()),
            Some(Err(why)) => {
                let why = format!("promotion.signing_key, {reference}: {why}");
                answer.evidence = none(why, "put the key there, or correct psk.yaml".to_owned());
                return answer;
            }
            None => {}
        }
    }
    let github = match GitHub::connect(settings, repository).await {
        Ok(github) => github,
        Err(error) => {
            answer.evidence = none(error.to_string(), error.next().to_owned());
            return answer;
        }
    };
    let inquiry = Inquiry {
        release,
        prefix: &pipeline.statuses.prefix,
        trusted: &pipeline.promotion.trusted_creators,
        key: answer.key.clone(),
    };
    match gather(&github, inquiry).await {
        Ok((evidence, now)) => {
            answer.evidence = evidence;
            answer.now = now.unwrap_or(answer.now);
        }
        Err(error) => answer.evidence = none(error.to_string(), error.next().to_owned()),
    }
    answer.github = Some(github);
    answer
}

/// A question about this release that this answer is to.
pub(super) fn question<'a>(
    graph: &'a Graph<'a>,
    release: &'a Release,
    digest: &'a str,
    pipeline: &'a Pipeline,
    answer: &'a Answer,
) -> Question<'a> {
    Question {
        graph,
        release,
        digest,
        prefix: &pipeline.statuses.prefix,
        freezes: &pipeline.promotion.freeze,
        now: answer.now,
        evidence: &answer.evidence,
    }
}

/// What a run is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// All that the role's gate asks for.
    Promotion,
    /// That this is a time for changes: the run takes no release anywhere.
    Calm,
}

/// The gate's answer for a role.
pub(super) fn gate(
    inventory: &Inventory,
    role: &Role,
    asked: Asked,
    release: &Release,
    answer: &Answer,
) -> Gate {
    let graph = Graph::of(inventory.roles());
    let digest = inventory.digest();
    let question = question(&graph, release, &digest, inventory.pipeline(), answer);
    match asked {
        Asked::Promotion => question.gate(role, &question.standings()),
        Asked::Calm => question.calm(role),
    }
}

/// Refuses a run that writes where it can't, or mustn't. What can't be released can't be by an
/// override either.
pub(super) fn refuse(
    release: &Release,
    asked: Asked,
    gate: &Gate,
    context: &Context,
) -> Result<(), Error> {
    if asked == Asked::Promotion && !release.obstacles.is_empty() {
        let told: Vec<String> = release.obstacles.iter().map(ToString::to_string).collect();
        let next: Vec<&str> = release
            .obstacles
            .iter()
            .map(|obstacle| obstacle.next())
            .collect();
        let message = format!("this can't be released: {}", told.join("; "));
        return Err(Error::new(Exit::Refused, message, next.join("; ")));
    }
    if gate.is_open() || gate.overridden.is_some() {
        return Ok(());
    }
    let lines = gate_lines(gate, &context.stderr_style()).join("\n");
    let message = format!("refused by the gate; nothing was written\n{lines}");
    let next = match gate.next().as_slice() {
        [] => "see above".to_owned(),
        steps => steps.join(", then "),
    };
    Err(Error::new(Exit::Refused, message, next))
}

/// What a run that passes its gate by an override goes without where GitHub can't be asked.
pub(super) fn unprovable(answer: &Answer) -> Option<String> {
    match (&answer.evidence, &answer.github) {
        (Evidence::None { why, .. }, None) => Some(format!("no commit status is written: {why}")),
        _ => None,
    }
}

impl From<NotConfigured> for Error {
    fn from(error: NotConfigured) -> Self {
        Self::usage(error.to_string(), error.next())
    }
}
