//! Add-ons, their releases and the Kubernetes versions that each release works with.

use super::versions::{KubernetesVersion, VERSION_SKEW, versions};

/// An add-on that EKS offers.
#[derive(Debug)]
pub struct Addon {
    /// Its name (`vpc-cni`).
    pub name: &'static str,
    /// Its kind in the console's words (`networking`).
    pub kind: &'static str,
    /// Who owns it: `aws` or `community`.
    pub owner: &'static str,
    /// Namespace that it is put into.
    pub namespace: &'static str,
    /// Whether it needs AWS permissions to work.
    pub requires_iam: bool,
    /// Whether it holds Deployments, which need a node to become available, rather than only
    /// DaemonSets, which are complete without any.
    pub needs_nodes: bool,
    /// The service accounts that its pods run as and that use AWS permissions.
    pub service_accounts: &'static [ServiceAccount],
    source: Source,
    /// How many releases the service's default trails the newest one by.
    lag: usize,
}

/// A Kubernetes service account of an add-on.
#[derive(Debug)]
pub struct ServiceAccount {
    /// Its name, in the add-on's namespace.
    pub name: &'static str,
    /// Names of the AWS managed policies that EKS recommends for its role, with their paths.
    pub policies: &'static [&'static str],
}

/// One release of an add-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddonRelease {
    /// The release (`v1.22.3-eksbuild.1`).
    pub version: String,
    oldest: KubernetesVersion,
    newest: KubernetesVersion,
}

impl AddonRelease {
    /// Whether it works with clusters of this version.
    pub fn works_with(&self, version: KubernetesVersion) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }
}

#[derive(Debug)]
enum Source {
    /// Newest first: the release, and the minors of the oldest and newest Kubernetes version.
    Table(&'static [(&'static str, u16, u16)]),
    /// One series a Kubernetes version, as kube-proxy has.
    PerVersion,
}

impl Addon {
    /// Every release, newest first.
    pub fn releases(&self) -> Vec<AddonRelease> {
        match self.source {
            Source::Table(rows) => rows
                .iter()
                .map(|&(version, oldest, newest)| AddonRelease {
                    version: version.to_owned(),
                    oldest: KubernetesVersion::minor(oldest),
                    newest: KubernetesVersion::minor(newest),
                })
                .collect(),
            Source::PerVersion => versions()
                .iter()
                .rev()
                .flat_map(|info| {
                    let builds = [(info.patch, 2), (info.patch, 1), (info.patch - 1, 4)];
                    builds.map(|(patch, build)| AddonRelease {
                        version: format!("v{}.{patch}-eksbuild.{build}", info.version),
                        oldest: info.version,
                        newest: KubernetesVersion::minor(info.version.number() + VERSION_SKEW),
                    })
                })
                .collect(),
        }
    }

    /// The releases that work with this version, newest first.
    pub fn releases_for(&self, version: KubernetesVersion) -> Vec<AddonRelease> {
        self.releases()
            .into_iter()
            .filter(|r| r.works_with(version))
            .collect()
    }

    /// The release that EKS installs on clusters of this version when none is named. It is not
    /// always the newest.
    pub fn default_for(&self, version: KubernetesVersion) -> Option<String> {
        let mut releases = self.releases_for(version);
        let index = self.lag.min(releases.len().checked_sub(1)?);
        Some(releases.swap_remove(index).version)
    }

    /// The release of that name.
    pub fn release(&self, version: &str) -> Option<AddonRelease> {
        self.releases().into_iter().find(|r| r.version == version)
    }
}

/// Every add-on that EKS offers, by name.
pub fn addons() -> &'static [Addon] {
    &ADDONS
}

/// The add-on of that name.
pub fn addon(name: &str) -> Option<&'static Addon> {
    ADDONS.iter().find(|addon| addon.name == name)
}

static ADDONS: [Addon; 9] = [
    Addon {
        name: "aws-ebs-csi-driver",
        kind: "storage",
        owner: "aws",
        namespace: "kube-system",
        requires_iam: true,
        needs_nodes: true,
        service_accounts: &[ServiceAccount {
            name: "ebs-csi-controller-sa",
            policies: &["service-role/AmazonEBSCSIDriverPolicy"],
        }],
        source: Source::Table(&[
            ("v1.58.0-eksbuild.1", 31, 36),
            ("v1.57.1-eksbuild.1", 31, 36),
            ("v1.56.0-eksbuild.1", 31, 36),
            ("v1.54.0-eksbuild.1", 30, 36),
            ("v1.51.1-eksbuild.1", 30, 35),
            ("v1.48.0-eksbuild.2", 29, 34),
        ]),
        lag: 0,
    },
    Addon {
        name: "aws-efs-csi-driver",
        kind: "storage",
        owner: "aws",
        namespace: "kube-system",
        requires_iam: true,
        needs_nodes: true,
        service_accounts: &[ServiceAccount {
            name: "efs-csi-controller-sa",
            policies: &["service-role/AmazonEFSCSIDriverPolicy"],
        }],
        source: Source::Table(&[
            ("v2.3.2-eksbuild.1", 31, 36),
            ("v2.3.1-eksbuild.1", 31, 36),
            ("v2.2.0-eksbuild.1", 30, 36),
            ("v2.1.15-eksbuild.2", 29, 36),
            ("v2.1.13-eksbuild.1", 28, 34),
        ]),
        lag: 0,
    },
    Addon {
        name: "coredns",
        kind: "networking",
        owner: "aws",
        namespace: "kube-system",
        requires_iam: false,
        needs_nodes: true,
        service_accounts: &[],
        source: Source::Table(&[
            ("v1.14.2-eksbuild.2", 34, 36),
            ("v1.14.1-eksbuild.1", 34, 36),
            ("v1.13.2-eksbuild.4", 33, 36),
            ("v1.13.1-eksbuild.1", 32, 36),
            ("v1.12.4-eksbuild.6", 31, 36),
            ("v1.12.3-eksbuild.1", 31, 35),
            ("v1.11.4-eksbuild.24", 30, 34),
            ("v1.11.4-eksbuild.14", 29, 33),
        ]),
        lag: 1,
    },
    Addon {
        name: "eks-node-monitoring-agent",
        kind: "observability",
        owner: "aws",
        namespace: "kube-system",
        requires_iam: false,
        needs_nodes: false,
        service_accounts: &[],
        source: Source::Table(&[
            ("v1.6.2-eksbuild.1", 30, 36),
            ("v1.6.0-eksbuild.1", 30, 36),
            ("v1.4.2-eksbuild.1", 29, 36),
        ]),
        lag: 0,
    },
    Addon {
        name: "eks-pod-identity-agent",
        kind: "security",
        owner: "aws",
        namespace: "kube-system",
        requires_iam: false,
        needs_nodes: false,
        service_accounts: &[],
        source: Source::Table(&[
            ("v1.3.12-eksbuild.2", 30, 36),
            ("v1.3.10-eksbuild.2", 30, 36),
            ("v1.3.9-eksbuild.5", 29, 36),
            ("v1.3.8-eksbuild.2", 28, 36),
        ]),
        lag: 1,
    },
    Addon {
        name: "kube-proxy",
        kind: "networking",
        owner: "aws",
        namespace: "kube-system",
        requires_iam: false,
        needs_nodes: false,
        service_accounts: &[],
        source: Source::PerVersion,
        lag: 1,
    },
    Addon {
        name: "metrics-server",
        kind: "observability",
        owner: "community",
        namespace: "kube-system",
        requires_iam: false,
        needs_nodes: true,
        service_accounts: &[],
        source: Source::Table(&[
            ("v0.8.1-eksbuild.3", 31, 36),
            ("v0.8.0-eksbuild.6", 30, 36),
            ("v0.7.2-eksbuild.4", 29, 36),
        ]),
        lag: 0,
    },
    Addon {
        name: "snapshot-controller",
        kind: "storage",
        owner: "aws",
        namespace: "kube-system",
        requires_iam: false,
        needs_nodes: true,
        service_accounts: &[],
        source: Source::Table(&[
            ("v8.5.0-eksbuild.1", 30, 36),
            ("v8.3.0-eksbuild.3", 29, 36),
            ("v8.2.0-eksbuild.1", 28, 36),
        ]),
        lag: 0,
    },
    Addon {
        name: "vpc-cni",
        kind: "networking",
        owner: "aws",
        namespace: "kube-system",
        requires_iam: true,
        needs_nodes: false,
        service_accounts: &[ServiceAccount {
            name: "aws-node",
            policies: &["AmazonEKS_CNI_Policy"],
        }],
        source: Source::Table(&[
            ("v1.22.3-eksbuild.1", 32, 36),
            ("v1.22.1-eksbuild.2", 31, 36),
            ("v1.21.2-eksbuild.1", 31, 36),
            ("v1.21.1-eksbuild.3", 30, 36),
            ("v1.20.5-eksbuild.1", 30, 35),
            ("v1.20.4-eksbuild.2", 29, 34),
        ]),
        lag: 2,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A fleet climbs one rung at a time with the newest add-ons of each rung, and a world that is
    /// behind starts from older ones: neither may be stuck below the next version.
    #[test]
    fn newest_and_older_releases_reach_over_the_next_version() {
        let offered: Vec<_> = versions().iter().filter(|v| v.is_offered()).collect();
        for pair in offered.windows(2) {
            let (here, next) = (pair[0].version, pair[1].version);
            for addon in addons() {
                let releases = addon.releases_for(here);
                assert!(releases.len() >= 2, "{} {here}", addon.name);
                let reaching = releases.iter().filter(|r| r.works_with(next)).count();
                assert!(releases[0].works_with(next), "{} {here}", addon.name);
                assert!(reaching >= 2, "{} {here}", addon.name);
            }
        }
    }

    #[test]
    fn default_works_with_its_version_and_need_not_be_the_newest() {
        let version = KubernetesVersion::minor(35);
        for addon in addons() {
            let default = addon.default_for(version).expect("a default");
            assert!(addon.release(&default).expect("known").works_with(version));
        }
        let cni = addon("vpc-cni").expect("known");
        assert_ne!(
            cni.default_for(version),
            Some(cni.releases_for(version)[0].version.clone())
        );
    }

    #[test]
    fn kube_proxy_has_a_series_a_version_and_never_leads() {
        let proxy = addon("kube-proxy").expect("known");
        let newest = &proxy.releases_for(KubernetesVersion::minor(35))[0];
        assert_eq!(newest.version, "v1.35.6-eksbuild.2");
        assert!(!newest.works_with(KubernetesVersion::minor(34)));
        assert!(newest.works_with(KubernetesVersion::minor(36)));
    }

    #[test]
    fn names_are_in_order_and_distinct() {
        assert!(addons().windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
