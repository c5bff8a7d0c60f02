//! EC2 from request to answer.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{NetworkInterface, Vpc, handle};
use crate::call::Call;
use crate::world::World;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";

struct Bench(World);

impl Bench {
    /// With the VPCs vpc-1 and vpc-2.
    fn new() -> Self {
        let mut world = World::empty(Timestamp::UNIX_EPOCH, [6; 32]);
        for id in ["vpc-1", "vpc-2"] {
            let vpc = Vpc {
                id: id.to_owned(),
                cidr: "10.0.0.0/16".to_owned(),
                tags: BTreeMap::new(),
            };
            world.ec2(ACCOUNT, REGION).vpcs.insert(id.to_owned(), vpc);
        }
        Self(world)
    }

    /// The answer's XML, or the error's code.
    fn ask(&mut self, operation: &str, form: &[(&str, &str)]) -> Result<String, String> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let call = Call {
            operation: operation.to_owned(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            principal: format!("arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/run"),
            body: body.into_bytes(),
            now: "2026-11-23T08:00:00Z".parse().unwrap(),
            ..Call::default()
        };
        handle(&mut self.0, &call)
            .map(|reply| String::from_utf8(reply.body).unwrap())
            .map_err(|error| error.code)
    }

    fn code(&mut self, operation: &str, form: &[(&str, &str)]) -> String {
        self.ask(operation, form).unwrap_err()
    }

    fn group(&mut self, name: &str, vpc: &str) -> String {
        let form = [
            ("GroupName", name),
            ("GroupDescription", "d"),
            ("VpcId", vpc),
        ];
        element(&self.ask("CreateSecurityGroup", &form).unwrap(), "groupId")
    }
}

fn elements(body: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    body.split(&open)
        .skip(1)
        .map(|rest| rest.split(&close).next().unwrap_or_default().to_owned())
        .collect()
}

fn element(body: &str, name: &str) -> String {
    elements(body, name)
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("no {name} in {body}"))
}

#[test]
fn a_group_is_unique_by_name_in_its_vpc_and_lets_everything_out() {
    let mut bench = Bench::new();
    let id = bench.group("c-efs", "vpc-1");
    bench.group("c-efs", "vpc-2");
    let again = [
        ("GroupName", "c-efs"),
        ("GroupDescription", "d"),
        ("VpcId", "vpc-1"),
    ];
    assert_eq!(
        bench.code("CreateSecurityGroup", &again),
        "InvalidGroup.Duplicate"
    );
    for (form, code) in [
        (
            [
                ("GroupName", "x"),
                ("GroupDescription", "d"),
                ("VpcId", "vpc-9"),
            ],
            "InvalidVpcID.NotFound",
        ),
        (
            [
                ("GroupName", "x"),
                ("GroupDescription", ""),
                ("VpcId", "vpc-1"),
            ],
            "MissingParameter",
        ),
        (
            [
                ("GroupName", "é"),
                ("GroupDescription", "d"),
                ("VpcId", "vpc-1"),
            ],
            "InvalidParameterValue",
        ),
        (
            [
                ("GroupName", "default"),
                ("GroupDescription", "d"),
                ("VpcId", "vpc-1"),
            ],
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(bench.code("CreateSecurityGroup", &form), code, "{form:?}");
    }
    let found = bench
        .ask(
            "DescribeSecurityGroups",
            &[
                ("Filter.1.Name", "vpc-id"),
                ("Filter.1.Value.1", "vpc-1"),
                ("Filter.2.Name", "group-name"),
                ("Filter.2.Value.1", "c-*"),
            ],
        )
        .unwrap();
    assert_eq!(elements(&found, "groupId"), [id]);
    assert!(found.contains("<ipPermissions/>"), "{found}");
    assert!(
        found.contains("<ipPermissionsEgress><item><ipProtocol>-1</ipProtocol>"),
        "{found}"
    );
}

#[test]
fn rules_are_added_once_and_taken_away_as_they_are() {
    let mut bench = Bench::new();
    let cluster = bench.group("cluster", "vpc-1");
    let elsewhere = bench.group("elsewhere", "vpc-2");
    let id = bench.group("efs", "vpc-1");
    let rule = |group: &str| -> Vec<(String, String)> {
        [
            ("GroupId", id.as_str()),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "2049"),
            ("IpPermissions.1.ToPort", "2049"),
            ("IpPermissions.1.Groups.1.GroupId", group),
            ("IpPermissions.1.Groups.1.Description", "NFS"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
    };
    let mut ask = |operation: &str, form: Vec<(String, String)>| {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        bench.ask(operation, &form)
    };
    let added = ask("AuthorizeSecurityGroupIngress", rule(&cluster)).unwrap();
    assert!(element(&added, "securityGroupRuleId").starts_with("sgr-0"));
    assert_eq!(element(&added, "isEgress"), "false");
    assert_eq!(
        ask("AuthorizeSecurityGroupIngress", rule(&cluster)),
        Err("InvalidPermission.Duplicate".into())
    );
    assert_eq!(
        ask("AuthorizeSecurityGroupIngress", rule(&elsewhere)),
        Err("InvalidGroup.NotFound".into()),
        "a peer is in the same VPC"
    );
    let mut out = rule(&cluster);
    assert!(
        ask("AuthorizeSecurityGroupEgress", out.clone()).is_ok(),
        "another direction"
    );
    assert!(ask("RevokeSecurityGroupEgress", out.clone()).is_ok());
    out[2].1 = "2050".into();
    assert_eq!(
        ask("AuthorizeSecurityGroupIngress", out),
        Err("InvalidParameterValue".into()),
        "from 2050 to 2049"
    );

    let found = ask(
        "DescribeSecurityGroups",
        vec![("GroupId.1".into(), id.clone())],
    )
    .unwrap();
    let permissions = element(&found, "ipPermissions");
    assert!(
        permissions.contains(&format!(
            "<fromPort>2049</fromPort><toPort>2049</toPort><groups><item><userId>{ACCOUNT}</userId>\
             <groupId>{cluster}</groupId><description>NFS</description></item></groups>"
        )),
        "{permissions}"
    );
    let delete = |group: &str| vec![("GroupId".to_owned(), group.to_owned())];
    assert_eq!(
        ask("DeleteSecurityGroup", delete(&cluster)),
        Err("DependencyViolation".into()),
        "another group's rule names it"
    );
    ask("RevokeSecurityGroupIngress", rule(&cluster)).unwrap();
    assert_eq!(
        ask("RevokeSecurityGroupIngress", rule(&cluster)),
        Err("InvalidPermission.NotFound".into())
    );
    ask("DeleteSecurityGroup", delete(&cluster)).unwrap();
    assert_eq!(
        ask("DeleteSecurityGroup", delete(&cluster)),
        Err("InvalidGroup.NotFound".into())
    );
}

#[test]
fn rules_can_be_told_by_block_and_by_id() {
    let mut bench = Bench::new();
    let id = bench.group("g", "vpc-1");
    let block = |cidr: &'static str| {
        [
            ("IpProtocol", "tcp"),
            ("FromPort", "443"),
            ("ToPort", "443"),
            ("CidrIp", cidr),
        ]
    };
    let with_id = |more: [(&'static str, &'static str); 4]| -> Vec<(String, String)> {
        let mut form = vec![("GroupId".to_owned(), id.clone())];
        form.extend(more.map(|(k, v)| (k.to_owned(), v.to_owned())));
        form
    };
    let mut ask = |operation: &str, form: Vec<(String, String)>| {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        bench.ask(operation, &form)
    };
    for wrong in ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/33"] {
        assert_eq!(
            ask("AuthorizeSecurityGroupIngress", with_id(block(wrong))),
            Err("InvalidParameterValue".into()),
            "{wrong}"
        );
    }
    let added = ask(
        "AuthorizeSecurityGroupIngress",
        with_id(block("10.0.0.0/8")),
    )
    .unwrap();
    let rule = element(&added, "securityGroupRuleId");
    let by_group = vec![
        ("Filter.1.Name".to_owned(), "group-id".to_owned()),
        ("Filter.1.Value.1".to_owned(), id.clone()),
    ];
    let rules = ask("DescribeSecurityGroupRules", by_group.clone()).unwrap();
    assert_eq!(elements(&rules, "cidrIpv4").len(), 2, "{rules}");
    let by_id = vec![
        ("GroupId".to_owned(), id.clone()),
        ("SecurityGroupRuleId.1".to_owned(), rule),
    ];
    ask("RevokeSecurityGroupIngress", by_id.clone()).unwrap();
    assert_eq!(
        ask("RevokeSecurityGroupIngress", by_id),
        Err("InvalidSecurityGroupRuleId.NotFound".into())
    );
    let rules = ask("DescribeSecurityGroupRules", by_group).unwrap();
    assert_eq!(elements(&rules, "cidrIpv4"), ["0.0.0.0/0"]);
}

#[test]
fn a_group_of_an_interface_stays() {
    let mut bench = Bench::new();
    let id = bench.group("g", "vpc-1");
    let interface = NetworkInterface {
        id: "eni-1".into(),
        subnet_id: "subnet-1".into(),
        private_ip: "10.0.0.4".into(),
        description: "EFS mount target".into(),
        interface_type: "efs".into(),
        groups: vec![id.clone()],
        requester: Some("amazon-efs".into()),
        tags: BTreeMap::new(),
    };
    let ec2 = bench.0.ec2(ACCOUNT, REGION);
    ec2.network_interfaces.insert("eni-1".into(), interface);
    assert_eq!(
        bench.code("DeleteSecurityGroup", &[("GroupId", &id)]),
        "DependencyViolation"
    );
    let by_group = [
        ("Filter.1.Name", "group-id"),
        ("Filter.1.Value.1", id.as_str()),
    ];
    let found = bench.ask("DescribeNetworkInterfaces", &by_group).unwrap();
    assert_eq!(elements(&found, "networkInterfaceId"), ["eni-1"]);
    assert!(found.contains("<groupName>g</groupName>"), "{found}");
    bench.0.ec2(ACCOUNT, REGION).network_interfaces.clear();
    assert!(
        bench
            .ask("DeleteSecurityGroup", &[("GroupId", &id)])
            .is_ok()
    );
}

const TEMPLATE: [(&str, &str); 4] = [
    ("LaunchTemplateName", "c-group"),
    ("ClientToken", "t"),
    ("LaunchTemplateData.Monitoring.Enabled", "true"),
    ("LaunchTemplateData.MetadataOptions.HttpTokens", "required"),
];

#[test]
fn a_token_makes_a_template_once() {
    let mut bench = Bench::new();
    let made = bench.ask("CreateLaunchTemplate", &TEMPLATE).unwrap();
    assert_eq!(element(&made, "createTime"), "2026-11-23T08:00:00.000Z");
    let again = bench.ask("CreateLaunchTemplate", &TEMPLATE).unwrap();
    assert_eq!(
        element(&again, "launchTemplateId"),
        element(&made, "launchTemplateId")
    );
    let mut other = TEMPLATE;
    other[2].1 = "false";
    assert_eq!(
        bench.code("CreateLaunchTemplate", &other),
        "IdempotentParameterMismatch"
    );
    other[1].1 = "u";
    assert_eq!(
        bench.code("CreateLaunchTemplate", &other),
        "InvalidLaunchTemplateName.AlreadyExistsException"
    );
    other[0].1 = "c";
    assert_eq!(
        bench.code("CreateLaunchTemplate", &other),
        "InvalidLaunchTemplateName.MalformedException"
    );
}

#[test]
fn versions_count_up_and_one_is_the_default() {
    let mut bench = Bench::new();
    bench.ask("CreateLaunchTemplate", &TEMPLATE).unwrap();
    let name = ("LaunchTemplateName", "c-group");
    let version = [
        name,
        ("SourceVersion", "1"),
        ("ClientToken", "v"),
        ("LaunchTemplateData.EbsOptimized", "true"),
    ];
    for _ in 0..2 {
        let made = bench.ask("CreateLaunchTemplateVersion", &version).unwrap();
        assert_eq!(element(&made, "versionNumber"), "2");
        assert!(
            made.contains("<monitoring><enabled>true</enabled></monitoring>"),
            "it inherits: {made}"
        );
    }
    let latest = [name, ("LaunchTemplateVersion.1", "$Latest")];
    let found = bench
        .ask("DescribeLaunchTemplateVersions", &latest)
        .unwrap();
    assert_eq!(elements(&found, "versionNumber"), ["2"]);
    assert_eq!(element(&found, "defaultVersion"), "false");
    assert!(found.contains("<ebsOptimized>true</ebsOptimized>"));
    let all = bench
        .ask("DescribeLaunchTemplateVersions", &[name])
        .unwrap();
    assert_eq!(elements(&all, "versionNumber"), ["2", "1"], "newest first");

    let default = bench
        .ask("ModifyLaunchTemplate", &[name, ("SetDefaultVersion", "2")])
        .unwrap();
    assert_eq!(element(&default, "defaultVersionNumber"), "2");
    let delete = [
        name,
        ("LaunchTemplateVersion.1", "1"),
        ("LaunchTemplateVersion.2", "2"),
        ("LaunchTemplateVersion.3", "7"),
    ];
    let deleted = bench.ask("DeleteLaunchTemplateVersions", &delete).unwrap();
    let gone = element(&deleted, "successfullyDeletedLaunchTemplateVersionSet");
    assert_eq!(elements(&gone, "versionNumber"), ["1"]);
    assert_eq!(
        elements(&deleted, "code"),
        ["unexpectedError", "launchTemplateVersionDoesNotExist"]
    );
    let first = [name, ("LaunchTemplateVersion.1", "1")];
    assert_eq!(
        bench.code("DescribeLaunchTemplateVersions", &first),
        "InvalidLaunchTemplateId.VersionNotFound"
    );
    bench.ask("DeleteLaunchTemplate", &[name]).unwrap();
    assert_eq!(
        bench.code(
            "DescribeLaunchTemplates",
            &[("LaunchTemplateName.1", "c-group")]
        ),
        "InvalidLaunchTemplateName.NotFoundException"
    );
    assert_eq!(
        bench.code("DescribeLaunchTemplates", &[("LaunchTemplateId.1", "lt-0")]),
        "InvalidLaunchTemplateId.NotFound"
    );
}

#[test]
fn tags_are_put_on_at_birth_and_later() {
    let mut bench = Bench::new();
    let made = bench
        .ask(
            "CreateSecurityGroup",
            &[
                ("GroupName", "g"),
                ("GroupDescription", "d"),
                ("VpcId", "vpc-1"),
                ("TagSpecification.1.ResourceType", "security-group"),
                ("TagSpecification.1.Tag.1.Key", "Name"),
                ("TagSpecification.1.Tag.1.Value", "g"),
            ],
        )
        .unwrap();
    let id = element(&made, "groupId");
    bench
        .ask(
            "CreateTags",
            &[
                ("ResourceId.1", &id),
                ("ResourceId.2", "vpc-1"),
                ("Tag.1.Key", "cluster"),
                ("Tag.1.Value", "c"),
            ],
        )
        .unwrap();
    let by_key = [("Filter.1.Name", "key"), ("Filter.1.Value.1", "cluster")];
    let tags = bench.ask("DescribeTags", &by_key).unwrap();
    assert_eq!(elements(&tags, "resourceType"), ["security-group", "vpc"]);
    let other_value = [
        ("ResourceId.1", id.as_str()),
        ("Tag.1.Key", "cluster"),
        ("Tag.1.Value", "d"),
        ("Tag.2.Key", "Name"),
    ];
    bench.ask("DeleteTags", &other_value).unwrap();
    let own = [
        ("Filter.1.Name", "resource-id"),
        ("Filter.1.Value.1", id.as_str()),
    ];
    let tags = bench.ask("DescribeTags", &own).unwrap();
    assert_eq!(elements(&tags, "key"), ["cluster"], "it had another value");

    let tag = |id: &'static str, key: &'static str| {
        [
            ("ResourceId.1", id),
            ("Tag.1.Key", key),
            ("Tag.1.Value", ""),
        ]
    };
    for (form, code) in [
        (tag("sg-9", "k"), "InvalidSecurityGroupID.NotFound"),
        (tag("lt-9", "k"), "InvalidLaunchTemplateId.NotFound"),
        (tag("x", "k"), "InvalidID"),
        (tag("vpc-1", "aws:k"), "InvalidParameterValue"),
    ] {
        assert_eq!(bench.code("CreateTags", &form), code, "{form:?}");
    }
    assert_eq!(
        bench.code(
            "CreateLaunchTemplate",
            &[
                ("LaunchTemplateName", "name"),
                ("TagSpecification.1.ResourceType", "instance"),
            ]
        ),
        "InvalidParameterValue"
    );
}

#[test]
fn instance_types_that_do_not_exist_are_named() {
    let mut bench = Bench::new();
    let types = [
        ("InstanceType.1", "m7g.large"),
        ("InstanceType.2", "t3.xlarge"),
    ];
    let found = bench.ask("DescribeInstanceTypes", &types).unwrap();
    assert_eq!(elements(&found, "instanceType"), ["m7g.large", "t3.xlarge"]);
    assert!(
        found.contains(
            "<supportedArchitectures><item>arm64</item></supportedArchitectures></processorInfo>\
         <vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo>\
         <memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo>"
        ),
        "{found}"
    );
    let wrong = [
        ("InstanceType.1", "m7g.large"),
        ("InstanceType.2", "m7g.hugest"),
    ];
    assert_eq!(
        bench.code("DescribeInstanceTypes", &wrong),
        "InvalidInstanceType"
    );
    let arm = [
        ("Filter.1.Name", "processor-info.supported-architecture"),
        ("Filter.1.Value.1", "arm64"),
        ("Filter.2.Name", "vcpu-info.default-vcpus"),
        ("Filter.2.Value.1", "64"),
    ];
    let found = bench.ask("DescribeInstanceTypes", &arm).unwrap();
    assert!(
        !found.contains("x86_64") && found.contains("m7g.16xlarge"),
        "{found}"
    );
    let offered = [
        ("Filter.1.Name", "instance-type"),
        ("Filter.1.Value.1", "m7g.large"),
    ];
    let offered = bench
        .ask("DescribeInstanceTypeOfferings", &offered)
        .unwrap();
    assert_eq!(elements(&offered, "location"), [REGION]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut bench = Bench::new();
    let mut form = TEMPLATE.to_vec();
    form.push(("DryRun", "true"));
    assert_eq!(bench.code("CreateLaunchTemplate", &form), "DryRunOperation");
    let found = bench.ask("DescribeLaunchTemplates", &[]).unwrap();
    assert!(found.contains("<launchTemplates/>"), "{found}");
}
