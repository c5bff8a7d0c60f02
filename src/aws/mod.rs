//! AWS as psk reaches it: base credentials, one assumed role per account, one session per account
//! and region, clients that count, pace and retry their calls, and errors in AWS's own words.

mod credentials;
mod error;
mod http;
mod memo;
mod pace;
mod presign;
mod recorder;
mod session;

pub use error::{CallError, Doing, NotFound, OrAbsent};
pub use memo::Memo;
pub use session::{Aws, Identity, Session, Target};
