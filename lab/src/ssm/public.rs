//! The public parameters that name the newest node images.
//!
//! The names are those that the EKS User Guide and Bottlerocket's documentation give. What
//! Parameter Store calls `image_version` is what EKS calls a Bottlerocket node group's
//! `releaseVersion`; for Amazon Linux both say release version.

use jiff::Timestamp;
use serde_json::json;

use crate::eks::catalog;
use crate::ids;

/// When the newest images were published: 2026-11-12.
const PUBLISHED: Timestamp = Timestamp::constant(1_794_441_600, 0);

/// A public parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) name: String,
    /// How often it has been written: once per release.
    pub(super) version: usize,
    pub(super) modified: Timestamp,
    attribute: Attribute,
    image: Image,
}

/// What a parameter tells of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    ImageId,
    Release,
    ImageName,
    /// All of them as JSON.
    Everything,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Image {
    /// The name without release (`bottlerocket-aws-k8s-1.35-arm64`).
    family: String,
    release: String,
}

/// Variants of Bottlerocket: suffix of the variant's name, architecture, AMI type.
const BOTTLEROCKET: [(&str, &str, &str); 6] = [
    ("", "arm64", "BOTTLEROCKET_ARM_64"),
    ("", "x86_64", "BOTTLEROCKET_x86_64"),
    ("-fips", "arm64", "BOTTLEROCKET_ARM_64_FIPS"),
    ("-fips", "x86_64", "BOTTLEROCKET_x86_64_FIPS"),
    ("-nvidia", "arm64", "BOTTLEROCKET_ARM_64_NVIDIA"),
    ("-nvidia", "x86_64", "BOTTLEROCKET_x86_64_NVIDIA"),
];

/// Variants of Amazon Linux: path below the Kubernetes version, AMI type.
const AMAZON_LINUX: [(&str, &str); 8] = [
    ("amazon-linux-2", "AL2_x86_64"),
    ("amazon-linux-2-arm64", "AL2_ARM_64"),
    ("amazon-linux-2-gpu", "AL2_x86_64_GPU"),
    ("amazon-linux-2023/arm64/nvidia", "AL2023_ARM_64_NVIDIA"),
    ("amazon-linux-2023/arm64/standard", "AL2023_ARM_64_STANDARD"),
    ("amazon-linux-2023/x86_64/neuron", "AL2023_x86_64_NEURON"),
    ("amazon-linux-2023/x86_64/nvidia", "AL2023_x86_64_NVIDIA"),
    (
        "amazon-linux-2023/x86_64/standard",
        "AL2023_x86_64_STANDARD",
    ),
];

/// The parameter of that name.
pub(super) fn find(name: &str) -> Option<Published> {
    all(name)
        .into_iter()
        .find(|published| published.name == name)
}

/// The parameters below a path, sorted by name; only those directly below it unless `recursive`.
pub(super) fn under(path: &str, recursive: bool) -> Vec<Published> {
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let mut found: Vec<Published> = all(path)
        .into_iter()
        .filter(|published| {
            published
                .name
                .strip_prefix(&prefix)
                .is_some_and(|rest| recursive || !rest.contains('/'))
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Every parameter that a name or path may mean: those of the Kubernetes version that is in it, or
/// of all versions if none is.
fn all(name: &str) -> Vec<Published> {
    let mut versions: Vec<String> = catalog::versions()
        .iter()
        .map(|info| info.version.to_string())
        .collect();
    if versions
        .iter()
        .any(|version| name.contains(version.as_str()))
    {
        versions.retain(|version| name.contains(version.as_str()));
    }
    let mut all = Vec::new();
    for version in versions {
        for (suffix, arch, ami_type) in BOTTLEROCKET {
            bottlerocket(
                &mut all,
                &format!("aws-k8s-{version}{suffix}"),
                arch,
                ami_type,
                &version,
            );
        }
        for (path, ami_type) in AMAZON_LINUX {
            amazon_linux(&mut all, path, ami_type, &version);
        }
    }
    all
}

fn bottlerocket(
    all: &mut Vec<Published>,
    variant: &str,
    arch: &str,
    ami_type: &str,
    version: &str,
) {
    let releases = catalog::releases(ami_type, version);
    let directory = format!("/aws/service/bottlerocket/{variant}/{arch}");
    let family = format!("bottlerocket-{variant}-{arch}");
    for (index, release) in releases.iter().enumerate() {
        // The path of a release leaves the commit out.
        let number = release.split('-').next().unwrap_or(release);
        let mut publish = |at: &str, written: usize| {
            for (name, attribute) in [
                ("image_id", Attribute::ImageId),
                ("image_version", Attribute::Release),
            ] {
                all.push(Published::new(
                    format!("{directory}/{at}/{name}"),
                    written,
                    attribute,
                    &family,
                    release,
                ));
            }
        };
        publish(number, 1);
        if index + 1 == releases.len() {
            publish("latest", releases.len());
        }
    }
}

fn amazon_linux(all: &mut Vec<Published>, path: &str, ami_type: &str, version: &str) {
    let releases = catalog::releases(ami_type, version);
    let Some(newest) = releases.last() else {
        return;
    };
    let recommended = format!("/aws/service/eks/optimized-ami/{version}/{path}/recommended");
    let family = format!("amazon-eks-node-{}-{version}", path.replace('/', "-"));
    for (suffix, attribute) in [
        ("", Attribute::Everything),
        ("/image_id", Attribute::ImageId),
        ("/image_name", Attribute::ImageName),
        ("/release_version", Attribute::Release),
    ] {
        let name = format!("{recommended}{suffix}");
        all.push(Published::new(
            name,
            releases.len(),
            attribute,
            &family,
            newest,
        ));
    }
}

impl Published {
    fn new(
        name: String,
        version: usize,
        attribute: Attribute,
        family: &str,
        release: &str,
    ) -> Self {
        let image = Image {
            family: family.to_owned(),
            release: release.to_owned(),
        };
        Self {
            name,
            version,
            modified: PUBLISHED,
            attribute,
            image,
        }
    }

    /// Its value. An image has another id in every region.
    pub(super) fn value(&self, region: &str) -> String {
        let Image { family, release } = &self.image;
        let id = || format!("ami-0{}", ids::stable_hex(16, &[family, release, region]));
        let name = || {
            format!(
                "{family}-v{}",
                release.rsplit('-').next().unwrap_or(release)
            )
        };
        match self.attribute {
            Attribute::ImageId => id(),
            Attribute::Release => release.clone(),
            Attribute::ImageName => name(),
            Attribute::Everything => json!({
                "schema_version": "2",
                "image_id": id(),
                "image_name": name(),
                "release_version": release,
            })
            .to_string(),
        }
    }

    pub(super) fn data_type(&self) -> &'static str {
        if self.attribute == Attribute::ImageId {
            "aws:ec2:image"
        } else {
            "text"
        }
    }

    /// The token of a page that begins with it.
    pub(super) fn token(&self) -> String {
        ids::stable_base32(40, &["page", &self.name])
    }
}
