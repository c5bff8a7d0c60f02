"""AWS Key Management Service."""

import json

from . import here
from .here import ACCOUNT, pages, policy, refused

TAGS = [{"TagKey": "made-by", "TagValue": "boto3"}]


def run(session):
    kms = session.client("kms", config=here.CONFIG)
    made = kms.create_key(Description="made by boto3", Tags=TAGS, MultiRegion=False)["KeyMetadata"]
    key = {"KeyId": made["KeyId"]}
    assert made["KeyState"] == "Enabled" and made["AWSAccountId"] == ACCOUNT, made
    kms.update_key_description(**key, Description="changed")
    assert kms.describe_key(**key)["KeyMetadata"]["Description"] == "changed"
    assert made["Arn"] in [k["KeyArn"] for k in pages(kms, "list_keys", "Keys")]
    error = refused("NotFoundException", kms.describe_key, KeyId="alias/none")
    assert isinstance(error, kms.exceptions.NotFoundException), error

    kms.create_alias(AliasName="alias/boto3", TargetKeyId=made["KeyId"])
    refused("AlreadyExistsException", kms.create_alias, AliasName="alias/boto3", TargetKeyId=made["KeyId"])
    assert kms.describe_key(KeyId="alias/boto3")["KeyMetadata"]["KeyId"] == made["KeyId"]
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/boto3", TargetKeyId=other)
    assert [a["AliasName"] for a in pages(kms, "list_aliases", "Aliases", KeyId=other)] == ["alias/boto3"]
    pages(kms, "list_aliases", "Aliases")
    kms.delete_alias(AliasName="alias/boto3")
    refused("NotFoundException", kms.delete_alias, AliasName="alias/boto3")

    assert not kms.get_key_rotation_status(**key)["KeyRotationEnabled"]
    kms.enable_key_rotation(**key, RotationPeriodInDays=180)
    assert kms.get_key_rotation_status(**key)["RotationPeriodInDays"] == 180
    kms.disable_key_rotation(**key)

    kms.disable_key(**key)
    refused("DisabledException", kms.enable_key_rotation, **key)
    kms.enable_key(**key)

    document = policy(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    )
    kms.put_key_policy(**key, PolicyName="default", Policy=document)
    assert json.loads(kms.get_key_policy(**key, PolicyName="default")["Policy"])["Statement"]
    assert pages(kms, "list_key_policies", "PolicyNames", **key) == ["default"]

    grant = kms.create_grant(**key, GranteePrincipal=here.ROLE, Operations=["Encrypt", "Decrypt"], Name="g")
    assert [g["GrantId"] for g in pages(kms, "list_grants", "Grants", **key)] == [grant["GrantId"]]
    kms.revoke_grant(**key, GrantId=grant["GrantId"])

    kms.tag_resource(**key, Tags=[{"TagKey": "more", "TagValue": "yes"}])
    kms.untag_resource(**key, TagKeys=["made-by"])
    assert [t["TagKey"] for t in pages(kms, "list_resource_tags", "Tags", **key)] == ["more"]

    answer = kms.schedule_key_deletion(**key, PendingWindowInDays=7)
    assert answer["KeyState"] == "PendingDeletion" and answer["DeletionDate"].tzinfo, answer
    refused("KMSInvalidStateException", kms.enable_key, **key)
    kms.cancel_key_deletion(**key)
    kms.schedule_key_deletion(**key, PendingWindowInDays=7)
