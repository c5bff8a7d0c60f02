//! KMS from request to answer.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::handle;
use crate::call::Call;
use crate::world::World;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

struct Bench {
    world: World,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let now = "2026-11-23T08:00:00Z".parse().unwrap();
        Self {
            world: World::empty(now, [3; 32]),
            now,
        }
    }

    fn ask(&mut self, operation: &str, parameters: Value) -> Result<Value, String> {
        let call = Call {
            operation: operation.to_owned(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            principal: format!("arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/run"),
            body: parameters.to_string().into_bytes(),
            now: self.now,
            ..Call::default()
        };
        let reply = handle(&mut self.world, &call).map_err(|error| error.code)?;
        if reply.body.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&reply.body).unwrap())
    }

    fn key(&mut self) -> String {
        let made = self.ask("CreateKey", json!({})).unwrap();
        made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    fn days_pass(&mut self, days: i64) {
        self.now += SignedDuration::from_hours(24 * days);
    }

    fn state(&mut self, key: &str) -> Value {
        let answer = self.ask("DescribeKey", json!({ "KeyId": key })).unwrap();
        answer["KeyMetadata"]["KeyState"].clone()
    }
}

fn refused<T: std::fmt::Debug>(code: &str) -> Result<T, String> {
    Err(code.to_owned())
}

#[test]
fn a_key_is_found_by_id_arn_and_alias() {
    let mut bench = Bench::new();
    let id = bench.key();
    let alias = json!({ "AliasName": "alias/eks/c", "TargetKeyId": id });
    assert_eq!(bench.ask("CreateAlias", alias.clone()), Ok(Value::Null));
    assert_eq!(
        bench.ask("CreateAlias", alias),
        refused("AlreadyExistsException")
    );

    let prefix = format!("arn:aws:kms:{REGION}:{ACCOUNT}:");
    for name in [
        id.clone(),
        format!("{prefix}key/{id}"),
        "alias/eks/c".to_owned(),
        format!("{prefix}alias/eks/c"),
    ] {
        let answer = bench.ask("DescribeKey", json!({ "KeyId": name })).unwrap();
        let metadata = &answer["KeyMetadata"];
        assert_eq!(metadata["KeyId"], id, "{name}");
        assert_eq!(metadata["Arn"], format!("{prefix}key/{id}"));
        assert_eq!(metadata["KeyState"], "Enabled");
    }
    for name in [
        "alias/eks/other".to_owned(),
        "00000000-0000-4000-8000-000000000000".to_owned(),
        format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{id}"),
    ] {
        assert_eq!(
            bench.ask("DescribeKey", json!({ "KeyId": name })),
            refused("NotFoundException"),
            "{name}"
        );
    }
    assert_eq!(
        bench.ask("EnableKeyRotation", json!({ "KeyId": "alias/eks/c" })),
        refused("NotFoundException"),
        "only DescribeKey takes aliases"
    );
}

#[test]
fn aliases_have_a_grammar_and_are_listed_by_key() {
    let mut bench = Bench::new();
    let (one, other) = (bench.key(), bench.key());
    for (name, code) in [
        ("eks/c", "ValidationException"),
        ("alias/aws/eks", "NotAuthorizedException"),
        ("alias/a b", "InvalidAliasNameException"),
    ] {
        let alias = json!({ "AliasName": name, "TargetKeyId": one });
        assert_eq!(bench.ask("CreateAlias", alias), refused(code), "{name}");
    }
    for (name, key) in [("alias/a", &one), ("alias/b", &other)] {
        let alias = json!({ "AliasName": name, "TargetKeyId": key });
        bench.ask("CreateAlias", alias).unwrap();
    }
    let all = bench.ask("ListAliases", json!({})).unwrap();
    assert_eq!(all["Aliases"].as_array().unwrap().len(), 2);
    assert_eq!(all["Truncated"], false);
    let own = bench.ask("ListAliases", json!({ "KeyId": other })).unwrap();
    assert_eq!(own["Aliases"][0]["AliasName"], "alias/b");
    assert_eq!(own["Aliases"].as_array().unwrap().len(), 1);

    bench
        .ask("DeleteAlias", json!({ "AliasName": "alias/b" }))
        .unwrap();
    assert_eq!(
        bench.ask("DeleteAlias", json!({ "AliasName": "alias/b" })),
        refused("NotFoundException")
    );
}

#[test]
fn rotation_is_told_with_its_next_date() {
    let mut bench = Bench::new();
    let key = json!({ "KeyId": bench.key() });
    let status = bench.ask("GetKeyRotationStatus", key.clone()).unwrap();
    assert_eq!(status["KeyRotationEnabled"], false);
    bench.ask("EnableKeyRotation", key.clone()).unwrap();
    let begun = bench.now.as_second();
    bench.days_pass(400);
    let status = bench.ask("GetKeyRotationStatus", key.clone()).unwrap();
    assert_eq!(status["KeyRotationEnabled"], true);
    assert_eq!(status["RotationPeriodInDays"], 365);
    let next = status["NextRotationDate"].as_f64().unwrap();
    assert!((next - (begun + 2 * 365 * 86400) as f64).abs() < 1.0);

    let often = json!({ "KeyId": key["KeyId"], "RotationPeriodInDays": 30 });
    assert_eq!(
        bench.ask("EnableKeyRotation", often),
        refused("ValidationException")
    );
    bench.ask("DisableKey", key.clone()).unwrap();
    assert_eq!(
        bench.ask("DisableKeyRotation", key),
        refused("DisabledException")
    );
}

#[test]
fn a_deletion_can_be_called_off_until_it_is_done() {
    let mut bench = Bench::new();
    let id = bench.key();
    let key = json!({ "KeyId": id });
    bench
        .ask(
            "CreateAlias",
            json!({ "AliasName": "alias/a", "TargetKeyId": id }),
        )
        .unwrap();
    let soon = json!({ "KeyId": id, "PendingWindowInDays": 6 });
    assert_eq!(
        bench.ask("ScheduleKeyDeletion", soon),
        refused("ValidationException")
    );
    let answer = bench.ask("ScheduleKeyDeletion", key.clone()).unwrap();
    assert_eq!(answer["PendingWindowInDays"], 30);
    for operation in [
        "ScheduleKeyDeletion",
        "EnableKeyRotation",
        "EnableKey",
        "DisableKey",
    ] {
        assert_eq!(
            bench.ask(operation, key.clone()),
            refused("KMSInvalidStateException"),
            "{operation}"
        );
    }
    bench.days_pass(29);
    assert_eq!(bench.state(&id), "PendingDeletion");
    bench.ask("CancelKeyDeletion", key.clone()).unwrap();
    assert_eq!(bench.state(&id), "Disabled");
    assert_eq!(
        bench.ask("CancelKeyDeletion", key.clone()),
        refused("KMSInvalidStateException")
    );

    bench.ask("ScheduleKeyDeletion", key.clone()).unwrap();
    bench.days_pass(30);
    assert_eq!(bench.ask("DescribeKey", key), refused("NotFoundException"));
    let aliases = bench.ask("ListAliases", json!({})).unwrap();
    assert_eq!(aliases["Aliases"], json!([]), "they go with their key");
}

#[test]
fn a_policy_must_not_lock_its_author_out() {
    let mut bench = Bench::new();
    let id = bench.key();
    let policy = |principal: &str, action: &str| {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Sid": "Use of the key", "Effect": "Allow", "Principal": { "AWS": principal },
            "Action": action, "Resource": "*" }] })
        .to_string()
    };
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let put = |policy: String| json!({ "KeyId": id, "Policy": policy });
    assert_eq!(
        bench.ask("PutKeyPolicy", put(policy(&root, "kms:*"))),
        Ok(Value::Null)
    );
    for (principal, action) in [
        (root.clone(), "kms:Encrypt"),
        (format!("arn:aws:iam::{ACCOUNT}:role/absent"), "kms:*"),
    ] {
        assert_eq!(
            bench.ask("PutKeyPolicy", put(policy(&principal, action))),
            refused("MalformedPolicyDocumentException"),
            "{principal} {action}"
        );
    }
    let answer = bench
        .ask(
            "GetKeyPolicy",
            json!({ "KeyId": id, "PolicyName": "default" }),
        )
        .unwrap();
    let kept: Value = serde_json::from_str(answer["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(kept["Statement"][0]["Action"], "kms:*");
}

#[test]
fn tags_and_grants_are_kept() {
    let mut bench = Bench::new();
    let tag = |key: &str, value: &str| json!({ "TagKey": key, "TagValue": value });
    let made = bench
        .ask(
            "CreateKey",
            json!({ "Tags": [tag("cluster", "c"), tag("role", "qa")] }),
        )
        .unwrap();
    let id = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    bench
        .ask(
            "TagResource",
            json!({ "KeyId": id, "Tags": [tag("role", "prod")] }),
        )
        .unwrap();
    bench
        .ask(
            "UntagResource",
            json!({ "KeyId": id, "TagKeys": ["cluster"] }),
        )
        .unwrap();
    let tags = bench
        .ask("ListResourceTags", json!({ "KeyId": id }))
        .unwrap();
    assert_eq!(tags["Tags"], json!([tag("role", "prod")]));
    let reserved = json!({ "KeyId": id, "Tags": [tag("aws:x", "y")] });
    assert_eq!(bench.ask("TagResource", reserved), refused("TagException"));

    let grant = |name: Value| {
        json!({ "KeyId": id, "GranteePrincipal": "arn:aws:iam::111122223333:role/r",
                "Operations": ["Encrypt", "Decrypt"], "Name": name })
    };
    let first = bench.ask("CreateGrant", grant("n".into())).unwrap();
    let again = bench.ask("CreateGrant", grant("n".into())).unwrap();
    assert_eq!(first["GrantId"], again["GrantId"]);
    let other = bench.ask("CreateGrant", grant(Value::Null)).unwrap();
    assert_ne!(first["GrantId"], other["GrantId"]);
    bench
        .ask(
            "RevokeGrant",
            json!({ "KeyId": id, "GrantId": other["GrantId"] }),
        )
        .unwrap();
    let grants = bench.ask("ListGrants", json!({ "KeyId": id })).unwrap();
    assert_eq!(grants["Grants"].as_array().unwrap().len(), 1);
}

#[test]
fn lists_are_paged() {
    let mut bench = Bench::new();
    let mut keys: Vec<String> = (0..5).map(|_| bench.key()).collect();
    keys.sort();
    let mut seen = Vec::new();
    let mut request = json!({ "Limit": 2 });
    loop {
        let page = bench.ask("ListKeys", request.clone()).unwrap();
        let ids = page["Keys"].as_array().unwrap();
        seen.extend(
            ids.iter()
                .map(|key| key["KeyId"].as_str().unwrap().to_owned()),
        );
        if page["Truncated"] == false {
            break;
        }
        request["Marker"] = page["NextMarker"].clone();
    }
    assert_eq!(seen, keys);
    assert_eq!(
        bench.ask("ListKeys", json!({ "Limit": 0 })),
        refused("ValidationException")
    );
}
