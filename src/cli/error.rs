//! What stops a subcommand before, or instead of, its result.

use std::io::Write;

use super::Context;
use crate::exit::Exit;
use crate::inventory::Problems;
use crate::style::Ink;
use crate::text::visible;

/// Why a subcommand ended without its result, and the exit code that says so.
#[derive(Debug)]
pub enum Error {
    /// The inventory, or a reference in it, is invalid.
    Inventory(Problems),
    /// Anything else: a message for people and what to do next.
    Other {
        /// The exit code.
        exit: Exit,
        /// What went wrong.
        message: String,
        /// What to do next.
        next: String,
    },
}

impl Error {
    pub(super) fn new(exit: Exit, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Other {
            exit,
            message: message.into(),
            next: next.into(),
        }
    }

    pub(super) fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, next)
    }

    pub(super) fn unexpected(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Unexpected, message, next)
    }

    /// Tells on standard error what changes nothing of how psk ends.
    pub(super) fn warn(message: &str, context: &Context) {
        let warning = context.stderr_style().paint(Ink::Changed, "warning:");
        let text = format!("{warning} {}\n", shown(message));
        drop(std::io::stderr().write_all(text.as_bytes()));
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Inventory(_) => Exit::InvalidInventory,
            Self::Other { exit, .. } => *exit,
        }
    }

    /// Tells it on standard error.
    pub(super) fn tell(&self, context: &Context) {
        let style = context.stderr_style();
        let text = match self {
            Self::Inventory(problems) => problems
                .draw(style.colour, style.width.into())
                .unwrap_or_else(|_| format!("{problems}\n")),
            Self::Other { message, next, .. } => {
                let (message, next) = (shown(message), shown(next));
                let error = style.paint(Ink::Removed, "error:");
                let help = style.paint(Ink::Faint, "next:");
                if next.is_empty() {
                    format!("{error} {message}\n")
                } else {
                    format!("{error} {message}\n {help} {next}\n")
                }
            }
        };
        // With standard error gone there is no one to tell; the exit code still does.
        drop(std::io::stderr().write_all(text.as_bytes()));
    }
}

/// Line by line, so that nothing that was given on the command line can begin a CI system's command.
fn shown(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::Inventory(problems)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::unexpected(
            format!("writing the output: {error}"),
            "check where the output goes",
        )
    }
}
