//! Targets of rules: where events go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{check_bus, check_length, check_name, invalid, limit_exceeded, no_rule};
use super::rules::{answer_page, cut};
use super::{Region, Rule};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json;

/// Most targets that one request may put or remove.
const MOST_ENTRIES: usize = 10;
const LONGEST_ARN: usize = 1600;

/// A target, as PutTargets takes and lists give it. What only other kinds of targets than queues
/// have isn't simulated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Target {
    /// Its id, unique within the rule.
    pub id: String,
    /// What events are sent to.
    pub arn: String,
    /// The role to do it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Sent instead of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The part of the event that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_path: Option<String>,
    /// Makes what is sent out of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_transformer: Option<InputTransformer>,
    /// For FIFO queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqs_parameters: Option<SqsParameters>,
    /// Where events go that can't be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
    /// How long it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
}

/// Makes what is sent out of the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InputTransformer {
    /// Parts of the event by the name that the template has for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub input_paths_map: BTreeMap<String, String>,
    /// The template.
    pub input_template: String,
}

/// For FIFO queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SqsParameters {
    /// The message group.
    pub message_group_id: String,
}

/// Where events go that can't be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeadLetterConfig {
    /// A queue.
    pub arn: String,
}

/// How long sending is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RetryPolicy {
    /// How often, at most 185 times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_retry_attempts: Option<u32>,
    /// For how long, in seconds: 60 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_event_age_in_seconds: Option<u32>,
}

impl Target {
    /// A target that gets the events as they are.
    pub fn new(id: &str, arn: &str) -> Self {
        Self {
            id: id.to_owned(),
            arn: arn.to_owned(),
            role_arn: None,
            input: None,
            input_path: None,
            input_transformer: None,
            sqs_parameters: None,
            dead_letter_config: None,
            retry_policy: None,
        }
    }

    fn check(&self) -> Result<(), ServiceError> {
        check_name("targets.id", &self.id)?;
        check_length("targets.arn", &self.arn, LONGEST_ARN)?;
        if !is_arn(&self.arn) {
            return Err(invalid(format!(
                "Parameter {} is not valid. Reason: Provided Arn is not in correct format.",
                self.arn
            )));
        }
        let inputs = [
            self.input.is_some(),
            self.input_path.is_some(),
            self.input_transformer.is_some(),
        ];
        if inputs.into_iter().filter(|given| *given).count() > 1 {
            return Err(invalid(format!(
                "Only one of Input, InputPath, or InputTransformer must be provided for target {}.",
                self.id
            )));
        }
        if let Some(input) = &self.input
            && serde_json::from_str::<Value>(input).is_err()
        {
            return Err(invalid(format!(
                "JSON syntax error in input for target {}",
                self.id
            )));
        }
        let is_fifo = self.arn.starts_with("arn:aws:sqs:") && self.arn.ends_with(".fifo");
        if is_fifo && self.sqs_parameters.is_none() {
            return Err(invalid(format!(
                "Parameter(s) SqsParameters must be specified for target: {}.",
                self.id
            )));
        }
        self.retry_policy
            .as_ref()
            .map_or(Ok(()), RetryPolicy::check)
    }
}

impl RetryPolicy {
    fn check(&self) -> Result<(), ServiceError> {
        let attempts = self.maximum_retry_attempts.is_none_or(|n| n <= 185);
        let age = self
            .maximum_event_age_in_seconds
            .is_none_or(|n| (60..=86_400).contains(&n));
        if attempts && age {
            Ok(())
        } else {
            Err(invalid(
                "RetryPolicy allows at most 185 attempts and an age of 60 to 86400 seconds",
            ))
        }
    }
}

fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, service, _, _, resource]
        if !partition.is_empty() && !service.is_empty() && !resource.is_empty())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Put {
    rule: String,
    event_bus_name: Option<String>,
    targets: Vec<Target>,
}

/// `PutTargets`: adds targets and replaces those whose ids the rule has.
pub(super) fn put(here: &mut Region, call: &Call) -> Answer {
    let input: Put = json::parameters(call)?;
    check_bus(call, input.event_bus_name.as_deref())?;
    check_entries("targets", input.targets.len())?;
    input.targets.iter().try_for_each(Target::check)?;
    let rule = rule(here, &input.rule)?;
    let mut after = rule.targets.clone();
    after.extend(
        input
            .targets
            .into_iter()
            .map(|target| (target.id.clone(), target)),
    );
    if after.len() > here.quotas.targets {
        return Err(limit_exceeded());
    }
    let mut failed = Vec::new();
    let before = rule.targets.clone();
    after.retain(|id, target| {
        let is_new = before.get(id) != Some(target);
        let code = is_new.then(|| here.failure_of(&input.rule)).flatten();
        if let Some(code) = &code {
            failed.push(json!({
                "TargetId": id,
                "ErrorCode": code,
                "ErrorMessage": format!("Target {id} was not put, as rehearsed."),
            }));
        }
        code.is_none()
    });
    // A target that couldn't be replaced is as it was.
    for (id, target) in before {
        after.entry(id).or_insert(target);
    }
    rule_mut(here, &input.rule)?.targets = after;
    json::answer(&json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
}

impl Region {
    /// The code of the failure that awaits a target that is put on this rule now, if one does.
    fn failure_of(&mut self, rule: &str) -> Option<String> {
        let failure = self
            .failures
            .iter_mut()
            .find(|failure| failure.times != Some(0) && rule.contains(&failure.rule_contains))?;
        if let Some(times) = &mut failure.times {
            *times -= 1;
        }
        Some(failure.code.clone())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Remove {
    rule: String,
    event_bus_name: Option<String>,
    ids: Vec<String>,
    /// For rules that services manage, of which there are none here.
    #[serde(rename = "Force", default)]
    _force: bool,
}

/// `RemoveTargets`. It succeeds for ids that the rule doesn't have.
pub(super) fn remove(here: &mut Region, call: &Call) -> Answer {
    let input: Remove = json::parameters(call)?;
    check_bus(call, input.event_bus_name.as_deref())?;
    check_entries("ids", input.ids.len())?;
    rule_mut(here, &input.rule)?
        .targets
        .retain(|id, _| !input.ids.contains(id));
    json::answer(&json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct List {
    rule: String,
    event_bus_name: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

/// `ListTargetsByRule`.
pub(super) fn list(here: &mut Region, call: &Call) -> Answer {
    let input: List = json::parameters(call)?;
    check_bus(call, input.event_bus_name.as_deref())?;
    let targets = rule(here, &input.rule)?
        .targets
        .iter()
        .map(|(id, target)| (id.clone(), target));
    answer_page(
        cut(targets, input.limit, input.next_token.as_deref())?,
        "Targets",
    )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleNames {
    target_arn: String,
    event_bus_name: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

/// `ListRuleNamesByTarget`.
pub(super) fn rule_names(here: &mut Region, call: &Call) -> Answer {
    let input: RuleNames = json::parameters(call)?;
    check_bus(call, input.event_bus_name.as_deref())?;
    let names = here
        .rules
        .values()
        .filter(|rule| {
            let mut targets = rule.targets.values();
            targets.any(|target| target.arn == input.target_arn)
        })
        .map(|rule| (rule.name.clone(), &rule.name));
    answer_page(
        cut(names, input.limit, input.next_token.as_deref())?,
        "RuleNames",
    )
}

fn rule<'r>(here: &'r Region, name: &str) -> Result<&'r Rule, ServiceError> {
    here.rules.get(name).ok_or_else(|| no_rule(name))
}

fn rule_mut<'r>(here: &'r mut Region, name: &str) -> Result<&'r mut Rule, ServiceError> {
    here.rules.get_mut(name).ok_or_else(|| no_rule(name))
}

fn check_entries(member: &str, count: usize) -> Result<(), ServiceError> {
    if (1..=MOST_ENTRIES).contains(&count) {
        Ok(())
    } else {
        Err(invalid(format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member \
             must have length between 1 and {MOST_ENTRIES}"
        )))
    }
}
