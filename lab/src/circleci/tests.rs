use jiff::Timestamp;

use super::*;

fn world() -> World {
    let mut world = World::empty(Timestamp::UNIX_EPOCH, [7; 32]);
    world.circleci.tokens.insert("t".to_owned());
    world.circleci.pipelines.insert("key".to_owned(), None);
    world
}

fn ask(
    world: &mut World,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<Value, (u16, String)> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let call = Call {
        operation: operation(&method, path).unwrap_or_default().to_owned(),
        method,
        path: path.to_owned(),
        query: form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        body: body.to_string().into_bytes(),
        ..Call::default()
    };
    handle(world, &call)
        .map(|reply| serde_json::from_slice(&reply.body).unwrap())
        .map_err(|error| (error.status.as_u16(), error.message))
}

const SCHEDULES: &str = "/api/v2/project/gh/org/repo/schedule";

fn nightly(name: &str) -> Value {
    json!({
        "name": name,
        "description": "d",
        "timetable": { "per-hour": 1, "hours-of-day": [1], "days-of-week": ["SUN"] },
        "attribution-actor": "system",
        "parameters": { "branch": "main" },
    })
}

#[test]
fn a_key_continues_one_pipeline_once() {
    let mut world = world();
    let body = json!({ "continuation-key": "key", "configuration": "version: 2.1", "parameters": { "a": true } });
    let path = "/api/v2/pipeline/continue";
    let answer = ask(&mut world, Method::POST, path, &body).unwrap();
    assert_eq!(answer["message"], "Pipeline continued");
    let kept = world.circleci.pipelines["key"].clone().unwrap();
    assert_eq!(kept.configuration, "version: 2.1");
    assert_eq!(
        ask(&mut world, Method::POST, path, &body).unwrap_err().0,
        400
    );
    let body = json!({ "continuation-key": "other", "configuration": "" });
    assert_eq!(
        ask(&mut world, Method::POST, path, &body).unwrap_err().0,
        404
    );
    assert_eq!(
        ask(&mut world, Method::POST, path, &json!({}))
            .unwrap_err()
            .0,
        400
    );
}

#[test]
fn schedules_are_made_changed_listed_and_deleted() {
    let mut world = world();
    for n in 0..25 {
        ask(
            &mut world,
            Method::POST,
            SCHEDULES,
            &nightly(&n.to_string()),
        )
        .unwrap();
    }
    let first = ask(&mut world, Method::GET, SCHEDULES, &json!({})).unwrap();
    assert_eq!(first["items"].as_array().unwrap().len(), 20);
    let next = format!(
        "{SCHEDULES}?page-token={}",
        first["next_page_token"].as_str().unwrap()
    );
    let second = ask(&mut world, Method::GET, &next, &json!({})).unwrap();
    assert_eq!(second["items"].as_array().unwrap().len(), 5);
    assert!(second["next_page_token"].is_null());
    let other = ask(
        &mut world,
        Method::GET,
        "/api/v2/project/gh/org/other/schedule",
        &json!({}),
    );
    assert_eq!(other.unwrap()["items"], json!([]));

    let one = format!(
        "/api/v2/schedule/{}",
        first["items"][0]["id"].as_str().unwrap()
    );
    let changed = ask(&mut world, Method::PATCH, &one, &json!({ "name": "x" })).unwrap();
    assert_eq!(
        (&changed["name"], &changed["description"]),
        (&json!("x"), &json!("d"))
    );
    ask(&mut world, Method::DELETE, &one, &json!({})).unwrap();
    assert_eq!(
        ask(&mut world, Method::GET, &one, &json!({}))
            .unwrap_err()
            .0,
        404
    );
}

#[test]
fn what_no_schedule_can_be_is_refused() {
    let mut world = world();
    for (member, value) in [
        ("parameters", json!({ "x": 1 })),
        ("attribution-actor", json!("me")),
        (
            "timetable",
            json!({ "per-hour": 0, "hours-of-day": [1], "days-of-week": ["SUN"] }),
        ),
        (
            "timetable",
            json!({ "per-hour": 1, "hours-of-day": [24], "days-of-week": ["SUN"] }),
        ),
        (
            "timetable",
            json!({ "per-hour": 1, "hours-of-day": [1], "days-of-week": ["Sunday"] }),
        ),
        ("timetable", json!({ "per-hour": 1, "hours-of-day": [1] })),
        ("name", Value::Null),
    ] {
        let mut body = nightly("n");
        body[member] = value;
        assert_eq!(
            ask(&mut world, Method::POST, SCHEDULES, &body)
                .unwrap_err()
                .0,
            400,
            "{body}"
        );
    }
}

#[test]
fn only_a_continuation_needs_no_token() {
    let world = world();
    let allowed = |operation, token| authenticate(&world.circleci, operation, token).is_ok();
    assert!(allowed("continuePipeline", None));
    assert!(allowed("createSchedule", Some("t")));
    assert!(!allowed("createSchedule", Some("x")) && !allowed("createSchedule", None));
}
