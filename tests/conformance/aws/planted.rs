//! Differences that are planted in right exchanges, each of which the validator has to find.

use serde_json::{Value as Json, json};

use super::VALIDATOR;
use crate::python::Python;

/// An exchange with nothing wrong in it.
fn right(service: &str, operation: &str, request: Json, response: Json) -> Json {
    json!({ "service": service, "operation": operation, "request": request, "response": response })
}

fn json_1_1(target: &str, body: &str) -> Json {
    json!({
        "method": "POST",
        "target": "/",
        "headers": [["content-type", "application/x-amz-json-1.1"], ["x-amz-target", target]],
        "body": body,
    })
}

fn form(body: &str) -> Json {
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    json!({ "method": "POST", "target": "/", "headers": [["content-type", kind]], "body": body })
}

fn answer(content_type: &str, status: u16, body: &str) -> Json {
    json!({ "status": status, "headers": [["content-type", content_type]], "body": body })
}

fn refusal(code: &str, status: u16, body: &str) -> Json {
    let headers = [
        ["content-type", "application/json"],
        ["x-amzn-errortype", code],
    ];
    json!({ "status": status, "headers": headers, "body": body })
}

/// One exchange in each protocol, and refusals.
fn exchanges() -> Vec<Json> {
    let xml = |body: &str| answer("text/xml", 200, body);
    vec![
        right(
            "kms",
            "GetKeyRotationStatus",
            json_1_1("TrentService.GetKeyRotationStatus", r#"{"KeyId":"1"}"#),
            answer(
                "application/x-amz-json-1.1",
                200,
                r#"{"KeyRotationEnabled":true,"RotationPeriodInDays":365}"#,
            ),
        ),
        right(
            "eks",
            "CreateCluster",
            json!({
                "method": "POST",
                "target": "/clusters",
                "headers": [["content-type", "application/json"]],
                "body": r#"{"name":"c","roleArn":"r","resourcesVpcConfig":{"subnetIds":["s"]},"tags":{"a":"b"}}"#,
            }),
            answer(
                "application/json",
                200,
                r#"{"cluster":{"name":"c","status":"ACTIVE","createdAt":1.5,"tags":{"a":"b"}}}"#,
            ),
        ),
        right(
            "eks",
            "DescribeCluster",
            json!({ "method": "GET", "target": "/clusters/c", "headers": [], "body": "" }),
            refusal(
                "ResourceNotFoundException",
                404,
                r#"{"message":"none","clusterName":"c"}"#,
            ),
        ),
        right(
            "iam",
            "ListRolePolicies",
            form("Action=ListRolePolicies&Version=2010-05-08&RoleName=r&MaxItems=10"),
            xml(
                "<ListRolePoliciesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
                 <ListRolePoliciesResult><PolicyNames><member>p</member></PolicyNames>\
                 <IsTruncated>false</IsTruncated></ListRolePoliciesResult><ResponseMetadata>\
                 <RequestId>1</RequestId></ResponseMetadata></ListRolePoliciesResponse>",
            ),
        ),
        right(
            "ec2",
            "DescribeTags",
            form("Action=DescribeTags&Version=2016-11-15&Filter.1.Name=key&Filter.1.Value.1=a"),
            xml(
                "<DescribeTagsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
                 <requestId>1</requestId><tagSet><item><resourceId>i</resourceId>\
                 <resourceType>instance</resourceType><key>a</key><value>b</value></item></tagSet>\
                 </DescribeTagsResponse>",
            ),
        ),
    ]
}

/// What is found in these exchanges.
fn problems(python: &Python, exchanges: &[Json]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let transcript = directory.path().join("transcript");
    let lines: String = exchanges.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&transcript, lines).unwrap();
    python.validate(VALIDATOR, &transcript).problems()
}

/// What is said in a transcript, what is said instead of it, and what the validator has to say to that.
const PLANTED: [[&str; 3]; 19] = [
    // Of requests.
    [
        r#""KeyId\":"#,
        r#""KeyID\":"#,
        "the model has no member KeyID",
    ],
    [
        r#"{\"KeyId\":\"1\"}"#,
        "{}",
        "required member KeyId is missing",
    ],
    [
        "TrentService.Get",
        "Trent.Get",
        "x-amz-target is 'Trent.GetKey",
    ],
    [
        "{\"subnetIds\":[\"s\"]}",
        "{\"subnetIds\":[1]}",
        "subnetIds[0]: a string expected, found 1",
    ],
    [
        "\"target\":\"/clusters\"",
        "\"target\":\"/cluster\"",
        "path /cluster, the model says /clusters",
    ],
    [
        "MaxItems=10",
        "MaxItems=0",
        "0 is less than maxItemsType's least 1",
    ],
    [
        "RoleName=r",
        "RoleName=r%20x",
        "doesn't match roleNameType's pattern",
    ],
    [
        "&RoleName",
        "&Role=x&RoleName",
        "the model has no parameter Role",
    ],
    [
        "Version=2016-11-15",
        "Version=2014-01-01",
        "Version is '2014-01-01'",
    ],
    // Of answers.
    [
        "\"KeyRotationEnabled\":true",
        "\"KeyRotationEnabled\":1",
        "a boolean expected, found 1",
    ],
    [
        "\"RotationPeriodInDays\":365",
        "\"RotationPeriodInDays\":9",
        "9 is less than",
    ],
    [
        "\"status\":\"ACTIVE\"",
        "\"status\":\"ALIVE\"",
        "'ALIVE' is none of the",
    ],
    [
        "\"createdAt\":1.5",
        "\"createdAt\":\"now\"",
        "a timestamp expected, found 'now'",
    ],
    [
        "\"createdAt\":1.5",
        "\"madeAt\":1.5",
        "the model has no member madeAt",
    ],
    [
        "<IsTruncated>false",
        "<IsTruncated>no",
        "'no' isn't a boolean",
    ],
    [
        "<PolicyNames><member>p</member></PolicyNames>",
        "",
        "required member PolicyNames is missing",
    ],
    [
        "<member>p</member>",
        "<item>p</item>",
        "element is 'item', expected 'member'",
    ],
    [
        "<resourceType>instance",
        "<resourceType>thing",
        "'thing' is none of the",
    ],
    [
        "<value>b</value>",
        "<worth>b</worth>",
        "the model has no element worth",
    ],
];

#[test]
fn every_planted_difference_is_found() {
    let Some(python) = Python::new() else { return };
    let exchanges = exchanges();
    assert_eq!(problems(&python, &exchanges), [""; 0]);
    // Within the JSON of a body quotes are escaped once more.
    let escaped = |text: &str| text.replace('\\', "").replace('"', "\\\"");
    let all = serde_json::to_string(&exchanges).unwrap();
    let planted = PLANTED.iter().flat_map(|[old, new, _]| {
        let (old, new) = match all.contains(old) {
            true => ((*old).to_owned(), (*new).to_owned()),
            false => (escaped(old), escaped(new)),
        };
        assert_eq!(all.matches(&old).count(), 1, "{old}");
        let planted: Vec<Json> = serde_json::from_str(&all.replace(&old, &new)).unwrap();
        planted
    });
    found(
        &python,
        &planted.collect::<Vec<_>>(),
        PLANTED.map(|[_, _, told]| told),
    );
}

#[test]
fn errors_are_held_to_the_models_too() {
    let Some(python) = Python::new() else { return };
    let request = json!({ "method": "GET", "target": "/clusters/c", "headers": [], "body": "" });
    let planted = [
        (
            refusal("NoSuchCluster", 404, "{}"),
            "refused with 'NoSuchCluster'",
        ),
        (
            refusal("ResourceNotFoundException", 400, "{}"),
            "status 400, the model says 404",
        ),
        (
            refusal("ResourceNotFoundException", 404, r#"{"cluster":"c"}"#),
            "the model has no member cluster",
        ),
        (
            answer("application/json", 404, "{}"),
            "an error without x-amzn-errortype",
        ),
    ];
    let told = planted.each_ref().map(|(_, told)| *told);
    let planted =
        planted.map(|(response, _)| right("eks", "DescribeCluster", request.clone(), response));
    found(&python, &planted, told);
}

/// Makes sure that all of that is found in these exchanges.
#[track_caller]
fn found<const N: usize>(python: &Python, exchanges: &[Json], told: [&str; N]) {
    let problems = problems(python, exchanges);
    for told in told {
        let is_told = problems.iter().any(|problem| problem.contains(told));
        assert!(is_told, "{told} isn't among {problems:#?}");
    }
}
