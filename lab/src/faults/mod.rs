//! Latency and failures, told in a small file:
//!
//! ```json
//! {
//!   "latency_ms": 50,
//!   "rules": [
//!     { "service": "eks", "operation": "Describe*", "chance": 0.02, "effect": "throttle" },
//!     { "operation": "AssumeRole", "at": [1, 3], "effect": "reset" },
//!     { "service": "eks", "contains": "nonprod-i02", "effect":
//!       { "error": { "status": 500, "code": "ServerException", "message": "down" } } }
//!   ]
//! }
//! ```
//!
//! [`Faults`] is the file; [`Injector`] counts the calls and decides what happens to each.

mod file;
mod inject;

pub use file::{Effect, Faults, FaultsError, Rule};
pub use inject::{Decision, Injector, Outcome};
