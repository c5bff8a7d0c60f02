//! The rules by which EventBridge tells Karpenter's queue of instances that are about to go.
//!
//! The tags of a rule cost a call each to read, so they are set when the rule is made and not
//! compared later.

use std::sync::Arc;

use aws_sdk_eventbridge::types::{Rule, RuleState, Tag, Target as EventTarget};
use serde_json::{Value, json};

use super::tags::{self, Tags};
use super::{Shared, queue};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::calls;
use crate::reconcile::plan::Action;
use crate::reconcile::{Diff, Error, Fact, Fate, Grant, Handle, Lookup, Progress, Resource};

/// The queue's id among a rule's targets, as in the rules that Terraform's module makes.
const TARGET_ID: &str = "KarpenterInterruptionQueueTarget";

/// What Karpenter wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// AWS plans maintenance or sees a fault.
    HealthEvent,
    /// A spot instance will be taken away in two minutes.
    SpotInterrupt,
    /// A spot instance is more likely than others to be taken away.
    InstanceRebalance,
    /// An instance is starting, stopping or gone.
    InstanceStateChange,
}

impl Interruption {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::HealthEvent,
        Self::SpotInterrupt,
        Self::InstanceRebalance,
        Self::InstanceStateChange,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::HealthEvent => "HealthEvent",
            Self::SpotInterrupt => "SpotInterrupt",
            Self::InstanceRebalance => "InstanceRebalance",
            Self::InstanceStateChange => "InstanceStateChange",
        }
    }

    /// Source: Karpenter's CloudFormation reference, "Interruption Handling".
    fn pattern(self) -> Value {
        let (source, detail_type) = match self {
            Self::HealthEvent => ("aws.health", "AWS Health Event"),
            Self::SpotInterrupt => ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
            Self::InstanceRebalance => ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
            Self::InstanceStateChange => ("aws.ec2", "EC2 Instance State-change Notification"),
        };
        json!({ "source": [source], "detail-type": [detail_type] })
    }
}

/// Looks up the rules that may be one cluster's, for all of its rules at once.
#[derive(Debug)]
pub struct ClusterRules {
    /// The account and region to look in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// The cluster's name.
    pub cluster: String,
}

/// What a rule is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its name.
    pub name: String,
    /// Which events it takes.
    pub pattern: Option<Value>,
    /// Whether it takes any.
    pub enabled: bool,
    /// Whether the cluster's queue is a target.
    pub tells_queue: bool,
}

impl Lookup for ClusterRules {
    type Output = Arc<Vec<Observed>>;
    const GRANTS: &'static [Grant] = &[Grant {
        actions: &["events:ListRuleNamesByTarget", "events:ListRules"],
        on: &["*"],
        condition: None,
    }];

    async fn look_up(&self) -> Result<Arc<Vec<Observed>>, Error> {
        let key = self.session.target().clone();
        let ask = || async { Ok(Arc::new(self.rules().await?)) };
        let rules = self.shared.rules.get(key, ask);
        let (rules, telling) = calls::join(rules, self.telling_queue()).await;
        Ok(Arc::new(of_cluster(&self.cluster, &rules?, &telling?)))
    }
}

impl ClusterRules {
    /// Every rule of the region: adopted ones have nothing in their names that is the cluster's. An
    /// event bus has 300 at most unless AWS raises that, and a page has 100.
    async fn rules(&self) -> Result<Vec<Rule>, CallError> {
        let mut rules = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .session
                .events()
                .list_rules()
                .set_next_token(next)
                .send()
                .await
                .doing(|| "listing the event rules".to_owned())?;
            rules.extend(page.rules.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                return Ok(rules);
            }
        }
    }

    async fn telling_queue(&self) -> Result<Vec<String>, CallError> {
        let queue = queue::facts(self.session.target(), &self.cluster);
        let mut names = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .session
                .events()
                .list_rule_names_by_target()
                .target_arn(&queue.arn)
                .set_next_token(next)
                .send()
                .await
                .doing(|| format!("listing the event rules that tell queue {}", queue.name))?;
            names.extend(page.rule_names.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                return Ok(names);
            }
        }
    }
}

/// The rules that tell the cluster's queue or are named as psk names the cluster's, by name.
fn of_cluster(cluster: &str, rules: &[Rule], telling_queue: &[String]) -> Vec<Observed> {
    let named = Interruption::ALL.map(|interruption| rule_name(cluster, interruption));
    let mut rules: Vec<_> = rules
        .iter()
        .filter_map(|rule| {
            let name = rule.name()?.to_owned();
            let tells_queue = telling_queue.contains(&name);
            (tells_queue || named.contains(&name)).then(|| Observed {
                name,
                pattern: rule.event_pattern().and_then(parse),
                enabled: is_enabled(rule.state()),
                tells_queue,
            })
        })
        .collect();
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    rules
}

fn parse(pattern: &str) -> Option<Value> {
    serde_json::from_str(pattern).ok()
}

fn is_enabled(state: Option<&RuleState>) -> bool {
    state.is_some_and(|state| *state != RuleState::Disabled)
}

fn rule_name(cluster: &str, interruption: Interruption) -> String {
    format!("{cluster}-{}", interruption.name())
}

/// One rule of a cluster.
#[derive(Debug)]
pub struct EventRule {
    /// The account and region that it is in.
    pub session: Session,
    /// The rules that are there.
    pub rules: Handle<Arc<Vec<Observed>>>,
    /// The queue that it tells.
    pub queue: Handle<queue::Facts>,
    /// What it should be.
    pub wanted: Wanted,
}

/// What a rule should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// What it is for.
    pub interruption: Interruption,
    /// Tags that it is made with.
    pub tags: Tags,
}

impl Resource for EventRule {
    type Observed = Observed;
    type Output = ();
    const KIND: &'static str = "events_rule";
    const GRANTS: &'static [Grant] = &[Grant {
        actions: &[
            "events:DeleteRule",
            "events:DescribeRule",
            "events:ListTagsForResource",
            "events:ListTargetsByRule",
            "events:PutRule",
            "events:PutTargets",
            "events:RemoveTargets",
            "events:TagResource",
        ],
        on: &[
            "arn:{partition}:events:*:{account}:rule/*HealthEvent*",
            "arn:{partition}:events:*:{account}:rule/*SpotInterrupt*",
            "arn:{partition}:events:*:{account}:rule/*InstanceRebalance*",
            "arn:{partition}:events:*:{account}:rule/*InstanceStateChange*",
        ],
        condition: None,
    }];

    fn name(&self) -> String {
        rule_name(&self.wanted.cluster, self.wanted.interruption)
    }

    fn needs(&self) -> Vec<usize> {
        vec![self.rules.index(), self.queue.index()]
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let rules = self.rules.observed().await?.known().unwrap_or_default();
        Ok(choose(&self.name(), self.wanted.interruption, &rules).cloned())
    }

    fn output(&self, _observed: &Observed) {}

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        Ok(diff(&self.wanted, self.queue_arn(), observed))
    }

    async fn apply(
        &self,
        diff: &Diff,
        observed: Option<&Observed>,
        _progress: &Progress,
    ) -> Result<(), Error> {
        let name = observed.map_or_else(|| self.name(), |is| is.name.clone());
        if diff.touches("event_pattern") || diff.touches("enabled") {
            self.put_rule(&name, diff.action == Action::Create).await?;
        }
        if diff.touches("targets") {
            self.put_target(&name).await?;
        }
        Ok(())
    }

    async fn settle(&self, _progress: &Progress) -> Result<Observed, Error> {
        let own = self.name();
        let name = match self.observe().await? {
            Some(is) => is.name,
            None => own,
        };
        let doing = || format!("reading event rule {name}");
        let events = self.session.events();
        let (rule, targets) = calls::join(
            events.describe_rule().name(&name).send(),
            self.targets(&name),
        )
        .await;
        let rule = rule.doing(doing)?;
        let queue = self.queue_arn().required(doing)?;
        Ok(Observed {
            pattern: rule.event_pattern().and_then(parse),
            enabled: is_enabled(rule.state()),
            tells_queue: targets?.iter().any(|target| target.arn() == queue),
            name,
        })
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        let name = &observed.name;
        let arn = self.session.target().arn("events", &format!("rule/{name}"));
        let answer = self
            .session
            .events()
            .list_tags_for_resource()
            .resource_arn(arn)
            .send()
            .await
            .doing(|| format!("reading the tags of event rule {name}"))?;
        let tags = answer.tags.unwrap_or_default().into_iter();
        Ok(tags::fate(&tags.map(|tag| (tag.key, tag.value)).collect()))
    }

    async fn remove(&self, observed: &Observed, _progress: &Progress) -> Result<(), Error> {
        let name = &observed.name;
        // A rule with targets can't be deleted.
        let targets: Vec<_> = self
            .targets(name)
            .await
            .or_absent()?
            .unwrap_or_default()
            .into_iter()
            .map(|target| target.id)
            .collect();
        if !targets.is_empty() {
            let doing = || format!("removing the targets of event rule {name}");
            let answer = self
                .session
                .events()
                .remove_targets()
                .rule(name)
                .set_ids(Some(targets))
                .send()
                .await
                .doing(doing)?;
            let failed = answer.failed_entries().iter();
            refused(doing, failed.map(|e| (e.error_code(), e.error_message())))?;
        }
        self.session
            .events()
            .delete_rule()
            .name(name)
            .send()
            .await
            .doing(|| format!("deleting event rule {name}"))
            .or_absent()?;
        Ok(())
    }
}

impl EventRule {
    fn queue_arn(&self) -> Fact<String> {
        self.queue.get().map(|queue| queue.arn)
    }

    /// Puts the rule, which is then wholly as given. Tags are taken only when it is new.
    /// Source: EventBridge API reference, PutRule.
    async fn put_rule(&self, name: &str, is_new: bool) -> Result<(), Error> {
        let doing = || format!("setting event rule {name}");
        let tags = tags::made(&self.wanted.tags)
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::new(doing(), error.to_string(), "report this as a bug"))?;
        self.session
            .events()
            .put_rule()
            .name(name)
            .description(format!(
                "Tells Karpenter of interruptions in {}",
                self.wanted.cluster
            ))
            .event_pattern(self.wanted.interruption.pattern().to_string())
            .state(RuleState::Enabled)
            .set_tags(is_new.then_some(tags))
            .send()
            .await
            .doing(doing)?;
        Ok(())
    }

    async fn put_target(&self, name: &str) -> Result<(), Error> {
        let doing = || format!("setting the target of event rule {name}");
        let target = EventTarget::builder()
            .id(TARGET_ID)
            .arn(self.queue_arn().required(doing)?)
            .build()
            .map_err(|error| Error::new(doing(), error.to_string(), "report this as a bug"))?;
        let answer = self
            .session
            .events()
            .put_targets()
            .rule(name)
            .targets(target)
            .send()
            .await
            .doing(doing)?;
        let failed = answer.failed_entries().iter();
        refused(doing, failed.map(|e| (e.error_code(), e.error_message())))
    }

    async fn targets(&self, name: &str) -> Result<Vec<EventTarget>, CallError> {
        // A rule has five targets at most, so there is one page.
        let answer = self
            .session
            .events()
            .list_targets_by_rule()
            .rule(name)
            .send()
            .await
            .doing(|| format!("listing the targets of event rule {name}"))?;
        Ok(answer.targets.unwrap_or_default())
    }
}

/// EventBridge takes and removes targets one by one and answers with those that it refused.
fn refused<'a>(
    doing: impl Fn() -> String,
    failed: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>,
) -> Result<(), Error> {
    let causes: Vec<_> = failed
        .map(|(code, message)| {
            format!(
                "{}: {}",
                code.unwrap_or("unknown"),
                message.unwrap_or("no message")
            )
        })
        .collect();
    if causes.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        doing(),
        causes.join("; "),
        "mend what EventBridge names, then run again",
    ))
}

/// The rule of that exact name, else one that tells the queue and has the interruption in its name,
/// as the rules have that Terraform's module makes (`HealthEvent-20250101…`).
fn choose<'a>(
    name: &str,
    interruption: Interruption,
    rules: &'a [Observed],
) -> Option<&'a Observed> {
    let adoptable = |rule: &&Observed| rule.tells_queue && rule.name.contains(interruption.name());
    rules
        .iter()
        .find(|rule| rule.name == name)
        .or_else(|| rules.iter().find(adoptable))
}

fn diff(wanted: &Wanted, queue: Fact<String>, observed: Option<&Observed>) -> Diff {
    let target = format!("targets.{TARGET_ID}");
    let pattern = wanted.interruption.pattern();
    let Some(is) = observed else {
        return Diff::create()
            .attribute("event_pattern", None::<()>, pattern)
            .attribute("enabled", None::<()>, true)
            .fact(&target, None::<()>, queue)
            .with(|diff| tags::diff(diff, None, &wanted.tags))
            .build();
    };
    let diff = Diff::update()
        .attribute("event_pattern", is.pattern.as_ref(), pattern)
        .attribute("enabled", Some(is.enabled), true);
    match is.tells_queue {
        true => diff.build(),
        false => diff.fact(&target, None::<()>, queue).build(),
    }
}

#[cfg(test)]
mod tests;
