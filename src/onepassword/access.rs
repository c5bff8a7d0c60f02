//! 1Password, however it is reached: through a Connect server or through its CLI.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};

use super::connect::Connect;
use super::error::Error;
use super::model::{FieldChange, Item, ItemSummary, NewItem, Vault};
use super::op::Op;
use crate::env::Env;
use crate::process::Processes;

/// The first pause before something is tried again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What psk does with 1Password. Vaults and items are named by their ids, except where they are looked
/// for.
#[async_trait]
pub trait OnePassword: fmt::Debug + Send + Sync {
    /// The vaults of that name: none, one, or several, as names needn't be unique.
    ///
    /// # Errors
    /// 1Password's own.
    async fn vaults_named(&self, name: &str) -> Result<Vec<Vault>, Error>;

    /// The vault of that id.
    ///
    /// # Errors
    /// 1Password's own.
    async fn vault(&self, id: &str) -> Result<Vault, Error>;

    /// The items of that title in a vault.
    ///
    /// # Errors
    /// 1Password's own.
    async fn items_titled(&self, vault: &str, title: &str) -> Result<Vec<ItemSummary>, Error>;

    /// The item of that id, with its fields.
    ///
    /// # Errors
    /// 1Password's own.
    async fn item(&self, vault: &str, id: &str) -> Result<Item, Error>;

    /// Makes an item. Tried once: after an error it may have been made nonetheless.
    ///
    /// # Errors
    /// 1Password's own.
    async fn create(&self, vault: &str, item: &NewItem) -> Result<Item, Error>;

    /// Changes fields of an item in one go, and nothing else of it. Tried once, as
    /// [`create`](Self::create).
    ///
    /// # Errors
    /// 1Password's own.
    async fn change(&self, vault: &str, id: &str, changes: &[FieldChange]) -> Result<Item, Error>;
}

/// 1Password as the environment says that it is reached. A Connect server goes before a service
/// account, as it does for the CLI itself.
///
/// # Errors
/// A variable that is missing, or a host that is no URL.
pub fn open(env: &Env, processes: &Processes) -> Result<Arc<dyn OnePassword>, Error> {
    let is_set = |variable| env.get(variable).is_some();
    let connect = is_set("OP_CONNECT_HOST") || is_set("OP_CONNECT_TOKEN");
    if !connect && is_set("OP_SERVICE_ACCOUNT_TOKEN") {
        return Ok(Arc::new(Op::new(env.clone(), processes.clone())));
    }
    Ok(Arc::new(Connect::from_env(env)?))
}

/// Twice as long after each attempt, spread over half of it so that many don't come back at once.
pub(super) fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE * 2u32.saturating_pow(attempt.saturating_sub(1));
    let longest = longest.min(LONGEST_PAUSE);
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// The error without values that were sent: who refuses a request may quote it.
pub(super) fn masked<'a>(error: Error, sent: impl Iterator<Item = &'a SecretString>) -> Error {
    let mut error = error;
    if let Error::Refused { message, .. } | Error::Cli { message, .. } = &mut error {
        for value in sent.map(ExposeSecret::expose_secret) {
            if !value.is_empty() {
                *message = message.replace(value, "***");
            }
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_quotes_what_was_sent_is_masked() {
        let error = Error::Cli {
            doing: "d".into(),
            message: "no: \"canary\"".into(),
        };
        let secret = SecretString::from("canary");
        let masked = masked(error, [&secret, &"".into()].into_iter());
        assert_eq!(masked.to_string(), "d: op said: no: \"***\"");
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        for attempt in 1..40 {
            let longest = FIRST_PAUSE * 2u32.saturating_pow(attempt - 1);
            let longest = longest.min(LONGEST_PAUSE);
            let pause = pause(attempt);
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?}");
        }
    }
}
