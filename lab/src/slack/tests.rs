use super::*;

fn world() -> World {
    let mut world = World::empty(Timestamp::UNIX_EPOCH, [0; 32]);
    for (token, user) in [("xoxb-1", "U1"), ("xoxb-2", "U2"), ("xoxb-3", "U3")] {
        let bot = Bot { user: user.into() };
        world.slack.bots.insert(token.into(), bot);
    }
    world.slack.channels.push(Channel {
        id: "C1".into(),
        name: "events".into(),
        members: vec!["U1".into(), "U2".into()],
        messages: Vec::new(),
    });
    world
}

fn call(
    world: &mut World,
    token: &str,
    method: &str,
    body: &Value,
    ms: i64,
) -> Result<Value, (u16, String)> {
    let path = format!("/api/{method}");
    let told = |error: ServiceError| (error.status.as_u16(), error.code);
    let authorization = format!("Bearer {token}");
    let mut call = Call {
        operation: operation(&Method::POST, &path).unwrap_or_default().into(),
        principal: authenticate(&world.slack, Some(&authorization)).map_err(told)?,
        body: body.to_string().into_bytes(),
        now: Timestamp::from_millisecond(ms).unwrap(),
        ..Call::default()
    };
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    call.headers.insert("content-type", kind);
    handle(world, &call)
        .map(|reply| serde_json::from_slice(&reply.body).unwrap())
        .map_err(told)
}

#[test]
fn a_message_is_posted_by_name_and_changed_by_its_own_bot() {
    let mut world = world();
    let posted = call(
        &mut world,
        "xoxb-1",
        "chat.postMessage",
        &json!({ "channel": "#events", "text": "a" }),
        0,
    );
    let posted = posted.unwrap();
    assert_eq!(
        (&posted["ok"], &posted["channel"]),
        (&json!(true), &json!("C1"))
    );
    let change = |channel: &str, ts: &Value, text: &str| json!({ "channel": channel, "ts": ts, "text": text });
    let mut update = |token: &str, body: Value| call(&mut world, token, "chat.update", &body, 1);
    let ts = &posted["ts"];
    assert_eq!(
        update("xoxb-1", change("C1", ts, "b")).unwrap()["text"],
        "b"
    );
    let no = |why: &str| Err((200, why.to_owned()));
    assert_eq!(
        update("xoxb-1", change("events", ts, "c")),
        no("channel_not_found")
    );
    assert_eq!(
        update("xoxb-1", change("C1", &json!("1.0"), "c")),
        no("message_not_found")
    );
    assert_eq!(
        update("xoxb-2", change("C1", ts, "c")),
        no("cant_update_message")
    );
    assert_eq!(update("xoxb-1", change("C1", ts, "")), no("no_text"));
    let message = &world.slack.channels[0].messages[0];
    assert_eq!(
        (message.text.as_str(), &message.before),
        ("b", &vec!["a".to_owned()])
    );
}

#[test]
fn what_may_not_be_posted_is_refused_in_a_200() {
    let mut world = world();
    let mut post = |token: &str, channel: &str| {
        call(
            &mut world,
            token,
            "chat.postMessage",
            &json!({ "channel": channel, "text": "a" }),
            0,
        )
        .unwrap_err()
    };
    assert_eq!(post("none", "events"), (200, "invalid_auth".into()));
    assert_eq!(post("xoxb-1", "none"), (200, "channel_not_found".into()));
    assert_eq!(post("xoxb-3", "events"), (200, "not_in_channel".into()));
    assert_eq!(
        authenticate(&world.slack, None).unwrap_err().code,
        "not_authed"
    );
}

#[test]
fn who_posts_too_often_is_told_to_wait() {
    let mut world = world();
    let body = json!({ "channel": "events", "text": "a" });
    let mut post = |ms| call(&mut world, "xoxb-1", "chat.postMessage", &body, ms).map(|_| ());
    for _ in 0..4 {
        assert_eq!(post(0), Ok(()));
    }
    assert_eq!(post(0), Err((429, "ratelimited".into())));
    assert_eq!(post(999), Err((429, "ratelimited".into())));
    assert_eq!(post(1000), Ok(()));
    assert_eq!(ratelimited(3).headers[RETRY_AFTER], "3");
}
