//! GitHub's REST API, as GitHub Enterprise Server serves it: under `/api/v3`, and one question of its
//! GraphQL API under `/api/graphql`.
//!
//! Paths, shapes, codes and limits follow GitHub's REST API documentation (version 2022-11-28). Each
//! group of operations is one module with its own functions, listed in `routes`.

mod apps;
mod commits;
mod error;
mod limits;
mod page;
mod releases;
mod repositories;
mod routes;
mod state;
mod statuses;
#[cfg(test)]
mod tests;
mod users;

use http::Method;

use crate::call::{Answer, Call, Reply, ServiceError};
use crate::world::World;

pub use limits::{PER_HOUR, PER_MINUTE, secondary};
pub use state::{
    Account, AccountType, App, Commit, GitHub, Release, Repository, Status, StatusState, Tag,
    Token, TokenKind,
};

/// Where the REST API is.
pub const REST: &str = "/api/v3";
/// Where GitHub's own REST API is.
const API: &str = "https://api.github.com";
/// Where the GraphQL API is.
pub const GRAPHQL: &str = "/api/graphql";

/// Whether a path is GitHub's.
pub fn serves(path: &str) -> bool {
    path == GRAPHQL
        || path
            .strip_prefix(REST)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Every operation's id.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    routes::operations()
}

/// The operation that a method and a path mean, by its id in GitHub's OpenAPI description.
pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
    routes::find(method, path).map(|route| route.operation)
}

/// Whether an operation only reads.
pub fn reads(operation: &str) -> bool {
    let name = operation
        .split_once('/')
        .map_or(operation, |(_, name)| name);
    name.starts_with("get")
        || name.starts_with("list")
        || name.starts_with("compare")
        || operation == "graphql"
}

/// Finds out whose token a request carries: a login, `app/<id>` for an app itself, empty for nobody.
///
/// # Errors
/// 401 if it carries one that isn't known.
pub fn authenticate(
    github: &GitHub,
    authorization: Option<&str>,
    call: &Call,
) -> Result<String, ServiceError> {
    let Some(authorization) = authorization else {
        return Ok(String::new());
    };
    let token = authorization
        .split_once(' ')
        .filter(|(scheme, _)| {
            ["bearer", "token"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
        })
        .map(|(_, token)| token.trim());
    let known = token.and_then(|token| github.tokens.get(token));
    if let Some(known) = known
        && known.expires.is_none_or(|expires| call.received < expires)
    {
        return Ok(token.unwrap_or_default().to_owned());
    }
    token
        .filter(|token| token.split('.').count() == 3)
        .and_then(|jwt| apps::of_jwt(github, jwt, call.received))
        .ok_or_else(error::bad_credentials)
}

/// Answers one request. [`Call::principal`] is what [`authenticate`] found.
///
/// # Errors
/// GitHub's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let Some(route) = routes::find(&call.method, &call.path) else {
        return Err(error::not_found());
    };
    let caller = world.github.tokens.get(&call.principal).cloned();
    let login = caller.as_ref().map_or("", |token| token.login.as_str());
    let spent = limits::spend(&mut world.github, login, reads(route.operation), call.now)?;
    let labels = route.labels(&call.path);
    let request = Request {
        call,
        caller: caller.as_ref(),
        labels: labels.iter().map(String::as_str).collect(),
    };
    let mut answer = (route.serve)(world, &request);
    if let Ok(reply) = &mut answer {
        tell_place(reply, call);
    }
    let headers = match &mut answer {
        Ok(reply) => &mut reply.headers,
        Err(error) => &mut error.headers,
    };
    limits::tell(headers, &spent, call.now);
    answer
}

/// Tells where things are as a server of one's own does: at the address that was asked, where
/// GitHub tells its own.
fn tell_place(reply: &mut Reply, call: &Call) {
    let Some(host) = call.header("host") else {
        return;
    };
    if let Ok(body) = std::str::from_utf8(&reply.body) {
        reply.body = body
            .replace(API, &format!("http://{host}{REST}"))
            .into_bytes();
    }
}

/// A request as an operation sees it.
struct Request<'a> {
    call: &'a Call,
    /// Whose token it carries.
    caller: Option<&'a Token>,
    /// What stands in the path in the place of its braces.
    labels: Vec<&'a str>,
}

impl Request<'_> {
    fn label(&self, place: usize) -> &str {
        self.labels.get(place).copied().unwrap_or_default()
    }

    /// The repository that the path's first two labels name, if the caller may see it. Every
    /// repository is private: to anyone else it doesn't exist.
    fn repository<'w>(&self, world: &'w mut World) -> Result<&'w mut Repository, ServiceError> {
        if self.caller.is_none() {
            return Err(error::not_found());
        }
        world
            .github
            .repository_mut(self.label(0), self.label(1))
            .ok_or_else(error::not_found)
    }

    /// The body as JSON.
    fn body<T: serde::de::DeserializeOwned>(&self) -> Result<T, ServiceError> {
        serde_json::from_slice(&self.call.body).map_err(|e| error::problems_parsing(&e))
    }
}
