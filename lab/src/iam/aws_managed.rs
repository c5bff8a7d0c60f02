//! The managed policies that AWS keeps for everyone.
//!
//! They exist by name. What they allow isn't held here, except for the one whose document is all
//! of its meaning; so nothing that the lab judges may rest on the others.

use serde_json::{Value, json};

use crate::ids::stable_base32;

/// A managed policy of AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsManaged {
    /// Its path, with a slash on both ends.
    pub path: &'static str,
    /// Its name.
    pub name: &'static str,
}

const LINKED: &str = "/aws-service-role/";
const SERVICE: &str = "/service-role/";

/// Path and name, in the order of the names: those that concern EKS and the services around it.
/// Source: the AWS Managed Policy Reference.
const POLICIES: &[(&str, &str)] = &[
    (LINKED, "AWSEC2SpotServiceRolePolicy"),
    (LINKED, "AWSServiceRoleForAmazonEKSNodegroup"),
    ("/", "AdministratorAccess"),
    ("/", "AmazonEBSCSIDriverEKSClusterScopedPolicy"),
    (SERVICE, "AmazonEBSCSIDriverPolicy"),
    ("/", "AmazonEBSCSIDriverPolicyV2"),
    ("/", "AmazonEC2ContainerRegistryFullAccess"),
    ("/", "AmazonEC2ContainerRegistryPowerUser"),
    ("/", "AmazonEC2ContainerRegistryPullOnly"),
    ("/", "AmazonEC2ContainerRegistryReadOnly"),
    ("/", "AmazonEC2FullAccess"),
    ("/", "AmazonEC2ReadOnlyAccess"),
    (SERVICE, "AmazonEFSCSIDriverPolicy"),
    ("/", "AmazonEKSBlockStoragePolicy"),
    ("/", "AmazonEKSClusterPolicy"),
    ("/", "AmazonEKSComputePolicy"),
    ("/", "AmazonEKSFargatePodExecutionRolePolicy"),
    ("/", "AmazonEKSLoadBalancingPolicy"),
    ("/", "AmazonEKSLocalOutpostClusterPolicy"),
    ("/", "AmazonEKSNetworkingPolicy"),
    ("/", "AmazonEKSServicePolicy"),
    (LINKED, "AmazonEKSServiceRolePolicy"),
    ("/", "AmazonEKSVPCResourceController"),
    ("/", "AmazonEKSWorkerNodeMinimalPolicy"),
    ("/", "AmazonEKSWorkerNodePolicy"),
    ("/", "AmazonEKS_CNI_Policy"),
    (LINKED, "AmazonElasticFileSystemServiceRolePolicy"),
    ("/", "AmazonS3ReadOnlyAccess"),
    ("/", "AmazonSQSFullAccess"),
    ("/", "AmazonSSMManagedInstanceCore"),
    (LINKED, "AutoScalingServiceRolePolicy"),
    ("/", "CloudWatchAgentServerPolicy"),
    ("/", "IAMFullAccess"),
    ("/", "IAMReadOnlyAccess"),
    ("/", "PowerUserAccess"),
    ("/", "ReadOnlyAccess"),
    ("/", "SecurityAudit"),
];

impl AwsManaged {
    /// All of them, in the order of their names.
    pub fn all() -> impl Iterator<Item = Self> {
        POLICIES.iter().map(|&(path, name)| Self { path, name })
    }

    /// The one that an ARN names.
    pub fn of(arn: &str) -> Option<Self> {
        let name = arn.rsplit('/').next()?;
        Self::all().find(|policy| policy.name == name && policy.arn() == arn)
    }

    /// Its ARN, which belongs to no account.
    pub fn arn(self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }

    /// Its unique id (`ANPA…`).
    pub fn id(self) -> String {
        format!("ANPA{}", stable_base32(17, &["aws", self.path, self.name]))
    }

    /// Whether only a service's own role may have it.
    pub fn is_service_linked(self) -> bool {
        self.path == LINKED
    }

    /// What it allows, where the lab knows.
    pub fn document(self) -> Option<Value> {
        (self.name == "AdministratorAccess").then(|| {
            json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }],
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_found_only_under_its_own_path() {
        let driver =
            AwsManaged::of("arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy");
        assert_eq!(driver.unwrap().name, "AmazonEBSCSIDriverPolicy");
        for wrong in [
            "arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicy",
            "arn:aws:iam::111122223333:policy/AmazonEKSClusterPolicy",
            "AmazonEKSClusterPolicy",
        ] {
            assert_eq!(AwsManaged::of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_in_order_and_distinct() {
        assert!(POLICIES.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }
}
