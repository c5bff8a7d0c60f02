"""Amazon EFS."""

import json

from . import here
from .here import TAGS, key_value, pages, policy, refused, until


def run(session):
    efs, ec2 = (session.client(name, config=here.CONFIG) for name in ("efs", "ec2"))
    made = efs.create_file_system(
        CreationToken="boto3",
        PerformanceMode="generalPurpose",
        ThroughputMode="elastic",
        Encrypted=True,
        Backup=True,
        Tags=key_value(TAGS),
    )
    file_system = {"FileSystemId": made["FileSystemId"]}
    error = refused("FileSystemAlreadyExists", efs.create_file_system, CreationToken="boto3", Encrypted=True)
    assert error.response["FileSystemId"] == made["FileSystemId"], error.response
    refused("FileSystemNotFound", efs.describe_file_systems, FileSystemId="fs-00000000000000000")
    until(lambda: _state(efs, file_system) == "available", "an available file system")
    pages(efs, "describe_file_systems", "FileSystems")
    efs.update_file_system(**file_system, ThroughputMode="bursting")
    until(lambda: _state(efs, file_system) == "available", "an available file system")
    answer = efs.update_file_system_protection(**file_system, ReplicationOverwriteProtection="DISABLED")
    assert answer["ReplicationOverwriteProtection"] == "DISABLED", answer

    life = [{"TransitionToIA": "AFTER_7_DAYS"}, {"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"}]
    assert efs.put_lifecycle_configuration(**file_system, LifecyclePolicies=life)["LifecyclePolicies"] == life
    assert efs.describe_lifecycle_configuration(**file_system)["LifecyclePolicies"] == life
    assert efs.put_backup_policy(**file_system, BackupPolicy={"Status": "ENABLED"})["BackupPolicy"]
    assert efs.describe_backup_policy(**file_system)["BackupPolicy"]["Status"] in ("ENABLING", "ENABLED")
    document = policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "elasticfilesystem:ClientMount"})
    refused("PolicyNotFound", efs.describe_file_system_policy, **file_system)
    efs.put_file_system_policy(**file_system, Policy=document)
    assert json.loads(efs.describe_file_system_policy(**file_system)["Policy"])["Statement"]
    efs.delete_file_system_policy(**file_system)

    _mount_targets(efs, ec2, file_system)
    _access_points(efs, file_system)

    resource = {"ResourceId": made["FileSystemId"]}
    efs.tag_resource(**resource, Tags=[{"Key": "more", "Value": "yes"}])
    efs.untag_resource(**resource, TagKeys=["purpose"])
    tags = {tag["Key"] for tag in efs.list_tags_for_resource(**resource)["Tags"]}
    assert tags >= {"made-by", "more"} and "purpose" not in tags, tags
    efs.delete_file_system(**file_system)


def _state(efs, file_system):
    return efs.describe_file_systems(**file_system)["FileSystems"][0]["LifeCycleState"]


def _mount_targets(efs, ec2, file_system):
    [subnet, *_] = pages(ec2, "describe_subnets", "Subnets", Filters=[{"Name": "tag:Tier", "Values": ["node"]}])
    group = ec2.create_security_group(GroupName="boto3-efs", Description="x", VpcId=subnet["VpcId"])["GroupId"]
    made = efs.create_mount_target(**file_system, SubnetId=subnet["SubnetId"], SecurityGroups=[group])
    target = {"MountTargetId": made["MountTargetId"]}
    refused("MountTargetConflict", efs.create_mount_target, **file_system, SubnetId=subnet["SubnetId"])

    def is_available():
        [found] = efs.describe_mount_targets(**file_system)["MountTargets"]
        return found["LifeCycleState"] == "available"

    until(is_available, "an available mount target")
    assert efs.describe_mount_target_security_groups(**target)["SecurityGroups"] == [group]
    efs.modify_mount_target_security_groups(**target, SecurityGroups=[group])
    interfaces = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])
    assert interfaces["NetworkInterfaces"], interfaces
    refused("FileSystemInUse", efs.delete_file_system, **file_system)
    efs.delete_mount_target(**target)
    until(lambda: not efs.describe_mount_targets(**file_system)["MountTargets"], "no mount target")
    refused("MountTargetNotFound", efs.delete_mount_target, **target)
    ec2.delete_security_group(GroupId=group)


def _access_points(efs, file_system):
    made = efs.create_access_point(
        ClientToken="boto3",
        **file_system,
        PosixUser={"Uid": 1000, "Gid": 1000},
        RootDirectory={"Path": "/data", "CreationInfo": {"OwnerUid": 1000, "OwnerGid": 1000, "Permissions": "700"}},
        Tags=key_value(TAGS),
    )
    found = pages(efs, "describe_access_points", "AccessPoints", AccessPointId=made["AccessPointId"])
    assert [point["PosixUser"]["Uid"] for point in found] == [1000], found
    efs.delete_access_point(AccessPointId=made["AccessPointId"])
    refused("AccessPointNotFound", efs.describe_access_points, AccessPointId="fsap-00000000000000000")
