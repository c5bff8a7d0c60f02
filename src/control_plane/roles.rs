//! The IAM roles of a cluster's base, as data: names, trust and permissions.
//!
//! Source of the managed policies: EKS User Guide, "Amazon EKS cluster IAM role", "Amazon EKS node
//! IAM role", "AWS add-ons" and "AWS managed policies for Amazon Elastic Kubernetes Service".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::iam_role::{Role, Wanted};
use super::policy_document::Document;
use super::{Place, Tags, karpenter_policy};
use crate::reconcile::Handle;

/// Path of the roles that pods assume.
const POD_ROLES: &str = "/PSKRoles/";

/// What a node needs: to join, to pull images, to give pods addresses until the CNI add-on has a
/// role of its own, and to be reached through Systems Manager.
const NODE_POLICIES: &[&str] = &[
    "AmazonEKSWorkerNodePolicy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEKS_CNI_Policy",
    "AmazonSSMManagedInstanceCore",
];

/// What a control plane needs.
const CLUSTER_POLICY: &str = "AmazonEKSClusterPolicy";

/// A service account of an add-on in `kube-system`, and what its pods may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The add-on that brings it.
    pub addon: &'static str,
    /// Its name.
    pub name: &'static str,
    /// End of its role's name.
    role: &'static str,
    /// AWS's managed policy for it, with its path.
    policy: &'static str,
}

/// The service accounts that have a role.
pub const SERVICE_ACCOUNTS: &[ServiceAccount] = &[
    ServiceAccount {
        addon: "vpc-cni",
        name: "aws-node",
        role: "vpc-cni",
        policy: "AmazonEKS_CNI_Policy",
    },
    ServiceAccount {
        addon: "aws-ebs-csi-driver",
        name: "ebs-csi-controller-sa",
        role: "ebs-csi-controller-sa",
        // The second version may only touch volumes that the driver itself has tagged.
        policy: "AmazonEBSCSIDriverPolicyV2",
    },
    ServiceAccount {
        addon: "aws-efs-csi-driver",
        name: "efs-csi-controller-sa",
        role: "efs-csi-controller-sa",
        policy: "service-role/AmazonEFSCSIDriverPolicy",
    },
];

/// Name of the control plane's role.
pub fn cluster_role_name(place: &Place) -> String {
    format!("{}-cluster", place.cluster)
}

/// Name of the role of the managed node group's nodes.
pub fn node_role_name(place: &Place) -> String {
    format!("{}-eks-node-group", place.cluster)
}

/// Name of the role of the nodes that Karpenter makes.
pub fn karpenter_node_role_name(place: &Place) -> String {
    format!("Karpenter-{}", place.cluster)
}

/// The control plane's role. `key` encrypts the cluster's secrets.
pub fn cluster(place: &Place, key: &Handle<String>, tags: &Tags) -> Wanted {
    let encryption = Document::naming(key, |key| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Action": ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt", "kms:ListGrants"],
                "Resource": key,
            }],
        })
    });
    Wanted {
        inline_policies: [("SecretsEncryption".to_owned(), encryption)].into(),
        ..role(
            place,
            "/",
            &cluster_role_name(place),
            "EKS control plane",
            service(
                "eks.amazonaws.com",
                json!(["sts:AssumeRole", "sts:TagSession"]),
            ),
            &[CLUSTER_POLICY],
            tags,
        )
    }
}

/// The role of the managed node group's nodes.
pub fn nodes(place: &Place, tags: &Tags) -> Wanted {
    role(
        place,
        "/",
        &node_role_name(place),
        "managed nodes",
        service(place.ec2_principal(), json!("sts:AssumeRole")),
        NODE_POLICIES,
        tags,
    )
}

/// The role of an add-on's pods, which trusts the IAM OIDC provider of the cluster, given by its
/// ARN; without one it trusts EKS Pod Identity.
pub fn service_account(
    place: &Place,
    account: &ServiceAccount,
    provider: Option<&Handle<String>>,
    tags: &Tags,
) -> Wanted {
    let trust = match provider {
        None => pod_identity(),
        Some(provider) => {
            let account = account.name;
            Document::naming(provider, move |provider| web_identity(&provider, account))
        }
    };
    role(
        place,
        POD_ROLES,
        &format!("{}-{}", place.cluster, account.role),
        account.name,
        trust,
        &[account.policy],
        tags,
    )
}

/// The role of Karpenter's controller. `node_role` is the one that it gives to the nodes it makes.
pub fn karpenter_controller(place: &Place, node_role: &Handle<Role>, tags: &Tags) -> Wanted {
    let mut inline_policies: BTreeMap<_, _> = karpenter_policy::of_the_cluster(place)
        .into_iter()
        .map(|(name, document)| (name.to_owned(), document.into()))
        .collect();
    let of_nodes = {
        let place = place.clone();
        Document::naming(node_role, move |role| {
            karpenter_policy::of_the_nodes(&place, &role.arn)
        })
    };
    inline_policies.insert(karpenter_policy::OF_THE_NODES.to_owned(), of_nodes);
    Wanted {
        inline_policies,
        ..role(
            place,
            "/",
            &format!("KarpenterController-{}", place.cluster),
            "Karpenter controller",
            pod_identity(),
            &[],
            tags,
        )
    }
}

/// The role of the nodes that Karpenter makes.
pub fn karpenter_nodes(place: &Place, tags: &Tags) -> Wanted {
    role(
        place,
        "/",
        &karpenter_node_role_name(place),
        "Karpenter's nodes",
        service(place.ec2_principal(), json!("sts:AssumeRole")),
        NODE_POLICIES,
        tags,
    )
}

fn role(
    place: &Place,
    path: &str,
    name: &str,
    whose: &str,
    trust: Document,
    policies: &[&str],
    tags: &Tags,
) -> Wanted {
    Wanted {
        arn: place.iam(&format!("role{path}{name}")),
        path: path.to_owned(),
        name: name.to_owned(),
        description: format!("{whose} of {}", place.cluster),
        trust,
        managed_policies: policies
            .iter()
            .map(|p| place.aws_policy(p))
            .collect::<BTreeSet<_>>(),
        inline_policies: BTreeMap::new(),
        tags: tags.clone(),
    }
}

fn service(principal: &str, actions: Value) -> Document {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": principal },
            "Action": actions,
        }],
    })
    .into()
}

fn pod_identity() -> Document {
    service(
        "pods.eks.amazonaws.com",
        json!(["sts:AssumeRole", "sts:TagSession"]),
    )
}

/// Trust in the tokens that a cluster's provider issues to one service account of `kube-system`.
fn web_identity(provider: &str, account: &str) -> Value {
    let issuer = provider
        .split_once(":oidc-provider/")
        .map_or(provider, |(_, issuer)| issuer);
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": provider },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                (format!("{issuer}:sub")): format!("system:serviceaccount:kube-system:{account}"),
                (format!("{issuer}:aud")): "sts.amazonaws.com",
            } },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::super::iam_role::ATTACHABLE;
    use super::super::iam_role::tests::covers;
    use super::super::place::tests::place;
    use super::*;
    use crate::reconcile::{Error, Fact, Grant, Graph, Lookup};

    struct Known<T>(T);

    impl<T: Clone + Send + Sync + 'static> Lookup for Known<T> {
        type Output = T;
        const GRANTS: &'static [Grant] = &[];
        async fn look_up(&self) -> Result<T, Error> {
            Ok(self.0.clone())
        }
    }

    async fn known<T: Clone + Send + Sync + 'static>(value: T) -> Handle<T> {
        let mut graph = Graph::new();
        let handle = graph.look_up(Known(value));
        graph.observe().await.unwrap();
        handle
    }

    /// A role as people would read it.
    fn shown(wanted: &Wanted) -> Value {
        let document = |document: &Document| match document.get() {
            Fact::Known(value) => value,
            Fact::AfterApply => json!("(known after apply)"),
        };
        let inline: serde_json::Map<_, _> = wanted
            .inline_policies
            .iter()
            .map(|(name, policy)| (name.clone(), document(policy)))
            .collect();
        json!({
            "arn": wanted.arn,
            "description": wanted.description,
            "trust": document(&wanted.trust)["Statement"],
            "managed_policies": wanted.managed_policies,
            "inline_policies": inline,
        })
    }

    #[tokio::test]
    async fn the_roles_of_a_cluster() {
        let place = place("us-east-2");
        let key = known("arn:aws:kms:us-east-2:111122223333:key/k".to_owned()).await;
        let provider =
            known(place.oidc_provider("https://oidc.eks.us-east-2.amazonaws.com/id/AB12")).await;
        let tags = Tags::new();
        let mut roles = vec![
            shown(&cluster(&place, &key, &tags)),
            shown(&nodes(&place, &tags)),
            shown(&karpenter_nodes(&place, &tags)),
        ];
        roles.extend(
            SERVICE_ACCOUNTS
                .iter()
                .map(|account| shown(&service_account(&place, account, Some(&provider), &tags))),
        );
        insta::assert_json_snapshot!(roles);
    }

    #[tokio::test]
    async fn the_role_of_karpenters_controller() {
        let place = place("us-east-2");
        let node_role = known(Role {
            name: "Karpenter-x".into(),
            arn: place.iam("role/Karpenter-x"),
        })
        .await;
        let wanted = karpenter_controller(&place, &node_role, &Tags::new());
        insta::assert_json_snapshot!(shown(&wanted));
    }

    #[test]
    fn every_policy_that_a_role_gets_may_be_attached() {
        let (place, tags) = (place("us-east-2"), Tags::new());
        let mut roles = vec![nodes(&place, &tags), karpenter_nodes(&place, &tags)];
        let accounts = SERVICE_ACCOUNTS.iter();
        roles.extend(accounts.map(|account| service_account(&place, account, None, &tags)));
        let policies = roles.iter().flat_map(|role| &role.managed_policies);
        for arn in policies.chain([&place.aws_policy(CLUSTER_POLICY)]) {
            assert!(
                ATTACHABLE.iter().any(|pattern| covers(pattern, arn)),
                "{arn}"
            );
        }
    }

    #[test]
    fn without_a_provider_an_addons_pods_are_trusted_through_pod_identity() {
        let wanted = service_account(
            &place("us-east-2"),
            &SERVICE_ACCOUNTS[0],
            None,
            &Tags::new(),
        );
        assert_eq!(
            shown(&wanted)["trust"][0]["Principal"],
            json!({ "Service": "pods.eks.amazonaws.com" })
        );
    }

    #[tokio::test]
    async fn what_a_role_carries_itself_stays_within_iams_limits() {
        let place = Place {
            // The longest name that a cluster may have.
            cluster: format!("{}-i01-aws-us-gov-east-1", "s".repeat(20)),
            ..place("us-gov-east-1")
        };
        assert_eq!(place.cluster.len(), 42);
        let node_role = known(Role {
            name: String::new(),
            arn: place.iam(&format!("role/Karpenter-{}", place.cluster)),
        })
        .await;
        let wanted = karpenter_controller(&place, &node_role, &Tags::new());
        // Source: IAM User Guide, "IAM and AWS STS quotas": 64 characters of a role's name, 10,240
        // of all inline policies of a role, white space not counted.
        assert!(wanted.name.len() <= 64);
        let size: usize = wanted
            .inline_policies
            .values()
            .map(|policy| policy.get().known().unwrap().to_string().len())
            .sum();
        assert!(size <= 10_240, "{size}");
    }
}
