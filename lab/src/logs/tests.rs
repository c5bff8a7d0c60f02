//! CloudWatch Logs from request to answer.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::handle;
use crate::call::Call;
use crate::world::World;

const GROUP: &str = "/aws/eks/c/cluster";
const ARN: &str = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/eks/c/cluster";

fn ask(world: &mut World, operation: &str, parameters: Value) -> Result<Value, String> {
    let call = Call {
        operation: operation.to_owned(),
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        body: parameters.to_string().into_bytes(),
        now: Timestamp::from_second(1_795_420_800).unwrap(),
        ..Call::default()
    };
    let reply = handle(world, &call).map_err(|error| error.code)?;
    if reply.body.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_slice(&reply.body).unwrap())
}

fn world_with(groups: &[&str]) -> World {
    let mut world = World::empty(Timestamp::UNIX_EPOCH, [4; 32]);
    for name in groups {
        ask(
            &mut world,
            "CreateLogGroup",
            json!({ "logGroupName": name }),
        )
        .unwrap();
    }
    world
}

#[test]
fn a_group_is_made_once_and_told_whole() {
    let mut world = world_with(&[GROUP]);
    let again = ask(
        &mut world,
        "CreateLogGroup",
        json!({ "logGroupName": GROUP }),
    );
    assert_eq!(again, Err("ResourceAlreadyExistsException".into()));

    let retention = |days: u32| json!({ "logGroupName": GROUP, "retentionInDays": days });
    assert_eq!(
        ask(&mut world, "PutRetentionPolicy", retention(91)),
        Err("InvalidParameterException".into())
    );
    ask(&mut world, "PutRetentionPolicy", retention(90)).unwrap();
    let found = ask(
        &mut world,
        "DescribeLogGroups",
        json!({ "logGroupNamePrefix": "/aws/eks/" }),
    )
    .unwrap();
    assert_eq!(
        found,
        json!({ "logGroups": [{
            "logGroupName": GROUP,
            "creationTime": 1_795_420_800_000_i64,
            "metricFilterCount": 0,
            "arn": format!("{ARN}:*"),
            "storedBytes": 0,
            "logGroupClass": "STANDARD",
            "logGroupArn": ARN,
            "deletionProtectionEnabled": false,
            "retentionInDays": 90,
        }] })
    );
    ask(
        &mut world,
        "DeleteRetentionPolicy",
        json!({ "logGroupName": GROUP }),
    )
    .unwrap();
    let found = ask(&mut world, "DescribeLogGroups", json!({})).unwrap();
    assert_eq!(found["logGroups"][0].get("retentionInDays"), None);

    ask(
        &mut world,
        "DeleteLogGroup",
        json!({ "logGroupName": GROUP }),
    )
    .unwrap();
    assert_eq!(
        ask(
            &mut world,
            "DeleteLogGroup",
            json!({ "logGroupName": GROUP })
        ),
        Err("ResourceNotFoundException".into())
    );
}

#[test]
fn a_protected_group_stays() {
    let mut world = world_with(&[GROUP]);
    let protect = |on: bool| json!({ "logGroupIdentifier": ARN, "deletionProtectionEnabled": on });
    let delete = json!({ "logGroupName": GROUP });
    ask(&mut world, "PutLogGroupDeletionProtection", protect(true)).unwrap();
    assert_eq!(
        ask(&mut world, "DeleteLogGroup", delete.clone()),
        Err("ValidationException".into())
    );
    ask(&mut world, "PutLogGroupDeletionProtection", protect(false)).unwrap();
    assert_eq!(ask(&mut world, "DeleteLogGroup", delete), Ok(Value::Null));
}

#[test]
fn groups_are_found_by_prefix_or_part_and_paged() {
    let mut world = world_with(&["/aws/eks/a/cluster", "/aws/eks/b/cluster", "/aws/lambda/a"]);
    let mut names = |request: Value| -> Vec<String> {
        let found = ask(&mut world, "DescribeLogGroups", request).unwrap();
        let groups = found["logGroups"].as_array().unwrap();
        let name = |group: &Value| group["logGroupName"].as_str().unwrap().to_owned();
        groups.iter().map(name).collect()
    };
    assert_eq!(names(json!({ "logGroupNamePrefix": "/aws/eks/" })).len(), 2);
    assert_eq!(
        names(json!({ "logGroupNamePattern": "LAMBDA" })),
        ["/aws/lambda/a"]
    );
    let first = ask(&mut world, "DescribeLogGroups", json!({ "limit": 2 })).unwrap();
    assert_eq!(first["logGroups"].as_array().unwrap().len(), 2);
    let next = json!({ "limit": 2, "nextToken": first["nextToken"] });
    let second = ask(&mut world, "DescribeLogGroups", next).unwrap();
    assert_eq!(second["logGroups"][0]["logGroupName"], "/aws/lambda/a");
    assert_eq!(second.get("nextToken"), None);
    for wrong in [
        json!({ "limit": 51 }),
        json!({ "nextToken": "!" }),
        json!({ "logGroupNamePrefix": "/a", "logGroupNamePattern": "b" }),
    ] {
        assert_eq!(
            ask(&mut world, "DescribeLogGroups", wrong.clone()),
            Err("InvalidParameterException".into()),
            "{wrong}"
        );
    }
}

#[test]
fn tags_are_known_by_arn() {
    let mut world = world_with(&[GROUP]);
    let tag = json!({ "resourceArn": ARN, "tags": { "cluster": "c", "role": "qa" } });
    ask(&mut world, "TagResource", tag).unwrap();
    let untag = json!({ "resourceArn": format!("{ARN}:*"), "tagKeys": ["role"] });
    ask(&mut world, "UntagResource", untag).unwrap();
    let tags = ask(
        &mut world,
        "ListTagsForResource",
        json!({ "resourceArn": ARN }),
    );
    assert_eq!(tags, Ok(json!({ "tags": { "cluster": "c" } })));
    let other = json!({ "resourceArn": "arn:aws:logs:us-east-1:111122223333:log-group:x" });
    assert_eq!(
        ask(&mut world, "ListTagsForResource", other),
        Err("ResourceNotFoundException".into())
    );
}

#[test]
fn a_key_has_to_exist() {
    let mut world = world_with(&[]);
    let group = json!({
        "logGroupName": GROUP,
        "kmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000000",
    });
    assert_eq!(
        ask(&mut world, "CreateLogGroup", group),
        Err("InvalidParameterException".into())
    );
    assert_eq!(
        ask(
            &mut world,
            "CreateLogGroup",
            json!({ "logGroupName": "a b" })
        ),
        Err("InvalidParameterException".into())
    );
}
