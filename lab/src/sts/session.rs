//! Issues the credentials of a role's session.

use jiff::Timestamp;
use serde::Serialize;

use crate::credentials::{self, Credential, Session, SessionPolicies, Tag};
use crate::world::World;

/// A session to be.
pub(super) struct Grant {
    pub(super) account: String,
    pub(super) role_name: String,
    pub(super) role_arn: String,
    pub(super) role_id: String,
    pub(super) session_name: String,
    /// How long it lasts, in seconds.
    pub(super) duration: u32,
    pub(super) tags: Vec<Tag>,
    pub(super) policies: SessionPolicies,
}

/// What the answers of both AssumeRole operations tell of a session.
pub(super) struct Issued {
    pub(super) credentials: Credentials,
    pub(super) user: AssumedRoleUser,
}

/// The keys of a session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

/// Who a session is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

/// Issues a session that begins at `now`, in real time.
pub(super) fn issue(world: &mut World, grant: Grant, now: Timestamp) -> Issued {
    world
        .credentials
        .retain(|_, key| key.session.as_ref().is_none_or(|s| !long_over(s, now)));

    let Grant {
        account,
        role_name,
        role_arn,
        role_id,
        session_name,
        duration,
        tags,
        policies,
    } = grant;
    let duration = world
        .session_limit
        .map_or(duration, |limit| duration.min(limit));
    let end = now.as_second().saturating_add(i64::from(duration));
    let expires = Timestamp::from_second(end).unwrap_or(Timestamp::MAX);
    let user = AssumedRoleUser {
        arn: format!("arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}"),
        assumed_role_id: format!("{role_id}:{session_name}"),
    };
    let keys = Credentials {
        access_key_id: credentials::session_key_id(&mut world.ids),
        secret_access_key: credentials::secret_key(&mut world.ids),
        session_token: credentials::session_token(&mut world.ids),
        expiration: expires.to_string(),
    };
    let credential = Credential {
        account,
        secret: keys.secret_access_key.clone(),
        principal: user.arn.clone(),
        user_id: user.assumed_role_id.clone(),
        session: Some(Session {
            token: keys.session_token.clone(),
            expires,
            role: role_arn,
            tags,
            policies,
        }),
    };
    world
        .credentials
        .insert(keys.access_key_id.clone(), credential);
    Issued {
        credentials: keys,
        user,
    }
}

/// Whether a session ended so long ago that it may be forgotten. Until then its holder is told
/// that it has expired, not that it is unknown.
fn long_over(session: &Session, now: Timestamp) -> bool {
    now.duration_since(session.expires) > jiff::SignedDuration::from_hours(12)
}

/// How full the space for session tags is, in percent; none without tags. STS packs them in a way
/// that it doesn't document, so this is the share of the plain text that would fit.
pub(super) fn packed_size(tags: &[Tag]) -> Option<usize> {
    const ROOM: usize = 50 * 64;
    let used: usize = tags.iter().map(|tag| tag.key.len() + tag.value.len()).sum();
    (!tags.is_empty()).then(|| (used * 100).div_ceil(ROOM))
}
