//! psk's GitHub and the lab's, by GitHub's own OpenAPI description; and PyGithub, which reads what psk wrote.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::aws::Recorded;
use crate::checked::hold;
use crate::harness::{Files, psk};
use crate::peers;
use crate::python::{Found, Python};

const DESCRIPTION: &str = "@octokit/openapi/generated/api.github.com.json";

/// The validator, and the description by which it validates.
struct Validator<'a> {
    python: &'a Python,
    description: String,
}

impl<'a> Validator<'a> {
    fn new(python: &'a Python) -> Option<Self> {
        let description = peers::node()?.join(DESCRIPTION);
        let description = description.display().to_string();
        Some(Self {
            python,
            description,
        })
    }

    fn validate(&self, transcript: &Path) -> Found {
        let transcript = transcript.display().to_string();
        let args = [&self.description, "github", "/api/v3", &transcript];
        self.python.found("openapi.py", &args)
    }
}

#[test]
fn what_psk_and_pygithub_say_to_github_is_as_the_description_has_it() {
    let Some(python) = Python::new() else { return };
    let Some(validator) = Validator::new(&python) else {
        return;
    };
    // prod's gate reads qa's proof.
    let policy = "promotion: { trusted_creators: [\"psk-release[bot]\"] }";
    let files = Files::small().with("psk.yaml", &format!("name: psk-test\n{policy}\n"));
    let recorded = Recorded::new(&files, "current");
    for role in ["qa", "prod"] {
        let run = psk(["fanout", "--role", role]).at(&files);
        run.inside(&recorded.lab).run().ended(0);
    }
    let found = validator.validate(&recorded.transcript);
    hold("github-psk", found.without_problems(), Vec::new());

    let commit = recorded.lab.with_world(|world| {
        let repository = world.github.repositories.first().unwrap();
        repository.branches[&repository.default_branch].clone()
    });
    let before = fs::read_to_string(&recorded.transcript).unwrap().len();
    let reader = ["github_reader.py", &commit, "psk/"];
    let read = python.run("python", &reader, &recorded.lab.exports_of_a_job());
    for told in ["psk/qa success", "psk/prod success"] {
        assert!(read.contains(told), "{read}");
    }
    let all = fs::read_to_string(&recorded.transcript).unwrap();
    let rest = tempfile::NamedTempFile::new().unwrap();
    fs::write(&rest, &all[before..]).unwrap();
    let found = validator.validate(rest.path());
    hold("pygithub", found.without_problems(), Vec::new());
}

#[test]
fn differences_from_githubs_description_are_found() {
    let Some(python) = Python::new() else { return };
    let Some(validator) = Validator::new(&python) else {
        return;
    };
    let exchange = |body: Json, status: u16, answer: Json| {
        json!({
            "service": "github",
            "operation": "repos/create-commit-status",
            "request": {
                "method": "POST",
                "target": format!("/api/v3/repos/o/r/statuses/{}", "a".repeat(40)),
                "headers": [["content-type", "application/json"]],
                "body": body.to_string(),
            },
            "response": {
                "status": status,
                "headers": [["content-type", "application/json; charset=utf-8"]],
                "body": answer.to_string(),
            },
        })
    };
    let status = json!({
        "url": "https://api.github.com/x", "avatar_url": null, "id": 1, "node_id": "x", "state": "success",
        "description": "d", "target_url": null, "context": "c",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "creator": null,
    });
    let with = |key: &str, value: Json| {
        let mut status = status.clone();
        status[key] = value;
        status
    };
    let body = json!({ "state": "success" });
    let planted = [
        (
            exchange(json!({ "state": "good" }), 201, status.clone()),
            "'good' is not one of",
        ),
        (
            exchange(json!({}), 201, status.clone()),
            "'state' is a required property",
        ),
        (
            exchange(body.clone(), 200, status.clone()),
            "status 200 is none of",
        ),
        (
            exchange(body.clone(), 201, with("id", json!("x"))),
            "'x' is not of type 'integer'",
        ),
        (
            exchange(body.clone(), 201, with("colour", json!(1))),
            "no member colour",
        ),
    ];
    let transcript = tempfile::NamedTempFile::new().unwrap();
    let write = |exchanges: &[Json]| {
        let lines: String = exchanges.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&transcript, lines).unwrap();
        validator.validate(transcript.path()).problems()
    };
    assert_eq!(
        write(&[exchange(body.clone(), 201, status.clone())]),
        [""; 0]
    );
    let found = write(&planted.each_ref().map(|(exchange, _)| exchange.clone()));
    for (_, told) in planted {
        let is_told = found.iter().any(|problem| problem.contains(told));
        assert!(is_told, "{told} isn't among {found:#?}");
    }
}
