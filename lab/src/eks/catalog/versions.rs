//! Kubernetes versions and their support windows.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

/// How many minors a kubelet or kube-proxy may be behind the API server (Kubernetes version skew
/// policy).
pub const VERSION_SKEW: u16 = 3;

/// A Kubernetes minor version, `1.NN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubernetesVersion(u16);

impl KubernetesVersion {
    /// The version `1.<minor>`.
    pub const fn minor(minor: u16) -> Self {
        Self(minor)
    }

    /// How many minors this version is ahead of `other`; negative where it is behind.
    pub fn ahead_of(self, other: Self) -> i32 {
        i32::from(self.0) - i32::from(other.0)
    }

    /// The next minor version, whether or not EKS has it.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The minor version before, whether or not EKS has it.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    pub(super) fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl From<KubernetesVersion> for String {
    fn from(version: KubernetesVersion) -> Self {
        version.to_string()
    }
}

impl FromStr for KubernetesVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("1.")
            .filter(|minor| minor.bytes().all(|b| b.is_ascii_digit()) && !minor.starts_with('0'))
            .and_then(|minor| minor.parse().ok())
            .map(Self)
            .ok_or_else(|| format!("'{text}' is not a Kubernetes minor version such as 1.35"))
    }
}

impl TryFrom<String> for KubernetesVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// How far a version is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// In standard support.
    Standard,
    /// In extended support, at a higher price.
    Extended,
    /// No longer offered.
    Unsupported,
}

impl Support {
    /// The value of `versionStatus`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD_SUPPORT",
            Self::Extended => "EXTENDED_SUPPORT",
            Self::Unsupported => "UNSUPPORTED",
        }
    }

    /// The value of the older member `status`.
    pub fn as_legacy_str(self) -> &'static str {
        match self {
            Self::Standard => "standard-support",
            Self::Extended => "extended-support",
            Self::Unsupported => "unsupported",
        }
    }
}

/// What EKS publishes of a Kubernetes version.
#[derive(Debug, Clone, Copy)]
pub struct VersionInfo {
    /// The version.
    pub version: KubernetesVersion,
    /// The newest patch release that EKS runs.
    pub patch: u16,
    /// Number of the newest platform version (`eks.<n>`).
    pub platform: u16,
    /// How far the version is in its life.
    pub support: Support,
    /// Day on which EKS released it.
    pub released: Date,
    /// First day without standard support.
    pub standard_until: Date,
    /// First day without extended support.
    pub extended_until: Date,
}

impl VersionInfo {
    /// The newest platform version.
    pub fn platform_version(&self) -> String {
        format!("eks.{}", self.platform)
    }

    /// Whether clusters of this version can be made and upgraded to.
    pub fn is_offered(&self) -> bool {
        self.support != Support::Unsupported
    }
}

const DEFAULT: KubernetesVersion = KubernetesVersion(36);

/// Oldest first.
const VERSIONS: [VersionInfo; 7] = [
    VersionInfo {
        version: KubernetesVersion(30),
        patch: 14,
        platform: 66,
        support: Support::Unsupported,
        released: date(2024, 5, 23),
        standard_until: date(2025, 7, 23),
        extended_until: date(2026, 7, 23),
    },
    VersionInfo {
        version: KubernetesVersion(31),
        patch: 14,
        platform: 57,
        support: Support::Extended,
        released: date(2024, 9, 26),
        standard_until: date(2025, 11, 26),
        extended_until: date(2026, 11, 26),
    },
    VersionInfo {
        version: KubernetesVersion(32),
        patch: 13,
        platform: 48,
        support: Support::Extended,
        released: date(2025, 1, 23),
        standard_until: date(2026, 3, 23),
        extended_until: date(2027, 3, 23),
    },
    VersionInfo {
        version: KubernetesVersion(33),
        patch: 12,
        platform: 37,
        support: Support::Extended,
        released: date(2025, 5, 29),
        standard_until: date(2026, 7, 29),
        extended_until: date(2027, 7, 29),
    },
    VersionInfo {
        version: KubernetesVersion(34),
        patch: 9,
        platform: 26,
        support: Support::Standard,
        released: date(2025, 10, 2),
        standard_until: date(2026, 12, 2),
        extended_until: date(2027, 12, 2),
    },
    VersionInfo {
        version: KubernetesVersion(35),
        patch: 6,
        platform: 16,
        support: Support::Standard,
        released: date(2026, 1, 27),
        standard_until: date(2027, 3, 27),
        extended_until: date(2028, 3, 27),
    },
    VersionInfo {
        version: DEFAULT,
        patch: 3,
        platform: 7,
        support: Support::Standard,
        released: date(2026, 6, 2),
        standard_until: date(2027, 8, 2),
        extended_until: date(2028, 8, 2),
    },
];

/// Every version that EKS knows of, oldest first, those no longer offered included.
pub fn versions() -> &'static [VersionInfo] {
    &VERSIONS
}

/// What EKS publishes of this version, if it knows it.
pub fn version(version: KubernetesVersion) -> Option<&'static VersionInfo> {
    VERSIONS.iter().find(|info| info.version == version)
}

/// The version of a cluster whose maker named none.
pub fn default_version() -> KubernetesVersion {
    DEFAULT
}

#[cfg(test)]
mod tests {
    use super::*;

    const AS_OF: Date = date(2026, 11, 23);

    #[test]
    fn support_agrees_with_the_dates() {
        for info in versions() {
            let by_date = if AS_OF < info.standard_until {
                Support::Standard
            } else if AS_OF < info.extended_until {
                Support::Extended
            } else {
                Support::Unsupported
            };
            assert_eq!(info.support, by_date, "{}", info.version);
            assert!(
                info.released < info.standard_until && info.standard_until < info.extended_until
            );
        }
    }

    #[test]
    fn versions_follow_one_another_up_to_the_default() {
        for pair in versions().windows(2) {
            assert_eq!(pair[0].version.next(), pair[1].version);
        }
        assert_eq!(
            versions().last().map(|info| info.version),
            Some(default_version())
        );
    }

    #[test]
    fn parses_minor_versions_only() {
        assert_eq!("1.35".parse(), Ok(KubernetesVersion(35)));
        for wrong in [
            "",
            "1",
            "1.",
            "1.035",
            "1.35.2",
            "2.35",
            "v1.35",
            "1.x",
            "1.99999999",
        ] {
            assert!(wrong.parse::<KubernetesVersion>().is_err(), "{wrong}");
        }
    }
}
