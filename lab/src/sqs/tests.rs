//! Requests about queues, served from beginning to end.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::call::ServiceError;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const NAME: &str = "Karpenter-c";

/// A world to try requests on, and its time.
struct Bench {
    world: World,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let now = "2026-11-23T08:00:00Z".parse().unwrap();
        Self {
            world: World::empty(now, [7; 32]),
            now,
        }
    }

    fn with_queue(attributes: Value) -> Self {
        let mut bench = Self::new();
        bench.create(NAME, attributes).unwrap();
        bench
    }

    fn ask(&mut self, operation: &str, parameters: Value) -> Result<Value, ServiceError> {
        let call = Call {
            operation: operation.into(),
            account: ACCOUNT.into(),
            region: REGION.into(),
            body: parameters.to_string().into_bytes(),
            now: self.now,
            ..Call::default()
        };
        let reply = handle(&mut self.world, &call)?;
        assert_eq!(reply.content_type, "application/x-amz-json-1.0");
        Ok(serde_json::from_slice(&reply.body).unwrap())
    }

    fn create(&mut self, name: &str, attributes: Value) -> Result<Value, ServiceError> {
        self.ask(
            "CreateQueue",
            json!({ "QueueName": name, "Attributes": attributes }),
        )
    }

    /// Something about the queue.
    fn about(&mut self, operation: &str, more: Value) -> Result<Value, ServiceError> {
        let mut parameters = json!({ "QueueUrl": url(ACCOUNT, REGION, NAME) });
        for (name, value) in more.as_object().unwrap() {
            parameters[name] = value.clone();
        }
        self.ask(operation, parameters)
    }

    fn attributes(&mut self, names: Value) -> Value {
        let more = json!({ "AttributeNames": names });
        self.about("GetQueueAttributes", more).unwrap()["Attributes"].clone()
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self
            .now
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap();
    }
}

fn code(answer: Result<Value, ServiceError>) -> String {
    let error = answer.expect_err("refused");
    assert_eq!(error.status, 400);
    error.code
}

#[test]
fn a_queue_has_what_was_set_and_the_defaults() {
    let mut bench = Bench::with_queue(json!({ "MessageRetentionPeriod": "300" }));
    let all = bench.attributes(json!(["All"]));
    assert_eq!(all["MessageRetentionPeriod"], "300");
    assert_eq!(all["VisibilityTimeout"], "30");
    assert_eq!(all["SqsManagedSseEnabled"], "true");
    assert_eq!(
        all["QueueArn"],
        "arn:aws:sqs:us-east-1:111122223333:Karpenter-c"
    );
    assert_eq!(all["CreatedTimestamp"], bench.now.as_second().to_string());
    assert_eq!(all.get("Policy"), None);

    let some = bench.attributes(json!(["Policy", "DelaySeconds"]));
    assert_eq!(some, json!({ "DelaySeconds": "0" }));
    assert_eq!(
        bench.about("GetQueueAttributes", json!({})).unwrap(),
        json!({})
    );
    let unknown = bench.about(
        "GetQueueAttributes",
        json!({ "AttributeNames": ["Colour"] }),
    );
    assert_eq!(code(unknown), "InvalidAttributeName");
}

#[test]
fn making_it_again_changes_nothing() {
    let mut bench = Bench::with_queue(json!({ "MessageRetentionPeriod": "300" }));
    let made =
        json!({ "QueueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/Karpenter-c" });
    for same in [
        json!({ "MessageRetentionPeriod": "300" }),
        json!({ "MessageRetentionPeriod": "300", "DelaySeconds": "0" }),
        json!({}),
    ] {
        assert_eq!(bench.create(NAME, same).unwrap(), made);
    }
    let error = bench
        .create(NAME, json!({ "MessageRetentionPeriod": "600" }))
        .unwrap_err();
    assert_eq!(error.code, "QueueNameExists");
    assert_eq!(error.query_code, Some("QueueAlreadyExists"));
    assert!(
        error.message.ends_with("MessageRetentionPeriod"),
        "{}",
        error.message
    );
}

#[test]
fn attributes_are_set_one_by_one() {
    let mut bench = Bench::with_queue(json!({ "MessageRetentionPeriod": "300" }));
    bench.wait(10);
    let policy = r#"{"Statement":[]}"#;
    let set = |bench: &mut Bench, attributes: Value| {
        bench.about("SetQueueAttributes", json!({ "Attributes": attributes }))
    };
    set(&mut bench, json!({ "Policy": policy })).unwrap();
    let all = bench.attributes(json!(["All"]));
    assert_eq!(all["Policy"], policy);
    assert_eq!(all["MessageRetentionPeriod"], "300");
    assert_eq!(
        all["LastModifiedTimestamp"],
        bench.now.as_second().to_string()
    );

    set(&mut bench, json!({ "Policy": "" })).unwrap();
    assert_eq!(bench.attributes(json!(["Policy"])), Value::Null);
    assert_eq!(
        code(set(&mut bench, json!({ "Policy": "{" }))),
        "InvalidAttributeValue"
    );
    assert_eq!(
        code(set(&mut bench, json!({ "FifoQueue": "true" }))),
        "InvalidAttributeName"
    );
    assert_eq!(
        code(bench.about("SetQueueAttributes", json!({}))),
        "MissingParameter"
    );
}

#[test]
fn the_name_of_a_deleted_queue_rests_for_a_minute() {
    let mut bench = Bench::with_queue(json!({}));
    bench.about("DeleteQueue", json!({})).unwrap();
    let gone = bench.about("DeleteQueue", json!({})).unwrap_err();
    assert_eq!(gone.code, "QueueDoesNotExist");
    assert_eq!(
        gone.query_code,
        Some("AWS.SimpleQueueService.NonExistentQueue")
    );
    bench.wait(59);
    assert_eq!(code(bench.create(NAME, json!({}))), "QueueDeletedRecently");
    bench.wait(1);
    bench.create(NAME, json!({})).unwrap();
}

#[test]
fn queues_are_found_by_name() {
    let mut bench = Bench::with_queue(json!({}));
    let ask = |bench: &mut Bench, name: &str, owner: &str| {
        let parameters = json!({ "QueueName": name, "QueueOwnerAWSAccountId": owner });
        bench.ask("GetQueueUrl", parameters)
    };
    let found = ask(&mut bench, NAME, ACCOUNT).unwrap();
    assert_eq!(found["QueueUrl"], url(ACCOUNT, REGION, NAME));
    assert_eq!(
        code(ask(&mut bench, "absent", ACCOUNT)),
        "QueueDoesNotExist"
    );
    assert_eq!(
        code(ask(&mut bench, NAME, "444455556666")),
        "QueueDoesNotExist"
    );
}

#[test]
fn urls_name_account_and_queue() {
    let mut bench = Bench::with_queue(json!({}));
    let mut ask = |url: &str| bench.ask("ListQueueTags", json!({ "QueueUrl": url }));
    assert!(ask("http://127.0.0.1:4566/111122223333/Karpenter-c").is_ok());
    for (wrong, expected) in [
        (
            "https://sqs.us-east-1.amazonaws.com/444455556666/Karpenter-c",
            "QueueDoesNotExist",
        ),
        (
            "https://sqs.us-east-1.amazonaws.com/111122223333/other",
            "QueueDoesNotExist",
        ),
        (
            "https://sqs.eu-west-1.amazonaws.com/111122223333/Karpenter-c",
            "InvalidAddress",
        ),
        ("Karpenter-c", "InvalidAddress"),
    ] {
        assert_eq!(code(ask(wrong)), expected, "{wrong}");
    }
}

#[test]
fn lists_go_by_prefix_and_page() {
    let mut bench = Bench::new();
    for name in ["b", "a-3", "a-1", "a-2"] {
        bench.create(name, json!({})).unwrap();
    }
    let names = |answer: &Value| -> Vec<String> {
        let urls = answer["QueueUrls"].as_array().unwrap();
        urls.iter()
            .map(|url| url.as_str().unwrap().rsplit_once('/').unwrap().1.to_owned())
            .collect()
    };
    let first = bench
        .ask(
            "ListQueues",
            json!({ "QueueNamePrefix": "a", "MaxResults": 2 }),
        )
        .unwrap();
    assert_eq!(names(&first), ["a-1", "a-2"]);
    let second = bench
        .ask(
            "ListQueues",
            json!({ "QueueNamePrefix": "a", "MaxResults": 2, "NextToken": first["NextToken"] }),
        )
        .unwrap();
    assert_eq!(names(&second), ["a-3"]);
    assert_eq!(second.get("NextToken"), None);
    assert_eq!(names(&bench.ask("ListQueues", json!({})).unwrap()).len(), 4);
    let wrong = bench.ask("ListQueues", json!({ "MaxResults": 0 }));
    assert_eq!(code(wrong), "InvalidParameterValue");
}

#[test]
fn names_that_queues_cannot_have_are_refused() {
    let mut bench = Bench::new();
    for wrong in ["", "a b", "a.b", ".fifo", "x.fifo", &"x".repeat(81)] {
        let refused = code(bench.create(wrong, json!({})));
        assert_eq!(refused, "InvalidParameterValue", "{wrong}");
    }
    let standard = bench.create("x", json!({ "FifoQueue": "true" }));
    assert_eq!(code(standard), "InvalidParameterValue");
    bench
        .create("x.fifo", json!({ "FifoQueue": "true" }))
        .unwrap();
    assert_eq!(
        code(bench.ask("CreateQueue", json!({}))),
        "MissingParameter"
    );
}

#[test]
fn tags_are_added_changed_and_removed() {
    let mut bench = Bench::with_queue(json!({}));
    assert_eq!(bench.about("ListQueueTags", json!({})).unwrap(), json!({}));
    let tag = |bench: &mut Bench, tags: Value| bench.about("TagQueue", json!({ "Tags": tags }));
    tag(&mut bench, json!({ "a": "1", "b": "1" })).unwrap();
    tag(&mut bench, json!({ "b": "2" })).unwrap();
    bench
        .about("UntagQueue", json!({ "TagKeys": ["a"] }))
        .unwrap();
    let tags = bench.about("ListQueueTags", json!({})).unwrap();
    assert_eq!(tags, json!({ "Tags": { "b": "2" } }));
    assert_eq!(
        code(tag(&mut bench, json!({ "aws:x": "1" }))),
        "InvalidParameterValue"
    );
}
