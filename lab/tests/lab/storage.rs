//! EFS, SQS and EventBridge over a socket: each in its own protocol, errors included.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, NONPROD, Response, lab};

/// A request of the JSON protocols.
async fn ask(client: &Client, service: &str, target: &str, body: Value) -> Response {
    let headers = [("x-amz-target", target)];
    client
        .send(
            service,
            Method::POST,
            "/",
            &headers,
            body.to_string().as_bytes(),
        )
        .await
        .unwrap()
}

#[tokio::test]
async fn file_systems_are_rest() {
    let lab = lab().await;
    let client = Client::base(&lab).assume(NONPROD).await;
    let send = async |method: Method, path: &str, body: &str| {
        let path = format!("/2015-02-01{path}");
        client
            .send("elasticfilesystem", method, &path, &[], body.as_bytes())
            .await
            .unwrap()
    };
    let create = r#"{"CreationToken":"t","Encrypted":true}"#;
    let made = send(Method::POST, "/file-systems", create).await;
    assert_eq!(made.status, 201);
    let made: Value = serde_json::from_str(&made.body).unwrap();
    let id = made["FileSystemId"].as_str().unwrap();

    let again = send(Method::POST, "/file-systems", create).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.headers["x-amzn-errortype"], "FileSystemAlreadyExists");
    let error: Value = serde_json::from_str(&again.body).unwrap();
    assert_eq!(
        error,
        json!({
            "ErrorCode": "FileSystemAlreadyExists",
            "Message": format!("File system '{id}' already exists with creation token 't'"),
            "FileSystemId": id,
        })
    );
    let deleted = send(Method::DELETE, &format!("/file-systems/{id}"), "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    let unknown = send(Method::GET, "/replication-configurations", "").await;
    assert_eq!(unknown.status, 404);

    let calls = lab.calls();
    let operations: Vec<_> = calls
        .iter()
        .filter(|call| call.service == "elasticfilesystem")
        .map(|call| call.operation.as_str())
        .collect();
    assert_eq!(
        operations,
        [
            "CreateFileSystem",
            "CreateFileSystem",
            "DeleteFileSystem",
            ""
        ]
    );
}

#[tokio::test]
async fn queues_tell_their_old_error_codes() {
    let lab = lab().await;
    let client = Client::base(&lab).assume(NONPROD).await;
    let made = ask(
        &client,
        "sqs",
        "AmazonSQS.CreateQueue",
        json!({ "QueueName": "q" }),
    )
    .await;
    assert_eq!(made.status, 200);
    assert_eq!(made.headers["content-type"], "application/x-amz-json-1.0");
    let made: Value = serde_json::from_str(&made.body).unwrap();
    assert_eq!(
        made["QueueUrl"],
        format!("https://sqs.us-east-1.amazonaws.com/{NONPROD}/q")
    );
    let absent = json!({ "QueueName": "absent" });
    let refused = ask(&client, "sqs", "AmazonSQS.GetQueueUrl", absent).await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.headers["x-amzn-query-error"],
        "AWS.SimpleQueueService.NonExistentQueue;Sender"
    );
    let error: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(error["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
}

#[tokio::test]
async fn rules_belong_to_their_account() {
    let lab = lab().await;
    let base = Client::base(&lab);
    let client = base.assume(NONPROD).await;
    let rule = json!({ "Name": "r", "EventPattern": r#"{"source":["aws.ec2"]}"# });
    let made = ask(&client, "events", "AWSEvents.PutRule", rule).await;
    assert_eq!(made.status, 200);
    assert_eq!(made.headers["content-type"], "application/x-amz-json-1.1");

    let named = json!({ "Name": "r" });
    let seen = ask(&client, "events", "AWSEvents.DescribeRule", named.clone()).await;
    assert_eq!(seen.status, 200);
    let other = ask(&base, "events", "AWSEvents.DescribeRule", named).await;
    assert_eq!(other.status, 400);
    let error: Value = serde_json::from_str(&other.body).unwrap();
    assert_eq!(error["__type"], "ResourceNotFoundException");
}
