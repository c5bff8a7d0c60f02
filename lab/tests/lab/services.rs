//! EC2, EKS, SSM and Connect over the wire.

use crate::client::{Client, NONPROD, lab, now, plain, seed as fleet};
use http::Method;
use jiff::Timestamp;
use psk_lab::seed::{ClusterSeed, NodeGroupSeed, Start};
use psk_lab::{Lab, Options};
use serde_json::Value;

#[tokio::test]
async fn subnets_are_found_by_tag_and_paged() {
    let lab = lab().await;
    let client = Client::base(&lab).assume(NONPROD).await;
    let by_tier = [
        ("Filter.1.Name", "tag:Tier"),
        ("Filter.1.Value.1", "node"),
        ("Filter.2.Name", "tag:Name"),
        ("Filter.2.Value.1", "nonprod-i01-*"),
    ];
    let answer = client.query("ec2", "DescribeSubnets", &by_tier).await;
    assert_eq!(
        answer.body.matches("<subnetId>").count(),
        3,
        "{}",
        answer.body
    );
    assert!(
        answer
            .body
            .contains("<availabilityZoneId>use1-az1</availabilityZoneId>")
    );
    assert!(
        answer
            .body
            .contains("<item><key>Tier</key><value>node</value></item>")
    );

    let mut seen = 0;
    let mut token = String::new();
    loop {
        let page = [("MaxResults", "5"), ("NextToken", token.as_str())];
        let answer = client.query("ec2", "DescribeSubnets", &page).await;
        seen += answer.body.matches("<subnetId>").count();
        if !answer.body.contains("<nextToken>") {
            break;
        }
        token = answer.element("nextToken").to_owned();
    }
    assert_eq!(seen, 9);

    let answer = client
        .query("ec2", "DescribeSubnets", &[("SubnetId.1", "subnet-1")])
        .await;
    assert_eq!(answer.error(), (400, "InvalidSubnetID.NotFound"));
    let answer = client
        .query("ec2", "DescribeVpcs", &[("DryRun", "true")])
        .await;
    assert_eq!(answer.error(), (412, "DryRunOperation"));
    let answer = client.query("ec2", "RunInstances", &[]).await;
    assert_eq!(answer.error(), (400, "InvalidAction"));
}

#[tokio::test]
async fn parameters_are_read_in_json() {
    let lab = lab().await;
    let client = Client::base(&lab).assume(NONPROD).await;
    let ask = async |operation: &str, body: &str| {
        let target = format!("AmazonSSM.{operation}");
        let headers = [("x-amz-target", target.as_str())];
        client
            .send("ssm", Method::POST, "/", &headers, body.as_bytes())
            .await
            .unwrap()
    };
    let name = "/aws/service/bottlerocket/aws-k8s-1.35/arm64/latest/image_version";
    let answer = ask("GetParameter", &format!(r#"{{"Name":"{name}"}}"#)).await;
    assert_eq!(answer.headers["content-type"], "application/x-amz-json-1.1");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["Parameter"]["Name"], name);

    let answer = ask("GetParameter", r#"{"Name":"/absent"}"#).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body,
        r#"{"__type":"ParameterNotFound","message":"Parameter /absent not found."}"#
    );
    let answer = ask("PutParameter", "{}").await;
    assert!(
        answer.body.contains("UnknownOperationException"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn connect_takes_its_own_token_and_reads_by_name() {
    let lab = lab().await;
    let exports = lab.exports();
    let get = |name: &str| exports.iter().find(|(n, _)| n == name).unwrap().1.clone();
    let (host, token) = (
        get("OP_CONNECT_HOST"),
        format!("Bearer {}", get("OP_CONNECT_TOKEN")),
    );
    let ask = async |path: &str, token: &str| {
        let answer = plain(
            Method::GET,
            &format!("{host}{path}"),
            &[("authorization", token)],
            "",
        )
        .await;
        let answer = answer.unwrap();
        (
            answer.status,
            serde_json::from_str::<Value>(&answer.body).unwrap(),
        )
    };

    let (_, vaults) = ask("/v1/vaults?filter=name%20eq%20%22empc-lab%22", &token).await;
    let items = format!("/v1/vaults/{}/items", vaults[0]["id"].as_str().unwrap());
    let filter = "filter=title+eq+%22aws-nonprod%22";
    let (_, found) = ask(&format!("{items}?{filter}"), &token).await;
    let item = found[0]["id"].as_str().unwrap();
    let (status, item) = ask(&format!("{items}/{item}"), &token).await;
    assert_eq!(status, 200);
    assert_eq!(item["fields"][0]["value"], NONPROD);

    let (status, error) = ask("/v1/vaults", "Bearer wrong").await;
    assert_eq!(status, 401);
    assert_eq!(
        error,
        serde_json::json!({"status": 401, "message": "Invalid token signature"})
    );
    let health = plain(Method::GET, &format!("{host}/heartbeat"), &[], "")
        .await
        .unwrap();
    assert_eq!((health.status, health.body.as_str()), (200, "."));
}

#[tokio::test]
async fn a_fleet_that_is_behind_has_old_right_and_missing_clusters() {
    let mut seed = fleet();
    seed.start = Start::Behind;
    let name = |n: usize| format!("nonprod-i0{n}-aws-us-east-1");
    seed.clusters = (1..=3)
        .map(|n| ClusterSeed {
            name: name(n),
            eks_version: "1.35".into(),
            addons: vec!["coredns".into()],
            node_group: NodeGroupSeed {
                name: "management".into(),
                ami_type: "BOTTLEROCKET_ARM_64".into(),
                instance_types: vec!["m7g.large".into()],
                capacity_type: "ON_DEMAND".into(),
                disk_size: 20,
                desired_size: 1,
                min_size: 1,
                max_size: 3,
                ..NodeGroupSeed::default()
            },
            ..seed.clusters[0].clone()
        })
        .collect();
    let world = seed
        .build(Timestamp::try_from(now()).unwrap(), [7; 32])
        .unwrap();
    let lab = Lab::start(world, Options::default()).await.unwrap();
    let client = Client::base(&lab).assume(NONPROD).await;
    let get = async |path: String| {
        let answer = client
            .send("eks", Method::GET, &path, &[], b"")
            .await
            .unwrap();
        (
            answer.status,
            serde_json::from_str::<Value>(&answer.body).unwrap(),
        )
    };

    let (_, list) = get("/clusters".into()).await;
    assert_eq!(list["clusters"], serde_json::json!([name(1), name(2)]));
    for (n, version) in [(1, "1.34"), (2, "1.35")] {
        let (status, cluster) = get(format!("/clusters/{}", name(n))).await;
        assert_eq!(status, 200, "{cluster}");
        assert_eq!(cluster["cluster"]["version"], version);
        let arn = format!("arn:aws:eks:us-east-1:{NONPROD}:cluster/{}", name(n));
        assert_eq!(cluster["cluster"]["arn"], arn);
    }
    let (status, error) = get(format!("/clusters/{}", name(3))).await;
    assert_eq!(status, 404, "{error}");

    let other = Client::base(&lab)
        .send("eks", Method::GET, "/clusters", &[], b"")
        .await
        .unwrap();
    assert_eq!(other.body, r#"{"clusters":[]}"#);
}
