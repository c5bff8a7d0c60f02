//! What is set on a file system as a whole.

use super::*;

#[test]
fn a_life_cycle_configuration_is_replaced_as_a_whole() {
    let (mut bench, id) = Bench::with_file_system();
    let path = format!("/file-systems/{id}/lifecycle-configuration");
    assert_eq!(bench.read(&path, "/LifecyclePolicies"), json!([]));
    let policies = json!([
        { "TransitionToIA": "AFTER_7_DAYS" },
        { "TransitionToPrimaryStorageClass": "AFTER_1_ACCESS" },
    ]);
    let answer = bench
        .put(&path, json!({ "LifecyclePolicies": policies }))
        .unwrap();
    assert_eq!(answer["LifecyclePolicies"], policies);
    assert_eq!(bench.read(&path, "/LifecyclePolicies"), policies);
    bench
        .put(&path, json!({ "LifecyclePolicies": [] }))
        .unwrap();
    assert_eq!(bench.read(&path, "/LifecyclePolicies"), json!([]));
}

#[test]
fn life_cycle_rules_that_make_no_sense_are_refused() {
    let (mut bench, id) = Bench::with_file_system();
    let path = format!("/file-systems/{id}/lifecycle-configuration");
    let put = |bench: &mut Bench, path: &str, policies: Value| {
        bench.put(path, json!({ "LifecyclePolicies": policies }))
    };
    for wrong in [
        json!([{ "TransitionToIA": "AFTER_8_DAYS" }]),
        json!([{ "TransitionToPrimaryStorageClass": "AFTER_7_DAYS" }]),
        json!([{ "TransitionToIA": "AFTER_7_DAYS" }, { "TransitionToIA": "AFTER_14_DAYS" }]),
        json!([{ "TransitionToIA": "AFTER_7_DAYS", "TransitionToPrimaryStorageClass": "AFTER_1_ACCESS" }]),
        json!([{ "TransitionToArchive": "AFTER_90_DAYS" }]),
        json!([{}]),
    ] {
        let refused = refusal(put(&mut bench, &path, wrong.clone()));
        assert_eq!(refused, (400, "BadRequest".into()), "{wrong}");
    }
    let elastic =
        bench.make_file_system(json!({ "CreationToken": "e", "ThroughputMode": "elastic" }));
    let path = format!("/file-systems/{elastic}/lifecycle-configuration");
    let both = |ia: &str, archive: &str| json!([{ "TransitionToIA": ia }, { "TransitionToArchive": archive }]);
    let early = put(&mut bench, &path, both("AFTER_30_DAYS", "AFTER_14_DAYS"));
    assert_eq!(refusal(early), (400, "BadRequest".into()));
    put(&mut bench, &path, both("AFTER_30_DAYS", "AFTER_90_DAYS")).unwrap();
}

#[test]
fn backups_take_a_moment_to_be_on() {
    let (mut bench, id) = Bench::with_file_system();
    let path = format!("/file-systems/{id}/backup-policy");
    let status = "/BackupPolicy/Status";
    assert_eq!(bench.read(&path, status), "DISABLED");
    let enable = json!({ "BackupPolicy": { "Status": "ENABLED" } });
    let answer = bench.put(&path, enable.clone()).unwrap();
    assert_eq!(answer["BackupPolicy"]["Status"], "ENABLING");
    bench.wait(A_MINUTE);
    assert_eq!(bench.read(&path, status), "ENABLED");
    let answer = bench.put(&path, enable).unwrap();
    assert_eq!(answer["BackupPolicy"]["Status"], "ENABLED");
    let wrong = bench.put(&path, json!({ "BackupPolicy": { "Status": "ENABLING" } }));
    assert_eq!(refusal(wrong), (400, "BadRequest".into()));
}

#[test]
fn settings_wait_for_the_file_system() {
    let mut bench = Bench::new();
    let made = bench
        .post("/file-systems", json!({ "CreationToken": "t" }))
        .unwrap();
    let id = made["FileSystemId"].as_str().unwrap();
    for (path, body) in [
        (
            "backup-policy",
            json!({ "BackupPolicy": { "Status": "ENABLED" } }),
        ),
        (
            "lifecycle-configuration",
            json!({ "LifecyclePolicies": [] }),
        ),
        ("policy", json!({ "Policy": "{\"Statement\":[]}" })),
    ] {
        let refused = refusal(bench.put(&format!("/file-systems/{id}/{path}"), body));
        assert_eq!(
            refused,
            (409, "IncorrectFileSystemLifeCycleState".into()),
            "{path}"
        );
    }
}

#[test]
fn a_file_system_policy_is_a_document() {
    let (mut bench, id) = Bench::with_file_system();
    let path = format!("/file-systems/{id}/policy");
    assert_eq!(refusal(bench.get(&path)), (404, "PolicyNotFound".into()));
    let wrong = bench.put(&path, json!({ "Policy": "{}" }));
    assert_eq!(refusal(wrong), (400, "InvalidPolicyException".into()));
    bench
        .put(&path, json!({ "Policy": "{\"Statement\": []}" }))
        .unwrap();
    assert_eq!(bench.read(&path, "/Policy"), "{\"Statement\":[]}");
    bench.delete(&path).unwrap();
    assert_eq!(refusal(bench.get(&path)), (404, "PolicyNotFound".into()));
}
