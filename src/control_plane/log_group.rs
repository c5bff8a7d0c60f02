//! The CloudWatch log group of the control plane's logs. It is made before the cluster: EKS makes
//! it without a retention and tags if it isn't there.

use std::sync::Arc;

use super::eventual::PATIENCE;
use super::{Shared, Tags, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::reconcile::{Diff, Error, Fact, Fate, Grant, Polling, Progress, Resource, State};

/// What the names of clusters' log groups begin with.
const CLUSTERS: &str = "/aws/eks/";

/// The log group of one cluster.
#[derive(Debug)]
pub struct LogGroup {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// How often the service is asked whether it sees what was made.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What a log group should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// For how many days logs are kept.
    pub retention_days: i32,
    /// Tags. Given when it is made; not compared, which would take one more call in every plan.
    pub tags: Tags,
}

/// What a log group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// For how many days logs are kept; `None` for ever.
    pub retention_days: Option<i32>,
}

/// Names of log groups, and for how many days each keeps its logs.
pub type Retentions = Arc<Vec<(String, Option<i32>)>>;

impl Resource for LogGroup {
    type Observed = Observed;
    /// Its name.
    type Output = String;
    const KIND: &'static str = "cloudwatch_log_group";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &["logs:DescribeLogGroups"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &[
                "logs:CreateLogGroup",
                "logs:TagResource",
                "logs:ListTagsForResource",
                "logs:PutRetentionPolicy",
                "logs:DeleteLogGroup",
            ],
            // The service's ARNs of log groups end in `:*` or don't, by action.
            on: &["arn:{partition}:logs:*:{account}:log-group:/aws/eks/*/cluster*"],
            condition: None,
        },
    ];

    fn name(&self) -> String {
        format!("/aws/eks/{}/cluster", self.wanted.cluster)
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let key = self.session.target().clone();
        let ask = || async { Ok(Arc::new(self.groups(CLUSTERS).await?)) };
        let groups = self.shared.log_groups.get(key, ask).await?;
        Ok(self.choose(&groups))
    }

    fn output(&self, _observed: &Observed) -> String {
        self.name()
    }

    fn foretold(&self) -> Fact<String> {
        Fact::Known(self.name())
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        Ok(diff(&self.wanted, observed))
    }

    async fn apply(
        &self,
        _diff: &Diff,
        observed: Option<&Observed>,
        _progress: &Progress,
    ) -> Result<(), Error> {
        let name = self.name();
        let logs = self.session.logs();
        if observed.is_none() {
            let tags = tags::made(&self.wanted.tags).into_iter().collect();
            let made = logs
                .create_log_group()
                .log_group_name(&name)
                .set_tags(Some(tags))
                .send()
                .await
                .doing(|| format!("creating log group {name}"));
            match made {
                // Made since it was looked for, most likely by a request whose answer was lost.
                Err(error) if error.has_code(&["ResourceAlreadyExistsException"]) => {}
                made => made.map(drop)?,
            }
        }
        logs.put_retention_policy()
            .log_group_name(&name)
            .retention_in_days(self.wanted.retention_days)
            .send()
            .await
            .doing(|| format!("setting the retention of log group {name}"))?;
        Ok(())
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let what = format!("log group {}", self.name());
        self.polling
            .until(&what, PATIENCE, progress, || async {
                let is = self.choose(&self.groups(&self.name()).await?);
                Ok(is.map_or_else(
                    || State::UnderWay("not visible yet".to_owned()),
                    State::Done,
                ))
            })
            .await
    }

    async fn fate(&self, _observed: &Observed) -> Result<Fate, Error> {
        let name = self.name();
        let answer = self
            .session
            .logs()
            .list_tags_for_resource()
            .resource_arn(
                self.session
                    .target()
                    .arn("logs", &format!("log-group:{name}")),
            )
            .send()
            .await
            .doing(|| format!("reading the tags of log group {name}"))?;
        let tags = answer.tags.unwrap_or_default();
        Ok(tags::fate(&tags.into_iter().collect()))
    }

    async fn remove(&self, _observed: &Observed, _progress: &Progress) -> Result<(), Error> {
        let name = self.name();
        self.session
            .logs()
            .delete_log_group()
            .log_group_name(&name)
            .send()
            .await
            .doing(|| format!("deleting log group {name}"))
            .or_absent()?;
        Ok(())
    }
}

impl LogGroup {
    /// Names and retention of the groups whose name begins like that: the service knows prefixes
    /// only.
    async fn groups(&self, prefix: &str) -> Result<Vec<(String, Option<i32>)>, CallError> {
        let groups = self
            .session
            .logs()
            .describe_log_groups()
            .log_group_name_prefix(prefix)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("looking for log group {}", self.name()))?;
        let named = groups.into_iter().filter_map(|group| {
            let retention = group.retention_in_days();
            Some((group.log_group_name?, retention))
        });
        Ok(named.collect())
    }

    fn choose(&self, groups: &[(String, Option<i32>)]) -> Option<Observed> {
        let name = self.name();
        let group = groups.iter().find(|(other, _)| *other == name);
        group.map(|(_, retention_days)| Observed {
            retention_days: *retention_days,
        })
    }
}

fn diff(wanted: &Wanted, observed: Option<&Observed>) -> Diff {
    let days = wanted.retention_days;
    match observed {
        Some(is) => Diff::update()
            .attribute("retention_days", is.retention_days, days)
            .build(),
        None => Diff::create()
            .attribute("retention_days", None::<()>, days)
            .with(|diff| tags::diff(diff, None, &wanted.tags))
            .build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::Action;

    #[test]
    fn logs_that_are_kept_for_ever_or_for_another_time_differ() {
        let wanted = Wanted {
            cluster: "x".into(),
            retention_days: 90,
            tags: [("cluster".to_owned(), "x".to_owned())].into(),
        };
        let action = |retention_days| diff(&wanted, Some(&Observed { retention_days })).action;
        assert_eq!(action(Some(90)), Action::Keep);
        assert_eq!(action(Some(30)), Action::Update);
        assert_eq!(action(None), Action::Update);
        let made = diff(&wanted, None);
        assert!(made.touches("retention_days") && made.touches("tags.cluster"));
    }
}
