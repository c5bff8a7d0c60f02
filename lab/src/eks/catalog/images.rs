//! Node images: the AMI releases of every AMI type.

use super::versions::{KubernetesVersion, VersionInfo, version};

/// The AMI types that EKS knows, custom images aside.
const AMI_TYPES: [&str; 22] = [
    "AL2_x86_64",
    "AL2_x86_64_GPU",
    "AL2_ARM_64",
    "BOTTLEROCKET_ARM_64",
    "BOTTLEROCKET_x86_64",
    "BOTTLEROCKET_ARM_64_FIPS",
    "BOTTLEROCKET_x86_64_FIPS",
    "BOTTLEROCKET_ARM_64_NVIDIA",
    "BOTTLEROCKET_x86_64_NVIDIA",
    "BOTTLEROCKET_ARM_64_NVIDIA_FIPS",
    "BOTTLEROCKET_x86_64_NVIDIA_FIPS",
    "WINDOWS_CORE_2019_x86_64",
    "WINDOWS_FULL_2019_x86_64",
    "WINDOWS_CORE_2022_x86_64",
    "WINDOWS_FULL_2022_x86_64",
    "WINDOWS_CORE_2025_x86_64",
    "WINDOWS_FULL_2025_x86_64",
    "AL2023_x86_64_STANDARD",
    "AL2023_ARM_64_STANDARD",
    "AL2023_x86_64_NEURON",
    "AL2023_x86_64_NVIDIA",
    "AL2023_ARM_64_NVIDIA",
];

/// Bottlerocket releases, oldest first: version and the first eight digits of the commit. One
/// release serves every Kubernetes version, from the first one that had its variant.
const BOTTLEROCKET: [(&str, u16); 6] = [
    ("1.46.0-1d5a4e3c", 35),
    ("1.47.1-8c02f6b9", 35),
    ("1.48.0-f3e17a52", 36),
    ("1.49.0-5b90d1c7", 36),
    ("1.50.1-c6a8e024", 36),
    ("1.51.0-47438798", 36),
];

/// Release days of the Amazon Linux 2023 images, oldest first.
const AL2023: [&str; 5] = ["20260915", "20261001", "20261014", "20261022", "20261105"];

/// Release days of the last Amazon Linux 2 images, oldest first; the last Kubernetes version that
/// they were built for is 1.32.
const AL2: [&str; 2] = ["20251112", "20251120"];
const AL2_LAST: KubernetesVersion = KubernetesVersion::minor(32);

/// Release days of the Windows images, oldest first.
const WINDOWS: [&str; 3] = ["2026.09.10", "2026.10.15", "2026.11.12"];

/// Whether EKS knows this AMI type. `CUSTOM` is none of its own.
pub fn is_ami_type(ami_type: &str) -> bool {
    AMI_TYPES.contains(&ami_type)
}

/// Whether nodes of this AMI type have arm64 processors.
pub fn is_arm(ami_type: &str) -> bool {
    ami_type.contains("ARM_64")
}

/// The AMI releases of an AMI type for a Kubernetes version (`1.35`), oldest first, as
/// `releaseVersion` names them. Empty where there are none.
pub fn releases(ami_type: &str, kubernetes_version: &str) -> Vec<String> {
    let info = kubernetes_version.parse().ok().and_then(version);
    let Some(info) = info.filter(|_| is_ami_type(ami_type)) else {
        return Vec::new();
    };
    let minor = info.version;
    if ami_type.starts_with("BOTTLEROCKET") {
        BOTTLEROCKET
            .iter()
            .filter(|(_, newest)| minor <= KubernetesVersion::minor(*newest))
            .map(|(release, _)| (*release).to_owned())
            .collect()
    } else if ami_type.starts_with("AL2023") {
        dated(info, &AL2023)
    } else if ami_type.starts_with("AL2_") {
        if minor <= AL2_LAST {
            dated(info, &AL2)
        } else {
            Vec::new()
        }
    } else {
        WINDOWS.iter().map(|day| format!("{minor}-{day}")).collect()
    }
}

/// The newest AMI release of an AMI type for a Kubernetes version (`1.35`), as `releaseVersion`
/// names it: `1.51.0-47438798` for Bottlerocket, `1.35.6-20261105` for Amazon Linux.
pub fn latest_release(ami_type: &str, kubernetes_version: &str) -> Option<String> {
    releases(ami_type, kubernetes_version).pop()
}

/// Amazon Linux releases: kubelet's version and the day. The newest two have the newest patch.
fn dated(info: &VersionInfo, days: &[&str]) -> Vec<String> {
    let newest = days.len().saturating_sub(2);
    days.iter()
        .enumerate()
        .map(|(i, day)| {
            let patch = if i < newest {
                info.patch.saturating_sub(1)
            } else {
                info.patch
            };
            format!("{}.{patch}-{day}", info.version)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::versions::versions;
    use super::*;

    #[test]
    fn every_offered_version_has_an_older_and_a_newer_image() {
        for info in versions() {
            let minor = info.version.to_string();
            for ami_type in AMI_TYPES.iter().filter(|t| !t.starts_with("AL2_")) {
                let releases = releases(ami_type, &minor);
                assert!(releases.len() >= 2, "{ami_type} {minor}");
                assert_eq!(releases.last().cloned(), latest_release(ami_type, &minor));
            }
        }
    }

    #[test]
    fn releases_are_named_as_each_family_names_them() {
        assert_eq!(
            latest_release("BOTTLEROCKET_ARM_64", "1.35").as_deref(),
            Some("1.51.0-47438798")
        );
        assert_eq!(
            latest_release("AL2023_x86_64_STANDARD", "1.35").as_deref(),
            Some("1.35.6-20261105")
        );
        assert_eq!(
            latest_release("WINDOWS_CORE_2022_x86_64", "1.34").as_deref(),
            Some("1.34-2026.11.12")
        );
        assert_eq!(latest_release("AL2_x86_64", "1.33"), None);
        assert_eq!(latest_release("CUSTOM", "1.35"), None);
        assert_eq!(latest_release("BOTTLEROCKET_ARM_64", "1.99"), None);
    }
}
