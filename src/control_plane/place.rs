//! Where a cluster is, and the ARNs that follow from names there.

use crate::aws::Target;
use crate::inventory::Settings;

/// The account and region that a cluster is in, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The account and region.
    pub target: Target,
    /// The cluster's name.
    pub cluster: String,
}

impl Place {
    /// Where the cluster of these settings is.
    pub fn of(settings: &Settings) -> Self {
        Self {
            target: Target {
                account: settings.aws_account_id.to_string(),
                region: settings.aws_region.to_string(),
                assume_role: settings.aws_assume_role.to_string(),
            },
            cluster: settings.cluster_name.to_string(),
        }
    }

    /// ARN of the cluster.
    pub fn cluster_arn(&self) -> String {
        self.target.arn("eks", &format!("cluster/{}", self.cluster))
    }

    /// ARN of something of IAM in this account (`role/PSKRoles/x`).
    pub fn iam(&self, resource: &str) -> String {
        let Target { account, .. } = &self.target;
        format!("arn:{}:iam::{account}:{resource}", self.target.partition())
    }

    /// ARN of a managed policy of AWS's own, by path and name
    /// (`service-role/AmazonEFSCSIDriverPolicy`).
    pub fn aws_policy(&self, name: &str) -> String {
        format!("arn:{}:iam::aws:policy/{name}", self.target.partition())
    }

    /// ARN of an access policy of EKS (`AmazonEKSClusterAdminPolicy`).
    pub fn access_policy(&self, name: &str) -> String {
        let partition = self.target.partition();
        format!("arn:{partition}:eks::aws:cluster-access-policy/{name}")
    }

    /// ARN of the IAM provider for an OpenID Connect issuer, given by its URL.
    pub fn oidc_provider(&self, issuer: &str) -> String {
        let address = issuer.strip_prefix("https://").unwrap_or(issuer);
        self.iam(&format!("oidc-provider/{address}"))
    }

    /// EC2 as the principal of a trust policy. Other services go by one name in every partition.
    pub fn ec2_principal(&self) -> &'static str {
        if self.target.partition() == "aws-cn" {
            "ec2.amazonaws.com.cn"
        } else {
            "ec2.amazonaws.com"
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::control_plane) fn place(region: &str) -> Place {
        Place {
            target: Target {
                account: "111122223333".into(),
                region: region.into(),
                assume_role: "PSKRoles/PSKControlPlaneBaseRole".into(),
            },
            cluster: format!("qa-i01-aws-{region}"),
        }
    }

    #[test]
    fn arns_follow_from_names() {
        let here = place("us-east-2");
        assert_eq!(
            here.cluster_arn(),
            "arn:aws:eks:us-east-2:111122223333:cluster/qa-i01-aws-us-east-2"
        );
        assert_eq!(
            here.oidc_provider("https://oidc.eks.us-east-2.amazonaws.com/id/AB12"),
            "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-2.amazonaws.com/id/AB12"
        );
    }

    #[test]
    fn other_partitions_have_names_of_their_own() {
        let china = place("cn-north-1");
        assert_eq!(
            china.aws_policy("AmazonEKSClusterPolicy"),
            "arn:aws-cn:iam::aws:policy/AmazonEKSClusterPolicy"
        );
        assert_eq!(china.ec2_principal(), "ec2.amazonaws.com.cn");
    }
}
