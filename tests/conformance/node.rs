//! The Node of the peers, and the scripts beside this file that it runs.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::repository;
use crate::peers;
use crate::python::Found;

/// Node with the packages that are pinned for these tests.
pub(crate) struct Node {
    modules: PathBuf,
}

impl Node {
    /// None where there is no node, which has been said.
    pub(crate) fn new() -> Option<Self> {
        Some(Self {
            modules: peers::node()?,
        })
    }

    /// Runs a script that has to succeed, and gives what it printed. It is told first where the packages are.
    pub(crate) fn run(&self, script: &str, args: &[&str]) -> String {
        let mut command = Command::new("node");
        command
            .arg(script)
            .arg(&self.modules)
            .args(args)
            .current_dir(repository().join("tests/conformance"));
        String::from_utf8(peers::run(&mut command).stdout).unwrap()
    }

    /// What a validator finds.
    pub(crate) fn found(&self, validator: &str, args: &[&str]) -> Found {
        Found::read(&self.run(validator, args))
    }
}
