//! Where the cluster's nodes reach its file system: one mount target per availability zone.
//!
//! A mount target gets its security group when it is made. Which groups it has later would take a
//! call per mount target to learn, so that isn't compared.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_efs::types::{LifeCycleState, MountTargetDescription};

use super::network::Subnets;
use super::tags;
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::calls;
use crate::reconcile::{
    Condition, Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource, State,
};

/// How long EFS may take to make or delete a mount target. Usually it is a minute or two.
const DEADLINE: Duration = Duration::from_secs(900);

/// The mount targets of the cluster's file system.
#[derive(Debug)]
pub struct MountTargets {
    /// The account and region that they are in.
    pub session: Session,
    /// The subnets of the nodes.
    pub network: Handle<Subnets>,
    /// Id of the file system.
    pub file_system: Handle<String>,
    /// Id of the security group that lets the nodes in.
    pub security_group: Handle<String>,
    /// The file system's name, by which the mount targets go in plans.
    pub name: String,
    /// How often EFS is asked whether it is done.
    pub polling: Polling,
}

/// The mount targets of a file system, by availability zone. Those that are going are not there.
pub type Observed = BTreeMap<String, MountTarget>;

/// One mount target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountTarget {
    /// Its id.
    pub id: String,
    /// The subnet that it is in.
    pub subnet_id: String,
    /// Where it stands in its life.
    pub state: LifeCycleState,
}

impl Resource for MountTargets {
    type Observed = Observed;
    type Output = ();
    const KIND: &'static str = "efs_mount_targets";
    /// EFS makes and deletes a network interface in the caller's name.
    /// Source: EFS API reference, CreateMountTarget and DeleteMountTarget; EFS User Guide, "Using
    /// service-linked roles for Amazon EFS".
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &[
                "elasticfilesystem:CreateMountTarget",
                "elasticfilesystem:DeleteMountTarget",
                "elasticfilesystem:DescribeMountTargets",
            ],
            on: &["arn:{partition}:elasticfilesystem:*:{account}:file-system/*"],
            condition: None,
        },
        Grant {
            actions: &["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &["ec2:CreateNetworkInterface"],
            on: &[
                "arn:{partition}:ec2:*:{account}:network-interface/*",
                "arn:{partition}:ec2:*:{account}:security-group/*",
                "arn:{partition}:ec2:*:{account}:subnet/*",
            ],
            condition: None,
        },
        Grant {
            actions: &["ec2:DeleteNetworkInterface"],
            on: &["arn:{partition}:ec2:*:{account}:network-interface/*"],
            condition: None,
        },
        Grant {
            actions: &["iam:CreateServiceLinkedRole"],
            on: &[
                "arn:{partition}:iam::{account}:role/aws-service-role/elasticfilesystem.amazonaws.com/*",
            ],
            condition: Some(Condition {
                operator: "StringEquals",
                key: "iam:AWSServiceName",
                values: &["elasticfilesystem.amazonaws.com"],
            }),
        },
    ];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        vec![
            self.network.index(),
            self.file_system.index(),
            self.security_group.index(),
        ]
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        match self.file_system.observed().await? {
            Fact::Known(id) => {
                let targets = self.list(&id).await?;
                Ok(Some(there(&targets)).filter(|there| !there.is_empty()))
            }
            Fact::AfterApply => Ok(None),
        }
    }

    fn output(&self, _observed: &Observed) {}

    fn is_busy(&self, observed: &Observed) -> bool {
        observed.values().any(is_under_way)
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        diff(self.network.get().map(|n| by_zone(&n)), observed)
    }

    async fn apply(
        &self,
        diff: &Diff,
        _observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        let doing = || format!("creating the mount targets of {}", self.name);
        let place = Place {
            file_system: &self.file_system.get().required(doing)?,
            security_group: &self.security_group.get().required(doing)?,
        };
        let subnets = by_zone(&self.network.get().required(doing)?);
        let missing = subnets.iter().filter(|(zone, _)| diff.touches(&path(zone)));
        let made = missing.map(|(zone, subnet)| self.create(place, zone, subnet, progress));
        calls::join_all(made).await.into_iter().collect()
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let doing = || format!("looking at the mount targets of {}", self.name);
        let id = self.file_system.get().required(doing)?;
        let what = format!("mount targets of {}", self.name);
        self.polling
            .until(&what, DEADLINE, progress, || async {
                judge(there(&self.list(&id).await?))
            })
            .await
    }

    /// They are their file system's, and have no tags of their own.
    async fn fate(&self, _observed: &Observed) -> Result<Fate, Error> {
        let doing = || format!("reading the tags of file system {}", self.name);
        let id = self.file_system.get().required(doing)?;
        let answer = self
            .session
            .efs()
            .describe_file_systems()
            .file_system_id(id)
            .send()
            .await
            .doing(doing)?;
        let tags = answer.file_systems().iter().flat_map(|fs| fs.tags());
        let tags = tags.map(|tag| (tag.key.clone(), tag.value.clone()));
        Ok(tags::fate(&tags.collect()))
    }

    /// Removes them all: they hold no data, and nobody but the cluster's nodes can reach them.
    async fn remove(&self, observed: &Observed, progress: &Progress) -> Result<(), Error> {
        let doing = || format!("deleting the mount targets of {}", self.name);
        let id = self.file_system.get().required(doing)?;
        let deleted = observed.values().map(|target| async {
            let deleted = self
                .session
                .efs()
                .delete_mount_target()
                .mount_target_id(&target.id)
                .send()
                .await
                .doing(|| format!("deleting mount target {}", target.id));
            match deleted {
                Err(error) if !error.has_code(&["MountTargetNotFound"]) => Err(error),
                _ => Ok(()),
            }
        });
        calls::join_all(deleted)
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
        let what = format!("mount targets of {}", self.name);
        self.polling
            .until(&what, DEADLINE, progress, || async {
                Ok(match self.list(&id).await?.is_empty() {
                    true => State::Done(()),
                    false => State::UnderWay("being deleted".to_owned()),
                })
            })
            .await
    }
}

/// What all mount targets of a file system have in common.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    file_system: &'a str,
    security_group: &'a str,
}

impl MountTargets {
    async fn list(&self, file_system: &str) -> Result<Vec<MountTargetDescription>, CallError> {
        let targets = self
            .session
            .efs()
            .describe_mount_targets()
            .file_system_id(file_system)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("listing the mount targets of {file_system}"))
            .or_absent()?;
        Ok(targets.unwrap_or_default())
    }

    /// Creates a mount target, or finds it made by an attempt whose answer was lost: EFS refuses a
    /// second one in a zone.
    async fn create(
        &self,
        place: Place<'_>,
        zone: &str,
        subnet: &str,
        progress: &Progress,
    ) -> Result<(), Error> {
        let what = format!("mount target of {} in {zone}", self.name);
        self.polling
            .until(&what, DEADLINE, progress, || async {
                let created = self
                    .session
                    .efs()
                    .create_mount_target()
                    .file_system_id(place.file_system)
                    .subnet_id(subnet)
                    .security_groups(place.security_group)
                    .send()
                    .await
                    .doing(|| format!("creating the {what}"));
                match created {
                    Ok(_) => Ok(State::Done(())),
                    Err(error) if error.has_code(&["MountTargetConflict"]) => {
                        self.judge_conflict(place, zone, error).await
                    }
                    Err(error) if error.has_code(&["IncorrectFileSystemLifeCycleState"]) => Ok(
                        State::UnderWay("waiting until the file system is available".to_owned()),
                    ),
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }

    /// What stands in the way of a mount target: the one that is wanted, one that is going, or one
    /// that is in another VPC.
    async fn judge_conflict(
        &self,
        place: Place<'_>,
        zone: &str,
        conflict: CallError,
    ) -> Result<State<()>, Error> {
        let targets = self.list(place.file_system).await?;
        if there(&targets).contains_key(zone) {
            return Ok(State::Done(()));
        }
        match targets.iter().any(is_going) {
            true => Ok(State::UnderWay(
                "waiting until its predecessor is gone".to_owned(),
            )),
            false => Err(conflict.into()),
        }
    }
}

fn is_going(target: &MountTargetDescription) -> bool {
    matches!(
        target.life_cycle_state(),
        LifeCycleState::Deleting | LifeCycleState::Deleted
    )
}

fn there(targets: &[MountTargetDescription]) -> Observed {
    targets
        .iter()
        .filter(|target| !is_going(target))
        .map(|target| {
            let zone = target.availability_zone_name().unwrap_or_default();
            let target = MountTarget {
                id: target.mount_target_id().to_owned(),
                subnet_id: target.subnet_id().to_owned(),
                state: target.life_cycle_state().clone(),
            };
            (zone.to_owned(), target)
        })
        .collect()
}

/// The subnet for the mount target of each zone. EFS takes one a zone, which all subnets of the
/// zone can reach, so of several the first is chosen.
fn by_zone(network: &Subnets) -> BTreeMap<String, String> {
    let mut subnets = BTreeMap::new();
    for subnet in &network.node {
        subnets
            .entry(subnet.zone.clone())
            .or_insert_with(|| subnet.id.clone());
    }
    subnets
}

fn path(zone: &str) -> String {
    format!("subnets.{zone}")
}

fn diff(
    wanted: Fact<BTreeMap<String, String>>,
    observed: Option<&Observed>,
) -> Result<Diff, Error> {
    let mut diff = match observed {
        Some(_) => Diff::update(),
        None => Diff::create(),
    };
    let Fact::Known(wanted) = wanted else {
        return Ok(diff.known_after_apply("subnets").build());
    };
    for (zone, subnet) in &wanted {
        let is = observed.and_then(|targets| targets.get(zone));
        if let Some(is) = is {
            refuse_broken(is)?;
        }
        // A mount target in any subnet of the zone does.
        let subnet = is.map_or(subnet, |is| &is.subnet_id);
        diff = diff.attribute(&path(zone), is.map(|is| &is.subnet_id), subnet);
    }
    Ok(diff.build())
}

fn refuse_broken(target: &MountTarget) -> Result<(), Error> {
    match target.state {
        LifeCycleState::Error => Err(Error::new(
            format!("looking at mount target {}", target.id),
            "EFS says that it is in the state error",
            "delete this mount target, which holds no data, and run again",
        )),
        _ => Ok(()),
    }
}

fn is_under_way(target: &MountTarget) -> bool {
    matches!(
        target.state,
        LifeCycleState::Creating | LifeCycleState::Updating
    )
}

/// Done once nothing is under way. A zone without a mount target is nothing to wait for: it is a
/// difference.
fn judge(is: Observed) -> Result<State<Observed>, Error> {
    let mut under_way = Vec::new();
    for (zone, target) in &is {
        refuse_broken(target)?;
        if is_under_way(target) {
            under_way.push(format!("{} in {zone}", target.state.as_str()));
        }
    }
    Ok(match under_way.is_empty() {
        true => State::Done(is),
        false => State::UnderWay(under_way.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_plane::network::Subnet;
    use crate::reconcile::plan::Action;

    fn wanted() -> BTreeMap<String, String> {
        let subnet = |id: &str, zone: &str| Subnet {
            id: id.into(),
            zone: zone.into(),
        };
        by_zone(&Subnets {
            vpc_id: "vpc-1".into(),
            node: vec![
                subnet("subnet-1", "a"),
                subnet("subnet-2", "b"),
                subnet("subnet-3", "a"),
            ],
            intra: vec![],
        })
    }

    fn targets(targets: &[(&str, &str, LifeCycleState)]) -> Vec<MountTargetDescription> {
        targets
            .iter()
            .map(|(zone, subnet, state)| {
                MountTargetDescription::builder()
                    .mount_target_id(format!("fsmt-{zone}"))
                    .file_system_id("fs-1")
                    .subnet_id(*subnet)
                    .availability_zone_name(*zone)
                    .life_cycle_state(state.clone())
                    .build()
                    .unwrap()
            })
            .collect()
    }

    fn paths(is: Option<&Observed>) -> Vec<String> {
        let diff = diff(Fact::Known(wanted()), is).unwrap();
        diff.attributes.into_iter().map(|a| a.path).collect()
    }

    #[test]
    fn each_zone_gets_one_in_its_first_subnet() {
        let expected = [("a", "subnet-1"), ("b", "subnet-2")];
        assert_eq!(
            wanted(),
            expected.map(|(z, s)| (z.to_owned(), s.to_owned())).into()
        );
        assert_eq!(paths(None), ["subnets.a", "subnets.b"]);
    }

    #[test]
    fn one_in_another_subnet_of_the_zone_is_kept() {
        use LifeCycleState::{Available, Creating};
        let is = there(&targets(&[
            ("a", "subnet-3", Available),
            ("b", "subnet-2", Creating),
        ]));
        let diff = diff(Fact::Known(wanted()), Some(&is)).unwrap();
        assert_eq!(diff.action, Action::Keep);
    }

    #[test]
    fn one_that_is_going_is_made_again() {
        use LifeCycleState::{Available, Deleting};
        let is = there(&targets(&[
            ("a", "subnet-1", Available),
            ("b", "subnet-2", Deleting),
        ]));
        assert_eq!(paths(Some(&is)), ["subnets.b"]);
    }

    #[test]
    fn a_broken_one_is_named() {
        let is = there(&targets(&[("a", "subnet-1", LifeCycleState::Error)]));
        let error = diff(Fact::Known(wanted()), Some(&is)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "looking at mount target fsmt-a: EFS says that it is in the state error"
        );
    }

    #[test]
    fn they_have_settled_when_none_is_under_way() {
        use LifeCycleState::{Available, Creating};
        let judged = |all: &[_]| judge(there(&targets(all))).unwrap();
        let a = ("a", "subnet-1", Available);
        let b = ("b", "subnet-2", Creating);
        assert!(
            matches!(judged(&[a.clone(), b]), State::UnderWay(state) if state == "creating in b")
        );
        assert!(matches!(judged(&[a]), State::Done(_)));
    }
}
