//! The lab's 1Password Connect, by the official SDK and the published OpenAPI description; and what psk asks of it.

use std::path::Path;

use psk_lab::front::service::Service;
use serde_json::{Value as Json, json};

use crate::aws::{GATE, Recorded};
use crate::checked::hold;
use crate::harness::{CANARY, Files, psk};
use crate::python::{Found, Python};

const DESCRIPTION: &str = "descriptions/1password-connect.yaml";

fn validate(python: &Python, transcript: &Path) -> Found {
    let transcript = transcript.display().to_string();
    python.found("openapi.py", &[DESCRIPTION, "connect", "/v1", &transcript])
}

#[test]
fn the_official_sdk_gets_along_with_the_lab() {
    let Some(python) = Python::new() else { return };
    let recorded = Recorded::new(&Files::small(), "fresh");
    let (vault, item, field) = ("empc-lab", "svc-auth0", "pskctl-cli-client-id");
    let value = format!("{CANARY}-{field}");
    let args = ["connect_sdk.py", vault, item, field, &value];
    python.script(&args, &recorded.lab);
    let transcript = recorded.transcript.display().to_string();
    let client = "onepasswordconnectsdk";
    let args = [DESCRIPTION, "connect", "/v1", &transcript, client];
    let found = python.found("openapi.py", &args);
    assert_eq!(
        found.faults(),
        found.known_faults(),
        "the SDK is no longer wrong about something"
    );
    hold("connect-sdk", found.without_problems(), found.faults());
}

#[test]
fn what_psk_asks_of_connect_is_as_the_description_has_it() {
    let Some(python) = Python::new() else { return };
    let outputs = "outputs: { vault: empc-lab, item: \"psk-aws-{{ cluster }}\" }";
    let files = Files::small().with("psk.yaml", &format!("name: psk-test\n{outputs}\n"));
    let recorded = Recorded::new(&files, "current");
    // Clusters' outputs are written.
    let run = psk(["fanout", "--role", "qa", GATE]).at(&files);
    run.inside(&recorded.lab).run().ended(0);
    // What someone changed there is put right.
    recorded.lab.with_world(|world| {
        let items = world
            .connect
            .vaults
            .iter_mut()
            .flat_map(|vault| &mut vault.items);
        for item in items.filter(|item| item.title.starts_with("psk-aws-")) {
            let mut fields = item.fields.iter_mut();
            let version = fields.find(|field| field.label == "eks-version").unwrap();
            version.value = "1.2".into();
        }
    });
    let run = psk(["outputs", "--role", "qa"]).at(&files);
    run.inside(&recorded.lab).run().ended(0);
    let transcript = recorded.transcript.display().to_string();
    let description = "1password-connect";
    let args = [DESCRIPTION, "connect", "/v1", &transcript, description];
    let found = python.found("openapi.py", &args);
    assert_eq!(
        found.faults(),
        found.known_faults(),
        "the description is no longer wrong about something"
    );
    hold("connect-psk", found.without_problems(), found.faults());
}

#[test]
fn differences_from_the_description_are_found() {
    let Some(python) = Python::new() else { return };
    let vault = json!({ "id": "a".repeat(26), "name": "v", "type": "USER_CREATED" });
    let exchange = |target: &str, status: u16, body: &Json| {
        json!({
            "service": Service::Connect.name(),
            "operation": "GetVaults",
            "request": { "method": "GET", "target": target, "headers": [], "body": "" },
            "response": {
                "status": status,
                "headers": [["content-type", "application/json"]],
                "body": body.to_string(),
            },
        })
    };
    let with = |key: &str, value: Json| {
        let mut vault = vault.clone();
        vault[key] = value;
        json!([vault])
    };
    let problems = |exchanges: &[Json]| {
        let directory = tempfile::tempdir().unwrap();
        let transcript = directory.path().join("transcript");
        let lines: String = exchanges.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&transcript, lines).unwrap();
        validate(&python, &transcript).problems()
    };
    let right = exchange("/v1/vaults", 200, &json!([vault]));
    assert_eq!(problems(&[right]), [""; 0]);
    let none = json!([]);
    let planted = [
        (
            exchange("/v1/vault", 200, &none),
            "the description has no GET /vault",
        ),
        (
            exchange("/v1/vaults?name=v", 200, &none),
            "no parameter name",
        ),
        (exchange("/v1/vaults", 201, &none), "status 201 is none of"),
        (
            exchange("/v1/vaults", 200, &json!({})),
            "is not of type 'array'",
        ),
        (
            exchange("/v1/vaults", 200, &with("id", json!("x"))),
            "does not match",
        ),
        (
            exchange("/v1/vaults", 200, &with("type", json!("x"))),
            "is not one of",
        ),
        (
            exchange("/v1/vaults", 200, &with("items", json!("1"))),
            "is not of type 'integer'",
        ),
        (
            exchange("/v1/vaults", 200, &with("colour", json!(1))),
            "no member colour",
        ),
        (
            exchange("/v1/vaults", 200, &with("createdAt", json!("now"))),
            "is not a 'date-time'",
        ),
    ];
    let found = problems(&planted.each_ref().map(|(exchange, _)| exchange.clone()));
    for (_, told) in planted {
        let is_told = found.iter().any(|problem| problem.contains(told));
        assert!(is_told, "{told} isn't among {found:#?}");
    }
}
