//! Which add-on versions run on a Kubernetes version, as EKS publishes them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_eks::types::AddonInfo;

use super::Shared;
use crate::aws::{CallError, Doing, Session};
use crate::reconcile::{Error, Grant, Lookup};

/// Looks up the versions of some add-ons that run on one Kubernetes version.
#[derive(Debug)]
pub struct CompatibleVersions {
    /// The account and region to look in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// Kubernetes version of the cluster (`1.35`).
    pub version: String,
    /// The add-ons' names.
    pub addons: Vec<String>,
}

/// The versions of each add-on that run on one Kubernetes version.
pub type Catalog = Arc<BTreeMap<String, Versions>>;

/// The versions of one add-on that run on one Kubernetes version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// Newest first; never empty.
    pub newest_first: Vec<String>,
    /// The one that EKS installs if none is named.
    pub default: Option<String>,
}

impl Lookup for CompatibleVersions {
    type Output = Catalog;
    const GRANTS: &'static [Grant] = &[Grant {
        actions: &["eks:DescribeAddonVersions"],
        on: &["*"],
        condition: None,
    }];

    async fn look_up(&self) -> Result<Catalog, Error> {
        let aws = self.fetch(None).await?;
        let missing: Vec<_> = self
            .addons
            .iter()
            .filter(|name| !aws.contains_key(*name))
            .collect();
        if missing.is_empty() {
            return Ok(aws);
        }
        // Add-ons of others are many, so only those that are wanted are asked for.
        let mut all = (*aws).clone();
        for found in
            crate::calls::join_all(missing.into_iter().map(|name| self.fetch(Some(name)))).await
        {
            all.extend(
                found?
                    .iter()
                    .map(|(name, versions)| (name.clone(), versions.clone())),
            );
        }
        Ok(Arc::new(all))
    }
}

impl CompatibleVersions {
    /// AWS's own add-ons, or one of someone else's.
    async fn fetch(&self, addon: Option<&String>) -> Result<Catalog, CallError> {
        let key = (
            self.session.target().clone(),
            self.version.clone(),
            addon.cloned(),
        );
        self.shared
            .offers
            .addon_versions
            .get(key, || async {
                let request = self
                    .session
                    .eks()
                    .describe_addon_versions()
                    .kubernetes_version(&self.version);
                let request = match addon {
                    Some(name) => request.addon_name(name),
                    None => request.owners("aws"),
                };
                let infos = request
                    .into_paginator()
                    .items()
                    .send()
                    .collect::<Result<Vec<_>, _>>()
                    .await
                    .doing(|| {
                        format!(
                            "listing the add-on versions for Kubernetes {}",
                            self.version
                        )
                    })?;
                Ok(Arc::new(catalog(&infos, &self.version)))
            })
            .await
    }
}

fn catalog(infos: &[AddonInfo], kubernetes: &str) -> BTreeMap<String, Versions> {
    let mut catalog = BTreeMap::new();
    for info in infos {
        let Some(name) = info.addon_name() else {
            continue;
        };
        let mut versions = Versions::default();
        for version in info.addon_versions() {
            let runs_on = version
                .compatibilities()
                .iter()
                .find(|c| c.cluster_version() == Some(kubernetes));
            if let (Some(runs_on), Some(version)) = (runs_on, version.addon_version()) {
                versions.newest_first.push(version.to_owned());
                if runs_on.default_version() {
                    versions.default = Some(version.to_owned());
                }
            }
        }
        versions
            .newest_first
            .sort_by_cached_key(|version| Reverse(numbers(version)));
        if !versions.newest_first.is_empty() {
            catalog.insert(name.to_owned(), versions);
        }
    }
    catalog
}

/// The numbers of `v1.19.5-eksbuild.3`, by which versions are ordered.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_eks::types::{AddonVersionInfo, Compatibility};

    use super::*;

    fn version(name: &str, runs_on: &[(&str, bool)]) -> AddonVersionInfo {
        let runs_on = runs_on.iter().map(|(kubernetes, default)| {
            Compatibility::builder()
                .cluster_version(*kubernetes)
                .default_version(*default)
                .build()
        });
        AddonVersionInfo::builder()
            .addon_version(name)
            .set_compatibilities(Some(runs_on.collect()))
            .build()
    }

    #[test]
    fn only_compatible_versions_count_and_the_newest_comes_first() {
        let infos = [
            AddonInfo::builder()
                .addon_name("coredns")
                .addon_versions(version("v1.9.3-eksbuild.1", &[("1.35", false)]))
                .addon_versions(version(
                    "v1.12.4-eksbuild.2",
                    &[("1.35", true), ("1.34", false)],
                ))
                .addon_versions(version("v1.12.4-eksbuild.10", &[("1.35", false)]))
                .addon_versions(version("v1.13.0-eksbuild.1", &[("1.36", true)]))
                .build(),
            AddonInfo::builder()
                .addon_name("other")
                .addon_versions(version("v1.0.0", &[("1.30", true)]))
                .build(),
        ];
        let catalog = catalog(&infos, "1.35");
        assert_eq!(
            catalog["coredns"],
            Versions {
                newest_first: [
                    "v1.12.4-eksbuild.10",
                    "v1.12.4-eksbuild.2",
                    "v1.9.3-eksbuild.1"
                ]
                .map(str::to_owned)
                .to_vec(),
                default: Some("v1.12.4-eksbuild.2".into()),
            }
        );
        assert!(!catalog.contains_key("other"));
    }
}
