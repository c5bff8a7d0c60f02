//! What psk tells CircleCI and what the lab's answers, by what CircleCI's reference documents.

use crate::aws::Recorded;
use crate::checked::hold;
use crate::harness::{Files, psk};
use crate::python::Python;

const DESCRIPTION: &str = "descriptions/circleci.yaml";

#[test]
fn what_psk_tells_circleci_is_as_the_reference_documents_it() {
    let Some(python) = Python::new() else { return };
    let schedules = "schedules: { verify: \"0 1 * * SUN\", drift: \"0 2 * * *\" }";
    let files = Files::small()
        .with("psk.yaml", &format!("name: psk-test\n{schedules}\n"))
        .with("config.yml", "version: 2.1\n");
    let recorded = Recorded::new(&files, "fresh");
    let run = |line: &str| {
        let mut psk = psk([]);
        for arg in line.split_whitespace() {
            psk = psk.arg(arg);
        }
        psk.at(&files).inside(&recorded.lab).run().ended(0);
    };
    run("pipeline continue --config-file=config.yml --parameter=deep=true --parameter=tag=v1");
    // Made, and changed.
    for branch in ["main", "next"] {
        run(&format!(
            "pipeline schedule --project=gh/org/repo --branch={branch}"
        ));
    }
    let transcript = recorded.transcript.display().to_string();
    let found = python.found(
        "openapi.py",
        &[DESCRIPTION, "circleci", "/api/v2", &transcript],
    );
    hold("circleci-psk", found.without_problems(), Vec::new());
}
