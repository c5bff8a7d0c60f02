//! What EKS and EC2 take as values for a managed node group.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::choice::choice;
use super::decode::{Invalid, decode_from_str};
use super::identity::checked_text;

choice! {
    /// How a node group's instances are bought.
    pub enum CapacityType {
        /// Kept until given back.
        OnDemand = "ON_DEMAND",
        /// Cheaper, and taken away with two minutes' notice.
        Spot = "SPOT",
    }
}

choice! {
    /// The image that a node group's nodes run, by the names of EKS's `amiType`. `CUSTOM` is left
    /// out: it needs an image of one's own in the launch template.
    pub enum AmiType {
        /// Bottlerocket, arm64.
        BottlerocketArm64 = "BOTTLEROCKET_ARM_64",
        /// Bottlerocket, x86-64.
        BottlerocketX8664 = "BOTTLEROCKET_x86_64",
        /// Bottlerocket with FIPS, arm64.
        BottlerocketArm64Fips = "BOTTLEROCKET_ARM_64_FIPS",
        /// Bottlerocket with FIPS, x86-64.
        BottlerocketX8664Fips = "BOTTLEROCKET_x86_64_FIPS",
        /// Bottlerocket with NVIDIA drivers, arm64.
        BottlerocketArm64Nvidia = "BOTTLEROCKET_ARM_64_NVIDIA",
        /// Bottlerocket with NVIDIA drivers, x86-64.
        BottlerocketX8664Nvidia = "BOTTLEROCKET_x86_64_NVIDIA",
        /// Bottlerocket with NVIDIA drivers and FIPS, arm64.
        BottlerocketArm64NvidiaFips = "BOTTLEROCKET_ARM_64_NVIDIA_FIPS",
        /// Bottlerocket with NVIDIA drivers and FIPS, x86-64.
        BottlerocketX8664NvidiaFips = "BOTTLEROCKET_x86_64_NVIDIA_FIPS",
        /// Amazon Linux 2023, arm64.
        Al2023Arm64Standard = "AL2023_ARM_64_STANDARD",
        /// Amazon Linux 2023, x86-64.
        Al2023X8664Standard = "AL2023_x86_64_STANDARD",
        /// Amazon Linux 2023 with NVIDIA drivers, arm64.
        Al2023Arm64Nvidia = "AL2023_ARM_64_NVIDIA",
        /// Amazon Linux 2023 with NVIDIA drivers, x86-64.
        Al2023X8664Nvidia = "AL2023_x86_64_NVIDIA",
        /// Amazon Linux 2023 with Neuron drivers, x86-64.
        Al2023X8664Neuron = "AL2023_x86_64_NEURON",
        /// Amazon Linux 2, arm64.
        Al2Arm64 = "AL2_ARM_64",
        /// Amazon Linux 2, x86-64.
        Al2X8664 = "AL2_x86_64",
        /// Amazon Linux 2 with GPU drivers, x86-64.
        Al2X8664Gpu = "AL2_x86_64_GPU",
        /// Windows Server 2019 Core.
        WindowsCore2019 = "WINDOWS_CORE_2019_x86_64",
        /// Windows Server 2019 Full.
        WindowsFull2019 = "WINDOWS_FULL_2019_x86_64",
        /// Windows Server 2022 Core.
        WindowsCore2022 = "WINDOWS_CORE_2022_x86_64",
        /// Windows Server 2022 Full.
        WindowsFull2022 = "WINDOWS_FULL_2022_x86_64",
        /// Windows Server 2025 Core.
        WindowsCore2025 = "WINDOWS_CORE_2025_x86_64",
        /// Windows Server 2025 Full.
        WindowsFull2025 = "WINDOWS_FULL_2025_x86_64",
    }
}

/// A node group's name: letters, digits, `-` and `_`, at most 62 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct NodeGroupName(#[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,61}$"))] String);

impl FromStr for NodeGroupName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > 62 {
            return Err(Invalid::new(
                "is longer than 62 characters, the most that EKS takes",
            ));
        }
        let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            let complaint = "is not a node group's name: letters, digits, - and _ only";
            Err(Invalid::new(complaint))
        }
    }
}

/// An EC2 instance type, `m7g.2xlarge`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct InstanceType(#[schemars(regex(pattern = r"^[a-z0-9-]+\.[a-z0-9-]+$"))] String);

impl FromStr for InstanceType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        match text.split_once('.') {
            Some((family, size)) if part(family) && part(size) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new(
                "is not an EC2 instance type, such as m7g.2xlarge",
            )),
        }
    }
}

checked_text!(NodeGroupName, InstanceType);

/// How many nodes: 1 to 999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NodeCount(#[schemars(range(min = 1, max = 999))] u16);

impl NodeCount {
    /// The number, as the API takes it.
    pub fn get(self) -> i32 {
        self.0.into()
    }
}

impl FromStr for NodeCount {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let count = text.parse().ok().filter(|count| (1..=999).contains(count));
        count
            .map(Self)
            .ok_or_else(|| Invalid::new("is not a number from 1 to 999"))
    }
}

impl fmt::Display for NodeCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A gp3 volume's size in GiB: 1 to 65536, EC2's limits for the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiskSize(#[schemars(range(min = 1, max = 65536))] u32);

impl DiskSize {
    /// GiB, as the API takes them.
    pub fn gib(self) -> i32 {
        i32::try_from(self.0).unwrap_or(i32::MAX)
    }
}

impl FromStr for DiskSize {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let size = text.parse().ok().filter(|size| (1..=65_536).contains(size));
        size.map(Self)
            .ok_or_else(|| Invalid::new("is not a size in GiB from 1 to 65536"))
    }
}

/// How many nodes may be unavailable while a node group is updated: a count of 1 to 100 or a
/// percentage, EKS's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxUnavailable {
    /// This many nodes.
    Count(NonZeroU32),
    /// This many of a hundred.
    Percent(NonZeroU32),
}

impl FromStr for MaxUnavailable {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (number, make): (_, fn(NonZeroU32) -> Self) = match text.strip_suffix('%') {
            Some(percent) => (percent, Self::Percent),
            None => (text, Self::Count),
        };
        let number = number
            .parse()
            .ok()
            .filter(|number: &NonZeroU32| number.get() <= 100);
        number.map(make).ok_or_else(|| {
            Invalid::new("is not a number of nodes from 1 to 100 nor a percentage from 1% to 100%")
        })
    }
}

impl fmt::Display for MaxUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl JsonSchema for MaxUnavailable {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MaxUnavailable".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": 100 },
                { "type": "string", "pattern": "^([1-9][0-9]?|100)%?$" },
            ]
        })
    }
}

decode_from_str!(NodeCount, DiskSize, MaxUnavailable);

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint<T: FromStr<Err = Invalid> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().unwrap_err().to_string()
    }

    #[test]
    fn every_word_reads_back() {
        for ami in AmiType::ALL {
            assert_eq!(ami.as_str().parse(), Ok(*ami));
        }
        let invalid = "BOTTLEROCKET_ARM64".parse::<AmiType>().unwrap_err();
        assert_eq!(
            invalid.help.as_deref(),
            Some("did you mean \"BOTTLEROCKET_ARM_64\"?")
        );
    }

    #[test]
    fn every_ami_type_is_one_that_eks_knows() {
        use aws_sdk_eks::types::AmiTypes;
        let ours: std::collections::BTreeSet<&str> =
            AmiType::ALL.iter().map(|ami| ami.as_str()).collect();
        let eks = AmiTypes::values()
            .iter()
            .copied()
            .filter(|name| *name != "CUSTOM")
            .collect();
        assert_eq!(ours, eks);
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!(complaint::<NodeCount>("0"), "is not a number from 1 to 999");
        assert_eq!(
            complaint::<NodeCount>("1000"),
            "is not a number from 1 to 999"
        );
        assert_eq!("999".parse::<NodeCount>().unwrap().get(), 999);
        assert_eq!(
            complaint::<DiskSize>("50GB"),
            "is not a size in GiB from 1 to 65536"
        );
        assert_eq!("50".parse::<DiskSize>().unwrap().gib(), 50);
        for text in ["0", "101", "0%", "101%", "a%", ""] {
            assert!(text.parse::<MaxUnavailable>().is_err(), "{text}");
        }
        assert_eq!("33%".parse::<MaxUnavailable>().unwrap().to_string(), "33%");
        assert_eq!("2".parse::<MaxUnavailable>().unwrap().to_string(), "2");
    }

    #[test]
    fn names_are_checked() {
        assert!("a".repeat(62).parse::<NodeGroupName>().is_ok());
        assert_eq!(
            complaint::<NodeGroupName>(&"a".repeat(63)),
            "is longer than 62 characters, the most that EKS takes"
        );
        assert_eq!(
            complaint::<NodeGroupName>("a b"),
            "is not a node group's name: letters, digits, - and _ only"
        );
        assert_eq!(
            complaint::<InstanceType>("t4g"),
            "is not an EC2 instance type, such as m7g.2xlarge"
        );
    }
}
