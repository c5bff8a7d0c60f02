//! File systems: their creation and its token, life cycle, deletion and throughput.

use super::*;

#[test]
fn a_file_system_is_created_and_then_available() {
    let mut bench = Bench::new();
    let body = json!({
        "CreationToken": "c-efs-csi-storage",
        "Encrypted": true,
        "Tags": [{ "Key": "Name", "Value": "c-efs-csi-storage" }],
    });
    let (status, made) = bench
        .answer(Method::POST, "/file-systems", Some(body))
        .unwrap();
    assert_eq!(status, 201);
    assert_eq!(made["LifeCycleState"], "creating");
    assert_eq!(made["Name"], "c-efs-csi-storage");
    assert_eq!(made["ThroughputMode"], "bursting");
    assert_eq!(made["PerformanceMode"], "generalPurpose");
    assert_eq!(made["CreationTime"], bench.now.as_second());
    let key = made["KmsKeyId"].as_str().unwrap();
    assert!(key.starts_with("arn:aws:kms:us-east-1:111122223333:key/"));
    let id = made["FileSystemId"].as_str().unwrap();
    assert_eq!(
        made["FileSystemArn"],
        format!("arn:aws:elasticfilesystem:us-east-1:111122223333:file-system/{id}")
    );

    bench.wait(A_MINUTE);
    let state = "/FileSystems/0/LifeCycleState";
    assert_eq!(
        bench.read(&format!("/file-systems?FileSystemId={id}"), state),
        "available"
    );
}

#[test]
fn a_token_makes_one_file_system() {
    let (mut bench, id) = Bench::with_file_system();
    let again = bench.post("/file-systems", json!({ "CreationToken": "t" }));
    let error = again.unwrap_err();
    assert_eq!(error.status, StatusCode::CONFLICT);
    assert_eq!(error.code, "FileSystemAlreadyExists");
    assert_eq!(error.fields["FileSystemId"], id.as_str());

    bench.make_file_system(json!({ "CreationToken": "other" }));
    let found = bench.get("/file-systems?CreationToken=t").unwrap();
    assert_eq!(found["FileSystems"].as_array().unwrap().len(), 1);
    assert_eq!(found["FileSystems"][0]["FileSystemId"], id.as_str());
    let none = bench.get("/file-systems?CreationToken=absent").unwrap();
    assert_eq!(none["FileSystems"], json!([]));
}

#[test]
fn lists_are_paged() {
    let mut bench = Bench::new();
    let mut made: Vec<String> = (0..7)
        .map(|n| bench.make_file_system(json!({ "CreationToken": n.to_string() })))
        .collect();
    made.sort();
    let mut seen = Vec::new();
    let mut target = "/file-systems?MaxItems=3".to_owned();
    loop {
        let page = bench.get(&target).unwrap();
        let items = page["FileSystems"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|it| it["FileSystemId"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.get("NextMarker") else {
            break;
        };
        target = format!("/file-systems?MaxItems=3&Marker={}", next.as_str().unwrap());
    }
    assert_eq!(seen, made);
    assert_eq!(
        refusal(bench.get("/file-systems?Marker=!")),
        (400, "BadRequest".into())
    );
}

#[test]
fn a_deleted_file_system_goes_after_a_while_and_frees_its_token() {
    let (mut bench, id) = Bench::with_file_system();
    let target = format!("/file-systems/{id}");
    let (status, _) = bench.answer(Method::DELETE, &target, None).unwrap();
    assert_eq!(status, 204);
    let one = format!("/file-systems?FileSystemId={id}");
    assert_eq!(
        bench.read(&one, "/FileSystems/0/LifeCycleState"),
        "deleting"
    );
    let again = bench.post("/file-systems", json!({ "CreationToken": "t" }));
    assert_eq!(refusal(again), (409, "FileSystemAlreadyExists".into()));

    bench.wait(A_MINUTE);
    assert_eq!(refusal(bench.get(&one)), (404, "FileSystemNotFound".into()));
    assert_eq!(
        refusal(bench.delete(&target)),
        (404, "FileSystemNotFound".into())
    );
    let again = bench.make_file_system(json!({ "CreationToken": "t" }));
    assert_ne!(again, id);
}

#[test]
fn a_file_system_that_is_mounted_is_not_deleted() {
    let (mut bench, id) = Bench::with_file_system();
    let subnet = bench.subnets("c", "node")[0].clone();
    let target = bench.mount(&id, &subnet).unwrap();
    let path = format!("/file-systems/{id}");
    assert_eq!(
        refusal(bench.delete(&path)),
        (409, "FileSystemInUse".into())
    );

    let target = target["MountTargetId"].as_str().unwrap();
    bench.delete(&format!("/mount-targets/{target}")).unwrap();
    assert_eq!(
        refusal(bench.delete(&path)),
        (409, "FileSystemInUse".into())
    );
    bench.wait(A_MINUTE);
    bench.delete(&path).unwrap();
}

#[test]
fn what_cannot_be_made_is_refused() {
    let mut bench = Bench::new();
    for wrong in [
        json!({}),
        json!({ "CreationToken": "" }),
        json!({ "CreationToken": "t".repeat(65) }),
        json!({ "CreationToken": "t", "PerformanceMode": "fast" }),
        json!({ "CreationToken": "t", "KmsKeyId": "alias/x" }),
        json!({ "CreationToken": "t", "ThroughputMode": "provisioned" }),
        json!({ "CreationToken": "t", "ThroughputMode": "provisioned", "ProvisionedThroughputInMibps": 0.5 }),
        json!({ "CreationToken": "t", "ProvisionedThroughputInMibps": 10.0 }),
        json!({ "CreationToken": "t", "ThroughputMode": "elastic", "PerformanceMode": "maxIO" }),
        json!({ "CreationToken": "t", "Tags": [{ "Key": "aws:x", "Value": "" }] }),
        json!({ "CreationToken": "t", "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "a", "Value": "2" }] }),
        json!({ "CreationToken": "t", "Unknown": 1 }),
    ] {
        let refused = refusal(bench.post("/file-systems", wrong.clone()));
        assert_eq!(refused, (400, "BadRequest".into()), "{wrong}");
    }
    let zone = json!({ "CreationToken": "t", "AvailabilityZoneName": "eu-west-1a" });
    assert_eq!(
        refusal(bench.post("/file-systems", zone)),
        (400, "UnsupportedAvailabilityZone".into())
    );
    bench.world.region(ACCOUNT, REGION).efs.quotas.file_systems = 0;
    assert_eq!(
        refusal(bench.post("/file-systems", json!({ "CreationToken": "t" }))),
        (403, "FileSystemLimitExceeded".into())
    );
}

#[test]
fn throughput_changes_once_a_day() {
    let (mut bench, id) = Bench::with_file_system();
    let path = format!("/file-systems/{id}");
    let update = |bench: &mut Bench, body: Value| bench.put(&path, body);
    let answer = update(&mut bench, json!({ "ThroughputMode": "elastic" })).unwrap();
    assert_eq!(answer["LifeCycleState"], "updating");
    assert_eq!(
        refusal(update(&mut bench, json!({ "ThroughputMode": "bursting" }))),
        (409, "IncorrectFileSystemLifeCycleState".into())
    );
    bench.wait(TEN_MINUTES);
    assert_eq!(
        refusal(update(&mut bench, json!({ "ThroughputMode": "bursting" }))),
        (429, "TooManyRequests".into())
    );
    bench.wait(SignedDuration::from_hours(24));
    let answer = update(&mut bench, json!({ "ThroughputMode": "bursting" })).unwrap();
    assert_eq!(answer["ThroughputMode"], "bursting");
}

#[test]
fn ids_are_checked_and_arns_taken() {
    let (mut bench, id) = Bench::with_file_system();
    let arn = format!("arn:aws:elasticfilesystem:us-east-1:111122223333:file-system/{id}");
    let found = bench.read(
        &format!("/file-systems?FileSystemId={arn}"),
        "/FileSystems/0/FileSystemId",
    );
    assert_eq!(found, id.as_str());
    for wrong in [
        "fs-xyz",
        "fs-1",
        "fsmt-0123456789",
        &arn.replace("us-east-1", "eu-west-1"),
    ] {
        assert_eq!(
            refusal(bench.get(&format!("/file-systems?FileSystemId={wrong}"))),
            (400, "BadRequest".into()),
            "{wrong}"
        );
    }
    let both = format!("/file-systems?FileSystemId={id}&CreationToken=t");
    assert_eq!(refusal(bench.get(&both)), (400, "BadRequest".into()));
}
