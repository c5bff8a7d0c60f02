//! How a world is served: faults, the journal, stopping, and keeping it between runs.

use std::path::Path;

use crate::client::{Client, NONPROD, ROLE, Response, form_body, lab, plain, seed, world};
use http::Method;
use psk_lab::faults::Faults;
use psk_lab::iam::Role;
use psk_lab::state;
use psk_lab::{Lab, LabError, Options};

async fn lab_with(faults: &str) -> Lab {
    let faults = Faults::parse(faults, Path::new("faults.json")).unwrap();
    Lab::start(
        world(),
        Options {
            faults,
            ..Options::default()
        },
    )
    .await
    .unwrap()
}

async fn read_parameter(client: &Client, name: &str) -> Option<Response> {
    let target = [("x-amz-target", "AmazonSSM.GetParameters")];
    let body = format!(r#"{{"Names":["{name}"]}}"#);
    client
        .send("ssm", Method::POST, "/", &target, body.as_bytes())
        .await
}

#[tokio::test]
async fn each_service_throttles_in_its_own_words() {
    let lab = lab_with(r#"{"rules":[{"effect":"throttle"}]}"#).await;
    let client = Client::base(&lab);
    let answer = client.query("sts", "GetCallerIdentity", &[]).await;
    assert_eq!(answer.error(), (400, "Throttling"));
    let answer = client.query("ec2", "DescribeVpcs", &[]).await;
    assert_eq!(answer.error(), (503, "RequestLimitExceeded"));
    let target = [("x-amz-target", "AmazonSSM.GetParameter")];
    let answer = client
        .send("ssm", Method::POST, "/", &target, b"{}")
        .await
        .unwrap();
    assert_eq!(answer.headers["x-amzn-errortype"], "ThrottlingException");
    let answer = client
        .send("eks", Method::GET, "/clusters", &[], b"")
        .await
        .unwrap();
    assert_eq!(answer.status, 429);
    assert_eq!(answer.headers["x-amzn-errortype"], "ThrottlingException");
    let answer = plain(Method::GET, &format!("{}/health", client.endpoint), &[], "").await;
    assert_eq!(answer.unwrap().status, 429);
}

#[tokio::test]
async fn a_rule_hits_the_call_that_it_counts() {
    let error = r#"{"error":{"status":500,"code":"ServerException","message":"down"}}"#;
    let rule = format!(r#"{{"service":"ssm","contains":"/a","at":2,"effect":{error}}}"#);
    let lab = lab_with(&format!(r#"{{"rules":[{rule}]}}"#)).await;
    let client = Client::base(&lab);
    let mut statuses = Vec::new();
    for name in ["/a", "/b", "/a", "/a"] {
        statuses.push(read_parameter(&client, name).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 500, 200]);
}

#[tokio::test]
async fn a_reset_before_does_nothing_and_a_reset_after_does_it() {
    let sessions = |lab: &Lab| {
        lab.with_world(|world| {
            world
                .credentials
                .values()
                .filter(|k| k.session.is_some())
                .count()
        })
    };
    for (effect, expected) in [("reset", 0), ("reset_after", 1)] {
        let rule = format!(r#"{{"rules":[{{"operation":"AssumeRole","effect":"{effect}"}}]}}"#);
        let lab = lab_with(&rule).await;
        let arn = format!("arn:aws:iam::{NONPROD}:role/{}", ROLE);
        let body = form_body(
            "AssumeRole",
            &[("RoleArn", &arn), ("RoleSessionName", "test")],
        );
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let client = Client::base(&lab);
        let answer = client
            .send("sts", Method::POST, "/", &form, body.as_bytes())
            .await;
        assert!(answer.is_none(), "{effect}: the connection is closed");
        assert_eq!(sessions(&lab), expected, "{effect}");
        assert_eq!(lab.calls()[0].status, None);
    }
}

#[tokio::test]
async fn a_call_that_waits_holds_up_no_other_and_ends_with_the_lab() {
    let lab = lab_with(r#"{"latency_ms":1,"rules":[{"contains":"/slow","effect":"hang"}]}"#).await;
    let client = Client::base(&lab);
    let slow = tokio::spawn({
        let client = client.clone();
        async move { read_parameter(&client, "/slow").await.is_none() }
    });
    while lab.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let others = (0..50).map(|_| read_parameter(&client, "/a"));
    for answer in futures::future::join_all(others).await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert!(!slow.is_finished());
    lab.stop().await.unwrap();
    assert!(slow.await.unwrap(), "it ends without an answer");
}

#[tokio::test]
async fn the_journal_tells_what_was_asked() {
    let lab = lab().await;
    let session = Client::base(&lab).assume(NONPROD).await;
    session
        .query("ec2", "DescribeVpcs", &[("VpcId.1", "vpc-1")])
        .await;
    let liar = Client {
        secret: "x".into(),
        ..session
    };
    liar.query("ec2", "DescribeVpcs", &[]).await;
    let told: Vec<String> = lab
        .calls()
        .iter()
        .map(|c| format!("{} {} {} {:?}", c.service, c.operation, c.account, c.status))
        .collect();
    assert_eq!(
        told,
        [
            "sts AssumeRole 555566667777 Some(200)",
            "ec2 DescribeVpcs 111122223333 Some(400)",
            "ec2 DescribeVpcs  Some(401)",
        ]
    );
}

#[tokio::test]
async fn a_kept_world_knows_its_keys_again_and_takes_in_what_is_new() {
    let directory = tempfile::tempdir().unwrap();
    let state = Some(directory.path().to_owned());
    let options = Options {
        state,
        ..Options::default()
    };
    let lab = Lab::start(world(), options.clone()).await.unwrap();
    assert!(
        state::load(directory.path()).unwrap().is_some(),
        "kept from the start"
    );
    let session = Client::base(&lab).assume(NONPROD).await;
    lab.stop().await.unwrap();

    let mut kept = state::load(directory.path()).unwrap().unwrap();
    let mut larger = seed();
    larger.clusters.push(psk_lab::seed::ClusterSeed {
        name: "new".into(),
        account: NONPROD.into(),
        region: "us-east-1".into(),
        node_tier: "node".into(),
        intra_tier: "intra".into(),
        ..Default::default()
    });
    larger.extend(&mut kept);
    let lab = Lab::start(kept, options).await.unwrap();
    let session = Client {
        endpoint: Client::base(&lab).endpoint,
        ..session
    };
    let answer = session.query("ec2", "DescribeVpcs", &[]).await;
    assert_eq!(answer.body.matches("<vpcId>").count(), 2, "{}", answer.body);
}

#[tokio::test]
async fn what_a_call_writes_is_kept_before_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let state = Some(directory.path().to_owned());
    let lab = Lab::start(
        world(),
        Options {
            state,
            ..Options::default()
        },
    )
    .await
    .unwrap();
    let client = Client::base(&lab).assume(NONPROD).await;
    let subnets: Vec<String> = lab.with_world(|world| {
        let trust = serde_json::json!({ "Statement": {
            "Effect": "Allow",
            "Principal": { "Service": "eks.amazonaws.com" },
            "Action": "sts:AssumeRole",
        } });
        let role = Role::new("/", "c-cluster", "AROA", trust, world.clock.base());
        let roles = &mut world.iam(NONPROD).roles;
        roles.insert(role.name.clone(), role);
        let subnets = world.ec2(NONPROD, "us-east-1").subnets.values();
        subnets
            .filter(|s| s.tags["Tier"] == "intra")
            .map(|s| s.id.clone())
            .collect()
    });
    let create = async |n: usize| {
        let body = serde_json::json!({
            "name": format!("c-{n}"),
            "roleArn": format!("arn:aws:iam::{NONPROD}:role/c-cluster"),
            "resourcesVpcConfig": { "subnetIds": subnets },
        });
        let body = body.to_string();
        let answer = client
            .send("eks", Method::POST, "/clusters", &[], body.as_bytes())
            .await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        std::fs::read_to_string(directory.path().join("world.json")).unwrap()
    };
    let kept = futures::future::join_all((0..20).map(create)).await;
    for (n, kept) in kept.iter().enumerate() {
        assert!(kept.contains(&format!("cluster/c-{n}\"")), "c-{n}");
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let lab = lab().await;
    let port = lab.address().port();
    let error = Lab::start(
        world(),
        Options {
            port,
            ..Options::default()
        },
    )
    .await
    .err()
    .unwrap();
    assert!(matches!(error, LabError::Listen { .. }));
    assert!(
        error
            .to_string()
            .starts_with(&format!("the lab can't listen on 127.0.0.1:{port}: "))
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let lab = lab().await;
    let body = vec![b'x'; (1 << 20) + 1];
    let client = Client::base(&lab);
    let answer = client
        .send("eks", Method::POST, "/clusters", &[], &body)
        .await;
    assert_eq!(answer.unwrap().status, 413);
}
