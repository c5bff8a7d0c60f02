//! Whether a caller may do what it asks, as IAM decides it.
//!
//! The lab judges only when it is told to ([`crate::Options::enforce_iam`]). Each service says what
//! a call needs, which includes what the service does in the caller's name (EKS passes a role on,
//! EFS makes network interfaces). The session's role is asked for it by its policies, and the
//! service refuses in its own words.
//!
//! Sessions of roles are judged. The lab's own user, who has no policies, may do everything.

mod attach;
mod judge;
mod refusal;

use crate::call::{Call, ServiceError};
use crate::front::service::Service;
use crate::world::World;

pub use attach::{PolicyError, attach};
pub use judge::Denial;
pub(crate) use refusal::encoded;

use judge::Judge;

/// Something that a caller must be allowed for a call to succeed.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// The action (`eks:CreateCluster`).
    pub action: String,
    /// On which ARNs; it must be allowed on each. `*` where the service knows no resources for it.
    pub resources: Vec<String>,
    /// Condition keys of this action, with their values in this request.
    pub keys: Vec<(String, Vec<String>)>,
    /// What the service answers where it doesn't say plainly who may not do what.
    pub refusal: Option<ServiceError>,
}

/// A permission that a caller used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The action.
    pub action: String,
    /// On which ARN.
    pub resource: String,
}

impl Need {
    /// An action on one resource.
    pub fn on(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self::on_all(action, [resource.into()])
    }

    /// An action on several resources at once.
    pub fn on_all(action: impl Into<String>, resources: impl IntoIterator<Item = String>) -> Self {
        Self {
            action: action.into(),
            resources: resources.into_iter().collect(),
            keys: Vec::new(),
            refusal: None,
        }
    }

    /// An action for which its service knows no resources.
    pub fn anywhere(action: impl Into<String>) -> Self {
        Self::on(action, "*")
    }

    /// The same with the value of a condition key.
    #[must_use]
    pub fn with(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_all(key, [value.into()])
    }

    /// The same with all values of a condition key.
    #[must_use]
    pub fn with_all(
        mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = String>,
    ) -> Self {
        self.keys.push((key.into(), values.into_iter().collect()));
        self
    }

    /// The same with the tags that the request sets.
    #[must_use]
    pub fn tagging<'t>(self, tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let tags: Vec<_> = tags.into_iter().collect();
        if tags.is_empty() {
            return self;
        }
        let keys: Vec<_> = tags.iter().map(|(key, _)| (*key).to_owned()).collect();
        tags.into_iter()
            .fold(self, |need, (key, value)| {
                need.with(format!("aws:RequestTag/{key}"), value)
            })
            .with_all("aws:TagKeys", keys)
    }

    /// The same, refused with this answer.
    #[must_use]
    pub fn or(mut self, refusal: ServiceError) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// Leave to give a role to a service.
    pub fn pass_role(role: &str, to: &str) -> Self {
        Self::on("iam:PassRole", role).with("iam:PassedToService", to)
    }
}

/// Decides whether a call may be carried out, and tells which permissions it uses.
///
/// # Errors
/// The service's refusal.
pub fn authorize(world: &World, service: Service, call: &Call) -> Result<Vec<Use>, ServiceError> {
    let Some(judge) = Judge::of(world, call) else {
        return Ok(Vec::new());
    };
    let mut used = Vec::new();
    for need in service.needs(world, call) {
        for resource in &need.resources {
            judge
                .ask(&need, resource)
                .map_err(|denial| refusal::error(service, call, &need, resource, denial))?;
            used.push(Use {
                action: need.action.clone(),
                resource: resource.clone(),
            });
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests;
