//! The add-ons that EKS manages in the cluster.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eks::types::{Addon as Described, AddonStatus};
use serde_json::{Value, json};

use super::Shared;
use super::addon_versions::{Catalog, Versions};
use super::cluster;
use super::iam_role::{ADDON_ROLES, PASSED_TO_EKS, Role};
use super::tags::{self, Tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::inventory::{AddonVersion, EksVersion, ResolveConflicts};
use crate::reconcile::plan::Action;
use crate::reconcile::{
    Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource, State,
};

mod change;

/// One add-on that the settings ask for.
#[derive(Debug)]
pub struct Addon {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// The cluster that it runs in.
    pub cluster: Handle<cluster::Facts>,
    /// The versions that run on the cluster's.
    pub versions: Handle<Catalog>,
    /// The role of its service account, if it needs one.
    pub role: Option<Handle<Role>>,
    /// Places in the graph of what else must be right first.
    pub after: Vec<usize>,
    /// How often EKS is asked whether it is done.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What an add-on should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// Kubernetes version that the cluster will have.
    pub kubernetes: EksVersion,
    /// Its name.
    pub name: String,
    /// Which of its versions.
    pub version: AddonVersion,
    /// Configuration, by the add-on's own schema.
    pub configuration: Option<Value>,
    /// What happens to fields that someone changed in the cluster.
    pub resolve_conflicts: ResolveConflicts,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
}

/// What an add-on is.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Its version.
    pub version: String,
    /// Where it stands in its life.
    pub status: AddonStatus,
    /// Its configuration.
    pub configuration: Option<Value>,
    /// ARN of its service account's role, if it has one by the cluster's OIDC issuer.
    pub role_arn: Option<String>,
    /// Its ARN.
    pub arn: String,
    /// What is wrong with it, one line each, in EKS's words.
    pub issues: Vec<String>,
    /// All its tags.
    pub tags: Tags,
}

impl Resource for Addon {
    type Observed = Observed;
    type Output = ();
    const KIND: &'static str = "eks_addon";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &["eks:CreateAddon", "eks:DescribeUpdate", "eks:ListUpdates"],
            on: &["arn:{partition}:eks:*:{account}:cluster/*"],
            condition: None,
        },
        Grant {
            actions: &[
                "eks:DeleteAddon",
                "eks:DescribeAddon",
                "eks:DescribeUpdate",
                "eks:ListUpdates",
                "eks:TagResource",
                "eks:UpdateAddon",
            ],
            on: &["arn:{partition}:eks:*:{account}:addon/*"],
            condition: None,
        },
        Grant {
            actions: &["eks:DescribeAddonConfiguration"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &["iam:PassRole"],
            on: ADDON_ROLES,
            condition: Some(PASSED_TO_EKS),
        },
    ];

    fn name(&self) -> String {
        self.wanted.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        let mut needs = vec![self.cluster.index(), self.versions.index()];
        needs.extend(self.role.as_ref().map(Handle::index));
        needs.extend(&self.after);
        needs
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        match self.cluster.observed().await? {
            Fact::Known(_) => Ok(self.describe().await?),
            Fact::AfterApply => Ok(None),
        }
    }

    fn output(&self, _observed: &Observed) {}

    fn is_busy(&self, observed: &Observed) -> bool {
        matches!(
            observed.status,
            AddonStatus::Creating | AddonStatus::Updating
        )
    }

    fn is_going(&self, observed: &Observed) -> bool {
        observed.status == AddonStatus::Deleting
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        let versions = self.versions.get().known();
        let versions = versions.as_ref().and_then(|v| v.get(&self.wanted.name));
        let role = self
            .role
            .as_ref()
            .map(|role| role.get().map(|facts| facts.arn));
        diff(&self.wanted, versions, role, observed)
    }

    async fn apply(
        &self,
        diff: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        match observed {
            None => self.create(progress).await,
            Some(is) if is.status == AddonStatus::Deleting => {
                self.until_gone(progress).await?;
                self.create(progress).await
            }
            Some(_) if diff.action == Action::Replace => {
                self.delete(progress).await?;
                self.create(progress).await
            }
            Some(is) => self.update(diff, is, progress).await,
        }
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let what = format!("add-on {}", self.wanted.name);
        self.polling
            .until(&what, DEADLINE, progress, || async {
                match self.describe().await? {
                    Some(is) => judge(&self.wanted.name, is),
                    // EKS may not know yet of what it has just accepted.
                    None => Ok(State::UnderWay("not visible yet".to_owned())),
                }
            })
            .await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        Ok(tags::fate(&observed.tags))
    }

    async fn remove(&self, _observed: &Observed, progress: &Progress) -> Result<(), Error> {
        self.delete(progress).await
    }
}

impl Addon {
    async fn describe(&self) -> Result<Option<Observed>, CallError> {
        let answer = self
            .session
            .eks()
            .describe_addon()
            .cluster_name(&self.wanted.cluster)
            .addon_name(&self.wanted.name)
            .send()
            .await
            .doing(|| format!("describing add-on {}", self.wanted.name))
            .or_absent()?;
        Ok(answer.and_then(|a| a.addon).map(|addon| read(&addon)))
    }
}

/// An add-on takes a minute or two, or as long as its pods wait for nodes.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// DEGRADED may pass by itself (pods that wait for a node), so it is waited out to the deadline.
fn judge(name: &str, is: Observed) -> Result<State<Observed>, Error> {
    let issues = || {
        if is.issues.is_empty() {
            "EKS gives no reason".to_owned()
        } else {
            is.issues.join("; ")
        }
    };
    match is.status {
        AddonStatus::Active => Ok(State::Done(is)),
        AddonStatus::CreateFailed | AddonStatus::UpdateFailed | AddonStatus::DeleteFailed => {
            Err(Error::new(
                format!("waiting for add-on {name}"),
                format!("EKS says that it is {}: {}", is.status.as_str(), issues()),
                "mend what its health names, then run again",
            ))
        }
        AddonStatus::Degraded => Ok(State::UnderWay(format!("DEGRADED ({})", issues()))),
        ref status => Ok(State::UnderWay(status.as_str().to_owned())),
    }
}

fn read(addon: &Described) -> Observed {
    Observed {
        version: addon.addon_version().unwrap_or_default().to_owned(),
        status: addon.status().cloned().unwrap_or(AddonStatus::Active),
        // What is there after a configuration was taken away is none. EKS takes YAML as well as JSON. What isn't JSON is kept as text: it differs from what psk
        // writes, so it is shown and put right.
        configuration: addon
            .configuration_values()
            .filter(|text| !text.is_empty())
            .map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into()))
            .filter(|values| *values != json!({})),
        role_arn: addon.service_account_role_arn().map(str::to_owned),
        arn: addon.addon_arn().unwrap_or_default().to_owned(),
        issues: addon
            .health()
            .map(|health| health.issues())
            .unwrap_or_default()
            .iter()
            .map(|issue| {
                let code = issue.code().map_or("Unknown", |c| c.as_str());
                format!("{code}: {}", issue.message().unwrap_or("no message"))
            })
            .collect(),
        tags: addon
            .tags()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    }
}

/// The version that is wanted, out of those that run on the cluster's.
fn choose<'a>(wanted: &'a Wanted, versions: Option<&'a Versions>) -> Result<&'a str, Error> {
    let doing = || format!("choosing a version of add-on {}", wanted.name);
    let newest = versions.and_then(|v| v.newest_first.first());
    let (Some(versions), Some(newest)) = (versions, newest) else {
        return Err(Error::new(
            doing(),
            format!("EKS has none for Kubernetes {}", wanted.kubernetes),
            "correct its name, or take it out of addons",
        ));
    };
    match &wanted.version {
        AddonVersion::MostRecent => Ok(newest),
        AddonVersion::Default => Ok(versions.default.as_ref().unwrap_or(newest)),
        AddonVersion::Exact(pin) if versions.newest_first.contains(pin) => Ok(pin),
        AddonVersion::Exact(pin) => Err(Error::new(
            doing(),
            format!("{pin} doesn't run on Kubernetes {}", wanted.kubernetes),
            format!("pin one of {}", versions.newest_first.join(", ")),
        )),
    }
}

fn diff(
    wanted: &Wanted,
    versions: Option<&Versions>,
    role: Option<Fact<String>>,
    observed: Option<&Observed>,
) -> Result<Diff, Error> {
    let version = choose(wanted, versions)?;
    // What is on its way out is as good as gone.
    let observed = observed.filter(|is| is.status != AddonStatus::Deleting);
    let (builder, old) = match observed {
        Some(is) => (Diff::update(), Some(is)),
        None => (Diff::create(), None),
    };
    let mut builder = builder.attribute("version", old.map(|o| &o.version), version);
    if let Some(is) = old.filter(|is| is.status == AddonStatus::CreateFailed) {
        builder = builder
            .attribute("status", Some(is.status.as_str()), "ACTIVE")
            .replacing(&["status"])
            .because(is.issues.join("; "));
    }
    if let Some(role) = role {
        let is = old.and_then(|o| o.role_arn.as_ref());
        builder = builder.fact("service_account_role_arn", is, role);
    }
    Ok(builder
        .attribute(
            "configuration",
            old.and_then(|o| o.configuration.as_ref()),
            &wanted.configuration,
        )
        .with(|diff| tags::diff(diff, old.map(|o| &o.tags), &wanted.tags))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::Target;

    fn wanted(version: AddonVersion) -> Wanted {
        Wanted {
            cluster: "qa-i01-aws-us-east-2".into(),
            kubernetes: "1.35".parse().unwrap(),
            name: "coredns".into(),
            version,
            configuration: Some(json!({"autoScaling": {"enabled": true}})),
            resolve_conflicts: ResolveConflicts::Overwrite,
            tags: Tags::new(),
        }
    }

    fn versions() -> Versions {
        Versions {
            newest_first: vec!["v3".into(), "v2".into()],
            default: Some("v2".into()),
        }
    }

    fn is(version: &str) -> Observed {
        Observed {
            version: version.into(),
            status: AddonStatus::Active,
            configuration: Some(json!({"autoScaling": {"enabled": true}})),
            role_arn: None,
            arn: String::new(),
            issues: Vec::new(),
            tags: Tags::new(),
        }
    }

    fn target(choice: AddonVersion) -> String {
        let diff = diff(&wanted(choice), Some(&versions()), None, Some(&is("v1"))).unwrap();
        match &diff.attributes[0].new {
            Target::Value(version) => version.as_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_version_is_the_newest_the_default_or_the_pinned_one() {
        assert_eq!(target(AddonVersion::MostRecent), "v3");
        assert_eq!(target(AddonVersion::Default), "v2");
        assert_eq!(target(AddonVersion::Exact("v2".into())), "v2");
    }

    #[test]
    fn a_right_addon_is_kept() {
        let diff = diff(
            &wanted(AddonVersion::MostRecent),
            Some(&versions()),
            None,
            Some(&is("v3")),
        )
        .unwrap();
        assert_eq!(diff.action, Action::Keep);
    }

    #[test]
    fn an_addon_that_never_came_up_or_is_on_its_way_out_is_installed_again() {
        let action = |status| {
            let is = Observed { status, ..is("v3") };
            let wanted = wanted(AddonVersion::MostRecent);
            diff(&wanted, Some(&versions()), None, Some(&is))
                .unwrap()
                .action
        };
        assert_eq!(action(AddonStatus::CreateFailed), Action::Replace);
        assert_eq!(action(AddonStatus::Deleting), Action::Create);
    }

    #[test]
    fn a_version_that_does_not_run_there_is_refused_with_those_that_do() {
        let error = diff(
            &wanted(AddonVersion::Exact("v9".into())),
            Some(&versions()),
            None,
            None,
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "choosing a version of add-on coredns: v9 doesn't run on Kubernetes 1.35"
        );
        assert_eq!(error.next, "pin one of v3, v2");
        assert!(diff(&wanted(AddonVersion::MostRecent), None, None, None).is_err());
    }

    #[test]
    fn an_empty_configuration_is_none() {
        let emptied = Described::builder().configuration_values("{}").build();
        assert_eq!(read(&emptied).configuration, None);
    }

    #[test]
    fn configuration_is_compared_as_data_and_not_as_text() {
        let described = Described::builder()
            .addon_version("v3")
            .configuration_values("{ \"autoScaling\":{\"enabled\" : true} }")
            .build();
        let diff = diff(
            &wanted(AddonVersion::MostRecent),
            Some(&versions()),
            None,
            Some(&read(&described)),
        )
        .unwrap();
        assert_eq!(diff.action, Action::Keep);
    }
}
