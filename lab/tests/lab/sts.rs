//! Roles are assumed as their trust policies and STS's limits allow.

use crate::client::{Client, HOME, NONPROD, Response, form_body, lab, now, plain};
use data_encoding::BASE64URL_NOPAD;
use http::Method;
use psk_lab::Lab;
use psk_lab::seed::circleci_organization;
use serde_json::{Value, json};

const CI_ROLE: &str = "arn:aws:iam::555566667777:role/PSKRoles/psk-ci";

fn trust(lab: &Lab, statement: Value) {
    lab.with_world(|world| {
        let role = world
            .iam(NONPROD)
            .roles
            .get_mut("PSKControlPlaneBaseRole")
            .unwrap();
        role.trust = json!({ "Statement": statement });
    });
}

#[tokio::test]
async fn a_session_carries_its_name_its_end_and_its_tags() {
    let lab = lab().await;
    let tags = [
        ("Tags.member.1.Key", "commit"),
        ("Tags.member.1.Value", "0a1b2c"),
        ("DurationSeconds", "900"),
    ];
    let answer = Client::base(&lab).assume_role(NONPROD, &tags).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.element("AssumedRoleId").ends_with(":test"));
    assert!(answer.element("AccessKeyId").starts_with("ASIA"));
    assert_eq!(answer.element("PackedPolicySize"), "1");
    let expires: jiff::Timestamp = answer.element("Expiration").parse().unwrap();
    let left = expires.duration_since(now().try_into().unwrap()).as_secs();
    assert!((800..=900).contains(&left), "{left}");
    lab.with_world(|world| {
        let key = &world.credentials[answer.element("AccessKeyId")];
        assert_eq!(key.session.as_ref().unwrap().tags[0].value, "0a1b2c");
    });
}

#[tokio::test]
async fn a_role_is_closed_to_whom_it_does_not_trust() {
    let lab = lab().await;
    let base = Client::base(&lab);
    let answer = base.assume_role("999988887777", &[]).await;
    assert_eq!(answer.error(), (403, "AccessDenied"));
    assert_eq!(
        answer.element("Message"),
        format!(
            "User: arn:aws:iam::{HOME}:user/psk-lab is not authorized to perform: sts:AssumeRole \
             on resource: arn:aws:iam::999988887777:role/PSKRoles/PSKControlPlaneBaseRole"
        )
    );

    let no_path = [
        (
            "RoleArn",
            "arn:aws:iam::111122223333:role/PSKControlPlaneBaseRole",
        ),
        ("RoleSessionName", "test"),
    ];
    let answer = base.query("sts", "AssumeRole", &no_path).await;
    assert_eq!(answer.error(), (403, "AccessDenied"));

    let home = format!("arn:aws:iam::{HOME}:root");
    trust(
        &lab,
        json!({"Effect": "Allow", "Principal": {"AWS": home}, "Action": "sts:AssumeRole"}),
    );
    assert_eq!(base.assume_role(NONPROD, &[]).await.status, 200);
    let tag = [
        ("Tags.member.1.Key", "commit"),
        ("Tags.member.1.Value", "x"),
    ];
    let answer = base.assume_role(NONPROD, &tag).await;
    assert_eq!(answer.error(), (403, "AccessDenied"));
    assert!(
        answer.element("Message").contains("sts:TagSession"),
        "{}",
        answer.body
    );

    trust(
        &lab,
        json!({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole",
               "Condition": {"StringEquals": {"sts:ExternalId": "agreed"}}}),
    );
    assert_eq!(
        base.assume_role(NONPROD, &[]).await.error(),
        (403, "AccessDenied")
    );
    assert_eq!(
        base.assume_role(NONPROD, &[("ExternalId", "agreed")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_chained_session_lasts_an_hour_at_most_and_inherits_tags() {
    let lab = lab().await;
    lab.with_world(|world| {
        let role = world
            .iam(NONPROD)
            .roles
            .get_mut("PSKControlPlaneBaseRole")
            .unwrap();
        role.max_session_duration = 43_200;
        role.trust = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:*"}});
    });
    let base = Client::base(&lab);
    let long = [("DurationSeconds", "7200")];
    let transitive = [
        ("DurationSeconds", "7200"),
        ("Tags.member.1.Key", "commit"),
        ("Tags.member.1.Value", "x"),
        ("TransitiveTagKeys.member.1", "commit"),
    ];
    let session = base.session(&base.assume_role(NONPROD, &transitive).await);

    let answer = session.assume_role(NONPROD, &long).await;
    assert_eq!(answer.error(), (400, "ValidationError"));
    assert!(answer.element("Message").contains("role chaining"));
    let again = [
        ("Tags.member.1.Key", "COMMIT"),
        ("Tags.member.1.Value", "y"),
    ];
    let answer = session.assume_role(NONPROD, &again).await;
    assert_eq!(answer.error(), (400, "InvalidParameterValue"));

    let chained = session.assume(NONPROD).await;
    lab.with_world(|world| {
        let key = &world.credentials[&chained.key];
        assert_eq!(key.session.as_ref().unwrap().tags[0].key, "commit");
    });
}

#[tokio::test]
async fn malformed_parameters_are_named() {
    let lab = lab().await;
    let base = Client::base(&lab);
    let answer = base
        .query("sts", "AssumeRole", &[("RoleSessionName", "test")])
        .await;
    assert_eq!(answer.error(), (400, "ValidationError"));
    assert!(
        answer.element("Message").contains("'roleArn'"),
        "{}",
        answer.body
    );
    let answer = base
        .assume_role(NONPROD, &[("DurationSeconds", "60")])
        .await;
    assert_eq!(answer.error(), (400, "ValidationError"));
    let answer = base.query("sts", "GetFederationToken", &[]).await;
    assert_eq!(answer.error(), (400, "InvalidAction"));
}

/// Trades a token with these claims for a session, as a CI job does: without signature.
async fn with_web_identity(lab: &Lab, claims: &Value) -> Response {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let token = format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims));
    with_token(lab, &token).await
}

async fn with_token(lab: &Lab, token: &str) -> Response {
    let body = form_body(
        "AssumeRoleWithWebIdentity",
        &[
            ("RoleArn", CI_ROLE),
            ("RoleSessionName", "ci"),
            ("WebIdentityToken", token),
        ],
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    plain(Method::POST, &Client::base(lab).endpoint, &headers, &body)
        .await
        .unwrap()
}

fn circleci_claims() -> Value {
    let organization = circleci_organization(HOME);
    let hour = 3600;
    let now = jiff::Timestamp::try_from(now()).unwrap().as_second();
    json!({
        "iss": format!("https://oidc.circleci.com/org/{organization}"),
        "aud": organization,
        "sub": format!("org/{organization}/project/p/user/u"),
        "exp": now + hour,
    })
}

#[tokio::test]
async fn a_ci_job_trades_its_token_for_a_session_that_may_go_on() {
    let lab = lab().await;
    let answer = with_web_identity(&lab, &circleci_claims()).await;
    let session = Client::base(&lab).session(&answer);
    assert_eq!(answer.element("Audience"), circleci_organization(HOME));
    let identity = session.query("sts", "GetCallerIdentity", &[]).await;
    assert_eq!(
        identity.element("Arn"),
        format!("arn:aws:sts::{HOME}:assumed-role/psk-ci/ci")
    );
    let next = session.assume(NONPROD).await;
    let identity = next.query("sts", "GetCallerIdentity", &[]).await;
    assert_eq!(identity.element("Account"), NONPROD);

    let mut github = circleci_claims();
    github["iss"] = json!("https://token.actions.githubusercontent.com");
    github["aud"] = json!(["sts.amazonaws.com"]);
    assert_eq!(with_web_identity(&lab, &github).await.status, 200);
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_refused() {
    let lab = lab().await;
    let change = |claim: &str, value: Value| {
        let mut claims = circleci_claims();
        claims[claim] = value;
        claims
    };
    for (claims, expected) in [
        (
            change("aud", json!("somebody else")),
            (400, "InvalidIdentityToken"),
        ),
        (
            change("iss", json!("https://issuer.example.com")),
            (400, "InvalidIdentityToken"),
        ),
        (change("sub", Value::Null), (400, "InvalidIdentityToken")),
        (
            change("exp", json!(1_000_000)),
            (400, "ExpiredTokenException"),
        ),
    ] {
        assert_eq!(
            with_web_identity(&lab, &claims).await.error(),
            expected,
            "{claims}"
        );
    }
    assert_eq!(
        with_token(&lab, "no token").await.error(),
        (400, "InvalidIdentityToken")
    );

    lab.with_world(|world| {
        let role = world.iam(HOME).roles.get_mut("psk-ci").unwrap();
        let statement = &mut role.trust["Statement"][0];
        let issuer = format!("oidc.circleci.com/org/{}", circleci_organization(HOME));
        statement["Condition"] =
            json!({"StringLike": {format!("{issuer}:sub"): "org/*/project/q/*"}});
    });
    let answer = with_web_identity(&lab, &circleci_claims()).await;
    assert_eq!(answer.error(), (403, "AccessDenied"));
    assert_eq!(
        answer.element("Message"),
        "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    );
}
