//! The client: one repository, read before a run and written to during it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use octocrab::Octocrab;
use octocrab::models::InstallationId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{Cause, GitHubError, date};
use super::model::{CommitStatus, NewStatus, Repository, StatusState};
use super::settings::{Credentials, NotConfigured, Settings};

/// How often something is asked for at most, and the first pause between two times.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longer than this a question isn't held up because GitHub wants to be left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A request without an answer after that long has none.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest page that GitHub gives.
pub(super) const PAGE: usize = 100;
/// What stands for itself in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// One repository on GitHub, as psk reaches it.
#[derive(Clone)]
pub struct GitHub {
    pub(super) rest: Octocrab,
    /// Asks who psk is; an app's own client, where it is an app.
    identity: Identity,
    host: String,
    repository: Repository,
}

#[derive(Clone)]
enum Identity {
    Token(Octocrab),
    App(Octocrab),
}

/// What an answer holds.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    body: String,
}

/// What is asked, by path.
enum Request<'a> {
    Get(&'a str),
    Post(&'a str, &'a Value),
    Patch(&'a str, &'a Value),
}

async fn exchange(
    client: &Octocrab,
    request: Request<'_>,
) -> octocrab::Result<(StatusCode, HeaderMap, String)> {
    let response = match request {
        Request::Get(path) => client._get(path).await?,
        Request::Post(path, body) => client._post(path, Some(body)).await?,
        Request::Patch(path, body) => client._patch(path, Some(body)).await?,
    };
    let (status, headers) = (response.status(), response.headers().clone());
    Ok((status, headers, client.body_to_string(response).await?))
}

#[derive(Deserialize)]
struct Author {
    login: String,
}

#[derive(Deserialize)]
struct StatusAnswer {
    id: u64,
    context: Option<String>,
    state: StatusState,
    description: Option<String>,
    target_url: Option<String>,
    /// A combined status doesn't tell it.
    creator: Option<Author>,
    created_at: Timestamp,
}

impl From<StatusAnswer> for CommitStatus {
    fn from(answer: StatusAnswer) -> Self {
        Self {
            context: answer.context.unwrap_or_default(),
            state: answer.state,
            description: answer.description.unwrap_or_default(),
            creator: answer.creator.map(|creator| creator.login),
            created: answer.created_at,
            url: answer.target_url.filter(|url| !url.is_empty()),
        }
    }
}

impl GitHub {
    /// A client for that repository. An app looks for its installation there.
    ///
    /// # Errors
    /// If the credentials can't be used, or the app isn't installed.
    pub async fn connect(settings: &Settings, repository: Repository) -> Result<Self, GitHubError> {
        let host = settings.host();
        let unusable = |doing: &str, error: NotConfigured| GitHubError {
            doing: doing.to_owned(),
            host: host.clone(),
            cause: Cause::NotConfigured(error),
        };
        let doing = "connecting";
        let rest = settings
            .client(&settings.api)
            .map_err(|e| unusable(doing, e))?;
        let identity = match settings.credentials {
            Credentials::App(..) => Identity::App(rest.clone()),
            Credentials::Token(_) => Identity::Token(
                settings
                    .client(&settings.graphql())
                    .map_err(|e| unusable(doing, e))?,
            ),
        };
        let mut github = Self {
            rest,
            identity,
            host: host.clone(),
            repository,
        };
        if let Credentials::App(id, _) = settings.credentials {
            #[derive(Deserialize)]
            struct Installation {
                id: u64,
            }
            let doing = format!(
                "looking for the installation of app {id} on {}",
                github.repository
            );
            let path = format!("/repos/{}/installation", github.repository);
            let answer = github.get(&github.rest, &path, &doing).await?;
            let found: Installation = github.read(&answer, &doing)?;
            github.rest = github
                .rest
                .installation(InstallationId(found.id))
                .map_err(|error| github.failed(&doing, &error))?;
        }
        Ok(github)
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The server's name, for messages.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name of the default branch, and what time it is at GitHub where it says.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn default_branch(&self) -> Result<(String, Option<Timestamp>), GitHubError> {
        #[derive(Deserialize)]
        struct Found {
            default_branch: String,
        }
        let doing = format!("reading repository {}", self.repository);
        let answer = self.get(&self.rest, &self.path(""), &doing).await?;
        let found: Found = self.read(&answer, &doing)?;
        Ok((found.default_branch, date(&answer.headers)))
    }

    /// Every status of a commit, the latest first; `None` where GitHub has no such commit.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn statuses(&self, commit: &str) -> Result<Option<Vec<CommitStatus>>, GitHubError> {
        let doing = format!("reading the statuses of commit {commit}");
        let path = self.path(&format!("/commits/{commit}/statuses"));
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for page in 1.. {
            let path = format!("{path}?per_page={PAGE}&page={page}");
            let answer = match self.get(&self.rest, &path, &doing).await {
                Ok(answer) => answer,
                Err(error) if no_such_commit(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            let statuses: Vec<StatusAnswer> = self.read(&answer, &doing)?;
            // One that came meanwhile moves the others on, so that the next page repeats some.
            let new = statuses.into_iter().filter(|status| seen.insert(status.id));
            found.extend(new.map(CommitStatus::from));
            if !has_next(&answer.headers) {
                break;
            }
        }
        Ok(Some(found))
    }

    /// The latest status of that context at a branch's head, if there is one. It doesn't tell who
    /// made it.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn branch_status(
        &self,
        branch: &str,
        context: &str,
    ) -> Result<Option<CommitStatus>, GitHubError> {
        #[derive(Deserialize)]
        struct Combined {
            statuses: Vec<StatusAnswer>,
        }
        let doing = format!("reading the statuses of branch {branch}");
        let path = self.path(&format!("/commits/heads/{}/status", escaped(branch)));
        for page in 1.. {
            let path = format!("{path}?per_page={PAGE}&page={page}");
            let answer = self.get(&self.rest, &path, &doing).await?;
            let combined: Combined = self.read(&answer, &doing)?;
            let mut statuses = combined.statuses.into_iter().map(CommitStatus::from);
            if let Some(found) = statuses.find(|s| s.context.eq_ignore_ascii_case(context)) {
                return Ok(Some(found));
            }
            if !has_next(&answer.headers) {
                break;
            }
        }
        Ok(None)
    }

    /// The commit that a tag means, annotated or not; `None` where GitHub has no such tag.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn tagged(&self, tag: &str) -> Result<Option<String>, GitHubError> {
        #[derive(Deserialize)]
        struct Found {
            sha: String,
        }
        let doing = format!("reading tag {tag}");
        let path = self.path(&format!("/commits/tags/{}", escaped(tag)));
        match self.get(&self.rest, &path, &doing).await {
            Ok(answer) => Ok(Some(self.read::<Found>(&answer, &doing)?.sha)),
            Err(error) if no_such_commit(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The login that statuses written by psk bear.
    ///
    /// An app is told by its own name. Otherwise GraphQL is asked: an installation's token, such as
    /// the one of a job of GitHub Actions, can't ask `GET /user`, which answers it 403 "Resource not
    /// accessible by integration", while `viewer` answers every kind of token.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn login(&self) -> Result<String, GitHubError> {
        let doing = "asking who the token speaks for";
        match &self.identity {
            Identity::App(app) => {
                #[derive(Deserialize)]
                struct App {
                    slug: String,
                }
                let answer = self.get(app, "/app", doing).await?;
                let app: App = self.read(&answer, doing)?;
                Ok(format!("{}[bot]", app.slug))
            }
            Identity::Token(graphql) => {
                #[derive(Deserialize)]
                struct Data {
                    data: Viewer,
                }
                #[derive(Deserialize)]
                struct Viewer {
                    viewer: Author,
                }
                let query = json!({ "query": "{ viewer { login } }" });
                let ask = || self.post(graphql, "/graphql", &query, doing);
                let answer = self.patiently(ask).await?;
                Ok(self.read::<Data>(&answer, doing)?.data.viewer.login)
            }
        }
    }

    /// Writes a status and tells by whom GitHub says that it is. Sent once: when to try again is the
    /// caller's to decide.
    ///
    /// # Errors
    /// GitHub's own.
    pub async fn create_status(
        &self,
        commit: &str,
        status: &NewStatus,
    ) -> Result<Option<String>, GitHubError> {
        let doing = format!("writing status {}", status.context);
        let path = self.path(&format!("/statuses/{commit}"));
        let answer = self.post(&self.rest, &path, status, &doing).await?;
        let created: StatusAnswer = self.read(&answer, &doing)?;
        Ok(created.creator.map(|creator| creator.login))
    }

    /// The same, sent again after a pause where GitHub is busy, failing or away.
    ///
    /// # Errors
    /// GitHub's own, the last time.
    pub async fn deliver_status(
        &self,
        commit: &str,
        status: &NewStatus,
    ) -> Result<Option<String>, GitHubError> {
        self.patiently(|| self.create_status(commit, status)).await
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repository)
    }

    pub(super) async fn get(
        &self,
        client: &Octocrab,
        path: &str,
        doing: &str,
    ) -> Result<Answer, GitHubError> {
        self.patiently(|| self.answered(client, Request::Get(path), doing))
            .await
    }

    pub(super) async fn post<B: serde::Serialize + Sync>(
        &self,
        client: &Octocrab,
        path: &str,
        body: &B,
        doing: &str,
    ) -> Result<Answer, GitHubError> {
        let body = serde_json::to_value(body).unwrap_or_default();
        self.answered(client, Request::Post(path, &body), doing)
            .await
    }

    pub(super) async fn patch<B: serde::Serialize + Sync>(
        &self,
        client: &Octocrab,
        path: &str,
        body: &B,
        doing: &str,
    ) -> Result<Answer, GitHubError> {
        let body = serde_json::to_value(body).unwrap_or_default();
        self.answered(client, Request::Patch(path, &body), doing)
            .await
    }

    /// Asks again after a pause where GitHub is busy, failing or away.
    pub(super) async fn patiently<T, F: Future<Output = Result<T, GitHubError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, GitHubError> {
        let mut attempt = 1;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = FIRST_PAUSE * 2u32.pow(attempt - 1);
            let wait = error.wait().unwrap_or_default().max(pause);
            if !error.may_pass() || attempt == ATTEMPTS || wait > LONGEST_WAIT {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn answered(
        &self,
        client: &Octocrab,
        request: Request<'_>,
        doing: &str,
    ) -> Result<Answer, GitHubError> {
        let (status, headers, body) =
            match tokio::time::timeout(TIMEOUT, exchange(client, request)).await {
                Ok(answer) => answer.map_err(|error| self.failed(doing, &error))?,
                Err(_) => {
                    let cause = format!("no answer in {} s", TIMEOUT.as_secs());
                    return Err(self.error(doing, Cause::Away(cause)));
                }
            };
        if status.is_success() {
            return Ok(Answer { headers, body });
        }
        let message = message(&body).unwrap_or_else(|| {
            let reason = status.canonical_reason();
            reason.unwrap_or("no reason given").to_owned()
        });
        Err(self.error(doing, Cause::of_answer(status, &headers, message)))
    }

    pub(super) fn read<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        doing: &str,
    ) -> Result<T, GitHubError> {
        serde_json::from_str(&answer.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let cause = format!("no valid answer at line {line}, column {column}");
            self.error(doing, Cause::Unreadable(cause))
        })
    }

    /// What octocrab can't get an answer to.
    fn failed(&self, doing: &str, error: &octocrab::Error) -> GitHubError {
        // What failed stands at the bottom; above it are layers that say nothing.
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        if let octocrab::Error::GitHub { source, .. } = error {
            let headers = source.headers.clone().unwrap_or_default();
            let cause = Cause::of_answer(source.status_code, &headers, source.message.clone());
            return self.error(doing, cause);
        }
        self.error(doing, Cause::Away(cause.to_string()))
    }

    fn error(&self, doing: &str, cause: Cause) -> GitHubError {
        GitHubError {
            doing: doing.to_owned(),
            host: self.host.clone(),
            cause,
        }
    }
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHub")
            .field("host", &self.host)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

/// GitHub answers 404 or 422 for a commit that it doesn't have. It answers 404 for a repository
/// that can't be seen too; that one is asked for by itself.
fn no_such_commit(error: &GitHubError) -> bool {
    error.is_not_found() || matches!(error.cause, Cause::Refused { status: 422, .. })
}

/// Whether the answer's links name a further page.
pub(super) fn has_next(headers: &HeaderMap) -> bool {
    let links = headers.get_all(header::LINK).iter();
    links
        .filter_map(|link| link.to_str().ok())
        .any(|link| link.contains("rel=\"next\""))
}

/// The words of an error: its message, and those of the members that it finds fault with.
fn message(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
        #[serde(default)]
        errors: Vec<Value>,
    }
    let refusal: Refusal = serde_json::from_str(body).ok()?;
    let details = refusal.errors.iter().filter_map(|error| {
        let text = error.get("message").or(Some(error))?;
        text.as_str().map(str::to_owned)
    });
    let all: Vec<String> = std::iter::once(refusal.message).chain(details).collect();
    Some(all.join(": "))
}

pub(super) fn escaped(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}
