//! Slack's Web API, as far as a bot that tells of runs calls it: posting a message and changing it.
//!
//! Methods, members, errors and limits follow Slack's reference (`chat.postMessage`, `chat.update`, "Rate
//! limits"). Slack answers 200 to nearly everything and says in `ok` how it went; only who calls too often
//! is answered 429, with `Retry-After`.

use std::collections::BTreeMap;

use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::{Answer, Call, Reply, ServiceError};
use crate::operations::Routes;
use crate::world::World;

/// Where the API is.
pub const API: &str = "/api";

/// Longest text of a message, in characters.
const LONGEST_TEXT: usize = 40_000;

/// What a method may be called: so many times in a short burst, and then once in so many milliseconds.
#[derive(Debug, Clone, Copy)]
struct Limit {
    burst: i64,
    every_ms: i64,
}

/// One message a second into a channel; short bursts of more are let through.
const POSTING: Limit = Limit {
    burst: 4,
    every_ms: 1000,
};

/// Tier 3: fifty and more a minute.
const TIER_3: Limit = Limit {
    burst: 50,
    every_ms: 1200,
};

/// Slack, as far as it is simulated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workspace {
    /// Bots by the tokens that they call with.
    pub bots: BTreeMap<String, Bot>,
    /// Channels.
    pub channels: Vec<Channel>,
    /// When the next call of a method is due that spends nothing of its burst, in milliseconds since
    /// 1970, by method and what it is limited by.
    due: BTreeMap<String, i64>,
    /// Messages posted so far, over all channels.
    posted: u64,
}

/// A bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bot {
    /// Its user id (`U…`).
    pub user: String,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// Its id (`C…`).
    pub id: String,
    /// Its name, without `#`.
    pub name: String,
    /// User ids of the bots in it.
    pub members: Vec<String>,
    /// Its messages, oldest first.
    pub messages: Vec<Message>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its timestamp, which names it in its channel.
    pub ts: String,
    /// Who posted it.
    pub user: String,
    /// Its text.
    pub text: String,
    /// What its text was before, oldest first.
    pub before: Vec<String>,
}

/// Whether a path is one of the API's.
pub fn serves(path: &str) -> bool {
    path.starts_with("/api/chat.")
}

const ROUTES: Routes = Routes(&[
    (Method::POST, "/api/chat.postMessage", "chat.postMessage"),
    (Method::POST, "/api/chat.update", "chat.update"),
]);

/// Every method's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    ROUTES.names()
}

/// The method that a request calls.
pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
    ROUTES.find(method, path)
}

/// Checks a request's token and returns it.
///
/// # Errors
/// `not_authed` where there is none, `invalid_auth` where it isn't known.
pub fn authenticate(
    workspace: &Workspace,
    authorization: Option<&str>,
) -> Result<String, ServiceError> {
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| refused("not_authed"))?;
    match workspace.bots.contains_key(token) {
        true => Ok(token.to_owned()),
        false => Err(refused("invalid_auth")),
    }
}

/// Answers one request. [`Call::principal`] is the token.
///
/// # Errors
/// Slack's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    let workspace = &mut world.slack;
    let Some(bot) = workspace.bots.get(&call.principal).cloned() else {
        return Err(refused("invalid_auth"));
    };
    match call.operation.as_str() {
        "chat.postMessage" => post(workspace, &bot, call),
        "chat.update" => update(workspace, &bot, call),
        _ => Err(refused("unknown_method")),
    }
}

/// What Slack answers to who calls too often.
pub fn ratelimited(seconds: i64) -> ServiceError {
    let mut error = ServiceError::new(StatusCode::TOO_MANY_REQUESTS, "ratelimited", "");
    error
        .headers
        .insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    error
}

fn refused(error: &str) -> ServiceError {
    ServiceError::new(StatusCode::OK, error, "")
}

fn argument(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(str::to_owned)
}

fn body(call: &Call) -> Result<Value, ServiceError> {
    let is_json = call
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    if !is_json {
        let form = form_urlencoded::parse(&call.body).into_owned();
        return Ok(form
            .map(|(name, value)| (name, Value::from(value)))
            .collect());
    }
    serde_json::from_slice(&call.body).map_err(|_| refused("invalid_json"))
}

fn text(body: &Value) -> Result<String, ServiceError> {
    let text = argument(body, "text").filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| refused("no_text"))?;
    // A longer one is cut off, not refused.
    Ok(text.chars().take(LONGEST_TEXT).collect())
}

fn post(workspace: &mut Workspace, bot: &Bot, call: &Call) -> Answer {
    let body = body(call)?;
    let named = argument(&body, "channel").unwrap_or_default();
    let is_named = |channel: &Channel| {
        channel.id == named
            || Some(channel.name.as_str()) == named.strip_prefix('#')
            || channel.name == named
    };
    let place = workspace.channels.iter().position(is_named);
    let place = place.ok_or_else(|| refused("channel_not_found"))?;
    let text = text(&body)?;
    let key = format!("chat.postMessage {}", workspace.channels[place].id);
    spend(&mut workspace.due, key, POSTING, call.now)?;
    workspace.posted += 1;
    let ts = format!("{}.{:06}", call.now.as_second(), workspace.posted);
    let channel = &mut workspace.channels[place];
    if !channel.members.contains(&bot.user) {
        return Err(refused("not_in_channel"));
    }
    channel.messages.push(Message {
        ts: ts.clone(),
        user: bot.user.clone(),
        text: text.clone(),
        before: Vec::new(),
    });
    Reply::json(&json!({
        "ok": true, "channel": channel.id, "ts": ts,
        "message": { "type": "message", "user": bot.user, "text": text, "ts": ts },
    }))
}

fn update(workspace: &mut Workspace, bot: &Bot, call: &Call) -> Answer {
    let body = body(call)?;
    // Other than for posting, only an id will do.
    let id = argument(&body, "channel").unwrap_or_default();
    let ts = argument(&body, "ts").unwrap_or_default();
    spend(
        &mut workspace.due,
        "chat.update".to_owned(),
        TIER_3,
        call.now,
    )?;
    let channel = workspace.channels.iter_mut().find(|known| known.id == id);
    let channel = channel.ok_or_else(|| refused("channel_not_found"))?;
    let message = channel.messages.iter_mut().find(|message| message.ts == ts);
    let message = message.ok_or_else(|| refused("message_not_found"))?;
    if message.user != bot.user {
        return Err(refused("cant_update_message"));
    }
    let text = text(&body)?;
    message
        .before
        .push(std::mem::replace(&mut message.text, text));
    Reply::json(&json!({ "ok": true, "channel": id, "ts": ts, "text": message.text }))
}

/// Counts a call against a limit.
fn spend(
    due: &mut BTreeMap<String, i64>,
    key: String,
    limit: Limit,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let now = now.as_millisecond();
    let due = due.entry(key).or_insert(now);
    let earliest = (*due).max(now);
    let wait = earliest - now - limit.every_ms * (limit.burst - 1);
    if wait > 0 {
        return Err(ratelimited((wait + 999) / 1000));
    }
    *due = earliest + limit.every_ms;
    Ok(())
}

#[cfg(test)]
mod tests;
