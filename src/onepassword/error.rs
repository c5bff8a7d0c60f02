//! Why 1Password couldn't be asked, or what it answered instead.

use std::time::Duration;

use crate::proxy::BadProxy;

/// A request that 1Password refused, or that never reached it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The environment doesn't say how 1Password is reached.
    #[error(
        "{variable} is not set; 1Password is reached through a Connect server, by OP_CONNECT_HOST \
         and OP_CONNECT_TOKEN, or through its CLI, by OP_SERVICE_ACCOUNT_TOKEN"
    )]
    NotConfigured {
        /// The variable that is missing.
        variable: &'static str,
    },
    /// The host isn't a URL.
    #[error("OP_CONNECT_HOST is {host:?}, which is no URL: {cause}")]
    BadHost {
        /// What it is.
        host: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It can't be asked through what the environment names as a proxy.
    #[error(transparent)]
    Proxy(#[from] BadProxy),
    /// The server answered with an error.
    #[error("{doing}: 1Password Connect at {host} answered {status}: {message}")]
    Refused {
        /// What was being done.
        doing: String,
        /// The server.
        host: String,
        /// HTTP status.
        status: u16,
        /// The message in its error body.
        message: String,
        /// How long it asks to be left alone, if it says.
        retry_after: Option<Duration>,
    },
    /// No answer came.
    #[error("{doing}: 1Password Connect at {host} can't be reached: {cause}")]
    Unreachable {
        /// What was being done.
        doing: String,
        /// The server.
        host: String,
        /// What the network said.
        cause: String,
    },
    /// An answer came that isn't Connect's.
    #[error("{doing}: 1Password Connect at {host} answered something that psk can't read: {cause}")]
    Unreadable {
        /// What was being done.
        doing: String,
        /// The server.
        host: String,
        /// What is wrong with it. Names positions, never values.
        cause: String,
    },
    /// The CLI couldn't be started.
    #[error("{doing}: 1Password's CLI, op, can't be started: {cause}")]
    NoCli {
        /// What was being done.
        doing: String,
        /// What the system said.
        cause: String,
    },
    /// The CLI ended with an error.
    #[error("{doing}: op said: {message}")]
    Cli {
        /// What was being done.
        doing: String,
        /// What it said on standard error.
        message: String,
    },
    /// The CLI printed something unexpected.
    #[error("{doing}: op printed something that psk can't read: {cause}")]
    UnreadableCli {
        /// What was being done.
        doing: String,
        /// What is wrong with it. Names positions, never values.
        cause: String,
    },
}

impl Error {
    /// Whether 1Password says that what was asked for doesn't exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == 404,
            Self::Cli { message, .. } => {
                message.contains("isn't an item") || message.contains("isn't a vault")
            }
            _ => false,
        }
    }

    /// Whether the same may succeed later: a conflict with another writer, too many requests, or a
    /// server that fails or is away.
    pub fn passes(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 409 | 429 | 500..),
            Self::Unreachable { .. } => true,
            // The CLI tells the status of its own server so: "(409) Conflict: …".
            Self::Cli { message, .. } => ["(409)", "(429)", "(500)", "(502)", "(503)", "(504)"]
                .iter()
                .any(|status| message.contains(status)),
            _ => false,
        }
    }

    /// How long the server asks to be left alone; zero where it doesn't say.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// What to do next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::NotConfigured { .. } => "set them, or rehearse with --lab",
            Self::Proxy(_) => "correct the variable, or unset it",
            Self::BadHost { .. } => {
                "set OP_CONNECT_HOST to the server's URL (http://localhost:8080)"
            }
            Self::Refused { status: 401, .. } => {
                "set OP_CONNECT_TOKEN to a token of this Connect server"
            }
            Self::Refused { status: 403, .. } => "give the token access to the vault",
            Self::Refused { .. } | Self::Unreadable { .. } => {
                "see the Connect server's log, then run again"
            }
            Self::Unreachable { .. } => {
                "check OP_CONNECT_HOST and that the server runs, then run again"
            }
            Self::NoCli { .. } => {
                "put op, 1Password's CLI, on the PATH, or set OP_CONNECT_HOST and OP_CONNECT_TOKEN"
            }
            Self::Cli { .. } => {
                "check OP_SERVICE_ACCOUNT_TOKEN and what its service account may do, then run again"
            }
            Self::UnreadableCli { .. } => "install version 2 of 1Password's CLI, then run again",
        }
    }
}
