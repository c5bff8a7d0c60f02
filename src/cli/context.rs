//! What every subcommand is given: where the inventory is, the environment, the clock, the terminal.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::event::Clock;
use crate::open_files;
use crate::process::{self, Processes};
use crate::style::{ColourChoice, Style};

/// The edges of the process, passed in.
#[derive(Clone)]
pub struct Context {
    /// Directory of the inventory.
    pub root: PathBuf,
    /// The environment variables.
    pub env: Env,
    /// The clock.
    pub clock: Clock,
    /// How many files the process may have open at once, connections included.
    pub open_files: u64,
    /// How other programs are run.
    pub processes: Processes,
    colour: ColourChoice,
}

impl Context {
    /// The process's own edges. It may have as many files open from now on as the system lets it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the clock comes from"
    )]
    pub fn of_process() -> Self {
        Self {
            root: PathBuf::from("."),
            env: Env::of_process(),
            clock: std::sync::Arc::new(jiff::Timestamp::now),
            open_files: open_files::raise(),
            processes: process::of_system(),
            colour: ColourChoice::Auto,
        }
    }

    pub(super) fn with_globals(mut self, root: PathBuf, colour: ColourChoice) -> Self {
        self.root = root;
        self.colour = colour;
        self
    }

    /// Directory of the inventory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// How output on standard output looks.
    pub(super) fn stdout_style(&self) -> Style {
        self.style(&console::Term::stdout(), std::io::stdout().is_terminal())
    }

    /// How output on standard error looks.
    pub(super) fn stderr_style(&self) -> Style {
        self.style(&console::Term::stderr(), std::io::stderr().is_terminal())
    }

    /// Whether a person watches standard error live: it is a terminal that can move its cursor, and
    /// no CI job's.
    pub(super) fn is_watched(&self) -> bool {
        std::io::stderr().is_terminal()
            && self.env.get("TERM") != Some("dumb")
            && !self.env.flag("CI")
    }

    fn style(&self, term: &console::Term, is_terminal: bool) -> Style {
        let width = is_terminal.then(|| term.size().1);
        Style::choose(
            self.colour,
            |name| self.env.get(name).map(str::to_owned),
            width,
        )
    }
}
