//! Tags of file systems.

use super::*;

#[test]
fn tags_are_added_changed_and_removed() {
    let (mut bench, id) = Bench::with_file_system();
    let path = format!("/resource-tags/{id}");
    let tag = |key: &str, value: &str| json!({ "Key": key, "Value": value });
    bench
        .post(
            &path,
            json!({ "Tags": [tag("Name", "n"), tag("team", "a")] }),
        )
        .unwrap();
    bench
        .post(&path, json!({ "Tags": [tag("team", "b")] }))
        .unwrap();
    assert_eq!(
        bench.read(&path, "/Tags"),
        json!([tag("Name", "n"), tag("team", "b")])
    );
    let one = format!("/file-systems?FileSystemId={id}");
    assert_eq!(bench.read(&one, "/FileSystems/0/Name"), "n");

    bench
        .delete(&format!("{path}?tagKeys=Name&tagKeys=absent"))
        .unwrap();
    assert_eq!(bench.read(&path, "/Tags"), json!([tag("team", "b")]));
    assert_eq!(bench.read(&one, "/FileSystems/0/Name"), Value::Null);

    let many: Vec<_> = (0..50).map(|n| tag(&n.to_string(), "")).collect();
    assert_eq!(
        refusal(bench.post(&path, json!({ "Tags": many }))),
        (400, "BadRequest".into())
    );
    assert_eq!(
        refusal(bench.get("/resource-tags/fsap-01234567")),
        (404, "AccessPointNotFound".into())
    );
}
