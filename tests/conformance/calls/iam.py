"""AWS Identity and Access Management."""

from . import here
from .here import ACCOUNT, TAGS, key_value, pages, policy, refused, trust

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"


def run(session):
    iam = session.client("iam", config=here.CONFIG)
    _roles(iam)
    _policies(iam)
    _providers(iam)
    _profiles(iam)
    _linked(iam)


def _roles(iam):
    role = {"RoleName": "boto3-role"}
    made = iam.create_role(
        **role,
        Path="/boto3/",
        AssumeRolePolicyDocument=trust("ec2.amazonaws.com"),
        Description="made by boto3",
        MaxSessionDuration=7200,
        Tags=key_value(TAGS),
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/boto3/boto3-role", made
    refused("EntityAlreadyExists", iam.create_role, **role, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    refused("MalformedPolicyDocument", iam.create_role, RoleName="x", AssumeRolePolicyDocument="{}")
    iam.get_waiter("role_exists").wait(**role)
    # botocore decodes the document of which IAM's answers hold it percent-encoded.
    got = iam.get_role(**role)["Role"]
    principal = got["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
    assert principal == {"Service": "ec2.amazonaws.com"}, got
    error = refused("NoSuchEntity", iam.get_role, RoleName="none")
    assert isinstance(error, iam.exceptions.NoSuchEntityException), error
    assert "boto3-role" in [r["RoleName"] for r in pages(iam, "list_roles", "Roles", PathPrefix="/boto3/")]
    iam.update_role(**role, Description="changed", MaxSessionDuration=3600)
    assert iam.update_role_description(**role, Description="again")["Role"]["Description"] == "again"
    iam.update_assume_role_policy(**role, PolicyDocument=trust("eks.amazonaws.com"))
    iam.put_role_permissions_boundary(**role, PermissionsBoundary=READ_ONLY)
    boundary = iam.get_role(**role)["Role"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == READ_ONLY, boundary
    iam.delete_role_permissions_boundary(**role)

    iam.tag_role(**role, Tags=[{"Key": "more", "Value": "yes"}])
    iam.untag_role(**role, TagKeys=["purpose"])
    tags = {tag["Key"] for tag in pages(iam, "list_role_tags", "Tags", **role)}
    assert tags == {"made-by", "more"}, tags

    document = policy({"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"})
    iam.put_role_policy(**role, PolicyName="inline", PolicyDocument=document)
    inline = iam.get_role_policy(**role, PolicyName="inline")["PolicyDocument"]
    assert inline["Statement"][0]["Action"] == "ec2:DescribeVpcs", inline
    assert pages(iam, "list_role_policies", "PolicyNames", **role) == ["inline"]

    iam.attach_role_policy(**role, PolicyArn=READ_ONLY)
    attached = pages(iam, "list_attached_role_policies", "AttachedPolicies", **role)
    assert [p["PolicyArn"] for p in attached] == [READ_ONLY], attached
    entities = pages(iam, "list_entities_for_policy", "PolicyRoles", PolicyArn=READ_ONLY)
    assert "boto3-role" in [r["RoleName"] for r in entities], entities
    for kind in ("Role", "LocalManagedPolicy", "AWSManagedPolicy"):
        pages(iam, "get_account_authorization_details", "RoleDetailList", Filter=[kind])

    refused("DeleteConflict", iam.delete_role, **role)
    iam.detach_role_policy(**role, PolicyArn=READ_ONLY)
    refused("NoSuchEntity", iam.detach_role_policy, **role, PolicyArn=READ_ONLY)
    iam.delete_role_policy(**role, PolicyName="inline")
    iam.delete_role(**role)


def _policies(iam):
    document = policy({"Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Sid": "All"})
    made = iam.create_policy(
        PolicyName="boto3-policy", Path="/boto3/", PolicyDocument=document, Description="x", Tags=key_value(TAGS)
    )["Policy"]
    arn = {"PolicyArn": made["Arn"]}
    iam.get_waiter("policy_exists").wait(**arn)
    assert iam.get_policy(**arn)["Policy"]["DefaultVersionId"] == "v1"
    assert made["Arn"] in [p["Arn"] for p in pages(iam, "list_policies", "Policies", Scope="Local")]
    pages(iam, "list_policies", "Policies", Scope="AWS", OnlyAttached=True)
    assert iam.create_policy_version(**arn, PolicyDocument=document)["PolicyVersion"]["VersionId"] == "v2"
    version = iam.get_policy_version(**arn, VersionId="v1")["PolicyVersion"]
    assert version["Document"]["Statement"][0]["Sid"] == "All", version
    iam.set_default_policy_version(**arn, VersionId="v2")
    assert len(pages(iam, "list_policy_versions", "Versions", **arn)) == 2
    refused("DeleteConflict", iam.delete_policy_version, **arn, VersionId="v2")
    iam.delete_policy_version(**arn, VersionId="v1")
    iam.tag_policy(**arn, Tags=[{"Key": "more", "Value": "yes"}])
    iam.untag_policy(**arn, TagKeys=["purpose"])
    assert {t["Key"] for t in pages(iam, "list_policy_tags", "Tags", **arn)} == {"made-by", "more"}
    iam.delete_policy(**arn)
    refused("NoSuchEntity", iam.get_policy, **arn)


def _providers(iam):
    arn = iam.create_open_id_connect_provider(
        Url="https://oidc.example.com/id/1",
        ClientIDList=["sts.amazonaws.com"],
        ThumbprintList=["0" * 40],
        Tags=key_value(TAGS),
    )["OpenIDConnectProviderArn"]
    provider = {"OpenIDConnectProviderArn": arn}
    iam.add_client_id_to_open_id_connect_provider(**provider, ClientID="other")
    iam.update_open_id_connect_provider_thumbprint(**provider, ThumbprintList=["1" * 40])
    got = iam.get_open_id_connect_provider(**provider)
    assert sorted(got["ClientIDList"]) == ["other", "sts.amazonaws.com"], got
    assert got["ThumbprintList"] == ["1" * 40], got
    iam.remove_client_id_from_open_id_connect_provider(**provider, ClientID="other")
    assert arn in [p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    iam.tag_open_id_connect_provider(**provider, Tags=[{"Key": "more", "Value": "yes"}])
    iam.untag_open_id_connect_provider(**provider, TagKeys=["purpose"])
    tags = iam.list_open_id_connect_provider_tags(**provider)["Tags"]
    assert {tag["Key"] for tag in tags} == {"made-by", "more"}, tags
    iam.delete_open_id_connect_provider(**provider)
    refused("NoSuchEntity", iam.get_open_id_connect_provider, **provider)


def _profiles(iam):
    profile, role = {"InstanceProfileName": "boto3-profile"}, {"RoleName": "boto3-node"}
    iam.create_role(**role, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    iam.create_instance_profile(**profile, Path="/boto3/", Tags=key_value(TAGS))
    iam.get_waiter("instance_profile_exists").wait(**profile)
    iam.add_role_to_instance_profile(**profile, **role)
    refused("LimitExceeded", iam.add_role_to_instance_profile, **profile, **role)
    got = iam.get_instance_profile(**profile)["InstanceProfile"]
    assert [r["RoleName"] for r in got["Roles"]] == ["boto3-node"], got
    names = [p["InstanceProfileName"] for p in pages(iam, "list_instance_profiles", "InstanceProfiles")]
    assert "boto3-profile" in names, names
    assert len(pages(iam, "list_instance_profiles_for_role", "InstanceProfiles", **role)) == 1
    iam.tag_instance_profile(**profile, Tags=[{"Key": "more", "Value": "yes"}])
    iam.untag_instance_profile(**profile, TagKeys=["purpose"])
    assert len(pages(iam, "list_instance_profile_tags", "Tags", **profile)) == 2
    refused("DeleteConflict", iam.delete_instance_profile, **profile)
    iam.remove_role_from_instance_profile(**profile, **role)
    iam.delete_instance_profile(**profile)
    iam.delete_role(**role)


def _linked(iam):
    made = iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com", Description="spot")["Role"]
    assert made["Path"] == "/aws-service-role/spot.amazonaws.com/", made
    refused("InvalidInput", iam.create_service_linked_role, AWSServiceName="spot.amazonaws.com")
    task = iam.delete_service_linked_role(RoleName=made["RoleName"])["DeletionTaskId"]
    status = iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"]
    assert status == "SUCCEEDED", status
