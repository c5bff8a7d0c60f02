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
        label: label.into(),
        value: value.into(),
    };
    let item = Item {
        id: ITEM.into(),
        title: r#"a "quoted" item"#.into(),
        category: Category::ApiCredential,
        version: 7,
        tags: vec!["psk".into()],
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
