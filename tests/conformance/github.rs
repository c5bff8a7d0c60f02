//! psk's GitHub and the lab's, by GitHub's own OpenAPI description; and PyGithub, which reads what psk wrote.

use std::fs;
use std::path::Path;

use jiff::SignedDuration;
use psk_lab::github::{AccountType, Commit, Release, Tag, Token, TokenKind};
use serde_json::{Value as Json, json};

use crate::aws::Recorded;
use crate::checked::hold;
use crate::harness::{Files, github_app, psk};
use crate::node::Node;
use crate::peers;
use crate::python::{Found, Python};

/// The release's tag.
const TAG: &str = "v0.0.0-lab";

/// A person's token.
const PERSON: &str = "ghp_person";

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

/// A repository with a release before this one, a commit between the two, and an annotated tag.
fn with_a_past(recorded: &Recorded) -> String {
    recorded.lab.with_world(|world| {
        let now = world.clock.base();
        let id = world.github.next_id();
        let repository = &mut world.github.repositories[0];
        let head = repository.branches[&repository.default_branch].clone();
        let commit = |message: &str, parents: &[&str], hours: i64| Commit {
            message: message.into(),
            author: ("Ada".into(), "ada@example.com".into()),
            date: now - SignedDuration::from_hours(hours),
            parents: parents.iter().map(|sha| (*sha).to_owned()).collect(),
        };
        let first = "a".repeat(40);
        let commits = &mut repository.commits;
        commits.insert(first.clone(), commit("First", &[], 3));
        commits.insert(head.clone(), commit("Second", &[&first], 1));
        for tag in repository.tags.values_mut() {
            tag.annotation = Some(("c".repeat(40), "A release.".into()));
        }
        let before = Tag {
            commit: first,
            annotation: None,
        };
        repository.tags.insert("v0.0.0-before".into(), before);
        repository.releases.push(Release {
            id,
            tag: "v0.0.0-before".into(),
            target: repository.default_branch.clone(),
            name: None,
            body: None,
            draft: false,
            prerelease: false,
            author: "ada".into(),
            created: now,
        });
        let person = Token {
            login: "ada".into(),
            kind: TokenKind::Personal,
            writes_statuses: false,
            writes_contents: false,
            expires: None,
        };
        world.github.account("ada", AccountType::User);
        world.github.tokens.insert(PERSON.into(), person);
        head
    })
}

#[test]
fn what_psk_and_pygithub_say_to_github_is_as_the_description_has_it() {
    let (Some(python), Some(node)) = (Python::new(), Node::new()) else {
        return;
    };
    let Some(validator) = Validator::new(&python) else {
        return;
    };
    // prod's gate reads qa's proof.
    let files = Files::small().with("psk.yaml", "name: psk-test\nrelease: { role: prod }\n");
    let recorded = Recorded::new(&files, "current");
    let commit = with_a_past(&recorded);
    let fanout = |role: &str| {
        let run = psk(["fanout", "--role", role]).at(&files);
        run.inside(&recorded.lab).env("PSK_TAG", TAG)
    };
    fanout("qa").run().ended(0);
    fanout("prod").run().ended(0);
    // A release whose notes someone took away is put right, here in the name of an app.
    recorded.lab.with_world(|world| {
        let releases = &mut world.github.repositories[0].releases;
        releases.last_mut().unwrap().body = None;
    });
    let key = github_app(&recorded.lab);
    for role in ["qa", "prod"] {
        let run = fanout(role).without("GITHUB_TOKEN").hiding(&key);
        let run = run.env("GITHUB_APP_ID", "12");
        run.env("GITHUB_APP_PRIVATE_KEY", &key).run().ended(0);
    }
    let mut answered = validator.validate(&recorded.transcript).without_problems();
    let transcript = recorded.transcript.display().to_string();
    let graphql = node.found("graphql.mjs", &[&transcript]);
    answered.extend(graphql.without_problems());
    hold("github-psk", answered, Vec::new());

    let before = fs::read_to_string(&recorded.transcript).unwrap().len();
    let reader = ["github_reader.py", &commit, "psk/", PERSON];
    let mut exports = recorded.lab.exports_of_a_job();
    exports.push(("PSK_TAG".into(), TAG.into()));
    let read = python.run("python", &reader, &exports);
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
fn differences_from_githubs_schema_are_found() {
    let Some(node) = Node::new() else { return };
    let problems = |query: &str, answer: Json| {
        let exchange = json!({
            "service": "github", "operation": "graphql",
            "request": { "method": "POST", "headers": [], "body": json!({ "query": query }).to_string() },
            "response": { "status": 200, "headers": [], "body": answer.to_string() },
        });
        let transcript = tempfile::NamedTempFile::new().unwrap();
        fs::write(&transcript, exchange.to_string()).unwrap();
        let transcript = transcript.path().display().to_string();
        node.found("graphql.mjs", &[&transcript]).problems()
    };
    let query = "{ viewer { login } }";
    let answer = |login: Json| json!({ "data": { "viewer": { "login": login } } });
    assert_eq!(problems(query, answer(json!("ada"))), [""; 0]);
    for (query, answer, told) in [
        (
            "{ viewer { colour } }",
            answer(json!("ada")),
            "Cannot query field \"colour\"",
        ),
        (
            query,
            answer(json!(null)),
            "Cannot return null for non-nullable field User.login",
        ),
        (
            query,
            json!({ "data": { "viewer": { "login": "ada", "id": 1 } } }),
            "instead of",
        ),
    ] {
        let found = problems(query, answer);
        assert!(
            found.iter().any(|problem| problem.contains(told)),
            "{told} isn't among {found:#?}"
        );
    }
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
