//! Which cluster, where, and as whom: names, regions, accounts and the pipeline's role.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::decode::{Invalid, decode_from_str};
use super::nearest::did_you_mean;

/// Regions that AWS's general reference lists for Amazon EKS, China and the European Sovereign
/// Cloud included.
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Longest cluster name. EKS allows 100 characters, but IAM only 64 in a role's name, and the
/// roles of a cluster add up to 22 to its name (`-efs-csi-controller-sa`).
const LONGEST_CLUSTER_NAME: usize = 42;

/// Gives a checked string its accessors and impls.
macro_rules! checked_text {
    ($($name:ident),+) => {$(
        impl $name {
            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        decode_from_str!($name);
    )+};
}
pub(crate) use checked_text;

/// An AWS account's id: twelve digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct AccountId(#[schemars(regex(pattern = r"^[0-9]{12}$"))] String);

impl FromStr for AccountId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("is not twelve digits"))
        }
    }
}

/// An AWS region's code, such as `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Region(String);

impl FromStr for Region {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if REGIONS.contains(&text) {
            Ok(Self(text.to_owned()))
        } else {
            let nearest = did_you_mean(text, REGIONS.iter().copied());
            Err(Invalid::new("is not an AWS region").maybe_help(nearest))
        }
    }
}

impl Region {
    /// The partition that the region is in, the second part of every ARN (`aws`).
    pub fn partition(&self) -> &'static str {
        partition(&self.0)
    }
}

/// The partition that a region is in, the second part of every ARN (`aws`).
/// Source: botocore's `partitions.json`, which tells them apart by the same beginnings.
pub fn partition(region: &str) -> &'static str {
    const BEGINNINGS: [(&str, &str); 3] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
    ];
    BEGINNINGS
        .iter()
        .find(|(beginning, _)| region.starts_with(beginning))
        .map_or("aws", |(_, partition)| partition)
}

impl JsonSchema for Region {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Region".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": REGIONS })
    }
}

/// A cluster's name, `<prefix>-i<nn>-aws-<region>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct ClusterName(
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]*-i[0-9]{2,}-aws-[a-z]+(-[a-z]+)+-[0-9]+$"))]
    String,
);

impl FromStr for ClusterName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let shape = || Invalid::new("is not a cluster's name: <prefix>-i<nn>-aws-<region>");
        let (instance, region) = text.split_once("-aws-").ok_or_else(shape)?;
        let (prefix, number) = instance.rsplit_once("-i").ok_or_else(shape)?;
        let simple = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = prefix.starts_with(|c: char| c.is_ascii_lowercase())
            && prefix.chars().all(simple)
            && number.len() >= 2
            && number.bytes().all(|byte| byte.is_ascii_digit());
        if !fits {
            return Err(shape());
        }
        region.parse::<Region>().map_err(|invalid| {
            let complaint = "names no AWS region after -aws-";
            Invalid::new(complaint).maybe_help(invalid.help)
        })?;
        if text.len() > LONGEST_CLUSTER_NAME {
            let complaint = format!(
                "is longer than {LONGEST_CLUSTER_NAME} characters, which would make the names of \
                 its IAM roles longer than IAM's 64"
            );
            return Err(Invalid::new(complaint));
        }
        Ok(Self(text.to_owned()))
    }
}

impl ClusterName {
    /// The region that the name ends in.
    pub fn region(&self) -> &str {
        self.0.split_once("-aws-").map_or("", |(_, region)| region)
    }
}

/// Path and name of an IAM role, without the leading slash: `PSKRoles/PSKControlPlaneBaseRole`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct RolePath(
    #[schemars(regex(pattern = r"^([!-.0-~]+/)*[A-Za-z0-9+=,.@_-]{1,64}$"))] String,
);

impl FromStr for RolePath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // IAM's rules for RoleName and Path.
        let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
        let fits = !text.starts_with('/')
            && !text.contains("//")
            && path.len() <= 510
            && path.chars().all(|c| c.is_ascii_graphic())
            && (1..=64).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("is not an IAM role's path and name")
                .maybe_help(Some("write it as Path/Name, not as an ARN".to_owned())))
        }
    }
}

impl RolePath {
    /// The role's ARN in an account.
    pub fn arn(&self, account: &AccountId, region: &Region) -> String {
        format!("arn:{}:iam::{account}:role/{}", region.partition(), self.0)
    }

    /// The role's name without its path.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

checked_text!(AccountId, Region, ClusterName, RolePath);

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint<T: FromStr<Err = Invalid> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().unwrap_err().to_string()
    }

    #[test]
    fn an_account_is_twelve_digits() {
        assert_eq!(
            "111122223333".parse::<AccountId>().unwrap().as_str(),
            "111122223333"
        );
        for text in [
            "11112222333",
            "1111222233334",
            "11112222333x",
            "",
            "١١١١٢٢٢٢٣٣٣٣",
        ] {
            assert_eq!(complaint::<AccountId>(text), "is not twelve digits");
        }
    }

    #[test]
    fn a_region_is_one_that_exists() {
        assert_eq!("eu-west-1".parse::<Region>().unwrap().partition(), "aws");
        assert_eq!(
            "us-gov-west-1".parse::<Region>().unwrap().partition(),
            "aws-us-gov"
        );
        assert_eq!(partition("cn-north-1"), "aws-cn");
        assert_eq!(partition("eusc-de-east-1"), "aws-eusc");
        let invalid = "eu-wset-1".parse::<Region>().unwrap_err();
        assert_eq!(invalid.to_string(), "is not an AWS region");
        assert_eq!(invalid.help.as_deref(), Some("did you mean \"eu-west-1\"?"));
    }

    #[test]
    fn a_clusters_name_ends_in_its_region() {
        let name: ClusterName = "nonprod-i01-aws-us-east-1".parse().unwrap();
        assert_eq!(name.region(), "us-east-1");
        for text in [
            "nonprod",
            "nonprod-1-aws-us-east-1",
            "Prod-i01-aws-us-east-1",
            "-i01-aws-us-east-1",
        ] {
            assert_eq!(
                complaint::<ClusterName>(text),
                "is not a cluster's name: <prefix>-i<nn>-aws-<region>"
            );
        }
        let invalid = "prod-i01-aws-us-esat-1".parse::<ClusterName>().unwrap_err();
        assert_eq!(invalid.to_string(), "names no AWS region after -aws-");
        assert_eq!(invalid.help.as_deref(), Some("did you mean \"us-east-1\"?"));
        let long = format!("{}-i01-aws-us-east-1", "p".repeat(40));
        assert!(complaint::<ClusterName>(&long).starts_with("is longer than 42 characters"));
    }

    #[test]
    fn a_role_path_makes_an_arn() {
        let role: RolePath = "PSKRoles/PSKControlPlaneBaseRole".parse().unwrap();
        let (account, region) = (
            "111122223333".parse().unwrap(),
            "us-east-1".parse().unwrap(),
        );
        assert_eq!(
            role.arn(&account, &region),
            "arn:aws:iam::111122223333:role/PSKRoles/PSKControlPlaneBaseRole"
        );
        assert_eq!(role.name(), "PSKControlPlaneBaseRole");
        for text in ["/a/b", "a//b", "arn:aws:iam::111122223333:role/", "a/b c"] {
            assert_eq!(
                complaint::<RolePath>(text),
                "is not an IAM role's path and name"
            );
        }
    }
}
