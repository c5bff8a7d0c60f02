//! Mount targets: where they may be, their addresses and security groups.

use super::*;

#[test]
fn each_zone_of_one_vpc_has_one() {
    let (mut bench, id) = Bench::with_file_system();
    let subnets = bench.subnets("c", "node");
    for subnet in &subnets {
        let made = bench.mount(&id, subnet).unwrap();
        assert_eq!(made["LifeCycleState"], "creating");
        assert_eq!(made["SubnetId"], subnet.as_str());
    }
    bench.wait(TEN_MINUTES);
    let listed = bench
        .get(&format!("/mount-targets?FileSystemId={id}"))
        .unwrap();
    let listed = listed["MountTargets"].as_array().unwrap().clone();
    let zones: std::collections::BTreeSet<_> = listed
        .iter()
        .map(|it| it["AvailabilityZoneName"].as_str().unwrap())
        .collect();
    assert_eq!(zones, ["us-east-1a", "us-east-1b", "us-east-1c"].into());
    assert!(listed.iter().all(|it| it["LifeCycleState"] == "available"));
    let count = bench.read(
        &format!("/file-systems?FileSystemId={id}"),
        "/FileSystems/0/NumberOfMountTargets",
    );
    assert_eq!(count, 3);

    let conflict = (409, "MountTargetConflict".to_owned());
    assert_eq!(refusal(bench.mount(&id, &subnets[0])), conflict);
    let same_zone = bench.subnets("c", "intra")[0].clone();
    assert_eq!(refusal(bench.mount(&id, &same_zone)), conflict);
}

#[test]
fn another_vpc_is_refused() {
    let (mut bench, id) = Bench::with_file_system();
    let (here, there) = (bench.subnets("c", "node"), bench.subnets("other", "node"));
    bench.mount(&id, &here[0]).unwrap();
    assert_eq!(
        refusal(bench.mount(&id, &there[1])),
        (409, "MountTargetConflict".into())
    );
    bench.mount(&id, &here[1]).unwrap();
}

#[test]
fn a_file_system_has_to_be_available() {
    let mut bench = Bench::new();
    let made = bench.post("/file-systems", json!({ "CreationToken": "t" }));
    let id = made.unwrap()["FileSystemId"].as_str().unwrap().to_owned();
    let subnet = bench.subnets("c", "node")[0].clone();
    assert_eq!(
        refusal(bench.mount(&id, &subnet)),
        (409, "IncorrectFileSystemLifeCycleState".into())
    );
    bench.wait(A_MINUTE);
    bench.mount(&id, &subnet).unwrap();
}

#[test]
fn addresses_are_those_of_the_subnet_and_each_is_given_once() {
    let (mut bench, one) = Bench::with_file_system();
    let two = bench.make_file_system(json!({ "CreationToken": "two" }));
    let subnet = bench.subnets("c", "intra")[0].clone();
    let cidr = bench.world.ec2(ACCOUNT, REGION).subnets[&subnet]
        .cidr
        .clone();
    let network = cidr.rsplit_once('.').unwrap().0.to_owned();

    let first = bench.mount(&one, &subnet).unwrap();
    assert_eq!(first["IpAddress"], format!("{network}.4"));
    let ask = |bench: &mut Bench, address: &str| {
        bench.post(
            "/mount-targets",
            json!({ "FileSystemId": two, "SubnetId": subnet, "IpAddress": address }),
        )
    };
    assert_eq!(
        refusal(ask(&mut bench, &format!("{network}.4"))),
        (409, "IpAddressInUse".into())
    );
    for outside in [&format!("{network}.255"), "192.0.2.1", "x"] {
        assert_eq!(
            refusal(ask(&mut bench, outside)),
            (400, "BadRequest".into())
        );
    }
    let ec2 = bench.world.ec2(ACCOUNT, REGION);
    ec2.subnets.get_mut(&subnet).unwrap().available_addresses = 0;
    assert_eq!(
        refusal(bench.mount(&two, &subnet)),
        (409, "NoFreeAddressesInSubnet".into())
    );
    let made = ask(&mut bench, &format!("{network}.9")).unwrap();
    assert_eq!(made["IpAddress"], format!("{network}.9"));
}

#[test]
fn a_one_zone_file_system_is_mounted_in_its_zone() {
    let mut bench = Bench::new();
    let id = bench.make_file_system(json!({
        "CreationToken": "t",
        "AvailabilityZoneName": "us-east-1b",
    }));
    let one = format!("/file-systems?FileSystemId={id}");
    assert_eq!(
        bench.read(&one, "/FileSystems/0/AvailabilityZoneId"),
        "use1-az2"
    );
    let backup = format!("/file-systems/{id}/backup-policy");
    assert_eq!(bench.read(&backup, "/BackupPolicy/Status"), "ENABLED");
    let subnets = bench.subnets("c", "node");
    assert_eq!(
        refusal(bench.mount(&id, &subnets[0])),
        (400, "AvailabilityZonesMismatch".into())
    );
    bench.mount(&id, &subnets[1]).unwrap();
}

#[test]
fn security_groups_are_replaced() {
    let (mut bench, id) = Bench::with_file_system();
    let subnet = bench.subnets("c", "node")[0].clone();
    let made = bench.mount(&id, &subnet).unwrap();
    let target = made["MountTargetId"].as_str().unwrap().to_owned();
    let groups = format!("/mount-targets/{target}/security-groups");
    assert_eq!(bench.read(&groups, "/SecurityGroups"), json!([GROUP]));

    let set = |groups: Value| json!({ "SecurityGroups": groups });
    let unknown = bench.put(&groups, set(json!(["sg-none"])));
    assert_eq!(refusal(unknown), (400, "SecurityGroupNotFound".into()));
    let none = bench.put(&groups, set(json!([])));
    assert_eq!(refusal(none), (400, "BadRequest".into()));
    let many = bench.put(&groups, set(json!(vec![GROUP; 6])));
    assert_eq!(refusal(many), (400, "SecurityGroupLimitExceeded".into()));

    bench.delete(&format!("/mount-targets/{target}")).unwrap();
    assert_eq!(
        refusal(bench.get(&groups)),
        (409, "IncorrectMountTargetState".into())
    );
    bench.wait(A_MINUTE);
    assert_eq!(
        refusal(bench.get(&groups)),
        (404, "MountTargetNotFound".into())
    );
}

#[test]
fn what_is_asked_for_must_exist() {
    let (mut bench, id) = Bench::with_file_system();
    assert_eq!(
        refusal(bench.mount(&id, "subnet-0123456789")),
        (400, "SubnetNotFound".into())
    );
    let subnet = bench.subnets("c", "node")[0].clone();
    assert_eq!(
        refusal(bench.mount("fs-01234567", &subnet)),
        (404, "FileSystemNotFound".into())
    );
    for (target, code) in [
        ("/mount-targets", "BadRequest"),
        (
            "/mount-targets?FileSystemId=fs-01234567",
            "FileSystemNotFound",
        ),
        (
            "/mount-targets?MountTargetId=fsmt-01234567",
            "MountTargetNotFound",
        ),
        (
            "/mount-targets?AccessPointId=fsap-01234567",
            "AccessPointNotFound",
        ),
    ] {
        assert_eq!(refusal(bench.get(target)).1, code, "{target}");
    }
}

#[test]
fn a_mount_target_has_a_network_interface_for_as_long_as_it_is() {
    let (mut bench, id) = Bench::with_file_system();
    let subnet = bench.subnets("c", "node")[0].clone();
    let made = bench.mount(&id, &subnet).unwrap();
    let interfaces = |bench: &mut Bench| {
        let ec2 = bench.world.ec2(ACCOUNT, REGION);
        let found: Vec<_> = ec2.network_interfaces.values().cloned().collect();
        found
    };
    let [interface] = &interfaces(&mut bench)[..] else {
        panic!("one network interface");
    };
    assert_eq!(interface.id, made["NetworkInterfaceId"]);
    assert_eq!(interface.private_ip, made["IpAddress"]);
    assert_eq!(interface.groups, [GROUP]);
    let target = made["MountTargetId"].as_str().unwrap();
    bench.delete(&format!("/mount-targets/{target}")).unwrap();
    assert_eq!(interfaces(&mut bench).len(), 1, "it goes with its target");
    bench.wait(A_MINUTE);
    bench
        .get(&format!("/mount-targets?FileSystemId={id}"))
        .unwrap();
    assert_eq!(interfaces(&mut bench), []);
}
