//! Accounts, and who a caller is.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{GitHub, TokenKind};
use super::{API, Request, error};
use crate::call::{Answer, Reply};
use crate::world::World;

/// An account as other things show it.
pub(super) fn simple(github: &GitHub, login: &str) -> Value {
    let Some(account) = github.accounts.get(login) else {
        return Value::Null;
    };
    let url = format!(
        "{API}/users/{}",
        login.replace('[', "%5B").replace(']', "%5D")
    );
    json!({
        "login": login,
        "id": account.id,
        "node_id": format!("U_{}", account.id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", account.id),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("https://github.com/{login}"),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": account.kind,
        "user_view_type": "public",
        "site_admin": false,
    })
}

/// A user as the user's own page shows it.
fn full(github: &GitHub, login: &str) -> Value {
    let mut user = simple(github, login);
    let more = json!({
        "name": null, "company": null, "blog": "", "location": null, "email": null,
        "hireable": null, "bio": null, "public_repos": 0, "public_gists": 0, "followers": 0,
        "following": 0, "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
    });
    if let (Some(user), Value::Object(more)) = (user.as_object_mut(), more) {
        user.extend(more);
    }
    user
}

/// An installation of an app is no user: it can't be told who it is here.
pub(super) fn authenticated(world: &mut World, request: &Request<'_>) -> Answer {
    match request.caller {
        None => Err(error::requires_authentication()),
        Some(token) if token.kind == TokenKind::Installation => {
            Err(error::not_accessible("integration"))
        }
        Some(token) => Reply::json(&full(&world.github, &token.login)),
    }
}

pub(super) fn by_name(world: &mut World, request: &Request<'_>) -> Answer {
    match full(&world.github, request.label(0)) {
        Value::Null => Err(error::not_found()),
        user => Reply::json(&user),
    }
}

/// The one question of the GraphQL API that the lab understands: `viewer { login }`. It is answered
/// to installations too.
pub(super) fn graphql(_: &mut World, request: &Request<'_>) -> Answer {
    #[derive(Deserialize)]
    struct Query {
        query: String,
    }
    let Some(token) = request.caller else {
        return Err(error::requires_authentication());
    };
    let asked: Query = request.body()?;
    let words: String = asked.query.split_whitespace().collect();
    let words = words.strip_prefix("query").unwrap_or(&words);
    let body = if words == "{viewer{login}}" {
        json!({ "data": { "viewer": { "login": token.login } } })
    } else {
        json!({ "errors": [{ "message": "the lab answers { viewer { login } } only" }] })
    };
    Reply::json(&body).map(|reply| Reply {
        status: StatusCode::OK,
        ..reply
    })
}
