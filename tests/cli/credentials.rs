//! Where psk's own identity comes from, and that a session is renewed before it ends.

use serde_json::json;

use crate::harness::{Files, Peer, Psk, Served, identity_token, psk, world_of};

const CI_ROLE: &str = "arn:aws:iam::123456789012:role/PSKRoles/psk-ci";

fn fanout() -> Psk<'static> {
    psk(["fanout", "--role", "prod", "--dry-run", "--output", "json"])
}

/// A run in a world that it has no keys for.
fn without_keys<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    fanout()
        .at(files)
        .inside(lab)
        .without("AWS_ACCESS_KEY_ID")
        .without("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

fn with_role<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    without_keys(files, lab).env("AWS_ROLE_ARN", CI_ROLE)
}

/// What the run says of why its first cluster failed.
fn failure(psk: Psk<'_>) -> (String, String, String) {
    let run = psk.run().ended(10);
    let report = run.report();
    let failure = &report["clusters"][0]["failure"];
    let text = |key: &str| failure[key].as_str().unwrap().to_owned();
    assert_eq!(failure["step"], "session");
    (text("doing"), text("cause"), text("next"))
}

#[test]
fn a_circleci_job_trades_its_token_for_a_session_once() {
    for variable in ["CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"] {
        let (files, lab) = Served::small();
        let token = identity_token(|_| {});
        with_role(&files, &lab)
            .env(variable, &token)
            .hiding(&token)
            .run()
            .ended(0);
        assert_eq!(lab.count("AssumeRoleWithWebIdentity"), 1);
        assert_eq!(lab.count("AssumeRole"), 2, "one for each account");
    }
}

#[test]
fn a_github_job_asks_for_its_token_and_trades_it() {
    let (files, lab) = Served::small();
    let token = identity_token(|claims| {
        claims["iss"] = json!("https://token.actions.githubusercontent.com");
        claims["aud"] = json!("sts.amazonaws.com");
    });
    let given = json!({ "value": token, "count": 1 }).to_string();
    let issuer = Peer::start(move |_| ("200 OK", "application/json", given.clone()));
    with_role(&files, &lab)
        .env(
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            &format!("{}/token?api-version=2", issuer.url()),
        )
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer-of-the-job")
        .hiding("bearer-of-the-job")
        .hiding(&token)
        .run()
        .ended(0);
    let requests = issuer.requests();
    let [request] = requests.as_slice() else {
        panic!("one token is asked for: {requests:?}");
    };
    assert!(
        request.starts_with("GET /token?api-version=2&audience=sts.amazonaws.com "),
        "{request}"
    );
    assert!(
        request.contains("authorization: Bearer bearer-of-the-job\r\n"),
        "{request}"
    );
    assert_eq!(lab.count("AssumeRoleWithWebIdentity"), 1);
}

#[test]
fn a_job_without_the_permission_for_tokens_is_told_which() {
    let (files, lab) = Served::small();
    let issuer = Peer::start(|_| ("403 Forbidden", "application/json", "{}".to_owned()));
    let (doing, cause, next) = failure(
        with_role(&files, &lab)
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", &issuer.url())
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer-of-the-job")
            .hiding("bearer-of-the-job"),
    );
    assert_eq!(doing, "asking GitHub Actions for the job's identity token");
    assert!(cause.contains("403 Forbidden"), "{cause}");
    assert_eq!(
        next,
        "give the job `permissions: id-token: write`, then run again"
    );
}

#[test]
fn a_token_that_sts_refuses_is_told_in_its_words() {
    let (files, lab) = Served::small();
    let token = identity_token(|claims| claims["exp"] = json!(1_000_000_000));
    let (doing, cause, _) = failure(
        with_role(&files, &lab)
            .env("CIRCLE_OIDC_TOKEN_V2", &token)
            .hiding(&token),
    );
    assert_eq!(
        doing,
        format!("assuming {CI_ROLE} with the CI job's identity token")
    );
    assert!(
        cause.starts_with("ExpiredTokenException: Token expired: "),
        "{cause}"
    );
}

#[test]
fn keys_of_a_profile_are_found() {
    let (files, lab) = Served::small();
    let exports = lab.exports();
    let get = |name: &str| &exports.iter().find(|(n, _)| n == name).unwrap().1;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("credentials");
    let keys = format!(
        "[lab]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        get("AWS_ACCESS_KEY_ID"),
        get("AWS_SECRET_ACCESS_KEY")
    );
    std::fs::write(&path, keys).unwrap();
    without_keys(&files, &lab)
        .env("AWS_SHARED_CREDENTIALS_FILE", &path.display().to_string())
        .env("AWS_PROFILE", "lab")
        .run()
        .ended(0);
    assert_eq!(lab.count("AssumeRole"), 2);
}

#[test]
fn without_any_credentials_every_cluster_fails_and_says_so() {
    let (files, lab) = Served::small();
    let home = tempfile::tempdir().unwrap();
    let (doing, cause, next) =
        failure(without_keys(&files, &lab).env("HOME", &home.path().display().to_string()));
    assert_eq!(
        doing,
        "assuming arn:aws:iam::444455556666:role/PSKRoles/PSKControlPlaneBaseRole"
    );
    assert!(
        cause.starts_with("no credentials found in chain. Attempted:\n"),
        "{cause}"
    );
    assert_eq!(
        next,
        "give psk credentials (keys or a profile in the environment, or AWS_ROLE_ARN in a CI job \
         that has an identity token), then run again; or rehearse with --lab"
    );
    assert_eq!(lab.aws_calls(), <[&str; 0]>::default());
}

#[test]
fn keys_that_aws_does_not_know_are_told() {
    let (files, lab) = Served::small();
    let (doing, cause, next) = failure(
        fanout()
            .at(&files)
            .inside(&lab)
            .env("AWS_SECRET_ACCESS_KEY", "not-the-secret")
            .hiding("not-the-secret"),
    );
    assert_eq!(
        doing,
        "assuming arn:aws:iam::444455556666:role/PSKRoles/PSKControlPlaneBaseRole"
    );
    assert!(cause.starts_with("SignatureDoesNotMatch: "), "{cause}");
    assert_eq!(
        next,
        "renew the credentials that psk was started with, then run again"
    );
}

#[test]
fn a_session_that_has_ended_is_told() {
    let (files, lab) = Served::small_with(r#"{"session_seconds": 0}"#);
    let (doing, cause, next) = failure(fanout().at(&files).inside(&lab));
    assert_eq!(
        doing,
        "asking STS which account arn:aws:iam::444455556666:role/PSKRoles/PSKControlPlaneBaseRole \
         is in"
    );
    assert_eq!(
        cause,
        "ExpiredToken: The security token included in the request is expired"
    );
    assert_eq!(
        next,
        "renew the credentials that psk was started with, then run again"
    );
}

#[test]
fn a_session_that_is_about_to_end_is_renewed_in_the_middle_of_a_run() {
    // psk renews a session five minutes before its end, so each of these is renewed at once.
    let (files, lab) = Served::small_with(r#"{"session_seconds": 60}"#);
    fanout().at(&files).inside(&lab).run().ended(0);
    assert!(lab.count("AssumeRole") > 2, "{:?}", lab.aws_calls());

    let lab = Served::start(world_of(&files, "behind"), r#"{"session_seconds": 900}"#);
    fanout().at(&files).inside(&lab).run().ended(0);
    assert_eq!(lab.count("AssumeRole"), 2, "one for each account");
}
