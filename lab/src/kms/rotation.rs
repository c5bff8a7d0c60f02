//! Automatic rotation of keys' material.

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;

use super::error::validation;
use super::keys::OneKey;
use super::state::{KeyState, Rotation};
use crate::call::{Answer, Call};
use crate::wire::json as wire;
use crate::world::World;

/// A rotation's period in days, unless a request says another, and what it may say.
const A_YEAR: u32 = 365;
const PERIODS: std::ops::RangeInclusive<u32> = 90..=2560;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EnableKeyRotation {
    key_id: String,
    rotation_period_in_days: Option<u32>,
}

/// `EnableKeyRotation`.
pub(super) fn enable(world: &mut World, call: &Call) -> Answer {
    let input: EnableKeyRotation = wire::parameters(call)?;
    let period = input.rotation_period_in_days.unwrap_or(A_YEAR);
    if !PERIODS.contains(&period) {
        return Err(validation(format!(
            "1 validation error detected: Value '{period}' at 'rotationPeriodInDays' failed to \
             satisfy constraint: Member must have value between {} and {}",
            PERIODS.start(),
            PERIODS.end()
        )));
    }
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&input.key_id, call)?;
    key.must_be_enabled()?;
    if key
        .rotation
        .is_none_or(|rotation| rotation.period != period)
    {
        key.rotation = Some(Rotation {
            period,
            since: call.now,
        });
    }
    wire::done()
}

/// `DisableKeyRotation`.
pub(super) fn disable(world: &mut World, call: &Call) -> Answer {
    let OneKey { key_id } = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&key_id, call)?;
    key.must_be_enabled()?;
    key.rotation = None;
    wire::done()
}

/// `GetKeyRotationStatus`. A key that will be deleted isn't rotated.
pub(super) fn status(world: &mut World, call: &Call) -> Answer {
    let OneKey { key_id } = wire::parameters(call)?;
    let region = world.kms(&call.account, &call.region);
    let key = region.find_mut(&key_id, call)?;
    let pending = matches!(key.state, KeyState::PendingDeletion { .. });
    let rotation = key.rotation.filter(|_| !pending);
    let mut answer = json!({ "KeyId": key.id, "KeyRotationEnabled": rotation.is_some() });
    if let Some(rotation) = rotation {
        answer["RotationPeriodInDays"] = rotation.period.into();
        if let Some(next) = rotation.next(call.now) {
            answer["NextRotationDate"] = wire::epoch(next).into();
        }
    }
    wire::answer(&answer)
}

impl Rotation {
    /// When the material is rotated next.
    fn next(self, now: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let period = SignedDuration::from_hours(24 * i64::from(self.period));
        let elapsed = now.duration_since(self.since).as_secs() / period.as_secs();
        let until = period.checked_mul(i32::try_from(elapsed + 1).ok()?)?;
        self.since.checked_add(until).ok()
    }
}
