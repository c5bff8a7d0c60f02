//! The AWS CLI makes a cluster in the lab, upgrades it and deletes it, with its own waiters.

use crate::aws::{Recorded, VALIDATOR};
use crate::checked::hold;
use crate::harness::Files;
use crate::python::Python;

/// Seconds that pass in the lab for each real one: nothing is left to wait for when the CLI asks.
const RUSHING: f64 = 20_000.0;

#[test]
fn the_cli_makes_upgrades_and_deletes_a_cluster_with_its_waiters() {
    let Some(python) = Python::new() else { return };
    let recorded = Recorded::at(RUSHING, &Files::small(), "fresh");
    python.script(&["cli_run.py"], &recorded.lab);
    let found = python.validate(VALIDATOR, &recorded.transcript);
    hold("aws-cli", found.without_problems(), Vec::new());
}
