use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

const LAB: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbb";
const ITEM: &str = "cccccccccccccccccccccccccc";

fn world() -> World {
    let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let mut world = World::empty(now, [0; 32]);
    let vault = |id: &str, name: &str, items: Vec<Item>| Vault {
        id: id.into(),
        name: name.into(),
        content_version: 3,
        created: now,
        updated: now,
        items,
    };
    let field = |id: &str, section: Option<&str>, label: &str, value: &str| Field {
        id: id.into(),
        section: section.map(str::to_owned),
        kind: FieldType::Concealed,
        purpose: Purpose::None,
        label: label.into(),
        value: value.into(),
    };
    let item = Item {
        id: ITEM.into(),
        title: r#"a "quoted" item"#.into(),
        category: Category::ApiCredential,
        version: 7,
        tags: vec!["psk".into()],
        favorite: false,
        urls: Vec::new(),
        created: now,
        updated: now,
        sections: vec![Section {
            id: "s1".into(),
            label: "ci".into(),
        }],
        fields: vec![
            field("f1", None, "token", "t-1"),
            field("f2", Some("s1"), "token", "t-2"),
        ],
    };
    world.connect.vaults = vec![
        vault(LAB, "empc-lab", vec![item]),
        vault(OTHER, "other", vec![]),
    ];
    let token = |name: &str, vaults: Option<Vec<String>>| Token {
        name: name.into(),
        vaults,
        read_only: name == "reader",
    };
    world
        .connect
        .tokens
        .insert("all".into(), token("all", None));
    world
        .connect
        .tokens
        .insert("one".into(), token("one", Some(vec![LAB.into()])));
    world
        .connect
        .tokens
        .insert("reader".into(), token("reader", None));
    world
}

/// Sends a request to write into the vault LAB, as it arrives, and answers it at once.
fn send(
    world: &mut World,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<Value, (u16, String)> {
    let call = arrive(world, "all", method, path, body);
    carry_out(world, &call)
}

fn arrive(world: &World, token: &str, method: Method, path: &str, body: &Value) -> Call {
    let path = format!("/v1/vaults/{LAB}/items{path}");
    let mut call = Call {
        operation: operation(&method, &path).unwrap_or_default().into(),
        principal: token.into(),
        method,
        path,
        body: body.to_string().into_bytes(),
        now: "2026-01-03T00:00:00Z".parse().unwrap(),
        ..Call::default()
    };
    call.basis = basis(&world.connect, &call);
    call
}

fn carry_out(world: &mut World, call: &Call) -> Result<Value, (u16, String)> {
    handle(world, call)
        .map(|reply| serde_json::from_slice(&reply.body).unwrap_or_default())
        .map_err(|e| (e.status.as_u16(), e.message))
}

fn change(world: &mut World, steps: &Value) -> Result<Value, (u16, String)> {
    send(world, Method::PATCH, &format!("/{ITEM}"), steps)
}

fn get(token: &str, path: &str, filter: Option<&str>) -> Result<Value, (u16, String)> {
    let mut world = world();
    let call = Call {
        operation: operation(&Method::GET, path).unwrap_or_default().into(),
        principal: authenticate(&world.connect, path, Some(&format!("Bearer {token}")))
            .map_err(|e| (e.status.as_u16(), e.message))?,
        path: path.into(),
        query: filter
            .map(|f| ("filter".to_owned(), f.to_owned()))
            .into_iter()
            .collect(),
        ..Call::default()
    };
    handle(&mut world, &call)
        .map(|reply| serde_json::from_slice(&reply.body).unwrap())
        .map_err(|e| (e.status.as_u16(), e.message))
}

#[test]
fn vaults_are_found_by_name_and_told_whole() {
    let found = get("all", "/v1/vaults", Some(r#"name eq "empc-lab""#)).unwrap();
    assert_eq!(
        found,
        json!([{
            "id": LAB, "name": "empc-lab", "attributeVersion": 1, "contentVersion": 3, "items": 1,
            "type": "USER_CREATED",
            "createdAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:05Z",
        }])
    );
    assert_eq!(
        get("all", "/v1/vaults", Some(r#"name eq "absent""#)).unwrap(),
        json!([])
    );
    assert_eq!(
        get("all", "/v1/vaults", None)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let one = get("all", &format!("/v1/vaults/{OTHER}"), None).unwrap();
    assert_eq!(one["name"], "other");
}

#[test]
fn items_are_listed_without_their_fields_and_read_with_them() {
    let path = format!("/v1/vaults/{LAB}/items");
    let list = get("all", &path, Some(r#"title eq "a \"quoted\" item""#)).unwrap();
    assert_eq!(list[0]["id"], ITEM);
    assert_eq!(list[0]["version"], 7);
    assert_eq!(list[0].get("fields"), None);

    let item = get("all", &format!("{path}/{ITEM}"), None).unwrap();
    assert_eq!(item["vault"], json!({ "id": LAB }));
    assert_eq!(item["category"], "API_CREDENTIAL");
    assert_eq!(item["sections"], json!([{ "id": "s1", "label": "ci" }]));
    assert_eq!(
        item["fields"],
        json!([
            { "id": "f1", "type": "CONCEALED", "label": "token", "value": "t-1" },
            { "id": "f2", "section": { "id": "s1", "label": "ci" }, "type": "CONCEALED",
              "label": "token", "value": "t-2" },
        ])
    );
}

#[test]
fn a_token_sees_only_its_vaults() {
    assert_eq!(
        get("one", "/v1/vaults", None)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        get("one", &format!("/v1/vaults/{OTHER}"), None),
        Err((403, format!("vault {OTHER} is not in scope")))
    );
    assert_eq!(
        get("no", "/v1/vaults", None),
        Err((401, "Invalid token signature".into()))
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let absent = "zzzzzzzzzzzzzzzzzzzzzzzzzz";
    assert_eq!(
        get("all", &format!("/v1/vaults/{absent}/items"), None),
        Err((404, format!("vault {absent} not found")))
    );
    assert_eq!(
        get("all", &format!("/v1/vaults/{LAB}/items/{absent}"), None),
        Err((404, format!("item {absent} not found")))
    );
    assert_eq!(
        get("all", "/v1/vaults/empc-lab", None),
        Err((400, "Invalid Vault UUID".into()))
    );
    assert_eq!(
        get("all", &format!("/v1/vaults/{LAB}/items/x"), None),
        Err((400, "Invalid Item UUID".into()))
    );
    assert_eq!(
        get("all", "/v1/nothing", None),
        Err((404, "Path not found".into()))
    );
    assert_eq!(get("all", "/v1/vaults", Some("name")).unwrap_err().0, 400);
}

#[test]
fn an_item_is_made_with_ids_of_the_servers_choice_and_found_again() {
    let mut world = world();
    let item = json!({
        "vault": { "id": LAB }, "title": "new", "category": "LOGIN", "favorite": true,
        "urls": [{ "href": "https://example.com", "primary": true }],
        "sections": [{ "id": "s", "label": "more" }],
        "fields": [
            { "id": "username", "purpose": "USERNAME", "label": "username", "value": "me" },
            { "label": "host", "type": "URL", "value": "https://h", "section": { "id": "s" } },
            { "label": "made", "type": "CONCEALED", "generate": true,
              "recipe": { "length": 12, "characterSets": ["DIGITS"], "excludeCharacters": "0" } },
        ],
    });
    let made = send(&mut world, Method::POST, "", &item).unwrap();
    assert_eq!(
        (&made["version"], &made["favorite"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(made["createdAt"], "2026-01-03T00:00:00Z");
    assert_eq!(made["fields"][0]["purpose"], "USERNAME");
    assert_eq!(made["fields"][1]["section"]["label"], "more");
    let generated = made["fields"][2]["value"].as_str().unwrap();
    assert_eq!(generated.len(), 12);
    assert!(
        generated.chars().all(|c| ('1'..='9').contains(&c)),
        "{generated}"
    );

    let id = made["id"].as_str().unwrap();
    let found = send(&mut world, Method::GET, &format!("/{id}"), &json!(null)).unwrap();
    assert_eq!(found, made);
    assert_eq!(world.connect.vaults[0].content_version, 4);
}

#[test]
fn a_patch_names_fields_by_their_ids_and_leaves_the_others() {
    let mut world = world();
    let changed = change(
        &mut world,
        &json!([
            { "op": "add", "path": "/fields/f1/value", "value": "t-9" },
            { "op": "remove", "path": "/fields/f2" },
            { "op": "add", "path": "/fields", "value": { "label": "x", "type": "string", "value": "y" } },
            { "op": "replace", "path": "/favorite", "value": true },
            { "op": "remove", "path": "/tags/0" },
        ]),
    )
    .unwrap();
    assert_eq!(changed["version"], 8);
    assert_eq!(
        (&changed["favorite"], &changed["tags"]),
        (&json!(true), &json!([]))
    );
    let fields = changed["fields"].as_array().unwrap();
    assert_eq!(
        fields[0],
        json!({ "id": "f1", "type": "CONCEALED", "label": "token", "value": "t-9" })
    );
    assert_eq!(
        (&fields[1]["label"], &fields[1]["value"]),
        (&json!("x"), &json!("y"))
    );
    assert_eq!(fields[1]["id"].as_str().unwrap().len(), 26);
    assert_eq!(fields.len(), 2);
}

#[test]
fn a_patch_that_cannot_be_taken_changes_nothing() {
    let mut world = world();
    let before = serde_json::to_value(&world.connect.vaults).unwrap();
    for steps in [
        json!([{ "op": "move", "path": "/title", "from": "/tags/0" }]),
        json!([{ "op": "replace", "path": "/title", "value": "new" },
               { "op": "remove", "path": "/fields/absent" }]),
        json!([{ "op": "replace", "path": "/category", "value": "NONE" }]),
        json!({ "op": "add" }),
    ] {
        assert_eq!(change(&mut world, &steps).unwrap_err().0, 400, "{steps}");
    }
    let unmodified = change(&mut world, &json!([])).unwrap();
    assert_eq!(unmodified["version"], 7);
    assert_eq!(serde_json::to_value(&world.connect.vaults).unwrap(), before);
}

#[test]
fn an_item_is_replaced_as_a_whole_and_removed() {
    let mut world = world();
    let path = format!("/{ITEM}");
    let item = json!({ "vault": { "id": LAB }, "title": "t", "category": "SERVER" });
    let replaced = send(&mut world, Method::PUT, &path, &item).unwrap();
    assert_eq!(
        (&replaced["version"], &replaced["fields"]),
        (&json!(8), &json!([]))
    );
    assert_eq!(replaced["createdAt"], "2026-01-02T03:04:05Z");

    send(&mut world, Method::DELETE, &path, &json!(null)).unwrap();
    assert_eq!(
        send(&mut world, Method::GET, &path, &json!(null))
            .unwrap_err()
            .0,
        404
    );
}

#[test]
fn what_is_no_item_is_refused_and_so_is_a_token_that_only_reads() {
    let mut world = world();
    let refused = |body: Value| send(&mut world.clone(), Method::POST, "", &body).unwrap_err();
    let bad = [
        json!({ "title": "t", "category": "LOGIN" }),
        json!({ "vault": { "id": OTHER }, "category": "LOGIN" }),
        json!({ "vault": { "id": LAB } }),
        json!({ "vault": { "id": LAB }, "category": "LOGIN", "fields": [{ "type": "BLOB" }] }),
        json!({ "vault": { "id": LAB }, "category": "LOGIN", "fields": [{ "id": "a" }, { "id": "a" }] }),
        json!({ "vault": { "id": LAB }, "category": "LOGIN", "fields": [{ "section": { "id": "s" } }] }),
    ];
    for item in bad {
        assert_eq!(refused(item.clone()).0, 400, "{item}");
    }
    assert_eq!(
        refused(json!({ "vault": { "id": LAB }, "category": "X" })).1,
        "Invalid item category"
    );
    let call = arrive(
        &world,
        "reader",
        Method::DELETE,
        &format!("/{ITEM}"),
        &json!(null),
    );
    assert_eq!(carry_out(&mut world, &call).unwrap_err().0, 403);
}

#[test]
fn of_two_writes_into_a_vault_at_once_the_later_is_refused() {
    let mut world = world();
    let steps = |value: &str| json!([{ "op": "add", "path": "/fields/f1/value", "value": value }]);
    let path = format!("/{ITEM}");
    let one = arrive(&world, "all", Method::PATCH, &path, &steps("one"));
    let other = arrive(&world, "all", Method::PATCH, &path, &steps("other"));
    carry_out(&mut world, &one).unwrap();
    assert_eq!(
        carry_out(&mut world, &other),
        Err((409, "Internal server conflict".into()))
    );
    let again = arrive(&world, "all", Method::PATCH, &path, &steps("other"));
    assert_eq!(
        carry_out(&mut world, &again).unwrap()["fields"][0]["value"],
        "other"
    );
}
