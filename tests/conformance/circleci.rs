//! What psk tells CircleCI and what the lab's answers, by what CircleCI's reference documents.

use std::fs;
use std::path::Path;

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
    let validated = |transcript: &Path| {
        let transcript = transcript.display().to_string();
        let args = [DESCRIPTION, "circleci", "/api/v2", &transcript];
        python.found("openapi.py", &args).without_problems()
    };
    hold("circleci-psk", validated(&recorded.transcript), Vec::new());

    // What else is known of a schedule: psk reads the whole list, and takes none away.
    let before = fs::read_to_string(&recorded.transcript).unwrap().len();
    let id = recorded
        .lab
        .with_world(|world| world.circleci.schedules[0].id.clone());
    python.script(&["circleci_schedule.py", &id], &recorded.lab);
    let all = fs::read_to_string(&recorded.transcript).unwrap();
    let rest = tempfile::NamedTempFile::new().unwrap();
    fs::write(&rest, &all[before..]).unwrap();
    hold("circleci-script", validated(rest.path()), Vec::new());
}
