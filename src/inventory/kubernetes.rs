//! Settings of what goes inside the cluster: Karpenter and the storage classes.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::decode::{Decode, Decoder, Invalid, decode_from_str, mapping};
use super::identity::checked_text;
use super::node::Node;
use super::problem::Problem;

/// Where Karpenter comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct KarpenterSettings {
    /// What holds the charts `karpenter` and `karpenter-crd`: an OCI repository, or a directory.
    pub repository: ChartRepository,
}

/// Parameters of the two storage classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StorageClasses {
    /// The class of EBS volumes.
    pub ebs: EbsParameters,
    /// The class of EFS access points.
    pub efs: EfsParameters,
}

/// Parameters of the EBS storage class, in the EBS CSI driver's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EbsParameters {
    /// The volume type, such as `gp3`.
    #[serde(rename = "type")]
    pub volume_type: String,
    /// The file system that volumes are made with.
    pub fs_type: String,
    /// Provisioned operations per second, where not the type's own.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB per second, where not the type's own.
    pub throughput: Option<u32>,
}

/// Parameters of the EFS storage class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EfsParameters {
    /// Mode of each access point's directory, in octal. Quote it.
    pub directory_mode: DirectoryMode,
    /// The directory under which access points get theirs.
    pub base_path: BasePath,
}

/// A place that holds charts: an OCI repository, `oci://…`, or a directory, `/…`, `./…` or `../…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChartRepository(
    #[schemars(regex(pattern = r"^(oci://[^/\s]+(/[^/\s]+)*|\.{0,2}/\S+)$"))]
    String,
);

/// A directory's mode: three or four octal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DirectoryMode(#[schemars(regex(pattern = r"^[0-7]{3,4}$"))] String);

/// An absolute path below the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BasePath(#[schemars(regex(pattern = r"^(/[^/\s]+)+$"))] String);

impl FromStr for ChartRepository {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.strip_prefix("oci://") {
            Some(path) if segments(path) => Ok(Self(text.to_owned())),
            None if is_directory(text) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new(
                "is neither an OCI repository, oci://<host>/<path>, nor a directory, ./<path>",
            )),
        }
    }
}

impl FromStr for DirectoryMode {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let octal = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        if octal && (3..=4).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "is not a directory's mode: three or four octal digits",
            ))
        }
    }
}

impl FromStr for BasePath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.strip_prefix('/') {
            Some(path) if segments(path) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new(
                "is not an absolute path below the root, such as /data",
            )),
        }
    }
}

fn is_directory(text: &str) -> bool {
    let begins = ["/", "./", "../"].iter().any(|b| text.starts_with(b));
    begins && !text.ends_with('/') && !text.contains(char::is_whitespace)
}

fn segments(path: &str) -> bool {
    path.split('/')
        .all(|part| !part.is_empty() && !part.contains(char::is_whitespace))
}

checked_text!(ChartRepository, DirectoryMode, BasePath);

impl Decode for KarpenterSettings {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let repository = decoder.required("repository");
        decoder.finish();
        Some(Self {
            repository: repository?,
        })
    }
}

impl Decode for StorageClasses {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let ebs = decoder.required("ebs");
        let efs = decoder.required("efs");
        decoder.finish();
        Some(Self {
            ebs: ebs?,
            efs: efs?,
        })
    }
}

impl Decode for EbsParameters {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let volume_type = decoder.required("type");
        let fs_type = decoder.required("fs_type");
        let iops = decoder.optional("iops");
        let throughput = decoder.optional("throughput");
        decoder.finish();
        Some(Self {
            volume_type: volume_type?,
            fs_type: fs_type?,
            iops: iops?,
            throughput: throughput?,
        })
    }
}

impl Decode for EfsParameters {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let directory_mode = decoder.required("directory_mode");
        let base_path = decoder.required("base_path");
        decoder.finish();
        Some(Self {
            directory_mode: directory_mode?,
            base_path: base_path?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_modes_and_paths_are_checked() {
        assert!(
            "oci://public.ecr.aws/karpenter"
                .parse::<ChartRepository>()
                .is_ok()
        );
        assert_eq!(
            "oci://mirror.example"
                .parse::<ChartRepository>()
                .unwrap()
                .as_str(),
            "oci://mirror.example"
        );
        for text in ["/charts", "./charts", "../charts/karpenter"] {
            assert!(text.parse::<ChartRepository>().is_ok(), "{text}");
        }
        for text in [
            "https://public.ecr.aws/karpenter",
            "oci://",
            "oci://a//b",
            "charts",
            "./",
            "/a b",
        ] {
            assert_eq!(
                text.parse::<ChartRepository>().unwrap_err().to_string(),
                "is neither an OCI repository, oci://<host>/<path>, nor a directory, ./<path>"
            );
        }
        assert!("700".parse::<DirectoryMode>().is_ok());
        for text in ["7", "0o700", "800", "07000"] {
            assert!(text.parse::<DirectoryMode>().is_err(), "{text}");
        }
        assert!("/dynamic_storage".parse::<BasePath>().is_ok());
        for text in ["/", "dynamic_storage", "/a//b", "/a b"] {
            assert!(text.parse::<BasePath>().is_err(), "{text}");
        }
    }
}
