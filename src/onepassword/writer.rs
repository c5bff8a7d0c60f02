//! Writes what others need to know into items of one vault.
//!
//! Parallel writes into a vault are answered 409, so one writer serves a whole run and writes one item
//! after the other. What it reads first decides what it writes, and what it reads afterwards whether
//! that was enough: an answer that was lost, a conflict with another process and a write that came to
//! nothing are all mended in the same way.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, OnceCell, Semaphore};

use super::access::{OnePassword, pause};
use super::error::Error;
use super::find::{find_title, find_vault};
use super::model::{FieldChange, Item, NewField, NewItem};

/// How often an item is written at most before it counts as failed.
const ATTEMPTS: u32 = 8;

/// How many items are read at once: a run may be over hundreds of clusters.
const READERS: usize = 16;

/// The kind of item that outputs are kept in.
const CATEGORY: &str = "API_CREDENTIAL";

/// A value to be kept in a field of an item.
#[derive(Debug, Clone)]
pub struct Output {
    /// The field's label.
    pub label: &'static str,
    /// Whether clients hide it.
    pub concealed: bool,
    /// The value.
    pub value: SecretString,
}

/// What a write has done to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It had every value already.
    Unchanged,
    /// Some fields were given another value, or added.
    Changed,
    /// It was made.
    Made,
}

/// Why an item isn't as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// 1Password refuses or can't be reached.
    #[error(transparent)]
    OnePassword(#[from] Error),
    /// Vault, item or field can't be told.
    #[error("{0}")]
    Ambiguous(String),
    /// It reads otherwise than it was written, again and again.
    #[error("item {title:?} was written {attempts} times and still reads otherwise")]
    Lost {
        /// The item's title.
        title: String,
        /// How often it was written.
        attempts: u32,
    },
}

impl WriteError {
    /// What to do next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::OnePassword(error) => error.next(),
            Self::Ambiguous(_) => "see that psk.yaml names one vault and one item, then run again",
            Self::Lost { .. } => "see who else writes to the item, then run again",
        }
    }
}

/// The one writer of a vault.
#[derive(Debug)]
pub struct Writer {
    onepassword: Arc<dyn OnePassword>,
    vault: String,
    id: OnceCell<String>,
    readers: Semaphore,
    turn: Mutex<()>,
}

impl Writer {
    /// A writer for the vault of that name. Nothing is asked yet.
    pub fn new(onepassword: Arc<dyn OnePassword>, vault: &str) -> Self {
        Self {
            onepassword,
            vault: vault.to_owned(),
            id: OnceCell::new(),
            readers: Semaphore::new(READERS),
            turn: Mutex::default(),
        }
    }

    /// The vault's name.
    pub fn vault(&self) -> &str {
        &self.vault
    }

    /// The vault's id, which is asked for once.
    ///
    /// # Errors
    /// There is no such vault, several, or 1Password's own.
    pub async fn find(&self) -> Result<&str, WriteError> {
        let find = || async {
            find_vault(&*self.onepassword, &self.vault)
                .await?
                .map_err(WriteError::Ambiguous)
        };
        self.id.get_or_try_init(find).await.map(String::as_str)
    }

    /// The item of that title, if there is one.
    ///
    /// # Errors
    /// There are several, or 1Password's own.
    pub async fn read(&self, title: &str) -> Result<Option<Item>, WriteError> {
        let vault = self.find().await?;
        // It is never closed.
        let _reader = self.readers.acquire().await;
        let id = find_title(&*self.onepassword, &self.vault, vault, title)
            .await?
            .map_err(WriteError::Ambiguous)?;
        match id {
            None => Ok(None),
            Some(id) => Ok(Some(self.onepassword.item(vault, &id).await?)),
        }
    }

    /// What [`write`](Self::write) would do. Only reads.
    ///
    /// # Errors
    /// As there.
    pub async fn compare(&self, title: &str, outputs: &[Output]) -> Result<Written, WriteError> {
        let found = self.read(title).await?;
        let change = Change::needed(found.as_ref(), title, outputs)?;
        Ok(change.map_or(Written::Unchanged, |change| change.written()))
    }

    /// Sees to it that the item of that title has these values, and makes it if there is none. Fields
    /// that aren't named stay as they are. Nothing is written if nothing differs.
    ///
    /// # Errors
    /// Why it still differs.
    pub async fn write(&self, title: &str, outputs: &[Output]) -> Result<Written, WriteError> {
        let found = self.read(title).await?;
        let Some(mut change) = Change::needed(found.as_ref(), title, outputs)? else {
            return Ok(Written::Unchanged);
        };
        let written = change.written();
        let _turn = self.turn.lock().await;
        let mut trouble = None;
        for attempt in 1..=ATTEMPTS {
            let sent = self.send(&change).await;
            let id = sent.as_ref().ok().or(change.id()).cloned();
            trouble = sent.err();
            match &trouble {
                Some(error) if !error.passes() => return Err(error.clone().into()),
                Some(error) => {
                    tokio::time::sleep(error.retry_after().max(pause(attempt))).await;
                }
                // What was written twice and reads otherwise is being written by somebody else.
                None if attempt > 1 => tokio::time::sleep(pause(attempt)).await,
                None => {}
            }
            let found = match id {
                Some(id) => Some(self.onepassword.item(self.find().await?, &id).await?),
                // It may have been made although the answer was lost.
                None => self.read(title).await?,
            };
            change = match Change::needed(found.as_ref(), title, outputs)? {
                Some(change) => change,
                None => return Ok(written),
            };
        }
        Err(match trouble {
            Some(error) => error.into(),
            None => WriteError::Lost {
                title: title.to_owned(),
                attempts: ATTEMPTS,
            },
        })
    }

    /// Sends a change, and tells the item's id.
    async fn send(&self, change: &Change) -> Result<String, Error> {
        let vault = self.id.get().map(String::as_str).unwrap_or_default();
        let item = match change {
            Change::Make(item) => self.onepassword.create(vault, item).await?,
            Change::Fields(id, changes) => self.onepassword.change(vault, id, changes).await?,
        };
        Ok(item.id)
    }
}

/// What has to be done so that an item has some values.
#[derive(Debug)]
enum Change {
    /// There is none: this one is to be made.
    Make(NewItem),
    /// The item of that id needs these changes.
    Fields(String, Vec<FieldChange>),
}

impl Change {
    /// What has to be done to an item, or to none. Pure.
    fn needed(
        item: Option<&Item>,
        title: &str,
        outputs: &[Output],
    ) -> Result<Option<Self>, WriteError> {
        let new = |output: &Output| NewField {
            label: output.label.to_owned(),
            concealed: output.concealed,
            value: output.value.clone(),
        };
        let Some(item) = item else {
            return Ok(Some(Self::Make(NewItem {
                title: title.to_owned(),
                category: CATEGORY,
                fields: outputs.iter().map(new).collect(),
            })));
        };
        let mut changes = Vec::new();
        for output in outputs {
            let field = item
                .field_labelled(output.label)
                .map_err(|several| WriteError::Ambiguous(format!("item {title:?} {several}")))?;
            let is_it =
                |value: &SecretString| value.expose_secret() == output.value.expose_secret();
            match field {
                None => changes.push(FieldChange::Add(new(output))),
                Some(field) if field.value.as_ref().is_some_and(is_it) => {}
                Some(field) => changes.push(FieldChange::Set {
                    id: field.id.clone(),
                    value: output.value.clone(),
                }),
            }
        }
        Ok((!changes.is_empty()).then(|| Self::Fields(item.id.clone(), changes)))
    }

    fn id(&self) -> Option<&String> {
        match self {
            Self::Make(_) => None,
            Self::Fields(id, _) => Some(id),
        }
    }

    fn written(&self) -> Written {
        match self {
            Self::Make(_) => Written::Made,
            Self::Fields(..) => Written::Changed,
        }
    }
}

#[cfg(test)]
mod tests;
