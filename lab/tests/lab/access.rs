//! Who is let in: signatures, sessions, and what each may see.

use std::time::Duration;

use crate::client::{Client, HOME, NONPROD, PROD, Response, lab, plain};
use http::Method;

#[tokio::test]
async fn a_signed_caller_learns_who_it_is() {
    let lab = lab().await;
    let answer = Client::base(&lab)
        .query("sts", "GetCallerIdentity", &[])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.element("Account"), HOME);
    assert_eq!(
        answer.element("Arn"),
        format!("arn:aws:iam::{HOME}:user/psk-lab")
    );
    assert!(answer.element("UserId").starts_with("AIDA"));
    assert_eq!(
        answer.headers["x-amzn-requestid"],
        answer.element("RequestId")
    );
    assert_eq!(answer.headers["content-type"], "text/xml");
}

#[tokio::test]
async fn a_presigned_url_is_as_good_as_a_header() {
    let lab = lab().await;
    let session = Client::base(&lab).assume(NONPROD).await;
    let headers = [("x-k8s-aws-id", "nonprod-i01-aws-us-east-1")];
    let target = "/?Action=GetCallerIdentity&Version=2011-06-15";
    let url = session.presign("sts", target, &headers);

    let answer = plain(Method::GET, &url, &headers, "").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.element("Account"), NONPROD);

    let other = [("x-k8s-aws-id", "another-cluster")];
    let answer = plain(Method::GET, &url, &other, "").await.unwrap();
    assert_eq!(answer.error(), (403, "SignatureDoesNotMatch"));

    let old = Client {
        time: session.time - Duration::from_secs(120),
        ..session
    };
    let answer = plain(
        Method::GET,
        &old.presign("sts", target, &headers),
        &headers,
        "",
    )
    .await;
    assert_eq!(answer.unwrap().error(), (403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn each_service_refuses_strangers_in_its_own_words() {
    let lab = lab().await;
    let base = Client::base(&lab);
    let stranger = Client {
        key: "AKIANOSUCHKEY".into(),
        ..base.clone()
    };
    let liar = Client {
        secret: "not the secret".into(),
        ..base.clone()
    };
    let late = Client {
        time: base.time - Duration::from_secs(3600),
        ..base
    };

    let answer = stranger.query("sts", "GetCallerIdentity", &[]).await;
    assert_eq!(answer.error(), (403, "InvalidClientTokenId"));
    let answer = liar.query("sts", "GetCallerIdentity", &[]).await;
    assert_eq!(answer.error(), (403, "SignatureDoesNotMatch"));
    let answer = late.query("sts", "GetCallerIdentity", &[]).await;
    assert_eq!(answer.error(), (403, "SignatureDoesNotMatch"));
    assert!(
        answer.element("Message").starts_with("Signature expired: "),
        "{}",
        answer.body
    );

    assert_eq!(
        stranger.query("ec2", "DescribeVpcs", &[]).await.error(),
        (401, "AuthFailure")
    );
    assert_eq!(
        liar.query("ec2", "DescribeVpcs", &[]).await.error(),
        (401, "AuthFailure")
    );
    assert_eq!(
        late.query("ec2", "DescribeVpcs", &[]).await.error(),
        (400, "RequestExpired")
    );

    for (client, code) in [
        (&stranger, "UnrecognizedClientException"),
        (&liar, "InvalidSignatureException"),
        (&late, "InvalidSignatureException"),
    ] {
        let target = [("x-amz-target", "AmazonSSM.GetParameter")];
        let answer = client
            .send("ssm", Method::POST, "/", &target, b"{}")
            .await
            .unwrap();
        assert_eq!(answer.status, 403);
        assert!(
            answer.body.starts_with(&format!("{{\"__type\":\"{code}\"")),
            "{}",
            answer.body
        );
        let answer = client
            .send("eks", Method::GET, "/clusters", &[], b"")
            .await
            .unwrap();
        assert_eq!(answer.status, 403);
        assert_eq!(answer.headers["x-amzn-errortype"], code);
    }
}

#[tokio::test]
async fn a_changed_request_no_longer_fits_its_signature() {
    let lab = lab().await;
    let client = Client::base(&lab);
    let url = client.presign("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", &[]);
    let changed = url.replace("GetCallerIdentity", "GetAccessKeyInfo");
    let answer = plain(Method::GET, &changed, &[], "").await.unwrap();
    assert_eq!(answer.error(), (403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn requests_without_signature_are_told_so() {
    let lab = lab().await;
    let endpoint = Client::base(&lab).endpoint;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = plain(Method::POST, &endpoint, &form, "Action=GetCallerIdentity")
        .await
        .unwrap();
    assert_eq!(answer.error(), (403, "MissingAuthenticationToken"));
    let answer = plain(Method::GET, &format!("{endpoint}/clusters"), &[], "")
        .await
        .unwrap();
    assert_eq!(
        answer.headers["x-amzn-errortype"],
        "MissingAuthenticationTokenException"
    );
    let half = [
        ("authorization", "AWS4-HMAC-SHA256 Credential=a/b"),
        ("x-amz-date", "now"),
    ];
    let answer = plain(Method::GET, &format!("{endpoint}/clusters"), &half, "")
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.headers["x-amzn-errortype"],
        "IncompleteSignatureException"
    );
}

#[tokio::test]
async fn services_that_the_lab_lacks_are_named() {
    let lab = lab().await;
    let answer = Client::base(&lab)
        .send("s3", Method::GET, "/b", &[], b"")
        .await
        .unwrap();
    assert_eq!(answer.status, 501);
    assert!(
        answer
            .body
            .contains("no service `s3`; it has sts, iam, ec2, kms, logs"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn an_account_sees_only_its_own() {
    let lab = lab().await;
    let base = Client::base(&lab);
    let vpcs = |answer: Response| answer.body.matches("<vpcId>").count();
    let (nonprod, prod) = (base.assume(NONPROD).await, base.assume(PROD).await);
    let one = nonprod.query("ec2", "DescribeVpcs", &[]).await;
    assert_eq!(one.element("ownerId"), NONPROD);
    let id = one.element("vpcId").to_owned();
    assert_eq!(vpcs(one), 1);

    let answer = prod.query("ec2", "DescribeVpcs", &[("VpcId.1", &id)]).await;
    assert_eq!(answer.error(), (400, "InvalidVpcID.NotFound"));
    assert_eq!(vpcs(base.query("ec2", "DescribeVpcs", &[]).await), 0);
    let elsewhere = Client {
        region: "eu-west-1".into(),
        ..nonprod
    };
    assert_eq!(vpcs(elsewhere.query("ec2", "DescribeVpcs", &[]).await), 0);
}

#[tokio::test]
async fn a_session_needs_its_token_and_ends() {
    let lab = lab().await;
    let session = Client::base(&lab).assume(NONPROD).await;
    let answer = session.query("sts", "GetCallerIdentity", &[]).await;
    assert_eq!(
        answer.element("Arn"),
        format!("arn:aws:sts::{NONPROD}:assumed-role/PSKControlPlaneBaseRole/test")
    );

    for token in [None, Some("another".to_owned())] {
        let without = Client {
            token,
            ..session.clone()
        };
        let answer = without.query("sts", "GetCallerIdentity", &[]).await;
        assert_eq!(answer.error(), (403, "InvalidClientTokenId"));
    }

    lab.with_world(|world| {
        let key = world.credentials.get_mut(&session.key).unwrap();
        key.session.as_mut().unwrap().expires = jiff::Timestamp::UNIX_EPOCH;
    });
    let answer = session.query("sts", "GetCallerIdentity", &[]).await;
    assert_eq!(answer.error(), (403, "ExpiredToken"));
    let answer = session.query("ec2", "DescribeVpcs", &[]).await;
    assert_eq!(answer.error(), (400, "RequestExpired"));
    let answer = session
        .send("eks", Method::GET, "/clusters", &[], b"")
        .await
        .unwrap();
    assert_eq!(answer.headers["x-amzn-errortype"], "ExpiredTokenException");
}
