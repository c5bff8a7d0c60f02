//! Apps: what they are, where they are installed, and the tokens that their installations get.
//!
//! Source: GitHub docs, "Generating a JSON Web Token (JWT) for a GitHub App".

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::state::{App, GitHub, Token, TokenKind};
use super::{API, Request, error, users};
use crate::call::{Answer, Reply, ServiceError};
use crate::world::World;

/// How long an installation's token is good for.
const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// How far ahead a JSON Web Token may end.
const FURTHEST: SignedDuration = SignedDuration::from_mins(10);

/// The app that signed a JSON Web Token, as `app/<id>`; none unless it is as GitHub wants it.
pub(super) fn of_jwt(github: &GitHub, jwt: &str, now: Timestamp) -> Option<String> {
    let (signed, signature) = jwt.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let part = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let json = |text: &str| serde_json::from_slice::<Value>(&part(text)?).ok();
    if json(header)?.get("alg")? != "RS256" {
        return None;
    }
    let claims = json(claims)?;
    let time = |name: &str| Timestamp::from_second(claims.get(name)?.as_i64()?).ok();
    let (issued, expires) = (time("iat")?, time("exp")?);
    if issued > now || expires <= now || expires > now.checked_add(FURTHEST).ok()? {
        return None;
    }
    let id: u64 = match claims.get("iss")? {
        Value::String(id) => id.parse().ok()?,
        id => id.as_u64()?,
    };
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &github.apps.get(&id)?.key)
        .verify(signed.as_bytes(), &part(signature)?)
        .ok()?;
    Some(format!("app/{id}"))
}

/// The app that a request is by.
fn app<'w>(world: &'w World, request: &Request<'_>) -> Result<(u64, &'w App), ServiceError> {
    let id = request
        .call
        .principal
        .strip_prefix("app/")
        .and_then(|id| id.parse().ok());
    id.and_then(|id| Some((id, world.github.apps.get(&id)?)))
        .ok_or_else(error::requires_authentication)
}

pub(super) fn authenticated(world: &mut World, request: &Request<'_>) -> Answer {
    let (id, app) = app(world, request)?;
    Reply::json(&json!({
        "id": id,
        "slug": app.slug,
        "node_id": format!("A_{id}"),
        "owner": users::simple(&world.github, &app.owner),
        "name": app.slug,
        "description": null,
        "external_url": "https://example.com",
        "html_url": format!("https://github.com/apps/{}", app.slug),
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "permissions": permissions(),
        "events": [],
    }))
}

pub(super) fn installation(world: &mut World, request: &Request<'_>) -> Answer {
    let (id, app) = app(world, request)?;
    let repository = world
        .github
        .repository(request.label(0), request.label(1))
        .filter(|repository| repository.owner == app.owner)
        .ok_or_else(error::not_found)?;
    let account = users::simple(&world.github, &repository.owner);
    let installation = app.installation;
    let url = format!("{API}/app/installations/{installation}");
    Reply::json(&json!({
        "id": installation,
        "account": account,
        "repository_selection": "all",
        "access_tokens_url": format!("{url}/access_tokens"),
        "repositories_url": format!("{API}/installation/repositories"),
        "html_url": format!("https://github.com/settings/installations/{installation}"),
        "app_id": id,
        "target_id": account.get("id"),
        "target_type": account.get("type"),
        "permissions": permissions(),
        "events": [],
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "single_file_name": null,
        "app_slug": app.slug,
        "suspended_by": null,
        "suspended_at": null,
    }))
}

pub(super) fn create_token(world: &mut World, request: &Request<'_>) -> Answer {
    let (_, app) = app(world, request)?;
    if app.installation.to_string() != request.label(0) {
        return Err(error::not_found());
    }
    let login = format!("{}[bot]", app.slug);
    let expires = request
        .call
        .received
        .checked_add(LIFE)
        .unwrap_or(Timestamp::MAX);
    let token = format!("ghs_{}", world.ids.hex(36));
    let known = Token {
        login,
        kind: TokenKind::Installation,
        writes_statuses: true,
        writes_contents: true,
        expires: Some(expires),
    };
    world.github.tokens.insert(token.clone(), known);
    let reply = Reply::json(&json!({
        "token": token,
        "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "permissions": permissions(),
        "repository_selection": "all",
    }))?;
    Ok(Reply {
        status: StatusCode::CREATED,
        ..reply
    })
}

fn permissions() -> Value {
    json!({ "contents": "write", "metadata": "read", "statuses": "write" })
}
