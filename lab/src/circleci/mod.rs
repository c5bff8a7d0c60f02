//! CircleCI's API, as far as a pipeline's own tools call it: continuing a setup pipeline, and schedules.
//!
//! Paths, members and limits follow the API v2 reference ("Continue a pipeline", "Schedule"). An error is
//! `{"message": …}`. What needs a token takes a personal one in the header `Circle-Token`; a continuation is allowed by
//! its key, which is good once.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, Reply, ServiceError};
use crate::ids;
use crate::operations::Routes;
use crate::world::World;

/// Schedules on one page of a list.
const PAGE: usize = 20;

/// Most entries, longest key and longest value of pipeline parameters.
const PARAMETERS: (usize, usize, usize) = (100, 128, 512);

/// CircleCI, as far as it is simulated.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Personal API tokens.
    pub tokens: BTreeSet<String>,
    /// Setup pipelines by their continuation keys: the config that each was continued with, once it was.
    pub pipelines: BTreeMap<String, Option<Continuation>>,
    /// Schedules in the order in which they were made.
    pub schedules: Vec<Schedule>,
}

/// What a pipeline was continued with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// The config's text.
    pub configuration: String,
    /// The pipeline's parameters.
    pub parameters: Map<String, Value>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Schedule {
    /// Its id, a UUID.
    pub id: String,
    /// Its name, which need not be the only one.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it runs.
    pub timetable: Value,
    /// The pipeline's parameters: a branch or a tag among them.
    pub parameters: Map<String, Value>,
    /// The project that it is of.
    pub project_slug: String,
    /// In whose name it runs.
    pub actor: Actor,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Somebody in whose name something runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// An id, a UUID.
    pub id: String,
    /// The login, at the version control system.
    pub login: String,
    /// The name, for people.
    pub name: String,
}

impl Actor {
    /// Who is meant by the member `attribution-actor` of a request.
    ///
    /// # Errors
    /// 400 if nobody is.
    fn meant(attribution: &str) -> Result<Self, ServiceError> {
        let (login, name) = match attribution {
            "current" => ("lab", "The lab's user"),
            "system" => ("system-actor", "Scheduled"),
            _ => return Err(bad("attribution-actor: must be current or system")),
        };
        Ok(Self {
            id: ids::uuid_from(ids::digest(&["circleci", login])),
            login: login.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// Whether a path is one of the API's.
pub fn serves(path: &str) -> bool {
    path.starts_with("/api/v2/")
}

/// Method, path and operation, by its id in the API's description. A project's slug has three segments.
const ROUTES: Routes = Routes(&[
    (
        Method::POST,
        "/api/v2/pipeline/continue",
        "continuePipeline",
    ),
    (
        Method::GET,
        "/api/v2/project/{vcs}/{organisation}/{project}/schedule",
        "listSchedulesForProject",
    ),
    (
        Method::POST,
        "/api/v2/project/{vcs}/{organisation}/{project}/schedule",
        "createSchedule",
    ),
    (Method::GET, "/api/v2/schedule/{id}", "getScheduleById"),
    (Method::PATCH, "/api/v2/schedule/{id}", "updateSchedule"),
    (
        Method::DELETE,
        "/api/v2/schedule/{id}",
        "deleteScheduleById",
    ),
]);

/// Every operation's id.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    ROUTES.names()
}

/// The operation that a method and a path mean, if the lab serves it.
pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
    ROUTES.find(method, path)
}

/// Checks a request's token.
///
/// # Errors
/// 401 if it needs one and has none that is known.
pub fn authenticate(
    server: &Server,
    operation: &str,
    token: Option<&str>,
) -> Result<(), ServiceError> {
    let known = token.is_some_and(|token| server.tokens.contains(token));
    if operation == "continuePipeline" || known {
        return Ok(());
    }
    Err(error(StatusCode::UNAUTHORIZED, "You must log in first."))
}

/// Answers one request.
///
/// # Errors
/// The API's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let segments = call.segments();
    let after = |count: usize| segments.get(count).map(String::as_str).unwrap_or_default();
    let project = segments
        .get(3..6)
        .map(|slug| slug.join("/"))
        .unwrap_or_default();
    match call.operation.as_str() {
        "continuePipeline" => continue_pipeline(&mut world.circleci, call),
        "listSchedulesForProject" => list(&world.circleci, call, &project),
        "createSchedule" => {
            let id = world.ids.uuid();
            create(&mut world.circleci, call, &project, id)
        }
        "getScheduleById" => Reply::json(&find(&mut world.circleci, after(3))?),
        "updateSchedule" => update(&mut world.circleci, call, after(3)),
        "deleteScheduleById" => {
            let id = find(&mut world.circleci, after(3))?.id.clone();
            world
                .circleci
                .schedules
                .retain(|schedule| schedule.id != id);
            Reply::json(&json!({ "message": "Schedule deleted." }))
        }
        _ => Err(error(StatusCode::NOT_FOUND, "Not found")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ContinueRequest {
    continuation_key: String,
    configuration: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

fn continue_pipeline(server: &mut Server, call: &Call) -> Answer {
    let request: ContinueRequest = body(call)?;
    check_parameters(&request.parameters)?;
    let Some(pipeline) = server.pipelines.get_mut(&request.continuation_key) else {
        return Err(error(StatusCode::NOT_FOUND, "Pipeline not found"));
    };
    if pipeline.is_some() {
        return Err(bad("Pipeline has already been continued."));
    }
    *pipeline = Some(Continuation {
        configuration: request.configuration,
        parameters: request.parameters,
    });
    Reply::json(&json!({ "message": "Pipeline continued" }))
}

/// A request's members, those that an update need not have among them.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ScheduleRequest {
    name: Option<String>,
    description: Option<String>,
    timetable: Option<Value>,
    attribution_actor: Option<String>,
    parameters: Option<Map<String, Value>>,
}

fn create(server: &mut Server, call: &Call, project: &str, id: String) -> Answer {
    let request: ScheduleRequest = body(call)?;
    let missing = |member: &str| bad(&format!("{member}: missing required key"));
    let timetable = request.timetable.ok_or_else(|| missing("timetable"))?;
    let parameters = request.parameters.ok_or_else(|| missing("parameters"))?;
    let actor = request
        .attribution_actor
        .ok_or_else(|| missing("attribution-actor"))?;
    let schedule = Schedule {
        id,
        name: request.name.ok_or_else(|| missing("name"))?,
        description: request.description,
        timetable,
        parameters,
        project_slug: project.to_owned(),
        actor: Actor::meant(&actor)?,
        created_at: call.now,
        updated_at: call.now,
    };
    check(&schedule)?;
    server.schedules.push(schedule.clone());
    let mut reply = Reply::json(&schedule)?;
    reply.status = StatusCode::CREATED;
    Ok(reply)
}

fn update(server: &mut Server, call: &Call, id: &str) -> Answer {
    let request: ScheduleRequest = body(call)?;
    let schedule = find(server, id)?;
    let changed = Schedule {
        id: schedule.id.clone(),
        name: request.name.unwrap_or_else(|| schedule.name.clone()),
        description: request.description.or_else(|| schedule.description.clone()),
        timetable: request
            .timetable
            .unwrap_or_else(|| schedule.timetable.clone()),
        parameters: request
            .parameters
            .unwrap_or_else(|| schedule.parameters.clone()),
        project_slug: schedule.project_slug.clone(),
        actor: match &request.attribution_actor {
            Some(attribution) => Actor::meant(attribution)?,
            None => schedule.actor.clone(),
        },
        created_at: schedule.created_at,
        updated_at: call.now,
    };
    check(&changed)?;
    *schedule = changed;
    Reply::json(schedule)
}

fn list(server: &Server, call: &Call, project: &str) -> Answer {
    let all: Vec<&Schedule> = server
        .schedules
        .iter()
        .filter(|schedule| schedule.project_slug == project)
        .collect();
    let begin = match call.query("page-token") {
        None => 0,
        Some(token) => token.parse().map_err(|_| bad("Invalid page token"))?,
    };
    let items: Vec<&Schedule> = all.iter().skip(begin).take(PAGE).copied().collect();
    let next = begin + items.len();
    let next = (next < all.len()).then(|| next.to_string());
    Reply::json(&json!({ "items": items, "next_page_token": next }))
}

fn find<'s>(server: &'s mut Server, id: &str) -> Result<&'s mut Schedule, ServiceError> {
    server
        .schedules
        .iter_mut()
        .find(|schedule| schedule.id == id)
        .ok_or_else(|| error(StatusCode::NOT_FOUND, "Schedule not found."))
}

fn check(schedule: &Schedule) -> Result<(), ServiceError> {
    check_parameters(&schedule.parameters)?;
    if !schedule.parameters.contains_key("branch") && !schedule.parameters.contains_key("tag") {
        return Err(bad("parameters: must contain branch or tag"));
    }
    check_timetable(&schedule.timetable)
}

fn check_timetable(timetable: &Value) -> Result<(), ServiceError> {
    let within = |value: &Value, least: u64, most: u64| {
        value.as_u64().is_some_and(|n| (least..=most).contains(&n))
    };
    let list = |key: &str, fits: &dyn Fn(&Value) -> bool| match timetable.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Array(items)) if !items.is_empty() && items.iter().all(fits) => Ok(true),
        Some(_) => Err(bad(&format!("timetable.{key}: invalid value"))),
    };
    let one_of = |words: &'static [&str]| {
        move |value: &Value| value.as_str().is_some_and(|w| words.contains(&w))
    };
    if !timetable.get("per-hour").is_some_and(|n| within(n, 1, 60)) {
        return Err(bad("timetable.per-hour: must be from 1 to 60"));
    }
    if !list("hours-of-day", &|hour| within(hour, 0, 23))? {
        return Err(bad("timetable.hours-of-day: missing required key"));
    }
    let week = list(
        "days-of-week",
        &one_of(&["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]),
    )?;
    let month = list("days-of-month", &|day| within(day, 1, 31))?;
    list(
        "months",
        &one_of(&[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ]),
    )?;
    if week == month {
        return Err(bad(
            "timetable: either days-of-week or days-of-month must be given",
        ));
    }
    Ok(())
}

fn check_parameters(parameters: &Map<String, Value>) -> Result<(), ServiceError> {
    let (most, key, value) = PARAMETERS;
    let fits = |(name, given): (&String, &Value)| {
        name.len() <= key
            && match given {
                Value::String(text) => text.len() <= value,
                Value::Bool(_) | Value::Number(_) => true,
                _ => false,
            }
    };
    if parameters.len() <= most && parameters.iter().all(fits) {
        return Ok(());
    }
    Err(bad(
        "parameters: too many, too long, or neither string, number nor boolean",
    ))
}

fn body<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, ServiceError> {
    serde_json::from_slice(&call.body).map_err(|cause| bad(&format!("Invalid input: {cause}")))
}

fn bad(message: &str) -> ServiceError {
    error(StatusCode::BAD_REQUEST, message)
}

fn error(status: StatusCode, message: &str) -> ServiceError {
    ServiceError::new(status, "", message)
}

#[cfg(test)]
mod tests;
