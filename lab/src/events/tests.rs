//! Requests about rules and targets, served from beginning to end.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::call::ServiceError;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:Karpenter-c";
const PATTERN: &str = r#"{"source":["aws.health"],"detail-type":["AWS Health Event"]}"#;

struct Bench(World);

impl Bench {
    fn new() -> Self {
        Self(World::empty(Timestamp::UNIX_EPOCH, [7; 32]))
    }

    fn with_rule(name: &str) -> Self {
        let mut bench = Self::new();
        bench.put_rule(name, json!({})).unwrap();
        bench
    }

    fn ask(&mut self, operation: &str, parameters: Value) -> Result<Value, ServiceError> {
        let call = Call {
            operation: operation.into(),
            account: ACCOUNT.into(),
            region: REGION.into(),
            body: parameters.to_string().into_bytes(),
            ..Call::default()
        };
        let reply = handle(&mut self.0, &call)?;
        Ok(serde_json::from_slice(&reply.body).unwrap())
    }

    fn put_rule(&mut self, name: &str, more: Value) -> Result<Value, ServiceError> {
        let mut rule = json!({ "Name": name, "EventPattern": PATTERN });
        for (member, value) in more.as_object().unwrap() {
            rule[member] = value.clone();
        }
        self.ask("PutRule", rule)
    }

    fn put_target(&mut self, rule: &str, id: &str) -> Result<Value, ServiceError> {
        let target = json!({ "Id": id, "Arn": QUEUE });
        self.ask("PutTargets", json!({ "Rule": rule, "Targets": [target] }))
    }

    fn rule(&mut self, name: &str) -> Value {
        self.ask("DescribeRule", json!({ "Name": name })).unwrap()
    }

    fn targets(&mut self, rule: &str) -> Value {
        let answer = self
            .ask("ListTargetsByRule", json!({ "Rule": rule }))
            .unwrap();
        answer["Targets"].clone()
    }
}

fn code(answer: Result<Value, ServiceError>) -> String {
    let error = answer.expect_err("refused");
    assert_eq!(error.status, 400);
    error.code
}

#[test]
fn a_rule_is_put_and_replaced_as_a_whole() {
    let mut bench = Bench::new();
    let more = json!({ "Description": "health", "Tags": [{ "Key": "a", "Value": "1" }] });
    let made = bench.put_rule("r", more).unwrap();
    let arn = "arn:aws:events:us-east-1:111122223333:rule/r";
    assert_eq!(made, json!({ "RuleArn": arn }));
    assert_eq!(
        bench.rule("r"),
        json!({
            "Name": "r",
            "Arn": arn,
            "State": "ENABLED",
            "EventBusName": "default",
            "EventPattern": PATTERN,
            "Description": "health",
            "CreatedBy": ACCOUNT,
        })
    );
    bench.put_target("r", "t").unwrap();
    let again = json!({ "State": "DISABLED", "Tags": [{ "Key": "b", "Value": "2" }] });
    bench.put_rule("r", again).unwrap();
    let rule = bench.rule("r");
    assert_eq!(rule["State"], "DISABLED");
    assert_eq!(rule.get("Description"), None, "what isn't said is gone");
    assert_eq!(bench.targets("r"), json!([{ "Id": "t", "Arn": QUEUE }]));
    let tags = bench
        .ask("ListTagsForResource", json!({ "ResourceARN": arn }))
        .unwrap();
    assert_eq!(
        tags["Tags"],
        json!([{ "Key": "a", "Value": "1" }]),
        "tags are only for new rules"
    );
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let mut bench = Bench::new();
    for (more, expected) in [
        (json!({ "EventPattern": null }), "ValidationException"),
        (
            json!({ "EventPattern": r#"{"source":"aws.ec2"}"# }),
            "InvalidEventPatternException",
        ),
        (
            json!({ "EventPattern": "x".repeat(4097) }),
            "ValidationException",
        ),
        (
            json!({ "ScheduleExpression": "daily" }),
            "ValidationException",
        ),
        (json!({ "State": "ON" }), "ValidationException"),
        (
            json!({ "Description": "x".repeat(513) }),
            "ValidationException",
        ),
        (
            json!({ "EventBusName": "other" }),
            "ResourceNotFoundException",
        ),
        (
            json!({ "Tags": [{ "Key": "aws:x", "Value": "" }] }),
            "ValidationException",
        ),
    ] {
        assert_eq!(code(bench.put_rule("r", more.clone())), expected, "{more}");
    }
    for name in ["", "a b", &"x".repeat(65)] {
        assert_eq!(
            code(bench.put_rule(name, json!({}))),
            "ValidationException",
            "{name}"
        );
    }
    bench.0.region(ACCOUNT, REGION).events.quotas.rules = 1;
    bench.put_rule("one", json!({})).unwrap();
    bench.put_rule("one", json!({})).unwrap();
    assert_eq!(
        code(bench.put_rule("two", json!({}))),
        "LimitExceededException"
    );
}

#[test]
fn a_rule_with_targets_is_not_deleted_and_one_that_is_absent_is() {
    let mut bench = Bench::with_rule("r");
    bench.put_target("r", "t").unwrap();
    let delete = |bench: &mut Bench| bench.ask("DeleteRule", json!({ "Name": "r" }));
    assert_eq!(code(delete(&mut bench)), "ValidationException");
    let answer = bench
        .ask(
            "RemoveTargets",
            json!({ "Rule": "r", "Ids": ["t", "absent"] }),
        )
        .unwrap();
    assert_eq!(answer["FailedEntryCount"], 0);
    delete(&mut bench).unwrap();
    delete(&mut bench).unwrap();
    assert_eq!(
        code(bench.ask("DescribeRule", json!({ "Name": "r" }))),
        "ResourceNotFoundException"
    );
}

#[test]
fn rules_are_found_by_prefix_and_by_target() {
    let mut bench = Bench::new();
    for name in ["a-1", "a-2", "a-3", "b-1"] {
        bench.put_rule(name, json!({})).unwrap();
    }
    bench.put_target("a-2", "t").unwrap();
    bench.put_target("b-1", "t").unwrap();
    let mut names = Vec::new();
    let mut ask = json!({ "NamePrefix": "a-", "Limit": 2 });
    loop {
        let page = bench.ask("ListRules", ask.clone()).unwrap();
        let rules = page["Rules"].as_array().unwrap();
        names.extend(rules.iter().map(|r| r["Name"].as_str().unwrap().to_owned()));
        let Some(next) = page.get("NextToken") else {
            break;
        };
        ask["NextToken"] = next.clone();
    }
    assert_eq!(names, ["a-1", "a-2", "a-3"]);

    let by_target = |bench: &mut Bench, arn: &str| {
        let answer = bench.ask("ListRuleNamesByTarget", json!({ "TargetArn": arn }));
        answer.unwrap()["RuleNames"].clone()
    };
    assert_eq!(by_target(&mut bench, QUEUE), json!(["a-2", "b-1"]));
    assert_eq!(
        by_target(&mut bench, "arn:aws:sqs:us-east-1:111122223333:x"),
        json!([])
    );
    assert_eq!(
        code(bench.ask("ListRules", json!({ "Limit": 101 }))),
        "ValidationException"
    );
    assert_eq!(
        code(bench.ask("ListRules", json!({ "NextToken": "!" }))),
        "InvalidToken"
    );
}

#[test]
fn rules_are_switched_on_and_off() {
    let mut bench = Bench::with_rule("r");
    for (operation, state) in [("DisableRule", "DISABLED"), ("EnableRule", "ENABLED")] {
        bench.ask(operation, json!({ "Name": "r" })).unwrap();
        assert_eq!(bench.rule("r")["State"], state);
    }
    assert_eq!(
        code(bench.ask("EnableRule", json!({ "Name": "absent" }))),
        "ResourceNotFoundException"
    );
}

#[test]
fn targets_are_replaced_by_id_and_checked() {
    let mut bench = Bench::with_rule("r");
    let put = |bench: &mut Bench, targets: Value| {
        bench.ask("PutTargets", json!({ "Rule": "r", "Targets": targets }))
    };
    bench.put_target("r", "t").unwrap();
    put(
        &mut bench,
        json!([{ "Id": "t", "Arn": QUEUE, "Input": "{}" }]),
    )
    .unwrap();
    assert_eq!(
        bench.targets("r"),
        json!([{ "Id": "t", "Arn": QUEUE, "Input": "{}" }])
    );

    for (wrong, expected) in [
        (json!([]), "ValidationException"),
        (
            json!([{ "Id": "a b", "Arn": QUEUE }]),
            "ValidationException",
        ),
        (
            json!([{ "Id": "x", "Arn": "queue" }]),
            "ValidationException",
        ),
        (
            json!([{ "Id": "x", "Arn": QUEUE, "Input": "{" }]),
            "ValidationException",
        ),
        (
            json!([{ "Id": "x", "Arn": QUEUE, "Input": "{}", "InputPath": "$" }]),
            "ValidationException",
        ),
        (
            json!([{ "Id": "x", "Arn": format!("{QUEUE}.fifo") }]),
            "ValidationException",
        ),
        (
            json!([{ "Id": "x", "Arn": QUEUE, "RetryPolicy": { "MaximumRetryAttempts": 186 } }]),
            "ValidationException",
        ),
    ] {
        assert_eq!(code(put(&mut bench, wrong.clone())), expected, "{wrong}");
    }
    let many = |n: usize| -> Value {
        (0..n)
            .map(|i| json!({ "Id": format!("n{i}"), "Arn": QUEUE }))
            .collect()
    };
    assert_eq!(code(put(&mut bench, many(11))), "ValidationException");
    assert_eq!(code(put(&mut bench, many(5))), "LimitExceededException");
    put(&mut bench, many(4)).unwrap();
    assert_eq!(
        code(bench.put_target("absent", "t")),
        "ResourceNotFoundException"
    );
}

#[test]
fn a_target_that_fails_is_told_and_the_others_are_put() {
    let mut bench = Bench::with_rule("r");
    bench
        .0
        .region(ACCOUNT, REGION)
        .events
        .failures
        .push(TargetFailure {
            rule_contains: String::new(),
            code: "ConcurrentModificationException".into(),
            times: Some(1),
        });
    let targets = json!([{ "Id": "a", "Arn": QUEUE }, { "Id": "b", "Arn": QUEUE }]);
    let put = json!({ "Rule": "r", "Targets": targets });
    let answer = bench.ask("PutTargets", put.clone()).unwrap();
    assert_eq!(answer["FailedEntryCount"], 1);
    assert_eq!(answer["FailedEntries"][0]["TargetId"], "a");
    assert_eq!(
        answer["FailedEntries"][0]["ErrorCode"],
        "ConcurrentModificationException"
    );
    assert_eq!(bench.targets("r"), json!([{ "Id": "b", "Arn": QUEUE }]));

    let answer = bench.ask("PutTargets", put).unwrap();
    assert_eq!(
        answer,
        json!({ "FailedEntryCount": 0, "FailedEntries": [] })
    );
    assert_eq!(bench.targets("r"), targets);
}

#[test]
fn tags_are_added_changed_and_removed() {
    let mut bench = Bench::with_rule("r");
    let arn = rule_arn(ACCOUNT, REGION, "r");
    let tag = |key: &str, value: &str| json!({ "Key": key, "Value": value });
    let mut put =
        |tags: Value| bench.ask("TagResource", json!({ "ResourceARN": arn, "Tags": tags }));
    put(json!([tag("a", "1"), tag("b", "1")])).unwrap();
    put(json!([tag("b", "2")])).unwrap();
    bench
        .ask(
            "UntagResource",
            json!({ "ResourceARN": arn, "TagKeys": ["a"] }),
        )
        .unwrap();
    let tags = bench
        .ask("ListTagsForResource", json!({ "ResourceARN": arn }))
        .unwrap();
    assert_eq!(tags["Tags"], json!([tag("b", "2")]));
    for (arn, expected) in [
        (
            rule_arn(ACCOUNT, REGION, "absent"),
            "ResourceNotFoundException",
        ),
        (rule_arn(ACCOUNT, "eu-west-1", "r"), "ValidationException"),
    ] {
        let refused = bench.ask("ListTagsForResource", json!({ "ResourceARN": arn }));
        assert_eq!(code(refused), expected);
    }
}
