//! A shell that is just large enough for pods that check themselves.
//!
//! A script runs in the world's time: commands take none, but for `sleep` and `dd`. What it does by
//! a moment is found out by running it from its beginning until its own time has come to that
//! moment, so nothing of a running script needs to be kept. Files that other pods write are seen
//! from the moment on at which they wrote them.
//!
//! Source: POSIX.1-2024, "Shell Command Language", and BusyBox's commands.

mod commands;
pub(in crate::kubernetes) mod content;
mod expand;
mod machine;
mod mounted;
mod parse;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub(in crate::kubernetes) use machine::{Mount, Setting};

/// How a container's process is at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kubernetes) enum Outcome {
    /// It has ended.
    Exited { code: i32, at: Timestamp },
    /// It is running, and goes on at this moment; none if it never does of itself.
    Running { wakes: Option<Timestamp> },
}

/// What a process has done by a moment.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::kubernetes) struct Done {
    pub(in crate::kubernetes) outcome: Outcome,
    /// What it wrote to its output, line by line.
    pub(in crate::kubernetes) log: Vec<(Timestamp, String)>,
    /// What it wrote to volumes, by their id.
    pub(in crate::kubernetes) writes: Vec<(String, super::files::Write)>,
}

/// What a container's process has done by `now`. `command` are its words; a program that the lab
/// doesn't know runs until it is told to end.
pub(in crate::kubernetes) fn run(
    command: &[String],
    setting: &Setting<'_>,
    now: Timestamp,
) -> Done {
    let mut machine = machine::Machine::new(setting, now);
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [shell, flags, script, arguments @ ..]
            if is_shell(shell) && flags.starts_with('-') && flags.ends_with('c') =>
        {
            machine.set_arguments(shell, arguments);
            machine.set_flags(flags.trim_end_matches('c'));
            machine.script(script)
        }
        [program, ..] if commands::is_known(program) => machine.words(command),
        _ => Outcome::Running { wakes: None },
    };
    let (log, writes) = machine.done();
    Done {
        outcome,
        log,
        writes,
    }
}

fn is_shell(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    matches!(name, "sh" | "ash" | "bash" | "dash")
}
