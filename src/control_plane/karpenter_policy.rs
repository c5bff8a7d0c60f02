//! What Karpenter's controller may do: the policy that the Karpenter project publishes for v1, cut
//! into the same parts, each bound to its cluster by tags, names or region.
//!
//! Source: Karpenter's documentation, "Reference: CloudFormation", of v1.12, whose statement ids are
//! kept so that the two can be laid side by side.

use serde_json::{Value, json};

use super::{Place, queue};

/// Name of the policy that names the nodes' role.
pub(super) const OF_THE_NODES: &str = "IAMIntegration";

/// The policies that follow from the place alone, by name.
pub(super) fn of_the_cluster(place: &Place) -> [(&'static str, Value); 5] {
    [
        ("NodeLifecycle", node_lifecycle(place)),
        ("EKSIntegration", eks_integration(place)),
        ("Interruption", interruption(place)),
        ("ZonalShift", zonal_shift(place)),
        ("ResourceDiscovery", resource_discovery(place)),
    ]
}

fn policy(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Resources of EC2 in the region, whosever account they are in; images and snapshots are in none.
fn ec2(place: &Place, kinds: &[&str]) -> Vec<String> {
    kinds
        .iter()
        .map(|kind| {
            let owner = if ["image", "snapshot"].contains(kind) {
                ""
            } else {
                "*"
            };
            let (partition, region) = (place.target.partition(), &place.target.region);
            format!("arn:{partition}:ec2:{region}:{owner}:{kind}/*")
        })
        .collect()
}

/// Key of the tag that Karpenter puts on all that it makes, with the value `owned`.
fn ownership(place: &Place) -> String {
    format!("kubernetes.io/cluster/{}", place.cluster)
}

/// What Karpenter made for this cluster and one of its node pools.
fn owned_by_a_node_pool(place: &Place) -> Value {
    json!({
        "StringEquals": { (format!("aws:ResourceTag/{}", ownership(place))): "owned" },
        "StringLike": { "aws:ResourceTag/karpenter.sh/nodepool": "*" },
    })
}

/// What is being made with the tags of this cluster and one of its node pools.
fn made_for_a_node_pool(place: &Place) -> Value {
    json!({
        "StringEquals": {
            (format!("aws:RequestTag/{}", ownership(place))): "owned",
            "aws:RequestTag/eks:eks-cluster-name": place.cluster,
        },
        "StringLike": { "aws:RequestTag/karpenter.sh/nodepool": "*" },
    })
}

fn node_lifecycle(place: &Place) -> Value {
    let made = ec2(
        place,
        &[
            "fleet",
            "instance",
            "volume",
            "network-interface",
            "launch-template",
            "spot-instances-request",
        ],
    );
    let mut tagged_as_made = made_for_a_node_pool(place);
    tagged_as_made["StringEquals"]["ec2:CreateAction"] =
        json!(["RunInstances", "CreateFleet", "CreateLaunchTemplate"]);
    let mut tagged_later = owned_by_a_node_pool(place);
    tagged_later["StringEqualsIfExists"] =
        json!({ "aws:RequestTag/eks:eks-cluster-name": place.cluster });
    tagged_later["ForAllValues:StringEquals"] =
        json!({ "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"] });
    policy(&[
        json!({
            "Sid": "AllowScopedEC2InstanceAccessActions",
            "Effect": "Allow",
            "Action": ["ec2:RunInstances", "ec2:CreateFleet"],
            "Resource": ec2(place, &[
                "image",
                "snapshot",
                "security-group",
                "subnet",
                "capacity-reservation",
                "placement-group",
            ]),
        }),
        json!({
            "Sid": "AllowScopedEC2LaunchTemplateAccessActions",
            "Effect": "Allow",
            "Action": ["ec2:RunInstances", "ec2:CreateFleet"],
            "Resource": ec2(place, &["launch-template"]),
            "Condition": owned_by_a_node_pool(place),
        }),
        json!({
            "Sid": "AllowScopedEC2InstanceActionsWithTags",
            "Effect": "Allow",
            "Action": ["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateLaunchTemplate"],
            "Resource": made,
            "Condition": made_for_a_node_pool(place),
        }),
        json!({
            "Sid": "AllowScopedResourceCreationTagging",
            "Effect": "Allow",
            "Action": "ec2:CreateTags",
            "Resource": made,
            "Condition": tagged_as_made,
        }),
        json!({
            "Sid": "AllowScopedResourceTagging",
            "Effect": "Allow",
            "Action": "ec2:CreateTags",
            "Resource": ec2(place, &["instance"]),
            "Condition": tagged_later,
        }),
        json!({
            "Sid": "AllowScopedDeletion",
            "Effect": "Allow",
            "Action": ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
            "Resource": ec2(place, &["instance", "launch-template"]),
            "Condition": owned_by_a_node_pool(place),
        }),
    ])
}

/// What concerns the role of the nodes, given by its ARN: passing it on, and the instance profiles
/// that Karpenter makes for it.
pub(super) fn of_the_nodes(place: &Place, node_role: &str) -> Value {
    let owned = format!("aws:ResourceTag/{}", ownership(place));
    let made = format!("aws:RequestTag/{}", ownership(place));
    let profiles = place.iam("instance-profile/*");
    policy(&[
        json!({
            "Sid": "AllowPassingInstanceRole",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": node_role,
            "Condition": { "StringEquals": {
                "iam:PassedToService": ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"],
            } },
        }),
        json!({
            "Sid": "AllowScopedInstanceProfileCreationActions",
            "Effect": "Allow",
            "Action": "iam:CreateInstanceProfile",
            "Resource": profiles,
            "Condition": {
                "StringEquals": {
                    (made.clone()): "owned",
                    "aws:RequestTag/eks:eks-cluster-name": place.cluster,
                    "aws:RequestTag/topology.kubernetes.io/region": place.target.region,
                },
                "StringLike": { "aws:RequestTag/karpenter.k8s.aws/ec2nodeclass": "*" },
            },
        }),
        json!({
            "Sid": "AllowScopedInstanceProfileTagActions",
            "Effect": "Allow",
            "Action": "iam:TagInstanceProfile",
            "Resource": profiles,
            "Condition": {
                "StringEquals": {
                    (owned.clone()): "owned",
                    "aws:ResourceTag/topology.kubernetes.io/region": place.target.region,
                    (made): "owned",
                    "aws:RequestTag/eks:eks-cluster-name": place.cluster,
                    "aws:RequestTag/topology.kubernetes.io/region": place.target.region,
                },
                "StringLike": {
                    "aws:ResourceTag/karpenter.k8s.aws/ec2nodeclass": "*",
                    "aws:RequestTag/karpenter.k8s.aws/ec2nodeclass": "*",
                },
            },
        }),
        json!({
            "Sid": "AllowScopedInstanceProfileActions",
            "Effect": "Allow",
            "Action": [
                "iam:AddRoleToInstanceProfile",
                "iam:RemoveRoleFromInstanceProfile",
                "iam:DeleteInstanceProfile",
            ],
            "Resource": profiles,
            "Condition": {
                "StringEquals": {
                    (owned): "owned",
                    "aws:ResourceTag/topology.kubernetes.io/region": place.target.region,
                },
                "StringLike": { "aws:ResourceTag/karpenter.k8s.aws/ec2nodeclass": "*" },
            },
        }),
    ])
}

fn eks_integration(place: &Place) -> Value {
    policy(&[json!({
        "Sid": "AllowAPIServerEndpointDiscovery",
        "Effect": "Allow",
        "Action": "eks:DescribeCluster",
        "Resource": place.cluster_arn(),
    })])
}

fn interruption(place: &Place) -> Value {
    policy(&[json!({
        "Sid": "AllowInterruptionQueueActions",
        "Effect": "Allow",
        "Action": ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
        "Resource": queue::facts(&place.target, &place.cluster).arn,
    })])
}

/// A cluster can't be the resource of this action, only its condition.
/// Source: Service Authorization Reference, "Amazon Application Recovery Controller - Zonal Shift".
fn zonal_shift(place: &Place) -> Value {
    policy(&[json!({
        "Sid": "AllowZonalShiftStatusReadOnly",
        "Effect": "Allow",
        "Action": "arc-zonal-shift:GetManagedResource",
        "Resource": "*",
        "Condition": { "StringEquals": {
            "arc-zonal-shift:ResourceIdentifier": place.cluster_arn(),
        } },
    })])
}

fn resource_discovery(place: &Place) -> Value {
    let (partition, region) = (place.target.partition(), &place.target.region);
    policy(&[
        json!({
            "Sid": "AllowRegionalReadActions",
            "Effect": "Allow",
            "Action": [
                "ec2:DescribeCapacityReservations",
                "ec2:DescribeImages",
                "ec2:DescribeInstances",
                "ec2:DescribeInstanceStatus",
                "ec2:DescribeInstanceTypeOfferings",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplates",
                "ec2:DescribePlacementGroups",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSpotPriceHistory",
                "ec2:DescribeSubnets",
            ],
            "Resource": "*",
            "Condition": { "StringEquals": { "aws:RequestedRegion": region } },
        }),
        json!({
            "Sid": "AllowSSMReadActions",
            "Effect": "Allow",
            "Action": "ssm:GetParameter",
            "Resource": format!("arn:{partition}:ssm:{region}::parameter/aws/service/*"),
        }),
        json!({
            "Sid": "AllowPricingReadActions",
            "Effect": "Allow",
            "Action": "pricing:GetProducts",
            "Resource": "*",
        }),
        json!({
            "Sid": "AllowUnscopedInstanceProfileListAction",
            "Effect": "Allow",
            "Action": "iam:ListInstanceProfiles",
            "Resource": "*",
        }),
        json!({
            "Sid": "AllowInstanceProfileReadActions",
            "Effect": "Allow",
            "Action": "iam:GetInstanceProfile",
            "Resource": place.iam("instance-profile/*"),
        }),
    ])
}
