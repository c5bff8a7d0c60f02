//! Who is told of runs: people in Slack, a collector of traces. Whatever they do, the run is the same.

use std::collections::BTreeMap;

use psk_lab::otlp::Span;
use psk_lab::slack::Message;
use psk_lab::world::World;
use serde_json::Value as Json;

use crate::harness::{CANARY, Files, Psk, Served, psk, world_of};

const NONE: &str = r#"{"rules":[]}"#;

/// The small inventory, whose pipeline tells Slack and keeps outputs.
fn files() -> Files {
    Files::small().with(
        "psk.yaml",
        "name: psk-test\noutputs: { vault: empc-lab, item: \"psk-aws-{{ cluster }}\" }\n\
         notify: { slack_channel: lab-events, slack_token: \"{{ op://empc-lab/svc-slack/post-bot-token }}\" }\n",
    )
}

fn world(start: &str) -> World {
    world_of(&files(), start)
}

fn apply<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    psk(["apply", "--role", "qa", "--output", "json"])
        .at(files)
        .inside(lab)
}

fn messages(lab: &Served) -> Vec<Message> {
    lab.with_world(|world| {
        let channels = world.slack.channels.iter();
        channels
            .flat_map(|channel| channel.messages.clone())
            .collect()
    })
}

#[test]
fn slack_has_one_message_of_a_run_which_ends_with_its_result() {
    let (files, lab) = (files(), Served::rushing(world("behind"), NONE));
    apply(&files, &lab).run().ended(0);
    let messages = messages(&lab);
    assert_eq!(messages.len(), 1);
    let text = &messages[0].text;
    assert!(
        text.starts_with(":white_check_mark: *qa* holds `v0.0.0-lab` ("),
        "{text}"
    );
    assert!(
        text.contains(")\npsk-test · 3 clusters · 2 changed · 1 unchanged · "),
        "{text}"
    );
    let first = &messages[0].before[0];
    assert!(
        first.starts_with(":hourglass_flowing_sand: *qa*: rolling out `v0.0.0-lab`"),
        "{first}"
    );
    assert_eq!(lab.count("chat.postMessage"), 1);

    // Reading tells no one.
    psk(["plan", "--role", "qa"])
        .at(&files)
        .inside(&lab)
        .run()
        .ended(0);
    assert_eq!(lab.count("chat.postMessage"), 1);
}

#[test]
fn slack_is_told_which_cluster_failed_and_of_what() {
    let fault = r#"{"rules":[{"service":"eks","region":"eu-west-1","effect":
        {"error":{"status":403,"code":"AccessDeniedException","message":"not <you>"}}}]}"#;
    let (files, lab) = (files(), Served::rushing(world("current"), fault));
    apply(&files, &lab).run().ended(10);
    let text = messages(&lab)[0].text.clone();
    assert!(
        text.starts_with(":x: *qa*: rolling out `v0.0.0-lab` ("),
        "{text}"
    );
    assert!(text.contains(") failed\n"), "{text}");
    assert!(text.contains(" · 2 unchanged · 1 failed · "), "{text}");
    assert!(
        text.contains("\n• qa-i01-aws-eu-west-1 failed in observe: "),
        "{text}"
    );
    assert!(text.contains("not &lt;you&gt;"), "{text}");
}

#[test]
fn with_slack_away_or_unwilling_a_run_ends_as_it_would_have() {
    let resets = r#"{"rules":[{"service":"slack","effect":"reset"}]}"#;
    let (files, lab) = (files(), Served::rushing(world("current"), resets));
    let run = apply(&files, &lab).run().ended(0);
    let told =
        "warning: Slack wasn't told how this run ended: chat.postMessage: Slack can't be reached: ";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert_eq!(messages(&lab), []);

    let mut world = world("current");
    world.slack.channels[0].members.clear();
    let lab = Served::rushing(world, NONE);
    let run = apply(&files, &lab).run().ended(0);
    let told = "Slack answered not_in_channel; invite the bot into the channel";
    assert!(run.stderr.contains(told), "{}", run.stderr);

    let absent = files.replace("psk.yaml", "post-bot-token", "absent");
    let run = apply(&absent, &lab).run().ended(0);
    let told = "Slack isn't told of this run: op://empc-lab/svc-slack/absent: item \\\"svc-slack\\\" has no field \\\"absent\\\"";
    assert!(run.stdout.contains(told), "{}", run.stdout);
}

#[test]
fn slack_says_when_and_is_obeyed() {
    let limited = r#"{"rules":[{"service":"slack","operation":"chat.postMessage","at":1,"effect":"throttle"}]}"#;
    let (files, lab) = (files(), Served::rushing(world("current"), limited));
    apply(&files, &lab).run().ended(0);
    assert_eq!(lab.count("chat.postMessage"), 2);
    assert!(messages(&lab)[0].text.starts_with(":white_check_mark:"));
}

/// How many spans have each path of names, from the outermost on.
fn paths(spans: &[Span]) -> BTreeMap<String, usize> {
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let mut paths = BTreeMap::new();
    for span in spans {
        let mut names = vec![span.name.as_str()];
        let mut at = span;
        while let Some(parent) = by_id.get(at.parent.as_str()) {
            assert!(
                parent.time.0 <= at.time.0,
                "{} begins before {}",
                at.name,
                parent.name
            );
            names.push(&parent.name);
            at = parent;
        }
        names.reverse();
        *paths.entry(names.join(" > ")).or_default() += 1;
    }
    paths
}

fn spans(lab: &Served) -> Vec<Span> {
    lab.with_world(|world| world.collector.spans.clone())
}

#[test]
fn a_run_is_a_trace_from_the_run_to_the_call() {
    let (files, lab) = (files(), Served::rushing(world("current"), NONE));
    let run = || apply(&files, &lab);
    run().run().ended(0);
    assert_eq!(spans(&lab), [], "off unless it is asked for");

    let host = lab
        .exports()
        .into_iter()
        .find(|(name, _)| name == "OP_CONNECT_HOST");
    let host = host.unwrap().1;
    let ran = run()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &host)
        .env(
            "TRACEPARENT",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .run()
        .ended(0);
    let spans = spans(&lab);
    assert!(
        spans
            .iter()
            .all(|span| span.trace == "0af7651916cd43dd8448eb211c80319c")
    );
    assert!(spans.iter().all(|span| span.service == "psk"));
    let paths = paths(&spans);
    let cluster = "psk apply qa > qa-i01-aws-us-east-1";
    for path in [
        "psk apply qa",
        cluster,
        &format!("{cluster} > session"),
        &format!("{cluster} > observe > eks:DescribeCluster"),
        &format!("{cluster} > outputs > connect:GetVaultItemById"),
    ] {
        assert_eq!(
            paths.get(path).copied().map(|n| n > 0),
            Some(true),
            "{path} {paths:#?}"
        );
    }
    // Every call that the report counts is a span.
    let told: u64 = [
        "qa-i01-aws-us-east-1",
        "qa-i02-aws-us-east-1",
        "qa-i01-aws-eu-west-1",
    ]
    .map(|name| ran.cluster(name)["calls"]["total"].as_u64().unwrap())
    .iter()
    .sum();
    let calls = spans.iter().filter(|span| span.name.contains(':')).count();
    assert_eq!(calls as u64, told);
}

#[test]
fn with_the_collector_away_a_run_ends_as_it_would_have() {
    let (files, lab) = (files(), Served::rushing(world("current"), NONE));
    let run = apply(&files, &lab)
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://me:secret-9d@127.0.0.1:9",
        )
        .hiding("secret-9d")
        .run()
        .ended(0);
    let told = "warning: the trace of this run wasn't taken in by http://127.0.0.1:9: ";
    assert!(run.stderr.contains(told), "{}", run.stderr);

    let run = apply(&files, &lab)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .run()
        .ended(0);
    assert!(
        run.stdout
            .contains("the OTLP protocol is grpc; psk sends http/json"),
        "{}",
        run.stdout
    );
}

#[test]
fn no_secret_is_told_anywhere() {
    let fault = r#"{"rules":[
        {"service":"connect","operation":"PatchVaultItem","at":1,"effect":"throttle"},
        {"service":"connect","operation":"CreateVaultItem","at":1,"effect":"reset_after"},
        {"service":"eks","region":"eu-west-1","effect":
          {"error":{"status":403,"code":"AccessDeniedException","message":"no"}}}]}"#;
    let (files, lab) = (files(), Served::rushing(world("behind"), fault));
    let host = lab
        .exports()
        .into_iter()
        .find(|(name, _)| name == "OP_CONNECT_HOST");
    let run = apply(&files, &lab)
        .arg("--report")
        .arg(files.root().join("report.json"))
        .arg("--junit")
        .arg(files.root().join("junit.xml"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &host.unwrap().1)
        .env("RUST_LOG", "trace")
        .run()
        .ended(10);
    psk(["plan", "--role", "qa", "--out", "plan.json"])
        .at(&files)
        .inside(&lab)
        .run()
        .ended(10);
    psk(["outputs", "--role", "qa"])
        .at(&files)
        .inside(&lab)
        .env("RUST_LOG", "trace")
        .run();
    psk(["clusters", "--output", "json"])
        .at(&files)
        .inside(&lab)
        .env("RUST_LOG", "trace")
        .run();
    // What was printed and written was searched as it was. This is what was sent to others.
    let told = lab.with_world(|world| {
        let slack: Vec<_> = world
            .slack
            .channels
            .iter()
            .map(|channel| &channel.messages)
            .collect();
        serde_json::to_string(&(slack, &world.collector)).unwrap()
    });
    assert!(told.contains("qa-i01-aws-eu-west-1 failed in "), "{told}");
    let kubeconfig = lab.with_world(|world| {
        let fields = world.connect.vaults[0]
            .items
            .iter()
            .flat_map(|item| &item.fields);
        let found = fields
            .into_iter()
            .find(|field| field.label == "kubeconfig-base64");
        found.unwrap().value.clone()
    });
    for secret in lab
        .secrets()
        .into_iter()
        .chain([CANARY.to_owned(), kubeconfig])
    {
        assert!(!told.contains(&secret), "{secret} in {told}");
        assert!(!run.stdout.contains(&secret) && !run.stderr.contains(&secret));
    }
    let report: Json = run.report();
    assert_eq!(report["run"]["command"], "apply");
}
