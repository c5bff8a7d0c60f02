//! The traces that psk exports, by OpenTelemetry's own messages.

use std::fs;

use serde_json::{Value as Json, json};

use crate::aws::{GATE, Recorded};
use crate::checked::hold;
use crate::harness::{Files, psk};
use crate::python::Python;

#[test]
fn the_traces_that_psk_exports_are_as_opentelemetrys_messages_have_them() {
    let Some(python) = Python::new() else { return };
    let files = Files::small();
    let recorded = Recorded::new(&files, "behind");
    let host = recorded.lab.exports().into_iter();
    let mut host = host.filter(|(name, _)| name == "OP_CONNECT_HOST");
    let host = host.next().unwrap().1;
    let run = psk(["apply", "--role", "qa", GATE]).at(&files);
    let run = run.env("OTEL_EXPORTER_OTLP_ENDPOINT", &host);
    run.inside(&recorded.lab).run().ended(0);
    let transcript = recorded.transcript.display().to_string();
    let found = python.found("otlp.py", &[&transcript]);
    hold("otlp-psk", found.without_problems(), Vec::new());
}

#[test]
fn differences_from_opentelemetrys_messages_are_found() {
    let Some(python) = Python::new() else { return };
    let span = json!({
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "parentSpanId": "",
        "name": "n", "kind": 1, "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": [],
        "status": { "code": 1 },
    });
    let problems = |span: &Json| {
        let service = json!({ "key": "service.name", "value": { "stringValue": "s" } });
        let resource =
            json!({ "resource": { "attributes": [service] }, "scopeSpans": [{ "spans": [span] }] });
        let message = |body: &Json| json!({ "headers": [["content-type", "application/json"]], "status": 200, "body": body.to_string() });
        let exchange = json!({
            "service": "otlp", "operation": "ExportTraces",
            "request": message(&json!({ "resourceSpans": [resource] })),
            "response": message(&json!({ "partialSuccess": {} })),
        });
        let transcript = tempfile::NamedTempFile::new().unwrap();
        fs::write(&transcript, exchange.to_string()).unwrap();
        let transcript = transcript.path().display().to_string();
        python.found("otlp.py", &[&transcript]).problems()
    };
    assert_eq!(problems(&span), [""; 0]);
    for (member, value, told) in [
        ("colour", json!(1), "no field named \"colour\""),
        ("traceId", json!("t6tmtGpaDIU="), "isn't hexadecimal"),
        ("spanId", json!("b7ad"), "has 2 bytes"),
        ("startTimeUnixNano", json!("soon"), "startTimeUnixNano"),
        ("endTimeUnixNano", json!("0"), "ends before it starts"),
        ("status", json!({ "code": "Bad" }), "Invalid enum value"),
        ("name", json!(""), "has no name"),
    ] {
        let mut wrong = span.clone();
        wrong[member] = value;
        let found = problems(&wrong);
        assert!(
            found.iter().any(|problem| problem.contains(told)),
            "{told} isn't among {found:#?}"
        );
    }
}
