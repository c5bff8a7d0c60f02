//! Rules.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{
    check_bus, check_length, check_name, invalid, invalid_pattern, limit_exceeded, no_rule,
};
use super::tags::{self, Tag};
use super::{DEFAULT_BUS, Region, Rule, pattern, rule_arn, schedule};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::json;
use crate::wire::page::{Page, page};

const LONGEST_DESCRIPTION: usize = 512;
const MOST_RESULTS: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Put {
    name: String,
    event_pattern: Option<String>,
    schedule_expression: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    event_bus_name: Option<String>,
}

/// `PutRule`: makes a rule, or replaces all of it but its targets and tags.
pub(super) fn put(here: &mut Region, call: &Call) -> Answer {
    let input: Put = json::parameters(call)?;
    check_name("name", &input.name)?;
    check_bus(call, input.event_bus_name.as_deref())?;
    check_description(&input)?;
    let given = tags::with(&Default::default(), input.tags)?;
    let before = here.rules.remove(&input.name);
    if before.is_none() && here.rules.len() >= here.quotas.rules {
        return Err(limit_exceeded());
    }
    let (tags, targets, created_at) = match before {
        Some(before) => (before.tags, before.targets, before.created_at),
        None => (given, Default::default(), call.now),
    };
    let rule = Rule {
        name: input.name.clone(),
        pattern: input.event_pattern,
        schedule: input.schedule_expression,
        state: input.state.unwrap_or_else(|| "ENABLED".to_owned()),
        description: input.description,
        role_arn: input.role_arn,
        tags,
        targets,
        created_at,
    };
    here.rules.insert(input.name.clone(), rule);
    let arn = rule_arn(&call.account, &call.region, &input.name);
    json::answer(&json!({ "RuleArn": arn }))
}

fn check_description(input: &Put) -> Result<(), ServiceError> {
    if input.event_pattern.is_none() && input.schedule_expression.is_none() {
        return Err(invalid(
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ));
    }
    if let Some(text) = &input.event_pattern {
        check_length("eventPattern", text, pattern::LONGEST)?;
        pattern::check(text).map_err(|reason| invalid_pattern(&reason))?;
    }
    if let Some(text) = &input.schedule_expression {
        check_length("scheduleExpression", text, schedule::LONGEST)?;
        if !schedule::is_valid(text) {
            return Err(invalid("Parameter ScheduleExpression is not valid."));
        }
    }
    if let Some(text) = &input.description {
        check_length("description", text, LONGEST_DESCRIPTION)?;
    }
    match input.state.as_deref() {
        None | Some("ENABLED" | "DISABLED" | "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS") => {
            Ok(())
        }
        Some(other) => Err(invalid(format!(
            "1 validation error detected: Value '{other}' at 'state' failed to satisfy constraint: \
             Member must satisfy enum value set: [ENABLED, DISABLED, \
             ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS]"
        ))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Named {
    name: String,
    event_bus_name: Option<String>,
    /// For rules that services manage, of which there are none here.
    #[serde(rename = "Force", default)]
    _force: bool,
}

impl Named {
    fn read(call: &Call) -> Result<String, ServiceError> {
        let input: Self = json::parameters(call)?;
        check_bus(call, input.event_bus_name.as_deref())?;
        Ok(input.name)
    }
}

/// `DescribeRule`.
pub(super) fn describe(here: &mut Region, call: &Call) -> Answer {
    let name = Named::read(call)?;
    let rule = here.rules.get(&name).ok_or_else(|| no_rule(&name))?;
    let mut view = view(rule, call);
    view["CreatedBy"] = call.account.as_str().into();
    json::answer(&view)
}

/// `EnableRule`.
pub(super) fn enable(here: &mut Region, call: &Call) -> Answer {
    set_state(here, call, "ENABLED")
}

/// `DisableRule`.
pub(super) fn disable(here: &mut Region, call: &Call) -> Answer {
    set_state(here, call, "DISABLED")
}

fn set_state(here: &mut Region, call: &Call, state: &str) -> Answer {
    let name = Named::read(call)?;
    let rule = here.rules.get_mut(&name).ok_or_else(|| no_rule(&name))?;
    state.clone_into(&mut rule.state);
    json::answer(&json!({}))
}

/// `DeleteRule`. It succeeds where there is no such rule; targets have to go first.
pub(super) fn delete(here: &mut Region, call: &Call) -> Answer {
    let name = Named::read(call)?;
    if here
        .rules
        .get(&name)
        .is_some_and(|rule| !rule.targets.is_empty())
    {
        return Err(invalid("Rule can't be deleted since it has targets."));
    }
    here.rules.remove(&name);
    json::answer(&json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct List {
    #[serde(default)]
    name_prefix: String,
    event_bus_name: Option<String>,
    limit: Option<usize>,
    next_token: Option<String>,
}

/// `ListRules`: all, or those whose names begin so.
pub(super) fn list(here: &mut Region, call: &Call) -> Answer {
    let input: List = json::parameters(call)?;
    check_bus(call, input.event_bus_name.as_deref())?;
    let rules = here
        .rules
        .values()
        .filter(|rule| rule.name.starts_with(&input.name_prefix))
        .map(|rule| (rule.name.clone(), view(rule, call)));
    answer_page(
        cut(rules, input.limit, input.next_token.as_deref())?,
        "Rules",
    )
}

/// Cuts a page out of a list, as `Limit` and `NextToken` say.
pub(super) fn cut<T>(
    items: impl IntoIterator<Item = (String, T)>,
    limit: Option<usize>,
    token: Option<&str>,
) -> Result<Page<T>, ServiceError> {
    let limit = limit.unwrap_or(MOST_RESULTS);
    if !(1..=MOST_RESULTS).contains(&limit) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: \
             Member must have value between 1 and {MOST_RESULTS}"
        )));
    }
    page(items, limit, token)
        .map_err(|_| ServiceError::bad_request("InvalidToken", "The token is not valid."))
}

/// Answers with a page under this member.
pub(super) fn answer_page<T: serde::Serialize>(page: Page<T>, member: &str) -> Answer {
    let mut answer = json!({ member: page.items });
    if let Some(next) = page.next {
        answer["NextToken"] = next.into();
    }
    json::answer(&answer)
}

/// A `Rule` as lists have it.
fn view(rule: &Rule, call: &Call) -> Value {
    let mut view = json!({
        "Name": rule.name,
        "Arn": rule_arn(&call.account, &call.region, &rule.name),
        "State": rule.state,
        "EventBusName": DEFAULT_BUS,
    });
    let optional = [
        ("EventPattern", &rule.pattern),
        ("ScheduleExpression", &rule.schedule),
        ("Description", &rule.description),
        ("RoleArn", &rule.role_arn),
    ];
    for (member, value) in optional {
        if let Some(value) = value {
            view[member] = value.as_str().into();
        }
    }
    view
}
