//! What psk tells Slack and what the lab's answers, by the types that Slack publishes with its own client; and that client.

use std::fs;

use serde_json::{Value as Json, json};

use crate::aws::{GATE, Recorded};
use crate::checked::hold;
use crate::harness::{Files, psk};
use crate::node::Node;

const NOTIFY: &str = "notify: { slack_channel: lab-events, slack_token: \"{{ op://empc-lab/svc-slack/post-bot-token }}\" }";

#[test]
fn what_is_said_to_slack_is_as_slacks_own_types_have_it() {
    let Some(node) = Node::new() else { return };
    let files = Files::small().with("psk.yaml", &format!("name: psk-test\n{NOTIFY}\n"));
    let recorded = Recorded::new(&files, "current");
    let run = psk(["fanout", "--role", "qa", GATE]).at(&files);
    run.inside(&recorded.lab).run().ended(0);
    let transcript = recorded.transcript.display().to_string();
    let found = node.found("slack.mjs", &[&transcript]);
    hold("slack-psk", found.without_problems(), Vec::new());

    let before = fs::read_to_string(&recorded.transcript).unwrap().len();
    let url = recorded.lab.exports().into_iter();
    let mut url = url.filter(|(name, _)| name == "SLACK_API_URL");
    let url = url.next().unwrap().1 + "/";
    let token = recorded.lab.with_world(|world| {
        let bots = &world.slack.bots;
        bots.keys().next().unwrap().clone()
    });
    node.run("slack_client.mjs", &[&url, &token, "lab-events"]);
    let all = fs::read_to_string(&recorded.transcript).unwrap();
    let rest = tempfile::NamedTempFile::new().unwrap();
    fs::write(&rest, &all[before..]).unwrap();
    let found = node.found("slack.mjs", &[&rest.path().display().to_string()]);
    hold("slack-client", found.without_problems(), Vec::new());
}

#[test]
fn differences_from_slacks_types_are_found() {
    let Some(node) = Node::new() else { return };
    let exchange = |asked: &Json, answer: &Json| {
        let headers = [["content-type", "application/json; charset=utf-8"]];
        json!({
            "service": "slack", "operation": "chat.postMessage",
            "request": { "method": "POST", "target": "/api/chat.postMessage", "headers": headers, "body": asked.to_string() },
            "response": { "status": 200, "headers": headers, "body": answer.to_string() },
        })
    };
    let asked = json!({ "channel": "c", "text": "t", "unfurl_links": false });
    let answer = json!({ "ok": true, "channel": "C1", "ts": "1.0", "message": { "text": "t" } });
    let with = |value: &Json, key: &str, member: Json| {
        let mut value = value.clone();
        value[key] = member;
        value
    };
    let problems = |exchanges: &[Json]| {
        let lines: String = exchanges.iter().map(|line| format!("{line}\n")).collect();
        let transcript = tempfile::NamedTempFile::new().unwrap();
        fs::write(&transcript, lines).unwrap();
        let transcript = transcript.path().display().to_string();
        node.found("slack.mjs", &[&transcript]).problems()
    };
    assert_eq!(problems(&[exchange(&asked, &answer)]), [""; 0]);
    let planted = [
        (
            exchange(&with(&asked, "colour", json!(1)), &answer),
            "request: Object literal may only specify known properties, and '\"colour\"' does not exist",
        ),
        (
            exchange(&with(&asked, "unfurl_links", json!("no")), &answer),
            "Type 'string' is not assignable to type 'boolean",
        ),
        (
            exchange(&json!({ "text": "t" }), &answer),
            "Type '{ text: string; }' is not assignable to type 'ChatPostMessageArguments'",
        ),
        (
            exchange(&asked, &with(&answer, "ts", json!(1))),
            "Type 'number' is not assignable to type 'string'",
        ),
        (
            exchange(&asked, &with(&answer, "hue", json!(1))),
            "answer: Object literal may only specify known properties, and '\"hue\"' does not exist",
        ),
        (
            exchange(&asked, &json!({ "ok": false })),
            "neither ok nor an error",
        ),
    ];
    let found = problems(&planted.each_ref().map(|(exchange, _)| exchange.clone()));
    for (_, told) in planted {
        let is_told = found.iter().any(|problem| problem.contains(told));
        assert!(is_told, "{told} isn't among {found:#?}");
    }
}
