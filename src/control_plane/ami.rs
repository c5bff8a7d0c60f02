//! The newest AMI release for managed nodes, as AWS publishes it in SSM.

use std::sync::Arc;

use aws_sdk_eks::types::AmiTypes;

use super::Shared;
use crate::aws::{Doing, OrAbsent, Session};
use crate::reconcile::{Error, Grant, Lookup};

/// Looks up the newest release for an AMI type and Kubernetes version.
#[derive(Debug)]
pub struct NewestRelease {
    /// The account and region to look in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// EKS AMI type.
    pub ami_type: AmiTypes,
    /// Kubernetes version of the nodes (`1.35`).
    pub version: String,
}

impl Lookup for NewestRelease {
    /// The release as node groups name it; `None` for AMI types and versions that AWS publishes none
    /// for.
    type Output = Option<String>;
    const GRANTS: &'static [Grant] = &[Grant {
        actions: &["ssm:GetParameter"],
        on: &["arn:{partition}:ssm:*::parameter/aws/service/*"],
        condition: None,
    }];

    async fn look_up(&self) -> Result<Option<String>, Error> {
        let Some(name) = parameter(&self.ami_type, &self.version) else {
            return Ok(None);
        };
        let release = self
            .shared
            .offers
            .releases
            .get((self.session.target().clone(), name.clone()), || async {
                let answer = self
                    .session
                    .ssm()
                    .get_parameter()
                    .name(&name)
                    .send()
                    .await
                    .doing(|| format!("reading the newest AMI release from {name}"))
                    .or_absent()?;
                Ok(answer.and_then(|a| a.parameter).and_then(|p| p.value))
            })
            .await?;
        Ok(release)
    }
}

/// The public parameter that holds the newest release.
/// Source: EKS User Guide, "Retrieve recommended Amazon Linux AMI IDs", "… Bottlerocket AMI IDs" and
/// "… Microsoft Windows AMI IDs"; Bottlerocket's README on its `image_version` parameters.
fn parameter(ami_type: &AmiTypes, version: &str) -> Option<String> {
    let bottlerocket = |variant: &str, arch: &str| {
        format!("/aws/service/bottlerocket/aws-k8s-{version}{variant}/{arch}/latest/image_version")
    };
    let al2023 = |arch: &str, variant: &str| {
        format!(
            "/aws/service/eks/optimized-ami/{version}/amazon-linux-2023/{arch}/{variant}/recommended/release_version"
        )
    };
    let al2 = |variant: &str| {
        format!(
            "/aws/service/eks/optimized-ami/{version}/amazon-linux-2{variant}/recommended/release_version"
        )
    };
    let windows = |edition: &str| {
        format!(
            "/aws/service/ami-windows-latest/Windows_Server-{edition}-EKS_Optimized-{version}/release_version"
        )
    };
    Some(match ami_type {
        AmiTypes::BottlerocketArm64 => bottlerocket("", "arm64"),
        AmiTypes::BottlerocketArm64Fips => bottlerocket("-fips", "arm64"),
        AmiTypes::BottlerocketArm64Nvidia => bottlerocket("-nvidia", "arm64"),
        AmiTypes::BottlerocketArm64NvidiaFips => bottlerocket("-nvidia-fips", "arm64"),
        AmiTypes::BottlerocketX8664 => bottlerocket("", "x86_64"),
        AmiTypes::BottlerocketX8664Fips => bottlerocket("-fips", "x86_64"),
        AmiTypes::BottlerocketX8664Nvidia => bottlerocket("-nvidia", "x86_64"),
        AmiTypes::BottlerocketX8664NvidiaFips => bottlerocket("-nvidia-fips", "x86_64"),
        AmiTypes::Al2023X8664Standard => al2023("x86_64", "standard"),
        AmiTypes::Al2023X8664Nvidia => al2023("x86_64", "nvidia"),
        AmiTypes::Al2023X8664Neuron => al2023("x86_64", "neuron"),
        AmiTypes::Al2023Arm64Standard => al2023("arm64", "standard"),
        AmiTypes::Al2023Arm64Nvidia => al2023("arm64", "nvidia"),
        AmiTypes::Al2X8664 => al2(""),
        AmiTypes::Al2X8664Gpu => al2("-gpu"),
        AmiTypes::Al2Arm64 => al2("-arm64"),
        AmiTypes::WindowsCore2019X8664 => windows("2019-English-Core"),
        AmiTypes::WindowsCore2022X8664 => windows("2022-English-Core"),
        AmiTypes::WindowsCore2025X8664 => windows("2025-English-Core"),
        AmiTypes::WindowsFull2019X8664 => windows("2019-English-Full"),
        AmiTypes::WindowsFull2022X8664 => windows("2022-English-Full"),
        AmiTypes::WindowsFull2025X8664 => windows("2025-English-Full"),
        // With an AMI of one's own there is no release to follow.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_follows_the_ami_type() {
        assert_eq!(
            parameter(&AmiTypes::BottlerocketArm64, "1.35").unwrap(),
            "/aws/service/bottlerocket/aws-k8s-1.35/arm64/latest/image_version"
        );
        assert_eq!(
            parameter(&AmiTypes::Al2023X8664Standard, "1.35").unwrap(),
            "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/release_version"
        );
        assert_eq!(parameter(&AmiTypes::Custom, "1.35"), None);
    }

    #[test]
    fn every_ami_type_of_eks_but_custom_has_one() {
        let without: Vec<_> = AmiTypes::values()
            .iter()
            .filter(|name| parameter(&AmiTypes::from(**name), "1.35").is_none())
            .collect();
        assert_eq!(without, [&"CUSTOM"]);
    }
}
