"""Amazon EC2."""

from . import here
from .here import TAGS, key_value, pages, refused


def run(session):
    ec2 = session.client("ec2", config=here.CONFIG)
    vpc = _network(ec2)
    _groups(ec2, vpc)
    _templates(ec2)
    _offers(ec2)


def _network(ec2):
    vpcs = pages(ec2, "describe_vpcs", "Vpcs", Filters=[{"Name": "tag:Name", "Values": ["*-vpc"]}])
    vpc = vpcs[0]["VpcId"]
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=["vpc-00000000000000000"])
    subnets = pages(ec2, "describe_subnets", "Subnets", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    assert {tag["Value"] for s in subnets for tag in s["Tags"] if tag["Key"] == "Tier"} >= {"node", "intra"}, subnets
    refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=["subnet-00000000000000000"])
    pages(ec2, "describe_network_interfaces", "NetworkInterfaces")
    return vpc


def _groups(ec2, vpc):
    group = ec2.create_security_group(
        GroupName="boto3",
        Description="made by boto3",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": key_value(TAGS)}],
    )
    group = {"GroupId": group["GroupId"]}
    refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="boto3", Description="x", VpcId=vpc)
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 2049,
        "ToPort": 2049,
        "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "NFS"}],
        "UserIdGroupPairs": [dict(group)],
    }
    rules = ec2.authorize_security_group_ingress(
        **group,
        IpPermissions=[permission],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": key_value(TAGS)}],
    )["SecurityGroupRules"]
    assert {rule["FromPort"] for rule in rules} == {2049} and len(rules) == 2, rules
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, **group, IpPermissions=[permission])
    outwards = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "10.0.0.2/32"}]}
    ec2.authorize_security_group_egress(**group, IpPermissions=[outwards])
    ec2.get_waiter("security_group_exists").wait(GroupIds=[group["GroupId"]])
    [found] = pages(ec2, "describe_security_groups", "SecurityGroups", GroupIds=[group["GroupId"]])
    assert found["IpPermissions"][0]["IpRanges"][0]["Description"] == "NFS", found
    of_group = [{"Name": "group-id", "Values": [group["GroupId"]]}]
    assert len(pages(ec2, "describe_security_group_rules", "SecurityGroupRules", Filters=of_group)) == 4
    ec2.revoke_security_group_egress(**group, IpPermissions=[outwards])
    ec2.revoke_security_group_ingress(**group, SecurityGroupRuleIds=[rules[0]["SecurityGroupRuleId"]])

    ec2.create_tags(Resources=[group["GroupId"]], Tags=[{"Key": "more", "Value": "yes"}])
    ec2.delete_tags(Resources=[group["GroupId"]], Tags=[{"Key": "purpose"}])
    of_resource = [{"Name": "resource-id", "Values": [group["GroupId"]]}]
    tags = pages(ec2, "describe_tags", "Tags", Filters=of_resource)
    assert {(t["Key"], t["ResourceType"]) for t in tags} == {("made-by", "security-group"), ("more", "security-group")}, tags
    refused("DryRunOperation", ec2.delete_security_group, **group, DryRun=True)
    ec2.delete_security_group(**group)
    refused("InvalidGroup.NotFound", ec2.delete_security_group, **group)


def _templates(ec2):
    data = {
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3", "Encrypted": True}}
        ],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "Monitoring": {"Enabled": True},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": key_value(TAGS)}],
    }
    made = ec2.create_launch_template(
        LaunchTemplateName="boto3",
        VersionDescription="first",
        LaunchTemplateData=data,
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": key_value(TAGS)}],
    )["LaunchTemplate"]
    template = {"LaunchTemplateId": made["LaunchTemplateId"]}
    refused(
        "InvalidLaunchTemplateName.AlreadyExistsException",
        ec2.create_launch_template,
        LaunchTemplateName="boto3",
        LaunchTemplateData=data,
    )
    second = ec2.create_launch_template_version(
        **template, SourceVersion="1", LaunchTemplateData={"Monitoring": {"Enabled": False}}
    )["LaunchTemplateVersion"]
    assert second["VersionNumber"] == 2, second
    assert second["LaunchTemplateData"]["MetadataOptions"]["HttpTokens"] == "required", second
    ec2.modify_launch_template(**template, DefaultVersion="2")
    [found] = pages(ec2, "describe_launch_templates", "LaunchTemplates", LaunchTemplateNames=["boto3"])
    assert (found["DefaultVersionNumber"], found["LatestVersionNumber"]) == (2, 2), found
    refused(
        "InvalidLaunchTemplateName.NotFoundException", ec2.describe_launch_templates, LaunchTemplateNames=["none"]
    )
    versions = pages(
        ec2, "describe_launch_template_versions", "LaunchTemplateVersions", **template, Versions=["$Latest", "1"]
    )
    assert {v["VersionNumber"] for v in versions} == {1, 2}, versions
    deleted = ec2.delete_launch_template_versions(**template, Versions=["1", "9"])
    assert len(deleted["SuccessfullyDeletedLaunchTemplateVersions"]) == 1, deleted
    assert len(deleted["UnsuccessfullyDeletedLaunchTemplateVersions"]) == 1, deleted
    ec2.delete_launch_template(**template)


def _offers(ec2):
    [found] = pages(ec2, "describe_instance_types", "InstanceTypes", InstanceTypes=["t4g.2xlarge"])
    assert found["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"], found
    offers = pages(
        ec2,
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["t4g.2xlarge"]}],
    )
    assert len({offer["Location"] for offer in offers}) >= 2, offers
