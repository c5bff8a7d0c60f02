//! What GitHub answers, refuses and limits.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::call::Reply;
use crate::seed::{CommitSeed, RepositorySeed, Seed};

const HEAD: &str = "1111111111111111111111111111111111111111";
const FIRST: &str = "2222222222222222222222222222222222222222";

fn start() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

/// A world with one repository, and someone who calls.
struct Case {
    world: World,
    token: String,
    now: Timestamp,
}

impl Case {
    fn new() -> Self {
        let commit = |sha: &str| CommitSeed {
            sha: sha.into(),
            message: "x".into(),
            author: ("Ann".into(), "ann@example.com".into()),
            date: start(),
        };
        let seed = Seed {
            repository: Some(RepositorySeed {
                owner: "acme".into(),
                name: "base".into(),
                default_branch: "main".into(),
                commits: vec![commit(HEAD), commit(FIRST)],
                tags: vec![("v1".into(), FIRST.into())],
                login: "psk-release[bot]".into(),
            }),
            ..Seed::default()
        };
        let world = seed.build(start(), [1; 32]).unwrap();
        let token = world.identity.github_token.clone();
        Self {
            world,
            token,
            now: start(),
        }
    }

    fn call(&mut self, method: Method, path: &str, body: &Value) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut call = Call {
            method,
            path: format!("/api/v3{path}"),
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            body: body.to_string().into_bytes(),
            now: self.now,
            received: self.now,
            ..Call::default()
        };
        call.headers.insert("host", "127.0.0.1:80".parse().unwrap());
        let authorization = format!("Bearer {}", self.token);
        let authorization = Some(authorization.as_str()).filter(|_| !self.token.is_empty());
        call.principal = authenticate(&self.world.github, authorization, &call)?;
        handle(&mut self.world, &call)
    }

    fn get(&mut self, path: &str) -> Answer {
        self.call(Method::GET, path, &Value::Null)
    }

    fn status(&mut self, context: &str, state: &str) -> Answer {
        let body = json!({ "context": context, "state": state, "description": "d" });
        self.call(
            Method::POST,
            &format!("/repos/acme/base/statuses/{HEAD}"),
            &body,
        )
    }
}

fn body(answer: Answer) -> Value {
    serde_json::from_slice(&answer.unwrap().body).unwrap()
}

fn refused(answer: Answer) -> (u16, String) {
    let error = answer.unwrap_err();
    (error.status.as_u16(), error.message)
}

#[test]
fn a_status_is_made_and_listed_with_its_creator_the_latest_first() {
    let mut case = Case::new();
    let created = case.status("psk/qa", "pending").unwrap();
    assert_eq!(created.status, StatusCode::CREATED);
    case.status("psk/qa", "success").unwrap();
    let listed = body(case.get("/repos/ACME/base/commits/main/statuses"));
    let states: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["state"].clone())
        .collect();
    assert_eq!(states, ["success", "pending"]);
    assert_eq!(listed[0]["creator"]["login"], "psk-release[bot]");
    assert_eq!(listed[0]["creator"]["type"], "Bot");
    assert_eq!(listed[0]["created_at"], "2026-11-26T12:00:00Z");
    assert_eq!(
        body(case.get("/repos/acme/base/commits/tags/v1/statuses")),
        json!([])
    );
}

#[test]
fn a_combined_status_has_the_latest_of_each_context_and_no_creator() {
    let mut case = Case::new();
    let combined = |case: &mut Case| body(case.get("/repos/acme/base/commits/heads/main/status"));
    assert_eq!(combined(&mut case)["state"], "pending", "nothing yet");
    for (context, state) in [("a", "pending"), ("b", "success"), ("a", "success")] {
        case.status(context, state).unwrap();
    }
    let told = combined(&mut case);
    assert_eq!(
        (&told["state"], &told["total_count"], &told["sha"]),
        (&json!("success"), &json!(2), &json!(HEAD))
    );
    assert_eq!(told["statuses"][0].get("creator"), None);
    case.status("c", "error").unwrap();
    assert_eq!(combined(&mut case)["state"], "failure");
}

#[test]
fn long_lists_are_paged_and_linked() {
    let mut case = Case::new();
    for n in 0..70 {
        case.status(&format!("c{n}"), "success").unwrap();
    }
    let path = format!("/repos/acme/base/commits/{HEAD}/statuses");
    let links = |reply: &Reply| {
        reply
            .headers
            .get("link")
            .map(|l| l.to_str().unwrap().to_owned())
    };
    let default = case.get(&path).unwrap();
    assert_eq!(body(Ok(default.clone())).as_array().unwrap().len(), 30);
    let url = format!("http://127.0.0.1:80/api/v3{path}?per_page=30");
    assert_eq!(
        links(&default).unwrap(),
        format!("<{url}&page=2>; rel=\"next\", <{url}&page=3>; rel=\"last\"")
    );
    let last = case.get(&format!("{path}?page=3")).unwrap();
    assert_eq!(
        links(&last).unwrap(),
        format!("<{url}&page=2>; rel=\"prev\", <{url}&page=1>; rel=\"first\"")
    );
    assert_eq!(body(Ok(last)).as_array().unwrap().len(), 10);
    let whole = case.get(&format!("{path}?per_page=1000")).unwrap();
    assert_eq!(
        (
            body(Ok(whole.clone())).as_array().unwrap().len(),
            links(&whole)
        ),
        (70, None)
    );
}

#[test]
fn what_a_status_can_not_be_is_refused() {
    let mut case = Case::new();
    let mut post = |sha: &str, body: Value| {
        let answer = case.call(
            Method::POST,
            &format!("/repos/acme/base/statuses/{sha}"),
            &body,
        );
        let error = answer.unwrap_err();
        let detail = error
            .fields
            .get("errors")
            .map(|errors| errors[0]["message"].clone());
        (
            error.status.as_u16(),
            detail.unwrap_or(json!(error.message)),
        )
    };
    let long = json!({ "state": "success", "description": "é".repeat(141) });
    let told = json!("description is too long (maximum is 140 characters)");
    assert_eq!(post(HEAD, long), (422, told));
    assert_eq!(post(HEAD, json!({ "state": "done" })).0, 422);
    assert_eq!(
        post(HEAD, json!({ "state": "success", "target_url": "ftp://x" })).0,
        422
    );
    assert_eq!(post(HEAD, json!({})), (400, json!("Problems parsing JSON")));
    let unknown = "3".repeat(40);
    let told = json!(format!("No commit found for SHA: {unknown}"));
    assert_eq!(post(&unknown, json!({ "state": "success" })), (422, told));
}

#[test]
fn a_context_takes_a_thousand_statuses_of_a_commit() {
    let mut case = Case::new();
    for n in 0..1000 {
        // As slowly as the hour's limit has it.
        case.now += SignedDuration::from_secs(8);
        case.status("psk/qa", if n % 2 == 0 { "pending" } else { "success" })
            .unwrap();
    }
    let error = case.status("psk/qa", "success").unwrap_err();
    assert_eq!(
        error.fields["errors"][0]["message"],
        "This SHA and context has reached the maximum number of statuses."
    );
    case.status("psk/prod", "success").unwrap();
}

#[test]
fn too_much_content_in_a_minute_or_an_hour_is_refused_for_a_while() {
    let mut case = Case::new();
    for _ in 0..PER_MINUTE {
        case.status("a", "pending").unwrap();
    }
    case.now += SignedDuration::from_secs(20);
    let error = case.status("a", "pending").unwrap_err();
    assert_eq!(error.status, StatusCode::FORBIDDEN);
    assert!(
        error
            .message
            .starts_with("You have exceeded a secondary rate limit")
    );
    assert_eq!(error.headers["retry-after"], "40");
    assert!(case.get("/repos/acme/base").is_ok(), "reading goes on");
    case.now += SignedDuration::from_secs(40);
    for _ in PER_MINUTE..PER_HOUR {
        case.now += SignedDuration::from_secs(1);
        case.status("b", "pending").unwrap();
    }
    case.now += SignedDuration::from_secs(61);
    let error = case.status("b", "pending").unwrap_err();
    assert_eq!(error.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: i64 = error.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    case.now += SignedDuration::from_secs(wait);
    case.status("b", "pending").unwrap();
}

#[test]
fn a_caller_is_told_what_is_left_and_what_time_it_is() {
    let mut case = Case::new();
    let reply = case.get("/repos/acme/base").unwrap();
    let told = |name: &str| reply.headers[name].to_str().unwrap().to_owned();
    assert_eq!(told("x-ratelimit-remaining"), "4999");
    assert_eq!(
        told("x-ratelimit-reset"),
        (start().as_second() + 3600).to_string()
    );
    assert_eq!(told("date"), "Thu, 26 Nov 2026 12:00:00 GMT");
    for _ in 1..5000 {
        case.get("/repos/acme/base").unwrap();
    }
    let error = case.get("/repos/acme/base").unwrap_err();
    assert_eq!(
        (error.status, &error.headers["x-ratelimit-remaining"]),
        (StatusCode::FORBIDDEN, &"0".parse().unwrap())
    );
    case.now += SignedDuration::from_hours(1);
    assert!(case.get("/repos/acme/base").is_ok());
}

#[test]
fn who_calls_decides_what_is_seen_and_done() {
    let mut case = Case::new();
    assert_eq!(
        refused(case.get("/user")),
        (403, "Resource not accessible by integration".into())
    );
    let viewer = json!({ "query": "query { viewer { login } }" });
    let mut call = Call {
        method: Method::POST,
        path: GRAPHQL.into(),
        principal: case.token.clone(),
        body: viewer.to_string().into_bytes(),
        ..Call::default()
    };
    let told = body(handle(&mut case.world, &call));
    assert_eq!(told["data"]["viewer"]["login"], "psk-release[bot]");
    call.principal = String::new();
    assert_eq!(refused(handle(&mut case.world, &call)).0, 401);

    let token = |login: &str, writes_statuses| Token {
        login: login.into(),
        kind: TokenKind::Personal,
        writes_statuses,
        writes_contents: writes_statuses,
        expires: None,
    };
    case.world.github.account("ann", AccountType::User);
    case.world
        .github
        .tokens
        .insert("ghp_ann".into(), token("ann", false));
    case.token = "ghp_ann".into();
    assert_eq!(body(case.get("/user"))["login"], "ann");
    assert_eq!(
        refused(case.status("a", "success")),
        (
            403,
            "Resource not accessible by personal access token".into()
        )
    );
    case.token = "ghp_nobody".into();
    assert_eq!(
        refused(case.get("/repos/acme/base")),
        (401, "Bad credentials".into())
    );
    case.token = String::new();
    assert_eq!(
        refused(case.get("/repos/acme/base")),
        (404, "Not Found".into())
    );
    assert_eq!(
        refused(case.get("/user")),
        (401, "Requires authentication".into())
    );
}

#[test]
fn commits_refs_and_tags_are_found_by_name() {
    let mut case = Case::new();
    let annotation = Some(("4".repeat(40), "second".to_owned()));
    let tag = Tag {
        commit: HEAD.into(),
        annotation: annotation.clone(),
    };
    let repository = case.world.github.repository_mut("acme", "base").unwrap();
    repository.tags.insert("rel/v2".into(), tag);

    let sha = |case: &mut Case, name: &str| {
        body(case.get(&format!("/repos/acme/base/commits/{name}")))["sha"].clone()
    };
    for (name, expected) in [
        ("main", HEAD),
        ("heads/main", HEAD),
        ("tags/v1", FIRST),
        ("tags/rel/v2", HEAD),
        ("2222222", FIRST),
    ] {
        assert_eq!(sha(&mut case, name), expected, "{name}");
    }
    let reference = body(case.get("/repos/acme/base/git/ref/tags/v1"));
    assert_eq!(reference["object"]["type"], "commit");
    let reference = body(case.get("/repos/acme/base/git/ref/tags/rel/v2"));
    assert_eq!(
        (&reference["object"]["type"], &reference["object"]["sha"]),
        (&json!("tag"), &json!("4".repeat(40)))
    );
    let object = body(case.get(&format!("/repos/acme/base/git/tags/{}", "4".repeat(40))));
    assert_eq!(object["object"]["sha"], HEAD);
    assert_eq!(refused(case.get("/repos/acme/base/commits/tags/v9")).0, 404);
    assert_eq!(
        refused(case.get("/repos/acme/base/commits/nope")),
        (422, "No commit found for SHA: nope".into())
    );
    let log = body(case.get("/repos/acme/base/commits"));
    assert_eq!(log.as_array().unwrap().len(), 2);
    assert_eq!(refused(case.get("/repos/acme/none")).0, 404);
    assert_eq!(refused(case.get("/nope")).0, 404);
}

#[test]
fn an_apps_token_is_got_by_its_key_and_ends() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
    use data_encoding::BASE64URL_NOPAD;

    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut case = Case::new();
    let app = App {
        slug: "psk-release".into(),
        key: key.public_key().as_ref().to_vec(),
        installation: 7,
        owner: "acme".into(),
    };
    case.world.github.apps.insert(12, app);
    let now = start().as_second();
    let jwt = |claims: Value| {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({ "alg": "RS256" })), part(&claims));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    };
    for claims in [
        json!({ "iss": 12, "iat": now - 60, "exp": now + 601 }),
        json!({ "iss": 12, "iat": now + 60, "exp": now + 90 }),
        json!({ "iss": 12, "iat": now - 60, "exp": now }),
        json!({ "iss": 13, "iat": now - 60, "exp": now + 60 }),
    ] {
        case.token = jwt(claims);
        assert_eq!(refused(case.get("/app")).0, 401);
    }
    case.token = jwt(json!({ "iss": 12, "iat": now - 60, "exp": now + 540 }));
    assert_eq!(body(case.get("/app"))["slug"], "psk-release");
    assert_eq!(body(case.get("/repos/acme/base/installation"))["id"], 7);
    let granted = body(case.call(
        Method::POST,
        "/app/installations/7/access_tokens",
        &json!({}),
    ));
    case.token = granted["token"].as_str().unwrap().to_owned();
    assert_eq!(granted["expires_at"], "2026-11-26T13:00:00Z");
    case.status("a", "success").unwrap();
    case.now += SignedDuration::from_hours(1);
    assert_eq!(
        refused(case.status("a", "success")),
        (401, "Bad credentials".into())
    );
}

#[test]
fn a_release_is_made_once_for_a_tag_and_changed_by_its_number() {
    let mut case = Case::new();
    let path = "/repos/acme/base/releases";
    let new = json!({ "tag_name": "v2", "name": "Two", "body": "notes" });
    let made = case.call(Method::POST, path, &new).unwrap();
    assert_eq!(made.status, StatusCode::CREATED);
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    assert_eq!(
        (&made["draft"], &made["author"]["login"]),
        (&json!(false), &json!("psk-release[bot]"))
    );
    // A tag that wasn't there is made at the default branch's head.
    let repository = &case.world.github.repositories[0];
    assert_eq!(repository.tags["v2"].commit, HEAD);

    let again = case.call(Method::POST, path, &new).unwrap_err();
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(again.fields["errors"][0]["code"], "already_exists");

    let change = json!({ "body": "better" });
    let id = &made["id"];
    case.call(Method::PATCH, &format!("{path}/{id}"), &change)
        .unwrap();
    let found = case.get(&format!("{path}/tags/v2")).unwrap();
    let found: Value = serde_json::from_slice(&found.body).unwrap();
    assert_eq!(
        (&found["body"], &found["name"]),
        (&json!("better"), &json!("Two"))
    );
    let missing = case.get(&format!("{path}/tags/v9")).unwrap_err();
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let list = case.get(path).unwrap();
    let list: Value = serde_json::from_slice(&list.body).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[test]
fn two_commits_are_compared() {
    let mut case = Case::new();
    let answer = case.get("/repos/acme/base/compare/v1...main").unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (&answer["status"], &answer["ahead_by"]),
        (&json!("ahead"), &json!(1))
    );
    assert_eq!(answer["commits"][0]["sha"], HEAD);
    let back = case.get("/repos/acme/base/compare/main...v1").unwrap();
    let back: Value = serde_json::from_slice(&back.body).unwrap();
    assert_eq!(
        (&back["status"], &back["commits"]),
        (&json!("behind"), &json!([]))
    );
    let missing = case.get("/repos/acme/base/compare/v9...main").unwrap_err();
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}
