//! The tags of the security group that EKS makes for a cluster: by one of them Karpenter finds it, and
//! EKS passes none of the cluster's own on.
//!
//! Source: EKS User Guide, "Organize Amazon EKS resources with tags"; Karpenter's documentation,
//! "NodeClasses", spec.securityGroupSelectorTerms.

use std::sync::Arc;

use super::security_group;
use super::tags::{self, Tags};
use super::{Shared, cluster};
use crate::aws::{CallError, Doing, Session};
use crate::calls;
use crate::reconcile::{Diff, Error, Fate, Grant, Handle, Polling, Progress, Resource, State};

/// The tags of a cluster's own security group.
#[derive(Debug)]
pub struct Discovery {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// The cluster.
    pub cluster: Handle<cluster::Facts>,
    /// Its name.
    pub name: String,
    /// Tags that it must have; others are left alone.
    pub wanted: Tags,
    /// How often EC2 is asked whether it is done.
    pub polling: Polling,
}

/// A security group and its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its id.
    pub id: String,
    /// All its tags.
    pub tags: Tags,
}

impl Resource for Discovery {
    type Observed = Observed;
    type Output = ();
    const KIND: &'static str = "ec2_security_group_tags";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &["ec2:DescribeSecurityGroups"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &["ec2:CreateTags"],
            on: &["arn:{partition}:ec2:*:{account}:security-group/*"],
            condition: None,
        },
    ];

    fn name(&self) -> String {
        format!("eks-cluster-sg-{}", self.name)
    }

    fn needs(&self) -> Vec<usize> {
        vec![self.cluster.index()]
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let groups = security_group::first_seen(&self.session, &self.shared);
        let (cluster, groups) = calls::join(self.cluster.observed(), groups).await;
        let groups = groups?;
        Ok(cluster?.known().map(|facts| {
            let id = facts.access.security_group_id;
            let mut groups = groups.iter();
            let group = groups.find(|group| group.group_id() == Some(&id));
            let tags = group.map(|group| tags::from_ec2(group.tags()));
            Observed {
                id,
                tags: tags.unwrap_or_default(),
            }
        }))
    }

    fn output(&self, _observed: &Observed) {}

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        let diff = match observed {
            Some(_) => Diff::update(),
            None => Diff::create(),
        };
        Ok(tags::diff(diff, observed.map(|is| &is.tags), &self.wanted).build())
    }

    async fn apply(
        &self,
        _diff: &Diff,
        _observed: Option<&Observed>,
        _progress: &Progress,
    ) -> Result<(), Error> {
        let id = self.id()?;
        self.session
            .ec2()
            .create_tags()
            .resources(&id)
            .set_tags(Some(tags::for_ec2(&self.wanted)))
            .send()
            .await
            .doing(|| format!("tagging security group {id}"))?;
        Ok(())
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let id = &self.id()?;
        let what = format!("tags of security group {id}");
        self.polling
            .until(&what, security_group::DEADLINE, progress, || async move {
                let tags = self.read(id).await?;
                let has = |(key, value): (&String, &String)| tags.get(key) == Some(value);
                Ok(match self.wanted.iter().all(has) {
                    true => State::Done(Observed {
                        id: id.clone(),
                        tags,
                    }),
                    false => State::UnderWay("not visible yet".to_owned()),
                })
            })
            .await
    }

    /// They are of a group that is the cluster's.
    async fn fate(&self, _observed: &Observed) -> Result<Fate, Error> {
        let facts = self.cluster.get().known();
        Ok(match facts.is_some_and(|facts| facts.made_by_psk) {
            true => Fate::Remove,
            false => Fate::Leave("they are the cluster's, which psk didn't make".to_owned()),
        })
    }

    /// EKS deletes the group with the cluster.
    async fn remove(&self, _observed: &Observed, _progress: &Progress) -> Result<(), Error> {
        Ok(())
    }
}

impl Discovery {
    fn id(&self) -> Result<String, Error> {
        let access = self.cluster.get().map(|facts| facts.access);
        access
            .map(|access| access.security_group_id)
            .required(|| format!("tagging the security group of {}", self.name))
    }

    async fn read(&self, id: &str) -> Result<Tags, CallError> {
        let request = self.session.ec2().describe_security_groups().group_ids(id);
        let answer = request.send().await;
        let answer = answer.doing(|| format!("reading the tags of security group {id}"))?;
        let group = answer.security_groups().first();
        Ok(group.map_or_else(Tags::new, |group| tags::from_ec2(group.tags())))
    }
}
