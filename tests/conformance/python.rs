//! The Python of the peers, and the scripts beside this file that it runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::harness::{Served, repository};
use crate::peers;

/// Python with the packages that are pinned for these tests.
pub(crate) struct Python {
    programs: PathBuf,
}

impl Python {
    /// None where there is no python3, which has been said.
    pub(crate) fn new() -> Option<Self> {
        let programs = peers::python("conformance")?;
        Some(Self { programs })
    }

    /// Runs a program of the packages that has to succeed, and gives what it printed. It finds the lab by its
    /// environment, in which there is nothing else.
    pub(crate) fn run(&self, program: &str, args: &[&str], env: &[(String, String)]) -> String {
        let mut command = self.command(program);
        command.args(args).envs(env.iter().cloned());
        let output = peers::run(&mut command);
        String::from_utf8(output.stdout).unwrap()
    }

    /// A program of the packages, in an environment with nothing else in it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env_clear()
            .env("PATH", &self.programs)
            // The scripts' folder is the source's: nothing is left there.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(repository().join("tests/conformance"));
        command
    }

    /// Runs a script against a lab.
    pub(crate) fn script(&self, args: &[&str], lab: &Served) -> String {
        self.run("python", args, &lab.exports())
    }

    /// What a validator finds in a transcript.
    pub(crate) fn validate(&self, validator: &str, transcript: &Path) -> Found {
        self.found(validator, &[&transcript.display().to_string()])
    }

    /// What a validator finds, given these arguments.
    pub(crate) fn found(&self, validator: &str, args: &[&str]) -> Found {
        let args: Vec<_> = [validator].iter().chain(args).copied().collect();
        let found = self.run("python", &args, &[]);
        Found::read(&found)
    }
}

/// What a validator found.
pub(crate) struct Found(Json);

impl Found {
    /// What a validator printed.
    pub(crate) fn read(printed: &str) -> Self {
        Self(serde_json::from_str(printed).unwrap())
    }

    /// Everything in which what was said differs from the description.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.list("problems")
    }

    /// The operations that were answered with success, as `service:Operation`.
    #[track_caller]
    pub(crate) fn without_problems(&self) -> Vec<String> {
        let problems = self.problems();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        self.list("answered")
    }

    /// What the description itself gets wrong, with the reason, as far as it came up.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.list("faults")
    }

    /// All that is known of what the description gets wrong.
    pub(crate) fn known_faults(&self) -> Vec<String> {
        self.list("known_faults")
    }

    fn list(&self, name: &str) -> Vec<String> {
        let list = self.0[name].as_array().unwrap();
        list.iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect()
    }
}
