//! The queue by which Karpenter hears of interruptions before they happen.
//!
//! Its tags cost a call of their own to read, so they are set when it is made and not compared later.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::policy_document;
use super::tags::{self, Tags};
use crate::aws::{CallError, Doing, OrAbsent, Session, Target};
use crate::reconcile::plan::Action;
use crate::reconcile::{Diff, Error, Fact, Fate, Grant, Polling, Progress, Resource, State};

/// How long the queue keeps a message that nobody takes, in seconds. An interruption that is older
/// has happened.
const RETENTION_SECONDS: &str = "300";

/// A queue's name can't be used again within a minute of its deletion, and a deletion takes up to a
/// minute. Source: SQS API reference, CreateQueue and DeleteQueue.
const DEADLINE: Duration = Duration::from_secs(180);

/// The queue named `Karpenter-<cluster>`.
#[derive(Debug)]
pub struct Queue {
    /// The account and region that it is in.
    pub session: Session,
    /// What it should be.
    pub wanted: Wanted,
    /// How often SQS is asked whether it is done.
    pub polling: Polling,
}

/// What the queue should be, as far as clusters differ in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// Tags that it is made with.
    pub tags: Tags,
}

/// What the queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its URL.
    pub url: String,
    /// How long it keeps a message, in seconds.
    pub retention_seconds: Option<String>,
    /// Whether it is encrypted with a key of SQS's own.
    pub managed_sse: bool,
    /// Its policy.
    pub policy: Option<Value>,
}

/// What other resources may know of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its name, by which Karpenter is told of it.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

/// Name of the queue of a cluster.
pub fn name(cluster: &str) -> String {
    format!("Karpenter-{cluster}")
}

/// What others may know of the queue of a cluster, which follows from the cluster's name.
pub(super) fn facts(target: &Target, cluster: &str) -> Facts {
    let name = name(cluster);
    let arn = target.arn("sqs", &name);
    Facts { name, arn }
}

impl Resource for Queue {
    type Observed = Observed;
    type Output = Facts;
    const KIND: &'static str = "sqs_queue";
    const GRANTS: &'static [Grant] = &[Grant {
        actions: &[
            "sqs:CreateQueue",
            "sqs:DeleteQueue",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ListQueueTags",
            "sqs:SetQueueAttributes",
            "sqs:TagQueue",
        ],
        on: &["arn:{partition}:sqs:*:{account}:Karpenter-*"],
        condition: None,
    }];

    fn name(&self) -> String {
        self.facts().name
    }

    /// SQS asks callers to keep the URL that it gave and not to build one. The built one saves a
    /// call and, where an endpoint doesn't take it, the given one is asked for.
    async fn observe(&self) -> Result<Option<Observed>, Error> {
        match self.read(self.likely_url()).await {
            Err(error) if error.has_code(&["InvalidAddress"]) => match self.given_url().await? {
                Some(url) => Ok(self.read(url).await?),
                None => Ok(None),
            },
            read => Ok(read?),
        }
    }

    fn output(&self, _observed: &Observed) -> Facts {
        self.facts()
    }

    fn foretold(&self) -> Fact<Facts> {
        Fact::Known(self.facts())
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        Ok(diff(&self.wanted, &policy(&self.facts().arn), observed))
    }

    async fn apply(
        &self,
        diff: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        match observed {
            Some(is) if diff.action == Action::Update => self.update(diff, &is.url).await,
            _ => self.create(progress).await,
        }
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        self.until_there(progress).await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        let answer = self
            .session
            .sqs()
            .list_queue_tags()
            .queue_url(&observed.url)
            .send()
            .await
            .doing(|| format!("reading the tags of queue {}", self.name()))?;
        Ok(tags::fate(&answer.tags.into_iter().flatten().collect()))
    }

    async fn remove(&self, observed: &Observed, progress: &Progress) -> Result<(), Error> {
        let name = self.name();
        self.session
            .sqs()
            .delete_queue()
            .queue_url(&observed.url)
            .send()
            .await
            .doing(|| format!("deleting queue {name}"))
            .or_absent()?;
        self.polling
            .until(&format!("queue {name}"), DEADLINE, progress, || async {
                Ok(match self.read(observed.url.clone()).await? {
                    Some(_) => State::UnderWay("being deleted".to_owned()),
                    None => State::Done(()),
                })
            })
            .await
    }
}

impl Queue {
    fn facts(&self) -> Facts {
        facts(self.session.target(), &self.wanted.cluster)
    }

    fn likely_url(&self) -> String {
        let Target {
            region, account, ..
        } = self.session.target();
        let suffix = match region.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        format!("https://sqs.{region}.{suffix}/{account}/{}", self.name())
    }

    async fn given_url(&self) -> Result<Option<String>, CallError> {
        let name = self.name();
        let answer = self
            .session
            .sqs()
            .get_queue_url()
            .queue_name(&name)
            .send()
            .await
            .doing(|| format!("asking for the URL of queue {name}"))
            .or_absent()?;
        Ok(answer.and_then(|a| a.queue_url))
    }

    async fn read(&self, url: String) -> Result<Option<Observed>, CallError> {
        let sqs = self.session.sqs();
        let request = sqs
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(QueueAttributeName::All);
        let sent = request.send().await;
        let answer = sent.doing(|| format!("reading queue {}", self.name()));
        let Some(attributes) = answer.or_absent()? else {
            return Ok(None);
        };
        let mut attributes = attributes.attributes.unwrap_or_default();
        Ok(Some(Observed {
            url,
            retention_seconds: attributes.remove(&QueueAttributeName::MessageRetentionPeriod),
            managed_sse: attributes
                .get(&QueueAttributeName::SqsManagedSseEnabled)
                .is_some_and(|v| v == "true"),
            policy: attributes
                .get(&QueueAttributeName::Policy)
                .and_then(|text| serde_json::from_str(text).ok()),
        }))
    }

    /// Creates the queue whole, so that there is never half of one. To repeat it is no error.
    async fn create(&self, progress: &Progress) -> Result<(), Error> {
        let Facts { name, arn } = self.facts();
        self.polling
            .until(&format!("queue {name}"), DEADLINE, progress, || async {
                let created = self
                    .session
                    .sqs()
                    .create_queue()
                    .queue_name(&name)
                    .attributes(
                        QueueAttributeName::MessageRetentionPeriod,
                        RETENTION_SECONDS,
                    )
                    .attributes(QueueAttributeName::SqsManagedSseEnabled, "true")
                    .attributes(QueueAttributeName::Policy, policy(&arn).to_string())
                    .set_tags(Some(tags::made(&self.wanted.tags).into_iter().collect()))
                    .send()
                    .await
                    .doing(|| format!("creating queue {name}"));
                match created {
                    Ok(_) => Ok(State::Done(())),
                    Err(error) if error.has_code(DELETED_RECENTLY) => Ok(State::UnderWay(
                        "waiting until its deletion is a minute ago".to_owned(),
                    )),
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }

    async fn update(&self, diff: &Diff, url: &str) -> Result<(), Error> {
        let Facts { name, arn } = self.facts();
        let mut attributes = Vec::new();
        if diff.touches("message_retention_seconds") {
            let seconds = RETENTION_SECONDS.to_owned();
            attributes.push((QueueAttributeName::MessageRetentionPeriod, seconds));
        }
        if diff.touches("managed_sse") {
            attributes.push((QueueAttributeName::SqsManagedSseEnabled, "true".to_owned()));
        }
        if diff.touches("policy") {
            attributes.push((QueueAttributeName::Policy, policy(&arn).to_string()));
        }
        if !attributes.is_empty() {
            self.session
                .sqs()
                .set_queue_attributes()
                .queue_url(url)
                .set_attributes(Some(attributes.into_iter().collect()))
                .send()
                .await
                .doing(|| format!("changing queue {name}"))?;
        }
        Ok(())
    }

    /// Reads the queue, and again until SQS knows of it: that takes a second after its creation.
    async fn until_there(&self, progress: &Progress) -> Result<Observed, Error> {
        let what = format!("queue {}", self.name());
        self.polling
            .until(&what, DEADLINE, progress, || async {
                Ok(match self.observe().await? {
                    Some(is) => State::Done(is),
                    None => State::UnderWay("unknown to SQS".to_owned()),
                })
            })
            .await
    }
}

/// Codes of the same error in SQS's two protocols.
const DELETED_RECENTLY: &[&str] = &[
    "QueueDeletedRecently",
    "AWS.SimpleQueueService.QueueDeletedRecently",
];

/// The queue's policy: EventBridge and SQS may send, and nobody may do anything without TLS.
fn policy(arn: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "SqsWrite",
                "Effect": "Allow",
                "Principal": {"Service": ["events.amazonaws.com", "sqs.amazonaws.com"]},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            },
            {
                "Sid": "DenyHTTP",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    })
}

fn diff(wanted: &Wanted, policy: &Value, observed: Option<&Observed>) -> Diff {
    let diff = match observed {
        Some(_) => Diff::update(),
        None => Diff::create(),
    };
    let retention = observed.and_then(|is| is.retention_seconds.as_ref());
    diff.attribute("message_retention_seconds", retention, RETENTION_SECONDS)
        .attribute("managed_sse", observed.map(|is| is.managed_sse), true)
        .with(|diff| {
            let is = observed.and_then(|is| is.policy.as_ref());
            policy_document::diff(diff, "policy", is, Fact::Known(policy.clone()))
        })
        .with(|diff| match observed {
            Some(_) => diff,
            None => tags::diff(diff, None, &wanted.tags),
        })
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-2:111122223333:Karpenter-qa-i01-aws-us-east-2";

    fn wanted() -> Wanted {
        Wanted {
            cluster: "qa-i01-aws-us-east-2".into(),
            tags: [("role".to_owned(), "qa".to_owned())].into(),
        }
    }

    fn right() -> Observed {
        Observed {
            url: "https://sqs.us-east-2.amazonaws.com/111122223333/Karpenter-qa".into(),
            retention_seconds: Some("300".into()),
            managed_sse: true,
            policy: Some(policy(ARN)),
        }
    }

    fn paths(is: Option<&Observed>) -> Vec<String> {
        let diff = diff(&wanted(), &policy(ARN), is);
        diff.attributes.into_iter().map(|a| a.path).collect()
    }

    #[test]
    fn a_right_queue_is_kept() {
        assert_eq!(paths(Some(&right())), [""; 0]);
    }

    #[test]
    fn everything_that_differs_is_told() {
        let is = Observed {
            retention_seconds: Some("345600".into()),
            managed_sse: false,
            policy: None,
            ..right()
        };
        let all = [
            "message_retention_seconds",
            "managed_sse",
            "policy",
            "tags.role",
        ];
        assert_eq!(paths(Some(&is)), all[..3]);
        assert_eq!(paths(None), all);
    }

    #[test]
    fn a_policy_that_also_lets_others_send_differs() {
        let mut open = policy(ARN);
        open["Statement"][0]["Principal"] = json!("*");
        let is = Observed {
            policy: Some(open),
            ..right()
        };
        assert_eq!(paths(Some(&is)), ["policy"]);
    }
}
