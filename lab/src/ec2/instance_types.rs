//! EC2 instance types: which exist, what processors they have and how large they are.

/// Families and whether they have arm64 processors: those that platform teams use, not all that
/// EC2 has.
const FAMILIES: [(&str, bool); 64] = [
    ("a1", true),
    ("c4", false),
    ("c5", false),
    ("c5a", false),
    ("c5d", false),
    ("c5n", false),
    ("c6a", false),
    ("c6g", true),
    ("c6gd", true),
    ("c6gn", true),
    ("c6i", false),
    ("c6id", false),
    ("c6in", false),
    ("c7a", false),
    ("c7g", true),
    ("c7gd", true),
    ("c7gn", true),
    ("c7i", false),
    ("c7i-flex", false),
    ("c8g", true),
    ("c8gd", true),
    ("c8i", false),
    ("g4dn", false),
    ("g5", false),
    ("g5g", true),
    ("g6", false),
    ("i3", false),
    ("i4g", true),
    ("i4i", false),
    ("i7ie", false),
    ("i8g", true),
    ("inf2", false),
    ("m4", false),
    ("m5", false),
    ("m5a", false),
    ("m5ad", false),
    ("m5d", false),
    ("m5n", false),
    ("m6a", false),
    ("m6g", true),
    ("m6gd", true),
    ("m6i", false),
    ("m6id", false),
    ("m6in", false),
    ("m7a", false),
    ("m7g", true),
    ("m7gd", true),
    ("m7i", false),
    ("m7i-flex", false),
    ("m8g", true),
    ("m8gd", true),
    ("m8i", false),
    ("p5", false),
    ("r5", false),
    ("r6a", false),
    ("r6g", true),
    ("r6i", false),
    ("r7g", true),
    ("r7i", false),
    ("r8g", true),
    ("t3", false),
    ("t3a", false),
    ("t4g", true),
    ("trn1", false),
];

/// Sizes of burstable (`t`) families.
const BURSTABLE_SIZES: [&str; 7] = [
    "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge",
];

/// Sizes of the others.
const SIZES: [&str; 13] = [
    "medium", "large", "xlarge", "2xlarge", "3xlarge", "4xlarge", "6xlarge", "8xlarge", "12xlarge",
    "16xlarge", "24xlarge", "32xlarge", "48xlarge",
];

/// Whether an instance type has arm64 processors; `None` if there is no such type.
pub fn is_arm(instance_type: &str) -> Option<bool> {
    let (family, size) = instance_type.split_once('.')?;
    let (family, arm) = FAMILIES.iter().find(|(name, _)| *name == family)?;
    let burstable = matches!(family.as_bytes(), [b't', b'0'..=b'9', ..]);
    let known = if burstable {
        BURSTABLE_SIZES.contains(&size)
    } else {
        SIZES.contains(&size) || size.starts_with("metal")
    };
    known.then_some(*arm)
}

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    /// Its name (`m7g.large`).
    pub name: String,
    /// Whether its processors are arm64.
    pub arm: bool,
    /// How many virtual processors it has, where the lab knows.
    pub vcpus: Option<u32>,
    /// Its memory in MiB, where the lab knows.
    pub memory: Option<u32>,
}

impl InstanceType {
    /// The type of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        let arm = is_arm(name)?;
        let (family, size) = name.split_once('.')?;
        let vcpus = vcpus(family, size);
        Some(Self {
            name: name.to_owned(),
            arm,
            vcpus,
            memory: vcpus.and_then(|vcpus| memory(family, size, vcpus)),
        })
    }

    /// Every type that the lab can name, in the order of their names.
    pub fn all() -> Vec<Self> {
        let sizes = SIZES.iter().chain(&BURSTABLE_SIZES);
        let mut names: Vec<String> = sizes
            .flat_map(|size| {
                FAMILIES
                    .iter()
                    .map(move |(family, _)| format!("{family}.{size}"))
            })
            .collect();
        names.sort();
        names.dedup();
        names.iter().filter_map(|name| Self::named(name)).collect()
    }

    /// Whether it earns credits while it idles.
    pub fn is_burstable(&self) -> bool {
        self.name.starts_with('t') && !self.name.starts_with("trn")
    }

    /// Whether it is a whole machine without hypervisor.
    pub fn is_bare_metal(&self) -> bool {
        self.name.contains(".metal")
    }
}

/// Virtual processors by size, which families of general use share.
fn vcpus(family: &str, size: &str) -> Option<u32> {
    match size {
        "medium" if !family.starts_with('t') => Some(1),
        "nano" | "micro" | "small" | "medium" | "large" => Some(2),
        "xlarge" => Some(4),
        size => Some(4 * size.strip_suffix("xlarge")?.parse::<u32>().ok()?),
    }
}

/// Memory in MiB: each class of families has its own ratio to processors, and burstable ones a
/// step of two from size to size.
fn memory(family: &str, size: &str, vcpus: u32) -> Option<u32> {
    match (family.as_bytes(), size) {
        ([b't', b'0'..=b'9', ..], size) => Some(match size {
            "nano" => 512,
            "micro" => 1024,
            "small" => 2048,
            "medium" => 4096,
            "large" => 8192,
            _ => vcpus * 4096,
        }),
        ([b'c', ..], _) => Some(vcpus * 2048),
        ([b'm', ..], _) => Some(vcpus * 4096),
        ([b'r', ..], _) => Some(vcpus * 8192),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_types_and_their_processors() {
        for arm in ["t4g.2xlarge", "m6g.2xlarge", "c7g.4xlarge", "c7g.metal"] {
            assert_eq!(is_arm(arm), Some(true), "{arm}");
        }
        for intel in ["t3.large", "m7i-flex.xlarge", "trn1.32xlarge"] {
            assert_eq!(is_arm(intel), Some(false), "{intel}");
        }
        for none in ["", "t4g", "t4g.4xlarge", "m6g.huge", "zz9.large"] {
            assert_eq!(is_arm(none), None, "{none}");
        }
    }

    #[test]
    fn families_are_in_order_and_distinct() {
        assert!(FAMILIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn sizes_are_told_where_they_are_known() {
        for (name, vcpus, memory) in [
            ("t4g.nano", Some(2), Some(512)),
            ("t3.2xlarge", Some(8), Some(32_768)),
            ("m7g.medium", Some(1), Some(4096)),
            ("c6i.large", Some(2), Some(4096)),
            ("r8g.24xlarge", Some(96), Some(786_432)),
            ("p5.48xlarge", Some(192), None),
            ("m7g.metal", None, None),
        ] {
            let found = InstanceType::named(name).expect(name);
            assert_eq!((found.vcpus, found.memory), (vcpus, memory), "{name}");
        }
        assert_eq!(InstanceType::named("m7g.hugest"), None);
        let all = InstanceType::all();
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
