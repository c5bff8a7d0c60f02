//! 1Password: a small typed client for Connect and one for the CLI behind the same trait, the
//! resolving of `op://` references, in settings and in any file, and the writing of outputs.

mod access;
mod connect;
mod error;
mod find;
mod inject;
mod model;
mod op;
mod resolve;
mod writer;

pub use access::{OnePassword, open};
pub use connect::Connect;
pub use error::Error;
pub use inject::Template;
pub use model::{Field, FieldChange, Item, ItemSummary, NewField, NewItem, Section, Vault};
pub use op::Op;
pub use resolve::{Resolved, resolve};
pub use writer::{Output, WriteError, Writer, Written};
