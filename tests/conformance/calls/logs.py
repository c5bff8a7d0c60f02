"""Amazon CloudWatch Logs."""

from . import here
from .here import ACCOUNT, REGION, TAGS, pages, refused


def run(session):
    logs, kms = (session.client(name, config=here.CONFIG) for name in ("logs", "kms"))
    group = {"logGroupName": "/boto3/group"}
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/boto3/group"
    logs.create_log_group(**group, tags=TAGS, logGroupClass="STANDARD")
    error = refused("ResourceAlreadyExistsException", logs.create_log_group, **group)
    assert isinstance(error, logs.exceptions.ResourceAlreadyExistsException), error
    refused("ResourceNotFoundException", logs.put_retention_policy, logGroupName="/none", retentionInDays=7)
    logs.put_retention_policy(**group, retentionInDays=90)
    found = pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix="/boto3/")
    assert [(g["retentionInDays"], g["logGroupArn"]) for g in found] == [(90, arn)], found
    logs.delete_retention_policy(**group)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    logs.associate_kms_key(**group, kmsKeyId=key)
    logs.disassociate_kms_key(**group)
    logs.tag_resource(resourceArn=arn, tags={"more": "yes"})
    logs.untag_resource(resourceArn=arn, tagKeys=["purpose"])
    tags = logs.list_tags_for_resource(resourceArn=arn)["tags"]
    assert tags == {"made-by": "boto3", "more": "yes"}, tags
    logs.put_log_group_deletion_protection(logGroupIdentifier="/boto3/group", deletionProtectionEnabled=True)
    refused("ValidationException", logs.delete_log_group, **group)
    logs.put_log_group_deletion_protection(logGroupIdentifier="/boto3/group", deletionProtectionEnabled=False)
    logs.delete_log_group(**group)
    assert pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix="/boto3/") == []
