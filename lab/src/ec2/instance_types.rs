//! EC2 instance types: which exist, what processors they have and how large they are.

/// Families that come in the same sizes.
struct Family {
    /// Their names, between spaces.
    names: &'static str,
    /// Whether their processors are arm64.
    arm: bool,
    /// Their sizes, between spaces.
    sizes: &'static str,
}

/// The families that platform teams use, not all that EC2 has. Source: EC2's "Instance types" guide.
const FAMILIES: &[Family] = &[
    Family {
        names: "a1",
        arm: true,
        sizes: "medium large xlarge 2xlarge 4xlarge metal",
    },
    Family {
        names: "c4",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge",
    },
    Family {
        names: "c5 c5d",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 9xlarge 12xlarge 18xlarge 24xlarge metal",
    },
    Family {
        names: "c5a m5a m5ad",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge",
    },
    Family {
        names: "c5n",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 9xlarge 18xlarge metal",
    },
    Family {
        names: "c6a m6a r6a",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge metal",
    },
    Family {
        names: "c6g c6gd c7g c7gd c7gn m6g m6gd m7g m7gd r6g r7g",
        arm: true,
        sizes: "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge metal",
    },
    Family {
        names: "c6gn",
        arm: true,
        sizes: "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    },
    Family {
        names: "c6i c6id c6in i4i m6i m6id m6in r6i",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge metal",
    },
    Family {
        names: "c7a m7a",
        arm: false,
        sizes: "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge metal-48xl",
    },
    Family {
        names: "c7i m7i r7i",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge metal-24xl metal-48xl",
    },
    Family {
        names: "c7i-flex m7i-flex",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    },
    Family {
        names: "c8g c8gd m8g m8gd r8g",
        arm: true,
        sizes: "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge metal-24xl metal-48xl",
    },
    Family {
        names: "c8i m8i",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge metal-48xl metal-96xl",
    },
    Family {
        names: "g4dn",
        arm: false,
        sizes: "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge metal",
    },
    Family {
        names: "g5 g6",
        arm: false,
        sizes: "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    },
    Family {
        names: "g5g",
        arm: true,
        sizes: "xlarge 2xlarge 4xlarge 8xlarge 16xlarge metal",
    },
    Family {
        names: "i3",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 16xlarge metal",
    },
    Family {
        names: "i4g",
        arm: true,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 16xlarge",
    },
    Family {
        names: "i7ie",
        arm: false,
        sizes: "large xlarge 2xlarge 3xlarge 6xlarge 12xlarge 18xlarge 24xlarge 48xlarge metal-24xl metal-48xl",
    },
    Family {
        names: "i8g",
        arm: true,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge metal-24xl metal-48xl",
    },
    Family {
        names: "inf2",
        arm: false,
        sizes: "xlarge 8xlarge 24xlarge 48xlarge",
    },
    Family {
        names: "m4",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 10xlarge 16xlarge",
    },
    Family {
        names: "m5 m5d m5n r5",
        arm: false,
        sizes: "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge metal",
    },
    Family {
        names: "p5",
        arm: false,
        sizes: "4xlarge 48xlarge",
    },
    Family {
        names: "t3 t3a",
        arm: false,
        sizes: "nano micro small medium large xlarge 2xlarge",
    },
    Family {
        names: "t4g",
        arm: true,
        sizes: "nano micro small medium large xlarge 2xlarge",
    },
    Family {
        names: "trn1",
        arm: false,
        sizes: "2xlarge 32xlarge",
    },
];

/// Whether an instance type has arm64 processors; `None` if there is no such type.
pub fn is_arm(instance_type: &str) -> Option<bool> {
    let (wanted, size) = instance_type.split_once('.')?;
    FAMILIES
        .iter()
        .find(|family| {
            family.names.split(' ').any(|name| name == wanted)
                && family.sizes.split(' ').any(|of| of == size)
        })
        .map(|family| family.arm)
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
        let mut names: Vec<String> = FAMILIES
            .iter()
            .flat_map(|family| {
                family.names.split(' ').flat_map(|name| {
                    family
                        .sizes
                        .split(' ')
                        .map(move |size| format!("{name}.{size}"))
                })
            })
            .collect();
        names.sort();
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

/// Virtual processors by size, which almost all families share.
fn vcpus(family: &str, size: &str) -> Option<u32> {
    match size {
        "8xlarge" if family == "c4" => Some(36),
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
        // These have a ratio of their own.
        (b"c4" | b"c5n", _) => None,
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
        for none in [
            "",
            "t4g",
            "t4g.4xlarge",
            "m8g.3xlarge",
            "m6g.24xlarge",
            "m6i.medium",
            "m6g.huge",
            "zz9.large",
        ] {
            assert_eq!(is_arm(none), None, "{none}");
        }
    }

    #[test]
    fn no_family_is_listed_twice() {
        let all = InstanceType::all();
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(all.iter().all(|kind| is_arm(&kind.name) == Some(kind.arm)));
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
    }
}
