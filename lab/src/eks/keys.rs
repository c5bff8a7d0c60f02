//! Whether a key can encrypt a cluster's secrets.

use super::error::invalid_request;
use super::request::Request;
use crate::call::ServiceError;
use crate::kms::KeyState;

/// A key must exist in the cluster's region and be enabled. (A key of another account is its own
/// account's matter, which the lab doesn't look into.) EKS tells what KMS answered.
pub(super) fn usable(request: &Request<'_>, arn: &str) -> Result<(), ServiceError> {
    let is_own = arn.split(':').nth(4) == Some(request.account());
    if !is_own {
        return Ok(());
    }
    let key = request
        .kms
        .find(arn, request.call())
        .map_err(|error| invalid_request(error.message))?;
    match key.state {
        KeyState::Enabled => Ok(()),
        KeyState::Disabled => Err(invalid_request(format!("{arn} is disabled."))),
        KeyState::PendingDeletion { .. } => {
            Err(invalid_request(format!("{arn} is pending deletion.")))
        }
    }
}
