//! Deletion of keys, which takes days, so that it can be called off.

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;

use super::error::{invalid_state, validation};
use super::keys::OneKey;
use super::state::KeyState;
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json as wire;
use crate::world::World;

/// The waiting period in days, unless a request says another, and what it may say.
const A_MONTH: i64 = 30;
const WINDOWS: std::ops::RangeInclusive<i64> = 7..=30;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleKeyDeletion {
    key_id: String,
    pending_window_in_days: Option<i64>,
}

/// `ScheduleKeyDeletion`.
pub(super) fn schedule(world: &mut World, call: &Call) -> Answer {
    let input: ScheduleKeyDeletion = wire::parameters(call)?;
    let days = input.pending_window_in_days.unwrap_or(A_MONTH);
    if !WINDOWS.contains(&days) {
        return Err(validation(format!(
            "1 validation error detected: Value '{days}' at 'pendingWindowInDays' failed to \
             satisfy constraint: Member must have value between {} and {}",
            WINDOWS.start(),
            WINDOWS.end()
        )));
    }
    let at = call
        .now
        .checked_add(SignedDuration::from_hours(24 * days))
        .map_err(|e| ServiceError::internal(&e))?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    key.must_stay()?;
    key.state = KeyState::PendingDeletion { at };
    wire::answer(&json!({
        "KeyId": key.arn,
        "DeletionDate": wire::epoch(at),
        "KeyState": key.state.as_str(),
        "PendingWindowInDays": days,
    }))
}

/// `CancelKeyDeletion`. The key is then disabled.
pub(super) fn cancel(world: &mut World, call: &Call) -> Answer {
    let OneKey { key_id } = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&key_id, call)?;
    if !matches!(key.state, KeyState::PendingDeletion { .. }) {
        return Err(invalid_state(format!(
            "{} is not pending deletion.",
            key.arn
        )));
    }
    key.state = KeyState::Disabled;
    wire::answer(&json!({ "KeyId": key.arn }))
}
