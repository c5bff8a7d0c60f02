//! Settings of the checks that prove a cluster good.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::decode::{Decode, Decoder, Invalid, decode_from_str, mapping};
use super::nearest::did_you_mean;
use super::node::Node;
use super::problem::Problem;

/// What the checks of a cluster run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct VerifySettings {
    /// Image of the pods that check themselves: with a shell and BusyBox's tools, for every
    /// architecture of the cluster's nodes.
    pub image: String,
    /// Labels of the nodes that the pods may run on; any where empty.
    pub node_selector: BTreeMap<String, String>,
    /// What an EBS claim is made with.
    pub ebs_size: Storage,
    /// What it then grows to.
    pub ebs_grown: Storage,
    /// How much is written to a block device, in MiB.
    pub block_write_mib: BlockWrite,
    /// The longest that any check waits.
    pub deadline: Deadline,
    /// Checks that the cluster isn't held to. One that is asked for by name is run all the same.
    pub skip: Vec<CheckName>,
}

/// The names of all checks, in the order in which they are told of.
pub const CHECK_NAMES: &[&str] = &[
    "aws-cluster",
    "aws-roles",
    "aws-file-system",
    "aws-queue",
    "aws-node-group",
    "aws-addons",
    "nodes",
    "namespaces",
    "admin-binding",
    "storage-classes",
    "node-pools",
    "kube-proxy",
    "aws-node",
    "coredns",
    "ebs-csi-node",
    "ebs-csi-controller",
    "efs-csi-node",
    "efs-csi-controller",
    "eks-pod-identity-agent",
    "karpenter",
    "node-amd64",
    "node-arm64",
    "ebs-volume",
    "ebs-block",
    "efs-volume",
    "efs-shared",
];

/// The name of a check, `node-arm64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckName(#[schemars(extend("enum" = CHECK_NAMES))] String);

impl FromStr for CheckName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if CHECK_NAMES.contains(&text) {
            return Ok(Self(text.to_owned()));
        }
        let nearest = did_you_mean(text, CHECK_NAMES.iter().copied());
        Err(Invalid::new("is no check").maybe_help(nearest))
    }
}

/// An amount of storage, `4Gi`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Storage(#[schemars(regex(pattern = r"^[1-9][0-9]*(Ki|Mi|Gi|Ti)?$"))] String);

/// How much is written, in MiB: 1 to 1000, as the device has 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BlockWrite(#[schemars(range(min = 1, max = 1000))] u32);

/// A length of time: `10m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deadline(String);

impl Storage {
    /// The amount as Kubernetes writes it; `None` where it is written in another way.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// The amount in bytes.
    pub fn bytes(&self) -> u64 {
        bytes(&self.0).unwrap_or(0)
    }
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match &text[digits.len()..] {
        "" => 0,
        "Ki" => 1,
        "Mi" => 2,
        "Gi" => 3,
        "Ti" => 4,
        _ => return None,
    };
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(1024_u64.pow(power))
}

impl FromStr for Storage {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match bytes(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(Invalid::new("is no amount of storage, such as 4Gi")),
        }
    }
}

impl BlockWrite {
    /// The number of MiB.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for BlockWrite {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = text.parse().ok().filter(|mib| (1..=1000).contains(mib));
        let number = number.ok_or_else(|| Invalid::new("is not a number of MiB from 1 to 1000"));
        Ok(Self(number?))
    }
}

impl fmt::Display for BlockWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Deadline {
    /// The time.
    pub fn duration(&self) -> Duration {
        duration(&self.0).unwrap_or_default()
    }
}

fn duration(text: &str) -> Option<Duration> {
    let duration = text.parse::<jiff::SignedDuration>().ok()?;
    Duration::try_from(duration).ok().filter(|d| !d.is_zero())
}

impl FromStr for Deadline {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match duration(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(Invalid::new("is not a length of time, such as 10m")),
        }
    }
}

super::identity::checked_text!(Storage, Deadline, CheckName);
decode_from_str!(BlockWrite);

impl Decode for VerifySettings {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let image = decoder.required("image");
        let node_selector = decoder.required("node_selector");
        let ebs_size = decoder.required("ebs_size");
        let ebs_grown = decoder.required("ebs_grown");
        let block_write_mib = decoder.required("block_write_mib");
        let deadline = decoder.required("deadline");
        let skip = decoder.required("skip");
        decoder.finish();
        let (small, large): (Option<Storage>, Option<Storage>) = (ebs_size, ebs_grown);
        if let (Some(small), Some(large)) = (&small, &large)
            && large.bytes() <= small.bytes()
        {
            let message = format!("{path}.ebs_grown is {large}, not more than ebs_size, {small}");
            problems.push(Problem::at(&node.at, message));
            return None;
        }
        Some(Self {
            image: image?,
            node_selector: node_selector?,
            ebs_size: small?,
            ebs_grown: large?,
            block_write_mib: block_write_mib?,
            deadline: deadline?,
            skip: skip?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_checked() {
        assert_eq!("4Gi".parse::<Storage>().unwrap().bytes(), 4 << 30);
        assert_eq!(Storage::parse("1048576").unwrap().bytes(), 1 << 20);
        for text in ["", "0Gi", "4G", "4 Gi", "-1Gi", "Gi", "99999999999999Ti"] {
            assert!(text.parse::<Storage>().is_err(), "{text}");
        }
        let deadline: Deadline = "90s".parse().unwrap();
        assert_eq!(deadline.duration(), Duration::from_secs(90));
        for text in ["0s", "-1m", "ten"] {
            assert!(text.parse::<Deadline>().is_err(), "{text}");
        }
        assert_eq!("100".parse::<BlockWrite>().unwrap().get(), 100);
        assert!("1001".parse::<BlockWrite>().is_err());
    }

    #[test]
    fn checks_are_known_by_name() {
        let known: CheckName = "node-arm64".parse().unwrap();
        assert_eq!(known.as_str(), "node-arm64");
        let unknown = "node-arm46".parse::<CheckName>().unwrap_err();
        assert_eq!(unknown.complaint, "is no check");
        assert_eq!(
            unknown.help.as_deref(),
            Some("did you mean \"node-arm64\"?")
        );
    }
}
