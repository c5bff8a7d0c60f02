//! What psk tells CircleCI over its API: how a setup pipeline goes on, and what runs by the clock.
//!
//! Sources: CircleCI API v2 reference, "Continue a pipeline" (`POST /api/v2/pipeline/continue`), and "Schedule"
//! (`GET` and `POST /api/v2/project/{project-slug}/schedule`, `PATCH` and `DELETE /api/v2/schedule/{id}`); errors
//! are `{"message": …}`, lists are paged by `next_page_token` and `page-token`.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::timetable::Timetable;
use crate::env::Env;
use crate::proxy::{self, BadProxy};
use crate::text::visible;

/// Where CircleCI is unless something else is said.
pub const HOST: &str = "https://circleci.com";

/// The variable that CircleCI's own command line reads the host from.
pub const HOST_VARIABLE: &str = "CIRCLECI_CLI_HOST";

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a request is sent again where CircleCI answers that it is busy.
const RETRIES: u32 = 3;

/// What the description of a schedule that psk made ends in.
const MARK: &str = "(kept by psk pipeline schedule)";

/// CircleCI's answer was no, or there was none.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A variable that is needed isn't set.
    #[error("{variable} is not set: {why}")]
    Unset {
        /// The variable.
        variable: &'static str,
        /// What it is needed for, and where it comes from.
        why: &'static str,
    },
    /// There was no answer, or none that could be read.
    #[error("{doing}: {source}")]
    Transport {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: reqwest::Error,
    },
    /// CircleCI refused.
    #[error("{doing}: CircleCI answered {status}: {message}")]
    Refused {
        /// What was being done.
        doing: String,
        /// The status.
        status: StatusCode,
        /// CircleCI's own words.
        message: String,
    },
    /// CircleCI can't be asked through what the environment names as a proxy.
    #[error(transparent)]
    Proxy(#[from] BadProxy),
    /// There is a schedule of this name that psk didn't make.
    #[error(
        "there are {count} schedules called {name:?}, and psk made none of them but at most one: ids {ids}"
    )]
    Ambiguous {
        /// Their name.
        name: String,
        /// How many.
        count: usize,
        /// Their ids.
        ids: String,
    },
}

impl ApiError {
    /// What to do next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Unset { .. } => "set it, or run this where CircleCI sets it",
            Self::Proxy(_) => "set it right, or unset it",
            Self::Transport { .. } => {
                "see that CircleCI can be reached, then run the same command again"
            }
            Self::Refused { status, .. } => match *status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    "see that the token is a personal one with access to the project"
                }
                StatusCode::NOT_FOUND => {
                    "see that the project, or the pipeline, is what it should be"
                }
                StatusCode::TOO_MANY_REQUESTS => "wait, then run the same command again",
                _ => "mend what CircleCI names, then run the same command again",
            },
            Self::Ambiguous { .. } => {
                "delete or rename all but one of them, then run the same command again"
            }
        }
    }
}

/// A connection to CircleCI.
#[derive(Debug)]
pub struct CircleCi {
    host: String,
    client: Client,
}

/// A schedule as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wanted {
    /// Its name, by which it is found again.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it runs.
    pub timetable: Timetable,
    /// In whose name: `system`, or `current`, the token's owner.
    pub attribution_actor: String,
    /// The pipeline parameters, the branch among them.
    pub parameters: BTreeMap<String, Json>,
}

impl Wanted {
    /// A schedule that runs a branch.
    pub fn new(name: &str, about: &str, timetable: Timetable, branch: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: format!("{about} {MARK}"),
            timetable,
            attribution_actor: "system".to_owned(),
            parameters: [("branch".to_owned(), json!(branch))].into(),
        }
    }
}

/// A schedule as CircleCI has it.
#[derive(Debug, Clone, Deserialize)]
struct Kept {
    id: String,
    name: String,
    #[serde(default)]
    description: Option<String>,
    timetable: Json,
    #[serde(default)]
    parameters: BTreeMap<String, Json>,
}

impl Kept {
    /// Whether it already is what is wanted. CircleCI adds nulls for what wasn't said.
    fn is(&self, wanted: &Wanted) -> bool {
        let said = |value: &Json| -> Json {
            value
                .as_object()
                .map(|map| {
                    map.iter()
                        .filter(|(_, value)| !value.is_null())
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect()
                })
                .unwrap_or_default()
        };
        self.description.as_deref() == Some(&wanted.description)
            && Some(said(&self.timetable)) == serde_json::to_value(&wanted.timetable).ok()
            && self.parameters == wanted.parameters
    }

    fn is_ours(&self) -> bool {
        self.description
            .as_ref()
            .is_some_and(|text| text.ends_with(MARK))
    }
}

/// What was done about a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was right already.
    Unchanged,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Kept>,
    next_page_token: Option<String>,
}

impl CircleCi {
    /// The CircleCI that the environment names.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn from_env(env: &Env) -> Result<Self, ApiError> {
        let host = env.get(HOST_VARIABLE).unwrap_or(HOST);
        let client = Client::builder()
            .timeout(PATIENCE)
            .user_agent(concat!("psk/", env!("CARGO_PKG_VERSION")));
        let client =
            proxy::through(client, env)?
                .build()
                .map_err(|source| ApiError::Transport {
                    doing: "making an HTTP client".to_owned(),
                    source,
                })?;
        Ok(Self {
            host: host.trim_end_matches('/').to_owned(),
            client,
        })
    }

    /// Continues the setup pipeline that the key is of.
    ///
    /// # Errors
    /// If CircleCI refuses, or doesn't answer. A key is good for one continuation.
    pub async fn continue_pipeline(
        &self,
        key: &SecretString,
        config: &str,
        parameters: &serde_json::Map<String, Json>,
    ) -> Result<(), ApiError> {
        let body = json!({
            "continuation-key": key.expose_secret(),
            "configuration": config,
            "parameters": parameters,
        });
        let url = format!("{}/api/v2/pipeline/continue", self.host);
        // Not sent again after a silence: it may have been heard.
        let request = self.client.request(Method::POST, url).json(&body);
        self.send("continuing the pipeline", request)
            .await
            .map(drop)
    }

    /// Makes a project's schedule of that name what is wanted. There is one of that name afterwards.
    ///
    /// # Errors
    /// If CircleCI refuses, or there are several of that name that psk didn't make.
    pub async fn schedule(
        &self,
        token: &SecretString,
        project: &str,
        wanted: &Wanted,
    ) -> Result<Done, ApiError> {
        let mut same: Vec<Kept> = self
            .schedules(token, project)
            .await?
            .into_iter()
            .filter(|kept| kept.name == wanted.name)
            .collect();
        // The one that somebody else made, if there is one, is the one that is kept.
        same.sort_by_key(Kept::is_ours);
        if same.iter().skip(1).any(|kept| !kept.is_ours()) {
            let ids: Vec<&str> = same.iter().map(|kept| kept.id.as_str()).collect();
            return Err(ApiError::Ambiguous {
                name: wanted.name.clone(),
                count: same.len(),
                ids: ids.join(", "),
            });
        }
        let mut same = same.into_iter();
        let done = match same.next() {
            Some(kept) if kept.is(wanted) => Done::Unchanged,
            Some(kept) => {
                let request = self.request(Method::PATCH, &format!("schedule/{}", kept.id), token);
                let doing = format!("updating the schedule {:?}", wanted.name);
                self.send(&doing, request.json(wanted)).await?;
                Done::Updated
            }
            None => {
                let request = self.request(Method::POST, &schedules_of(project), token);
                let doing = format!("creating the schedule {:?}", wanted.name);
                self.send(&doing, request.json(wanted)).await?;
                Done::Created
            }
        };
        // Two runs at once may have made one each.
        for twin in same {
            let request = self.request(Method::DELETE, &format!("schedule/{}", twin.id), token);
            let doing = format!("deleting a second schedule {:?}", wanted.name);
            self.send(&doing, request).await?;
        }
        Ok(done)
    }

    async fn schedules(&self, token: &SecretString, project: &str) -> Result<Vec<Kept>, ApiError> {
        let mut kept = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, &schedules_of(project), token);
            if let Some(after) = &after {
                request = request.query(&[("page-token", after)]);
            }
            let doing = format!("listing the schedules of {project}");
            let page = self.send(&doing, request).await?;
            let page: Page = page
                .json()
                .await
                .map_err(|source| ApiError::Transport { doing, source })?;
            kept.extend(page.items);
            match page.next_page_token {
                Some(next) => after = Some(next),
                None => return Ok(kept),
            }
        }
    }

    fn request(&self, method: Method, path: &str, token: &SecretString) -> RequestBuilder {
        self.client
            .request(method, format!("{}/api/v2/{path}", self.host))
            .header("Circle-Token", token.expose_secret())
    }

    /// Sends a request; again, after as long as CircleCI asks for, where it is told that there were too many.
    async fn send(
        &self,
        doing: &str,
        request: RequestBuilder,
    ) -> Result<reqwest::Response, ApiError> {
        let transport = |source| ApiError::Transport {
            doing: doing.to_owned(),
            source,
        };
        for attempt in 0.. {
            let Some(copy) = request.try_clone() else {
                break;
            };
            let response = copy.send().await.map_err(transport)?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let wait = response
                .headers()
                .get(reqwest::header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            if status == StatusCode::TOO_MANY_REQUESTS && attempt < RETRIES {
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1))).await;
                continue;
            }
            let body = response.text().await.map_err(transport)?;
            return Err(refused(doing, status, &body));
        }
        Err(refused(
            doing,
            StatusCode::BAD_REQUEST,
            "the request can't be sent",
        ))
    }
}

fn refused(doing: &str, status: StatusCode, body: &str) -> ApiError {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let message = serde_json::from_str::<Message>(body).map_or_else(
        |_| body.chars().take(200).collect(),
        |answer| answer.message,
    );
    ApiError::Refused {
        doing: doing.to_owned(),
        status,
        message: visible(&message).into_owned(),
    }
}

fn schedules_of(project: &str) -> String {
    format!("project/{project}/schedule")
}

/// The project of a CircleCI job (`gh/org/repo`), by the variables that CircleCI sets.
pub fn project_of_job(env: &Env) -> Option<String> {
    let vcs = match env.get("CIRCLE_REPOSITORY_URL") {
        Some(url) if url.contains("bitbucket.org") => "bb",
        _ => "gh",
    };
    let owner = env.get("CIRCLE_PROJECT_USERNAME")?;
    let repository = env.get("CIRCLE_PROJECT_REPONAME")?;
    Some(format!("{vcs}/{owner}/{repository}"))
}
