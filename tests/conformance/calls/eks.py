"""Amazon EKS: a cluster from its creation to its end, with botocore's own waiters."""

from . import here
from .here import ACCOUNT, CLUSTER, TAGS, pages, refused, trust, until

NAME = {"name": CLUSTER}
OF = {"clusterName": CLUSTER}
WAIT = {"Delay": 0.2, "MaxAttempts": 100}
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def run(session):
    eks, ec2, iam, kms = (session.client(name, config=here.CONFIG) for name in ("eks", "ec2", "iam", "kms"))
    versions = pages(eks, "describe_cluster_versions", "clusterVersions")
    assert "1.34" in [v["clusterVersion"] for v in versions], versions
    role, node_role = _roles(iam)
    subnets = pages(ec2, "describe_subnets", "Subnets", Filters=[{"Name": "tag:Tier", "Values": ["node"]}])
    of_vpc = [s["SubnetId"] for s in subnets if s["VpcId"] == subnets[0]["VpcId"]]
    _create(eks, role, of_vpc)
    _access(eks, node_role)
    _node_group(eks, node_role, of_vpc)
    _addons(eks)
    _pod_identity(eks, iam)
    _identity_provider(eks)
    _insights(eks)
    _changes(eks, kms)
    _tags(eks)
    _end(eks)


def _roles(iam):
    arns = []
    for name, service, policies in (
        ("boto3-eks", "eks.amazonaws.com", ["AmazonEKSClusterPolicy"]),
        (
            "boto3-nodes",
            "ec2.amazonaws.com",
            ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy"],
        ),
    ):
        arns.append(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"])
        for attached in policies:
            iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{attached}")
    return arns


def _create(eks, role, subnets):
    error = refused("ResourceNotFoundException", eks.describe_cluster, name="none")
    assert isinstance(error, eks.exceptions.ResourceNotFoundException), error
    made = eks.create_cluster(
        **NAME,
        version="1.34",
        roleArn=role,
        resourcesVpcConfig={"subnetIds": subnets, "endpointPublicAccess": True, "endpointPrivateAccess": True},
        logging={"clusterLogging": [{"types": ["api", "audit"], "enabled": True}]},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
        upgradePolicy={"supportType": "STANDARD"},
        clientRequestToken="boto3-create",
        tags=TAGS,
    )["cluster"]
    assert made["status"] == "CREATING" and made["version"] == "1.34", made
    error = refused(
        "ResourceInUseException", eks.create_cluster, **NAME, roleArn=role, resourcesVpcConfig={"subnetIds": subnets}
    )
    assert error.response["clusterName"] == CLUSTER, error.response
    eks.get_waiter("cluster_active").wait(**NAME, WaiterConfig=WAIT)
    found = eks.describe_cluster(**NAME)["cluster"]
    assert found["identity"]["oidc"]["issuer"].startswith("https://oidc.eks."), found
    assert CLUSTER in pages(eks, "list_clusters", "clusters")


def _access(eks, node_role):
    principal = {"principalArn": here.ROLE}
    entry = eks.create_access_entry(**OF, **principal, type="STANDARD", kubernetesGroups=["viewers"], tags=TAGS)
    assert entry["accessEntry"]["kubernetesGroups"] == ["viewers"], entry
    refused("ResourceInUseException", eks.create_access_entry, **OF, **principal)
    eks.update_access_entry(**OF, **principal, kubernetesGroups=["others"])
    assert eks.describe_access_entry(**OF, **principal)["accessEntry"]["kubernetesGroups"] == ["others"]
    eks.associate_access_policy(**OF, **principal, policyArn=ADMIN, accessScope={"type": "cluster"})
    associated = pages(eks, "list_associated_access_policies", "associatedAccessPolicies", **OF, **principal)
    assert [a["policyArn"] for a in associated] == [ADMIN], associated
    assert ADMIN in [p["arn"] for p in pages(eks, "list_access_policies", "accessPolicies")]
    eks.disassociate_access_policy(**OF, **principal, policyArn=ADMIN)
    eks.create_access_entry(**OF, principalArn=node_role, type="EC2_LINUX")
    assert here.ROLE in pages(eks, "list_access_entries", "accessEntries", **OF)
    eks.delete_access_entry(**OF, principalArn=node_role)
    refused("ResourceNotFoundException", eks.describe_access_entry, **OF, principalArn=node_role)


def _node_group(eks, node_role, subnets):
    group = {**OF, "nodegroupName": "boto3"}
    eks.create_nodegroup(
        **group,
        subnets=subnets,
        nodeRole=node_role,
        amiType="BOTTLEROCKET_ARM_64",
        capacityType="SPOT",
        instanceTypes=["t4g.2xlarge"],
        diskSize=50,
        scalingConfig={"minSize": 1, "maxSize": 3, "desiredSize": 1},
        updateConfig={"maxUnavailable": 1},
        labels={"nodegroup": "boto3"},
        taints=[{"key": "dedicated", "value": "boto3", "effect": "NO_SCHEDULE"}],
        tags=TAGS,
    )
    eks.get_waiter("nodegroup_active").wait(**group, WaiterConfig=WAIT)
    found = eks.describe_nodegroup(**group)["nodegroup"]
    assert found["health"]["issues"] == [] and found["resources"]["autoScalingGroups"], found
    assert pages(eks, "list_nodegroups", "nodegroups", **OF) == ["boto3"]
    labels = {"addOrUpdateLabels": {"a": "b"}}
    answer = eks.update_nodegroup_config(**group, scalingConfig={"maxSize": 4}, labels=labels)
    _updated(eks, answer, nodegroupName="boto3")


def _updated(eks, answer, **where):
    """Waits for an update, which has to succeed."""
    update = {**NAME, "updateId": answer["update"]["id"], **where}

    def ended():
        found = eks.describe_update(**update)["update"]
        return found if found["status"] != "InProgress" else None

    found = until(ended, f"the end of {answer['update']['type']}")
    assert found["status"] == "Successful", found
    assert answer["update"]["id"] in pages(eks, "list_updates", "updateIds", **NAME, **where)


def _addons(eks):
    offered = pages(eks, "describe_addon_versions", "addons", addonName="vpc-cni", kubernetesVersion="1.34")
    versions = [v["addonVersion"] for v in offered[0]["addonVersions"]]
    newest, older = versions[0], versions[-1]
    schema = eks.describe_addon_configuration(addonName="vpc-cni", addonVersion=newest)
    assert schema["configurationSchema"], schema
    addon = {**OF, "addonName": "vpc-cni"}
    eks.create_addon(**addon, addonVersion=older, resolveConflicts="OVERWRITE", tags=TAGS)
    eks.get_waiter("addon_active").wait(**addon, WaiterConfig=WAIT)
    answer = eks.update_addon(**addon, addonVersion=newest, resolveConflicts="PRESERVE", configurationValues="{}")
    _updated(eks, answer, addonName="vpc-cni")
    found = eks.describe_addon(**addon)["addon"]
    assert found["addonVersion"] == newest and found["health"]["issues"] == [], found
    assert pages(eks, "list_addons", "addons", **OF) == ["vpc-cni"]
    eks.delete_addon(**addon, preserve=False)
    eks.get_waiter("addon_deleted").wait(**addon, WaiterConfig=WAIT)


def _pod_identity(eks, iam):
    arn = iam.create_role(
        RoleName="boto3-pods",
        AssumeRolePolicyDocument=here.policy(
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ),
    )["Role"]["Arn"]
    made = eks.create_pod_identity_association(
        **OF, namespace="kube-system", serviceAccount="boto3", roleArn=arn, tags=TAGS
    )["association"]
    association = {**OF, "associationId": made["associationId"]}
    eks.update_pod_identity_association(**association, roleArn=arn)
    assert eks.describe_pod_identity_association(**association)["association"]["roleArn"] == arn
    listed = pages(eks, "list_pod_identity_associations", "associations", **OF, namespace="kube-system")
    assert [a["associationId"] for a in listed] == [made["associationId"]], listed
    eks.delete_pod_identity_association(**association)
    refused("ResourceNotFoundException", eks.describe_pod_identity_association, **association)


def _identity_provider(eks):
    config = {"identityProviderConfig": {"type": "oidc", "name": "Auth0"}}
    eks.associate_identity_provider_config(
        **OF,
        oidc={
            "identityProviderConfigName": "Auth0",
            "issuerUrl": "https://issuer.example/",
            "clientId": "boto3",
            "groupsClaim": "groups",
        },
        tags=TAGS,
    )

    def is_active():
        found = eks.describe_identity_provider_config(**OF, **config)["identityProviderConfig"]["oidc"]
        return found["status"] == "ACTIVE"

    until(is_active, "an active identity provider")
    listed = pages(eks, "list_identity_provider_configs", "identityProviderConfigs", **OF)
    assert listed == [{"type": "oidc", "name": "Auth0"}], listed
    answer = eks.disassociate_identity_provider_config(**OF, **config)
    _updated(eks, answer)


def _insights(eks):
    eks.start_insights_refresh(**OF)
    until(lambda: eks.describe_insights_refresh(**OF)["status"] == "COMPLETED", "refreshed insights")
    found = pages(eks, "list_insights", "insights", **OF, filter={"categories": ["UPGRADE_READINESS"]})
    assert found, "insights"
    one = eks.describe_insight(**OF, id=found[0]["id"])["insight"]
    assert one["name"] == found[0]["name"], one


def _changes(eks, kms):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    encryption = [{"resources": ["secrets"], "provider": {"keyArn": key}}]
    _updated(eks, eks.associate_encryption_config(**OF, encryptionConfig=encryption))
    logging = {"clusterLogging": [{"types": ["scheduler"], "enabled": True}]}
    _updated(eks, eks.update_cluster_config(**NAME, logging=logging))
    refused("InvalidParameterException", eks.update_cluster_version, **NAME, version="1.36")
    _updated(eks, eks.update_cluster_version(**NAME, version="1.35"))
    eks.get_waiter("cluster_active").wait(**NAME, WaiterConfig=WAIT)
    assert eks.describe_cluster(**NAME)["cluster"]["version"] == "1.35"
    group = {**OF, "nodegroupName": "boto3"}
    _updated(eks, eks.update_nodegroup_version(**group, version="1.35", force=True), nodegroupName="boto3")


def _tags(eks):
    arn = {"resourceArn": f"arn:aws:eks:{here.REGION}:{ACCOUNT}:cluster/{CLUSTER}"}
    eks.tag_resource(**arn, tags={"more": "yes"})
    eks.untag_resource(**arn, tagKeys=["purpose"])
    tags = eks.list_tags_for_resource(**arn)["tags"]
    assert tags == {"made-by": "boto3", "more": "yes"}, tags


def _end(eks):
    error = refused("ResourceInUseException", eks.delete_cluster, **NAME)
    assert error.response["nodegroupName"] or error.response["message"], error.response
    eks.delete_nodegroup(**OF, nodegroupName="boto3")
    eks.get_waiter("nodegroup_deleted").wait(**OF, nodegroupName="boto3", WaiterConfig=WAIT)
    eks.delete_cluster(**NAME)
    eks.get_waiter("cluster_deleted").wait(**NAME, WaiterConfig=WAIT)
