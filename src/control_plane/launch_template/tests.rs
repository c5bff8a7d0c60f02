use aws_sdk_ec2::types::{
    LaunchTemplateInstanceMetadataOptions, LaunchTemplateTagSpecification,
    LaunchTemplatesMonitoring,
};

use super::*;

fn wanted() -> Wanted {
    Wanted {
        cluster: "qa-i01-aws-us-east-2".into(),
        node_group: "management".into(),
        device: "/dev/xvdb".into(),
        disk_gib: 50,
        tags: [("role".to_owned(), "qa".to_owned())].into(),
    }
}

fn disk_of(device: &str, gib: i32) -> LaunchTemplateBlockDeviceMapping {
    let ebs = LaunchTemplateEbsBlockDevice::builder()
        .volume_size(gib)
        .volume_type(VolumeType::Gp3)
        .encrypted(true)
        .delete_on_termination(true)
        .kms_key_id("key-1");
    LaunchTemplateBlockDeviceMapping::builder()
        .device_name(device)
        .ebs(ebs.build())
        .build()
}

fn tagged(what: ResourceType, tags: &[(&str, &str)]) -> LaunchTemplateTagSpecification {
    let tags = tags
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    LaunchTemplateTagSpecification::builder()
        .resource_type(what)
        .set_tags(Some(tags::for_ec2(&tags)))
        .build()
}

fn right_data() -> ResponseLaunchTemplateData {
    ResponseLaunchTemplateData::builder()
        .metadata_options(
            LaunchTemplateInstanceMetadataOptions::builder()
                .http_tokens(LaunchTemplateHttpTokensState::Required)
                .http_put_response_hop_limit(1)
                .build(),
        )
        .monitoring(LaunchTemplatesMonitoring::builder().enabled(true).build())
        .block_device_mappings(disk_of("/dev/xvdc", 8))
        .block_device_mappings(disk_of("/dev/xvdb", 50))
        .tag_specifications(tagged(
            ResourceType::Instance,
            &[("role", "qa"), ("Name", "n")],
        ))
        .tag_specifications(tagged(ResourceType::Volume, &[("role", "qa")]))
        .tag_specifications(tagged(ResourceType::NetworkInterface, &[("role", "qa")]))
        .build()
}

fn observed_with(data: ResponseLaunchTemplateData) -> Observed {
    Observed {
        id: "lt-1".into(),
        name: wanted().name(),
        version: 3,
        data,
    }
}

fn paths(diff: &Diff) -> Vec<&str> {
    diff.attributes.iter().map(|a| a.path.as_str()).collect()
}

#[test]
fn a_right_template_is_kept_with_the_disks_and_tags_of_others() {
    let diff = diff(&wanted(), Some(&observed_with(right_data())));
    assert_eq!(paths(&diff), [""; 0]);
}

#[test]
fn a_tag_that_volumes_lack_differs() {
    let mut data = right_data();
    data.tag_specifications = Some(vec![tagged(ResourceType::Instance, &[("role", "qa")])]);
    let diff = diff(&wanted(), Some(&observed_with(data)));
    assert_eq!(paths(&diff), ["tags.role"]);
}

#[test]
fn a_template_as_terraform_makes_it_differs_in_disk_and_hop_limit() {
    let mut data = right_data();
    data.block_device_mappings = None;
    data.metadata_options = Some(
        LaunchTemplateInstanceMetadataOptions::builder()
            .http_tokens(LaunchTemplateHttpTokensState::Required)
            .http_put_response_hop_limit(2)
            .build(),
    );
    let diff = diff(&wanted(), Some(&observed_with(data)));
    assert_eq!(
        paths(&diff),
        [
            "metadata_options.http_put_response_hop_limit",
            "disk.device",
            "disk.size_gib",
            "disk.type",
            "disk.encrypted",
            "disk.delete_on_termination"
        ]
    );
}

#[test]
fn a_new_version_has_what_differs_and_keeps_what_is_others() {
    let larger = Wanted {
        disk_gib: 80,
        tags: [("role".to_owned(), "prod".to_owned())].into(),
        ..wanted()
    };
    let data = right_data();
    let diff = diff(&larger, Some(&observed_with(data.clone())));
    let content = content(&larger, &diff, Some(&data));
    assert!(content.metadata_options().is_none() && content.monitoring().is_none());
    let disks: Vec<_> = content
        .block_device_mappings()
        .iter()
        .map(|mapping| {
            let ebs = mapping.ebs().unwrap();
            (
                mapping.device_name().unwrap(),
                ebs.volume_size(),
                ebs.kms_key_id(),
            )
        })
        .collect();
    assert_eq!(
        disks,
        [
            ("/dev/xvdc", Some(8), Some("key-1")),
            ("/dev/xvdb", Some(80), Some("key-1"))
        ]
    );
    let specs = content.tag_specifications();
    let of = |what: ResourceType| {
        let spec = specs
            .iter()
            .find(|s| s.resource_type() == Some(&what))
            .unwrap();
        tags::from_ec2(spec.tags())
    };
    assert_eq!(of(ResourceType::Instance)["Name"], "n");
    assert!(TAGGED.iter().all(|t| of(t.clone())["role"] == "prod"));
}

#[test]
fn a_new_template_has_everything() {
    let diff = diff(&wanted(), None);
    assert_eq!(diff.action, Action::Create);
    let content = content(&wanted(), &diff, None);
    let options = content.metadata_options().unwrap();
    assert_eq!(options.http_put_response_hop_limit(), Some(1));
    assert_eq!(
        options.http_tokens(),
        Some(&LaunchTemplateHttpTokensState::Required)
    );
    assert_eq!(content.monitoring().and_then(|m| m.enabled()), Some(true));
    assert_eq!(content.block_device_mappings().len(), 1);
    assert_eq!(content.tag_specifications().len(), 3);
}

#[test]
fn the_disk_is_where_the_ami_type_keeps_its_containers() {
    assert_eq!(data_device(&AmiTypes::BottlerocketArm64), "/dev/xvdb");
    assert_eq!(data_device(&AmiTypes::Al2023X8664Standard), "/dev/xvda");
    assert_eq!(data_device(&AmiTypes::WindowsCore2022X8664), "/dev/sda1");
}
