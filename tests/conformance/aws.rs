//! The lab's AWS and psk's calls, by botocore's service models: boto3 calls all that the lab serves, psk works in the
//! lab, and both are recorded and held to the models.

mod planted;

use std::collections::BTreeSet;
use std::path::PathBuf;

use psk_lab::Options;
use psk_lab::front::service::Service;
use tempfile::TempDir;

use crate::checked::hold;
use crate::harness::{Files, Served, psk, world_of};
use crate::python::Python;

/// Reads transcripts by botocore's service models.
pub(crate) const VALIDATOR: &str = "aws.py";

/// Seconds that pass in the world for each real one.
const FAST: f64 = 1200.0;

/// No release is on its way here.
pub(crate) const GATE: &str = "--override-gate=nothing is promoted";

/// A world that is served with all that is said to it written down.
pub(crate) struct Recorded {
    pub(crate) lab: Served,
    pub(crate) transcript: PathBuf,
    _directory: TempDir,
}

impl Recorded {
    pub(crate) fn new(files: &Files, start: &str) -> Self {
        Self::at(FAST, files, start)
    }

    /// The same, in which so many seconds pass for each real one.
    pub(crate) fn at(speed: f64, files: &Files, start: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let transcript = directory.path().join("transcript");
        let options = Options {
            speed,
            transcript: Some(transcript.clone()),
            ..Options::default()
        };
        let lab = Served::with(world_of(files, start), options);
        Self {
            lab,
            transcript,
            _directory: directory,
        }
    }
}

/// Every operation of AWS that the lab serves, by its own tables.
fn served() -> BTreeSet<String> {
    let operations = Service::AWS.into_iter().flat_map(|service| {
        let operations = service.operations().into_iter();
        operations.map(move |operation| format!("{}:{operation}", service.name()))
    });
    operations.collect()
}

#[test]
fn boto3_calls_every_operation_and_everything_said_is_as_the_models_have_it() {
    let Some(python) = Python::new() else { return };
    let recorded = Recorded::new(&Files::small(), "fresh");
    python.script(&["-m", "calls"], &recorded.lab);
    let found = python.validate(VALIDATOR, &recorded.transcript);
    let answered = found.without_problems();
    let called: BTreeSet<_> = answered.iter().cloned().collect();
    let unchecked: Vec<_> = served().difference(&called).cloned().collect();
    assert!(
        unchecked.is_empty(),
        "the lab serves what calls/ doesn't call: {unchecked:?}"
    );
    assert_eq!(
        found.faults(),
        found.known_faults(),
        "a model is no longer wrong about something"
    );
    hold("boto3", answered, found.faults());
}

#[test]
fn what_psk_says_and_hears_is_as_the_models_have_it() {
    let Some(python) = Python::new() else { return };
    let mut answered = BTreeSet::new();
    let mut look = |recorded: &Recorded| {
        let found = python.validate(VALIDATOR, &recorded.transcript);
        answered.extend(found.without_problems());
    };
    let default = |setting: &str| {
        let files = Files::small();
        let path = files.root().join("environments/default.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        files.with("environments/default.yaml", &format!("{text}{setting}\n"))
    };

    // Made from nothing, looked at, and taken apart.
    let files = default("deletion_protection: false");
    let recorded = Recorded::new(&files, "fresh");
    run(&recorded, &files, ["fanout", "--role", "qa", GATE]);
    run(&recorded, &files, ["drift", "--role", "qa"]);
    let cluster = "qa-i01-aws-us-east-1";
    let destroy = ["destroy", "--cluster", cluster, "--confirm", cluster];
    run(&recorded, &files, destroy);
    look(&recorded);

    // Climbing, with everything of the cluster.
    let older = Files::small().replace("environments/default.yaml", "1.35", "1.34");
    let recorded = Recorded::new(&older, "behind");
    run(&recorded, &Files::small(), ["fanout", "--role", "qa", GATE]);
    look(&recorded);

    // Terraform's, adopted; and with pods that get their roles in the other way.
    let files = default("workload_identity: pod_identity");
    let recorded = Recorded::new(&files, "adopted");
    run(&recorded, &files, ["fanout", "--role", "qa", GATE]);
    look(&recorded);

    hold("psk", answered.into_iter().collect(), Vec::new());
}

fn run<const N: usize>(recorded: &Recorded, files: &Files, args: [&str; N]) {
    let psk = psk(args).at(files).inside(&recorded.lab);
    psk.run().ended(0);
}
