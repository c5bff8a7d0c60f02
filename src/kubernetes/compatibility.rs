//! Which versions of Karpenter's chart run on which Kubernetes.

use semver::Version;

use crate::inventory::EksVersion;

/// The oldest version of Karpenter that supports a minor version of Kubernetes.
/// Source: Karpenter docs, "Compatibility", compatibility matrix.
const OLDEST: &[(u64, Version)] = &[
    (29, Version::new(0, 34, 0)),
    (30, Version::new(0, 37, 0)),
    (31, Version::new(1, 0, 5)),
    (32, Version::new(1, 2, 0)),
    (33, Version::new(1, 5, 0)),
    (34, Version::new(1, 6, 0)),
    (35, Version::new(1, 9, 0)),
];

/// Whether a version of Karpenter supports a version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Support {
    /// It does.
    Supported,
    /// It doesn't: this is the oldest that does.
    TooOld(Version),
    /// The Kubernetes is newer than what psk knows of.
    Unknown,
}

/// Whether `karpenter` supports `kubernetes`.
pub(super) fn support(karpenter: &str, kubernetes: EksVersion) -> Support {
    let minor = minor(kubernetes);
    let Ok(karpenter) = karpenter.trim_start_matches('v').parse::<Version>() else {
        return Support::Unknown;
    };
    let known = OLDEST.iter().find(|(known, _)| *known == minor);
    match known {
        Some((_, oldest)) if karpenter < *oldest => Support::TooOld(oldest.clone()),
        Some(_) => Support::Supported,
        None if OLDEST.first().is_some_and(|(first, _)| minor < *first) => Support::Supported,
        None => match OLDEST.last() {
            // What is too old for the newest that is known is too old for what came after.
            Some((_, oldest)) if karpenter < *oldest => Support::TooOld(oldest.clone()),
            _ => Support::Unknown,
        },
    }
}

fn minor(version: EksVersion) -> u64 {
    let text = version.to_string();
    let minor = text
        .split_once('.')
        .and_then(|(_, minor)| minor.parse().ok());
    minor.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_obeyed() {
        let of = |karpenter, kubernetes: &str| support(karpenter, kubernetes.parse().unwrap());
        assert_eq!(of("1.11.1", "1.35"), Support::Supported);
        assert_eq!(of("1.8.2", "1.34"), Support::Supported);
        assert_eq!(of("1.8.2", "1.35"), Support::TooOld(Version::new(1, 9, 0)));
        assert_eq!(of("1.4.1", "1.33"), Support::TooOld(Version::new(1, 5, 0)));
        assert_eq!(of("1.8.2", "1.36"), Support::TooOld(Version::new(1, 9, 0)));
        assert_eq!(of("1.11.1", "1.36"), Support::Unknown);
    }
}
