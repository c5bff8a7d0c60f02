//! Access points.

use super::*;

#[test]
fn an_access_point_is_made_once_for_a_token() {
    let (mut bench, id) = Bench::with_file_system();
    let body = json!({
        "ClientToken": "pvc-1",
        "FileSystemId": id,
        "PosixUser": { "Uid": 1000, "Gid": 1000 },
        "RootDirectory": {
            "Path": "/dynamic_storage/pvc-1",
            "CreationInfo": { "OwnerUid": 1000, "OwnerGid": 1000, "Permissions": "700" },
        },
        "Tags": [{ "Key": "Name", "Value": "one" }],
    });
    let made = bench.post("/access-points", body.clone()).unwrap();
    assert_eq!(made["LifeCycleState"], "creating");
    assert_eq!(made["Name"], "one");
    assert_eq!(made["PosixUser"], json!({ "Uid": 1000, "Gid": 1000 }));
    let again = bench.post("/access-points", body).unwrap_err();
    assert_eq!(again.code, "AccessPointAlreadyExists");
    assert_eq!(again.fields["AccessPointId"], made["AccessPointId"]);

    bench.wait(A_MINUTE);
    let listed = bench
        .get(&format!("/access-points?FileSystemId={id}"))
        .unwrap();
    assert_eq!(listed["AccessPoints"][0]["LifeCycleState"], "available");

    let point = made["AccessPointId"].as_str().unwrap();
    bench.delete(&format!("/access-points/{point}")).unwrap();
    bench.wait(A_MINUTE);
    let one = format!("/access-points?AccessPointId={point}");
    assert_eq!(
        refusal(bench.get(&one)),
        (404, "AccessPointNotFound".into())
    );
}

#[test]
fn roots_that_are_no_paths_are_refused() {
    let (mut bench, id) = Bench::with_file_system();
    let make = |bench: &mut Bench, root: Value| {
        let token = root.to_string().chars().take(64).collect::<String>();
        bench.post(
            "/access-points",
            json!({ "ClientToken": token, "FileSystemId": id, "RootDirectory": root }),
        )
    };
    make(&mut bench, json!({ "Path": "/" })).unwrap();
    make(&mut bench, json!({ "Path": "/a/b/c/d" })).unwrap();
    let info =
        |permissions: &str| json!({ "OwnerUid": 0, "OwnerGid": 0, "Permissions": permissions });
    for wrong in [
        json!({ "Path": "relative" }),
        json!({ "Path": "/a/b/c/d/e" }),
        json!({ "Path": "/a//b" }),
        json!({ "Path": "/.hidden" }),
        json!({ "Path": format!("/{}", "a".repeat(100)) }),
        json!({ "Path": "/a", "CreationInfo": info("78") }),
        json!({ "Path": "/a", "CreationInfo": info("0888") }),
    ] {
        let refused = refusal(make(&mut bench, wrong.clone()));
        assert_eq!(refused, (400, "BadRequest".into()), "{wrong}");
    }
}
