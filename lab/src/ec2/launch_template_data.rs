//! What a launch template says: its members in requests (`LaunchTemplateData.Monitoring.Enabled`),
//! read by a table and kept under the names that answers have.
//!
//! The table holds the members that platform teams use. Others are refused as unknown, never
//! ignored.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::{invalid_value, refusal};
use crate::call::ServiceError;
use crate::wire::form::Form;

/// A member: its name in requests, its name in answers, and what it holds.
type Member = (&'static str, &'static str, Kind);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    OneOf(&'static [&'static str]),
    Structure(&'static [Member]),
    /// A list, with the elements' name in answers.
    Texts(&'static str),
    Structures(&'static [Member]),
}

use Kind::{Flag, Number, OneOf, Structure, Structures, Text, Texts};

const ON_OR_OFF: Kind = OneOf(&["enabled", "disabled"]);

/// `RequestLaunchTemplateData`. Source: the EC2 API reference.
const DATA: &[Member] = &[
    ("EbsOptimized", "ebsOptimized", Flag),
    (
        "IamInstanceProfile",
        "iamInstanceProfile",
        Structure(&[("Arn", "arn", Text), ("Name", "name", Text)]),
    ),
    (
        "BlockDeviceMapping",
        "blockDeviceMappingSet",
        Structures(&[
            ("DeviceName", "deviceName", Text),
            ("VirtualName", "virtualName", Text),
            ("Ebs", "ebs", Structure(VOLUME)),
            ("NoDevice", "noDevice", Text),
        ]),
    ),
    (
        "NetworkInterface",
        "networkInterfaceSet",
        Structures(&[
            ("AssociatePublicIpAddress", "associatePublicIpAddress", Flag),
            ("DeleteOnTermination", "deleteOnTermination", Flag),
            ("Description", "description", Text),
            ("DeviceIndex", "deviceIndex", Number),
            ("SecurityGroupId", "groupSet", Texts("groupId")),
            ("InterfaceType", "interfaceType", Text),
            ("SubnetId", "subnetId", Text),
            ("NetworkCardIndex", "networkCardIndex", Number),
        ]),
    ),
    ("ImageId", "imageId", Text),
    ("InstanceType", "instanceType", Text),
    ("KeyName", "keyName", Text),
    (
        "Monitoring",
        "monitoring",
        Structure(&[("Enabled", "enabled", Flag)]),
    ),
    (
        "Placement",
        "placement",
        Structure(&[
            ("AvailabilityZone", "availabilityZone", Text),
            ("GroupName", "groupName", Text),
            (
                "Tenancy",
                "tenancy",
                OneOf(&["default", "dedicated", "host"]),
            ),
        ]),
    ),
    ("DisableApiTermination", "disableApiTermination", Flag),
    (
        "InstanceInitiatedShutdownBehavior",
        "instanceInitiatedShutdownBehavior",
        OneOf(&["stop", "terminate"]),
    ),
    ("UserData", "userData", Text),
    (
        "TagSpecification",
        "tagSpecificationSet",
        Structures(&[
            ("ResourceType", "resourceType", OneOf(TAGGED)),
            (
                "Tag",
                "tagSet",
                Structures(&[("Key", "key", Text), ("Value", "value", Text)]),
            ),
        ]),
    ),
    ("SecurityGroupId", "securityGroupIdSet", Texts("item")),
    (
        "InstanceMarketOptions",
        "instanceMarketOptions",
        Structure(&[(
            "MarketType",
            "marketType",
            OneOf(&["spot", "capacity-block"]),
        )]),
    ),
    (
        "CreditSpecification",
        "creditSpecification",
        Structure(&[(
            "CpuCredits",
            "cpuCredits",
            OneOf(&["standard", "unlimited"]),
        )]),
    ),
    (
        "CpuOptions",
        "cpuOptions",
        Structure(&[
            ("CoreCount", "coreCount", Number),
            ("ThreadsPerCore", "threadsPerCore", Number),
        ]),
    ),
    (
        "HibernationOptions",
        "hibernationOptions",
        Structure(&[("Configured", "configured", Flag)]),
    ),
    (
        "MetadataOptions",
        "metadataOptions",
        Structure(&[
            ("HttpTokens", "httpTokens", OneOf(&["optional", "required"])),
            ("HttpPutResponseHopLimit", "httpPutResponseHopLimit", Number),
            ("HttpEndpoint", "httpEndpoint", ON_OR_OFF),
            ("HttpProtocolIpv6", "httpProtocolIpv6", ON_OR_OFF),
            ("InstanceMetadataTags", "instanceMetadataTags", ON_OR_OFF),
        ]),
    ),
    (
        "EnclaveOptions",
        "enclaveOptions",
        Structure(&[("Enabled", "enabled", Flag)]),
    ),
    (
        "MaintenanceOptions",
        "maintenanceOptions",
        Structure(&[(
            "AutoRecovery",
            "autoRecovery",
            OneOf(&["default", "disabled"]),
        )]),
    ),
    ("DisableApiStop", "disableApiStop", Flag),
];

const VOLUME: &[Member] = &[
    ("Encrypted", "encrypted", Flag),
    ("DeleteOnTermination", "deleteOnTermination", Flag),
    ("Iops", "iops", Number),
    ("KmsKeyId", "kmsKeyId", Text),
    ("SnapshotId", "snapshotId", Text),
    ("VolumeSize", "volumeSize", Number),
    (
        "VolumeType",
        "volumeType",
        OneOf(&["standard", "io1", "io2", "gp2", "sc1", "st1", "gp3"]),
    ),
    ("Throughput", "throughput", Number),
];

/// What instances are launched with that can be tagged.
const TAGGED: &[&str] = &[
    "instance",
    "volume",
    "network-interface",
    "spot-instances-request",
    "elastic-gpu",
];

const PREFIX: &str = "LaunchTemplateData";

/// Reads the data in a request.
pub(super) fn read(form: &Form) -> Result<Value, ServiceError> {
    let mut known = BTreeSet::new();
    let data = structure(form, PREFIX, DATA, &mut known)?;
    let prefix = format!("{PREFIX}.");
    if let Some(unknown) = form
        .names()
        .find(|name| name.starts_with(&prefix) && !known.contains(*name))
    {
        return Err(refusal(
            "UnknownParameter",
            format!("The parameter {unknown} is not recognized"),
        ));
    }
    let data = data.unwrap_or_default();
    check(&data)?;
    Ok(Value::Object(data))
}

fn structure(
    form: &Form,
    at: &str,
    members: &[Member],
    known: &mut BTreeSet<String>,
) -> Result<Option<Map<String, Value>>, ServiceError> {
    let mut read = Map::new();
    for (name, answered, kind) in members {
        if let Some(value) = value(form, &format!("{at}.{name}"), *kind, known)? {
            read.insert((*answered).to_owned(), value);
        }
    }
    Ok((!read.is_empty()).then_some(read))
}

fn value(
    form: &Form,
    at: &str,
    kind: Kind,
    known: &mut BTreeSet<String>,
) -> Result<Option<Value>, ServiceError> {
    let list = |element: &str, items: Vec<Value>| {
        let mut list = Map::new();
        list.insert(element.to_owned(), Value::Array(items));
        Value::Object(list)
    };
    match kind {
        Text | Number | Flag | OneOf(_) => {
            let Some(text) = form.raw(at) else {
                return Ok(None);
            };
            known.insert(at.to_owned());
            scalar(at, text, kind).map(Some)
        }
        Structure(members) => Ok(structure(form, at, members, known)?.map(Value::Object)),
        Texts(element) => {
            let mut items = Vec::new();
            for at in form.structures(at) {
                items.extend(value(form, &at, Text, known)?);
            }
            Ok((!items.is_empty()).then(|| list(element, items)))
        }
        Structures(members) => {
            let mut items = Vec::new();
            for at in form.structures(at) {
                items.extend(structure(form, &at, members, known)?.map(Value::Object));
            }
            Ok((!items.is_empty()).then(|| list("item", items)))
        }
    }
}

fn scalar(at: &str, text: &str, kind: Kind) -> Result<Value, ServiceError> {
    let wrong = || invalid_value(format!("Value ({text}) for parameter {at} is invalid."));
    match kind {
        Number => text.parse::<i64>().map(Value::from).map_err(|_| wrong()),
        Flag => text.parse::<bool>().map(Value::from).map_err(|_| wrong()),
        OneOf(values) if !values.contains(&text) => Err(wrong()),
        Text | OneOf(_) | Structure(_) | Texts(_) | Structures(_) => Ok(text.into()),
    }
}

/// Rules about values that the table can't say.
fn check(data: &Map<String, Value>) -> Result<(), ServiceError> {
    let number = |path: &str| {
        Value::Object(data.clone())
            .pointer(path)
            .and_then(Value::as_i64)
    };
    if number("/metadataOptions/httpPutResponseHopLimit").is_some_and(|n| !(1..=64).contains(&n)) {
        return Err(invalid_value(
            "A value between 1 and 64 is required for 'HttpPutResponseHopLimit'",
        ));
    }
    if data.contains_key("networkInterfaceSet") && data.contains_key("securityGroupIdSet") {
        return Err(refusal(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level security groups may not be specified on the \
             same request",
        ));
    }
    let user_data = data.get("userData").and_then(Value::as_str);
    if user_data.is_some_and(|text| data_encoding::BASE64.decode(text.as_bytes()).is_err()) {
        return Err(refusal(
            "InvalidUserData.Malformed",
            "Invalid BASE64 encoding of user data.",
        ));
    }
    Ok(())
}

/// What a version says that is based on another: the other's members unless it has its own.
pub(super) fn based_on(source: &Value, own: Value) -> Value {
    match (source, own) {
        (Value::Object(source), Value::Object(own)) => {
            let mut data = source.clone();
            data.extend(own);
            Value::Object(data)
        }
        (_, own) => own,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(body: &str) -> Result<Value, String> {
        read(&Form::parse(body.as_bytes())).map_err(|error| error.code)
    }

    #[test]
    fn members_are_kept_as_answers_name_them() {
        let body = "LaunchTemplateData.MetadataOptions.HttpTokens=required\
            &LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit=1\
            &LaunchTemplateData.Monitoring.Enabled=true\
            &LaunchTemplateData.BlockDeviceMapping.1.DeviceName=%2Fdev%2Fxvdb\
            &LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize=50\
            &LaunchTemplateData.BlockDeviceMapping.1.Ebs.Encrypted=true\
            &LaunchTemplateData.TagSpecification.1.ResourceType=instance\
            &LaunchTemplateData.TagSpecification.1.Tag.1.Key=Name\
            &LaunchTemplateData.TagSpecification.1.Tag.1.Value=c\
            &LaunchTemplateData.SecurityGroupId.1=sg-1&Version=2016-11-15";
        assert_eq!(
            data(body).unwrap(),
            json!({
                "blockDeviceMappingSet": { "item": [{
                    "deviceName": "/dev/xvdb",
                    "ebs": { "encrypted": true, "volumeSize": 50 },
                }] },
                "monitoring": { "enabled": true },
                "tagSpecificationSet": { "item": [{
                    "resourceType": "instance",
                    "tagSet": { "item": [{ "key": "Name", "value": "c" }] },
                }] },
                "securityGroupIdSet": { "item": ["sg-1"] },
                "metadataOptions": { "httpTokens": "required", "httpPutResponseHopLimit": 1 },
            })
        );
    }

    #[test]
    fn what_is_wrong_or_unknown_is_refused() {
        for (member, code) in [
            ("Monitor.Enabled=true", "UnknownParameter"),
            ("Monitoring.On=true", "UnknownParameter"),
            ("Monitoring.Enabled=yes", "InvalidParameterValue"),
            (
                "BlockDeviceMapping.1.Ebs.VolumeSize=big",
                "InvalidParameterValue",
            ),
            (
                "BlockDeviceMapping.1.Ebs.VolumeType=gp4",
                "InvalidParameterValue",
            ),
            (
                "MetadataOptions.HttpPutResponseHopLimit=65",
                "InvalidParameterValue",
            ),
            ("UserData=%21", "InvalidUserData.Malformed"),
            (
                "SecurityGroupId.1=sg-1&LaunchTemplateData.NetworkInterface.1.DeviceIndex=0",
                "InvalidParameterCombination",
            ),
        ] {
            assert_eq!(
                data(&format!("LaunchTemplateData.{member}")),
                Err(code.to_owned()),
                "{member}"
            );
        }
    }

    #[test]
    fn a_version_inherits_what_it_does_not_say() {
        let source = json!({ "imageId": "ami-1", "monitoring": { "enabled": true } });
        let own = json!({ "imageId": "ami-2" });
        assert_eq!(
            based_on(&source, own),
            json!({ "imageId": "ami-2", "monitoring": { "enabled": true } })
        );
    }
}
