//! What a caller of EventBridge must be allowed. Source: the Service Authorization Reference for
//! EventBridge. To tag a rule that is made takes `events:TagResource` too (API reference, PutRule).

use serde_json::Value;

use super::rule_arn;
use crate::authorization::Need;
use crate::call::Call;

/// What a call needs.
pub(crate) fn needs(call: &Call) -> Vec<Need> {
    let action = format!("events:{}", call.operation);
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let text = |member: &str| body.get(member).and_then(Value::as_str);
    let rule = |name: &str| rule_arn(&call.account, &call.region, name);
    let tags: Vec<_> = body
        .get("Tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|tag| {
            let value = tag.get("Value").and_then(Value::as_str);
            Some((tag.get("Key")?.as_str()?, value.unwrap_or_default()))
        })
        .collect();
    match call.operation.as_str() {
        "ListRules" | "ListRuleNamesByTarget" | "TestEventPattern" => vec![Need::anywhere(action)],
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            vec![Need::on(action, text("ResourceARN").unwrap_or("*")).tagging(tags)]
        }
        "PutRule" => {
            let rule = rule(text("Name").unwrap_or("*"));
            let mut needs = vec![Need::on(action, rule.clone()).tagging(tags.clone())];
            if !tags.is_empty() {
                needs.push(Need::on("events:TagResource", rule).tagging(tags));
            }
            needs
        }
        "PutTargets" => {
            let targets = body.get("Targets").and_then(Value::as_array);
            let arns = targets
                .into_iter()
                .flatten()
                .filter_map(|target| Some(target.get("Arn")?.as_str()?.to_owned()));
            vec![
                Need::on(action, rule(text("Rule").unwrap_or("*")))
                    .with_all("events:TargetArn", arns),
            ]
        }
        _ => {
            let name = text("Rule").or(text("Name")).unwrap_or("*");
            vec![Need::on(action, rule(name))]
        }
    }
}
