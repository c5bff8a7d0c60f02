//! AssumeRoleWithWebIdentity: a CI job trades the identity token of its provider for a session.
//!
//! The token's claims are checked as STS checks them. Its signature isn't: the lab has nobody to
//! ask for the provider's keys.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::assume_role::{context, find, trusts};
use super::session::{self, AssumedRoleUser, Credentials, Grant, Issued};
use super::{NAMESPACE, access_denied, limits};
use crate::call::{Answer, Call, ServiceError};
use crate::iam::oidc_provider_arn;
use crate::iam::policy::Caller;
use crate::wire::form::Form;
use crate::wire::xml;
use crate::world::World;

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleWithWebIdentityResult {
    subject_from_web_identity_token: String,
    audience: String,
    assumed_role_user: AssumedRoleUser,
    credentials: Credentials,
    provider: String,
}

/// The claims of a token that STS looks at.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    exp: i64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

pub(super) fn handle(world: &mut World, call: &Call, form: &Form) -> Answer {
    let wanted = limits::role_arn(form)?;
    let session_name = limits::session_name(form)?.to_owned();
    let token = limits::required(form, "WebIdentityToken", "webIdentityToken")?;
    let claims = claims(token)?;

    let issuer = claims
        .iss
        .trim_start_matches("https://")
        .trim_end_matches('/')
        .to_owned();
    let provider = world
        .accounts
        .get(wanted.account)
        .and_then(|account| account.iam.oidc_providers.get(&issuer))
        .ok_or_else(|| {
            invalid(format!(
                "No OpenIDConnect provider found in your account for {}",
                claims.iss
            ))
        })?;
    let audience = claims
        .aud
        .as_slice()
        .iter()
        .find(|audience| provider.client_ids.contains(audience))
        .ok_or_else(|| invalid("Incorrect token audience".to_owned()))?
        .clone();
    let now = call.received.as_second();
    if claims.exp <= now {
        return Err(ServiceError::bad_request(
            "ExpiredTokenException",
            format!(
                "Token expired: current date/time {now} must be before the expiration date/time {}",
                claims.exp
            ),
        ));
    }

    let denied = || access_denied(format!("Not authorized to perform {ACTION}"));
    let role = find(world, &wanted).cloned().ok_or_else(denied)?;
    let mut context = context(call, form, &session_name, &[]);
    context.set(&format!("{issuer}:aud"), [audience.as_str()]);
    context.set(&format!("{issuer}:sub"), [claims.sub.as_str()]);
    let provider_arn = oidc_provider_arn(wanted.account, &issuer);
    if !trusts(
        &role,
        Caller::Federated(&provider_arn),
        ACTION,
        wanted.arn,
        &context,
    ) {
        return Err(denied());
    }
    let duration = limits::duration(form, role.max_session_duration, false)?;

    let grant = Grant {
        account: wanted.account.to_owned(),
        role_name: role.name,
        role_arn: wanted.arn.to_owned(),
        role_id: role.id,
        session_name,
        duration,
        tags: Vec::new(),
        policies: limits::session_policies(form)?,
    };
    let Issued { credentials, user } = session::issue(world, grant, call.received);
    let result = AssumeRoleWithWebIdentityResult {
        subject_from_web_identity_token: claims.sub,
        audience,
        assumed_role_user: user,
        credentials,
        provider: provider_arn,
    };
    xml::query(call, NAMESPACE, &result)
}

/// Reads the claims of a signed token (three base64url parts).
fn claims(token: &str) -> Result<Claims, ServiceError> {
    let [_header, payload, _signature] = token.split('.').collect::<Vec<_>>()[..] else {
        return Err(not_a_token());
    };
    let payload = BASE64URL_NOPAD
        .decode(payload.as_bytes())
        .map_err(|_| not_a_token())?;
    serde_json::from_slice(&payload)
        .map_err(|error| invalid(format!("Missing a required claim: {error}")))
}

fn not_a_token() -> ServiceError {
    invalid(
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an \
             Access Token)"
            .to_owned(),
    )
}

fn invalid(message: String) -> ServiceError {
    ServiceError::bad_request("InvalidIdentityToken", message)
}
